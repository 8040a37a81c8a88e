"""Ordinary differential equations with start values: graded cells, honest estimates, files."""

from __future__ import annotations

import meshio
import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.graded_grid import GradedGrid
from hermite_pinn.methods.gauss_newton.consistent_start import consistent_start
from hermite_pinn.methods.gauss_newton.radau_march import RadauMarch
from hermite_pinn.methods.gauss_newton.radau_points import radau_points
from hermite_pinn.methods.gauss_newton.state_equations import StateEquations
from hermite_pinn.run.callbacks import Advance


def robertson(unit: float = 1.0, end: float = 1e4) -> hp.Problem:
    """Three species, with times in some unit."""
    return hp.Problem(
        domain=hp.Box(t=(0, end / unit)),
        fields=["a", "b", "c"],
        residual=lambda a, b, c: (
            a.t - unit * (-0.04 * a + 1e4 * b * c),
            b.t - unit * (0.04 * a - 1e4 * b * c - 3e7 * b * b),
            c.t - unit * 3e7 * b * b,
        ),
        conditions=[hp.Initial(a=1.0, b=0.0, c=0.0)],
    )


def oscillator(periods: float = 1.0) -> hp.Problem:
    """Its solution is a cosine."""
    return hp.Problem(
        domain=hp.Box(t=(0, 2 * np.pi * periods)),
        fields=["u"],
        residual=lambda u: u.tt + u,
        conditions=[hp.Initial(u=1.0, u_t=0.0)],
    )


def relative(values: np.ndarray, truth: np.ndarray) -> float:
    """Error in the mean square."""
    return float(np.linalg.norm(values - truth) / np.linalg.norm(truth))


def test_relaxation_of_great_stiffness_is_followed_through_its_jumps() -> None:
    """Van der Pol's oscillator with a stiffness of 1000, over more than a period with both of its jumps."""
    mu = 1000.0
    problem = hp.Problem(
        hp.Box(t=(0, 2000)), "u", lambda u: u.tt - mu * (1 - u * u) * u.t + u, [hp.Initial(u=2.0, u_t=0.0)]
    )
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.CONVERGED

    def rates(t: float, y: np.ndarray) -> list[float]:
        return [y[1], mu * (1 - y[0] ** 2) * y[1] - y[0]]

    times = np.linspace(0, 2000, 4001)
    truth = solve_ivp(rates, (0, 2000), [2, 0], "Radau", times, rtol=1e-9, atol=1e-11).y[0]
    error = relative(solution.u(times), truth)
    assert solution.estimated_error is not None
    assert error < solution.estimated_error <= 1e-6


def test_stiff_kinetics_agree_with_a_reference_over_all_decades() -> None:
    solution = hp.solve(robertson(), progress=False)
    assert solution.status is hp.Status.CONVERGED

    def rates(t: float, y: np.ndarray) -> list[float]:
        slow, fast, back = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
        return [back - slow, slow - back - fast, fast]

    times = np.logspace(-5, 3.99, 60)
    truth = solve_ivp(rates, (0, 1e4), [1, 0, 0], "Radau", times, rtol=1e-10, atol=1e-18).y
    for name, own in zip("abc", truth, strict=True):
        values = getattr(solution, name)(times)
        late = times > 1e-2  # earlier cells are as right as the largest value on them asks for
        assert np.abs(values / own - 1.0)[late].max() < 1e-6
        assert relative(values, own) < 1e-6


def test_units_of_time_change_nothing() -> None:
    plain = hp.solve(robertson(), progress=False)
    for unit in (1e-9, 1e9):
        other = hp.solve(robertson(unit), progress=False)
        assert other.status is hp.Status.CONVERGED
        assert other.stats["resolution"] == plain.stats["resolution"]
        times = np.logspace(-4, 3.9, 30)
        np.testing.assert_allclose(other.b(times / unit), plain.b(times), rtol=1e-7)


def test_the_estimate_is_no_smaller_than_the_error_of_long_oscillations() -> None:
    solution = hp.solve(oscillator(20.0), progress=False)
    times = np.linspace(0, 40 * np.pi, 1001)
    error = relative(solution.u(times), np.cos(times))
    assert solution.status is hp.Status.CONVERGED
    assert error <= solution.estimated_error <= 1e-6


@pytest.mark.parametrize("count", [3, 5])
def test_the_state_at_the_end_converges_with_the_order_of_radau_points(count: int) -> None:
    problem = oscillator()
    equations, start = StateEquations(problem, {"u": 2}), np.array([1.0, 0.0])
    errors = []
    for cells in (8, 16):
        length = 2 * np.pi / cells
        march = RadauMarch(
            equations, radau_points(count), (0.0, 2 * np.pi), start, 1e9, watched=[(0.0, 7.0, length * (1 + 1e-9))]
        )
        # a large tolerance: the cells are as long as they may be, after the short ones of the beginning
        march.ends = tuple(length * k for k in range(cells + 1))
        march._first = lambda: 1.0  # type: ignore[method-assign]
        errors.append(np.linalg.norm(march.run().state - start))
    assert np.log2(errors[0] / errors[1]) > 2 * count - 1.6


def test_a_fast_transient_gets_short_cells_and_the_rest_long_ones() -> None:
    rate = 1e6
    problem = hp.Problem(
        domain=hp.Box(t=(0, 1)),
        fields=["u"],
        residual=lambda u, t: u.t + rate * (u - hp.cos(t)) + hp.sin(t),
        conditions=[hp.Initial(u=0.0)],
    )
    solution = hp.solve(problem, progress=False)
    times = np.concatenate([np.logspace(-9, -5, 50), np.linspace(1e-4, 1, 50)])
    assert solution.status is hp.Status.CONVERGED
    assert solution.stats["resolution"][0] < 60
    assert np.abs(solution.u(times) - np.cos(times) + np.exp(-rate * times)).max() < 1e-6


def test_a_short_pulse_between_long_cells_is_seen() -> None:
    width, middle = 1e-3, 0.543
    problem = hp.Problem(
        domain=hp.Box(t=(0, 1)),
        fields=["u"],
        residual=lambda u, t: u.t - hp.exp(-(((t - middle) / width) ** 2)) + u,
        conditions=[hp.Initial(u=0.0)],
    )
    solution = hp.solve(problem, progress=False)
    after = width * np.sqrt(np.pi) * np.exp(middle - 0.8 + width**2 / 4)
    assert solution.status is hp.Status.CONVERGED
    assert abs(float(solution.u(0.8)) / after - 1.0) < 1e-6


def test_a_solution_that_ends_is_followed_until_there_and_says_so() -> None:
    problem = hp.Problem(
        domain=hp.Box(t=(0, 2)), fields=["u"], residual=lambda u: u.t - u * u, conditions=[hp.Initial(u=1.0)]
    )
    solution = hp.solve(problem, progress=False)
    assert not solution.status.success
    assert "t=1" in solution.message
    assert float(solution.u(0.5)) == pytest.approx(2.0, rel=1e-5)


def test_what_multiplies_rounding_is_not_called_converged() -> None:
    problem = hp.Problem(
        domain=hp.Box(t=(0, 30)),
        fields=["u"],
        residual=lambda u, t: u.t - u + 2 * hp.exp(-t),
        conditions=[hp.Initial(u=1.0)],
    )
    solution = hp.solve(problem, progress=False)
    times = np.linspace(0, 30, 500)
    error = relative(solution.u(times), np.exp(-times))
    assert error > 1e-6
    assert not solution.status.success
    assert solution.estimated_error is not None
    assert solution.estimated_error > 0.3 * error


def test_a_switch_at_a_time_ends_a_cell() -> None:
    problem = hp.Problem(
        domain=hp.Box(t=(0, 2)),
        fields=["u"],
        residual=lambda u, t: u.t - hp.where(t > 0.7, 1.0, 0.0),
        conditions=[hp.Initial(u=1.0)],
    )
    solution = hp.solve(problem, progress=False)
    times = np.linspace(0, 2, 101)
    assert solution.status is hp.Status.CONVERGED
    np.testing.assert_allclose(solution.u(times), 1 + np.maximum(times - 0.7, 0), atol=1e-12)


def test_boundary_values_and_levels_asked_for_are_solved_on_equal_cells() -> None:
    ends = hp.Problem(
        domain=hp.Box(x=(0, 1)), fields=["u"], residual=lambda u: u.xx + 1, conditions=[hp.Dirichlet(u=0.0)]
    )
    assert hp.solve(ends, progress=False).field.encoder.name == "hermite"
    assert hp.solve(oscillator(), levels=3, progress=False).field.encoder.name == "hermite"


def test_files_and_checkpoints_hold_cells_of_many_lengths(tmp_path) -> None:  # type: ignore[no-untyped-def]
    solution = hp.solve(robertson(end=1e9), progress=False, checkpoint=tmp_path / "run.h5")
    times = np.logspace(-6, 8.99, 50)
    solution.save(tmp_path / "u.h5")
    loaded = hp.Solution.load(tmp_path / "u.h5")
    resumed = hp.solve(robertson(end=1e9), progress=False, resume=tmp_path / "run.h5")
    for other in (loaded, resumed):
        np.testing.assert_array_equal(other.b(times), solution.b(times))
    assert resumed.status is solution.status


def test_ends_of_cells_have_to_ascend() -> None:
    with pytest.raises(hp.InvalidArgumentError, match="ascending"):
        GradedGrid.of_cells([0.0, 0.0, 1.0], "linear", torch.zeros(1, 2, 2, dtype=torch.float64))


def test_a_tolerance_below_rounding_is_not_met() -> None:
    line = hp.Problem(domain=hp.Box(t=(0, 1)), fields=["u"], residual=lambda u: u.t - 1, conditions=[hp.Initial(u=1.0)])
    for problem in (line, oscillator()):
        solution = hp.solve(problem, tol=1e-20, progress=False)
        assert solution.status is hp.Status.STALLED
        assert solution.estimated_error is not None
        assert 0 < solution.estimated_error < 1e-9


def test_meshes_pictures_and_errors_follow_cells_of_many_lengths(tmp_path, caplog) -> None:  # type: ignore[no-untyped-def]
    rate = 1e7
    problem = hp.Problem(
        domain=hp.Box(t=(0, 1)),
        fields=["u"],
        residual=lambda u, t: u.t + rate * (u - 1.0),
        conditions=[hp.Initial(u=0.0)],
        exact={"u": lambda t: 1.0 - hp.exp(-rate * t)},
    )
    solution = hp.solve(problem, progress=False)
    (axis,) = solution.vertex_axes(4096)
    assert len(axis) == 8 * solution.stats["resolution"][0] + 1
    assert np.sum(axis < 1 / rate) > 5
    own = solution.error()["u"]
    assert own["max"] > 3 * own["relative_l2"]  # the layer, which is short
    assert own["relative_l2"] < 1e-6
    solution.to_vtk(tmp_path / "u.vtu")
    mesh = meshio.read(tmp_path / "u.vtu")
    np.testing.assert_array_equal(mesh.points[:, 0], axis)
    np.testing.assert_array_equal(mesh.point_data["u"], solution.u(axis))
    np.testing.assert_array_equal(mesh.point_data["u_grad"][:, 0], solution.u.t(axis))
    assert not caplog.records
    solution.to_vtk(tmp_path / "u.vti")
    assert "write .vtu" in caplog.text
    figure = solution.plot()
    (curve,) = figure.axes[0].lines
    assert np.sum(curve.get_xdata() < 1 / rate) > 5
    assert figure.axes[0].get_xscale() == "symlog"
    assert "along t" in str(solution)


def test_equal_cells_are_sampled_at_equal_distances() -> None:
    solution = hp.solve(oscillator(), levels=3, progress=False)
    (axis,) = solution.vertex_axes(4096)
    np.testing.assert_allclose(np.diff(axis), axis[1])
    assert solution.plot().axes[0].get_xscale() == "linear"


def decay(side: str) -> hp.Problem:
    """A decay that is driven, from its value at one end."""
    return hp.Problem(
        domain=hp.Box(t=(0, 2)),
        fields=["u"],
        residual=lambda u, t: u.t + u - hp.cos(3 * t),
        conditions=[hp.Dirichlet(u=1.0, on=side)],
    )


@pytest.mark.parametrize("side", ["t-", "t+"])
def test_values_at_either_end_are_where_a_march_begins(side: str) -> None:
    solution = hp.solve(decay(side), progress=False)
    begin, times = 2.0 * (side == "t+"), np.linspace(0, 2, 101)

    def driven(t: np.ndarray | float) -> np.ndarray:
        return np.asarray((np.cos(3 * t) + 3 * np.sin(3 * t)) / 10)

    truth = driven(times) + (1 - driven(begin)) * np.exp(begin - times)
    slope = np.cos(3 * times) - truth
    assert solution.field.encoder.name == "graded"
    assert solution.status is hp.Status.CONVERGED
    assert relative(solution.u(times), truth) <= 1e-9
    assert relative(solution.u.t(times), slope) <= 1e-7


def test_a_jump_is_met_from_the_upper_end_too() -> None:
    problem = hp.Problem(
        domain=hp.Box(t=(-1, 1)),
        fields=["u"],
        residual=lambda u, t: u.t - hp.where(t > 0.3, 2.0, 1.0) * u,
        conditions=[hp.Dirichlet(u=1.0, on="t+")],
    )
    solution = hp.solve(problem, progress=False)
    times = np.linspace(-1, 1, 101)
    truth = np.exp(np.where(times > 0.3, 2 * (times - 1), times - 1.7))
    assert solution.field.encoder.breaks == ((0.3,),)
    assert relative(solution.u(times), truth) < 1e-9


def test_what_callbacks_see_adds_up_to_all_times() -> None:
    class Watch(hp.Callback):
        def __init__(self) -> None:
            self.parts: list[Advance] = []

        def on_advance(self, state: Advance) -> None:
            self.parts.append(state)

    for problem in (oscillator(20.0), decay("t+")):
        watch = Watch()
        solution = hp.solve(problem, callbacks=[watch], progress=False)
        marches = solution.stats["marches"]
        length = sum(p.until - p.since for p in watch.parts)
        assert length == pytest.approx(len(marches) * problem.domain.lengths[0])
        last = watch.parts[-1]
        middle = torch.tensor([[0.5 * (last.since + last.until)]], dtype=torch.float64)
        own, whole = (f.evaluate(middle, Channels.value(1)) for f in (last.field, solution.field))
        torch.testing.assert_close(own, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("values", [{}, {"c": 0.0}])
def test_a_law_of_conservation_may_stand_for_an_equation(values: dict[str, float]) -> None:
    plain = robertson()
    problem = hp.Problem(
        domain=plain.domain,
        fields=["a", "b", "c"],
        residual=lambda a, b, c: (
            a.t + 0.04 * a - 1e4 * b * c,
            b.t - 0.04 * a + 1e4 * b * c + 3e7 * b * b,
            a + b + c - 1,
        ),
        conditions=[hp.Initial(a=1.0, b=0.0, **values)],
    )
    solution, other = (hp.solve(p, progress=False) for p in (problem, plain))
    times = np.logspace(-2, 4, 50)
    assert solution.field.encoder.name == "graded"
    assert solution.status is hp.Status.CONVERGED
    for name in "abc":
        assert relative(getattr(solution, name)(times), getattr(other, name)(times)) < 1e-7


def algebraic(residual, **values: float):  # type: ignore[no-untyped-def]
    """Equations of two fields, the second without a derivative, and the state they begin with."""
    problem = hp.Problem(
        domain=hp.Box(t=(0, 1)), fields=["y", "z"], residual=residual, conditions=[hp.Initial(**values)]
    )
    equations = StateEquations(problem, {"y": 1, "z": 0})
    start = np.array([values["y"], values.get("z", np.nan)])
    return consistent_start(equations, 0.0, start)


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_fields_without_a_derivative_begin_where_the_equations_say(unit: float) -> None:
    def cubic(y, z):  # type: ignore[no-untyped-def]
        return y.t + z, (z / unit) ** 3 + z / unit - y / unit

    found = algebraic(cubic, y=2.0 * unit)
    np.testing.assert_allclose(found, [2 * unit, unit], rtol=1e-9)
    np.testing.assert_allclose(algebraic(cubic, y=2.0 * unit, z=unit), found, rtol=1e-9)
    assert algebraic(cubic, y=2.0 * unit, z=1.001 * unit) is None  # it contradicts the equations


def test_starts_that_equations_leave_open_are_not_guessed() -> None:
    def square(y, z):  # type: ignore[no-untyped-def]
        return y.t - 1, z * z - y - 1

    assert algebraic(square, y=0.0) is None
    assert algebraic(square, y=0.0, z=-1.0).tolist() == [0.0, -1.0]  # of two roots the one that is given
    assert algebraic(lambda y, z, t: (y.t - z, y - hp.sin(t)), y=0.0) is None  # index two


@pytest.mark.parametrize("place", [0.3141592e6, 0.7321e6])
def test_a_pulse_that_no_point_meets_is_found_by_its_expression(place: float) -> None:
    width = 0.5
    problem = hp.Problem(
        hp.Box(t=(0, 1e6)), "u", lambda u, t: u.t - hp.exp(-(((t - place) / width) ** 2)), [hp.Initial(u=0.0)]
    )
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.u(1e6) == pytest.approx(width * np.sqrt(np.pi), rel=1e-5)
