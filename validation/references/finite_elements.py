"""Finite elements of second order on curved quadrilaterals: heat and flow in the plane with holes.

What scikit-fem assembles on meshes of :mod:`~hermite_pinn.validation.references.plane_meshes`; two meshes, one twice as
fine, tell the accuracy.  Nothing here shares a line with the solver of this package.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse, spatial
from scipy.sparse import linalg

from hermite_pinn.errors import InvalidArgumentError

from .plane_meshes import Ring, graded, plane_mesh

__all__ = ["PlaneFields", "channel_flow", "heat2d_cg", "step_flow"]

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class PlaneFields:
    """Fields on a mesh of quadrilaterals with nine nodes.

    Attributes
    ----------
    nodes
        Of every cell, (n, 9, 2).
    values
        By name of the field, at the nodes of the cells (n, 9), or at the corners (n, 4).
    """

    nodes: Array
    values: Mapping[str, Array]

    @functools.cached_property
    def _tree(self) -> spatial.cKDTree:
        return spatial.cKDTree(self.nodes[:, 8])

    def __call__(self, x: Array, y: Array) -> dict[str, Array]:
        """Values of all fields at points (m,).

        Raises
        ------
        InvalidArgumentError
            For points outside the mesh by more than some thousandths of a cell.
        """
        cells, local = self._locate(np.stack([np.asarray(x, float), np.asarray(y, float)], 1))
        return {
            name: np.einsum("ij,ij->i", (_nine if v.shape[1] == 9 else _four)(local)[0], v[cells])
            for name, v in self.values.items()
        }

    def _locate(self, points: Array) -> tuple[Array, Array]:
        """The cell of every point, and its coordinates there in [0, 1]^2."""
        _, near = self._tree.query(points, k=min(12, len(self.nodes)))
        best = np.full(len(points), np.inf)
        cells, local = np.zeros(len(points), int), np.zeros((len(points), 2))
        for candidate in near.T:
            open_ = best > 1e-9
            if not open_.any():
                break
            corner, target = self.nodes[candidate[open_]], points[open_]
            s = np.full((len(target), 2), 0.5)
            for _ in range(8):
                shape, slopes = _nine(s)
                away = np.einsum("ij,ijk->ik", shape, corner) - target
                jacobian = np.einsum("dij,ijk->ikd", slopes, corner)
                s = np.clip(s - np.linalg.solve(jacobian, away[..., None])[..., 0], -0.5, 1.5)
            excess = np.maximum(np.abs(s - 0.5).max(1) - 0.5, 0)
            better = excess < best[open_]
            chosen = np.flatnonzero(open_)[better]
            best[chosen], cells[chosen], local[chosen] = excess[better], candidate[open_][better], s[better]
        if best.max(initial=0.0) > 0.02:
            raise InvalidArgumentError(f"{int((best > 0.02).sum())} points lie outside the mesh of the reference")
        return cells, local


def _nine(s: Array) -> tuple[Array, Array]:
    """Quadratic shape functions (m, 9) at local coordinates (m, 2) and their derivatives (2, m, 9)."""
    line, slope = [], []
    for t in s.T:
        line.append(np.stack([(2 * t - 1) * (t - 1), 4 * t * (1 - t), t * (2 * t - 1)]))
        slope.append(np.stack([4 * t - 3, 4 - 8 * t, 4 * t - 1]))
    order = [(0, 0), (2, 0), (2, 2), (0, 2), (1, 0), (2, 1), (1, 2), (0, 1), (1, 1)]
    shape = np.stack([line[0][i] * line[1][j] for i, j in order], 1)
    along = np.stack([np.stack([slope[0][i] * line[1][j], line[0][i] * slope[1][j]]) for i, j in order], 2)
    return shape, along


def _four(s: Array) -> tuple[Array, None]:
    a, b = s.T
    return np.stack([(1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b], 1), None


# -- heat ---
LARGE = (
    *((sx * 4.0, sy * y) for sx in (-1, 1) for y in (3.0, 9.0) for sy in (-1, 1)),
    (0.0, 0.0),
    (0.0, 6.0),
    (0.0, -6.0),
)
SMALL = (*((sx * 3.2, sy * 6.0) for sx in (-1, 1) for sy in (-1, 1)), (-3.2, 0.0), (3.2, 0.0))


def heat_mesh(size: float) -> Any:
    """A quarter would do; the whole rectangle is meshed, as the problem states it."""
    x = graded([-8, -5.5, -2.5, -1.5, 1.5, 2.5, 5.5, 8], [size] * 8)
    y = graded([-12, -10.5, -7.5, -4.5, -1.5, 1.5, 4.5, 7.5, 10.5, 12], [size] * 10)
    rings = []
    layers = max(2, round(0.6 / size))
    for p, q in LARGE:
        lower = (-1.5 if p == 0 else (2.5 if p > 0 else -5.5), q - 1.5)
        rings.append(Ring((p, q), 1.0, lower, (lower[0] + 3, q + 1.5), layers))
    for p, q in SMALL:
        lower = (2.5 if p > 0 else -5.5, q - 1.5)
        rings.append(Ring((p, q), 0.4, lower, (lower[0] + 3, q + 1.5), 3 * layers, 6.0))
    return plane_mesh(x, y, rings)


def heat2d_cg(times: Sequence[float], size: float = 0.25, steps: int = 120) -> list[PlaneFields]:
    """The solution of :func:`hermite_pinn.problems.heat2d_cg` at some times, in ascending order, the first above zero.

    Parameters
    ----------
    times
        When.
    size
        Of the cells.
    steps
        Of time, by an L-stable method of third order with three stages (SDIRK), growing like sqrt(t).
    """
    from skfem import Basis, BilinearForm, ElementQuad2, FacetBasis, LinearForm
    from skfem.helpers import dot, grad

    mesh = heat_mesh(size)
    basis = Basis(mesh, ElementQuad2(), intorder=5)
    boundary = FacetBasis(mesh, ElementQuad2(), intorder=5)

    def warmth(x: Array) -> Array:
        value = np.full(x[0].shape, 0.1)
        for discs, radius, given in ((LARGE, 1.0, 5.0), (SMALL, 0.4, 1.0)):
            for p, q in discs:
                value[np.hypot(x[0] - p, x[1] - q) < radius + 1e-3] = given
        return value

    mass = BilinearForm(lambda u, v, w: u * v).assemble(basis)
    stiff = BilinearForm(lambda u, v, w: dot(grad(u), grad(v))).assemble(basis)
    stiff = stiff + BilinearForm(lambda u, v, w: u * v).assemble(boundary)
    load = LinearForm(lambda v, w: warmth(w.x) * v).assemble(boundary)
    states = _march(mass.tocsc(), stiff.tocsc(), load, np.asarray(times, float), steps)
    nodes = np.moveaxis(mesh.doflocs[:, mesh.dofs.element_dofs], 0, 2).transpose(1, 0, 2)
    return [PlaneFields(nodes, {"u": u[basis.element_dofs].T}) for u in states]


def _march(mass: Any, stiff: Any, load: Array, times: Array, steps: int) -> list[Array]:
    """``mass u' + stiff u = load`` from zero, by Alexander's L-stable method of order three.

    The steps double from a thousandth of the end on, ``steps`` in all about; equal ones share a factorisation.
    """
    g = 0.4358665215084590
    b1, b2 = -1.5 * g * g + 4 * g - 0.25, 1.5 * g * g - 5 * g + 1.25
    stages = ((g,), ((1 - g) / 2, g), (b1, b2, g))
    u, now, found = np.zeros(len(load)), 0.0, []
    longest = times[-1] / steps
    step, factor, factored = longest / 2**14, None, 0.0
    taken = 0
    for end in times:
        while end - now > 1e-12 * end:
            if step < longest and taken >= 4:
                step, taken = 2 * step, 0
            count = max(1, int(np.ceil((end - now) / step - 1e-9)))
            dt = (end - now) / count if step >= longest else min(step, end - now)
            if factor is None or abs(dt - factored) > 1e-12 * dt:
                factor, factored = linalg.splu(mass + g * dt * stiff), dt
            slopes: list[Array] = []
            for weights in stages:
                start = u + dt * sum((w * k for w, k in zip(weights[:-1], slopes, strict=True)), np.zeros_like(u))
                slopes.append(factor.solve(load - stiff @ start))
            u = u + dt * sum((w * k for w, k in zip(stages[2], slopes, strict=True)), np.zeros_like(u))
            now += dt
            taken += 1
        now = float(end)
        found.append(u.copy())
    return found


# -- flow ---
def channel_flow(
    mesh: Any,
    nu: float,
    inflow: Callable[[Array], Array],
    length: float,
    outlet: str = "traction",
    backflow: float = 1.5,
) -> PlaneFields:
    """Steady Navier-Stokes equations in a channel, by Taylor-Hood elements and Newton's method.

    Parameters
    ----------
    mesh
        Of second order.
    nu
        Viscosity.
    inflow
        Speed along x at x = 0 as a function of y.
    length
        Where it ends.  The velocity is zero on all other sides.
    outlet
        What holds there: ``"traction"``, zero traction; ``"gradient"``, nu times the normal derivative of the velocity
        equals the pressure times the normal; ``"suppressed"``, no velocity along the outlet and a normal stress of
        ``-backflow min(u, 0)``, which resists what flows back.

    Raises
    ------
    InvalidArgumentError
        If Newton's method does not converge.
    """
    from skfem import Basis, BilinearForm, ElementQuad1, ElementQuad2, ElementVector, FacetBasis, LinearForm
    from skfem.helpers import ddot, div, dot, grad, mul, transpose

    element, tolerance = ElementVector(ElementQuad2()), 1e-9 * length
    velocity = Basis(mesh, element, intorder=5)
    pressure = velocity.with_element(ElementQuad1())
    end = FacetBasis(mesh, element, facets=mesh.facets_satisfying(lambda x: abs(x[0] - length) < tolerance), intorder=5)
    whole = 0.0 if outlet == "gradient" else 1.0
    viscous = BilinearForm(lambda u, v, w: nu * ddot(grad(u) + whole * transpose(grad(u)), grad(v))).assemble(velocity)
    divergence = BilinearForm(lambda u, q, w: -div(u) * q).assemble(velocity, pressure)
    carried = BilinearForm(lambda u, v, k: dot(mul(grad(u), k["w"]) + mul(grad(k["w"]), u), v))
    own = LinearForm(lambda v, k: dot(mul(grad(k["w"]), k["w"]), v))
    resisted = BilinearForm(lambda u, v, k: backflow * (k["w"][0] < 0) * u[0] * v[0])
    fixed, entering = _given_velocities(mesh, velocity, length, tolerance, outlet)
    count = velocity.N
    state = np.zeros(count + pressure.N)
    state[entering] = inflow(velocity.doflocs[1][entering])
    free = np.setdiff1d(np.arange(len(state)), fixed)
    for step in range(40):
        w = velocity.interpolate(state[:count])
        linear = viscous
        if outlet == "suppressed":
            linear = viscous + resisted.assemble(end, w=end.interpolate(state[:count]))
        slope, force = (
            (carried.assemble(velocity, w=w), own.assemble(velocity, w=w)) if step else (0, 0)
        )  # first Stokes
        matrix = sparse.bmat([[linear + slope, divergence.T], [divergence, None]]).tocsc()
        residual = np.concatenate(
            [linear @ state[:count] + force + divergence.T @ state[count:], divergence @ state[:count]]
        )
        factor = linalg.splu(
            matrix[free][:, free], permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.01
        )
        change = factor.solve(-residual[free])
        state[free] += change
        if step and np.abs(change).max() < 1e-9 * np.abs(state).max():
            break
    else:
        raise InvalidArgumentError("the reference for the flow does not converge")
    nodes = np.moveaxis(mesh.doflocs[:, mesh.dofs.element_dofs], 0, 2).transpose(1, 0, 2)
    u, v = (state[velocity.element_dofs[k::2]].T for k in (0, 1))
    return PlaneFields(nodes, {"u": u, "v": v, "p": state[count:][pressure.element_dofs].T})


def _given_velocities(mesh: Any, velocity: Any, length: float, tolerance: float, outlet: str) -> tuple[Array, Array]:
    """The unknowns of the velocity that are given, and those of them along x at the inlet."""
    edge = velocity.get_dofs(mesh.boundary_facets())
    first, second = (np.concatenate([edge.nodal[name], edge.facet[name]]) for name in ("u^1", "u^2"))
    x, y = velocity.doflocs
    inside = (abs(x - length) < tolerance) & (y > mesh.p[1].min() + tolerance) & (y < mesh.p[1].max() - tolerance)
    fixed = np.concatenate([first[~inside[first]], second if outlet == "suppressed" else second[~inside[second]]])
    return np.unique(fixed), np.unique(first[x[first] < tolerance])


def step_flow(
    obstacles: int = 0, nu: float = 0.01, outlet: str = "traction", size: float = 0.1, corner: float = 0.02
) -> PlaneFields:
    """The solution of :func:`hermite_pinn.problems.step`.

    Parameters
    ----------
    obstacles, nu, outlet
        Of the problem.
    size, corner
        Size of the cells, and of those at the re-entrant corners.
    """
    end = 0.4 * size
    holes = [(0.0, 1.0, 2.0, 2.0)]
    if not obstacles:
        x = graded([0, 2, 4], [size, corner, size])
        y = graded([0, 1, 2], [end, corner, end])
        return channel_flow(plane_mesh(x, y, (), holes), nu, lambda s: 4 * s * (1 - s), 4.0, outlet)
    holes.append((2.8, 0.8, 3.6, 1.1))
    x = graded(
        [0, 0.65, 1.35, 1.6, 2, 2.4, 2.8, 3, 3.6, 4], [size, end, end, end, corner, end, corner, end, corner, size]
    )
    y = graded(
        [0, 0.1, 0.8, 0.9, 1, 1.1, 1.25, 1.95, 2], [end / 2, end, corner, end / 2, corner, corner, end, end, end / 2]
    )
    layers = max(3, round(0.16 / end))
    rings = [
        Ring((1.0, 0.5), 0.2, (0.65, 0.1), (1.35, 0.9), layers),
        Ring((2.0, 0.5), 0.3, (1.6, 0.1), (2.4, 0.9), layers),
        Ring((2.7, 1.6), 0.2, (2.4, 1.25), (3.0, 1.95), layers),
    ]
    return channel_flow(plane_mesh(x, y, rings, holes), nu, lambda s: 4 * s * (1 - s), 4.0, outlet)
