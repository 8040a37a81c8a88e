"""The order of the basis follows from the first levels, and a change of it loses nothing."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.methods.gauss_newton.convergence import Convergence
from hermite_pinn.methods.gauss_newton.indicators import Indicators
from hermite_pinn.methods.gauss_newton.order import cheapest_course, courses
from hermite_pinn.methods.systems.basis_change import basis_change_matrix, changed_basis
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.checkpoint import Checkpoint


def judged(basis="cubic", tol=1e-9, estimates=(1e-2, 8e-4), **words):
    resolved = Indicators(leaf=(0.01, 0.01), cells=1024)
    convergence = Convergence(basis, tol, estimates=list(estimates), last=resolved)
    return cheapest_course(convergence, (32, 32), (2, 2), 2, 1, fast=True, **words)


def test_a_smaller_tolerance_takes_a_smoother_basis_and_never_fewer_cells():
    found = [judged(tol=tol) for tol in (1e-6, 1e-8, 1e-10, 1e-12)]
    assert all(course is not None for course in found)
    orders = [BASES[course.basis].coefficients for course in found]
    assert orders == sorted(orders)
    for course in found:
        assert all(
            b in (a, 2 * a)
            for one, two in zip(course.resolutions, course.resolutions[1:], strict=False)
            for a, b in zip(one, two, strict=True)
        )


def test_the_rule_predicts_the_cells_of_a_wave():
    """kappa = 10 pi: what the error of one basis tells of that of another (the higher order is not underestimated)."""
    kappa, n = 10 * math.pi, 64
    error = (kappa / (2 * n)) ** 4 / math.factorial(4)
    by_basis = {c.basis: c.resolutions[-1][0] for c in courses("cubic", (n,), error, 1e-9, (2,), 2, fast=True)}
    for basis, cells in by_basis.items():
        m = BASES[basis].coefficients
        predicted = (kappa / (2 * cells)) ** (2 * m) / math.factorial(2 * m)
        assert predicted < 1e-9 * 10
        assert predicted * 4.0 ** (2 * m) > 1e-9


@pytest.mark.parametrize(
    "change",
    [
        {"estimates": (1e-2, 2e-3)},  # a corner
        {"estimates": (1e-2,)},
        {"estimates": (None, 1e-3)},
        {"estimates": (1e-8, 1e-10)},  # done
        {"tol": None},
        {"basis": "septic"},
        {"tol": 1e-4, "estimates": (1e-2, 2e-4)},  # the next level will do
    ],
    ids=["rough", "one estimate", "unknown", "met", "no tolerance", "smoothest", "nearly there"],
)
def test_the_basis_stays_where_nothing_speaks_for_another(change):
    assert judged(**change) is None


def test_it_stays_where_the_solution_is_not_resolved():
    convergence = Convergence("cubic", 1e-9, estimates=[1e-2, 1e-4], last=Indicators(leaf=(0.3,), cells=64))
    assert cheapest_course(convergence, (64,), (2,), 2, 1, fast=True) is None


def test_without_fast_diagonalisation_septics_have_to_spare_more():
    fast, slow = (
        {c.basis: c.work for c in courses("cubic", (32, 32), 8e-4, 1e-8, (2, 2), 2, fast=fast)}
        for fast in (True, False)
    )
    assert slow["septic"] / slow["cubic"] > 10 * fast["septic"] / fast["cubic"]


def test_axes_that_cause_no_error_get_fewer_cells():
    found = courses("cubic", (64, 64), 1e-4, 1e-9, (2, 2), 2, fast=True, shares=(1.0, 1e-5))
    assert all(course.resolutions[-1][1] < course.resolutions[-1][0] for course in found)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(("cells", "many"), [(4, 8), (8, 4), (6, 6)])
@pytest.mark.parametrize("new", ["cubic", "quintic", "septic"])
def test_a_polynomial_keeps_its_derivatives_at_the_vertices(new, cells, many, periodic):
    m = BASES[new].coefficients
    matrix = basis_change_matrix("septic", cells, new, many, periodic)
    x, h = np.linspace(0, 1, cells + 1)[: cells if periodic else None], 1 / cells
    if periodic:
        derivative = lambda o, at: (2 * np.pi) ** o * np.sin(2 * np.pi * at + o * np.pi / 2)
    else:
        p = np.polynomial.Polynomial([1.0, -2.0, 0.5, 3.0, -1.0])
        derivative = lambda o, at: p.deriv(o)(at) if o else p(at)
    old = np.stack([derivative(o, x) * h**o for o in range(4)], 1).ravel()
    y, k = np.linspace(0, 1, many + 1)[: many if periodic else None], 1 / many
    expected = np.stack([derivative(o, y) * k**o for o in range(m)], 1).ravel()
    assert np.abs(matrix @ old - expected).max() < (2e-3 if periodic and many != cells and many > cells else 1e-9)


def test_axes_change_one_after_the_other():
    torch.manual_seed(0)
    values = torch.randn(2, 2 * 5, 2 * 4, dtype=torch.float64)
    changed = changed_basis(values, ("cubic", (4, 4)), ("quintic", (8, 2)), (False, True))
    assert changed.shape == (2, 3 * 9, 3 * 2)
    back = changed_basis(changed, ("quintic", (8, 2)), ("quintic", (8, 2)), (False, True))
    assert torch.allclose(back, changed)


# -- runs ---
def test_a_small_tolerance_is_met_with_another_basis():
    solution = hp.solve(problems.helmholtz2d(a=6), tol=1e-11, progress=False)
    assert solution.status.name == "CONVERGED"
    assert solution.stats["basis"] in ("quintic", "septic")
    assert solution.error()["u"]["relative_l2"] < 1e-11


@pytest.mark.parametrize(
    "words",
    [
        {"levels": 5},
        {"method": hp.GaussNewton(basis="cubic", max_levels=4)},
        {"field": hp.Field(), "method": hp.GaussNewton(max_levels=4)},
    ],
    ids=["levels", "basis", "field"],
)
def test_what_was_asked_for_stays(words):
    solution = hp.solve(problems.helmholtz2d(a=6), **({"tol": 1e-11} | words), progress=False)
    assert solution.stats["basis"] == "cubic"


def test_a_rough_solution_stays_cubic():
    """The second derivative of the solution jumps."""
    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1)),
        "u",
        lambda u, x, y: u.laplacian - hp.where(x > 0.1, 1.0, 0.0),
        [hp.Dirichlet(u=0.0)],
    )
    solution = hp.solve(problem, tol=1e-9, method=hp.GaussNewton(max_levels=6), progress=False)
    assert solution.stats["basis"] == "cubic"


@pytest.mark.slow
def test_a_nonlinear_run_starts_where_it_was():
    solution = hp.solve(problems.klein_gordon(), tol=1e-7, progress=False)
    assert solution.status.name == "CONVERGED"
    assert solution.error()["u"]["relative_l2"] < 1e-7


def test_basis_and_field_have_to_agree():
    with pytest.raises(InvalidArgumentError, match="disagree"):
        hp.solve(problems.poisson2d(), field=hp.Field(), method=hp.GaussNewton(basis="septic"), progress=False)
    with pytest.raises(InvalidArgumentError, match="basis"):
        hp.GaussNewton(basis="linear")


class StopAfterTheChange(Callback):
    """Ends the run on the first level with another basis."""

    def __init__(self):
        self.levels = []

    def on_step(self, state):
        self.levels.append(state.level)
        return len(self.levels) > 1 and self.levels[-1] < self.levels[-2]


def prescribed_waves():
    """Waves with values on the sides, for which a run begins with cubics on four cells."""
    k = 6 * hp.pi
    exact = lambda x, y: hp.cos(k * x) * hp.cos(k * y)
    residual = lambda u, x, y: u.laplacian + u - (1 - 2 * k * k) * exact(x, y)
    return hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", residual, [hp.Dirichlet(u=exact)], exact={"u": exact})


def test_what_is_ended_in_the_middle_of_the_change_returns_the_better_state():
    watch = StopAfterTheChange()
    solution = hp.solve(prescribed_waves(), tol=1e-11, callbacks=watch, progress=False)
    assert solution.status.name == "STOPPED"
    assert solution.stats["basis"] == "cubic"
    assert solution.estimated_error < 1e-2
    assert solution.error()["u"]["relative_l2"] < 1e-2


def test_a_run_that_changed_its_basis_is_resumed_with_it(tmp_path):
    whole = hp.solve(prescribed_waves(), tol=1e-11, progress=False)
    path = tmp_path / "run.h5"
    hp.solve(
        prescribed_waves(), tol=1e-11, callbacks=StopAfterTheChange(), checkpoint=Checkpoint(path, seconds=0), progress=False,
    )  # fmt: skip
    resumed = hp.solve(prescribed_waves(), tol=1e-11, resume=path, progress=False)
    assert resumed.stats["basis"] == whole.stats["basis"] != "cubic"
    x = torch.rand(50, dtype=torch.float64)
    assert torch.equal(torch.as_tensor(whole.u(x, x)), torch.as_tensor(resumed.u(x, x)))
