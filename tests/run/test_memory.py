"""How much memory there is, how much a run will take, and what happens where it does not suffice."""

import itertools
import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import memory
from hermite_pinn.errors import OutOfMemoryError
from hermite_pinn.methods.gauss_newton import nested_iteration
from hermite_pinn.methods.training import first_order
from hermite_pinn.validation.performance.memory import CASES, FACTOR, JUDGED, measured

CPU = torch.device("cpu")


def group(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_caches_that_the_system_would_give_up_count_as_available(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable:     700 kB\n")
    assert memory._system(tmp_path) == 700 * 1024


def test_pages_of_macos_are_counted():
    report = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\nPages free: 100.\nPages active: 5000.\n"
        "Pages inactive:  30.\nPages speculative: 5.\nPages wired down: 9.\nPages purgeable: 1.\n"
    )
    assert memory._mach_pages(report) == 136 * 16384
    assert memory._mach_pages("") is None


def test_limits_of_control_groups_count_at_every_height(tmp_path):
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    own.write_text("0::/a/b\n")
    group(root / "a" / "b", memory__max="max\n", memory__high="5000\n", memory__current="1000\n")
    group(root / "a", memory__max="9000\n", memory__high="max\n", memory__current="8000\n", memory__stat="x 1\n")
    assert memory._control_groups(own, root) == [4000, 1000]
    group(root / "a", memory__stat="anon 3\ninactive_file 500\n")
    assert memory._control_groups(own, root) == [4000, 1500]


def test_limits_of_the_first_version_and_of_a_container(tmp_path):
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    own.write_text("5:cpu,memory:/docker/abc\n2:pids:/x\n")
    group(
        root / "memory",
        memory__limit_in_bytes="7000\n",
        memory__usage_in_bytes="2000\n",
        memory__stat="total_inactive_file 100\n",
    )
    assert memory._control_groups(own, root) == [5100]
    own.write_text("nonsense\n")
    assert memory._control_groups(own, root) == []


def test_the_least_limit_holds(monkeypatch):
    monkeypatch.setattr(memory, "_system", lambda proc: 900)
    monkeypatch.setattr(memory, "_address_space", lambda proc: 800)
    monkeypatch.setattr(memory, "_control_groups", lambda own, root: [700, -5])
    assert memory.available_memory(CPU) == 0
    monkeypatch.setattr(memory, "_control_groups", lambda own, root: [])
    assert memory.available_memory(CPU) == 800


def test_the_address_space_is_a_limit(monkeypatch, tmp_path):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").write_text("Name: x\nVmSize:	 3 kB\n")
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (10 * 1024, 20 * 1024))
    assert memory._address_space(tmp_path) == 7 * 1024
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (memory.resource.RLIM_INFINITY,) * 2)
    assert memory._address_space(tmp_path) is None


@pytest.mark.parametrize("error", [MemoryError("no more"), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_lack_of_memory_returns_the_best_state(error, monkeypatch):
    solve, calls = nested_iteration.solve_at_once, []

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise error
        return solve(*arguments)

    monkeypatch.setattr(nested_iteration, "solve_at_once", failing)
    solution = hp.solve(hp.problems.poisson2d(), levels=4)
    assert solution.status is hp.Status.MAX_SIZE
    assert "best state" in solution.message
    assert len(solution.field.layout.resolutions) == 2


@pytest.mark.parametrize("error", [MemoryError("no more"), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_lack_of_memory_before_there_is_a_state_is_an_error(error, monkeypatch):
    def failing(*arguments):
        raise error

    monkeypatch.setattr(nested_iteration, "solve_at_once", failing)
    with pytest.raises(OutOfMemoryError, match="fewer levels"):
        hp.solve(hp.problems.poisson2d(), levels=2)


def test_first_order_training_returns_its_last_step(monkeypatch):
    step = first_order._Run._train_step

    def full(run):
        if run.step == 4:
            raise MemoryError("no more")
        step(run)

    monkeypatch.setattr(first_order._Run, "_train_step", full)
    method = hp.Adam(steps=8, points=16, face_points=8, check_every=2)
    solution = hp.solve(hp.problems.poisson2d(), levels=2, method=method)
    assert solution.status is hp.Status.MAX_SIZE


def test_estimates_grow_with_the_unknowns():
    estimates = [hp.solve(hp.problems.poisson2d(), levels=levels).stats["memory_estimate"] for levels in (4, 5, 6)]
    ratios = [b / a for a, b in itertools.pairwise(estimates)]
    assert all(3 < r < 4.2 for r in ratios), ratios


@pytest.mark.slow
@pytest.mark.parametrize(
    "label",
    [
        "helmholtz2d, quintic, 7 levels",
        "poisson3d, cubic, 4 levels",
        "four_discs, cubic, 7 levels",
        "poisson_mesh, cubic, 4 levels, mesh=gear",
    ],
)
def test_estimates_are_what_runs_take(label):
    row = measured(next(c for c in CASES if c.label == label))
    assert max(row.estimate, row.measured) >= JUDGED
    assert abs(math.log(row.ratio)) <= math.log(FACTOR), row
