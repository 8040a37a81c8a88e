"""The identity of a problem: a hash by part of all that changes its solution."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from scipy.interpolate import CubicSpline, RegularGridInterpolator

import hermite_pinn as hp
from hermite_pinn import sin

BOX = hp.Box(x=(0, 1), y=(0, 2))
POINTS = np.random.default_rng(0).random((6, 2))


def made(**changes):
    """A problem with a part of every kind; ``changes`` replace numbers in it."""
    v = {
        "source": 1.5, "left": 1.0, "slope": 0.5, "alpha": 2.0, "g": 3.0, "cut": 0.5, "weight": 1.0, "points": POINTS,
        "values": POINTS[:, 0], "noise": 0.1, "upper": 1.0, "init": 0.2, "bound": 1.0, "penalty": 1e-3, "name": None,
        "residual": "pde", "exact": {}, "max_order": 2, "table": 1.0, "extra": (),
    } | changes  # fmt: skip
    spline = CubicSpline([0.0, 1.0, 2.0], [1.0, v["table"], 1.0])
    return hp.Problem(
        domain=hp.Box(x=(0, v["upper"]), y=(0, 2)),
        fields=["u"],
        residual=lambda u, k, x, y: {v["residual"]: k * u.xx + u.yy + v["source"] * sin(x) * hp.tabulated(spline)(y)},
        conditions=[
            hp.Dirichlet(u=v["left"], on="x-", weight=v["weight"]),
            hp.Neumann(u=lambda y: v["slope"] * y, on="x+"),
            hp.Robin(u=(v["alpha"], 1.0, v["g"]), on="y-", where=lambda x: x > v["cut"]),
            hp.Condition(lambda u: u.n + u, on="y+", name="oblique"),
            hp.Data(v["points"], u=v["values"], noise=v["noise"]),
            hp.Smoothness(u=v["penalty"]),
            *v["extra"],
        ],
        parameters=[hp.Parameter("k", init=v["init"], bounds=(0, v["bound"]))],
        exact=v["exact"],
        name=v["name"],
        max_order=v["max_order"],
    )


def differing(a, b):
    a, b = a.identity, b.identity
    return {name for name in a.keys() | b.keys() if a.get(name) != b.get(name)}


def test_the_same_statement_has_the_same_identity():
    a, b = made(), made()
    assert a.identity == b.identity
    assert list(a.identity) == list(b.identity)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"source": np.nextafter(1.5, 2)}, "the equation 'pde'"),
        ({"table": 1.0 + 1e-7}, "the equation 'pde'"),
        ({"left": 5.0}, "the condition 'u on x-'"),
        ({"left": np.nextafter(1.0, 2)}, "the condition 'u on x-'"),
        ({"weight": 2.0}, "the condition 'u on x-'"),
        ({"slope": 0.25}, "the condition 'u.n on x+'"),
        ({"alpha": 2.5}, "the condition 'u + u.n on y-'"),
        ({"g": 2.5}, "the condition 'u + u.n on y-'"),
        ({"cut": 0.25}, "the condition 'u + u.n on y-'"),
        ({"values": POINTS[:, 1]}, "the condition 'data u'"),
        ({"points": POINTS[::-1], "values": POINTS[::-1, 0]}, "the condition 'data u'"),
        ({"points": POINTS + 1e-16 * (POINTS > 0.5)}, "the condition 'data u'"),
        ({"noise": 0.2}, "the condition 'data u'"),
        ({"noise": None}, "the condition 'data u'"),
        ({"init": 0.25}, "the parameter 'k'"),
        ({"bound": 2.0}, "the parameter 'k'"),
        ({"penalty": 1e-4}, "the condition 'smoothness u'"),
        ({"max_order": 3}, "max_order"),
    ],
    ids=str,
)
def test_whatever_changes_the_solution_changes_its_part_and_no_other(changes, part):
    assert differing(made(), made(**changes)) == {part}


def test_names_of_terms_domain_and_conditions_count():
    order = "the order of equations and conditions"
    assert differing(made(), made(residual="heat")) == {"the equation 'pde'", "the equation 'heat'", order}
    assert "the domain" in differing(made(), made(upper=2.0))
    periodic = [hp.Problem(BOX, ["u"], lambda u: u.xx + u.yy - 1, [hp.Dirichlet(u=0.0), hp.Periodic(a)]) for a in "xy"]
    assert "the periodic axes" in differing(*periodic)


def test_what_changes_no_solution_does_not_count():
    assert not differing(made(), made(name="another", exact={"u": lambda x, y: x * y}))


def test_long_residuals_count_to_their_end():
    def long(last):
        return hp.Problem(BOX, ["u"], lambda u, x: u.xx + u.yy + sum((sin(k * x) for k in range(200)), sin(last * x)))

    with pytest.warns(hp.HermitePinnWarning):
        a, b = long(1.0), long(2.0)
    assert a.identity["the equation 'pde'"].text == b.identity["the equation 'pde'"].text
    assert differing(a, b) == {"the equation 'pde'"}


class Table:
    """A callable object with state that is no part of what it computes."""

    def __init__(self, values):
        self.values, self.calls = np.array(values), 0

    def __call__(self, x, y):
        self.calls += 1
        return np.interp(x, np.linspace(0, 1, len(self.values)), self.values)


def scaled(x, y, factor):
    return np.interp(x, [0.0, 0.5, 1.0], [0.0, factor, 0.0])


def tabulated(function):
    return hp.Problem(BOX, ["u"], lambda u, x, y: u.xx + u.yy + hp.tabulated(function)(x, y), [hp.Dirichlet(u=0.0)])


def grid(values):
    return RegularGridInterpolator((np.linspace(0, 1, 5), np.linspace(0, 2, 3)), values)


VALUES = np.random.default_rng(1).random((5, 3)).tolist()
SPIKE = [0.0] * 777 + [1.0] + [0.0] * 99_222


@pytest.mark.parametrize(
    ("make", "a", "b"),
    [
        (Table, [0.0, 1.0, 2.0], [0.0, 1.0, 2.5]),
        (Table, [0.0] * 100_000, SPIKE),  # between all points at which values are compared
        (lambda f: partial(scaled, factor=f), 1.0, 1.0 + 1e-6),
        (lambda f: lambda x, y: scaled(x, y, f), 1.0, 1.0 + 1e-15),
        (lambda v: lambda x, y: grid(np.array(v))((x, y)), VALUES, [[v + 1e-13 for v in row] for row in VALUES]),
    ],
    ids=["object", "spike", "partial", "closure", "interpolator"],
)
def test_functions_that_are_not_traced_count_by_what_they_compute_and_carry(make, a, b):
    assert tabulated(make(a)).identity == tabulated(make(a)).identity
    assert differing(tabulated(make(a)), tabulated(make(b))) == {"the equation 'pde'"}


def test_a_table_of_an_unknown_counts_too():
    def law(value):
        spline = CubicSpline([0.0, 1.0, 2.0], [1.0, value, 1.5])
        return hp.Problem(BOX, ["u"], lambda u: u.xx + u.yy + hp.tabulated(spline)(u), [hp.Dirichlet(u=0.0)])

    assert not differing(law(2.0), law(2.0))
    assert differing(law(2.0), law(2.0 + 1e-14)) == {"the equation 'pde'"}


def test_functions_of_conditions_that_cannot_be_traced_count():
    def boundary(values):
        return hp.Problem(
            BOX, ["u"], lambda u: u.xx + u.yy - 1, [hp.Dirichlet(u=lambda x: np.interp(x, [0.0, 1.0], values))]
        )

    assert not differing(boundary([0.0, 1.0]), boundary([0.0, 1.0]))
    assert differing(boundary([0.0, 1.0]), boundary([0.0, 2.0])) == {"the condition 'u on boundary'"}


def test_a_part_of_the_domain_has_an_identity_of_its_own():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 2)), ["u"], lambda u: u.t - u.xx, [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)]
    )
    assert "the domain" in differing(problem, problem.restricted(t=(0, 1)))


PROGRAM = """
import numpy as np
import hermite_pinn as hp
from scipy.interpolate import CubicSpline
spline = hp.tabulated(CubicSpline([0.0, 1.0, 2.0], [1.0, 2.0, 1.0]))
points = np.random.default_rng(0).random((5, 2))
problem = hp.Problem(
    hp.Box(x=(0, 1), y=(0, 1)), ["u", "v"],
    lambda u, v, k, x, y: (u.xx + u.yy + spline(x) * hp.exp(v), v.laplacian + k * u - hp.where(x < y, 1.0, 0.1)),
    [hp.Dirichlet(u=lambda x: np.interp(x, [0, 1], [2, 3]), v=0.1), hp.Data(points, u=points[:, 0], noise=0.1)],
    parameters=[hp.Parameter("k", bounds=(0, 2))],
)
print({name: part.digest for name, part in problem.identity.items()})
"""


def test_another_process_finds_the_same_identity(capsys):
    exec(PROGRAM, {})
    other = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120,
        env=os.environ | {"PYTHONHASHSEED": "1"},
    )  # fmt: skip
    assert other.stdout == capsys.readouterr().out
    assert "the condition 'data u'" in other.stdout
