"""One script on one and on several processes: the same result to rounding; failures end all of them."""

import json
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from run_ranks import CASES

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.methods.training.batches import Batch
from hermite_pinn.run.distributed import ALONE, Ranks, launched

pytestmark = [
    pytest.mark.skipif(not dist.is_gloo_available(), reason="this PyTorch has no gloo"),
    pytest.mark.xdist_group("ranks"),  # one worker starts the ranks whose results the tests share
]
SCRIPT = str(Path(__file__).parents[1] / "support" / "run_ranks.py")


def start(size, *arguments, **more):
    """The same script on every rank, with the variables that torchrun sets."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    shared = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"WORLD_SIZE": str(size), "HERMITE_PINN_TIMEOUT": "60"} | more
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [
        subprocess.Popen([sys.executable, *arguments], env=shared | {"RANK": str(r), "LOCAL_RANK": str(r)}, **pipes)
        for r in range(size)
    ]


def ended(processes, seconds=240):
    """Exit code and standard error of all of them; a process that hangs fails the test."""
    try:
        return [(p.wait(seconds), p.communicate()[1]) for p in processes]
    finally:
        for p in processes:
            p.kill()


#: Cases that three ranks run, too.
FEW = ("conditions", "adam at residuals")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Starts so many ranks, each number of them once: what they found, and the folder that they wrote."""

    @cache
    def of(size):
        folder = tmp_path_factory.mktemp(f"ranks{size}")
        for code, err in ended(start(size, SCRIPT, str(folder), *(FEW if size == 3 else ()))):
            assert code == 0, err
        return [json.loads((folder / f"rank{r}.json").read_text()) for r in range(size)], folder

    return of


def close(a, b, tol):
    a, b = torch.tensor(a), torch.tensor(b)
    return float((a - b).norm()) <= tol * float(b.norm())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size"), [*((n, 2) for n in CASES), *(pytest.param(n, 3, marks=pytest.mark.slow) for n in FEW)]
)
def test_several_ranks_find_what_one_finds(results, name, size):
    """Tables, parameters, losses, standard errors and the number of points; the sums differ in their order only."""
    alone, several = results(1)[0][0]["found"][name], [r["found"][name] for r in results(size)[0]]
    assert all(s == several[0] for s in several)  # to the bit
    found = several[0]
    # hidden units and inner solves that stop by a tolerance magnify rounding
    tol = {"network": 1e-4, "nonlinear": 1e-6, "slabs": 1e-6, "mixed precision": 1e-6}.get(name, 1e-7)
    assert close(found["tensors"], alone["tensors"], tol)
    # square systems end with residuals of the size of rounding
    assert found["loss"] == pytest.approx(alone["loss"], rel=1e-2 if name == "network" else 1e-4, abs=1e-12)
    assert found["parameters"] == pytest.approx(alone["parameters"], rel=1e-8)
    assert (found["status"], found["points"]) == (alone["status"], alone["points"])
    assert found["estimate"] == (None if alone["estimate"] is None else pytest.approx(alone["estimate"], rel=1e-3))
    if alone["errors"]:
        assert found["errors"] == pytest.approx(alone["errors"], rel=1e-4)


@pytest.mark.slow
def test_rank_0_alone_writes(results):
    """The script saves on every rank; the file is whole and rank 0's."""
    found, folder = results(2)
    assert [r["ranks"] for r in found] == [2, 2]
    solution = hp.Solution.load(folder / "elliptic.h5")
    assert solution.stats["rank"] == 0
    assert solution.stats["ranks"] == 2


FAILING = """
import os, sys, hermite_pinn as hp
from hermite_pinn import problems

class Failing(hp.Callback):
    def on_step(self, state):
        raise MemoryError("the first rank broke")

hp.solve(problems.helmholtz2d(a=2), levels=4, progress=False, callbacks=Failing())
"""
#: Runs one after the other in the same group; every rank prints what became of them.
SHARED = """
import json, os, sys, torch, hermite_pinn as hp
from hermite_pinn import problems
problem, folder, rank = problems.helmholtz2d(a=1), sys.argv[1], int(os.environ["RANK"])

def refused(**options):
    try:
        hp.solve(problem, progress=False, **options)
    except hp.HermitePinnError as error:
        return str(error)

class Stop(hp.Callback):
    calls = 0
    def on_step(self, state):
        self.calls += 1
        return "seen enough" if state.level == 2 else None

stop, found = Stop(), {}
found["different"] = refused(levels=2 + rank)
found["unshared"] = refused(method="lbfgs")
stopped = hp.solve(problem, levels=4, progress=False, callbacks=stop, max_time=100)
found["stopped"] = [stopped.status.name, stopped.message, stop.calls, stopped.stats["rank"]]
method = lambda steps: hp.Adam(steps=steps, points=40, face_points=8, schedule="constant")
options = {"field": hp.Field(head="siren", features=2, width=8), "levels": 3, "progress": False}
hp.solve(problem, method=method(6), checkpoint=folder + "/run.h5", max_time=100, **options)
resumed = hp.solve(problem, method=method(12), resume=folder + "/run.h5", **options)
whole = hp.solve(problem, method=method(12), **options)
found["resumed"] = torch.equal(resumed.field.table, whole.field.table)
found["late"] = hp.solve(problem, levels=3, progress=False, max_time=1e-3).status.name
json.dump(found, open(folder + f"/found{rank}.json", "w"))
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What both ranks of a group say of several runs."""
    folder = tmp_path_factory.mktemp("shared")
    for code, err in ended(start(2, "-c", SHARED, str(folder)), 120):
        assert code == 0, err
    return [json.loads((folder / f"found{rank}.json").read_text()) for rank in (0, 1)]


def test_runs_of_several_ranks_resume_and_end_in_time(shared):
    """Rank 0's checkpoint continues all ranks bit for bit; rank 0's clock ends all."""
    assert [(found["resumed"], found["late"]) for found in shared] == [(True, "MAX_TIME")] * 2


@pytest.mark.parametrize(
    ("run", "message"), [("different", "but levels differs"), ("unshared", "lbfgs runs on one process")]
)
def test_what_ranks_cannot_do_together_is_refused_by_all(shared, run, message):
    assert all(message in found[run] for found in shared)


def test_every_rank_ends_with_a_message_where_one_fails():
    messages = ["MemoryError: the first rank broke", "another rank failed or did not answer"]
    for (code, err), message in zip(ended(start(2, "-c", FAILING), 90), messages, strict=True):
        assert code != 0
        assert message in err


def test_the_verdict_of_rank_0_holds_for_all(shared):
    """Rank 0 alone asks the callback."""
    for number, found in enumerate(shared):
        status, message, calls, rank = found["stopped"]
        assert (status, rank, calls > 0) == ("STOPPED", number, number == 0)
        assert "seen enough" in message


@pytest.mark.slow
def test_a_rank_that_never_answers_is_given_up():
    """Rank 1 joins the group and does nothing."""
    script = (
        "import os, sys, torch.distributed as dist, datetime, hermite_pinn as hp\nfrom hermite_pinn import problems\n"
        "dist.init_process_group('gloo', timeout=datetime.timedelta(seconds=4))\n"
        "if os.environ['RANK'] == '0': hp.solve(problems.helmholtz2d(a=2), levels=2, progress=False)\n"
        "else: sys.stdin.read()\n"
    )
    processes = start(2, "-c", script)
    try:
        assert processes[0].wait(60) != 0
        assert "did not answer in time" in processes[0].communicate()[1]
    finally:
        for p in processes:
            p.kill()
            p.communicate()


@pytest.mark.parametrize(("count", "size"), [(10, 3), (7, 7), (5, 2)])
def test_parts_cover_everything_once(count, size):
    parts = [Ranks(r, size).part(count) for r in range(size)]
    assert [i for p in parts for i in range(count)[p]] == list(range(count))
    assert Ranks(0, size).divides(count)
    assert not Ranks(0, size).divides(size - 1)


@pytest.mark.parametrize("count", [2, 11])
def test_shares_of_a_batch_sum_to_its_mean(count):
    """Also where there are fewer points than ranks."""
    batch = Batch(torch.rand(2, count, dtype=torch.float64), {"u": torch.rand(count)})
    residual = lambda b: b.x[0] ** 2 - b.x[1]
    whole = batch.mean_square(residual(batch))
    parts = [batch.share(Ranks(r, 3)) for r in range(3)]
    assert float(sum(p.mean_square(residual(p)) for p in parts)) == pytest.approx(float(whole), rel=1e-14)
    assert batch.share(ALONE) is batch


def test_nothing_is_started_without_a_launcher(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert not launched()
    assert hp.solve(problems.helmholtz2d(a=1), levels=1, progress=False).stats["ranks"] == 1
    assert not dist.is_initialized()
    monkeypatch.setenv("WORLD_SIZE", "4")  # a batch system's variable alone starts nothing
    assert not launched()


def test_ranks_of_a_group_for_gpus_cannot_run_on_a_cpu(monkeypatch):
    from hermite_pinn.run import distributed

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    with pytest.raises(InvalidArgumentError, match="NCCL"):
        distributed.join(torch.device("cpu"))


def test_every_process_takes_its_own_gpu(monkeypatch):
    """Under torchrun "cuda" means the GPU with the number of the process on its machine, and NCCL is started."""
    from hermite_pinn.run import distributed
    from hermite_pinn.run.device import choose_device

    variables = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda") == torch.device("cuda", 1)
    assert choose_device("cuda:0") == torch.device("cuda", 0)
    started, current = [], []
    monkeypatch.setattr(dist, "init_process_group", lambda backend, timeout: started.append(backend))
    monkeypatch.setattr(dist, "get_rank", lambda: 3)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    monkeypatch.setattr(dist, "get_backend", lambda: "nccl")
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(distributed.atexit, "register", lambda function: None)
    ranks = distributed.join(torch.device("cuda", 1))
    assert (started, current) == (["nccl"], [torch.device("cuda", 1)])
    assert (ranks.rank, ranks.size) == (3, 4)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(BackendUnavailableError, match="nproc-per-node=2"):
        choose_device("cuda")
