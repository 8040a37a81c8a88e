"""A problem in other units takes the same steps, and ends with the same status, estimate and relative errors.

Problems are written once, in units of one, and told in others: lengths and times, fields, equations and parameters are
multiplied by powers of four, over twelve orders of magnitude, whose roots and products floating point has exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin
from hermite_pinn.problems.base import named
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.scales import first_scales, source_norms
from hermite_pinn.residuals.sizes import field_sizes

BIG, SMALL = 4.0**10, 4.0**-10  # about a million, and one over that


@dataclass(frozen=True)
class Units:
    """What lengths along the axes, fields, equations and parameters are multiplied by, by name; one where not named."""

    factors: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> float:
        return self.factors.get(name, 1.0)

    def along(self, orders: str) -> float:
        """Unit of length to the power of a derivative."""
        return math.prod(self[a] for a in orders)

    def jet(self, given: Any, name: str) -> Callable[[str], Any]:
        """Derivatives of a field in units of one, by the axes along which they are taken."""
        return lambda orders="": (self.along(orders) / self[name]) * (getattr(given, orders) if orders else given)

    def function(self, own: Any, axes: str, unit: float) -> Any:
        """A function of coordinates in units of one, or a number, in other units."""
        if not callable(own):
            return unit * own
        return named(lambda *at: unit * own(*(c / self[a] for c, a in zip(at, axes, strict=True))), list(axes))


@dataclass(frozen=True)
class Case:
    """A problem in units of one.

    ``residual`` takes a function per field, which gives its derivatives by their axes, the coordinates and the
    parameters, and returns equations by name.  ``conditions`` takes the units.
    """

    axes: Mapping[str, tuple[float, float]]
    fields: tuple[str, ...]
    residual: Callable[..., dict[str, Any]]
    conditions: Callable[[Units], list[Any]]
    exact: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    parameters: Mapping[str, tuple[float, tuple[float, float]]] = field(default_factory=dict)
    cut: Callable[[Units], Any] | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: {"levels": 2})

    @property
    def names(self) -> str:
        return "".join(self.axes)

    def problem(self, units: Units) -> hp.Problem:
        count, dim = len(self.fields), len(self.axes)

        def residual(*given: Any) -> dict[str, Any]:
            jets = [units.jet(g, f) for g, f in zip(given, self.fields, strict=False)]
            at = [g / units[a] for g, a in zip(given[count:], self.axes, strict=False)]
            values = [g / units[p] for g, p in zip(given[count + dim :], self.parameters, strict=True)]
            return {name: units[name] * r for name, r in self.residual(*jets, *at, *values).items()}

        box = hp.Box(**{a: (units[a] * low, units[a] * high) for a, (low, high) in self.axes.items()})
        return hp.Problem(
            box - self.cut(units) if self.cut else box,
            list(self.fields),
            named(residual, [*self.fields, *self.axes, *self.parameters]),
            self.conditions(units),
            parameters=[
                hp.Parameter(name, units[name] * init, (units[name] * low, units[name] * high))
                for name, (init, (low, high)) in self.parameters.items()
            ],
            exact={f: units.function(g, self.names, units[f]) for f, g in self.exact.items()},
        )


@dataclass(frozen=True)
class Told:
    """What is compared: in units of one, or relative."""

    status: str
    steps: list[tuple[int, int]]
    estimate: float | None
    errors: dict[str, float]
    parameters: dict[str, float]


def told(case: Case, units: Units) -> Told:
    solution = hp.solve(case.problem(units), progress=False, **case.options)
    errors = {name: e["relative_l2"] for name, e in solution.error().items()} if case.exact else {}
    return Told(
        solution.status.name,
        [(row["level"], row["inner"]) for row in solution.history],
        solution.estimated_error,
        errors,
        {name: value / units[name] for name, value in solution.parameters.items()},
    )


def dirichlet(units: Units, case_axes: str, on: Any = "boundary", **values: Any) -> hp.Dirichlet:
    return hp.Dirichlet(**{f: units.function(g, case_axes, units[f]) for f, g in values.items()}, on=on)


# -- the cases ---
def bump(x, y):
    return sin(2 * x + 0.3) * exp(y)


ROBIN = Case(
    axes={"x": (0, 1), "y": (0, 2)},
    fields=("u",),
    residual=lambda u, x, y: {"pde": u("xx") + u("yy") + 3 * bump(x, y)},
    conditions=lambda s: [
        dirichlet(s, "xy", on=["x-", "y-", "y+"], u=bump),
        hp.Robin(
            u=(
                2.0,
                s["x"],
                s.function(lambda x, y: 2 * bump(x, y) + 2 * cos(2 * x + 0.3) * exp(y), "xy", s["u"]),
            ),
            on="x+",
        ),
    ],
    exact={"u": bump},
)

HEAT = Case(
    axes={"x": (0, 1), "t": (0, 1)},
    fields=("u",),
    residual=lambda u, x, t: {"pde": u("t") - 0.1 * u("xx")},
    conditions=lambda s: [
        dirichlet(s, "xt", u=0.0),
        hp.Initial(u=s.function(lambda x: sin(pi * x), "x", s["u"])),
    ],
    exact={"u": lambda x, t: sin(pi * x) * exp(-0.1 * pi**2 * t)},
    options={"levels": 3},
)

BURGERS = Case(
    axes={"x": (-1, 1), "t": (0, 1)},
    fields=("u",),
    residual=lambda u, x, t: {"pde": u("t") + u() * u("x") - 0.1 * u("xx")},
    conditions=lambda s: [
        dirichlet(s, "xt", u=0.0),
        hp.Initial(u=s.function(lambda x: -sin(pi * x), "x", s["u"])),
    ],
    options={"levels": 3},
)


def flow(x, y):
    return sin(2 * x) * cos(3 * y)


def cross_flow(x, y):
    return -2 / 3 * cos(2 * x) * sin(3 * y)


def pressure(x, y):
    return cos(pi * x) * cos(pi * y)


def force(x, y):
    return 13 * flow(x, y) - pi * sin(pi * x) * cos(pi * y)


def cross_force(x, y):
    return 13 * cross_flow(x, y) - pi * cos(pi * x) * sin(pi * y)


STOKES = Case(
    axes={"x": (0, 1), "y": (0, 1)},
    fields=("u", "v", "p"),
    residual=lambda u, v, p, x, y: {
        "momentum x": p("x") - u("xx") - u("yy") - force(x, y),
        "momentum y": p("y") - v("xx") - v("yy") - cross_force(x, y),
        "continuity": u("x") + v("y"),
    },
    conditions=lambda s: [dirichlet(s, "xy", u=flow, v=cross_flow), hp.Gauge("p")],
    exact={"u": flow, "v": cross_flow, "p": pressure},
)


def vorticity(x, y):
    return (4 / 3 + 3) * sin(2 * x) * sin(3 * y)


VORTICITY = Case(
    axes={"x": (0, 1), "y": (0, 1)},
    fields=("u", "v", "p", "w"),
    residual=lambda u, v, p, w, x, y: {
        "momentum x": p("x") + w("y") - force(x, y),
        "momentum y": p("y") - w("x") - cross_force(x, y),
        "continuity": u("x") + v("y"),
        "vorticity": w() - v("x") + u("y"),
    },
    conditions=lambda s: [dirichlet(s, "xy", u=flow, v=cross_flow), hp.Gauge("p")],
    exact={"u": flow, "v": cross_flow, "p": pressure, "w": vorticity},
)


def stretch(x, y):
    return sin(pi * x) * sin(pi * y) / 2


def shear(x, y):
    return x * (1 - x) * sin(pi * y)


STRESS = Case(
    axes={"x": (0, 1), "y": (0, 1)},
    fields=("u", "v", "sx", "sy", "q"),
    residual=lambda u, v, sx, sy, q, x, y: {
        "balance x": sx("x") + q("y") + 4 * pi**2 * stretch(x, y) - 2 * pi * (1 - 2 * x) * cos(pi * y),
        "balance y": q("x") + sy("y") + 3 * pi**2 * shear(x, y) - pi**2 * cos(pi * x) * cos(pi * y) + 2 * sin(pi * y),
        "stretch x": sx() - 3 * u("x") - v("y"),
        "stretch y": sy() - u("x") - 3 * v("y"),
        "shear": q() - u("y") - v("x"),
    },
    conditions=lambda s: [dirichlet(s, "xy", u=stretch, v=shear)],
    exact={
        "u": stretch,
        "v": shear,
        "sx": lambda x, y: 1.5 * pi * cos(pi * x) * sin(pi * y) + pi * x * (1 - x) * cos(pi * y),
        "sy": lambda x, y: 0.5 * pi * cos(pi * x) * sin(pi * y) + 3 * pi * x * (1 - x) * cos(pi * y),
        "q": lambda x, y: 0.5 * pi * sin(pi * x) * cos(pi * y) + (1 - 2 * x) * sin(pi * y),
    },
)


def observed(x, t):
    return exp(-0.3 * t) * sin(x + 0.5)


def measurements(s: Units, noise: float | None) -> hp.Data:
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(60, 2))
    values = np.asarray(observed(*points.T)) + (noise or 0.0) * rng.standard_normal(60)
    return hp.Data(points * [s["x"], s["t"]], u=s["u"] * values, noise=None if noise is None else {"u": noise * s["u"]})


DIFFUSION = Case(
    axes={"x": (0, 1), "t": (0, 1)},
    fields=("u",),
    residual=lambda u, x, t, d: {"pde": u("t") - d * u("xx")},
    conditions=lambda s: [dirichlet(s, "xt", u=observed, on=["x-", "x+"]), measurements(s, None)],
    exact={"u": observed},
    parameters={"d": (1.0, (0.01, 10.0))},
)

NOISY = Case(
    axes={"x": (0, 1), "t": (0, 1)},
    fields=("u",),
    residual=lambda u, x, t, d: {"pde": u("t") - d * u("xx")},
    conditions=lambda s: [dirichlet(s, "xt", u=observed, on=["x-", "x+"]), measurements(s, 0.01)],
    exact={"u": observed},
    parameters={"d": (1.0, (0.01, 10.0))},
)

HOLE = Case(
    axes={"x": (0, 1), "y": (0, 1)},
    fields=("u",),
    residual=lambda u, x, y: {"pde": u("xx") + u("yy") + 3 * bump(x, y)},
    conditions=lambda s: [dirichlet(s, "xy", u=bump)],
    exact={"u": bump},
    cut=lambda s: hp.Disk((0.5 * s["x"], 0.5 * s["y"]), 0.2 * s["x"]),
)

CASES = {
    "robin": ROBIN,
    "heat": HEAT,
    "burgers": BURGERS,
    "stokes": STOKES,
    "vorticity": VORTICITY,
    "stress": STRESS,
    "diffusion": DIFFUSION,
    "noisy": NOISY,
    "hole": HOLE,
}

#: Other units by name: of axes, fields, equations ("pde") and parameters; where a name is no part of a case, it does
#: not matter.
UNITS = {
    "small fields": Units({"u": SMALL, "v": SMALL}),
    "large fields": Units({"u": BIG, "v": BIG, "p": BIG, "w": BIG, "sx": BIG, "sy": BIG, "q": BIG}),
    "fields apart": Units({"u": SMALL, "v": BIG, "p": SMALL, "w": BIG, "sx": SMALL, "q": BIG}),
    "stresses as large as stiffness": Units({"u": SMALL, "v": SMALL, "sx": BIG, "sy": BIG, "q": BIG, "p": BIG}),
    "equations": Units(
        {"pde": BIG, "momentum x": SMALL, "momentum y": BIG, "vorticity": BIG, "balance x": BIG, "shear": SMALL}
    ),
    "short": Units({"x": SMALL, "y": SMALL}),
    "long": Units({"x": BIG, "y": BIG}),
    "stretched": Units({"x": 16.0, "y": 0.25, "t": 64.0}),
    "quick": Units({"t": SMALL}),
    "slow and long": Units({"t": BIG, "x": BIG}),
    "parameters": Units({"d": BIG}),
    "everything": Units(
        {"x": SMALL, "y": SMALL, "t": BIG, "u": BIG, "v": BIG, "p": SMALL, "sx": SMALL, "pde": BIG, "d": SMALL}
    ),
}


def matter(case: Case, units: Units) -> bool:
    """Whether units say anything about a case; shapes know no axes."""
    names = {*case.axes, *case.fields, *case.parameters, "pde"}
    return bool(names & units.factors.keys()) and (not case.cut or units["x"] == units["y"])


@cache
def in_units_of_one(name: str) -> Told:
    return told(CASES[name], Units())


def pairs() -> Iterator[Any]:
    for name, units in itertools.product(CASES, UNITS):
        if matter(CASES[name], UNITS[units]):
            marks = () if units in ("fields apart", "parameters", "everything") else (pytest.mark.slow,)
            yield pytest.param(name, units, marks=marks, id=f"{name}-{units}")


@pytest.mark.parametrize(("name", "units"), list(pairs()))
def test_units_do_not_matter(name: str, units: str) -> None:
    """Conjugate gradients may stop a step or two apart: pi is no power of four."""
    expected, found = in_units_of_one(name), told(CASES[name], UNITS[units])
    assert found.status == expected.status
    assert [level for level, _ in found.steps] == [level for level, _ in expected.steps]
    for (_, inner), (_, other) in zip(found.steps, expected.steps, strict=True):
        assert abs(inner - other) <= 2
    assert found.estimate == pytest.approx(expected.estimate, rel=1e-3)
    assert found.errors == pytest.approx(expected.errors, rel=1e-3)
    assert found.parameters == pytest.approx(expected.parameters, rel=1e-6)


# -- sizes ---
@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.cut])
def test_sizes_are_in_the_units_of_fields_and_equations(name: str, units: str) -> None:
    case, other = CASES[name], UNITS[units]
    one, told_otherwise = case.problem(Units()), case.problem(other)
    sizes = {f: size * other[f] for f, size in field_sizes(one).items()}
    assert field_sizes(told_otherwise) == pytest.approx(sizes, rel=1e-12)
    norms = [size * other[k] for k, size in zip(one.residuals, source_norms(one), strict=True)]
    assert source_norms(told_otherwise) == pytest.approx(norms, rel=1e-12)


def beam(load: float, stiffness: float) -> hp.Problem:
    """A bending moment that a load makes, and the deflection that it makes."""
    return hp.Problem(
        hp.Box(x=(0, 2)),
        ["w", "m"],
        lambda w, m: {"bending": stiffness * w.xx + m, "load": m.xx + load},
        [hp.Dirichlet(w=0.0, m=0.0)],
    )


def test_sizes_spread_from_a_load_through_coefficients() -> None:
    sizes = field_sizes(beam(5.0, 1e7))
    moment = 5.0 * (2 / math.pi) ** 2
    assert sizes == pytest.approx({"w": moment / 1e7 * (2 / math.pi) ** 2, "m": moment})


def test_what_conditions_prescribe_is_the_size_of_a_field() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: u.laplacian + 1e9 * sin(pi * x),
        [hp.Dirichlet(u=3e-4, on="x-"), hp.Dirichlet(u=1e-4, on=["x+", "y+"]), hp.Neumann(u=1e5, on="y-")],
    )
    assert field_sizes(problem)["u"] == pytest.approx(3e-4)


def test_rounding_on_a_face_is_no_size() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u: u.laplacian + 2e3,
        [hp.Dirichlet(u=lambda x, y: sin(pi * x) * sin(pi * y))],
    )
    assert field_sizes(problem)["u"] == pytest.approx(2e3 / (2 * pi**2))


def test_a_field_that_only_a_product_determines_has_a_size() -> None:
    """A coefficient is as large as the balance with the known field asks."""
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "a"],
        lambda u, a: a * u.xx + 7.0,
        [hp.Dirichlet(u=2.0), hp.Data([[0.3], [0.6]], u=[2.0, 2.0], noise=0.1), hp.Smoothness("a")],
    )
    assert field_sizes(problem)["a"] == pytest.approx(7.0 / (2.0 * pi**2))


def test_data_that_are_zero_weigh_as_much_as_their_field_is_large() -> None:
    def weight(unit: float) -> float:
        problem = hp.Problem(
            hp.Box(x=(0, 1)),
            ["u"],
            named(lambda u: u.xx / unit + 3.0, ["u"]),
            [hp.Dirichlet(u=2.0 * unit, on="x+"), hp.Data([[0.5]], u=0.0)],
        )
        return float(Misfit(problem).point_weights(next(t for t in problem.terms if t.region.measured is not None))[0])

    assert weight(BIG) * BIG**2 == pytest.approx(weight(1.0)) == pytest.approx(0.25)


@pytest.mark.parametrize("unit", [1e-15, 1e15])
def test_contradictions_are_found_in_all_units(unit: float) -> None:
    with pytest.raises(hp.InvalidProblemError, match="two values of u"):
        hp.Problem(
            hp.Box(x=(0, 1)),
            ["u"],
            lambda u: u.xx,
            [hp.Dirichlet(u=unit), hp.Dirichlet(u=2 * unit, on="x-")],
        )


@pytest.mark.parametrize("factor", [1e-15, 1.0, 1e15])
def test_missing_conditions_are_found_in_all_units(factor: float) -> None:
    with pytest.warns(hp.HermitePinnWarning, match="1 conditions on x-"):
        hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u, x: factor * (u.xx + x), [hp.Dirichlet(u=0.0, on="x-")])


def test_training_starts_with_rows_in_the_units_of_the_problem() -> None:
    """In units of one nothing changes; far from that, rows are divided by their sizes."""

    def cooling(length: float, time: float, size: float) -> hp.Problem:
        diffusivity = 0.1 * length**2 / time
        return hp.Problem(
            hp.Box(x=(0, length), t=(0, time)),
            "u",
            lambda u: u.t - diffusivity * u.xx,
            [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: size * sin(pi * x / length))],
            exact={"u": lambda x, t: size * sin(pi * x / length) * exp(-0.1 * pi**2 * t / time)},
        )

    assert set(first_scales(cooling(1.0, 1.0, 1.0)).values()) == {1.0}
    small, large = first_scales(cooling(1e-3, 1e-6, 1e-5)), first_scales(cooling(1e4, 1e6, 1e5))
    for name in small:
        unit = 1e-10 if name != "pde" else 1e-10 * 1e12
        assert small[name] / large[name] == pytest.approx(unit, rel=1e-6)
    options = {"method": hp.LBFGS(steps=40), "levels": 2, "progress": False}
    errors = [
        hp.solve(cooling(*units), **options).error()["u"]["relative_l2"]
        for units in ((1e-3, 1e-6, 1e-5), (1e4, 1e6, 1e5))
    ]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)
    assert errors[0] < 0.1


def test_steps_of_adam_are_relative_to_the_sizes_of_fields() -> None:
    def sine(size: float, length: float) -> hp.Problem:
        exact = lambda x: size * sin(pi * x / length)
        return hp.Problem(
            hp.Box(x=(0, length)),
            "u",
            lambda u, x: u.xx + pi**2 / length**2 * exact(x),
            [hp.Dirichlet(u=0.0)],
            exact={"u": exact},
        )

    network = hp.Field(head="siren", features=1, width=8, depth=1, table_size=64)
    errors = []
    for kind in (network, hp.Field()):
        for size, length in ((1e-6, 1e-4), (1e7, 1e4)):
            method = hp.Adam(steps=30, points=64, face_points=2, normalize=True)
            options = {"field": kind, "levels": 2, "progress": False, "throw": False}
            solution = hp.solve(sine(size, length), method=method, **options)
            errors.append(solution.error()["u"]["relative_l2"])
    assert errors[0] == pytest.approx(errors[1], rel=0.05)
    assert errors[2] == pytest.approx(errors[3], rel=0.05)
    assert max(errors) < 3.0
