"""The measuring script: with nothing but its few packages, within its time, and without losing what was measured."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from hermite_pinn.validation.performance import gpu_check, gpu_tests, radiance_rows
from hermite_pinn.validation.performance import profile as profiling
from hermite_pinn.validation.performance.rows import Budget, Row, rows_markdown
from hermite_pinn.validation.performance.sections import INTRODUCTIONS
from hermite_pinn.validation.performance.training import SOLVES, Solve

SMALL = gpu_check.Sizes(1 << 16, 200, 50, 60, 2, ((8, 8),), "small", (8, 3))
CPU = torch.device("cpu")

BLOCKED = """
import sys
from pathlib import Path
from types import SimpleNamespace
from pathlib import Path

class Blocked:
    names = {"rich", "typer", "matplotlib", "meshio", "threadpoolctl", "trimesh", "pytorch_optimizer", "cupy"}
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"{name} is blocked")

sys.meta_path.insert(0, Blocked())
from hermite_pinn.validation.performance import baselines, bench, gpu_check, gpu_tests, roofline, timing
from hermite_pinn.validation.performance.training import SOLVES, Solve
SOLVES["small"] = (Solve("helmholtz2d", 2, 4, 3, 1e-2, 1.0, 1.0),)
sizes = gpu_check.Sizes(1 << 16, 200, 50, 60, 2, ((8, 8),), "small", (8, 3))
gpu_check.Sizes.of = classmethod(lambda cls, device: sizes)
gpu_check.step_rows = lambda *a: []
def quick(work, device, repeats=2, most=0.0, inner=1):
    return timing.median_seconds(work, device, repeats=2, most=0.0, inner=1)
for module in (baselines, bench, roofline):
    module.median_seconds = quick
sys.exit(gpu_check.main(["--device", "cpu", "--out", sys.argv[1]]))
"""


@pytest.mark.slow
def test_needs_no_other_package(tmp_path):
    """rich, typer, matplotlib, meshio and the rest are not there; all sections but the long one run."""
    done = subprocess.run([sys.executable, "-c", BLOCKED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "cpu.json").read_text())
    titles = [s["title"] for s in found["sections"]]
    assert titles == [
        "Correctness",
        "Memory",
        "Encoder",
        "Derivatives",
        "Training steps",
        "Gauss-Newton",
        "Radiance",
        "Registers",
    ]
    assert not any(s["failure"] for s in found["sections"])
    rows = [r for s in found["sections"] for r in s["rows"]]
    assert all(r["verdict"] == "met" for r in found["sections"][0]["rows"])
    assert {r["label"] for r in rows} >= {"copy bandwidth", "jets: plain PyTorch over native"}
    text = (tmp_path / "cpu.md").read_text()
    assert all(f"## {title}" in text for title in titles)


@pytest.mark.slow
def test_a_section_that_fails_is_recorded_and_the_others_run(monkeypatch, tmp_path):
    def broken(*args):
        raise RuntimeError("the device fell off the bus")

    for name in (
        "jet_rows",
        "derivative_rows",
        "step_rows",
        "solve_rows",
        "axis_rows",
        "resource_rows",
        "operator_rows",
        "radiance_rows",
    ):
        monkeypatch.setattr(gpu_check, name, lambda *a: [Row("something", 1.0)])
    monkeypatch.setattr(gpu_check, "kernel_rows", broken)
    written = []

    def tell(report):
        report.write(tmp_path, "x")
        written.append(len(json.loads((tmp_path / "x.json").read_text())["sections"]))

    report = gpu_check.run(CPU, 100.0, SMALL, tell=tell)
    assert written == [1, 2, 3, 4, 5, 6, 7, 8]
    assert report.sections[0].failure == "RuntimeError: the device fell off the bus"
    assert not any(s.failure for s in report.sections[1:])
    assert "**Failed:** `RuntimeError: the device fell off the bus`" in (tmp_path / "x.md").read_text()


def test_what_no_longer_fits_is_skipped_and_says_so():
    report = gpu_check.run(CPU, 0.0, SMALL)
    assert [r.verdict for s in report.sections for r in s.rows] == ["not measured"] * 8
    assert all("skipped: it needs about" in s.rows[0].note for s in report.sections)


def test_a_report_introduces_every_section():
    report = gpu_check.run(CPU, 0.0, SMALL)
    text = report.to_markdown()
    assert all(f"## {s.title}\n\n{INTRODUCTIONS[s.title]}\n" in text for s in report.sections)
    assert {s.title for s in report.sections} | {"Kernels", "Tests"} == set(INTRODUCTIONS)


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("a", 0.5, "ms", 0.6), "met"),
        (Row("a", 0.7, "ms", 0.6), "not met"),
        (Row("a", 0.7, "", 0.6, at_least=True), "met"),
        (Row("a", None, "ms", 0.6), "not measured"),
        (Row("a", float("nan"), "ms", 0.6), "not met"),
        (Row("a", 1.0), ""),
    ],
)
def test_verdicts(row, verdict):
    assert row.verdict == verdict
    assert verdict in rows_markdown([row])


def test_the_targets_are_those_of_the_task():
    """Error and time on an H200, as they were asked for."""
    asked = {("helmholtz2d", 10): (1e-7, 0.5), ("helmholtz2d", 100): (3e-4, 1.5), ("helmholtz3d", 10): (1.5e-4, 1.5)}
    for case in SOLVES["full"]:
        assert isinstance(case, Solve)
        assert (case.error, case.seconds) == asked[case.problem, case.a]
    assert Budget(10.0).lacks(5.0) == ""


def quiet(monkeypatch, **replaced):
    """Every measurement gives one row, but for those replaced."""
    names = ("kernel_rows", "operator_rows", "network_rows", "jet_rows", "derivative_rows", "step_rows", "solve_rows", "axis_rows", "resource_rows", "radiance_rows")  # fmt: skip
    for name in names:
        monkeypatch.setattr(gpu_check, name, replaced.get(name, lambda *a: [Row("something", 1.0)]))


@pytest.mark.slow
def test_a_radiance_field_is_compared_with_a_cpu_and_timed():
    rows = list(radiance_rows.radiance_rows(CPU, 8, 3, Budget(1000.0)))
    assert [r.verdict for r in rows[:3]] == ["met"] * 3
    labels = [r.label for r in rows]
    assert {"radiance, loss: against the CPU", "radiance, gradient of the encoder: against the CPU"} <= set(labels)
    assert {"radiance, marching", "radiance, step"} <= set(labels)
    short = list(radiance_rows.radiance_rows(CPU, 8, 3, Budget(0.0)))
    assert [r.value for r in short[3:]] == [None]


def test_rows_before_a_failure_are_kept(monkeypatch):
    def half(*args):
        yield Row("first", 1.0)
        raise RuntimeError("out of luck")

    quiet(monkeypatch, jet_rows=half)
    section = gpu_check.run(CPU, 100.0, SMALL, only=["Encoder"]).sections[0]
    assert [r.label for r in section.rows] == ["first"]
    assert section.failure == "RuntimeError: out of luck"


def test_a_fresh_process_goes_on_where_the_device_is_lost(monkeypatch, tmp_path):
    """An illegal access ends a GPU for its process; a child measures the sections that are left."""

    def broken(*args):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def child(command, **options):
        only = command[command.index("--only") + 1 :]
        folder = command[command.index("--out") + 1]
        part = gpu_check.Report({"cpu": "x"}, [gpu_check.Section(t, [Row(f"from {t}", 2.0, "s", 1.0)]) for t in only])
        part.write(Path(folder), command[command.index("--name") + 1])
        return subprocess.CompletedProcess(command, 0)

    quiet(monkeypatch, derivative_rows=broken)
    monkeypatch.setattr(gpu_check, "usable", lambda device: False)
    monkeypatch.setattr(gpu_check.subprocess, "run", child)
    monkeypatch.setattr(gpu_check.Sizes, "of", classmethod(lambda cls, device: SMALL))
    assert gpu_check.main(["--device", "cpu", "--out", str(tmp_path), "--no-tests"]) == 1
    found = json.loads((tmp_path / "cpu.json").read_text())["sections"]
    assert [s["title"] for s in found][3:] == ["Derivatives", "Training steps", "Gauss-Newton", "Radiance", "Registers"]
    assert "illegal memory access" in found[3]["failure"]
    assert [(r["label"], r["verdict"]) for r in found[5]["rows"]] == [("from Gauss-Newton", "not met")]


def test_a_fresh_process_that_fails_too_is_recorded(monkeypatch):
    monkeypatch.setattr(gpu_check.subprocess, "run", lambda command, **o: subprocess.CompletedProcess(command, 7))
    report = gpu_check.Report({"cpu": "x"}, pending=["Encoder", "Registers"])
    options = SimpleNamespace(device="cpu", no_tests=True)
    (section,) = gpu_check.elsewhere(report, options, 10.0)
    assert (section.title, section.failure) == ("Encoder", "a fresh process ended with code 7")


def test_kernels_are_told_for_one_step(monkeypatch):
    """Times and launches of a recording are divided by its steps; what the host did is left out."""

    def average(key, seconds, count, kind):
        return SimpleNamespace(
            key=key, self_device_time_total=1e6 * seconds, count=count, device_type=f"DeviceType.{kind}"
        )

    class Recording:
        def __init__(self, **options): ...
        def __enter__(self):
            return self

        def __exit__(self, *error): ...
        def key_averages(self):
            steps = profiling.STEPS
            return [
                average("jets", 1e-4 * steps, 2 * steps, "CUDA"),
                average("adjoint", 3e-4 * steps, steps, "CUDA"),
                average("aten::add", 3e-4 * steps, steps, "CPU"),
            ]

    solution = SimpleNamespace(stats={"seconds_per_step": 8e-4})
    monkeypatch.setattr(profiling, "profile", Recording)
    monkeypatch.setattr(profiling, "paper_steps", lambda *a: solution)
    rows = list(profiling.profile_rows(CPU, [], Budget(100.0)))
    assert [r.label for r in rows[:3]] == [
        "2D training step: the GPU computes",
        "2D training step: adjoint",
        "2D training step: jets",
    ]
    assert [round(r.value, 6) for r in rows[:3]] == [50.0, 300.0, 100.0]
    assert rows[2].note == "2.0 launches"
    assert len(rows) == 6


def test_products_are_recorded():
    """On a CPU no kernel is seen, and the products are right all the same."""
    rows = list(profiling.profile_rows(CPU, [(8, 8)], Budget(1.0)))
    assert [r.value for r in rows] == [None, None, 0.0]


TESTS = """
import time
import pytest

@pytest.mark.gpu
@pytest.mark.parametrize("device", ["cuda one", "cuda two"])
def test_right(device):
    pass

@pytest.mark.gpu
def test_wrong():
    assert {wrong}

def test_without_a_gpu():
    assert False

@pytest.mark.gpu
def test_waits_for_ever():
    while {hangs}:
        time.sleep(60)
"""


@pytest.mark.parametrize(
    ("wrong", "hangs", "failed", "note"),
    [
        pytest.param(True, False, 0.0, "4 passed; pytest: 4 passed", marks=pytest.mark.slow),
        (False, False, 1.0, "test_some.py::test_wrong; 3 passed; pytest: 1 failed, 3 passed"),
        pytest.param(False, True, 1.0, "2 passed; the others did not end in time", marks=pytest.mark.slow),
    ],
)
def test_tests_are_counted_also_if_one_hangs(tmp_path, monkeypatch, wrong, hangs, failed, note):
    (tmp_path / "test_some.py").write_text(TESTS.format(wrong=wrong, hangs=hangs))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu: needs a GPU\n")
    monkeypatch.setattr(gpu_tests, "REPORTING", 29 if hangs else 5)  # ten seconds for the one that hangs
    (row,) = gpu_tests.rows_of_tests(Budget(39), tmp_path)
    assert (row.value, row.verdict) == (failed, "met" if failed == 0 else "not met")
    assert note in row.note


def test_tests_that_cannot_start_are_not_measured(tmp_path):
    (tmp_path / "test_some.py").write_text("import no_such_module\n")
    (row,) = gpu_tests.rows_of_tests(Budget(60), tmp_path)
    assert (row.value, row.verdict) == (None, "not measured")
    assert "error" in row.note
    (row,) = gpu_tests.rows_of_tests(Budget(60), tmp_path / "absent")
    assert row.note == "there is no folder tests here"
