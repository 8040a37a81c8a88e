"""Conditions that a tensor grid satisfies exactly: prescribed values and normal derivatives on whole faces.

The trace on a face normal to axis i involves only the coefficients of order 0 along i at the vertices of the face,
and the normal derivative only those of order 1.  Those coefficients are fixed: on the finest level to the projection
of the prescribed function, on all others to zero, and they are no unknowns of the solve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.conditions import Term
from hermite_pinn.cuda.layout import BASES
from hermite_pinn.geometry import Face, gauss_axis
from hermite_pinn.residuals import CompiledTerm

from .collocation import Axis
from .krylov import cgls
from .tensor_block import TensorBlock

__all__ = ["Constraints", "is_hard"]


def is_hard(term: Term, basis: str) -> bool:
    """Whether a dense grid of this basis can satisfy the term exactly."""
    return (
        term.trace is not None
        and isinstance(term.region, Face)
        and term.trace.order < BASES[basis]
        and basis != "smoothstep"
    )


@dataclass(frozen=True)
class Constraints:
    """The fixed coefficients of a problem on a basis."""

    terms: tuple[Term, ...]
    fields: tuple[str, ...]
    basis: str
    axes: tuple[Axis, ...]

    def count(self, field: str, axis: int) -> int:
        """Coefficients fixed along one line in direction ``axis``."""
        found = set()
        for t in self.terms:
            assert t.trace is not None
            assert isinstance(t.region, Face)
            if t.trace.field == field and t.region.axis == axis:
                found.add((t.region.side, t.trace.order))
        return len(found)

    def mask(self, shape: Sequence[int], device: torch.device | str = "cpu") -> torch.Tensor:
        """Which coefficients of a level of shape (fields, m N_1, ...) are fixed."""
        m = BASES[self.basis]
        found = torch.zeros(tuple(shape), dtype=torch.bool, device=device)
        for t in self.terms:
            assert t.trace is not None
            assert isinstance(t.region, Face)
            where: list[int | slice] = [slice(None)] * len(shape)
            where[0] = self.fields.index(t.trace.field)
            last = shape[t.region.axis + 1] - m
            where[t.region.axis + 1] = (last if t.region.side else 0) + t.trace.order
            found[tuple(where)] = True
        return found

    @property
    def homogeneous(self) -> bool:
        """Whether every prescribed function is zero."""
        return all(t.trace is not None and t.trace.value.is_constant and t.trace.value.data == 0 for t in self.terms)

    def lift(
        self, resolution: tuple[int, ...], coefficients: torch.Tensor, parameters: dict[str, float]
    ) -> torch.Tensor:
        """Finest-level coefficients with the fixed entries set to represent the prescribed functions.

        The fixed entries are the weighted least-squares fit at the Gauss points of the faces (the error is that of
        interpolation, O(h^4) for cubics); where faces with different data meet, it is their mean.
        """
        if not self.terms:
            return coefficients
        mask = self.mask(coefficients.shape, coefficients.device)
        found = torch.where(mask, 0.0, coefficients)
        if self.homogeneous:
            return found
        blocks = []
        for t in self.terms:
            face = t.region
            assert isinstance(face, Face)
            points, weights = [], []
            for i, a in enumerate(self.axes):
                if i == face.axis:
                    p, w = np.array([face.position]), np.ones(1)
                else:
                    p, w = gauss_axis(*a.bounds, resolution[i], BASES[self.basis] + 2)
                points.append(p)
                weights.append(w)
            # a derivative along the axis counts in cell units, like the coefficient it fixes
            order = t.trace.order if t.trace is not None else 0
            scale = (
                (resolution[face.axis]) / (self.axes[face.axis].bounds[1] - self.axes[face.axis].bounds[0])
            ) ** order
            compiled = CompiledTerm(t)
            names = tuple(parameters)
            blocks.append(
                TensorBlock(
                    [compiled], self.fields, names, self.basis, resolution, self.axes, points, weights, [scale],
                    coefficients.dtype, coefficients.device,
                )
            )  # fmt: skip
        none = torch.zeros(len(parameters), dtype=coefficients.dtype, device=coefficients.device)
        rows = [block.linearize(found, parameters)[0] for block in blocks]
        diagonal: torch.Tensor = sum(b.diagonal(resolution, tuple(found.shape)) for b in blocks)  # type: ignore[assignment]
        inverse = torch.where(mask & (diagonal > 0), diagonal, 1.0).rsqrt() * (mask & (diagonal > 0))

        def forward(y: torch.Tensor) -> list[torch.Tensor]:
            direction = y.view(found.shape) * inverse
            return [block.forward(direction, none)[0].clone() for block in blocks]

        def adjoint(r: list[torch.Tensor]) -> torch.Tensor:
            out = torch.zeros_like(found)
            for block, row in zip(blocks, r, strict=True):
                block.adjoint([row], out)
            return (out * inverse).reshape(-1)

        result = cgls(forward, adjoint, [-r for r in rows], tol=1e-13, max_steps=400)
        return found + result.y.view(found.shape) * inverse
