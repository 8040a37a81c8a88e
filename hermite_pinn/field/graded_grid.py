"""A grid on one axis whose cells all have lengths of their own, as an encoder."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.schema import Entry

from .broken_grid import BrokenGrid, uniform_layout
from .hermite_grid import HermiteGrid
from .tree import Tree

__all__ = ["GradedGrid"]

MOST = 1 << 24  # cells of a file


@dataclass(frozen=True, eq=False)
class GradedGrid(BrokenGrid):
    """One dense level on one axis, with cells that may be shorter or longer than their neighbours by many decades.

    It is a :class:`.BrokenGrid` with a break at every vertex: each cell has the values and derivatives at both of its
    ends, in units of its own length.

    Parameters
    ----------
    marked
        Vertices at which the solution or its derivatives are known to jump.

    Examples
    --------
    >>> ends = torch.tensor([[[0.0, 1.0], [1.0, 3.0]]])  # values at both ends of two cells
    >>> grid = GradedGrid.of_cells([0.0, 1e-9, 1.0], "linear", ends)
    >>> from hermite_pinn.cuda.encoder.channels import Channels
    >>> grid.jets(torch.tensor([[5e-10, 1.0]]), Channels.value(1)).ravel().tolist()
    [0.5, 3.0]
    """

    marked: tuple[float, ...] = ()

    name: ClassVar[str] = "graded"

    @classmethod
    def of_cells(
        cls, knots: Sequence[float], basis: str, ends: torch.Tensor, marked: Sequence[float] = ()
    ) -> GradedGrid:
        """From values and derivatives at both ends of every cell.

        Parameters
        ----------
        knots
            Ends of the cells, ascending.
        basis
            Name of the basis.
        ends
            (features, cells, 2 m): the m coefficients of the left end, then those of the right one, derivatives by the
            length of the cell.
        marked
            Some of the knots.

        Raises
        ------
        InvalidArgumentError
            If the knots are not ascending, or the numbers do not fit together.
        """
        lines = (tuple(float(k) for k in knots),)
        features, cells, numbers = ends.shape
        if cells != len(lines[0]) - 1 or numbers != 2 * BASES[basis].coefficients:
            raise InvalidArgumentError(
                f"the ends of {len(lines[0]) - 1} cells on a {basis} basis have shape (features, {len(lines[0]) - 1}, "
                f"{2 * BASES[basis].coefficients}), got {tuple(ends.shape)}"
            )
        if not _ascending(lines[0]):
            raise InvalidArgumentError(
                "the ends of cells must be finite, ascending numbers; leave out cells without a length"
            )
        broken = BrokenGrid.of(lines, (cells,), basis, (False,), ends.reshape(features, -1))
        return cls(lines, (cells,), (False,), broken.inner, tuple(marked))

    @property
    def breaks(self) -> tuple[tuple[float, ...], ...]:
        """Vertices at which the solution is known to jump."""
        return (self.marked,)

    @property
    def knots(self) -> tuple[tuple[float, ...], ...]:
        """See :attr:`Encoder.knots`."""
        return self.lines

    def with_parameters(self, tree: Tree) -> GradedGrid:
        """The same grid with another table."""
        return replace(self, inner=self.inner.with_parameters(tree))

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """See :meth:`Encoder.describe`."""
        layout = self.inner.layout
        return {
            "name": self.name,
            "knots": list(self.lines[0]),
            "basis": layout.basis,
            "features": layout.features,
            "breaks": list(self.marked),
        }

    @classmethod
    def from_description(cls, described: Entry, tree: Entry) -> GradedGrid:
        """See :meth:`Encoder.from_description`."""
        whole = described.at("knots")
        knots = tuple(e.number() for e in whole.items(least=2, most=MOST))
        if not _ascending(knots):
            raise whole.refuse("ascending numbers")
        marked = tuple(e.number() for e in described.at("breaks").items(most=len(knots)))
        if not set(marked) <= set(knots[1:-1]) or list(marked) != sorted(set(marked)):
            raise described.at("breaks").refuse("some of the knots, ascending")
        basis, features = described.at("basis").text(BASES), described.at("features").integer(1)
        cells = len(knots) - 1
        try:
            empty = uniform_layout((knots,), (cells,), basis, features, (False,))
        except InvalidArgumentError as error:
            raise CorruptFileError(f"{described.source} is damaged: {error}") from error
        kept = HermiteGrid.from_description(Entry({"layout": empty.key}, described.source, described.path), tree)
        return cls((knots,), (cells,), (False,), kept, marked)


def _ascending(knots: Sequence[float]) -> bool:
    """Whether cells between numbers have a length that can be told from zero."""
    return all(math.isfinite(k) for k in knots) and all(b > a for a, b in itertools.pairwise(knots))
