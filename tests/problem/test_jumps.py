"""What a problem finds of jumps and kinks in its equations."""

import numpy as np
import pytest

import hermite_pinn as hp

BOX = hp.Box(x=(-1, 1), y=(0, 2))
TABLE = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
NEAREST = hp.tabulated(lambda x: TABLE[np.clip(((x + 1) * 2.5).astype(int), 0, 4)], name="nearest")
SMOOTH = hp.tabulated(lambda x, y: np.tanh(50 * x) + y, name="steep")


def posed(source, domain=BOX):
    return hp.Problem(domain, ["u"], lambda u, x, y: u.laplacian + source(x, y), [hp.Dirichlet(u=0.0)])


@pytest.mark.parametrize(
    ("source", "breaks"),
    [
        (lambda x, y: hp.where(x < 0.3, 1.0, 2.0), {"x": [0.3]}),
        (lambda x, y: hp.where((x > 0.3) & (y * y < 2), 1.0, 2.0), {"x": [0.3], "y": [2**0.5]}),
        (lambda x, y: hp.sign(x - 0.25) * hp.abs(y - 1), {"x": [0.25], "y": [1.0]}),
        (lambda x, y: hp.abs(hp.sin(4 * x)), {"x": [-np.pi / 4, 0, np.pi / 4]}),
        (lambda x, y: hp.maximum(x, 0.5) + hp.minimum(y, 1.5), {"x": [0.5], "y": [1.5]}),
        (lambda x, y: hp.floor(2 * x + 0.5), {"x": [-0.75, -0.25, 0.25, 0.75]}),
        (lambda x, y: NEAREST(x), {"x": [-0.6, -0.2, 0.2, 0.6]}),
        (lambda x, y: SMOOTH(x, y), {}),
        (lambda x, y: hp.exp(x) * y, {}),
    ],
)
def test_jumps_along_axes_become_breaks(source, breaks):
    found = posed(source).domain.breaks
    assert {k: list(v) for k, v in found.items()} == {k: pytest.approx(v, abs=1e-12) for k, v in breaks.items()}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (lambda x, y: hp.where(x * x + y * y < 1, 1.0, 2.0), "no line of the grid"),
        (lambda x, y: hp.floor(100 * x), "too many for lines of the grid"),
    ],
)
def test_jumps_that_no_lines_follow_are_told(source, told):
    problem = posed(source)
    assert not problem.domain.breaks
    assert any(told in note for note in problem.notes)
    assert not problem.jumps_on_lines


def test_what_depends_on_fields_is_nowhere_in_particular():
    problem = hp.Problem(BOX, ["u"], lambda u: u.laplacian + hp.where(u > 0, 1.0, 2.0), [hp.Dirichlet(u=0.0)])
    assert not problem.domain.breaks
    assert not problem.jumps_on_lines


def test_given_breaks_stay_beside_those_that_are_found():
    box = hp.Box(x=(-1, 1), y=(0, 2), breaks={"x": [0.3, 0.6], "y": 0.5})
    problem = posed(lambda x, y: hp.where(x < 0.3, 1.0, 2.0), box)
    assert dict(problem.domain.breaks) == {"x": (0.3, 0.6), "y": (0.5,)}
    assert dict(problem.domain.given_breaks) == {"x": (0.3, 0.6), "y": (0.5,)}


def test_fields_jump_as_their_equations_let_them():
    def mixed(u, p, q, x, y):
        a = hp.where(x < 0.3, 1.0, 9.0)
        return {"p": p - a * u.x, "q": q - a * u.y, "u": p.x + q.y + 1}

    problem = hp.Problem(BOX, ["u", "p", "q"], mixed, [hp.Dirichlet(u=0.0)])
    assert problem.continuity == {"u": (1, 1), "p": (1, 0), "q": (0, 1)}


def test_a_divergence_is_that_of_the_product_rule():
    plain = hp.Problem(BOX, ["u"], lambda u, x, y: (1 + x * y) * u.laplacian + y * u.x + x * u.y, [hp.Dirichlet(u=0.0)])
    whole = hp.Problem(BOX, ["u"], lambda u, x, y: hp.div((1 + x * y) * u.grad), [hp.Dirichlet(u=0.0)])
    u = hp.solve(plain.replace(conditions=[hp.Dirichlet(u=lambda x, y: x * y)]), levels=3, progress=False)
    v = hp.solve(whole.replace(conditions=[hp.Dirichlet(u=lambda x, y: x * y)]), levels=3, progress=False)
    points = np.random.default_rng(0).uniform([-1, 0], [1, 2], (20, 2)).T
    np.testing.assert_allclose(u.u(*points), v.u(*points), rtol=1e-9)


@pytest.mark.parametrize(
    ("residual", "told"),
    [
        (lambda u, x: hp.div([u.x, u.y, u.x]), "one expression for each"),
        (lambda u, x: hp.derivative(x * 2, "x") + u, "contains no field"),
        (lambda u, x: hp.derivative(u.x, "z"), "no axis 'z'"),
        (lambda u, x: hp.derivative(u.xx, "x"), "order 3"),
    ],
)
def test_derivatives_of_what_has_none_are_refused(residual, told):
    with pytest.raises(hp.InvalidProblemError, match=told):
        hp.Problem(BOX, ["u"], residual, [hp.Dirichlet(u=0.0)])


def test_initial_values_that_jump_are_noted_and_kinks_are_not():
    def notes(start):
        problem = hp.Problem(
            hp.Box(x=(0, 4), t=(0, 1)), "u", lambda u: u.t + u.x - 0.1 * u.xx, [hp.Neumann(u=0.0), hp.Initial(u=start)]
        )
        return problem.notes

    assert notes(lambda x: hp.where(x < 2, 1.0, 0.0)) == (
        "u jumps from 1 to 0 on the face t- at x = 2: no solution is smooth there",
    )
    assert notes(lambda x: hp.maximum(0.0, 1 - hp.abs(x - 2))) == ()
    assert notes(lambda x: hp.where(x < 2, x, 4 - x)) == ()
    assert notes(lambda x: hp.exp(-((x - 2) ** 2))) == ()
