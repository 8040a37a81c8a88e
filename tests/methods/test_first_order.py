"""What first-order methods share beyond Adam: SOAP, points that follow the residual, and stops between steps."""

import os
import signal
import subprocess
import sys

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.training.batches import Pool, term_groups
from hermite_pinn.methods.training.fixed_objective import FixedObjective
from hermite_pinn.methods.training.optimizer_state import packed, unpacked
from hermite_pinn.methods.training.random_objective import RandomObjective
from hermite_pinn.methods.training.updates import AdamUpdate, Trained
from hermite_pinn.run.interrupt import uninterrupted
from hermite_pinn.run.monitor import Monitor

SMALL = {"levels": 3, "field": hp.Field(head="siren", table_size=2**6, width=16, omega=1.0)}
OPTIONS = {"steps": 60, "points": 300, "face_points": 40, "check_every": 20, "ema": 0.9}

needs_library = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import pytorch_optimizer"], capture_output=True).returncode != 0,
    reason="pytorch_optimizer is not installed",
)


pytestmark = pytest.mark.usefixtures("one_thread")


class Stop(hp.Callback):
    def __init__(self, step, how="callback"):
        self.step, self.how = step, how

    def on_step(self, state):
        if state.step == self.step and self.how == "signal":
            os.kill(os.getpid(), signal.SIGINT)
        return state.step == self.step and self.how == "callback"


def same(a, b):
    return all(torch.equal(t, b.field.tensors()[k]) for k, t in a.field.tensors().items())


# -- SOAP ---
@needs_library
def test_soap_trains_the_network_differently_from_adam():
    problem = problems.helmholtz2d(a=1)
    given = OPTIONS | {"steps": 150, "lr": 1e-2}
    soap = hp.solve(problem, method=hp.SOAP(network_lr=1e-2, **given), **SMALL)
    adam = hp.solve(problem, method=hp.Adam(**given), **SMALL)
    assert soap.history["loss"][-1] < 0.1 * soap.history["loss"][0]
    assert not torch.equal(soap.field.tensors()["head/layers/1/weight"], adam.field.tensors()["head/layers/1/weight"])
    assert soap.stats["method"] == "soap"


@needs_library
def test_adam_keeps_the_tables_under_soap():
    """With a network that cannot move, both methods take the same steps."""
    problem = problems.helmholtz2d(a=1)
    given = OPTIONS | {"steps": 5, "ema": 0.0}
    still = hp.solve(problem, method=hp.SOAP(network_lr=1e-30, **given), **SMALL)
    start = SMALL["field"].build(problem.domain, problem.fields, problem.periodic, 3, 0, torch.float32)
    assert torch.equal(still.field.tensors()["head/layers/0/weight"], start.tensors()["head/layers/0/weight"])
    tables = {"encoder/table": start.table.clone().requires_grad_(), "head/gate": torch.zeros(1, requires_grad=True)}
    matrix = {"head/layers/0/weight": torch.zeros(2, 2, requires_grad=True)}
    kinds = hp.SOAP().updates(Trained(tables | matrix, networks=list(matrix)))
    assert isinstance(kinds[0], AdamUpdate)
    assert list(kinds[0].tensors) == list(tables)
    assert list(kinds[1].tensors) == ["head/layers/0/weight"]
    assert not torch.equal(still.field.table, start.table)


@needs_library
@pytest.mark.parametrize("how", ["callback", "signal"])
def test_soap_resumes_bit_for_bit(tmp_path, how):
    problem, path = problems.convection(c=2), tmp_path / "state.h5"
    method = hp.SOAP(precondition_every=4, **OPTIONS)
    whole = hp.solve(problem, method=method, seed=5, **SMALL)
    half = hp.solve(problem, method=method, seed=5, checkpoint=path, callbacks=Stop(20, how), **SMALL)
    resumed = hp.solve(problem, method=method, seed=5, resume=path, **SMALL)
    assert same(whole, resumed)
    assert not same(whole, half)


def test_soap_without_a_network_is_refused():
    with pytest.raises(InvalidArgumentError, match="linear head has none"):
        hp.solve(problems.helmholtz2d(a=1), method="soap", levels=2, field=hp.Field())


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(BackendUnavailableError, match=r"pip install 'hermite_pinn\[optimizers\]'"):
        hp.solve(problems.helmholtz2d(a=1), method="soap", **SMALL)


def test_importing_the_package_does_not_import_the_library():
    code = "import sys, hermite_pinn; hermite_pinn.SOAP(); assert 'pytorch_optimizer' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- adaptive points ---
def test_density_follows_the_residual():
    r = torch.tensor([0.0, 1.0, -1.0, 3.0], dtype=torch.float64)
    for k, c in ((1.0, 1.0), (2.0, 0.5), (0.5, 0.0)):
        expected = r.abs() ** k / (r.abs() ** k).mean() + c
        assert torch.allclose(hp.RAD(k=k, c=c).probabilities(r), expected / expected.sum())
    assert torch.allclose(hp.RAD(k=0.0).probabilities(r), torch.full((4,), 0.25, dtype=torch.float64))
    for odd in (
        torch.zeros(4),
        torch.tensor([1.0, float("nan"), 1.0, 1.0]),
        torch.full((4,), 1e300, dtype=torch.float64),
    ):
        assert torch.allclose(hp.RAD(k=2).probabilities(odd), torch.full((4,), 0.25, dtype=torch.float64))


def test_draws_have_the_probabilities_of_the_pool():
    p = torch.tensor([0.0, 0.1, 0.6, 0.3], dtype=torch.float64)
    pool = Pool.weighted(torch.arange(4.0)[None], p)
    drawn = pool.draw(20_000, torch.Generator().manual_seed(0))[0].long()
    share = torch.bincount(drawn, minlength=4) / 20_000
    assert share[0] == 0
    assert (share - p).abs().max() < 0.02


@pytest.mark.parametrize("method", [hp.Adam, hp.LBFGS])
def test_points_gather_where_the_residual_is_large(method):
    """A source on one tenth of the interval, and a field that starts at zero: there the residual is."""

    def residual(u, x):
        return u.xx + hp.where(x > 0.9, 1.0, 0.0)

    problem = hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)])
    options = {"steps": 1, "points": 1000, "adaptive": hp.RAD(k=1, c=1)}
    batches = []
    owner, name = (RandomObjective, "draw") if method is hp.Adam else (FixedObjective, "parts")
    original = getattr(owner, name)

    def spy(self, *given):
        placed = original(self, *given)
        batches.append((placed if method is hp.Adam else placed[0])[0][1].x[0])
        return placed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, spy)
        hp.solve(problem, method=method(**options), levels=2, field=hp.Field())
    share = (batches[0] > 0.9).double().mean()
    assert 0.5 < share < 0.6  # density 10 + 1 on a tenth, 1 elsewhere: 1.1 / 2


def test_adaptive_points_are_deterministic_and_resume_exactly(tmp_path):
    problem, path = problems.helmholtz2d(a=1), tmp_path / "state.h5"
    method = hp.Adam(adaptive=hp.RAD(every=15), **OPTIONS)
    whole, again = (hp.solve(problem, method=method, seed=3, **SMALL) for _ in range(2))
    uniform = hp.solve(problem, method=hp.Adam(**OPTIONS), seed=3, **SMALL)
    assert same(whole, again)
    assert not same(whole, uniform)
    hp.solve(problem, method=method, seed=3, checkpoint=path, callbacks=Stop(20), **SMALL)
    assert same(whole, hp.solve(problem, method=method, seed=3, resume=path, **SMALL))


@pytest.mark.parametrize("given", [{"k": -1}, {"c": float("inf")}, {"every": 0}, {"pool": 0}])
def test_wrong_adaptive_options(given):
    with pytest.raises(InvalidArgumentError, match="must be"):
        hp.RAD(**given)
    with pytest.raises(InvalidArgumentError, match="adaptive must be"):
        hp.Adam(adaptive="rad")


# -- points and weights ---
@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
def test_points_lie_in_their_region_and_weights_sum_to_one():
    problem = hp.Problem(
        hp.Box(x=(-1, 2), y=(0, 1)),
        "u",
        lambda u: u.xx + u.yy,
        [hp.Dirichlet(u=0.0, on=["x-", "x+"]), hp.Neumann(u=0.0, on="y+", where=lambda x: x > 0)],
    )
    lower, upper = torch.tensor([[-1.0], [0.0]]), torch.tensor([[2.0], [1.0]])
    generator = torch.Generator().manual_seed(0)
    for group in term_groups(problem, torch.device("cpu"), torch.float64):
        for batch in (group.random(50, generator), group.quasi_random(50, 3), group.gauss((4, 2), 3)):
            assert ((batch.x >= lower) & (batch.x <= upper)).all()
            if group.region.plane is not None:
                assert (batch.x[group.region.plane.axis] == group.region.plane.position).all()
            if group.terms[0].where is not None:
                assert (batch.x[0] > 0).all()
            parts = list(batch.pieces(7))
            assert torch.equal(torch.cat([p.x for p in parts], 1), batch.x)
            assert sum(p.weights.sum() for p in parts) == pytest.approx(1.0)
            f = batch.x[0] ** 2
            assert float(sum(p.mean_square(p.x[0] ** 2) for p in parts)) == pytest.approx(float(batch.mean_square(f)))
        if group.interior:
            exact = group.gauss((4, 2), 3)
            assert float(exact.mean_square(exact.x[0])) == pytest.approx(1.0)  # mean of x**2 over (-1, 2)


# -- state and stops ---
def test_packing_is_inverted():
    nest = {0: {"a": torch.ones(2), "b": [torch.zeros(1), [], None, 3]}, "c": [True, 1.5, "text"]}
    tensors = {}
    back = unpacked(packed(nest, "s", tensors), tensors)
    assert set(tensors) == {"s.0.a", "s.0.b.0"}
    assert torch.equal(back[0]["a"], nest[0]["a"])
    turned = torch.arange(6.0).view(2, 3).T
    saved = {}
    plain = packed(turned, "t", saved)
    kept = unpacked(plain, {k: v.contiguous() for k, v in saved.items()})
    assert torch.equal(kept, turned)
    assert kept.stride() == turned.stride()
    assert back[0]["b"][1:] == nest[0]["b"][1:]
    assert back["c"] == nest["c"]
    with pytest.raises(TypeError, match=r"s\.x is a set"):
        packed({"x": {1}}, "s", {})


def test_ctrl_c_waits_for_the_end_of_a_step_but_not_twice():
    done = []

    def step(presses):
        with uninterrupted():
            for _ in range(presses):
                os.kill(os.getpid(), signal.SIGINT)
            done.append(presses)

    for presses in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            step(presses)
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_inside_a_step_is_resumed_exactly(tmp_path, monkeypatch):
    from hermite_pinn.methods.training import objective

    problem, path = problems.helmholtz2d(a=1), tmp_path / "state.h5"
    whole = hp.solve(problem, method=hp.Adam(**OPTIONS), **SMALL)
    original, calls = objective.Objective.losses, []

    def losses(self, *given):
        calls.append(1)
        if len(calls) == 31:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *given)

    monkeypatch.setattr(objective.Objective, "losses", losses)
    half = hp.solve(problem, method=hp.Adam(**OPTIONS), checkpoint=path, **SMALL)
    assert half.status is hp.Status.INTERRUPTED
    assert "at step 31" in half.message
    assert same(whole, hp.solve(problem, method=hp.Adam(**OPTIONS), resume=path, **SMALL))


def test_time_per_step_is_reported():
    stats = hp.solve(problems.helmholtz2d(a=1), method=hp.Adam(**OPTIONS), **SMALL).stats
    assert 0 < 60 * stats["seconds_per_step"] <= stats["seconds"]
    assert stats["steps_per_second"] == pytest.approx(1 / stats["seconds_per_step"])


def test_faces_with_the_same_condition_share_a_group_and_add_up():
    """Values on all faces are one group, slopes along the normal are not; the loss is that of the faces one by one."""
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u: u.laplacian,
        [hp.Dirichlet(u=lambda x, y: x + y, on=["x-", "x+", "y-"]), hp.Neumann(u=0.0, on="y+")],
    )
    place = torch.device("cpu"), torch.float64
    apart, together = (term_groups(problem, *place, together=t) for t in (False, True))
    assert [g.regions for g in apart] == [1] * 5
    assert [g.regions for g in together] == [1, 3, 1]
    x = together[1].random(40, torch.Generator().manual_seed(0)).x
    one_by_one = 0.0
    for k, group in enumerate(apart[1:4]):
        part = x[:, 40 * k : 40 * (k + 1)]
        assert (part[group.region.axis] == group.region.position).all()
        one_by_one += float((part.sum(0) ** 2).mean())  # of the field that is zero
    task = Task(problem, hp.Field(head="linear"), 2, None, 0, *place, Monitor())
    objective = RandomObjective(task, hp.Adam(), place[1], 2, hp.Adam(points=40, face_points=40).numbers())
    tensors = {k: torch.zeros_like(v) for k, v in objective.tensors().items()}
    points = [(g, g.random(40, torch.Generator().manual_seed(0))) for g in objective.groups]
    name = objective.groups[1].terms[0].name
    assert float(objective.losses(tensors, points)[name]) == pytest.approx(one_by_one, rel=1e-12)
