"""Bad command lines: an exit code that is not zero, one message, no traceback, and JSON where it was asked for."""

import json
import os
import subprocess
import sys

import pytest

import hermite_pinn as hp
from hermite_pinn import cli

QUICK = ["--levels", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a solution, a truncated one, a foreign file, and one that is no folder."""
    made = tmp_path_factory.mktemp("files")
    hp.solve(hp.problems.poisson2d(), levels=1, progress=False).save(made / "good.h5")
    whole = (made / "good.h5").read_bytes()
    (made / "short.h5").write_bytes(whole[: len(whole) // 2])
    (made / "foreign.h5").write_text("this is no HDF5")
    (made / "empty.h5").touch()
    return made


#: Command lines that cannot work, with the exit code; ``{}`` is the folder.
USAGE = [
    "",
    "nosuch",
    "--nosuch",
    "solve",
    "solve ''",
    "solve nosuch",
    "solve Poisson2d",
    "solve poisson2d heat",
    "solve poisson2d --nosuch",
    "solve poisson2d --set",
    "solve poisson2d --set a",
    "solve poisson2d --set a=",
    "solve poisson2d --set =3",
    "solve poisson2d --set =",
    "solve poisson2d --set ''",
    "solve poisson2d --set nosuch=3",
    "solve helmholtz2d --set a=b=c",
    "solve helmholtz2d --set a=nan",
    "solve helmholtz2d --set a=x",
    "solve helmholtz2d --set a=[]",
    "solve helmholtz2d --set a={}",
    "solve helmholtz2d --set a=None",
    "solve helmholtz2d --set a=1,2,3",
    "solve helmholtz2d --set a=3 --set a=4",
    "solve helmholtz2d --set a=__import__('os')",
    "solve poisson2d --time -1",
    "solve poisson2d --time 0",
    "solve poisson2d --time nan",
    "solve poisson2d --time abc",
    "solve poisson2d --tol -1",
    "solve poisson2d --tol 0",
    "solve poisson2d --tol nan",
    "solve poisson2d --tol inf",
    "solve poisson2d --tol x",
    "solve poisson2d --levels 0",
    "solve poisson2d --levels -3",
    "solve poisson2d --levels 2.5",
    "solve poisson2d --levels 1,2",
    "solve poisson2d --levels 99999999999999999999",
    "solve poisson2d --levels 500",
    "solve poisson2d --method nosuch",
    "solve poisson2d --method ''",
    "solve poisson2d --method adam --tol 1e-3",
    "solve poisson2d --method lbfgs --dtype float32",
    "solve poisson2d --dtype float16",
    "solve poisson2d --dtype int",
    "solve poisson2d --device gpu",
    "solve poisson2d --device cuda:99",
    "solve poisson2d --device ''",
    "solve poisson2d --steps 5",
    "solve poisson2d --method adam --steps 0",
    "solve poisson2d --method adam --steps -5",
    "solve poisson2d --method adam --steps 2.5",
    "solve poisson2d --basis nosuch",
    "solve poisson2d --basis cosine",
    "solve poisson2d --seed -1",
    "solve poisson2d --seed 1.5",
    "solve poisson2d --seed 99999999999999999999",
    "solve poisson2d --out {}/good.h5",
    "solve poisson2d --out {}/good.h5/sub",
    "solve poisson2d --out /proc/nosuch",
    "solve poisson2d --out ''",
    "solve poisson2d --checkpoint ''",
    "solve poisson2d --resume {}/nosuch.h5",
    "solve poisson2d --checkpoint a.h5 extra",
    "export",
    "export {}/good.h5",
    "export {}/nosuch.h5 {}/a.vti",
    "export {}/good.h5 {}/a.nosuch",
    "export {}/good.h5 {}/a",
    "export {}/good.h5 {}/a.pvd",
    "export {}/good.h5 {}/a.vti --resolution 0",
    "export {}/good.h5 {}/a.vti --resolution -1",
    "export {}/good.h5 {}/a.vti --resolution 2.5",
    "export {}/good.h5 {}/a.vti --resolution nan",
    "export {}/good.h5 {}/a.vti --resolution inf",
    "export {}/good.h5 {}/a.vti --resolution x",
    "export {}/good.h5 {}/a.vti --times x",
    "export {}/good.h5 {}/a.vti --times -1",
    "plot",
    "plot {}/nosuch.h5 {}/a.png",
    "plot {}/good.h5 {}/a.png --time 1",
    "plot {}/good.h5 {}/a.png --time x",
    "plot --history {}/nosuch.h5 {}/a.png",
    "view",
    "view {}/nosuch.h5 --no-open",
    "view {}/good.h5 --no-open --out {}/good.h5",
    "view {}/good.h5 --no-open --fields v",
    "view {}/good.h5 --no-open --fields u.grad",
    "view {}/good.h5 --no-open --resolution 0",
    "view {} --no-open",
    "validate --suite nosuch",
    "validate --suite ''",
    "validate --method nosuch",
    "validate --method adam --time -1",
    "validate --method adam --seeds 0",
    "validate --seed -1",
    "validate --seed x",
    "validate --out {}/good.h5",
    "validate --suite compact --only nosuch",
    "validate --suite compact --out {}/good.h5",
    "bench --suite nosuch",
    "bench --device nosuch",
    "bench --device cuda:99",
    "gpu-check --time -1",
    "gpu-check --time nan",
    "demo --only nosuch",
    "demo --out ''",
    "gpu-check --device nosuch",
    "doctor extra",
    "list extra",
]  # fmt: skip

FAILURES = [
    "solve poisson2d --levels 29",
    "solve poisson2d --checkpoint /nosuch/a.h5",
    "solve poisson2d --checkpoint {}",
    "solve poisson2d --resume {}/good.h5",
    "solve poisson2d --resume {}/short.h5",
    "solve poisson2d --resume {}/foreign.h5",
    "export {}/short.h5 {}/a.vti",
    "export {}/foreign.h5 {}/a.vti",
    "export {}/empty.h5 {}/a.vti",
    "export {}/good.h5 /nosuch/a.vti",
    "export {}/good.h5 {}/a.vti --resolution 1e6",
    "export {} {}/a.vti",
    "plot {}/short.h5 {}/a.png",
    "plot {}/good.h5 {}/a.nosuch",
    "plot {}/good.h5 /nosuch/a.png",
    "plot {}/good.h5 {}",
    "plot --history {}/foreign.h5 {}/a.png",
]  # fmt: skip


def run(line, folder, capfd, *more):
    words = [w.strip("'").replace("{}", str(folder)) for w in line.split()]
    capfd.readouterr()
    code = cli._run([*words, *more])
    return code, *capfd.readouterr()


def check(line, code, folder, capfd):
    found, out, err = run(line, folder, capfd)
    assert found == code, err
    if line:  # without a command there is the help
        assert out == ""
        assert err.startswith("hermite-pinn: ")
        assert len(err) < 2000
        assert "Traceback" not in err
        assert "mistake of hermite_pinn" not in err


@pytest.mark.parametrize("line", USAGE)
def test_a_line_that_cannot_work_says_why_and_ends_with_2(line, folder, capfd):
    check(line, 2, folder, capfd)


@pytest.mark.parametrize("line", FAILURES)
def test_a_failure_says_why_and_ends_with_1(line, folder, capfd):
    check(line, 1, folder, capfd)


@pytest.mark.parametrize(
    "line", [s for s in [*USAGE, *FAILURES] if s.startswith(("solve", "validate", "bench")) and not s.endswith("--set")]
)
def test_a_failure_is_one_object_with_json(line, folder, capfd):
    code, out, err = run(line, folder, capfd, "--json")
    assert code in (1, 2)
    if not out:
        raise AssertionError(err)
    (only,) = out.splitlines()
    error = json.loads(only)["error"]
    assert set(error) == {"kind", "message"}
    assert error["message"] in err


@pytest.mark.parametrize(
    "command", ["", "list", "solve", "export", "plot", "validate", "bench", "gpu-check", "doctor", "demo"]
)
def test_every_command_has_help(command, folder, capfd):
    code, out, err = run(command, folder, capfd, "--help")
    assert (code, err) == (0, "")
    assert "Usage: hermite-pinn" in out


def test_numbers_that_are_not_finite_are_valid_json(capfd):
    cli.print_json({"error": float("nan"), "size": [float("inf"), 1.5], "settings": {"a": (1, 2)}})
    assert json.loads(capfd.readouterr().out) == {"error": None, "size": [None, 1.5], "settings": {"a": [1, 2]}}


def test_a_mistake_of_ours_is_one_message(monkeypatch, capfd):
    monkeypatch.setattr(cli.hp, "solve", lambda *a, **k: [][1])
    code = cli._run(["solve", "poisson2d", "--json"])
    out, err = capfd.readouterr()
    assert code == 1
    assert "IndexError" in err
    assert "Traceback" not in err
    assert json.loads(out)["error"]["kind"] == "IndexError"


def command(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "hermite_pinn.cli", *arguments], capture_output=True, check=False, **options
    )


@pytest.mark.slow
def test_streams_that_break_are_quiet():
    shell = f"{sys.executable} -m hermite_pinn.cli"
    for line, code in [
        (f"{shell} list --json | head -c 10", 0),
        (f"{shell} list | true", 0),
        (f"{shell} list >&-", 0),
        (f"{shell} solve poisson2d --levels 1 2>&-", 0),
        (f"{shell} solve nosuch 2>&- >&-", 2),
        (f"{shell} solve nosuch 2>/dev/full", 2),
        (f"{shell} list > /dev/full", 1),
    ]:
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
        assert done.returncode == code, (line, done.stderr)
        assert "Traceback" not in done.stderr, line
        assert "Exception ignored" not in done.stderr, line


@pytest.mark.slow
def test_words_that_are_no_text():
    done = command("solve", os.fsencode("poisson") + b"\xff\xfe", "--json")
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert "error" in json.loads(done.stdout)
