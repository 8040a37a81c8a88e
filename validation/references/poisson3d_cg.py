"""The solution of :func:`hermite_pinn.problems.poisson3d_cg` by finite elements, at 2000 points.

The values lie beside this file; ``python -m hermite_pinn.validation.references.poisson3d_cg`` makes them again, in some
minutes, and needs gmsh.  Tetrahedra of second order with curved sides on the balls, aligned with the plane where the
coefficient jumps, and finest along y, where the source has the highest frequency: the cube is stretched before it is
meshed.  Two meshes tell the accuracy: the coarse one, of tetrahedra 16/9 as large, differs by 1.4e-3
(relative L2) from the fine one, which at third order is good to :data:`ACCURACY`.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse, spatial
from scipy.sparse import linalg

__all__ = ["ACCURACY", "reference", "solve"]

logger = logging.getLogger(__name__)

Array = np.ndarray
BALLS = ((0.4, 0.3, 0.6, 0.2), (0.6, 0.7, 0.6, 0.2), (0.2, 0.8, 0.7, 0.1), (0.6, 0.2, 0.3, 0.1))
STRETCH = np.array([0.8, 2.5, 1.5])
FILE = Path(__file__).with_name("poisson3d_cg.npz")
POINTS = 2000

#: Relative L2 error of the values, from the difference of two meshes.
ACCURACY = 3e-4


def reference() -> tuple[Array, Array]:
    """Points (3, n) in the domain and the values there (n,), float64.

    Examples
    --------
    >>> points, values = reference()
    >>> points.shape
    (3, 2000)
    """
    with np.load(FILE) as data:
        return data["points"].astype(np.float64), data["values"].astype(np.float64)


def solve(size: float, points: Array) -> Array:
    """Values at points (3, n) from tetrahedra with edges of ``size``, as long as that along the stretched axes."""
    from skfem import Basis, BilinearForm, ElementTetP2, LinearForm
    from skfem.helpers import dot, grad

    mesh, nodes = _mesh(size)
    basis = Basis(mesh, ElementTetP2(), intorder=5)

    def squared(w: Any) -> Array:
        """The coefficient, the same in all of a tetrahedron: none crosses the plane."""
        above = w.x[2].mean(-1, keepdims=True) >= 0.5
        return np.where(above, 100.0, 64.0) + 0 * w.x[2]

    def source(w: Any) -> Array:
        x, y, z = w.x
        r2 = x * x + y * y + z * z
        sx, sy, sz = np.sin(np.pi * x), np.sin(10 * np.pi * y), np.sin(5 * np.pi * z)
        found: Array = 20 * np.exp(sx + sy + sz) * (r2 - 1) / (r2 + 1) + 100 * sx * sy * sz
        return found

    matrix = BilinearForm(lambda u, v, w: dot(grad(u), grad(v)) + squared(w) * u * v).assemble(basis).tocsr()
    load = LinearForm(lambda v, w: source(w) * v).assemble(basis)
    scale = sparse.diags(1 / matrix.diagonal())
    u, failed = linalg.cg(matrix, load, rtol=1e-9, maxiter=5000, M=scale)
    if failed:
        raise ArithmeticError("conjugate gradients do not converge")
    logger.info("%d tetrahedra, %d unknowns", mesh.nelements, basis.N)
    return _evaluated(nodes, u[basis.element_dofs].T, points)


EDGES = ((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3))  # of a tetrahedron, as scikit-fem counts them


def _mesh(size: float) -> tuple[Any, Array]:
    """A mesh of second order, and the nodes of its tetrahedra (n, 10, 3)."""
    import gmsh
    from skfem import MeshTet, MeshTet2

    gmsh.initialize(["", "-v", "1"], interruptible=False)
    try:
        occ = gmsh.model.occ
        lower, upper = occ.addBox(0, 0, 0, 1, 1, 0.5), occ.addBox(0, 0, 0.5, 1, 1, 0.5)
        balls = [(3, occ.addSphere(*ball)) for ball in BALLS]
        left, _ = occ.cut([(3, lower), (3, upper)], balls)
        left, _ = occ.fragment(left, [])
        occ.dilate(left, 0, 0, 0, *STRETCH)
        occ.synchronize()
        gmsh.option.setNumber("Mesh.MeshSizeMin", 0.3 * size)
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", 16)
        gmsh.model.mesh.generate(3)
        gmsh.model.mesh.setOrder(2)
        tags, coordinates, _ = gmsh.model.mesh.getNodes()
        _, ten = gmsh.model.mesh.getElementsByType(11)
    finally:
        gmsh.finalize()
    where = np.zeros(int(tags.max()) + 1, dtype=np.int64)
    where[tags] = np.arange(len(tags))
    places = coordinates.reshape(-1, 3) / STRETCH
    ten = where[ten.reshape(-1, 10)]
    corners, compact = np.unique(ten[:, :4], return_inverse=True)
    plain = MeshTet(np.ascontiguousarray(places[corners].T), np.ascontiguousarray(compact.reshape(-1, 4).T))
    curved = MeshTet2.from_mesh(plain)
    given = {}  # the middle of an edge by the numbers of its ends, in gmsh's order of edges
    ends = compact.reshape(-1, 4)
    for k, (i, j) in enumerate(((0, 1), (1, 2), (0, 2), (0, 3), (2, 3), (1, 3)), 4):
        key = np.minimum(ends[:, i], ends[:, j]) * len(corners) + np.maximum(ends[:, i], ends[:, j])
        given[k] = (key, ten[:, k])
    keys, first = np.unique(np.concatenate([a for a, _ in given.values()]), return_index=True)
    middles = np.concatenate([b for _, b in given.values()])[first]
    doflocs, own = curved.doflocs.copy(), curved.dofs.element_dofs
    t = curved.t
    for k, (i, j) in enumerate(EDGES, 4):
        key = np.minimum(t[i], t[j]) * len(corners) + np.maximum(t[i], t[j])
        doflocs[:, own[k]] = places[middles[np.searchsorted(keys, key)]].T
    from dataclasses import replace

    mesh = replace(curved, doflocs=doflocs)
    return mesh, np.moveaxis(doflocs[:, own], 0, 2).transpose(1, 0, 2)


def _ten(s: Array) -> tuple[Array, Array]:
    """Quadratic shape functions (m, 10) at local coordinates (m, 3), and their derivatives (3, m, 10)."""
    bary = np.concatenate([1 - s.sum(1, keepdims=True), s], 1)
    slope = np.concatenate([-np.ones((1, 3)), np.eye(3)])  # of the barycentric coordinates
    shape = np.concatenate([bary * (2 * bary - 1), *(4 * bary[:, [i]] * bary[:, [j]] for i, j in EDGES)], 1)
    corners = (4 * bary - 1)[None] * slope.T[:, None]
    edges = [4 * (bary[None, :, i] * slope[j][:, None] + bary[None, :, j] * slope[i][:, None]) for i, j in EDGES]
    return shape, np.concatenate([corners, np.stack(edges, 2)], 2)


def _evaluated(nodes: Array, values: Array, points: Array) -> Array:
    """Values at points (3, n) of a function given at the nodes (cells, 10)."""
    tree = spatial.cKDTree(nodes[:, :4].mean(1) * STRETCH)
    _, near = tree.query(points.T * STRETCH, k=40)
    best, found = np.full(points.shape[1], np.inf), np.zeros(points.shape[1])
    for candidate in near.T:
        left = np.flatnonzero(best > 1e-9)
        if not left.size:
            break
        cell, s = nodes[candidate[left]], np.full((left.size, 3), 0.25)
        for _ in range(8):
            shape, slopes = _ten(s)
            away = np.einsum("ij,ijk->ik", shape, cell) - points.T[left]
            jacobian = np.einsum("dij,ijk->ikd", slopes, cell)
            s = np.clip(s - np.linalg.solve(jacobian, away[..., None])[..., 0], -1, 2)
        excess = np.maximum(np.maximum(-s.min(1), s.sum(1) - 1), 0)
        better = excess < best[left]
        chosen = left[better]
        best[chosen] = excess[better]
        found[chosen] = np.einsum("ij,ij->i", _ten(s[better])[0], values[candidate[chosen]])
    if best.max() > 0.05:
        raise ArithmeticError(f"{int((best > 0.05).sum())} points lie in no tetrahedron")
    return found


def random_points() -> Array:
    """Points of the domain, (3, n), numbers of single precision."""
    x = np.random.default_rng(0).random((3, 4 * POINTS)).astype(np.float32).astype(np.float64)
    for *centre, radius in BALLS:
        x = x[:, np.linalg.norm(x - np.array(centre)[:, None], axis=0) > radius + 1e-3]
    return x[:, :POINTS]


def main(coarse: float = 0.08, fine: float = 0.045) -> None:
    """Solve on two meshes, tell their difference, write the values of the fine one."""
    points = random_points()
    a, b = solve(coarse, points), solve(fine, points)
    logger.info("relative difference %.2e", np.linalg.norm(a - b) / np.linalg.norm(b))
    np.savez_compressed(FILE, points=points.astype(np.float32), values=b.astype(np.float32))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
