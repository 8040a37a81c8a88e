"""Contests of ordinary differential equations: this package beside the integrators of SciPy."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_bvp, solve_ivp

import hermite_pinn as hp

from .contest import Answer, Contest, Entrant
from .default_call import default_call

__all__ = ["ORDINARY", "SCIPY", "SYSTEMS", "System", "layer"]

Array = np.ndarray

SCIPY = "SciPy"  # as a code
POINTS = 2000  # places of an axis where answers are compared
NEAREST = 1e-6  # of these to the start, of the axis, where they approach it
TIGHT = 1e-13, 1e-12  # relative tolerances of references that are not stiff, and of stiff ones
NODES = 200_000  # of a mesh of solve_bvp, at most


@dataclass(frozen=True, eq=False)
class System:
    """Ordinary differential equations from start values, as they are stated to either code.

    Attributes
    ----------
    name, title, equation
        For files, tables, and the line below them.
    statement
        The problem.
    rates
        The same as a function of time and state, for SciPy.
    start, sizes
        The state at time zero, and by component the size below which it may be lost: absolute tolerances are the
        relative one times these.
    end
        Time at the end.
    methods
        Of SciPy's integrators those that fit.
    targets
        Errors at which times are compared.
    stiff, decades
        Whether it is stiff, and whether half of the places of comparison approach the start by a factor.
    """

    name: str
    title: str
    equation: str
    statement: Callable[[], hp.Problem]
    rates: Callable[[float, Any], Sequence[Any]]
    start: tuple[float, ...]
    sizes: tuple[float, ...]
    end: float
    methods: tuple[str, ...]
    targets: tuple[float, ...]
    stiff: bool = False
    decades: bool = False

    def integrated(self, method: str, rtol: float) -> Any:
        """A solution by SciPy, with values between its steps."""
        atol = rtol * np.array(self.sizes)
        with np.errstate(all="ignore"):  # a step that was too long is tried again
            found = solve_ivp(self.rates, (0.0, self.end), self.start, method, dense_output=True, rtol=rtol, atol=atol)
        if not found.success:
            raise RuntimeError(found.message)
        return found

    @functools.cached_property
    def reference(self) -> Callable[[Array], Array]:
        """Values of the fields of the statement by an integrator with tight tolerances."""
        path = self.integrated("Radau", TIGHT[1]) if self.stiff else self.integrated("DOP853", TIGHT[0])
        count = len(self.statement().fields)
        return lambda times: np.asarray(path.sol(times))[:count]

    @property
    def contest(self) -> Contest:
        """The contest of this package and SciPy."""
        sizes = functools.cache(lambda: _sizes(self.reference(self._points()[0])))
        fields = self.statement().fields

        def scipy(setting: tuple[str, float]) -> Answer:
            found = self.integrated(*setting)
            return Answer(lambda p: found.sol(p[0])[: len(fields)] / sizes(), len(self.start), "success")

        def ours(solution: hp.Solution, points: Array) -> Array:
            return np.stack([np.asarray(getattr(solution, name)(points[0])) for name in fields]) / sizes()

        tolerances = tuple(10.0**-k for k in range(3, 11 if self.stiff else 13))
        settings = tuple((method, rtol) for rtol in tolerances for method in self.methods)
        return Contest(
            self.name,
            self.title,
            "ordinary",
            self.equation,
            self._points,
            lambda p: self.reference(p[0]) / sizes(),
            self.targets,
            (
                default_call(
                    self.statement, (1e-3, 1e-4, 1e-6, 1e-8) if self.stiff else (1e-3, 1e-4, 1e-6, 1e-8, 1e-10), ours
                ),
                Entrant(SCIPY, f"solve_ivp, {' and '.join(self.methods)} by relative tolerance", settings, scipy),
            ),
        )

    def _points(self) -> Array:
        return _places(self.end, self.decades)


def _places(end: float, decades: bool) -> Array:
    """Random places of an axis from zero, (1, n), of which half may approach zero by a factor."""
    random = np.random.default_rng(7)
    places = random.uniform(0.0, 1.0, POINTS)
    if decades:
        places[::2] = NEAREST ** random.uniform(0.0, 1.0, POINTS // 2)
    return end * np.sort(places)[None]


def _sizes(values: Array) -> Array:
    """Root mean squares of fields, (fields, 1), so that all of them count alike."""
    return np.sqrt(np.mean(values**2, axis=1, keepdims=True))


# -- from start values ---
def _lotka_volterra() -> System:
    def rates(_: float, y: Any) -> Sequence[Any]:
        prey, predators = y
        return 1.1 * prey - 0.4 * prey * predators, 0.1 * prey * predators - 0.4 * predators

    def statement() -> hp.Problem:
        return hp.Problem(
            hp.Box(t=(0, 20)),
            ["p", "q"],
            lambda p, q: (p.t - 1.1 * p + 0.4 * p * q, q.t - 0.1 * p * q + 0.4 * q),
            [hp.Initial(p=20.0, q=5.0)],
        )

    equation = "$p' = 1.1 p - 0.4 p q$, $q' = 0.1 p q - 0.4 q$, to 20"
    return System(
        "ode-lotka-volterra", "Lotka-Volterra", equation, statement, rates, (20.0, 5.0), (1.0, 1.0), 20.0,
        ("DOP853", "LSODA"), (1e-4, 1e-6, 1e-8),
    )  # fmt: skip


def _membrane(state: Sequence[Any], exp: Callable[[Any], Any]) -> tuple[Any, ...]:
    """Rates of change of Hodgkin's and Huxley's membrane under a current of 10, in millivolts and milliseconds."""
    v, m, h, n = state
    current = 10.0 - 120.0 * m**3 * h * (v - 50.0) - 36.0 * n**4 * (v + 77.0) - 0.3 * (v + 54.387)
    opening = 0.1 * (v + 40.0) / (1.0 - exp(-(v + 40.0) / 10.0))
    sodium = opening * (1.0 - m) - 4.0 * exp(-(v + 65.0) / 18.0) * m
    gate = 0.07 * exp(-(v + 65.0) / 20.0) * (1.0 - h) - h / (1.0 + exp(-(v + 35.0) / 10.0))
    potassium = 0.01 * (v + 55.0) / (1.0 - exp(-(v + 55.0) / 10.0)) * (1.0 - n) - 0.125 * exp(-(v + 65.0) / 80.0) * n
    return current, sodium, gate, potassium


def _hodgkin_huxley() -> System:
    start = {"v": -65.0, "m": 0.05, "h": 0.6, "n": 0.32}

    def residual(v: Any, m: Any, h: Any, n: Any) -> tuple[Any, ...]:
        return tuple(w.t - rate for w, rate in zip((v, m, h, n), _membrane((v, m, h, n), hp.exp), strict=True))

    def statement() -> hp.Problem:
        return hp.Problem(hp.Box(t=(0, 50)), list(start), residual, [hp.Initial(**start)])

    return System(
        "ode-hodgkin-huxley", "Hodgkin-Huxley", "four variables, current 10, to 50 ms", statement,
        lambda _, y: _membrane(y, np.exp), tuple(start.values()), (10.0, 0.1, 0.1, 0.1), 50.0, ("DOP853", "LSODA"),
        (1e-4, 1e-6, 1e-8),
    )  # fmt: skip


def _lorenz() -> System:
    def rates(_: float, w: Any) -> Sequence[Any]:
        x, y, z = w
        return 10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z

    def statement() -> hp.Problem:
        return hp.Problem(
            hp.Box(t=(0, 10)),
            ["x", "y", "z"],
            lambda x, y, z: (x.t - 10 * (y - x), y.t - x * (28 - z) + y, z.t - x * y + 8 / 3 * z),
            [hp.Initial(x=1.0, y=1.0, z=1.0)],
        )

    return System(
        "ode-lorenz", "Lorenz", "10, 28, 8/3 from (1, 1, 1), to 10", statement, rates, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 10.0,
        ("DOP853", "LSODA"), (1e-4, 1e-6),
    )  # fmt: skip


STIFFNESS = 1000.0  # of Van der Pol's oscillator


def _van_der_pol() -> System:
    def statement() -> hp.Problem:
        return hp.Problem(
            hp.Box(t=(0, 2000)),
            "u",
            lambda u: u.tt - STIFFNESS * (1 - u * u) * u.t + u,
            [hp.Initial(u=2.0, u_t=0.0)],
        )

    return System(
        "ode-van-der-pol", "Van der Pol, stiffness 1000", "$u'' = 1000 (1 - u^2) u' - u$ from $u = 2$ at rest, to 2000",
        statement, lambda _, y: (y[1], STIFFNESS * (1.0 - y[0] ** 2) * y[1] - y[0]), (2.0, 0.0), (0.01, 0.01), 2000.0,
        ("Radau", "LSODA"), (1e-4, 1e-6, 1e-8), stiff=True,
    )  # fmt: skip


def _kinetics(_: float, y: Any) -> Sequence[Any]:
    slow, fast, back = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return back - slow, slow - back - fast, fast


def _robertson(algebraic: bool) -> System:
    """Robertson's kinetics; the last of its equations may be that of the sum, which has no derivative."""

    def residual(a: Any, b: Any, c: Any) -> tuple[Any, ...]:
        rates = _kinetics(0.0, (a, b, c))
        return a.t - rates[0], b.t - rates[1], (a + b + c - 1.0) if algebraic else (c.t - rates[2])

    def statement() -> hp.Problem:
        start = hp.Initial(a=1.0, b=0.0) if algebraic else hp.Initial(a=1.0, b=0.0, c=0.0)
        return hp.Problem(hp.Box(t=(0, 1e4)), ["a", "b", "c"], residual, [start])

    name, title = "ode-robertson" + "-sum" * algebraic, "Robertson" + " with an algebraic equation" * algebraic
    equation = "$a + b + c = 1$ in the place of the last rate (SciPy gets the rate), to 1e4" if algebraic else "to 1e4"
    return System(
        name, title, equation, statement, _kinetics, (1.0, 0.0, 0.0), (1e-2, 1e-7, 1e-2), 1e4, ("Radau", "LSODA"),
        (1e-4, 1e-6, 1e-8), stiff=True, decades=True,
    )  # fmt: skip


# -- between two ends ---
WIDTH = 1e-3  # of the layer


def layer(x: Array) -> Array:
    """The solution with a layer at zero."""
    value: Array = (np.exp(-x) - np.exp(-x / WIDTH)) / (np.exp(-1.0) - np.exp(-1.0 / WIDTH))
    return value


def _layer() -> Contest:
    def statement() -> hp.Problem:
        ends = [hp.Dirichlet(u=0.0, on="x-"), hp.Dirichlet(u=1.0, on="x+")]
        return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: WIDTH * u.xx + (1 + WIDTH) * u.x + u, ends)

    def scipy(tol: float) -> Answer:
        found = solve_bvp(
            lambda x, y: np.stack([y[1], -((1 + WIDTH) * y[1] + y[0]) / WIDTH]),
            lambda lower, upper: np.array([lower[0], upper[0] - 1.0]),
            np.linspace(0.0, 1.0, 11),
            np.zeros((2, 11)),
            tol=tol,
            max_nodes=NODES,
        )
        return Answer(lambda p: found.sol(p[0])[0], 2 * found.x.size, "success" if found.success else found.message)

    return Contest(
        "ode-layer",
        "Layer between two ends",
        "ordinary",
        "$0.001\\, u'' + 1.001\\, u' + u = 0$, $u(0) = 0$, $u(1) = 1$",
        lambda: _places(1.0, True),
        lambda p: layer(p[0]),
        (1e-4, 1e-6, 1e-8),
        (
            default_call(statement, (1e-3, 1e-4, 1e-6, 1e-8, 1e-10)),
            Entrant(SCIPY, "solve_bvp from 11 nodes by tolerance", tuple(10.0**-k for k in range(2, 11)), scipy),
        ),
    )


#: Systems from start values by name.
SYSTEMS: dict[str, Callable[[], System]] = {
    "ode-lotka-volterra": _lotka_volterra,
    "ode-hodgkin-huxley": _hodgkin_huxley,
    "ode-lorenz": _lorenz,
    "ode-van-der-pol": _van_der_pol,
    "ode-robertson": lambda: _robertson(False),
    "ode-robertson-sum": lambda: _robertson(True),
}


def _contest(name: str) -> Callable[[], Contest]:
    return lambda: SYSTEMS[name]().contest


#: What makes each contest, in the order of the table.
ORDINARY: dict[str, Callable[[], Contest]] = {name: _contest(name) for name in SYSTEMS} | {"ode-layer": _layer}
