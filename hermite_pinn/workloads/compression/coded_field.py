"""Coded fields: an octree, the codes of its levels, a network; in memory and in files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.field.octree import Octree
from hermite_pinn.field.tree import TABLE
from hermite_pinn.memory import check_fits
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .codes import CODES, Code
from .container import Block, Contents, encode, read_blocks, write_container
from .field_skeleton import FieldSkeleton
from .integers import pack_bytes, unpack_bytes
from .learnable import Learnable, Skeleton
from .radiance_octree import RadianceSkeleton
from .rows import joined_rows, row_counts, row_width

__all__ = ["SKELETONS", "CodedField", "read_coded"]

#: What there is of fields on octrees, by the kind of their files.
SKELETONS: Mapping[str, type[Skeleton]] = {kind.kind: kind for kind in (FieldSkeleton, RadianceSkeleton)}
MOST_CELLS = 1 << 20  # along an axis of the coarsest level
HALF = np.dtype("<f2")


@dataclass(eq=False)
class CodedField:
    """A field whose features are stored in few bits; what :func:`hermite_pinn.compression.compress` makes of one.

    Attributes
    ----------
    skeleton
        What it is a field of.
    title
        Of solutions.
    tree
        Its octree.
    codes
        By level.
    network
        The parameters of the network one after another, float16.
    scores
        By level how good the field is that ends with it, by name, against what was compressed.
    before
        Bytes of the field that was compressed.
    status, message, history, stats
        Why and how its training ended, a row for every 50 steps, and seconds, steps and more; nothing of a file.
    """

    skeleton: Skeleton
    title: str
    tree: Octree
    codes: tuple[Code, ...]
    network: torch.Tensor
    scores: tuple[Mapping[str, float], ...] = ()
    before: int = 0
    status: Status = Status.COMPLETED
    message: str = ""
    history: History = default(default_factory=History)
    stats: dict[str, Any] = default(default_factory=dict)

    @classmethod
    def of(
        cls,
        learned: Learnable,
        skeleton: Skeleton,
        title: str,
        tree: Octree,
        codes: Sequence[Code],
        before: int = 0,
    ) -> CodedField:
        """A field whose network was learned, with codes for its table."""
        leaves = [leaf.detach().reshape(-1) for path, leaf in learned.tensors().items() if path != TABLE]
        network = torch.cat(leaves).to(torch.float16)
        return cls(skeleton, title, tree, tuple(codes), network, (), before)

    # -- what it is ---
    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return self.skeleton.fields

    @property
    def error(self) -> Mapping[str, float]:
        """How good the field of all levels is; see :attr:`scores`."""
        return self.scores[-1] if self.scores else {}

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.codes)

    def field(self, levels: int | None = None) -> Any:
        """The :class:`.Learnable` that the coarsest levels are, in single precision; by default that of all of them."""
        count = self.levels if levels is None else levels
        check_fits(4.0 * self.skeleton.layout(self.tree.prefix(count)).size, f"the decoded tables of {count} levels", "read fewer levels")  # fmt: skip
        empty = self.skeleton.empty(self.tree, count, torch.Generator().manual_seed(0))
        table = joined_rows([code.rows() for code in self.codes[:count]], empty.layout)
        return empty.with_tensors({TABLE: table} | _network(empty, self.network))

    def solution(self, levels: int | None = None) -> Any:
        """:meth:`field` as users get it: a solution or a radiance field."""
        return self.skeleton.finished(self.field(levels), self.codes[0].name, self.title)

    # -- files ---
    def _blocks(self) -> list[Block]:
        blocks = [*self.skeleton.blocks(), Block("network", 0, self.network.numpy().astype(HALF).tobytes())]
        first = self.skeleton.first_cells(self.tree.coarsest, self.levels)
        for level in range(1, self.levels):
            place = 0 if level <= first else level
            blocks.append(Block(f"cells {level}", place, pack_bytes(self.tree.masks(level - 1))))
        for level, code in enumerate(self.codes):
            blocks += code.blocks(level)
        return blocks

    def _meta(self) -> dict[str, Any]:
        return {
            **self.skeleton.describe(),
            "title": self.title,
            "coarsest": list(self.tree.coarsest),
            "code": {"name": self.codes[0].name, **self.codes[0].described()},
            "scores": [dict(level) for level in self.scores],
            "before": self.before,
        }

    @property
    def sizes(self) -> tuple[int, ...]:
        """By level, bytes of the file up to its end."""
        return encode(self.skeleton.kind, self._meta(), self._blocks())[1]

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return self.sizes[-1]

    @property
    def coded_bytes(self) -> int:
        """Bytes of codes and network, without text and octree: what the formula of the format counts."""
        return sum(code.bytes for code in self.codes) + 2 * self.network.numel()

    @property
    def ratio(self) -> float:
        """Bytes of what was compressed, by those of the file."""
        return self.before / self.bytes

    def __repr__(self) -> str:
        scores = "".join(f", {name} {value:.4g}" for name, value in self.error.items())
        return f"CodedField({', '.join(self.fields)}, {self.codes[0].name}, {self.levels} levels, {self.bytes:,} bytes, {self.ratio:.3g} times fewer{scores})"

    def save(self, path: str | Path) -> None:
        """Write the file, whose levels of detail follow each other."""
        write_container(path, self.skeleton.kind, self._meta(), self._blocks())

    @classmethod
    def read(cls, contents: Contents, levels: int) -> CodedField:
        """The coarsest levels of a file.

        Raises
        ------
        CorruptFileError
            If it holds something else.
        """
        meta = Entry.of(contents.meta, str(contents.source))
        blocks = read_blocks(contents, levels)
        dim = len(meta.at("coarsest").items(least=1, most=4))
        coarsest = tuple(e.integer(1, MOST_CELLS) for e in meta.at("coarsest").items(dim))
        skeleton = SKELETONS[contents.kind].restored(meta, dim, blocks, contents)
        code = meta.at("code")
        kind = CODES[code.at("name").text(CODES)]
        cells = math.prod(coarsest)
        if cells > 8 * contents.sizes[0]:  # of every corner there is a bit at least
            raise meta.at("coarsest").refuse(f"as many cells as {contents.sizes[0]:,} bytes can code")
        numbers = _numbers(blocks, skeleton.network_numbers, contents)
        tree = Octree.whole(coarsest)
        for level in range(1, max(levels, 1 + skeleton.first_cells(coarsest, contents.levels))):
            tree = _refined(tree, _block(f"cells {level}", blocks), contents)
        layout = skeleton.layout(tree.prefix(levels))
        codes = []
        for level, count in enumerate(row_counts(layout)):
            parts = {
                name.removesuffix(f" {level}"): data for name, data in blocks.items() if name.endswith(f" {level}")
            }
            codes.append(kind.restored(code, parts, (count, row_width(layout))))
        scores = _scores(meta.at("scores"), contents.levels)[:levels]
        title, before = meta.at("title").text(), meta.at("before").integer(0)
        return cls(skeleton, title, tree, tuple(codes), numbers, scores, before)


def read_coded(contents: Contents, levels: int) -> Any:
    """The coarsest levels of a file as a solution or a radiance field; see :meth:`CodedField.read`."""
    source = str(contents.source)
    with intact(source):
        try:
            return CodedField.read(contents, levels).solution()
        except InvalidArgumentError as error:  # of options that no field of ours has
            raise CorruptFileError(f"{source} is damaged: {error}") from error


def _network(empty: Learnable, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
    """The parameters of the network by path."""
    leaves = {path: leaf for path, leaf in empty.tensors().items() if path != TABLE}
    parts = numbers.float().split([leaf.numel() for leaf in leaves.values()])
    return {path: part.reshape(leaf.shape).clone() for (path, leaf), part in zip(leaves.items(), parts, strict=True)}


def _refined(tree: Octree, packed: bytes, contents: Contents) -> Octree:
    """One more level, which has no more cells than the file can have bits for."""
    masks = unpack_bytes(packed, tree.mask_bytes, str(contents.source))
    cells = int(np.unpackbits(np.frombuffer(masks, np.uint8)).sum())
    if cells > 8 * contents.sizes[-1]:
        raise CorruptFileError(
            f"{contents.source} is damaged: a level has {cells:,} cells, more than {contents.sizes[-1]:,} bytes can code"
        )
    check_fits(600.0 * cells, f"{cells:,} cells of {contents.source}", "read fewer levels")
    return tree.refined(masks)


def _numbers(blocks: Mapping[str, bytes], count: int, contents: Contents) -> torch.Tensor:
    """The parameters of a network from their block."""
    data = _block("network", blocks)
    if len(data) != count * HALF.itemsize:
        raise CorruptFileError(
            f"{contents.source} is damaged: its network has {len(data):,} bytes, and its layers {count:,} numbers of 2"
        )
    numbers = np.frombuffer(data, HALF).astype(np.float16)
    if not np.isfinite(numbers).all():
        raise CorruptFileError(f"{contents.source} is damaged: its network has numbers that are not finite")
    return torch.from_numpy(numbers)


def _scores(listed: Entry, levels: int) -> tuple[Mapping[str, float], ...]:
    rows = listed.items(most=levels)
    if rows and len(rows) != levels:
        raise listed.refuse(f"{levels} rows, one for every level, or none")
    return tuple({name: e.number() for name, e in row.entries().items()} for row in rows)


def _block(name: str, blocks: Mapping[str, bytes]) -> bytes:
    if name not in blocks:
        raise CorruptFileError(f"a level has no block of {name}; the file is damaged")
    return blocks[name]
