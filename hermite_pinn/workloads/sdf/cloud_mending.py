"""What is wrong with points and normals, and what can be done about it."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.similarity import LARGEST

__all__ = ["mended"]

FEWEST = 16
NEIGHBOURS = 12
#: Distances between neighbours from which on a point is a stray one, and the largest part of all that may be.
STRAY, FEW = 10.0, 0.02
#: Part of pairs of neighbours with opposite normals from which on normals are not oriented.
OPPOSITE = 0.05
#: Largest part of normals that may be missing.
MISSING = 0.5


def mended(points: np.ndarray, normals: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Different points with unit normals that point out, and sentences about what was done.

    Parameters
    ----------
    points, normals
        Float64, (n, 3).

    Raises
    ------
    InvalidProblemError
        If points are not finite or too few, or most normals are missing.
    """
    bad = int((~np.isfinite(points)).any(1).sum())
    if bad:
        raise InvalidProblemError(f"{bad} of the {len(points)} points are not finite; leave them out")
    largest = float(np.abs(points).max(initial=0.0))
    if largest > LARGEST or 0 < largest < 1 / LARGEST:
        raise InvalidProblemError(
            f"coordinates must be between {1 / LARGEST:g} and {LARGEST:g}, got {largest:g}; choose other units"
        )
    notes: list[str] = []
    normals, missing = _units(normals)
    points, normals, missing = _different(points, normals, missing, notes)
    points, normals, missing = _without_strays(points, normals, missing, notes)
    normals = _filled(points, normals, missing, notes)
    normals = _oriented(points, normals, notes)
    return points, normals, tuple(notes)


def _units(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normals, and where there are none."""
    largest = np.abs(normals).max(1, initial=0.0)
    missing = ~(np.isfinite(normals).all(1) & (largest > 0))
    scaled = np.where(missing[:, None], 0.0, normals / np.where(missing, 1.0, largest)[:, None])
    return scaled / np.where(missing, 1.0, np.linalg.norm(scaled, axis=1))[:, None], missing


def _different(
    points: np.ndarray, normals: np.ndarray, missing: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each point once, with the mean of its normals."""
    found, first, owner = np.unique(points, axis=0, return_index=True, return_inverse=True)
    if len(found) < FEWEST:
        raise InvalidProblemError(
            f"a cloud needs at least {FEWEST} different points, got {len(found)}; sample the surface more densely"
        )
    if len(found) == len(points):
        return points, normals, missing
    notes.append(f"{len(points) - len(found):,} of the {len(points):,} points are there more than once and were merged")
    total = np.zeros_like(found)
    np.add.at(total, owner.reshape(-1), normals)
    order = np.argsort(first)
    means, none = _units(np.where(np.linalg.norm(total, axis=1, keepdims=True) > 1e-6, total, 0.0))
    return found[order], means[order], none[order]


def _without_strays(
    points: np.ndarray, normals: np.ndarray, missing: np.ndarray, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Without points that have no neighbours, if these are few."""
    distance = cKDTree(points).query(points, 1 + NEIGHBOURS // 2)[0][:, -1]
    typical = float(np.median(distance))
    if not typical:
        return points, normals, missing
    stray = distance > STRAY * typical
    count = int(stray.sum())
    if not count:
        return points, normals, missing
    if count > FEW * len(points):
        notes.append(
            f"{count:,} of the {len(points):,} points are more than {STRAY:g} typical distances from their neighbours; distances are "
            "rough there: sample more evenly, or leave stray points out"
        )
        return points, normals, missing
    notes.append(f"{count:,} of the {len(points):,} points are far from all others and were left out")
    return points[~stray], normals[~stray], missing[~stray]


def _filled(points: np.ndarray, normals: np.ndarray, missing: np.ndarray, notes: list[str]) -> np.ndarray:
    """With the normals of the planes through neighbours where there were none."""
    count = int(missing.sum())
    if not count:
        return normals
    if count > MISSING * len(points):
        raise InvalidProblemError(
            f"{count:,} of the {len(points):,} points have no normal (zero or not a number); give normals, which tell inside from "
            "outside: most programs that read scans estimate and orient them"
        )
    notes.append(f"{count:,} of the {len(points):,} normals are missing and were taken from neighbours")
    known = np.flatnonzero(~missing)
    chosen = np.flatnonzero(missing)
    near = cKDTree(points).query(points[chosen], min(1 + NEIGHBOURS, len(points)))[1]
    offsets = points[near] - points[near].mean(1, keepdims=True)
    plane = np.linalg.svd(offsets, full_matrices=False)[2][:, 2]
    like = normals[known[cKDTree(points[known]).query(points[chosen])[1]]]
    result = normals.copy()
    result[chosen] = np.where((plane * like).sum(1, keepdims=True) < 0, -plane, plane)
    return result


def _oriented(points: np.ndarray, normals: np.ndarray, notes: list[str]) -> np.ndarray:
    """Normals of neighbours on the same side, pointing out of the largest parts.

    Where many are not, signs are handed from neighbour to neighbour along a shortest tree, so that they turn as little
    as they can (H. Hoppe and others, SIGGRAPH 1992).
    """
    count = min(1 + NEIGHBOURS // 2, len(points))
    distance, near = cKDTree(points).query(points, count)
    product = (normals[:, None] * normals[near]).sum(2)
    if (product[:, 1:] < 0).mean() > OPPOSITE:
        rows = np.repeat(np.arange(len(points)), count - 1)
        costs = (1 + 1e-6 - np.abs(product[:, 1:])).ravel()
        graph = csr_array((costs, (rows, near[:, 1:].ravel())), shape=(len(points), len(points)))
        normals = _handed(points, normals, graph, distance[:, -1] ** 2)
        notes.append("normals of neighbours were on different sides of the surface and were oriented anew")
    elif (distance[:, -1] ** 2 * ((points - points.mean(0)) * normals).sum(1)).sum() < 0:
        normals = -normals
        notes.append("the normals pointed inwards and were turned")
    return normals


def _handed(points: np.ndarray, normals: np.ndarray, graph: csr_array, areas: np.ndarray) -> np.ndarray:
    """Normals with signs that are handed along a tree in every part that hangs together."""
    tree = minimum_spanning_tree(graph)
    number, labels = connected_components(tree, directed=False)
    result = normals.copy()
    for part in range(number):
        members = np.flatnonzero(labels == part)
        order, before = breadth_first_order(tree, members[0], directed=False)
        for k in order[1:]:
            if result[k] @ result[before[k]] < 0:
                result[k] = -result[k]
        outward = (areas[members] * ((points[members] - points[members].mean(0)) * result[members]).sum(1)).sum()
        if outward < 0:
            result[members] = -result[members]
    return result
