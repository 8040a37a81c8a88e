"""Inverse contests: the diffusivity of a heat equation, and a coefficient field from noisy values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solve
from scipy.optimize import least_squares

import hermite_pinn as hp
from hermite_pinn import problems

from . import chebyshev, elements, steps
from .contest import Answer, Contest, Entrant
from .default_call import default_call
from .evolution import TIMES

__all__ = ["INVERSE"]

Array = np.ndarray


def _nowhere() -> Array:
    return np.zeros((1, 1))


# -- the diffusivity of a heat equation ---
DIFFUSIVITY = 0.1


def _temperature(x: Any, t: Any) -> Any:
    total: Any = 0.0
    for n in (1, 3):
        total = total + hp.sin(n * math.pi * x) / n * hp.exp(-DIFFUSIVITY * (n * math.pi) ** 2 * t)
    return total


def _sensors() -> tuple[Array, Array]:
    """Ten places, and exact values (times, places) there."""
    x = np.random.default_rng(3).uniform(0.05, 0.95, 10)
    return x, np.stack([_temperature(x, t) for t in TIMES])


def _heat_statement() -> hp.Problem:
    x, values = _sensors()
    points = np.stack([np.tile(x, len(TIMES)), np.repeat(TIMES, len(x))], 1)
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u, kappa: u.t - kappa * u.xx,
        conditions=[
            hp.Dirichlet(u=0.0),
            hp.Initial(u=lambda x: _temperature(x, 0.0)),
            hp.Data(points, u=values.ravel()),
        ],
        parameters=[hp.Parameter("kappa", init=1.0, bounds=(1e-3, 10.0))],
    )


def _fitted(model: Callable[[float], Array]) -> Array:
    """The diffusivity whose temperatures are nearest to the values measured, from 1."""
    _, values = _sensors()
    found = least_squares(
        lambda logarithm: (model(math.exp(logarithm[0])) - values).ravel(),
        [0.0],
        method="lm",
        diff_step=1e-6,
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    return np.exp(found.x)


def _diffusivity() -> Contest:
    x, _ = _sensors()

    def fem(setting: tuple[int]) -> Answer:
        space = elements.interval(elements.uniform(setting[0]), 4)
        mass, stiffness = space.mass(), space.stiffness()
        start = elements.direct(mass)(space.load(lambda s: _temperature(s, 0.0)))
        probes = elements.probes(space.basis, x[None])[:, space.inside]
        found = _fitted(
            lambda kappa: np.stack(
                [probes @ u for u in steps.march_diffusion(mass, kappa * stiffness, start, TIMES, 1)]
            )
        )
        return Answer(lambda points: found, space.unknowns)

    def spectral(degree: int) -> Answer:
        points = chebyshev.lobatto(degree, 0.0, 1.0)
        inverse = chebyshev.Inverse.of([points])
        (vectors,), (back,) = inverse.vectors, inverse.inverses
        modes = back @ _temperature(points[1:-1], 0.0)
        probes = chebyshev.interpolation(points, x)[:, 1:-1] @ vectors
        times = np.asarray(TIMES)[:, None]
        found = _fitted(lambda kappa: (np.exp(kappa * times * inverse.symbol) * modes) @ probes.T)
        return Answer(lambda points: found, degree - 1)

    return Contest(
        "diffusivity",
        "Diffusivity from exact values",
        "inverse",
        "$u_t = \\kappa u_{xx}$, $\\kappa$ sought from 100 values of $u$",
        _nowhere,
        lambda p: np.array([DIFFUSIVITY]),
        (1e-4, 1e-6, 1e-8),
        (
            default_call(
                _heat_statement,
                (1e-2, 1e-4, 1e-6, 1e-8),
                lambda solution, points: np.array([solution.parameters["kappa"]]),
            ),
            Entrant(
                "scikit-fem",
                "order 4, Pade (4, 5) in time; Levenberg-Marquardt",
                ((4,), (8,), (16,), (32,), (64,)),
                fem,
                needs="skfem",
            ),
            Entrant("spectral", "Chebyshev, exact in time; Levenberg-Marquardt", (8, 10, 12, 16, 20), spectral),
        ),
    )


# -- a coefficient field ---
NOISE = 0.01


@dataclass(frozen=True, eq=False)
class _Measured:
    """What is known: points (2, n) and values (n,) of u, the source, and the coefficient on the boundary."""

    points: Array
    values: Array
    source: Callable[..., Array]
    coefficient: Callable[..., Array]

    @classmethod
    def of_library(cls) -> _Measured:
        problem = problems.inverse_poisson(noise=NOISE)
        (data,) = (c for c in problem.conditions if isinstance(c, hp.Data))
        return cls(data.points.T, data.values["u"], _source, problem.exact["a"])


def _source(x: Array, y: Array) -> Array:
    a = 1 / (1 + x * x + y * y + (x - 1) ** 2 + (y - 1) ** 2)
    sx, sy, cx, cy = (f(np.pi * s) for f in (np.sin, np.cos) for s in (x, y))
    slopes: Array = (2 * x - 1) * cx * sy + (2 * y - 1) * sx * cy
    return 2 * np.pi**2 * a * sx * sy + 2 * np.pi * a * a * slopes


def _gauss_newton(
    model: Callable[[Array], tuple[Array, Array]],
    values: Array,
    start: Array,
    penalty: Array | None = None,
    held: Array | None = None,
) -> tuple[Array, float]:
    """Parameters that bring a model nearest to values, and the mean square misfit in units of the noise.

    ``model`` gives predictions and their derivatives (n, parameters); ``penalty @ p + held`` is kept small.
    """
    p = start
    for _ in range(15):
        predicted, slopes = model(p)
        rows, right = slopes / NOISE, (values - predicted) / NOISE
        if penalty is not None:
            rows, right = np.concatenate([rows, penalty]), np.concatenate([right, -(penalty @ p + held)])
        step = solve(rows.T @ rows, rows.T @ right, assume_a="pos")
        p = p + step
        if np.linalg.norm(step) <= 1e-5 * np.linalg.norm(p):
            break
    misfit = float(np.mean(((values - model(p)[0]) / NOISE) ** 2))
    return p, misfit


def _field() -> Contest:
    known = _Measured.of_library()

    def spectral(degree: int) -> Answer:
        return _field_spectral(known, degree)

    def fem(setting: tuple[int]) -> Answer:
        return _field_elements(known, setting[0])

    return Contest(
        "coefficient",
        "Coefficient field from noisy values",
        "inverse",
        "$-\\nabla \\cdot (a \\nabla u) = f$, $a$ sought from 2500 values of $u$ with noise 0.01",
        lambda: np.random.default_rng(7).random((2, 4000)),
        lambda p: known.coefficient(*p),
        (1e-2,),
        (
            default_call(
                lambda: problems.inverse_poisson(noise=NOISE),
                (1e-2, 1e-3, 1e-4),
                lambda solution, points: np.asarray(solution.a(*points)),
            ),
            Entrant(
                "scikit-fem",
                "order 3 for u, order 2 for a; Gauss-Newton with second differences, by the discrepancy principle",
                ((4,), (6,), (8,)),
                fem,
                needs="skfem",
            ),
            Entrant(
                "spectral",
                "Chebyshev; Gauss-Newton for polynomials, their degree by Akaike's criterion",
                (12, 16, 20),
                spectral,
            ),
        ),
    )


def _field_spectral(known: _Measured, degree: int) -> Answer:
    """Fit polynomials of rising degree until the criterion of Akaike rises."""
    axes = [chebyshev.lobatto(degree, 0.0, 1.0)] * 2
    first = chebyshev.derivative(axes[0])
    x, y = np.meshgrid(*axes, indexing="ij")
    f = known.source(x, y)[1:-1, 1:-1].ravel()
    probes = np.einsum(
        "ni,nj->nij", *(chebyshev.interpolation(s, at)[:, 1:-1] for s, at in zip(axes, known.points, strict=True))
    )
    probes = probes.reshape(len(known.values), -1)
    best: tuple[float, Array] | None = None
    for terms in range(3, 9):
        coarse = chebyshev.lobatto(terms, 0.0, 1.0)
        fine = chebyshev.interpolation(coarse, axes[0])
        xs, ys = np.meshgrid(coarse, coarse, indexing="ij")
        fixed = known.coefficient(xs, ys)
        free = np.arange(terms + 1) % terms != 0
        free = np.outer(free, free)
        basis = np.einsum("ik,jl->ijkl", fine, fine)[:, :, free]

        def field(p: Array, fixed: Array = fixed, free: Array = free, fine: Array = fine) -> Array:
            held = fixed.copy()
            held[free] = p
            return np.asarray(fine @ held @ fine.T)

        def model(p: Array, field: Callable[[Array], Array] = field, basis: Array = basis) -> tuple[Array, Array]:
            a = field(p)
            inside = (slice(1, -1), slice(1, -1))
            eye = np.eye(degree + 1)[1:-1, 1:-1]
            flux_x, flux_y = (
                np.einsum("ai,ij,ib->ajb", first[1:-1], a[:, 1:-1], first[:, 1:-1]),
                np.einsum("aj,ij,jb->iab", first[1:-1], a[1:-1], first[:, 1:-1]),
            )
            n = degree - 1
            matrix = np.einsum("ajb,jk->ajbk", flux_x, eye) + np.einsum("iab,ik->iakb", flux_y, eye)
            solved = np.linalg.inv(-matrix.reshape(n * n, n * n))
            u = np.zeros((degree + 1, degree + 1))
            u[inside] = (solved @ f).reshape(n, n)
            u_x, u_y = first @ u, u @ first.T
            change = np.einsum("ai,ijp->ajp", first, basis * u_x[:, :, None]) + np.einsum(
                "bj,ijp->ibp", first, basis * u_y[:, :, None]
            )
            seen = probes @ solved
            return probes @ u[inside].ravel(), seen @ change[inside].reshape(n * n, -1)

        start = np.full(int(free.sum()), float(fixed[~free].mean()))
        p, misfit = _gauss_newton(model, known.values, start)
        told = misfit * len(known.values) + 2 * len(p)
        if best is not None and told >= best[0]:
            break
        best = told, field(p)
    assert best is not None
    a = best[1]
    return Answer(lambda points: chebyshev.interpolate(axes, a, points), (degree - 1) ** 2)


def _field_elements(known: _Measured, cells: int) -> Answer:
    """Lower the weight of the penalty until the misfit is that of the noise."""
    from skfem import Basis, BilinearForm, ElementQuad2
    from skfem.helpers import dot, grad

    lines = elements.uniform(cells)
    space = elements.rectangle(3, lines, lines)
    field = Basis(space.basis.mesh, ElementQuad2(), quadrature=space.basis.quadrature)
    load, probes = space.load(known.source), elements.probes(space.basis, known.points)[:, space.inside]
    held = known.coefficient(*field.doflocs)
    free = field.complement_dofs(field.get_dofs())
    product = BilinearForm(lambda p, v, w: p * dot(w["u"].grad, grad(v)))
    laplace = BilinearForm(lambda p, q, _: dot(grad(p), grad(q))).assemble(field).tocsr()
    lumped = np.asarray(BilinearForm(lambda p, q, _: p * q).assemble(field).sum(1)).ravel()
    roughness = (laplace.toarray() / np.sqrt(np.abs(lumped))[:, None])[free]

    def whole(p: Array) -> Array:
        values = held.copy()
        values[free] = p
        return values

    def model(p: Array) -> tuple[Array, Array]:
        a = field.interpolate(whole(p))
        inverse = elements.direct(space.bilinear(lambda u, v, w: w["a"] * dot(grad(u), grad(v)), a=a))
        u = inverse(load)
        change = product.assemble(field, space.basis, u=space.at_quadrature(u)).tocsr()[space.inside][:, free]
        return probes @ u, -(probes @ inverse(change.toarray()))

    p = np.full(len(free), float(held[field.get_dofs().flatten()].mean()))
    outer, shifted = roughness[:, free], roughness @ whole(np.zeros(len(free)))
    for exponent in range(10):
        weight = 10.0 ** (1 - 0.5 * exponent)
        p, misfit = _gauss_newton(model, known.values, p, weight * outer, weight * shifted)
        if misfit <= 1 + math.sqrt(2 / len(known.values)):
            break
    coefficients = whole(p)
    return Answer(lambda points: elements.probes(field, points) @ coefficients, space.unknowns + len(free))


#: What makes each contest, by name.
INVERSE: dict[str, Callable[[], Contest]] = {
    "diffusivity": _diffusivity,
    "coefficient": _field,
}
