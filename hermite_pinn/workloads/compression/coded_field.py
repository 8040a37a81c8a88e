"""Coded fields: an octree, the codes of its levels, a network; in memory and in files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import KERNEL_BASES
from hermite_pinn.cuda.network.activation import ACTIVATIONS
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.tree import TABLE
from hermite_pinn.geometry import Box
from hermite_pinn.memory import check_fits
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry

from .codes import CODES, Code
from .container import Block, Contents, encode, read_blocks, write_container
from .octree import Octree
from .octree_field import Decoder, network_numbers, octree_field, octree_layout
from .rows import joined_rows, row_counts, row_width

__all__ = ["KIND", "CodedField", "read_coded"]

KIND = "field on an octree"
MOST = {"features": 4096, "width": 1 << 16, "depth": 256, "cells": 1 << 20}
HALF = np.dtype("<f2")


@dataclass(frozen=True, eq=False)
class CodedField:
    """A field whose features are stored in few bits; what :func:`hermite_pinn.compression.compress` makes of one.

    Attributes
    ----------
    domain, names, periodic, title
        Of the field.
    tree
        Its octree.
    decoder
        The network and what it reads.
    codes
        By level.
    network
        The parameters of the network one after another, float16.
    scores
        By level how good the field is that ends with it, by name, against what was compressed.
    before
        Bytes of the field that was compressed.
    """

    domain: Box
    names: tuple[str, ...]
    periodic: tuple[bool, ...]
    title: str
    tree: Octree
    decoder: Decoder
    codes: tuple[Code, ...]
    network: torch.Tensor
    scores: tuple[Mapping[str, float], ...] = ()
    before: int = 0

    @classmethod
    def of(
        cls,
        learned: GridField,
        domain: Box,
        title: str,
        tree: Octree,
        decoder: Decoder,
        codes: Sequence[Code],
        before: int = 0,
    ) -> CodedField:
        """A field whose network was learned, with codes for its table."""
        leaves = [leaf.detach().reshape(-1) for path, leaf in learned.tensors().items() if path != TABLE]
        network = torch.cat(leaves).to(torch.float16)
        periodic = learned.layout.periodic
        return cls(domain, learned.names, periodic, title, tree, decoder, tuple(codes), network, (), before)

    # -- what it is ---
    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return self.names

    @property
    def error(self) -> Mapping[str, float]:
        """How good the field of all levels is; see :attr:`scores`."""
        return self.scores[-1] if self.scores else {}

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.codes)

    def field(self, levels: int | None = None) -> GridField:
        """The field that the coarsest levels are, in single precision; by default that of all of them."""
        count = self.levels if levels is None else levels
        layout = octree_layout(self.domain, self.periodic, self.tree.prefix(count), self.decoder)
        what = f"the decoded tables of {count} levels"
        check_fits(4.0 * layout.size, what, "read fewer levels")
        empty = octree_field(
            self.domain,
            self.names,
            self.periodic,
            self.tree.prefix(count),
            self.decoder,
            0.0,
            torch.Generator().manual_seed(0),
        )
        table = joined_rows([code.rows() for code in self.codes[:count]], empty.layout)
        return empty.with_tensors({TABLE: table} | _network(empty, self.network))

    def solution(self, levels: int | None = None) -> Solution:
        """:meth:`field` as a solution, which can be evaluated, drawn, extracted and saved."""
        decoded = self.field(levels)
        count = decoded.layout.levels
        return Solution(
            domain=self.domain,
            periodic=self.periodic,
            field=decoded,
            status=Status.COMPLETED,
            message=f"decoded from {count} level{'s' * (count > 1)} of detail",
            history=History(),
            parameters={},
            stats={"parameters": decoded.parameter_count, "dtype": "float32"},
            residuals={},
            estimated_error=None,
            title=self.title,
            settings={"problem": self.title, "method": f"coded as {self.codes[0].name}", "levels": count},
        )

    # -- files ---
    def _blocks(self) -> list[Block]:
        blocks = [Block("network", 0, self.network.numpy().astype(HALF).tobytes())]
        for level, code in enumerate(self.codes):
            if level:
                blocks.append(Block(f"cells {level}", level, self.tree.masks(level - 1)))
            blocks += code.blocks(level)
        return blocks

    def _meta(self) -> dict[str, Any]:
        return {
            "box": {name: list(bounds) for name, bounds in self.domain.bounds.items()},
            "names": list(self.names),
            "periodic": list(self.periodic),
            "title": self.title,
            "coarsest": list(self.tree.coarsest),
            "decoder": asdict(self.decoder),
            "code": {"name": self.codes[0].name, **self.codes[0].described()},
            "scores": [dict(level) for level in self.scores],
            "before": self.before,
        }

    @property
    def sizes(self) -> tuple[int, ...]:
        """By level, bytes of the file up to its end."""
        return encode(KIND, self._meta(), self._blocks())[1]

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

    def save(self, path: str | Path) -> None:
        """Write the file, whose levels of detail follow each other."""
        write_container(path, KIND, self._meta(), self._blocks())

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
        coarsest = tuple(e.integer(1, MOST["cells"]) for e in meta.at("coarsest").items(dim))
        domain, periodic = _domain(meta, dim), tuple(e.flag() for e in meta.at("periodic").items(dim))
        names = tuple(e.text() for e in meta.at("names").items(least=1, most=64))
        decoder = _decoder(meta.at("decoder"))
        code = meta.at("code")
        kind = CODES[code.at("name").text(CODES)]
        cells = math.prod(coarsest)
        if cells > 8 * contents.sizes[0]:  # of every corner there is a bit at least
            raise meta.at("coarsest").refuse(f"as many cells as {contents.sizes[0]:,} bytes can code")
        numbers = _numbers(blocks, network_numbers(decoder, periodic, len(names)), contents)
        tree = Octree.whole(coarsest)
        for level in range(1, levels):
            tree = tree.refined(_block(f"cells {level}", blocks))
        layout = octree_layout(domain, periodic, tree, decoder)
        codes = []
        for level, count in enumerate(row_counts(layout)):
            parts = {
                name.removesuffix(f" {level}"): data for name, data in blocks.items() if name.endswith(f" {level}")
            }
            codes.append(kind.restored(code, parts, (count, row_width(layout))))
        scores = _scores(meta.at("scores"), contents.levels)[:levels]
        title, before = meta.at("title").text(), meta.at("before").integer(0)
        return cls(domain, names, periodic, title, tree, decoder, tuple(codes), numbers, scores, before)


def read_coded(contents: Contents, levels: int) -> Solution:
    """The coarsest levels of a file as a solution; see :meth:`CodedField.read`."""
    return CodedField.read(contents, levels).solution()


def _network(empty: GridField, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
    """The parameters of the network by path."""
    leaves = {path: leaf for path, leaf in empty.tensors().items() if path != TABLE}
    parts = numbers.float().split([leaf.numel() for leaf in leaves.values()])
    return {path: part.reshape(leaf.shape).clone() for (path, leaf), part in zip(leaves.items(), parts, strict=True)}


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


def _domain(meta: Entry, dim: int) -> Box:
    bounds = {}
    for name, pair in meta.at("box").entries().items():
        low, high = (e.number() for e in pair.items(2))
        if not name.isidentifier() or not low < high:
            raise pair.refuse("a lower and a larger upper bound of a named axis")
        bounds[name] = (low, high)
    if len(bounds) != dim:
        raise meta.at("box").refuse(f"{dim} axes")
    return Box(**bounds)


def _scores(listed: Entry, levels: int) -> tuple[Mapping[str, float], ...]:
    rows = listed.items(most=levels)
    if rows and len(rows) != levels:
        raise listed.refuse(f"{levels} rows, one for every level, or none")
    return tuple({name: e.number() for name, e in row.entries().items()} for row in rows)


def _decoder(described: Entry) -> Decoder:
    described.items_named([f.name for f in fields(Decoder)])
    return Decoder(
        described.at("features").integer(1, MOST["features"]),
        described.at("width").integer(1, MOST["width"]),
        described.at("depth").integer(1, MOST["depth"]),
        described.at("activation").text(ACTIVATIONS),
        described.at("omega").number(1e-6),
        described.at("basis").text(KERNEL_BASES),
    )


def _block(name: str, blocks: Mapping[str, bytes]) -> bytes:
    if name not in blocks:
        raise CorruptFileError(f"a level has no block of {name}; the file is damaged")
    return blocks[name]
