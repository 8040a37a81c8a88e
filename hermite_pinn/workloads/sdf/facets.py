"""How large the facets of a mesh are, and over which distance their curvature is to be averaged."""

from __future__ import annotations

import numpy as np

from hermite_pinn.geometry import Mesh

__all__ = ["curvature_scale", "facet_length"]

#: Radius over which curvatures are averaged, in edges of the mesh; and at most, as a part of its longest side.
EDGES, LARGEST = 3.0, 0.1


def facet_length(mesh: Mesh) -> float:
    """The median of the longest edges of the triangles."""
    return float(np.median(mesh.triangles.longest))


def curvature_scale(mesh: Mesh) -> float:
    """Radius over which curvatures of a field that was fitted to a mesh are averaged.

    Three of its edges, so that its facets average out, but at most a tenth of its longest side.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> corner = hp.Mesh(([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]))
    >>> curvature_scale(corner)
    0.1
    """
    return min(EDGES * facet_length(mesh), LARGEST * mesh.triangles.extent)
