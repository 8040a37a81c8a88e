"""Contests of evolution: heat, waves, and Burgers' equation with an inner layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import fft

from hermite_pinn import problems
from hermite_pinn.problems.references import cole_hopf

from . import chebyshev, elements, steps
from .contest import Answer, Contest, Entrant
from .default_call import default_call

__all__ = ["EVOLUTION", "TIMES", "series"]

Array = np.ndarray

#: When answers are compared; every rival's steps meet these times.
TIMES = tuple(k / 10 for k in range(1, 11))


def _points(lower: float, upper: float, count: int = 400) -> Callable[[], Array]:
    """Random points of space at all times, one time after the other."""

    def made() -> Array:
        x = np.random.default_rng(7).uniform(lower, upper, count)
        return np.stack([np.tile(x, len(TIMES)), np.repeat(TIMES, count)])

    return made


def series(evaluate: Callable[[Array, Array], Array], states: Sequence[Array]) -> Callable[[Array], Array]:
    """Values at points (x, t) from states at the times of the contest; ``evaluate`` takes a state and places x."""

    def values(points: Array) -> Array:
        x, t = points
        found = np.empty_like(x)
        for time, state in zip(TIMES, states, strict=True):
            at = t == time
            found[at] = evaluate(state, x[at])
        return found

    return values


def _elements(
    method: str, solve: Callable[[Any], tuple[elements.Space, list[Array]]], *settings: tuple[float, ...]
) -> Entrant:
    def answer(setting: tuple[float, ...]) -> Answer:
        space, states = solve(setting)
        return Answer(series(lambda u, x: space.values(u)(x[None]), states), space.unknowns)

    return Entrant("scikit-fem", method, settings, answer, needs="skfem")


def _modes(
    method: str, propagate: Callable[[Array, float], Array], start: Callable[[Array], Array], *degrees: int
) -> Entrant:
    """Chebyshev collocation on (0, 1), exact in time: ``propagate`` gives what eigenvalues of d2/dx2 become."""

    def answer(degree: int) -> Answer:
        x = chebyshev.lobatto(degree, 0.0, 1.0)
        inverse = chebyshev.Inverse.of([x])
        (vectors,), (back,) = inverse.vectors, inverse.inverses
        modes = back @ start(x[1:-1])
        states = [np.pad(vectors @ (propagate(inverse.symbol, t) * modes), 1) for t in TIMES]
        return Answer(series(lambda u, at: chebyshev.interpolation(x, at) @ u, states), degree - 1)

    return Entrant("spectral", method, degrees, answer)


# -- heat ---
KAPPA = 0.1


def _heat_exact(x: Array, t: Array | float) -> Array:
    total: Array = sum(
        (np.sin(n * np.pi * x) / n * np.exp(-KAPPA * (n * np.pi) ** 2 * np.asarray(t)) for n in (1, 3)),
        np.zeros_like(x),
    )
    return total


def _heat() -> Contest:
    def fem(setting: tuple[int, int]) -> tuple[elements.Space, list[Array]]:
        cells, count = setting
        space = elements.interval(elements.uniform(cells), 4)
        mass = space.mass()
        start = elements.direct(mass)(space.load(lambda x: _heat_exact(x, 0.0)))
        return space, steps.march_diffusion(mass, KAPPA * space.stiffness(), start, TIMES, count)

    return Contest(
        "heat",
        "Heat",
        "evolution",
        "$u_t = 0.1\\, u_{xx}$, two modes",
        _points(0.0, 1.0),
        lambda p: _heat_exact(*p),
        (1e-4, 1e-6, 1e-8),
        (
            default_call(problems.heat, (1e-2, 1e-4, 1e-6, 1e-8)),
            _elements("order 4; Pade (4, 5) in time, factors kept", fem, (4, 1), (8, 1), (16, 1), (32, 1), (64, 1)),
            _modes(
                "Chebyshev, exact in time",
                lambda symbol, t: np.exp(KAPPA * symbol * t),
                lambda x: _heat_exact(x, 0.0),
                *(8, 10, 12, 16, 20, 24),
            ),
        ),
    )


# -- waves ---
SPEED = 2.0


def _wave_exact(x: Array, t: Array | float) -> Array:
    q, s = np.pi * x, np.pi * SPEED * np.asarray(t)
    value: Array = np.sin(q) * np.cos(s) + 0.5 * np.sin(4 * q) * np.cos(4 * s)
    return value


def _wave() -> Contest:
    def fem(setting: tuple[int, int]) -> tuple[elements.Space, list[Array]]:
        cells, count = setting
        space = elements.interval(elements.uniform(cells), 4)
        mass = space.mass()
        start = elements.direct(mass)(space.load(lambda x: _wave_exact(x, 0.0)))
        return space, steps.march_waves(mass, SPEED**2 * space.stiffness(), start, TIMES, count)

    return Contest(
        "wave",
        "Waves",
        "evolution",
        "$u_{tt} = 4\\, u_{xx}$, two modes",
        _points(0.0, 1.0),
        lambda p: _wave_exact(*p),
        (1e-4, 1e-6, 1e-8),
        (
            default_call(problems.wave, (1e-2, 1e-4, 1e-6, 1e-8)),
            _elements("order 4; Pade (4, 4) in time, factors kept", fem, (4, 2), (8, 2), (16, 4), (32, 6), (64, 8)),
            _modes(
                "Chebyshev, exact in time",
                lambda symbol, t: np.cos(SPEED * t * np.sqrt(-symbol)),
                lambda x: _wave_exact(x, 0.0),
                *(12, 16, 20, 24, 32),
            ),
        ),
    )


# -- Burgers ---
NU = 0.01 / math.pi


def _burgers() -> Contest:
    def fem(setting: tuple[int, float]) -> tuple[elements.Space, list[Array]]:
        cells, tolerance = setting
        space = elements.interval(elements.graded(cells, 0.0, 0.03, -1.0, 1.0), 4)
        return space, steps.march_stiff(*burgers_elements(space), TIMES, tolerance)

    def fourier(setting: tuple[int, int]) -> Answer:
        modes, count = setting
        states = burgers_sines(modes, count)
        return Answer(series(_sines, states), modes - 1)

    return Contest(
        "burgers",
        "Burgers, nu = 0.01/pi",
        "evolution",
        "$u_t + u u_x = \\nu u_{xx}$, $u = -\\sin \\pi x$ at first",
        _points(-1.0, 1.0),
        lambda p: np.asarray(cole_hopf(p[0], p[1], NU)),
        (1e-4, 1e-5, 3e-7),
        (
            default_call(problems.burgers, (1e-2, 1e-4, 1e-5, 3e-7)),
            _elements(
                "order 4, graded by hand; RODAS",
                fem,
                *((16, 1e-4), (24, 1e-5), (32, 1e-6), (48, 1e-7), (64, 1e-8), (96, 1e-9)),
            ),
            Entrant(
                "spectral",
                "sines; exponential Runge-Kutta of order 4",
                ((256, 256), (512, 512), (768, 768), (1024, 1024), (1280, 1536)),
                fourier,
            ),
        ),
    )


def burgers_elements(space: elements.Space) -> tuple[steps.Implicit, Array]:
    """The system for coefficients of a space on (-1, 1), and its start."""
    from skfem import Basis

    mass, stiffness = space.mass(), space.stiffness()
    fine = Basis(space.basis.mesh, space.basis.elem, intorder=12)  # u u_x v is of order 11
    x = fine.global_coordinates()[0].ravel()
    values, slopes = elements.at_points(fine, space.inside)
    weights = fine.dx.ravel()
    test = (values.T @ steps.diagonal(weights)).tocsr()

    def rate(u: Array) -> Array:
        return -(test @ ((values @ u) * (slopes @ u))) - NU * (stiffness @ u)

    def jacobian(u: Array) -> Any:
        product = steps.diagonal(values @ u) @ slopes + steps.diagonal(slopes @ u) @ values
        return -(test @ product) - NU * stiffness

    start = elements.direct(mass)(test @ -np.sin(np.pi * x))
    return steps.Implicit(mass, rate, jacobian), start


def _sines(coefficients: Array, x: Array) -> Array:
    """Values of ``sum_k b_k sin(k pi x)``, k from 1 on."""
    found: Array = np.sin(np.pi * np.outer(x, np.arange(1, len(coefficients) + 1))) @ coefficients
    return found


def burgers_sines(modes: int, count: int) -> list[Array]:
    """Coefficients of ``sin(k pi x)``, k below ``modes``, at the times of the contest.

    Products are formed on 3/2 as many points; exponential time differencing, of fourth order (A.-K. Kassam and
    L. N. Trefethen, SIAM J. Sci. Comput. 26, 1214, 2005), in about ``count`` steps of equal length.
    """
    h = TIMES[0] / math.ceil(count / len(TIMES))
    k = np.arange(modes + 1)
    points = 3 * modes // 2
    linear = -NU * (np.pi * k) ** 2
    e, half, q, f1, f2, f3 = _exponential(h, linear)

    def rate(b: Array) -> Array:
        """Of the coefficients: -(u^2 / 2)_x; u^2 is even."""
        padded = np.zeros(points + 1)
        padded[: modes + 1] = b
        u = 0.5 * fft.dst(padded[1:points], type=1)
        square = np.concatenate([[0.0], u * u, [0.0]])
        cosines = fft.dct(square, type=1) / points
        found: Array = 0.5 * np.pi * k * cosines[: modes + 1]
        found[-1] = 0.0
        return found

    b = np.zeros(modes + 1)
    b[1] = -1.0
    states = []
    for _ in TIMES:
        for _ in range(math.ceil(count / len(TIMES))):
            n1 = rate(b)
            a = half * b + q * n1
            n2 = rate(a)
            n3 = rate(half * b + q * n2)
            n4 = rate(half * a + q * (2 * n3 - n1))
            b = e * b + f1 * n1 + 2 * f2 * (n2 + n3) + f3 * n4
        states.append(b[1:-1].copy())
    return states


def _exponential(h: float, linear: Array) -> tuple[Array, ...]:
    """Coefficients of the scheme, by means over circles about the eigenvalues."""
    z = h * linear
    circle = z[:, None] + np.exp(1j * np.pi * (np.arange(1, 33) - 0.5) / 32)
    e = np.exp(circle)
    cube = circle**3
    means = (
        (np.exp(circle / 2) - 1) / circle,
        (-4 - circle + e * (4 - 3 * circle + circle**2)) / cube,
        (2 + circle + e * (circle - 2)) / cube,
        (-4 - 3 * circle - circle**2 + e * (4 - circle)) / cube,
    )
    return (np.exp(z), np.exp(z / 2), *(h * m.mean(1).real for m in means))


#: What makes each contest, by name.
EVOLUTION: dict[str, Callable[[], Contest]] = {
    "heat": _heat,
    "wave": _wave,
    "burgers": _burgers,
}
