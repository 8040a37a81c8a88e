"""The same problem told in other words has the same solution, found in the same iterations.

A problem is written once, in coordinates X, Y and fields of its own, and told to the solver in others: x = shift
+ scale X with the axes in another order and perhaps reversed, u = unit U, equations multiplied by numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.problems.base import named

#: Of the change of a field between two tellings, as a part of the error that both make.
PART = 1e-3


POINTS = np.random.default_rng(0).uniform(size=(2, 500))


@dataclass(frozen=True)
class Case:
    """A problem in its own coordinates, both from 0 to 1.

    ``residual`` takes one function per field, which gives its derivative along the axes it is told (``U()``,
    ``U("X", "X")``), then the coordinates, as all functions here do.  ``slopes`` holds the outward normal derivative by
    field and face; the fields in ``dirichlet`` are given on all other faces of space, and all at the start of time.
    """

    axes: tuple[str, str]
    fields: tuple[str, ...]
    residual: Callable[..., dict[str, Any]]
    exact: dict[str, Callable[..., Any]]
    dirichlet: tuple[str, ...] = ()
    slopes: dict[tuple[str, str], Callable[..., Any]] = field(default_factory=dict)
    periodic: tuple[str, ...] = ()
    gauge: str | None = None
    levels: int = 2
    method: hp.GaussNewton = field(default_factory=hp.GaussNewton)


@dataclass(frozen=True)
class Telling:
    """How a case is told: x = shift + scale X, or shift + scale (1 - X) where reversed; u = unit U.

    Equations are multiplied by ``factor``.  ``order`` is that of the axes in the box, ``fields`` are their names,
    ``field_order`` their order in the problem.
    """

    order: tuple[int, ...] = ()
    shift: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    reversed: tuple[bool, bool] = (False, False)
    fields: tuple[str, ...] = ()
    field_order: tuple[int, ...] = ()
    units: tuple[float, ...] = (1.0, 1.0, 1.0)
    factor: float = 1.0


class Told:
    """A case in the words of a telling, and its solution in the words of the case."""

    def __init__(self, case: Case, telling: Telling) -> None:
        self.case, self.telling = case, telling
        self.names = ["t" if a == "T" else "rs"[i] if telling.order else "xy"[i] for i, a in enumerate(case.axes)]
        self.fields = telling.fields[: len(case.fields)] or tuple(f.lower() for f in case.fields)
        self.units = dict(zip(case.fields, telling.units, strict=False))
        self.words = dict(zip(case.fields, self.fields, strict=True))
        self.order = [self.names[i] for i in telling.order or range(len(self.names))]
        self.signs = [-1.0 if r else 1.0 for r in telling.reversed]

    def own(self, coordinates: Any) -> list[Any]:
        """Coordinates of the case."""
        parts = [(c - a) / s for c, a, s in zip(coordinates, self.telling.shift, self.telling.scale, strict=True)]
        return [1 - p if r else p for p, r in zip(parts, self.telling.reversed, strict=True)]

    def told(self, own: np.ndarray) -> list[np.ndarray]:
        """Coordinates of the telling."""
        parts = [1 - c if r else c for c, r in zip(own, self.telling.reversed, strict=True)]
        return [a + s * p for p, a, s in zip(parts, self.telling.shift, self.telling.scale, strict=True)]

    def function(self, own: Callable[..., Any], factor: float) -> Callable[..., Any]:
        """A function of the case's coordinates as one of the telling's."""
        return named(lambda *c: factor * own(*self.own(c)), self.names)

    def field(self, jet: Any, unit: float) -> Callable[..., Any]:
        """Derivatives along the axes of the case."""

        def derivative(*along: str) -> Any:
            places = [self.case.axes.index(a) for a in along]
            factor = float(np.prod([self.signs[i] * self.telling.scale[i] for i in places])) / unit
            name = "".join(sorted((self.names[i] for i in places), key=self.order.index))
            return factor * (getattr(jet, name) if name else jet)

        return derivative

    def face(self, name: str) -> str:
        """A face of the case, ``"X-"``, by its name in the telling."""
        axis = self.case.axes.index(name[0])
        side = {"-": "+", "+": "-"}[name[1]] if self.telling.reversed[axis] else name[1]
        return self.names[axis] + side

    def conditions(self) -> list[Any]:
        case, told = self.case, []
        for f in case.dirichlet:
            faces = [a + side for a in case.axes if a != "T" for side in "-+" if (f, a + side) not in case.slopes]
            value = self.function(case.exact[f], self.units[f])
            told.append(hp.Dirichlet(**{self.words[f]: value}, on=[self.face(name) for name in faces]))
        for (f, name), slope in case.slopes.items():
            factor = self.units[f] / self.telling.scale[case.axes.index(name[0])]
            told.append(hp.Neumann(**{self.words[f]: self.function(slope, factor)}, on=self.face(name)))
        if "T" in case.axes:
            space = [n for n in self.names if n != "t"]
            for f in case.fields:
                start = self.function(case.exact[f], self.units[f])
                told.append(
                    hp.Initial(**{self.words[f]: named(lambda *s, g=start: g(*s, self.telling.shift[1]), space)})
                )
        if case.periodic:
            told.append(hp.Periodic(*(self.names[case.axes.index(a)] for a in case.periodic)))
        if case.gauge:
            told.append(hp.Gauge(self.words[case.gauge]))
        return told

    def problem(self) -> hp.Problem:
        case, telling, count = self.case, self.telling, len(self.fields)
        bounds = {n: (a, a + s) for n, a, s in zip(self.names, telling.shift, telling.scale, strict=True)}

        def residual(*given: Any) -> dict[str, Any]:
            fields = [self.field(j, self.units[f]) for j, f in zip(given, case.fields, strict=False)]
            return {k: telling.factor * r for k, r in case.residual(*fields, *self.own(given[count:])).items()}

        return hp.Problem(
            domain=hp.Box(**{n: bounds[n] for n in self.order}),
            fields=[self.fields[i] for i in (telling.field_order[:count] or range(count))],
            residual=named(residual, [*self.fields, *self.names]),
            conditions=self.conditions(),
        )

    def solve(self) -> tuple[dict[str, np.ndarray], list[tuple[int, int]]]:
        """Values of the case's fields at fixed points of the case; and its steps: stage, conjugate gradients."""
        solution = hp.solve(self.problem(), method=self.case.method, levels=self.case.levels, progress=False)
        coordinates = dict(zip(self.names, self.told(POINTS), strict=True))
        values = {
            f: np.asarray(getattr(solution, word)(**coordinates)) / self.units[f] for f, word in self.words.items()
        }
        return values, [(row["level"], row["inner"]) for row in solution.history]


def wave(x, y):
    return hp.sin(2 * x + 0.3) * hp.exp(y)


def wave_slope(x, y):
    return 2 * hp.cos(2 * x + 0.3) * hp.exp(y)


def front(x, y):
    return hp.tanh(2 * (x + 0.7 * y - 0.9))


def front_source(x, y):
    """Laplacian, and the product with the derivative along x, of ``front``."""
    s, d = front(x, y), 1 - front(x, y) ** 2
    return 0.05 * 4 * (1 + 0.7**2) * (-2 * s * d) - s * 2 * d


def flow(x, y):
    return hp.sin(2 * x) * hp.cos(3 * y)


def cross_flow(x, y):
    return -2 / 3 * hp.cos(2 * x) * hp.sin(3 * y)


def pressure(x, y):
    return hp.cos(hp.pi * x) * hp.cos(hp.pi * y)


CASES = {
    "poisson": Case(
        axes=("X", "Y"),
        fields=("U",),
        residual=lambda u, x, y: {"pde": u("X", "X") + u("Y", "Y") + 3 * wave(x, y)},
        exact={"U": wave},
        dirichlet=("U",),
        slopes={("U", "X+"): wave_slope},
    ),
    "helmholtz": Case(
        axes=("X", "Y"),
        fields=("U",),
        residual=lambda u, x, y: {"pde": u("X", "X") + u("Y", "Y") + 60 * u() - 57 * wave(x, y)},
        exact={"U": wave},
        dirichlet=("U",),
    ),
    "convection": Case(
        axes=("X", "T"),
        fields=("U",),
        residual=lambda u, x, t: {"pde": u("T") + 2 * u("X")},
        exact={"U": lambda x, t: hp.sin(2 * hp.pi * (x - 2 * t) + 0.4)},
        periodic=("X",),
        levels=3,
        method=hp.GaussNewton(slabs=2),
    ),
    "nonlinear": Case(
        axes=("X", "Y"),
        fields=("U",),
        residual=lambda u, x, y: {"pde": 0.05 * (u("X", "X") + u("Y", "Y")) - u() * u("X") - front_source(x, y)},
        exact={"U": front},
        dirichlet=("U",),
    ),
    "system": Case(
        axes=("X", "Y"),
        fields=("U", "V", "P"),
        residual=lambda u, v, p, x, y: {
            "momentum x": p("X") - u("X", "X") - u("Y", "Y") - 13 * flow(x, y) + hp.pi * hp.sin(hp.pi * x) * hp.cos(hp.pi * y),
            "momentum y": p("Y") - v("X", "X") - v("Y", "Y") - 13 * cross_flow(x, y) + hp.pi * hp.cos(hp.pi * x) * hp.sin(hp.pi * y),
            "continuity": u("X") + v("Y"),
        },
        exact={"U": flow, "V": cross_flow, "P": pressure},
        dirichlet=("U", "V"),
        gauge="P",
    ),
}  # fmt: skip

TELLINGS = {
    "axes permuted": Telling(order=(1, 0)),
    "fields renamed": Telling(fields=("zeta", "alpha", "beta")),
    "fields permuted": Telling(field_order=(2, 0, 1)),
    "translated": Telling(shift=(-3.0, 0.7)),
    "scaled": Telling(scale=(20.0, 20.0)),
    "stretched": Telling(scale=(2.0, 0.5)),
    "reversed": Telling(reversed=(True, False)),
    "units of the fields": Telling(units=(1e3, 1e3, 1e3)),
    "units of each field": Telling(units=(1e2, 1e2, 1e-2)),
    "factor of the equations": Telling(factor=1e-4),
}


@cache
def base(name):
    return Told(CASES[name], Telling()).solve()


@pytest.mark.parametrize("name", CASES)
def test_the_cases_are_solved(name):
    """What is compared below are solutions: within a percent of the exact one, and not better than rounding."""
    values, _ = base(name)
    for f, exact in CASES[name].exact.items():
        assert 1e-9 < relative(values[f], np.asarray(exact(*POINTS))) < 1e-2


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def pairs():
    for name, case in CASES.items():
        for telling, words in TELLINGS.items():
            if len(case.fields) > 1 or not words.field_order:
                yield pytest.param(name, telling, id=f"{name}-{telling}")


@pytest.mark.slow_but("poisson", "convection", "nonlinear")
@pytest.mark.parametrize(("name", "telling"), list(pairs()))
def test_words_do_not_matter(name, telling):
    """The difference of two tellings is far below the error of both; conjugate gradients may stop a step apart."""
    values, steps = base(name)
    others, other_steps = Told(CASES[name], TELLINGS[telling]).solve()
    for f, exact in CASES[name].exact.items():
        assert relative(others[f], values[f]) < PART * relative(values[f], np.asarray(exact(*POINTS))), f
    assert [stage for stage, _ in other_steps] == [stage for stage, _ in steps]
    for (_, inner), (_, other) in zip(steps, other_steps, strict=True):
        assert abs(other - inner) <= 2
