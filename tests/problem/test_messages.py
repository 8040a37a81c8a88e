"""A residual that is written almost as it is meant is answered with the way to write it."""

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import hermite_pinn as hp
from hermite_pinn.expressions.program import Program

TABLE = np.linspace(0.0, 1.0, 5)


def stated(residual, fields=("u", "v"), **options):
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), list(fields), residual, [hp.Dirichlet(**dict.fromkeys(fields, 0.0))], **options
    )


@pytest.mark.parametrize("table", [lambda x: np.interp(x, TABLE, TABLE), CubicSpline(TABLE, TABLE)])
def test_a_table_in_a_residual_is_answered_with_tabulated(table):
    with pytest.raises(hp.InvalidProblemError, match=r"hp\.tabulated\("):
        stated(lambda u, v, x: (u.laplacian + table(x), v.laplacian))


@pytest.mark.parametrize("residual", [lambda u, v: (u.t - u.xx, v.xx), lambda u, v: (u.xt, v.xx)])
def test_a_derivative_along_an_axis_that_is_missing_names_the_axis(residual):
    with pytest.raises(hp.InvalidProblemError, match=r"there is no axis t; .* add t=\(0, 1\) to the Box"):
        stated(residual)


def test_a_derivative_with_another_name_of_the_laplacian_is_answered_with_it():
    with pytest.raises(hp.InvalidProblemError, match=r"did you mean \.laplacian\?"):
        stated(lambda u, v: (u.laplace, v.xx))


@pytest.mark.parametrize("residual", [lambda u, v: (u.laplacian(), v.xx), lambda u, v: (u.x() + u.y, v.xx)])
def test_brackets_behind_a_derivative_are_answered(residual):
    with pytest.raises(hp.InvalidProblemError, match="without brackets"):
        stated(residual)


@pytest.mark.parametrize("kind", [float, complex])
def test_the_divergence_of_a_vector_as_a_method_is_answered_with_the_function(kind):
    with pytest.raises(hp.InvalidProblemError, match=r"hp\.div\(v\)"):
        hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), {"u": kind}, lambda u: u.grad.div(), [hp.Dirichlet(u=0.0)])


def test_vectors_have_the_sums_and_products_of_numpy():
    written = stated(lambda u, v: (hp.div(u.grad + 2 * v.grad) - u.grad @ v.grad, hp.div(-v.grad / 2 - u.grad)))
    plain = stated(
        lambda u, v: (u.laplacian + 2 * v.laplacian - (u.x * v.x + u.y * v.y), -v.laplacian / 2 - u.laplacian)
    )
    point = {"u": 0.3, "v": 0.7}
    orders = {(0, 0): 1.0, (1, 0): 2.0, (0, 1): 3.0, (2, 0): 5.0, (0, 2): 7.0}
    env = {("jet", (f, o)): np.array(c * w) for f, c in point.items() for o, w in orders.items()}
    values = [Program([t.residual for t in p.terms if t.region.is_interior]).run(env) for p in (written, plain)]
    assert np.allclose(values[0], values[1])


def test_vectors_of_other_lengths_cannot_be_added():
    with pytest.raises(hp.InvalidProblemError, match="as many components"):
        stated(lambda u, v: (hp.div(u.grad - (1.0, 2.0, 3.0)), v.xx))


@pytest.mark.parametrize("name", ["w", "u"])
def test_a_derivative_of_fourth_order_is_answered_with_max_order_and_a_name_that_is_free(name):
    with pytest.raises(hp.InvalidProblemError, match="Give the problem max_order=4, .*'" + name + "_xx'"):
        stated({"w": lambda w: w.xxxx, "u": lambda u: u.xxxx}[name], fields=(name,))
