"""What a checkpoint keeps of a locally refined iteration: its course, and the last stage by cells and coefficients."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh
from hermite_pinn.problem.problem import Problem
from hermite_pinn.schema import Entry

from .local_convergence import LocalConvergence
from .local_stage import LocalStage

__all__ = ["SavedLocal", "local_state"]

LARGEST_DEPTH = 64  # levels
LARGEST_HALVINGS = 1e4


def local_state(stage: LocalStage, convergence: LocalConvergence, course: Mapping[str, float]) -> dict[str, Any]:
    """The entries of a checkpoint after a stage.

    Parameters
    ----------
    course
        Numbers of the iteration: ``halvings``, ``tried`` and ``inner_total``.
    """
    mesh = stage.mesh
    kept = {
        "basis": stage.system.basis,
        "resolutions": [list(level.resolution) for level in mesh.levels],
        "moved": list(stage.moved),
        "settled": stage.settled,
        "inner": stage.inner,
        "reduction": stage.reduction,
        "damping": stage.damping,
        "error": stage.error,
        "course": dict(course),
        "convergence": convergence.state(),
    }
    refined = [torch.as_tensor(level.keys[level.refined]) for level in mesh.levels]
    cells = {"refined": torch.cat(refined), "counts": torch.tensor([len(r) for r in refined], dtype=torch.int64)}
    return {"local": kept, "local_cells": cells, "local_vector": stage.vector}


@dataclass(frozen=True)
class SavedLocal:
    """What a checkpoint kept of a locally refined iteration, checked.

    Attributes
    ----------
    basis, mesh, vector
        Of the last stage.
    moved
        By field, how far the stage moved.
    numbers
        ``inner``, ``reduction`` and ``damping`` of its last linear solve.
    settled, error
        See :class:`LocalStage`.
    course
        See :func:`local_state`.
    convergence
        Its entry.
    """

    basis: str
    mesh: RefinedMesh
    vector: torch.Tensor
    moved: list[float]
    numbers: dict[str, float]
    settled: bool
    error: float | None
    course: dict[str, float]
    convergence: Entry

    @classmethod
    def read(cls, saved: Mapping[str, Any], problem: Problem) -> SavedLocal | None:
        """What a checkpoint has; None where the run had not begun to divide cells.

        Raises
        ------
        CorruptFileError
            If it does not fit the problem and itself.
        """
        whole = Entry.of(saved, "the checkpoint")
        if whole.get("local") is None:
            return None
        kept = whole.at("local")
        basis = kept.at("basis").text([b.name for b in BASES.values() if b.refinable])
        mesh = _mesh(kept.at("resolutions"), whole.at("local_cells"), problem)
        size = sum(len(level.vertices) for level in mesh.levels) * BASES[basis].coefficients ** mesh.dim
        error = kept.at("error")
        numbers = {key: kept.at(key).number(0.0) for key in ("reduction", "damping")}
        return cls(
            basis,
            mesh,
            whole.at("local_vector").tensor((len(problem.fields) * size + len(problem.parameters),)),
            [m.number(0.0) for m in kept.at("moved").items(len(problem.fields))],
            numbers | {"inner": kept.at("inner").integer(0)},
            kept.at("settled").flag(),
            None if error.value is None else error.number(0.0),
            {
                "halvings": kept.at("course").at("halvings").number(0.0, LARGEST_HALVINGS),
                "tried": kept.at("course").at("tried").integer(0),
                "inner_total": kept.at("course").at("inner_total").integer(0),
            },
            kept.at("convergence"),
        )


def _mesh(resolutions: Entry, cells: Entry, problem: Problem) -> RefinedMesh:
    """The levels of cells, from the numbers of those that are refined."""
    dim = problem.domain.dim
    listed = [
        tuple(n.integer(1, 2**40) for n in level.items(dim)) for level in resolutions.items(None, 1, LARGEST_DEPTH)
    ]
    counts = cells.at("counts").tensor((len(listed),), (torch.int64,), 0).tolist()
    refined = cells.at("refined").tensor((None,), (torch.int64,), 0).numpy()
    if math.prod(listed[0]) > 2**24 or sum(counts) != len(refined) or counts[-1]:
        raise cells.refuse("the refined cells of every level")
    for coarse, fine in itertools.pairwise(listed):
        if any(b not in (a, 2 * a) for a, b in zip(coarse, fine, strict=True)):
            raise resolutions.refuse("nested levels, each the one before or twice that")
    mesh = RefinedMesh.uniform(listed[0], problem.periodic)
    parts = np.split(refined, np.cumsum(counts)[:-1])
    for number, (own, fine) in enumerate(zip(parts, listed[1:], strict=False)):
        level = mesh.levels[number]
        marked = np.isin(level.keys, own)
        if not len(own) or int(marked.sum()) != len(own) or not (np.diff(own) > 0).all():
            raise cells.refuse("increasing numbers of cells that their level has")
        ratio = [b // a for a, b in zip(level.resolution, fine, strict=True)]
        chosen = [np.zeros(other.count, dtype=bool) for other in mesh.levels[:-1]]
        finer = mesh.refined([*chosen, marked], ratio)
        if any(a.count != b.count for a, b in zip(mesh.levels, finer.levels, strict=False)):
            raise cells.refuse("cells whose neighbours exist on their level")
        mesh = finer
    return mesh
