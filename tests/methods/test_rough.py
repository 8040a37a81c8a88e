"""Coefficients and sources that jump along no line of the grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.expressions.functions import where
from hermite_pinn.expressions.graph import coordinate
from hermite_pinn.methods.gauss_newton.local_choice import why_not_local
from hermite_pinn.methods.systems.cell_polynomials import CellPolynomials
from hermite_pinn.methods.systems.rough_terms import averaged_terms, divided_terms, is_averaged
from hermite_pinn.residuals.compiled import compile_term

X, Y, R = 0.47, 0.53, 0.3137


def in_disc(x: Any, y: Any) -> Any:
    return (x - X) ** 2 + (y - Y) ** 2 < R * R


def disc_solution(k: float) -> Any:
    """Of a Laplacian u + 4 = 0 with a = 1 in the disc and k around it."""

    def exact(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        r = np.maximum(np.hypot(x - X, y - Y), 1e-12)
        c = -2 * R * R * (1 - 1 / k)
        return np.where(r < R, -(r**2), -(r**2) / k + c * np.log(r / R) - R * R * (1 - 1 / k))

    return hp.tabulated(exact, "exact")


def disc(k: float) -> hp.Problem:
    exact = disc_solution(k)
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: hp.where(in_disc(x, y), 1.0, k) * u.laplacian + 4.0,
        [hp.Dirichlet(u=lambda x, y: exact(x, y))],
    )


def relative_error(solution: hp.Solution, exact: Any) -> float:
    points = np.random.default_rng(0).random((2, 4000))
    known = exact(*points)
    return float(np.linalg.norm(solution.u(*points) - known) / np.linalg.norm(known))


def equation(problem: hp.Problem) -> Any:
    return compile_term(problem, next(t for t in problem.terms if t.region.is_interior))


@pytest.mark.parametrize("k", [9.0, 1e-2])
def test_a_jump_along_a_circle_leaves_the_second_order(k: float) -> None:
    errors = [
        relative_error(
            hp.solve(disc(k), field=hp.Field(basis="cubic", base=n), levels=1, progress=False), disc_solution(k)
        )
        for n in (8, 64)
    ]
    assert errors[1] < errors[0] / 8**1.5
    assert errors[1] < 2e-3


def test_polynomials_keep_the_mean_of_every_cell() -> None:
    step = where(coordinate("x") + 0.7 * coordinate("y") < 0.61, 1.0, 5.0)
    edges = [np.linspace(0, 1, 4), np.linspace(0, 1, 3)]
    made = CellPolynomials(step, ["x", "y"], edges, [1, 1])
    fine = (np.arange(1200) + 0.5) / 1200
    x, y = (a.ravel() for a in np.meshgrid(fine, fine, indexing="ij"))
    whole = np.where(x + 0.7 * y < 0.61, 1.0, 5.0)
    assert math.isclose(made(x, y).mean(), whole.mean(), rel_tol=2e-3)


def test_polynomials_are_as_good_as_values_where_functions_are_smooth() -> None:
    x = coordinate("x")
    errors = []
    for cells in (8, 16):
        edges = np.linspace(0, 1, cells + 1)
        made = CellPolynomials(hp.sin(5 * x), ["x"], [edges], [2])
        inside = 0.5 + np.array([-0.5, 0.5]) / math.sqrt(3)  # the points of Gauss
        at = (edges[:-1, None] + inside / cells).ravel()
        errors.append(np.abs(made(at) - np.sin(5 * at)).max())
    assert errors[1] < errors[0] / 2**2.6


def test_polynomials_stay_between_the_values_of_their_cell() -> None:
    x, y = coordinate("x"), coordinate("y")
    edges = [np.linspace(0, 1, 5)] * 2
    made = CellPolynomials(where(x * x + y * y < 0.3, 1.0, 1e-6), ["x", "y"], edges, [3, 3])
    values = made(*np.random.default_rng(1).random((2, 2000)))
    assert values.min() >= 1e-6 * (1 - 1e-12)
    assert values.max() <= 1 + 1e-12


def test_an_equation_is_divided_by_the_coefficient_of_its_highest_derivatives() -> None:
    problem = disc(9.0)
    (own,) = divided_terms(problem, [equation(problem)])
    assert set(own.constant) == {("u", (2, 0)), ("u", (0, 2))}
    assert len(set(own.constant.values())) == 1
    assert not own.variable


def test_units_of_an_equation_that_is_divided_stay() -> None:
    """It is divided by a number of mean one: rows of one equation do not outweigh those of another."""
    problem = disc(1e4)
    (own,) = divided_terms(problem, [equation(problem)])
    assert 1.0 < own.constant["u", (2, 0)] < 1e4


@pytest.mark.parametrize(
    "residual",
    [
        lambda u, x, y: hp.where(in_disc(x, y), 1.0, 9.0) * u.xx + u.yy + 1,
        lambda u, x, y: hp.where(in_disc(x, y), 1.0, -9.0) * u.laplacian + 1,
        lambda u, x, y: hp.where(in_disc(x, y), 1.0, 0.0) * u.laplacian + u,
        lambda u, x, y: u.laplacian + hp.sin(hp.where(in_disc(x, y), 1.0, 9.0) * u),
        lambda u, x, y: u.laplacian + hp.sin(x * y),
        lambda u, x, y: hp.div(hp.where(in_disc(x, y), 1.0, 9.0) * u.grad) + 1,
    ],
    ids=["two coefficients", "another sign", "it vanishes", "within a function of u", "smooth", "a flux"],
)
def test_what_cannot_be_averaged_stays_as_it_is(residual: Any) -> None:
    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], residual, [hp.Dirichlet(u=0.0)])
    own = equation(problem)
    edges = [np.linspace(0, 1, 5)] * 2
    assert not is_averaged(problem, own)
    assert averaged_terms(problem, [own], edges, (2, 2)) == [own]


def test_choices_between_equations_are_taken_apart() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: hp.where(in_disc(x, y), u.laplacian + 1, 3 * u.laplacian - u),
        [hp.Dirichlet(u=0.0)],
    )
    (own,) = divided_terms(problem, [equation(problem)])
    assert set(own.constant) == {("u", (2, 0)), ("u", (0, 2))}
    assert set(own.variable) == {("u", (0, 0))}


@pytest.mark.slow
def test_heat_in_a_medium_of_pixels_is_marched_through() -> None:
    """Steps in time take tables, and two marches tell their error."""
    problem = hp.problems.heat_random(time=0.5, size=24)
    assert not problem.domain.breaks
    solution = hp.solve(problem, tol=4e-2, progress=False, throw=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.stats["marches"][-1]["cells"][0] <= 32


def disc_flux(k: float) -> tuple[hp.Problem, Any]:
    """Of div(a grad u) + 4 = 0, which has another solution than a Laplacian u + 4 = 0."""

    def exact(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        r = np.hypot(x - X, y - Y)
        return np.where(r < R, R * R * (1 - 1 / k) - r**2, -(r**2) / k)

    known = hp.tabulated(exact, "exact")
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: hp.div(hp.where(in_disc(x, y), 1.0, k) * u.grad) + 4.0,
        [hp.Dirichlet(u=lambda x, y: known(x, y))],
    )
    return problem, known


@pytest.mark.parametrize("k", [9.0, 0.1])
def test_a_flux_that_jumps_along_a_circle_is_never_thought_known_when_it_is_not(k: float) -> None:
    problem, exact = disc_flux(k)
    solution = hp.solve(problem, tol=3e-2, levels=4, progress=False, throw=False)
    error = relative_error(solution, exact)
    assert solution.estimated_error is not None
    assert error < 3 * solution.estimated_error
    assert solution.status is not hp.Status.CONVERGED or error < 0.09


def test_a_flux_across_a_layer_goes_to_that_of_the_jump() -> None:
    errors = []
    for cells in (16, 64):
        problem, exact = disc_flux(0.1)
        solution = hp.solve(problem, field=hp.Field(basis="cubic", base=cells), levels=1, progress=False, throw=False)
        errors.append(relative_error(solution, exact))
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.05


def test_fluxes_that_jump_within_a_table_are_not_known() -> None:
    table = hp.tabulated(lambda x, y: np.where((x - X) ** 2 + (y - Y) ** 2 < R * R, 1.0, 9.0), "table")
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), ["u"], lambda u, x, y: hp.div(table(x, y) * u.grad) + 4.0, [hp.Dirichlet(u=0.0)]
    )
    solution = hp.solve(problem, tol=0.5, levels=3, progress=False, throw=False)
    assert solution.status is not hp.Status.CONVERGED
    assert solution.estimated_error == 1.0


def test_on_cut_domains_a_flux_that_jumps_is_not_known() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.2),
        ["u"],
        lambda u, x, y: hp.div(hp.where(x < 0.2, 1.0, 9.0) * u.grad) + 1,
        [hp.Dirichlet(u=0.0)],
    )
    solution = hp.solve(problem, tol=0.5, levels=2, progress=False, throw=False)
    assert solution.status is not hp.Status.CONVERGED
    assert solution.estimated_error == 1.0


@pytest.mark.parametrize(("lead", "local"), [(hp.where, False), (lambda c, a, b: 1.0, True)], ids=["lead", "source"])
def test_local_refinement_is_not_for_leading_coefficients_that_jump(lead: Any, local: bool) -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: lead(in_disc(x, y), 1.0, 9.0) * u.laplacian + hp.where(in_disc(x, y), 1.0, 0.0),
        [hp.Dirichlet(u=0.0)],
    )
    assert (why_not_local(problem) == "") == local


def test_a_ball_with_a_source_is_seen_and_its_mean_too() -> None:
    """Points where the source jumps within a cell are no peaks that the cells have not seen."""

    def exact(x: Any, y: Any, z: Any) -> Any:
        r = np.sqrt(x * x + y * y + z * z)
        return np.where(r < 0.5, r * r, 0.75 - 0.25 / np.maximum(r, 1e-9))

    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1), z=(-1, 1)),
        ["u"],
        lambda u, x, y, z: u.laplacian - hp.where(x * x + y * y + z * z < 0.25, 6.0, 0.0),
        [hp.Dirichlet(u=lambda x, y, z: 0.75 - 0.25 / hp.sqrt(x * x + y * y + z * z))],
    )
    solution = hp.solve(problem, tol=1e-2, levels=3, progress=False, throw=False)
    points = 2 * np.random.default_rng(0).random((3, 2000)) - 1
    known = exact(*points)
    error = float(np.linalg.norm(solution.u(*points) - known) / np.linalg.norm(known))
    assert solution.status is hp.Status.CONVERGED
    assert error < 1e-2
    assert solution.estimated_error is not None
    assert error < 3 * solution.estimated_error


def test_a_disc_between_the_first_cells_is_not_missed() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: (
            hp.where((x - 0.2) ** 2 + y * y < 0.01, 2.0, 1.0) * u.laplacian
            + hp.where((x - 0.703) ** 2 + (y - 0.587) ** 2 < 1e-5, 1e3, 0.0)
            + 1
        ),
        [hp.Dirichlet(u=0.0)],
    )
    solution = hp.solve(problem, tol=0.3, levels=2, progress=False, throw=False)
    assert solution.status is not hp.Status.CONVERGED
