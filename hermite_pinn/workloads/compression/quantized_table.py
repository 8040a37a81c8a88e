"""Tables whose rows are entries of codebooks, while they are learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.memory import check_fits

from .codebook import codebook_gradient, halved, logit_gradient, piece_rows
from .codes import VectorCode, half_numbers
from .corrections import at_corners
from .kmeans import clusters, nearest
from .rows import joined_rows, row_counts, row_width, rows_of

__all__ = ["LevelCodes", "QuantizedTable", "Rates"]

#: How fast the mean square of the gradients of a row forgets.
MEMORY = 0.99
TINY = 1e-20


@dataclass(frozen=True)
class Rates:
    """How far a step goes.

    Attributes
    ----------
    logits
        RMS of the change of the logits of a row.
    temperature
        Of the softmax that gradients go through.
    """

    logits: float
    temperature: float


class LevelCodes:
    """Logits and codebook of one level.

    A step needs a softmax only for the rows that the gradient touches, some thousand of them at a time: beside
    logits, codebook and one number per row, memory is bounded, however many points and bits there are.

    Parameters
    ----------
    logits
        (m, 2**bits); changed in place.
    codebook
        (2**bits, w), trained by whoever holds it.
    """

    def __init__(self, logits: torch.Tensor, codebook: torch.Tensor) -> None:
        self.logits = logits
        self.codebook = codebook
        self.index = logits.argmax(1)
        self.squares = logits.new_zeros(len(logits))
        self.touched = logits.new_zeros(len(logits))

    @classmethod
    def around(
        cls, rows: torch.Tensor, metric: torch.Tensor, bits: int, sharpness: float, generator: torch.Generator
    ) -> LevelCodes:
        """Codes of given rows: clusters as the codebook, and logits that fall with squared distances.

        Parameters
        ----------
        rows
            (m, w).
        metric
            (w, w): distances are those of rows times this matrix.
        bits
            Of an index.
        sharpness
            Logits are ``-sharpness / 2`` times squared distances in units of their mean.
        generator
            Of the first clusters.
        """
        seen = rows @ metric
        centres = clusters(seen, 1 << bits, generator)
        index, squares = nearest(seen, centres)
        unit = max(float(squares.mean()), TINY)
        logits = rows.new_empty(len(rows), 1 << bits)
        some = piece_rows(1 << bits)
        for part, out in zip(seen.split(some), logits.split(some), strict=True):
            out.copy_(torch.cdist(part, centres).square_().mul_(-0.5 * sharpness / unit))
        counts = torch.bincount(index, minlength=1 << bits).clamp(min=1)
        codebook = rows.new_zeros(1 << bits, rows.shape[1]).index_add_(0, index, rows) / counts[:, None]
        return cls(logits, codebook)

    @classmethod
    def random(
        cls, count: int, width: int, bits: int, std: float, generator: torch.Generator, like: torch.Tensor
    ) -> LevelCodes:
        """Codes with normal random numbers everywhere, as published."""
        draw = {"generator": generator, "dtype": like.dtype}
        logits = torch.randn(count, 1 << bits, **draw).mul_(std)  # type: ignore[call-overload]
        return cls(logits, torch.randn(1 << bits, width, **draw).mul_(std))  # type: ignore[call-overload]

    def rows(self) -> torch.Tensor:
        """What is read, (m, w): the entry with the largest logit, rounded as in a file."""
        return halved(self.codebook)[self.index]

    def code(self) -> VectorCode:
        """What is stored: :meth:`rows` bit for bit."""
        return VectorCode(self.index.cpu().numpy().astype(np.uint16), half_numbers(self.codebook).cpu())

    def step(self, gradient: torch.Tensor, rates: Rates) -> torch.Tensor:
        """Move the logits against a gradient by the rows, (m, w); returns that by the codebook.

        The step of a row is divided by the root of the mean square of its own gradients.
        """
        rows = gradient.any(1).nonzero()[:, 0]
        by_codebook = codebook_gradient(self.index[rows], gradient[rows], len(self.codebook))
        read = halved(self.codebook)
        for some in rows.split(piece_rows(len(read))):
            slope = logit_gradient(self.logits[some], read, gradient[some], rates.temperature)
            seen = self.touched[some] + 1
            mean = MEMORY * self.squares[some] + (1 - MEMORY) * torch.linalg.vecdot(slope, slope) / len(read)
            self.touched[some], self.squares[some] = seen, mean
            unit = (mean / (1 - MEMORY**seen)).sqrt_().add_(TINY)
            moved = self.logits[some].addcmul_(slope, (-rates.logits / unit)[:, None])
            self.logits[some], self.index[some] = moved, moved.argmax(1)
        return by_codebook

    def revive(self, generator: torch.Generator) -> int:
        """Give every entry that no row reads half of the rows of the one that is read most; returns how many."""
        usage = torch.bincount(self.index, minlength=len(self.codebook))
        dead = (usage == 0).nonzero()[:, 0].tolist()
        revived = 0
        for entry in dead:
            donor = int(usage.argmax())
            if usage[donor] < 2:
                break
            rows = (self.index == donor).nonzero()[:, 0]
            given = rows[torch.rand(len(rows), generator=generator).to(rows.device).argsort()[: len(rows) // 2]]
            self.codebook[entry] = self.codebook[donor]
            self.logits[:, entry] = self.logits[:, donor]
            self.logits[rows, entry] -= 1e-3
            self.logits[given, entry] += 2e-3
            self.index[given] = entry
            usage[donor] -= len(given)
            usage[entry] = len(given)
            revived += 1
        return revived


@dataclass(frozen=True)
class QuantizedTable:
    """The codes of all levels of a grid.

    Attributes
    ----------
    layout
        Of the grid.
    levels
        Codes, from the coarsest level on.
    """

    layout: GridLayout
    levels: tuple[LevelCodes, ...]

    @classmethod
    def around(
        cls,
        table: torch.Tensor,
        layout: GridLayout,
        metrics: Sequence[torch.Tensor],
        bits: int,
        sharpness: float,
        generator: torch.Generator,
    ) -> QuantizedTable:
        """Codes of a table, from the coarsest level on; each level takes over what those before it lose.

        Parameters
        ----------
        metrics
            By level; see :meth:`LevelCodes.around`.

        Raises
        ------
        OutOfMemoryError
            If the logits do not fit.
        """
        _check_memory(layout, bits)
        levels: list[LevelCodes] = []
        lost: list[torch.Tensor] = []
        for k, (own, metric) in enumerate(zip(rows_of(table.detach(), layout), metrics, strict=True)):
            wanted = own + at_corners(lost, layout, k) if k and layout.record == 1 else own
            levels.append(LevelCodes.around(wanted, metric, bits, sharpness, generator))
            lost.append(own - levels[-1].rows())
        return cls(layout, tuple(levels))

    @classmethod
    def random(
        cls, table: torch.Tensor, layout: GridLayout, bits: int, std: float, generator: torch.Generator
    ) -> QuantizedTable:
        """Random codes; see :meth:`LevelCodes.random`."""
        _check_memory(layout, bits)
        counts, width = row_counts(layout), row_width(layout)
        return cls(layout, tuple(LevelCodes.random(m, width, bits, std, generator, table) for m in counts))

    # -- between runs ---
    def state(self) -> dict[str, torch.Tensor]:
        """All numbers by name, but the codebooks."""
        return {
            f"{k}.{name}": getattr(level, name)
            for k, level in enumerate(self.levels)
            for name in ("logits", "squares", "touched")
        }

    def restore(self, saved: Mapping[str, torch.Tensor]) -> None:
        """Continue from :meth:`state`.

        Raises
        ------
        CorruptFileError
            If its numbers are others.
        """
        own = self.state()
        if set(own) != set(saved) or any(own[k].shape != saved[k].shape for k in own):
            raise CorruptFileError("the checkpoint is damaged: its logits do not fit the octree")
        for name, tensor in own.items():
            tensor.copy_(saved[name])
        for level in self.levels:
            level.index = level.logits.argmax(1)

    # -- training ---
    def table(self) -> torch.Tensor:
        """The flat table that is read."""
        return joined_rows([level.rows() for level in self.levels], self.layout)

    def step(self, gradient: torch.Tensor, rates: Rates) -> list[torch.Tensor]:
        """One step of all logits against the gradient by the table; returns those by the codebooks."""
        rows = rows_of(gradient, self.layout)
        return [level.step(part, rates) for level, part in zip(self.levels, rows, strict=True)]

    @property
    def codebooks(self) -> Sequence[torch.Tensor]:
        """Of all levels."""
        return [level.codebook for level in self.levels]


def _check_memory(layout: GridLayout, bits: int) -> None:
    need = 4.0 * sum(row_counts(layout)) * (1 << bits)
    what = f"logits of {sum(row_counts(layout)):,} corners and {1 << bits} entries"
    check_fits(need, what, "take fewer bits, or an octree with fewer cells")
