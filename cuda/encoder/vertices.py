"""Sets of vertices of a level, and the maps by which kernels find the record of one."""

from __future__ import annotations

import base64
import hashlib
import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["VertexList"]

#: Vertices of a brick along every axis, as powers of two, for 1 to 4 axes: 64 in all.
BRICK_BITS = ((6,), (3, 3), (2, 2, 2), (2, 2, 1, 1))

#: The array a map begins with has at most so many nodes, or as many as there are vertices.
SMALL = 4096

#: Most bytes of a list that is read from a text, those of 13 million bricks in four axes.
MOST_BYTES = 1 << 28

_ONES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class VertexList:
    """A set of vertices of a level, which are the only ones with a record: :attr:`GridLayout.listed`.

    The set is kept as bricks of 64 vertices with one bit for each.  Its vertices have an order of their own, brick
    by brick along a space-filling curve, and so have their records; the order in which they were given is forgotten.
    Lists with the same vertices are equal.

    Attributes
    ----------
    bricks
        Of the bricks with vertices, the position in units of bricks, int32 of shape (count, dim).
    parts
        Which vertices of a brick are listed, one bit each, uint64 of shape (count,).

    Examples
    --------
    >>> corner = VertexList.of([(0, 1), (0, 0), (1, 0)])
    >>> len(corner)
    3
    >>> corner.vertices
    array([[0, 0],
           [0, 1],
           [1, 0]])
    >>> corner == VertexList.of([(1, 0), (0, 0), (0, 1)])
    True
    """

    bricks: np.ndarray
    parts: np.ndarray

    def __post_init__(self) -> None:
        self.bricks.setflags(write=False)
        self.parts.setflags(write=False)

    @classmethod
    def of(cls, vertices: Any) -> VertexList:
        """The set of the given vertices.

        Parameters
        ----------
        vertices
            Integers of shape (count, dim), one row per vertex with its number along every axis, in any order; one
            that comes twice counts once.

        Raises
        ------
        InvalidArgumentError
            For another shape, no vertices, numbers that are not integers, negative, or above 2**31 - 1.
        """
        given = np.asarray(vertices)
        if given.ndim != 2 or not 1 <= given.shape[1] <= 4 or given.dtype.kind not in "iu":
            raise InvalidArgumentError(
                f"a list of vertices has integers of shape (count, dim) with 1 to 4 axes, got {given.dtype} of shape {given.shape}"
            )
        if not len(given):
            raise InvalidArgumentError("a list of vertices needs at least one; leave out a level that has none")
        if int(given.min()) < 0 or int(given.max()) >= 2**31:
            raise InvalidArgumentError(
                f"vertices are numbered from 0 to 2**31 - 1 along every axis, got {int(given.min())} to {int(given.max())}"
            )
        given = given.astype(np.int64)
        given = given[_curve(given)]
        bits = np.array(BRICK_BITS[given.shape[1] - 1])
        bricks = given >> bits
        starts = _starts(bricks)
        parts = np.bitwise_or.reduceat(np.uint64(1) << _part(given, 0).astype(np.uint64), starts)
        return cls(bricks[starts].astype(np.int32), parts)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.bricks.shape[1])

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.bricks.nbytes + self.parts.nbytes

    @cached_property
    def counts(self) -> np.ndarray:
        """Vertices of every brick, int64."""
        return _bit_count(self.parts)

    def __len__(self) -> int:
        return int(self.counts.sum())

    @property
    def vertices(self) -> np.ndarray:
        """The vertices in the order of their records, int64 of shape (count, dim)."""
        listed = (self.parts[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1) > 0
        brick, part = np.nonzero(listed)
        vertices = np.empty((len(brick), self.dim), dtype=np.int64)
        for axis in reversed(range(self.dim)):
            bits = BRICK_BITS[self.dim - 1][axis]
            vertices[:, axis] = (self.bricks[brick, axis].astype(np.int64) << bits) + (part & ((1 << bits) - 1))
            part = part >> bits
        return vertices

    @cached_property
    def largest(self) -> tuple[int, ...]:
        """The largest number of a vertex along every axis."""
        bits, largest = BRICK_BITS[self.dim - 1], []
        for axis in range(self.dim):
            last = self.bricks[:, axis] == self.bricks[:, axis].max()
            listed = int(np.bitwise_or.reduce(self.parts[last]))
            step = sum(bits[axis + 1 :])
            inside = max(part >> step & ((1 << bits[axis]) - 1) for part in range(64) if listed >> part & 1)
            largest.append((int(self.bricks[last][0, axis]) << bits[axis]) + inside)
        return tuple(largest)

    @cached_property
    def text(self) -> str:
        """The list as text, from which :meth:`from_text` makes an equal one."""
        steps = np.diff(self.bricks.astype("<i4"), axis=0, prepend=np.zeros((1, self.dim), "<i4"))
        packed = zlib.compress(steps.T.tobytes() + self.parts.astype("<u8").tobytes())
        return f"{self.dim}:{base64.b64encode(packed).decode()}"

    @classmethod
    def from_text(cls, text: str, most: int = MOST_BYTES) -> VertexList:
        """Inverse of :attr:`text`, for a list of at most so many bytes.

        Raises
        ------
        InvalidArgumentError
            For a text that is none of a list.
        """
        try:
            dim, packed = text.split(":")
            axes, unpacking = int(dim), zlib.decompressobj()
            data = unpacking.decompress(base64.b64decode(packed, validate=True), max(1, most))
            if not 1 <= axes <= 4 or not unpacking.eof:
                raise ValueError("no vertices, or too many")
            count = len(data) // (4 * axes + 8)
            if not count:
                raise ValueError("no vertices")
            steps = np.frombuffer(data, "<i4", count * axes).reshape(axes, count).T
            parts = np.frombuffer(data, "<u8", count, offset=4 * axes * count).astype(np.uint64)
        except (ValueError, zlib.error) as error:
            raise InvalidArgumentError(f"this is no list of vertices: {text[:40]!r}") from error
        bricks = np.cumsum(steps, axis=0, dtype=np.int64)
        bits = np.array(BRICK_BITS[axes - 1])
        if bricks.min() < 0 or (bricks << bits).max() >= 2**31 or not parts.all() or not _in_order(bricks << bits):
            raise InvalidArgumentError(f"this is no list of vertices in their order: {text[:40]!r}")
        return cls(bricks.astype(np.int32), parts)

    @cached_property
    def digest(self) -> bytes:
        """A hash of the contents."""
        return hashlib.sha256(np.int64(self.dim).tobytes() + self.bricks.tobytes() + self.parts.tobytes()).digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, VertexList) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"VertexList({len(self)} vertices in {len(self.parts)} bricks)"

    def depth(self, counts: Sequence[int]) -> int:
        """Nodes on the way from the root of the map of a level of ``counts`` vertices per axis to a record."""
        return next(d for d in itertools.count(1) if math.prod(_top(counts, d)) <= max(SMALL, len(self)))

    def map(self, counts: Sequence[int]) -> np.ndarray:
        """The nodes by which the kernels find a slot, int64 of shape (nodes, 2): ``node`` of storage.cuh.

        Parameters
        ----------
        counts
            Vertices of the level along every axis.
        """
        depth = self.depth(counts)
        steps = [(self.bricks.astype(np.int64), self.parts)]
        for _ in range(1, depth):
            inner = steps[-1][0]
            outer = inner >> np.array(BRICK_BITS[self.dim - 1])
            starts = _starts(outer)
            bits = np.uint64(1) << _part(inner, 0).astype(np.uint64)
            steps.append((outer[starts], np.bitwise_or.reduceat(bits, starts)))
        top = _top(counts, depth)
        beginnings = list(itertools.accumulate((len(parts) for _, parts in steps[-2::-1]), initial=math.prod(top)))
        # the nodes of a step lead to those of the next finer one, and the bricks to the slots
        targets = [0, *reversed(beginnings[:-1])] if depth > 1 else [0]
        tables = []
        for (_, parts), first in zip(steps, targets, strict=True):
            inside = _bit_count(parts)
            tables.append(np.stack([parts.view(np.int64), first + np.cumsum(inside) - inside], 1))
        root = np.zeros((math.prod(top), 2), dtype=np.int64)
        root[np.ravel_multi_index(tuple(steps[-1][0].T), top)] = tables[-1]
        return np.concatenate([root, *tables[-2::-1]])


def _top(counts: Sequence[int], depth: int) -> tuple[int, ...]:
    """Extent, per axis, of the array of the largest bricks of a map."""
    return tuple(((n - 1) >> (b * depth)) + 1 for n, b in zip(counts, BRICK_BITS[len(counts) - 1], strict=True))


def _part(vertices: np.ndarray, step: int) -> np.ndarray:
    """Number within the brick that contains it, of vertices (step 0), of bricks within larger ones (step 1), ..."""
    part = np.zeros(len(vertices), dtype=np.int64)
    for axis, bits in enumerate(BRICK_BITS[vertices.shape[1] - 1]):
        part = part << bits | (vertices[:, axis] >> (bits * step)) & ((1 << bits) - 1)
    return part


def _curve(vertices: np.ndarray) -> np.ndarray:
    """The permutation that sorts vertices brick by brick, bricks by larger ones, and so on."""
    keys, steps = (
        [],
        max(
            1,
            *(
                -(-int(n).bit_length() // b)
                for n, b in zip(vertices.max(0), BRICK_BITS[vertices.shape[1] - 1], strict=True)
            ),
        ),
    )
    for first in range(0, steps, 10):  # ten parts of 6 bits fill a word
        key = np.zeros(len(vertices), dtype=np.int64)
        for step in reversed(range(first, min(first + 10, steps))):
            key = key << 6 | _part(vertices, step)
        keys.append(key)
    return np.lexsort(keys)


def _in_order(corners: np.ndarray) -> bool:
    """Whether bricks, given by their first vertices, follow the curve and none comes twice."""
    alone = len(np.unique(corners, axis=0)) == len(corners)
    return alone and bool((_curve(corners) == np.arange(len(corners))).all())


def _starts(rows: np.ndarray) -> np.ndarray:
    """Where a row differs from the one before."""
    return np.concatenate([[0], 1 + np.flatnonzero((rows[1:] != rows[:-1]).any(1))])


def _bit_count(words: np.ndarray) -> np.ndarray:
    return _ONES[words.view(np.uint8).reshape(-1, 8)].sum(1)
