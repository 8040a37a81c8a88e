"""The solution of :func:`hermite_pinn.problems.pulsed_channel` by finite elements.

Taylor-Hood elements on rectangles, assembled by scikit-fem; in time the semi-implicit method of backward differences of
second order, which extrapolates what is carried, so that one factorisation serves all steps (U. M. Ascher, S. J. Ruuth
and B. T. R. Wetton, SIAM J. Numer. Anal. 32, 797, 1995).

The values lie beside this file, at random points and some times, made in some minutes by
``python -m hermite_pinn.validation.references.pulsed_channel``, which solves on two meshes and with two steps; the
accuracy kept is their difference.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from .finite_elements import PlaneFields
from .plane_meshes import plane_mesh

__all__ = ["reference", "solve"]

logger = logging.getLogger(__name__)

Array = np.ndarray
FILE = Path(__file__).with_name("pulsed_channel.npz")
NU = 0.01
POINTS = 600
TIMES = np.linspace(0.0, 5.0, 21)[1:]


def inflow(t: float) -> float:
    """The pulses of the inflow."""
    return float(np.sin(np.pi * t) + np.sin(3 * np.pi * t) + np.sin(5 * np.pi * t))


def solve(cells: int, steps: int) -> list[PlaneFields]:
    """u, v and p at the times of the reference.

    Parameters
    ----------
    cells
        Along y; twice as many along x.
    steps
        Between two times.
    """
    from skfem import Basis, BilinearForm, ElementQuad1, ElementQuad2, ElementVector, LinearForm
    from skfem.helpers import ddot, div, dot, grad

    s = np.linspace(0, 1, cells + 1)
    mesh = plane_mesh(np.linspace(0, 2, 2 * cells + 1), s - 0.8 * np.sin(2 * np.pi * s) / (2 * np.pi), ())
    velocity = Basis(mesh, ElementVector(ElementQuad2()), intorder=5)
    pressure = velocity.with_element(ElementQuad1())
    mass = BilinearForm(lambda u, v, w: dot(u, v)).assemble(velocity)
    viscous = BilinearForm(lambda u, v, w: NU * ddot(grad(u), grad(v))).assemble(velocity)
    divergence = BilinearForm(lambda u, q, w: -div(u) * q).assemble(velocity, pressure)
    force = LinearForm(lambda v, w: -np.sin(np.pi * w.x[0]) * np.sin(np.pi * w.x[1]) * v[1]).assemble(velocity)
    carry = LinearForm(
        lambda v, w: (
            (w["u"][0] * grad(w["u"])[0, 0] + w["u"][1] * grad(w["u"])[0, 1]) * v[0]
            + (w["u"][0] * grad(w["u"])[1, 0] + w["u"][1] * grad(w["u"])[1, 1]) * v[1]
        )
    )
    count, total = velocity.N, velocity.N + pressure.N
    fixed, profile = _given(mesh, velocity)
    free = np.setdiff1d(np.arange(total), fixed)
    dt = float(TIMES[0]) / steps
    factors = {}
    for order, lead in ((1, 1.0), (2, 1.5)):
        block = sparse.bmat([[lead / dt * mass + viscous, divergence.T], [divergence, None]]).tocsc()
        factor = linalg.splu(
            block[free][:, free], permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}, diag_pivot_thresh=0.01
        )
        factors[order] = (factor, block[free][:, fixed])
    u, before = np.zeros(count), np.zeros(count)
    carried_before, states, now = np.zeros(count), [], 0.0
    nodes = np.moveaxis(mesh.doflocs[:, mesh.dofs.element_dofs], 0, 2).transpose(1, 0, 2)
    for k in range(len(TIMES) * steps):
        now = (k + 1) * dt
        carried = carry.assemble(velocity, u=velocity.interpolate(u))
        load = np.sin(np.pi * now) * force
        if k == 0:
            load = load - carried + mass @ u / dt
        else:
            load = load - 2 * carried + carried_before + mass @ (2 * u - before / 2) / dt
        factor, linked = factors[1 if k == 0 else 2]
        state = np.zeros(total)
        state[fixed] = inflow(now) * profile
        right = np.concatenate([load, np.zeros(pressure.N)])[free] - linked @ state[fixed]
        state[free] = factor.solve(right)
        before, u, carried_before = u, state[:count], carried
        if (k + 1) % steps == 0:
            first, second = (u[velocity.element_dofs[c::2]].T for c in (0, 1))
            fields = {"u": first, "v": second, "p": state[count:][pressure.element_dofs].T}
            states.append(PlaneFields(nodes, fields))
            logger.info("t = %g, largest %.3g", now, np.abs(u).max())
    return states


def _given(mesh: Any, velocity: Any) -> tuple[Array, Array]:
    """The unknowns of the velocity that are given, and their values for a unit inflow."""
    edge = velocity.get_dofs(mesh.boundary_facets())
    first, second = (np.concatenate([edge.nodal[name], edge.facet[name]]) for name in ("u^1", "u^2"))
    x, y = velocity.doflocs
    open_ = (x > 2 - 1e-9) & (y > 1e-9) & (y < 1 - 1e-9)
    fixed = np.unique(np.concatenate([first[~open_[first]], second]))
    entering = np.isin(fixed, first) & (x[fixed] < 1e-9)
    return fixed, np.where(entering, np.sin(np.pi * y[fixed]), 0.0)


def reference() -> tuple[Array, Array, float]:
    """Points (3, n) and values of u, v and p (3, n), float64, and their relative L2 error.

    Examples
    --------
    >>> points, values, accuracy = reference()
    >>> points.shape, values.shape
    ((3, 12000), (3, 12000))
    """
    with np.load(FILE) as data:
        space, values = (data[key].astype(np.float64) for key in ("points", "values"))
        accuracy = float(data["accuracy"])
    points = np.concatenate([np.repeat(space, len(TIMES), 1), np.tile(TIMES, space.shape[1])[None]])
    return points, values.reshape(3, -1), accuracy


def main() -> None:
    """Solve on two meshes, tell the difference, write the values of the finer one."""
    points = np.random.default_rng(0).uniform((0, 0), (2, 1), (POINTS, 2)).T.astype(np.float32)
    coarse, fine = (
        np.stack([np.stack([s(*points.astype(float))[f] for s in states], 1) for f in ("u", "v", "p")])
        for states in (solve(8, 40), solve(14, 60))
    )
    accuracy = np.linalg.norm(coarse - fine) / np.linalg.norm(fine)
    logger.info("relative difference %.2e", accuracy)
    np.savez_compressed(FILE, points=points, values=fine.astype(np.float32), accuracy=np.float64(accuracy))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("skfem").setLevel(logging.WARNING)
    main()
