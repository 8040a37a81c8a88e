"""Stationary contests: Helmholtz, variable coefficients, a nonlinear equation, a narrow source, three axes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import problems

from . import chebyshev, elements
from .contest import Answer, Contest, Entrant
from .default_call import default_call
from .products import Products

__all__ = ["STATIONARY"]

Array = np.ndarray
Function = Callable[..., Any]


def _points(dim: int) -> Callable[[], Array]:
    return lambda: np.random.default_rng(7).random((dim, 4000))


def _statement(residual: Callable[..., Any], exact: Function, dim: int = 2) -> Callable[[], hp.Problem]:
    names = ("x", "y", "z")[:dim]
    return lambda: hp.Problem(
        domain=hp.Box(**dict.fromkeys(names, (0, 1))),
        fields=["u"],
        residual=residual,
        conditions=[hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )


def _contest(
    name: str,
    title: str,
    problem: str,
    exact: Function,
    targets: tuple[float, ...],
    *entrants: Entrant,
    dim: int = 2,
    points: Callable[[], Array] | None = None,
) -> Contest:
    return Contest(
        name, title, "stationary", problem, points or _points(dim), lambda p: exact(*p), targets, tuple(entrants)
    )


def _elements(method: str, solve: Callable[[Any], tuple[elements.Space, Array]], *settings: tuple[int, ...]) -> Entrant:
    def answer(setting: tuple[int, ...]) -> Answer:
        space, coefficients = solve(setting)
        return Answer(space.values(coefficients), space.unknowns)

    return Entrant("scikit-fem", method, settings, answer, needs="skfem")


def _spectral(method: str, dim: int, solve: Callable[[list[Array], list[Array]], Array], *degrees: int) -> Entrant:
    """Chebyshev collocation; ``solve`` takes the points of the axes and the grids inside, and gives values inside."""

    def answer(degree: int) -> Answer:
        axes = [chebyshev.lobatto(degree, 0.0, 1.0)] * dim
        inside = np.meshgrid(*(x[1:-1] for x in axes), indexing="ij")
        u = np.pad(solve(axes, list(inside)), 1)
        return Answer(lambda points: chebyshev.interpolate(axes, u, points), (degree - 1) ** dim)

    return Entrant("spectral", method, degrees, answer)


def _second(axes: list[Array]) -> Array:
    first = chebyshev.derivative(axes[0])
    second: Array = (first @ first)[1:-1, 1:-1]
    return second


# -- Helmholtz ---
def _helmholtz() -> Contest:
    a = 10 * math.pi

    def exact(x: Any, y: Any) -> Any:
        return np.sin(a * x) * np.sin(a * y)

    def source(x: Any, y: Any) -> Any:
        return (1 - 2 * a * a) * exact(x, y)

    def fem(setting: tuple[int, int]) -> tuple[elements.Space, Array]:
        from skfem.helpers import dot, grad

        order, cells = setting
        space = elements.rectangle(order, *[elements.uniform(cells)] * 2)
        matrix = space.bilinear(lambda u, v, _: u * v - dot(grad(u), grad(v)))
        return space, elements.direct(matrix)(space.load(source))

    return _contest(
        "helmholtz",
        "Helmholtz, a = 10",
        "$\\Delta u + u = f$, $u = \\sin 10 \\pi x \\sin 10 \\pi y$",
        exact,
        (1e-4, 1e-6, 1e-9),
        default_call(lambda: problems.helmholtz2d(a=10), (1e-2, 1e-4, 1e-6, 1e-8, 1e-9)),
        _elements("rectangles of order 4, 6 and 8; SuperLU", fem, (4, 16), (4, 32), (6, 16), (6, 32), (8, 16), (8, 32)),
        _spectral(
            "Chebyshev, fast diagonalisation",
            2,
            lambda axes, inside: chebyshev.Inverse.of(axes, 1.0, 1.0)(source(*inside)),
            *(20, 24, 28, 32, 40, 48),
        ),
    )


# -- variable coefficients ---
WAVES = Products(((1.0, ((3, 1.0), (2, -2.0))), (0.5, ((1, 0.0), (5, 1.0)))))


def _angle(x: Any, y: Any) -> Any:
    return 2 * math.pi * (x + 2 * y)


def _variable() -> Contest:
    def coefficient(x: Any, y: Any) -> Any:
        return 2 + hp.cos(_angle(x, y))

    def slopes(x: Any, y: Any) -> tuple[Any, Any]:
        slope = -2 * math.pi * hp.sin(_angle(x, y))
        return slope, 2 * slope

    def source(x: Any, y: Any) -> Any:
        a_x, a_y = slopes(x, y)
        return coefficient(x, y) * WAVES.laplacian(x, y) + a_x * WAVES.slope(0, x, y) + a_y * WAVES.slope(1, x, y)

    def residual(u: Any, x: Any, y: Any) -> Any:
        a_x, a_y = slopes(x, y)
        return coefficient(x, y) * u.laplacian + a_x * u.x + a_y * u.y - source(x, y)

    def fem(setting: tuple[int, int]) -> tuple[elements.Space, Array]:
        from skfem.helpers import dot, grad

        order, cells = setting
        space = elements.rectangle(order, *[elements.uniform(cells)] * 2)
        matrix = space.bilinear(lambda u, v, w: coefficient(*w.x) * dot(grad(u), grad(v)))
        return space, elements.direct(matrix)(space.load(lambda x, y: -source(x, y)))

    def spectral(axes: list[Array], inside: list[Array]) -> Array:
        first = chebyshev.derivative(axes[0])[1:-1, 1:-1]
        second = _second(axes)
        a, (a_x, a_y) = coefficient(*inside), slopes(*inside)

        def operator(u: Array) -> Array:
            return a * (second @ u + u @ second.T) + a_x * (first @ u) + a_y * (u @ first.T)

        return chebyshev.krylov(operator, chebyshev.Inverse.of(axes, 2.0), source(*inside))

    return _contest(
        "variable",
        "Poisson, variable coefficient",
        "$\\nabla \\cdot (a \\nabla u) = f$, $a = 2 + \\cos 2 \\pi (x + 2 y)$",
        WAVES,
        (1e-4, 1e-6, 1e-8),
        default_call(_statement(residual, WAVES), (1e-2, 1e-4, 1e-6, 1e-8)),
        _elements(
            "rectangles of order 4, 6 and 8; SuperLU", fem, (4, 8), (4, 16), (4, 32), (6, 8), (6, 16), (8, 8), (8, 16)
        ),
        _spectral("Chebyshev; GMRES with fast diagonalisation", 2, spectral, 12, 16, 20, 24, 32),
    )


# -- nonlinear ---
def _nonlinear() -> Contest:
    exact = Products(((3.0, ((2, 1.0), (3, -1.0))),))

    def source(x: Any, y: Any) -> Any:
        u = exact(x, y)
        return exact.laplacian(x, y) - u * u * u

    def fem(setting: tuple[int, int]) -> tuple[elements.Space, Array]:

        order, cells = setting
        space = elements.rectangle(order, *[elements.uniform(cells)] * 2)
        stiffness, load, u = space.stiffness(), space.load(source), np.zeros(space.unknowns)
        for _ in range(20):
            at = space.at_quadrature(u)
            right = -stiffness @ u - load - space.linear(lambda v, w: w["at"] ** 3 * v, at=at)
            step = elements.direct(stiffness + space.bilinear(lambda p, v, w: 3 * w["at"] ** 2 * p * v, at=at))(right)
            u = u + step
            if np.linalg.norm(step) <= 1e-11 * np.linalg.norm(u):
                break
        return space, u

    def spectral(axes: list[Array], inside: list[Array]) -> Array:
        second, f = _second(axes), source(*inside)
        u = np.zeros_like(f)
        for _ in range(20):
            near = chebyshev.Inverse.of(axes, 1.0, -3 * float(np.mean(u * u)))
            residual = second @ u + u @ second.T - u**3 - f
            slope = 3 * u * u

            def operator(v: Array, slope: Array = slope) -> Array:
                return second @ v + v @ second.T - slope * v

            step = chebyshev.krylov(operator, near, residual, 1e-8)
            u = u - step
            if np.linalg.norm(step) <= 1e-11 * np.linalg.norm(u):
                break
        return u

    return _contest(
        "nonlinear",
        "Nonlinear reaction",
        "$\\Delta u = u^3 + f$",
        exact,
        (1e-4, 1e-6, 1e-8),
        default_call(
            _statement(lambda u, x, y: u.laplacian - u * u * u - source(x, y), exact), (1e-2, 1e-4, 1e-6, 1e-8)
        ),
        _elements(
            "rectangles of order 4, 6 and 8; Newton, SuperLU",
            fem,
            (4, 8),
            (4, 16),
            (4, 32),
            (6, 8),
            (6, 16),
            (8, 8),
            (8, 16),
        ),
        _spectral("Chebyshev; Newton, GMRES with fast diagonalisation", 2, spectral, 12, 16, 20, 24, 32),
    )


# -- a narrow source ---
def _narrow(width: float = 0.02, centre: tuple[float, float] = (0.37, 0.61)) -> Contest:
    def bump(x: Any, y: Any) -> tuple[Any, Any]:
        square = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / width**2
        return square, hp.exp(-0.5 * square)

    def exact(x: Any, y: Any) -> Any:
        return bump(x, y)[1]

    def source(x: Any, y: Any) -> Any:
        square, value = bump(x, y)
        return (square - 2) / width**2 * value

    def points() -> Array:
        """Half of them all over the box, half in the bump."""
        random = np.random.default_rng(7)
        near = np.asarray(centre)[:, None] + 2 * width * random.standard_normal((2, 2000))
        return np.concatenate([random.random((2, 2000)), near], 1)

    def fem(setting: tuple[int, int]) -> tuple[elements.Space, Array]:
        order, cells = setting
        space = elements.rectangle(order, *(elements.graded(cells, c, 3 * width) for c in centre))
        return space, elements.direct(space.stiffness())(space.load(lambda x, y: -source(x, y)))

    return _contest(
        "narrow",
        "Narrow source",
        "$\\Delta u = f$, $u$ a Gaussian of width 0.02",
        exact,
        (1e-4, 1e-6),
        default_call(_statement(lambda u, x, y: u.laplacian - source(x, y), exact), (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)),
        _elements(
            "rectangles of order 4 and 6, graded by hand; SuperLU",
            fem,
            (4, 8),
            (4, 16),
            (4, 32),
            (6, 8),
            (6, 16),
            (6, 24),
        ),
        _spectral(
            "Chebyshev, fast diagonalisation",
            2,
            lambda axes, inside: chebyshev.Inverse.of(axes)(source(*inside)),
            *(96, 128, 192, 256),
        ),
        points=points,
    )


# -- three axes ---
def _poisson3d() -> Contest:
    exact = Products(((1.0, ((2, 1.0), (1, -2.0), (3, 0.0))), (0.5, ((1, 0.0), (4, 1.0), (2, -1.0)))))

    def fem(setting: tuple[int]) -> tuple[elements.Space, Array]:
        (cells,) = setting
        space = elements.solid(*[elements.uniform(cells)] * 3)
        load = space.load(lambda x, y, z: -exact.laplacian(x, y, z))
        return space, elements.conjugate_gradients(space.stiffness(), load, 1e-3 / cells**3)

    return _contest(
        "poisson3d",
        "Poisson, three axes",
        "$\\Delta u = f$",
        exact,
        (1e-3, 1e-4, 1e-6),
        default_call(
            _statement(lambda u, x, y, z: u.laplacian - exact.laplacian(x, y, z), exact, 3),
            (1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
        ),
        _elements("bricks of order 2; conjugate gradients", fem, (6,), (8,), (12,), (16,), (24,)),
        _spectral(
            "Chebyshev, fast diagonalisation",
            3,
            lambda axes, inside: chebyshev.Inverse.of(axes)(exact.laplacian(*inside)),
            *(10, 12, 16, 20, 24),
        ),
        dim=3,
    )


#: What makes each contest, by name.
STATIONARY: dict[str, Callable[[], Contest]] = {
    "helmholtz": _helmholtz,
    "variable": _variable,
    "nonlinear": _nonlinear,
    "narrow": _narrow,
    "poisson3d": _poisson3d,
}
