"""Solutions of examples that have no formula, by classical methods."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from scipy import integrate, linalg, sparse

from hermite_pinn.problems.references.cole_hopf import cole_hopf
from hermite_pinn.validation.references.finite_elements import PlaneFields
from hermite_pinn.validation.references.plane_meshes import Ring, plane_mesh

from .example import Reference

__all__ = [
    "allen_cahn",
    "american_put",
    "burgers",
    "l_shape",
    "lotka_volterra",
    "scattering",
    "schroedinger",
]

Array = np.ndarray


def lotka_volterra() -> Reference:
    """Prey and predators by Runge-Kutta steps of order eight."""

    def rates(_: float, y: Array) -> Array:
        r, p = y
        return np.array([20 * (2 * r - 8 * r * p), 20 * (4 * r * p - 1.06 * p)])

    path = integrate.solve_ivp(rates, (0, 1), [0.5, 0.075], method="DOP853", rtol=1e-12, atol=1e-13, dense_output=True)
    return lambda points: dict(zip("rp", path.sol(points[:, 0]), strict=True))


def burgers() -> Reference:
    """The integral of Cole and Hopf with a viscosity of 0.01/pi."""
    return lambda points: {"u": cole_hopf(points[:, 0], points[:, 1], 0.01 / np.pi)}


@functools.cache
def l_shape(degree: int = 4) -> Reference:
    """Finite elements of high degree on rectangles that shrink towards the corners."""
    from skfem import Basis, BilinearForm, ElementQuadP, LinearForm, MeshQuad, condense, solve
    from skfem.helpers import dot, grad

    steps = np.arange(1, 25)
    half = np.unique(np.concatenate([[0.0, 1.0], 0.5 * 0.45**steps, 1 - 0.5 * 0.5 ** steps[:10], [0.3, 0.5, 0.75]]))
    lines = np.unique(np.concatenate([-half, half]))
    mesh = MeshQuad.init_tensor(lines, lines)
    middle = mesh.p[:, mesh.t].mean(1)
    mesh = mesh.remove_elements(np.flatnonzero((middle > 0).all(0)))
    basis = Basis(mesh, ElementQuadP(degree))
    stiff = BilinearForm(lambda u, v, _: dot(grad(u), grad(v))).assemble(basis)
    load = LinearForm(lambda v, _: 1.0 * v).assemble(basis)
    u = solve(*condense(stiff, load, D=basis.get_dofs()))
    return lambda points: {"u": basis.probes(points.T) @ u}


@functools.cache
def scattering(cells: int = 144) -> Reference:
    """Quadratic finite elements on squares and on rings around the disc."""
    from skfem import Basis, BilinearForm, ElementQuad2, FacetBasis, LinearForm
    from skfem.helpers import dot, grad

    inner = np.pi / 2
    outer = np.linspace(inner, np.pi, cells // 4 + 1)[1:]
    lines = np.concatenate([-outer[::-1], np.linspace(-inner, inner, cells // 2 + 1), outer])
    mesh = plane_mesh(lines, lines, [Ring((0.0, 0.0), inner / 2, (-inner, -inner), (inner, inner), cells // 4)])
    basis = Basis(mesh, ElementQuad2(), intorder=5)
    edge = mesh.facets_satisfying(lambda x: np.hypot(x[0], x[1]) < 0.9, boundaries_only=True)
    rest = mesh.facets_satisfying(lambda x: np.hypot(x[0], x[1]) > 0.9, boundaries_only=True)
    disc, square = (FacetBasis(mesh, ElementQuad2(), facets=f, intorder=5) for f in (edge, rest))
    whole = BilinearForm(lambda u, v, _: dot(grad(u), grad(v)) - 4 * u * v, dtype=complex).assemble(basis)
    absorbed = BilinearForm(lambda u, v, _: u * v).assemble(square)
    pushed = LinearForm(lambda v, w: -2j * np.exp(2j * w.x[0]) * w.n[0] * v, dtype=complex).assemble(disc)
    u = sparse.linalg.spsolve((whole - 2j * absorbed).tocsc(), pushed)
    parts = {"u_real": u.real[basis.element_dofs].T, "u_imag": u.imag[basis.element_dofs].T}
    return _of_cells(PlaneFields(_nodes(mesh), parts))


def _nodes(mesh: Any) -> Array:
    return np.asarray(np.moveaxis(mesh.doflocs[:, mesh.dofs.element_dofs], 0, 2).transpose(1, 0, 2))


def _of_cells(fields: PlaneFields) -> Reference:
    return lambda points: fields(points[:, 0], points[:, 1])


@functools.cache
def allen_cahn(degree: int = 400) -> Reference:
    """Chebyshev polynomials in space, and an implicit method of order five in time."""
    x = np.cos(np.pi * np.arange(degree + 1) / degree)
    slopes = _differences(x)
    second = (slopes @ slopes)[1:-1]

    def whole(inner: Array) -> Array:
        return np.concatenate([[-1.0], inner, [-1.0]])

    def rates(_: float, u: Array) -> Array:
        return np.asarray(1e-3 * second @ whole(u) + 5 * (u - u**3))

    def jacobian(_: float, u: Array) -> Array:
        return np.asarray(1e-3 * second[:, 1:-1] + np.diag(5 - 15 * u**2))

    start = (x**2 * np.cos(np.pi * x))[1:-1]
    path = integrate.solve_ivp(
        rates, (0, 1), start, method="Radau", jac=jacobian, rtol=1e-9, atol=1e-10, dense_output=True
    )

    def known(points: Array) -> dict[str, Array]:
        times = path.sol(points[:, 1])
        coefficients = np.polynomial.chebyshev.chebfit(x, np.stack([whole(column) for column in times.T], 1), degree)
        waves = np.polynomial.chebyshev.chebvander(points[:, 0], degree)
        return {"u": np.einsum("ij,ji->i", waves, coefficients)}

    return known


def _differences(x: Array) -> Array:
    """The matrix that differentiates the polynomial through values at Chebyshev's points."""
    count = len(x)
    signs = (-1.0) ** np.arange(count) * np.where(np.isin(np.arange(count), [0, count - 1]), 2.0, 1.0)
    matrix = np.outer(signs, 1 / signs) / (x[:, None] - x[None] + np.eye(count))
    return np.asarray(matrix - np.diag(matrix.sum(1)))


@functools.cache
def schroedinger(waves: int = 512, steps: int = 4000) -> Reference:
    """Fourier series on the period of ten, and a symmetric splitting of order four in time."""
    x = -5 + 10 * np.arange(waves) / waves
    k = 2 * np.pi * np.fft.fftfreq(waves, 10 / waves)
    length = np.pi / 2 / steps
    first = 1 / (2 - 2 ** (1 / 3))
    factors = (first, 1 - 2 * first, first)
    h = (2 / np.cosh(x)).astype(complex)
    every = [np.fft.fft(h)]
    for _ in range(steps):
        for factor in factors:
            turn = np.exp(-0.25j * k**2 * factor * length)
            h = np.fft.ifft(turn * np.fft.fft(h))
            h *= np.exp(1j * np.abs(h) ** 2 * factor * length)
            h = np.fft.ifft(turn * np.fft.fft(h))
        every.append(np.fft.fft(h))
    states = np.array(every)

    def known(points: Array) -> dict[str, Array]:
        place, time = points[:, 0] + 5, points[:, 1] / length
        base = np.clip(np.floor(time).astype(int) - 2, 0, steps - 5)
        weights = _lagrange(time - base)
        waves_at = np.exp(1j * place[:, None] * k) / waves
        value = sum(w * np.einsum("ij,ij->i", waves_at, states[base + n]) for n, w in enumerate(weights.T))
        return {"h_real": value.real, "h_imag": value.imag}

    return known


def _lagrange(t: Array) -> Array:
    """Weights (n, 6) of values at 0, ..., 5 for values at t."""
    nodes = np.arange(6)
    return np.stack([np.prod([(t - m) / (n - m) for m in nodes if m != n], axis=0) for n in nodes], 1)


@functools.cache
def american_put(degree: int = 2000, steps: int = 2000) -> Reference:
    """Finite differences in the logarithm of the price, and projection after every implicit step.

    The price at the end of the axis of time alone is compared; see the example.
    """
    s = np.linspace(np.log(0.02), np.log(4.0), degree + 1)
    price, h, length = np.exp(s), s[1] - s[0], 1.0 / steps
    payoff = np.maximum(1 - price, 0.0)
    drift, diffusion = (0.05 - 0.02) / (2 * h), 0.02 / h**2
    band = np.zeros((3, degree + 1))
    band[0, 2:], band[2, :-2] = -length * (diffusion + drift), -length * (diffusion - drift)
    band[1] = 1 + length * (2 * diffusion + 0.05)
    band[1, [0, -1]] = 1.0
    value = payoff.copy()
    excess = np.zeros_like(value)
    for _ in range(steps):  # Ikonen and Toivanen: the multiplier of the step before is part of the right side
        right = value + length * excess
        right[0], right[-1] = payoff[0], 0.0
        found = linalg.solve_banded((1, 1), band, right)
        value = np.maximum(found - length * excess, payoff)
        excess = np.maximum(excess + (value - found) / length, 0.0)
    return lambda points: {"v": np.interp(np.log(points[:, 0]), s, value)}
