"""Files are written whole or not at all: whatever fails, the file of before is there, and nothing else is left."""

import errno
import fcntl
import os
import re
import resource
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import HermitePinnError, InvalidArgumentError, OutputError
from hermite_pinn.output import append_file, check_writable, make_folder, output_path, staged, write_file, write_text

SHORT = hp.Adam(steps=3, points=32, face_points=8)


@pytest.fixture(scope="module")
def solution():
    return hp.solve(problems.heat(), levels=1, progress=False)


@pytest.fixture(scope="module")
def moving():
    """Two space axes and time."""
    residual = lambda u: u.t - u.laplacian
    domain = hp.Box(x=(0, 1), y=(0, 1), t=(0, 1))
    return hp.solve(
        hp.Problem(domain, "u", residual, [hp.Dirichlet(u=0.0), hp.Initial(u=1.0)]), levels=1, progress=False
    )


def contents(folder):
    """Everything in a folder, hidden files too."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


WRITERS = {
    "u.h5": lambda s, m, path: s.save(path),
    "u.vti": lambda s, m, path: s.to_vtk(path, resolution=4),
    "u.vtu": lambda s, m, path: s.to_vtk(path, resolution=4),
    "u.pvd": lambda s, m, path: m.to_vtk(path, resolution=2, times=3),
    "u.png": lambda s, m, path: s.plot_history(path),
    "u.txt": lambda s, m, path: write_text(path, "text"),
}


class Failing:
    """The k-th call of a function of the system, and all later ones, fail."""

    def __init__(self, monkeypatch, name, k, code):
        self.original, self.left, self.code, self.failed = getattr(os, name), k, code, 0
        monkeypatch.setattr(os, name, self)

    def __call__(self, *arguments, **options):
        if self.left <= 0:
            self.failed += 1
            raise OSError(self.code, os.strerror(self.code))
        self.left -= 1
        return self.original(*arguments, **options)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_file_of_before(name, call, solution, moving, tmp_path):
    """At every call of the system; where it does not fail, the new file is complete."""
    write = WRITERS[name]
    write(solution, moving, tmp_path / name)
    before, refused = contents(tmp_path), []
    for k in range(50):
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, call, k, (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, errno.EACCES)[k % 5])
            try:
                write(solution, moving, tmp_path / name)
            except OutputError as error:
                refused.append(str(error))
        after = contents(tmp_path)
        assert after.keys() == before.keys()
        if not failing.failed:
            break
        if name in ("u.h5", "u.vti", "u.vtu", "u.txt", "u.png"):
            assert after == before
    else:
        raise AssertionError("it never succeeded")
    assert refused
    assert all(re.search(r"u\.\w+ cannot be written|u_000\d\.vti cannot be written", text) for text in refused)
    assert "partial" not in "".join(refused)


def test_a_new_file_that_fails_leaves_nothing(solution, moving, tmp_path):
    for name, write in WRITERS.items():
        with pytest.MonkeyPatch.context() as patch:
            Failing(patch, "fsync", 0, errno.ENOSPC)
            with pytest.raises(OutputError, match="No space left on device; free some space"):
                write(solution, moving, tmp_path / name)
        assert contents(tmp_path) == {}
        solution.plot_history(tmp_path / "other.png")  # the solution is as good as before
        (tmp_path / "other.png").unlink()


LIMITED = """
import resource, signal, sys
import hermite_pinn as hp
if sys.argv[2] == "killing":
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as in a host that is no Python
s = hp.solve(hp.problems.heat(), levels=1, progress=False)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
for name, write in {"u.h5": s.save, "u.vti": s.to_vtk, "u.vtu": s.to_vtk, "u.png": s.plot, "u.svg": s.plot}.items():
    try:
        write(name)
        print("written", name)
    except hp.OutputError as error:
        print("refused", str(error))
try:
    hp.solve(hp.problems.heat(), levels=1, progress=False, checkpoint="run.h5")
except hp.OutputError as error:
    print("refused", str(error))
class Limit(hp.Callback):
    def on_step(self, state):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
run = hp.solve(hp.problems.heat(), levels=3, progress=False, checkpoint="run.h5", callbacks=[Limit(), hp.CSVLog("log.csv")])
print("run", run.status.name, "File too large" in run.stats["checkpoint_failed"], "checkpoint" in run.message)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("limit", "host"), [(3000, "killing"), pytest.param(0, "ignoring", marks=pytest.mark.slow)])
def test_a_limit_of_file_sizes_is_an_error_and_no_run_ends(limit, host, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), host], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["refused"] * 5
    assert all("File too large" in line for line in lines[:6])
    assert lines[-1] == "run COMPLETED True True"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log.csv", "run.h5"]
    assert done.stderr.count("the checkpoint was not saved, and the run goes on") == 1
    assert done.stderr.count("log.csv cannot be written") == 1
    assert (tmp_path / "log.csv").read_bytes().endswith(b"\r\n")  # whole rows only
    assert hp.solve(problems.heat(), levels=3, resume=tmp_path / "run.h5", progress=False).status.success


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="only root mounts file systems")
def test_a_full_disk_takes_nothing_from_a_run(solution, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        solution.save(disk / "u.h5")
        before = (disk / "u.h5").read_bytes()
        with open(disk / "rest", "wb", buffering=0) as rest:
            rest.write(bytes(1 << 20))  # as much as fits
        for path in ("u.h5", "new.h5"):
            with pytest.raises(OutputError, match=r"No space left|full"):
                solution.save(disk / path, samples=40)
        with pytest.raises(OutputError, match="No space left"):
            hp.solve(problems.heat(), levels=1, checkpoint=disk / "run.h5", progress=False)
        assert sorted(p.name for p in disk.iterdir()) == ["rest", "u.h5"]
        assert (disk / "u.h5").read_bytes() == before
        assert hp.Solution.load(disk / "u.h5").u(0.5, 0.5) == solution.u(0.5, 0.5)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


# -- names ---
def test_new_files_honour_the_umask_and_replaced_ones_keep_their_permissions(solution, moving, tmp_path):
    before = os.umask(0o027)
    try:
        for name, write in WRITERS.items():
            write(solution, moving, tmp_path / name)
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
            (tmp_path / name).chmod(0o604)
            write(solution, moving, tmp_path / name)
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o604
    finally:
        os.umask(before)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(there, solution, moving, tmp_path):
    (tmp_path / "real").mkdir()
    for name, write in WRITERS.items():
        target, link = tmp_path / "real" / f"other-{name}", tmp_path / name
        if there:
            target.write_text("before")
        link.symlink_to(target)
        write(solution, moving, link)
        assert link.is_symlink()
        assert target.stat().st_size > 0
        assert target.read_bytes() != b"before"
    left = [p for p in tmp_path.rglob("*") if p.name.endswith(".partial")]
    assert left == []


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("", InvalidArgumentError, "must not be empty"),
        ("a\0b", InvalidArgumentError, "zero byte"),
        ("\ud800", InvalidArgumentError, "encoded"),
        (b"u.txt", InvalidArgumentError, "a string or a pathlib.Path"),
        (3, InvalidArgumentError, "a string or a pathlib.Path"),
        (None, InvalidArgumentError, "a string or a pathlib.Path"),
        ("folder", OutputError, "is a folder"),
        ("no/u.txt", OutputError, "does not exist"),
        ("/dev/full", OutputError, "device"),
        ("pipe", OutputError, "pipe"),
        ("loop", OutputError, "links"),
        ("file/u.txt", OutputError, "Not a directory"),
        ("x" * 300, OutputError, "shorter name"),
    ],
    ids=repr,
)
def test_what_is_no_name_of_a_file_is_refused(path, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    for write in (check_writable, lambda p: write_file(p, b""), lambda p: staged(p).__enter__()):
        with pytest.raises(error, match=message):
            write(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_can_be_read_whoever_holds_a_lock_or_has_it_open(solution, tmp_path):
    path = tmp_path / "u.h5"
    solution.save(path)
    with open(path, "r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert hp.Solution.load(path).residuals == solution.residuals
    with h5py.File(path) as mine:
        assert hp.Solution.load(path).residuals == solution.residuals
        assert "meta" in mine


def test_a_file_can_be_locked_by_readers_as_soon_as_it_has_its_name(tmp_path, monkeypatch):
    replace, path = os.replace, tmp_path / "u.txt"

    def replace_and_read(draft, target):
        replace(draft, target)
        with open(target, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)

    monkeypatch.setattr(os, "replace", replace_and_read)
    assert write_text(path, "text").read_text(encoding="utf-8") == "text"


def test_long_names_have_short_partial_ones(tmp_path):
    path = tmp_path / ("x" * 250)
    write_file(path, b"1")
    assert path.read_bytes() == b"1"


def test_a_file_protected_against_writing_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "u.txt"
    path.write_text("before")
    monkeypatch.setattr(os, "access", lambda *a: False)  # root may write everything
    with pytest.raises(OutputError, match="protected"):
        write_file(path, b"after")
    assert path.read_text() == "before"


def test_folders_are_made_or_refused(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be created"):
        make_folder(tmp_path / "file" / "b")
    with pytest.raises(InvalidArgumentError):
        output_path(1.5)


def test_rows_are_appended_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "log.csv"
    write_file(path, b"a\n")
    original, calls = os.write, []

    def half(descriptor, piece):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "full")
        return original(descriptor, bytes(piece)[:1])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OutputError, match="full"):
            append_file(path, b"bcd\n")
    assert path.read_bytes() == b"a\n"
    append_file(path, b"bcd\n")
    assert path.read_bytes() == b"a\nbcd\n"


# -- partial files ---
@pytest.mark.parametrize("folder", [False, True])
def test_what_a_killed_writer_leaves_is_removed_by_the_next_and_nobody_elses(folder, tmp_path, monkeypatch):
    path = tmp_path / "u.txt"
    left, foreign = (tmp_path / f".{name}.123-0123abcd.partial" for name in ("u.txt", "u.txt.gz"))
    for p in (left, foreign):
        p.mkdir() if folder else p.touch()
    if folder:
        (left / "u.txt").write_text("half")
    check_writable(path)
    assert sorted(tmp_path.iterdir()) == [foreign]
    seen, original = [], os.write

    def meanwhile(descriptor, piece):
        """Another one writes the same file before this one is done."""
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", original)
            write_file(path, b"sooner")
            check_writable(path)
        seen.append(sorted(p.name for p in tmp_path.iterdir()))
        return original(descriptor, piece)

    monkeypatch.setattr(os, "write", meanwhile)
    write_file(path, b"later")
    assert [len(names) for names in seen] == [3]  # also the partial file of the first one, who is alive
    assert path.read_bytes() == b"later"
    assert sorted(tmp_path.iterdir()) == [foreign, path]


def test_where_no_locks_are_known_old_partial_files_are_removed(tmp_path, monkeypatch):
    def flock(*arguments):
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    young, old = (tmp_path / f".u.txt.{k}-0123abcd.partial" for k in (1, 2))
    young.touch()
    old.touch()
    os.utime(old, (0, 0))
    write_file(tmp_path / "u.txt", b"1")
    assert sorted(p.name for p in tmp_path.iterdir()) == [young.name, "u.txt"]


KILLED = """
import sys, hermite_pinn as hp
problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx + u**3 + hp.sin(9 * x), [hp.Dirichlet(u=0.0)])
print("started", flush=True)
for seed in range(1000):
    hp.solve(problem, method=hp.Adam(steps=100, points=32, face_points=4), levels=2, seed=seed,
             checkpoint=hp.Checkpoint(sys.argv[1], seconds=0), progress=False)
"""


@pytest.mark.parametrize("kills", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_leaves_a_file_that_can_be_resumed(kills, tmp_path):
    from hermite_pinn.run.store import read_store

    generator, path = np.random.default_rng(0), tmp_path / "run.h5"
    for _ in range(kills):
        run = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
        assert run.stdout.readline() == b"started\n"
        try:
            run.wait(generator.uniform(1.0, 2.5))
        except subprocess.TimeoutExpired:
            run.kill()
        run.wait()
        run.stdout.close()
        if path.exists():
            meta, _ = read_store(path, "checkpoint")
            assert meta["identity"]["method"] == "adam"
    check_writable(path)
    assert [p.name for p in tmp_path.iterdir()] in ([], ["run.h5"])


# -- logs, callbacks and checkpoints of runs ---
def test_a_log_that_cannot_be_written_is_an_error_before_the_first_step(tmp_path):
    seen = []

    class Watch(hp.Callback):
        def on_start(self, state):
            seen.append("start")

    for path in (tmp_path, tmp_path / "no" / "log.csv"):
        with pytest.raises(OutputError, match=r"log\.csv|folder"):
            hp.solve(problems.heat(), levels=1, callbacks=[Watch(), hp.CSVLog(path)], progress=False)
    assert seen == []
    assert hp.solve(problems.heat(), levels=1, callbacks=hp.CSVLog("/dev/null"), progress=False).status.success


def test_rows_that_could_not_be_written_come_later(tmp_path, caplog):
    path = tmp_path / "log.csv"

    class Away(hp.Callback):
        """The log is moved away in the first step, and comes back in the third."""

        def on_step(self, state):
            if state.step == 1:
                path.rename(tmp_path / "away")
            if state.step == 3:
                (tmp_path / "away").rename(path)

    hp.solve(problems.heat(), levels=4, callbacks=[Away(), hp.CSVLog(path)], progress=False)
    assert len(path.read_text().splitlines()) == 5
    assert caplog.text.count("the run goes on") == 1


@pytest.mark.parametrize("method", [hp.GaussNewton(), SHORT >> SHORT])
def test_a_checkpoint_that_cannot_be_written_ends_no_run(method, tmp_path, monkeypatch, caplog):
    from hermite_pinn.run import checkpoint as module

    original, calls = module.write_store, []

    def write(*arguments):
        calls.append(1)
        if 1 < len(calls) < most:
            raise OutputError("the disk is full")
        original(*arguments)

    monkeypatch.setattr(module, "write_store", write)
    options = {"method": method, "levels": 2, "progress": False, "checkpoint": hp.Checkpoint(tmp_path / "run.h5", 0)}
    most = 1000
    lost = hp.solve(problems.heat(), **options)
    assert lost.stats["checkpoint_failed"] == "the disk is full"
    assert "the disk is full" in lost.message
    assert caplog.text.count("the run goes on") == 1
    count, most = len(calls), 3
    calls.clear()
    found = hp.solve(problems.heat(), **options)  # the later ones are written
    assert len(calls) == count >= 3
    assert found.status is lost.status
    assert "checkpoint_failed" not in found.stats
    assert hp.solve(problems.heat(), **options, resume=tmp_path / "run.h5").u(0.5, 0.5) == found.u(0.5, 0.5)


def test_a_checkpoint_that_cannot_be_written_at_the_start_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(errno.EROFS, "read-only")))
    with pytest.raises(OutputError, match=r"run\.h5 cannot be written: read-only; choose another folder"):
        hp.solve(problems.heat(), levels=1, checkpoint=tmp_path / "run.h5", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_solution_larger_than_the_memory_is_refused(solution, tmp_path, monkeypatch):
    from hermite_pinn.run import store

    monkeypatch.setattr(store.np, "empty", lambda *a, **k: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(hp.OutOfMemoryError, match="no memory for its"):
        solution.save(tmp_path / "u.h5")
    assert issubclass(hp.OutOfMemoryError, HermitePinnError)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def exhausted():
    """Takes all descriptors that this process may open."""
    limits, held = resource.getrlimit(resource.RLIMIT_NOFILE), []
    largest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (largest + 16, limits[1]))

    def take():
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))

    yield take
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_without_descriptors_no_folder_is_left(exhausted, tmp_path):
    def write():
        with staged(tmp_path / "u.vtu") as stage:
            (stage / "a").write_text("a")
            exhausted()
            (stage / "b").write_text("b")

    with pytest.raises(OutputError, match="Too many open files"):
        write()
    assert not list(tmp_path.iterdir())


def test_without_descriptors_a_run_keeps_its_result(exhausted):
    class Late(hp.Callback):
        def on_step(self, state):
            if state.step == 2:
                exhausted()

    line = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + 1, [hp.Dirichlet(u=0.0)])
    hp.solve(line, levels=2, progress=False)  # from now on no kernel has to be read
    solution = hp.solve(line, levels=2, callbacks=Late(), progress=False)
    assert solution.status is hp.Status.COMPLETED
    assert solution.field.parameter_count


def test_limits_of_this_process_are_as_before():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
