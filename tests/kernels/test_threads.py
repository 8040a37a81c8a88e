"""The threads of the host kernels are those of PyTorch."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hermite_pinn.cuda.runtime import host, threads
from hermite_pinn.cuda.runtime.source import assembled

TASKS = 64
BODY = """
#include <sys/syscall.h>
#include <unistd.h>
extern "C" int hp_who(int64_t count, int64_t *threads, int most) {
  hp::parallel(most, count, [&](int64_t i) {
    threads[i] = syscall(SYS_gettid);
    for (volatile int k = 0; k < 100000; k = k + 1) {} // long enough that others take part
  });
  return 0;
}
"""

linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc")


@pytest.fixture
def two():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def workers(count=TASKS, most=2):
    """The thread that did each task."""
    source = assembled("runtime/parallel.hpp", {}) + BODY
    found = torch.zeros(count, dtype=torch.int64)
    host.function(source, "hp_who", "lpi")(count, host.address(found), most)
    return found


def running():
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}


@linux
def test_tasks_are_done_by_threads_that_pytorch_has(two):
    if "openmp" not in torch.__config__.parallel_info().lower() or not threads._team().value:
        pytest.skip("this PyTorch has no OpenMP runtime that can be shared")
    torch.randn(1 << 20).exp()
    there = running()
    for _ in range(5):
        assert set(workers().tolist()) <= there
    assert running() <= there


@linux
def test_without_a_shared_runtime_tasks_are_done_by_threads_of_their_own(two, monkeypatch):
    monkeypatch.setattr(threads._team(), "value", None)
    there = running()
    assert (workers() > 0).all()
    assert running() <= there  # they have ended


@pytest.mark.parametrize(("count", "most"), [(0, 2), (1, 2), (TASKS, 1), (TASKS, 2), (TASKS, 7)])
def test_every_task_is_done_once_by_at_most_so_many(count, most):
    found = workers(count, most)
    assert len(set(found.tolist())) <= most
    assert (found > 0).all()


FORKED = """
import os, torch
from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step
torch.set_num_threads(2)
p, g, m, v = (torch.ones(1 << 18) for _ in range(4))
now = torch.tensor([1.0, 1.0], dtype=torch.float64)
def work():  # an operation of PyTorch would wait for ever
    adam_step(p, g, (m, v), None, now, AdamRule(epsilon=1.0))
    return float(p[-1])
here, child = work(), os.fork()
if child == 0:
    os._exit(0 if work() < here else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def run(code, **environment):
    own = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    return subprocess.run(
        [sys.executable, "-c", code], env=own | environment, timeout=120, check=False, capture_output=True, text=True
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_kernels_of_a_forked_process_wait_for_no_thread_of_its_parent():
    done = run(FORKED)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("first", "environment", "short"),
    [("os", {}, True), ("os, torch", {}, False), ("os", {"GOMP_SPINCOUNT": "77"}, False)],
    ids=["by this package", "before", "as the user chose"],
)
def test_threads_that_wait_give_up_their_cores_soon_where_nobody_chose_otherwise(first, environment, short):
    code = f"import {first}; before = dict(os.environ); import hermite_pinn; assert dict(os.environ) == before"
    done = run(code, OMP_DISPLAY_ENV="verbose", **environment)
    assert done.returncode == 0, done.stderr
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("the OpenMP runtime of this PyTorch is not GNU's")
    assert ("GOMP_SPINCOUNT = '3000'" in done.stderr) == short
    assert "GOMP_SPINCOUNT = '77'" in done.stderr or "GOMP_SPINCOUNT" not in environment


def test_a_library_without_threads_stays_as_it_is():
    library = ctypes.CDLL(str(host.compile_source('extern "C" int hp_nine() { return 9; }')))
    threads.share_team(library)
    assert library.hp_nine() == 9
