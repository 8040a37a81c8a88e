"""The method of lines: exponential steps in time on cells of space."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from scipy.linalg import expm

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.graph import coordinate
from hermite_pinn.expressions.program import Program
from hermite_pinn.geometry.quadrature import gauss_axis
from hermite_pinn.methods.gauss_newton.exponential_steps import ExponentialSteps, phi_functions
from hermite_pinn.methods.gauss_newton.line_choice import lines_of
from hermite_pinn.methods.gauss_newton.line_equations import steady_parts
from hermite_pinn.methods.gauss_newton.line_march import LineMarch, StiffError
from hermite_pinn.methods.gauss_newton.line_modes import line_modes
from hermite_pinn.methods.gauss_newton.periods import one_period, periods, turns
from hermite_pinn.methods.gauss_newton.record_slopes import slope_weights
from hermite_pinn.methods.systems.block import Axis

VALUE = Channels.value(3)


def test_phi_functions_are_those_of_the_matrix_exponential():
    for z in (0.0, 1e-9, -0.7, 0.99, -1.01, 3.0, -80.0, 0.5j, 40.0j):
        chain = np.diag(np.ones(4, dtype=complex), 1)
        chain[0, 0] = z
        exact = expm(chain)[0]
        found = phi_functions(torch.tensor([z], dtype=torch.complex128), 4)
        assert np.allclose([complex(f) for f in found], exact, rtol=1e-12, atol=1e-13)


def nonlinear(h: float, linear: float) -> tuple[float, float]:
    """Error of u' = linear (u - 1 / (1 + t)) - u**2 with u = 1 / (1 + t) at t = 1, and what the steps say of it."""
    steps = ExponentialSteps(torch.tensor([linear], dtype=torch.float64), lambda t, u: -u * u - linear / (1.0 + t), 1.0)
    u, told, before = torch.ones(1, dtype=torch.float64), 0.0, None
    rate = steps.rates(0.0, u)
    for k in range(round(1.0 / h)):
        taken = steps.take(k * h, h, u, rate, before)
        before, u, rate = (k * h, rate), taken.state, taken.rate
        told = max(told, float(taken.error.abs()))
    return abs(float(u) - 0.5), told


def test_exponential_steps_are_of_fourth_order_and_do_not_say_less_than_they_miss():
    for linear in (0.0, -1.0, -5.0):
        (coarse, _), (fine, told) = nonlinear(0.1, linear), nonlinear(0.05, linear)
        assert coarse / fine > 12.0
        assert told > fine


def test_steps_see_what_happens_between_their_stages():
    steps = ExponentialSteps(
        torch.zeros(1, dtype=torch.float64), lambda t, u: torch.full_like(u, math.cos(2 * math.pi * t)), 100.0
    )
    u = torch.zeros(1, dtype=torch.float64)
    taken = steps.take(0.0, 2.0, u, steps.rates(0.0, u), (-0.3, steps.rates(-0.3, u)))
    assert float(taken.error) > 0.5


@pytest.mark.parametrize(("basis", "order"), [("cubic", 4), ("septic", 8)])
@pytest.mark.parametrize("periodic", [False, True])
def test_modes_are_orthonormal_and_their_eigenvalues_converge(basis, order, periodic):
    m = {"cubic": 2, "septic": 4}[basis]
    errors = []
    for cells in (4, 8):
        axis, per = Axis("x", (0.0, 1.0), periodic), max(m, 2 * m - 2)
        x, w = gauss_axis(0.0, 1.0, cells, per)
        count = m * (cells + (not periodic))
        modes = line_modes(basis, axis, cells, x, w, [] if periodic else [0, count - m], {2: 1.0})
        values = axis.evaluation(basis, cells, x, (0,)).matrices[0].toarray()
        free = values if periodic else np.delete(values, [0, count - m], 1)
        assert np.allclose(
            modes.to_modes @ (torch.as_tensor(free) @ modes.from_modes), np.eye(free.shape[1]), atol=1e-9
        )
        exact = -((2 * math.pi if periodic else math.pi) ** 2)
        errors.append(float((modes.values - exact).abs().min()) / abs(exact))
    assert errors[0] < 1e-2
    assert errors[1] < max(errors[0] / 2.0 ** (order - 0.7), 1e-12)


def test_what_does_not_depend_on_time_is_computed_once():
    x, t = coordinate("x"), coordinate("t")
    expression = hp.sin(x) * hp.exp(x) + hp.cos(t) * (x**2 + 1.0)
    short, parts = steady_parts(expression, ["x"])
    env = {("coordinate", "x"): torch.tensor([0.3, 0.7], dtype=torch.float64), ("coordinate", "t"): 0.4}
    known = {("place", k): v for k, v in enumerate(Program(parts).run(env))}
    assert torch.equal(Program([short]).run(known | env)[0], Program([expression]).run(env)[0])
    assert len(Program([short]).instructions) < len(Program([expression]).instructions)


def test_higher_derivatives_in_time_are_exact_for_polynomials():
    times = [0.3, 0.7, 1.5]
    p = np.polynomial.Polynomial([1.0, -2.0, 0.5, 3.0, -1.0, 0.25])
    for at in range(3):
        values, slopes = slope_weights(times, at, [2, 3])
        found = values @ p(np.array(times)) + slopes @ p.deriv()(np.array(times))
        assert np.allclose(found, [p.deriv(2)(times[at]), p.deriv(3)(times[at])], rtol=1e-9)


def test_turns_are_those_of_sines_of_linear_functions_only():
    x, t = coordinate("x"), coordinate("t")
    assert turns(hp.sin(2 * math.pi * (3 * x + t)) + hp.cos(12 * math.pi * x), "x", 1.0) == 3
    assert turns(hp.exp(hp.sin(4 * math.pi * x)), "x", 1.0) == 2
    assert turns(hp.sin(3 * math.pi * x), "x", 1.0) is None  # half a turn
    assert turns(hp.sin(2 * math.pi * x**2), "x", 1.0) is None
    assert turns(x + hp.sin(4 * math.pi * x), "x", 1.0) is None


def decay(sides: tuple[float, float], wave: int) -> hp.Problem:
    """Periodic diffusion and transport of waves that repeat within the box."""

    def start(x, y):
        return 1.0 + hp.sin(2 * math.pi * wave * x) * hp.cos(2 * math.pi * y)

    return hp.Problem(
        hp.Box(x=(0, sides[0]), y=(0, sides[1]), t=(0, 0.5)),
        ["u"],
        lambda u: u.t + u * u.x - 0.05 * u.laplacian,
        [hp.Periodic("x", "y"), hp.Initial(u=start)],
    )


@pytest.mark.slow
def test_one_period_is_solved_for_and_the_solution_repeats_everywhere():
    assert periods(decay((2, 3), 1)) == {"x": 2, "y": 3}
    assert periods(decay((1, 1), 2)) == {"x": 2}
    moving = hp.Problem(
        hp.Box(x=(0, 2), y=(0, 2), t=(0, 1)),
        ["u"],
        lambda u, x: u.t - (1.0 + 0.1 * hp.sin(math.pi * x)) * u.x - 0.1 * u.laplacian,
        [hp.Periodic("x", "y"), hp.Initial(u=lambda x, y: hp.sin(2 * math.pi * x) * hp.sin(2 * math.pi * y))],
    )
    assert periods(moving) == {"y": 2}  # the coefficient has the period of the box
    assert one_period(decay((2, 3), 1), {"x": 2, "y": 3}).domain.bounds == {"x": (0, 1), "y": (0, 1), "t": (0, 0.5)}
    whole = hp.solve(decay((2, 1), 1), tol=1e-2, progress=False)
    part = hp.solve(decay((1, 1), 1), tol=1e-2, progress=False)
    x, y, t = np.random.default_rng(0).uniform(0, 1, (3, 50))
    assert whole.status is part.status is hp.Status.CONVERGED
    assert whole.stats["periods"] == {"x": 2}
    assert np.allclose(whole.u(x + 1, y, t / 2), whole.u(x, y, t / 2), atol=1e-12)
    assert np.allclose(whole.u(x, y, t / 2), part.u(x, y, t / 2), atol=1e-12)


def test_a_solution_of_one_period_is_saved_and_exported_on_the_whole_box(tmp_path):
    whole = hp.solve(decay((2, 1), 1), tol=1e-2, progress=False)
    whole.save(tmp_path / "u.h5")
    again = hp.Solution.load(tmp_path / "u.h5")
    x, y, t = np.random.default_rng(0).uniform(0, (2, 1, 0.5), (50, 3)).T
    assert again.domain.bounds == {"x": (0, 2), "y": (0, 1), "t": (0, 0.5)}
    assert np.array_equal(again.u(x, y, t), whole.u(x, y, t))
    axes = again.vertex_axes(64)
    assert [(a[0], a[-1]) for a in axes] == [(0, 2), (0, 1), (0, 0.5)]
    mesh = np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1)
    both = {"u": lambda x, y, t: again.u(x % 1.0, y, t)}
    assert again.error(mesh, exact=both)["u"]["max"] < 1e-12 > again.error(exact=both)["u"]["max"]
    again.to_vtk(tmp_path / "u.pvd")
    head = (tmp_path / "u" / "u_0000.vti").read_bytes()[:500].decode(errors="replace")
    counts, steps = (re.search(f'{key}="([^"]*)"', head)[1].split() for key in ("WholeExtent", "Spacing"))
    assert np.allclose([int(n) * float(h) for n, h in zip(counts[1::2], steps, strict=True)][:2], [2, 1])


def moving_front(speed: float) -> hp.Problem:
    """A nonlinear diffusion whose exact solution is given on the boundary and changes there in time."""

    def exact(x, y, t):
        return 1.0 / (1.0 + hp.exp((x + 0.5 * y - speed * t) / 0.4))

    def source(x, y, t):
        e = exact(x, y, t)
        slope = -e * (1 - e) / 0.4
        bend = slope * (1 - 2 * e) / (-0.4)
        return -speed * slope - 0.1 * 1.25 * bend + e**2

    return hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1), t=(0, 2)),
        ["u"],
        lambda u, x, y, t: u.t - 0.1 * u.laplacian + u * u - source(x, y, t),
        [hp.Dirichlet(u=exact), hp.Initial(u=lambda x, y: exact(x, y, 0.0))],
        exact={"u": exact},
    )


@pytest.mark.parametrize("speed", [0.5, 2.0])
def test_values_on_the_boundary_may_change_in_time(speed):
    assert lines_of(moving_front(speed), "septic") is not None
    solution = hp.solve(moving_front(speed), tol=1e-3, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.error()["u"]["relative_l2"] < 2e-3


@pytest.mark.slow
def test_waves_keep_their_phase():
    def exact(x, y, t):
        return hp.sin(math.pi * x) * hp.cos(2 * math.pi * y) * hp.cos(math.pi * math.sqrt(5.0) * t)

    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 5)),
        ["u"],
        lambda u: u.tt - u.laplacian,
        [
            hp.Dirichlet(u=0.0, on=["x-", "x+"]),
            hp.Neumann(u=0.0, on=["y-", "y+"]),
            hp.Initial(u=lambda x, y: exact(x, y, 0.0), u_t=0.0),
        ],
        exact={"u": exact},
    )
    solution = hp.solve(problem, tol=1e-3, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.error()["u"]["relative_l2"] < 2e-3


@pytest.mark.slow
def test_waves_in_a_medium_of_two_speeds_are_marched_through():
    problem = hp.problems.wave_random(time=0.2, size=16)
    solution = hp.solve(problem, tol=5e-2, progress=False)
    finer = hp.solve(problem, tol=1e-2, progress=False)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 200))
    a, b = solution.u(x, y, np.full(200, 0.2)), finer.u(x, y, np.full(200, 0.2))
    assert solution.status is hp.Status.CONVERGED
    assert np.linalg.norm(a - b) < 0.1 * np.linalg.norm(b)


def test_waves_in_a_medium_that_jumps_are_left_to_steps_that_average_it():
    assert lines_of(hp.problems.wave_random(size=16), "cubic") is None


@pytest.mark.slow
def test_steep_fronts_in_the_plane_stay_bounded():
    solution = hp.solve(hp.problems.burgers2d(nu=0.01, length=1, time=0.15), tol=5e-2, progress=False)
    x, y = np.random.default_rng(0).uniform(0, 1, (2, 500))
    first, last = (solution.u(x, y, np.full(500, t)) for t in (0.0, 0.15))
    assert solution.status is hp.Status.CONVERGED
    assert np.abs(last).max() < 1.1 * np.abs(first).max()


@pytest.mark.slow
def test_a_fast_reaction_is_left_to_implicit_steps():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        ["u"],
        lambda u, x, y: u.t - 0.01 * u.laplacian + 1e7 * (u * u * u - 1.0),
        [hp.Neumann(u=0.0), hp.Initial(u=1.0)],
    )
    solution = hp.solve(problem, tol=1e-2, progress=False, max_time=30)
    assert abs(float(solution.u(0.3, 0.4, 0.7)) - 1.0) < 1e-2


def test_others_may_look_at_a_march_by_lines_while_it_goes_on():
    class Seen(hp.Callback):
        def __init__(self) -> None:
            self.ends: list[tuple[float, float]] = []
            self.errors: list[float] = []

        def on_advance(self, state) -> None:
            self.ends.append((state.since, state.until))
            t = 0.5 * (state.since + state.until)
            value = float(state.field.evaluate(torch.tensor([[0.5], [0.5], [t]], dtype=torch.float64), VALUE)[0, 0, 0])
            self.errors.append(abs(value - math.exp(-t)))

    def exact(x, y, t):
        return hp.sin(math.pi * x) * hp.sin(math.pi * y) * hp.exp(-t)

    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 2)),
        ["u"],
        lambda u: u.t - u.laplacian / (2 * math.pi**2),
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: exact(x, y, 0.0))],
        exact={"u": exact},
    )
    seen = Seen()
    solution = hp.solve(problem, tol=1e-3, callbacks=[seen], progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.error()["u"]["relative_l2"] < 1e-3
    assert any(a == 0.0 for a, _ in seen.ends)
    assert any(b == 2.0 for _, b in seen.ends)
    assert max(seen.errors) < 0.05


def test_fast_reactions_are_left_to_implicit_steps_from_the_start():
    def problem(rate: float) -> hp.Problem:
        return hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
            ["u"],
            lambda u: u.t - 0.01 * u.laplacian + rate * (u * u * u - u),
            [hp.Neumann(u=0.0), hp.Initial(u=lambda x, y: hp.cos(math.pi * x))],
        )

    assert lines_of(problem(10.0), "septic") is not None
    assert lines_of(problem(1e4), "septic") is None


def test_a_checkpoint_of_a_march_that_left_the_lines_goes_on_with_implicit_steps(tmp_path, monkeypatch):
    problem = moving_front(0.5)

    def stiff(self):
        raise StiffError("steps of nothing")

    monkeypatch.setattr(LineMarch, "run", stiff)
    first = hp.solve(problem, tol=5e-2, progress=False, checkpoint=tmp_path / "run.h5")
    monkeypatch.undo()
    again = hp.solve(problem, tol=2e-2, progress=False, resume=tmp_path / "run.h5")
    assert first.status is again.status is hp.Status.CONVERGED
    assert first.field.layout.basis == again.field.layout.basis == "cubic"
    assert again.error()["u"]["relative_l2"] < 2e-2
