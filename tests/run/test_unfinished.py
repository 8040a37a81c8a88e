"""Whatever a run saves on its way can be resumed, and the run then ends as if it had not stopped, bit for bit."""

import shutil

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import pi, sin
from hermite_pinn.run import checkpoint as module
from hermite_pinn.run.store import read_store

SHORT = {"steps": 7, "points": 32, "face_points": 8, "check_every": 3}


def line():
    """A nonlinear problem on a line."""
    exact = lambda x: sin(3 * pi * x)
    residual = lambda u, x: u.xx + u**3 + 9 * pi**2 * exact(x) - exact(x) ** 3
    return hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)])


def decay():
    """A nonlinear evolution, slab after slab."""
    start = hp.Initial(u=lambda x: sin(pi * x))
    return hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t + u**2 - 0.1 * u.xx, [hp.Dirichlet(u=0.0), start])


def warmed():
    """Heat around a hole that warms a body from the start on: the first slab is solved in parts."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.5)) - hp.Disk((0.4, 0.55), 0.2, name="hole"),
        "u",
        lambda u, t: u.t - (1 + t) * u.laplacian,
        [hp.Robin(u=(1.0, 1.0, 2.0), on="hole"), hp.Dirichlet(u=0.0, on=["x-", "x+", "y-", "y+"]), hp.Initial(u=0.0)],
    )


def unknown():
    """A coefficient from values, whose weight is chosen on the way."""
    points = np.linspace(0.1, 0.9, 9)[:, None]
    data = hp.Data(points, u=np.sin(np.pi * points[:, 0]))
    return hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, x, k: u.xx + k * u,
        [hp.Dirichlet(u=0.0), data],
        parameters=[hp.Parameter("k", init=8.0)],
    )


SMALL = hp.Field(head="siren", features=2, width=8, depth=1)
CASES = {
    "levels": (line, hp.GaussNewton(), {"levels": 4}),
    "slabs": (decay, hp.GaussNewton(slabs=4), {"levels": [(8, 16), (16, 32)]}),
    "slabs around a hole": (warmed, hp.GaussNewton(slabs=4), {"levels": [(4, 4, 8), (8, 8, 8)]}),
    "joint": (line, hp.GaussNewton(), {"levels": 2, "field": SMALL}),
    "adam": (line, hp.Adam(**SHORT), {"levels": 2}),
    "soap": (line, hp.SOAP(**SHORT), {"levels": 2, "field": SMALL}),
    "lbfgs": (line, hp.LBFGS(steps=7, rounds=2, points=64), {"levels": 2}),
    "chain": (line, hp.Adam(**SHORT) >> hp.LBFGS(steps=4), {"levels": 2}),
    "chain to levels": (line, hp.LBFGS(steps=4) >> hp.GaussNewton(), {"levels": 3}),
}


def rows(names, slow):
    """Cases by name, some of which take long."""
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in names]


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Copies of everything that is saved."""
    saved, original = [], module.write_store

    def write(path, *rest):
        original(path, *rest)
        saved.append(shutil.copy(path, tmp_path / f"{len(saved)}.h5"))

    monkeypatch.setattr(module, "write_store", write)
    return saved


def ends_like(whole, other):
    assert (other.status, other.message, other.parameters) == (whole.status, whole.message, whole.parameters)
    for name, tensor in whole.field.tensors().items():
        assert torch.equal(tensor, other.field.tensors()[name]), name
    for column in ("step", "loss", "level"):
        assert list(other.history[column]) == list(whole.history[column])
    assert other.estimated_error == whole.estimated_error


@pytest.mark.parametrize("name", rows(CASES, ("joint", "chain", "soap", "slabs around a hole")))
def test_every_state_that_is_saved_can_be_resumed(name, files, tmp_path, one_thread):
    make, method, options = CASES[name]
    options = options | {"method": method, "progress": False}
    whole = hp.solve(make(), **options)
    ends_like(whole, hp.solve(make(), checkpoint=hp.Checkpoint(tmp_path / "run.h5", seconds=0), **options))
    assert len(files) > len(whole.history) // 2  # the start, after every step but the last of a level, and the ends
    last = len(files) - 1
    for k in sorted({0, 1, last // 3, last // 2, last - 1}):
        ends_like(whole, hp.solve(make(), resume=files[k], **options))


def test_where_weights_are_chosen_on_the_way_a_level_is_begun_again(files, tmp_path, one_thread):
    options = {"levels": 2, "progress": False}
    whole = hp.solve(unknown(), checkpoint=hp.Checkpoint(tmp_path / "run.h5", seconds=0), **options)
    assert len(files) >= 4
    for file in files[:: len(files) // 4]:
        resumed = hp.solve(unknown(), resume=file, **options)
        assert resumed.status is whole.status
        assert resumed.parameters == pytest.approx(whole.parameters, rel=1e-6)


class Stop(hp.Callback):
    """Ends the run at a row of the history."""

    def __init__(self, row):
        self.rows, self.row = 0, row

    def on_step(self, state):
        self.rows += 1
        return self.rows == self.row


@pytest.mark.parametrize("name", rows(["levels", "joint", "chain to levels"], ("joint",)))
def test_a_run_that_is_stopped_saves_what_it_has(name, tmp_path, one_thread):
    """Also when it is long until the next save is due."""
    make, method, options = CASES[name]
    options = options | {"method": method, "progress": False}
    whole, path = hp.solve(make(), **options), tmp_path / "run.h5"
    for row in range(2, len(whole.history), max(1, len(whole.history) // 4)):
        hp.solve(make(), checkpoint=hp.Checkpoint(path, seconds=1e9), callbacks=Stop(row), **options)
        rows = read_store(path, "checkpoint")[0]["history"]
        assert row - 1 <= len(rows) <= row
        ends_like(whole, hp.solve(make(), resume=path, **options))


@pytest.mark.slow_but("[levels]", "[slabs]", "adam")
@pytest.mark.parametrize("name", rows(CASES, ("joint", "chain")))
def test_a_finished_run_is_resumed_without_another_row(name, tmp_path):
    make, method, options = CASES[name]
    options = options | {"method": method, "progress": False, "checkpoint": tmp_path / "run.h5"}
    whole = hp.solve(make(), **options)
    for _ in range(2):
        ends_like(whole, hp.solve(make(), resume=tmp_path / "run.h5", **options))
