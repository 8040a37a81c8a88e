"""Where the coefficients of a multilevel grid lie in its table."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from weakref import WeakValueDictionary

import numpy as np

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.schema import Entry

from .basis import KERNEL_BASES
from .storage import Dense, Hashed, Indexed, Storage
from .vertices import MOST_BYTES, VertexList

__all__ = ["GridLayout", "Group"]

MOST_LEVELS = 256
MOST_FEATURES = 4096


@dataclass(frozen=True)
class Group:
    """The coefficients of one level that share an index: the whole vertex record, or those of one derivative order.

    Attributes
    ----------
    offset
        First element in the flat table.
    storage
        Which vertex has which of its records.
    alphas
        Positions of the coefficients in the vertex record.
    """

    offset: int
    storage: Storage
    alphas: tuple[int, ...]

    @property
    def slots(self) -> int:
        """Records that are stored."""
        return self.storage.slots

    @property
    def row_major(self) -> bool:
        """Whether the records lie as an array of all vertices would."""
        return self.storage.row_major


@dataclass(frozen=True)
class GridLayout:
    """A multilevel grid on a box: resolutions, basis, and the place of every coefficient in one flat table.

    A vertex of level ``l`` stores ``orders**dim`` coefficients for each feature: the value and the mixed derivatives
    ``prod_i n_i**-a_i * d^a u`` in cell units, axis 0 most significant, features innermost.  A level whose vertices
    fit the table size is stored densely (row-major); beyond that its slots are ``xor_i(v_i * prime_i) & (size - 1)``.
    A level with a list of vertices stores theirs only, each in a slot of its own: the coefficients of the others are
    zero.

    Parameters
    ----------
    lower, upper
        Corners of the box, one number per axis, in the user's units.
    resolutions
        Cells per axis for every level.
    basis
        ``"linear"``, ``"smoothstep"``, ``"cosine"``, ``"cubic"``, ``"quintic"`` or ``"septic"``; ``"cosine_product"``
        (the smooth weight of Heo et al. of the product over the axes), ``"straight_through"`` (multilinear with
        gradients of smooth weights) or ``"catmull_rom"`` (four values per axis).
    features
        Features per level.
    table_sizes
        Largest number of slots per level: ``None`` (dense everywhere), one power of two, or one power of two per
        derivative order ``|a| = 0, 1, ...`` (the paper's T1, T2, T3).
    periodic
        Per axis, whether the last vertex is the first.
    listed
        Per level, the vertices that have a record, or ``None`` for all; table sizes do not concern a listed level.
    blend
        Of ``"straight_through"``: the share of the smooth weights in gradients, 0 to 1.

    Raises
    ------
    InvalidArgumentError
        For a box without extent, a resolution below 1, an unknown basis, a table size that is no power of two, or
        listed vertices that the level does not have.

    Examples
    --------
    >>> grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (8, 8)), "cubic")
    >>> grid.size                           # 4 coefficients at 25 + 81 vertices, each level padded to 16 elements
    448
    >>> GridLayout((0.0,), (1.0,), ((512,),), "cubic", table_sizes=(256,)).reachable
    512
    >>> near = VertexList.of([[i] for i in range(100, 120)])
    >>> GridLayout((0.0,), (1.0,), ((8,), (512,)), "cubic", listed=(None, near)).reachable    # 2 (9 + 20)
    58
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    resolutions: tuple[tuple[int, ...], ...]
    basis: str = "cubic"
    features: int = 1
    table_sizes: tuple[int, ...] | None = None
    periodic: tuple[bool, ...] = field(default=())
    listed: tuple[VertexList | None, ...] = field(default=())
    blend: float = 1.0

    def __post_init__(self) -> None:
        dim = len(self.lower)
        if not self.periodic:
            object.__setattr__(self, "periodic", (False,) * dim)
        if dim > 4:
            raise InvalidArgumentError(
                f"a grid has 1 to 4 axes, and the domain has {dim}; use method='gauss_newton' with sums and products over the "
                "axes, hp.Field(encoder='products'), or a network without a grid, hp.Field(encoder='coordinates', head='siren')"
            )
        if dim < 1 or len(self.upper) != dim or len(self.periodic) != dim:
            raise InvalidArgumentError(
                f"a grid has 1 to 4 axes with one lower and upper bound each, got lower={self.lower}, upper={self.upper}, "
                f"periodic={self.periodic}"
            )
        for a, b in zip(self.lower, self.upper, strict=True):
            if not (math.isfinite(b - a) and b > a and math.isfinite(1.0 / (b - a))):
                raise InvalidArgumentError(f"every axis needs finite bounds with upper > lower, got ({a}, {b})")
        if self.basis not in KERNEL_BASES:
            raise InvalidArgumentError(f"unknown basis {self.basis!r}; known: {', '.join(KERNEL_BASES)}")
        if not _is_integer(self.features) or not 1 <= self.features <= MOST_FEATURES:
            raise InvalidArgumentError(f"features must be an integer from 1 to {MOST_FEATURES}, got {self.features!r}")
        if not 1 <= self.levels <= MOST_LEVELS:
            raise InvalidArgumentError(f"a grid has 1 to {MOST_LEVELS} levels, got {self.levels}")
        for n in self.resolutions:
            if len(n) != dim or not all(map(_is_integer, n)) or min(n) < 1 or max(n) >= 2**31:
                raise InvalidArgumentError(f"resolution {n} must give 1 to 2**31 - 1 cells for each of the {dim} axes")
        self._check_table_sizes()
        self._check_listed()
        self._check_basis()

    def _check_basis(self) -> None:
        if not 0.0 <= self.blend <= 1.0 or (self.blend != 1.0 and self.basis != "straight_through"):
            raise InvalidArgumentError(
                f"blend is a share from 0 to 1 of the basis 'straight_through', got {self.blend!r} for {self.basis!r}"
            )
        if KERNEL_BASES[self.basis].weights == "window":
            bounded = [
                n for level in self.resolutions for n, wraps in zip(level, self.periodic, strict=True) if not wraps
            ]
            if bounded and min(bounded) < 2:
                raise InvalidArgumentError(
                    f"the basis {self.basis!r} reads three vertices next to a face, so every axis that is not periodic needs two "
                    f"cells or more, got {min(bounded)}"
                )

    def _check_table_sizes(self) -> None:
        if self.table_sizes is None:
            return
        groups = self.dim * (self.orders - 1) + 1
        if len(self.table_sizes) not in (1, groups):
            raise InvalidArgumentError(
                f"table_sizes needs 1 entry, or {groups} for a {self.basis} basis in {self.dim} dimensions "
                f"(one per derivative order), got {len(self.table_sizes)}"
            )
        for t in self.table_sizes:
            if not _is_integer(t) or t < 2 or t & (t - 1) or t > 2**31:
                raise InvalidArgumentError(f"a table size must be a power of two from 2 to 2**31, got {t}")

    def _check_listed(self) -> None:
        if all(v is None for v in self.listed):
            object.__setattr__(self, "listed", ())
        elif len(self.listed) != self.levels:
            raise InvalidArgumentError(
                f"listed needs one entry per level ({self.levels}), None where all vertices are stored; got {len(self.listed)}"
            )
        for level, n in enumerate(self.resolutions):
            listed, counts = self._listed(level), self.vertices(level)
            if listed is None:
                if math.prod(k + 1 for k in n) >= 2**31 and self.table_sizes is None:
                    raise InvalidArgumentError(
                        f"resolution {n} has more than 2**31 vertices; give a table size to hash them, or list those to store"
                    )
            elif math.prod(counts) >= 2**62:
                raise InvalidArgumentError(f"resolution {n} has more than 2**62 vertices")
            elif listed.dim != self.dim or any(v >= c for v, c in zip(listed.largest, counts, strict=True)):
                raise InvalidArgumentError(
                    f"level {level} has {' x '.join(map(str, counts))} vertices (those of a periodic axis without its end), "
                    f"and the list has {listed.dim} axes and vertices up to {listed.largest}"
                )

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.lower)

    @property
    def levels(self) -> int:
        """Number of levels."""
        return len(self.resolutions)

    @property
    def orders(self) -> int:
        """Coefficients per vertex and axis."""
        return KERNEL_BASES[self.basis].coefficients

    @property
    def record(self) -> int:
        """Coefficients per vertex and feature, ``orders**dim``."""
        return self.orders**self.dim

    @property
    def lengths(self) -> tuple[float, ...]:
        """Edge lengths of the box."""
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @cached_property
    def alphas(self) -> tuple[tuple[int, ...], ...]:
        """Derivative orders of the coefficients of a vertex, in their order in the record."""
        return tuple(itertools.product(range(self.orders), repeat=self.dim))

    @property
    def split(self) -> bool:
        """Whether the derivative orders have tables of their own."""
        return self.table_sizes is not None and len(set(self.table_sizes)) > 1

    def vertices(self, level: int) -> tuple[int, ...]:
        """Vertices per axis of a level: one more than cells, or as many on a periodic axis."""
        return tuple(n + (not p) for n, p in zip(self.resolutions[level], self.periodic, strict=True))

    @cached_property
    def groups(self) -> tuple[tuple[Group, ...], ...]:
        """Index groups of every level."""
        if self.split:
            assert self.table_sizes is not None
            members = [tuple(i for i, a in enumerate(self.alphas) if sum(a) == q) for q in range(len(self.table_sizes))]
            sizes = list(self.table_sizes)
        else:
            members = [tuple(range(self.record))]
            sizes = [2**31 if self.table_sizes is None else self.table_sizes[0]]
        offset, levels = 0, []
        for level in range(self.levels):
            row = []
            for alphas, size in zip(members, sizes, strict=True):
                row.append(Group(offset, self._storage(level, size), alphas))
                offset += row[-1].slots * len(alphas) * self.features
            offset = -(-offset // 16) * 16
            levels.append(tuple(row))
        return tuple(levels)

    def _listed(self, level: int) -> VertexList | None:
        return self.listed[level] if self.listed else None

    def _storage(self, level: int, size: int) -> Storage:
        counts, listed = self.vertices(level), self._listed(level)
        if listed is not None:
            return Indexed(counts, listed)
        return Dense(counts) if math.prod(counts) <= size else Hashed(counts, size)

    @cached_property
    def level_slices(self) -> tuple[slice, ...]:
        """The part of the flat table that belongs to each level (padding included)."""
        starts = [row[0].offset for row in self.groups] + [self.size]
        return tuple(slice(a, b) for a, b in itertools.pairwise(starts))

    @cached_property
    def size(self) -> int:
        """Elements of the flat table."""
        last = self.groups[-1][-1]
        return -(-(last.offset + last.slots * len(last.alphas) * self.features) // 16) * 16

    @property
    def dense(self) -> bool:
        """Whether every level stores the records of all of its vertices as an array."""
        return all(g.row_major for row in self.groups for g in row)

    @property
    def indexed(self) -> bool:
        """Whether some level stores listed vertices only."""
        return bool(self.listed)

    @property
    def nested(self) -> bool:
        """Whether every level's functions are contained in the next level's: dense, refinable basis, ratios 1 or 2."""
        pairs = itertools.pairwise(self.resolutions)
        return (
            self.dense
            and KERNEL_BASES[self.basis].refinable
            and all(b in (a, 2 * a) for coarse, fine in pairs for a, b in zip(coarse, fine, strict=True))
        )

    @cached_property
    def reachable(self) -> int:
        """Table elements that some point of the box can reach."""
        total = 0
        for row in self.groups:
            slots = {s: s.reachable for s in {g.storage for g in row}}
            total += sum(slots[g.storage] * len(g.alphas) for g in row) * self.features
        return total

    @cached_property
    def words(self) -> np.ndarray:
        """The integers that describe the levels to the kernels, int64.

        One row per level, ``level_words`` of grid.cuh; behind them, in rows of the same length, the nodes of the maps.
        """
        rows, maps = [], []
        nodes = 0
        for level, row in enumerate(self.groups):
            part, counts = self.level_slices[level], self.vertices(level)
            pairs = zip(self.resolutions[level], counts, strict=True)
            axes = [cells | vertices << 32 for cells, vertices in pairs] + [0] * (self.dim % 2)
            rows.append([*axes, *(word for g in row for word in (g.offset, g.storage.mask)), part.stop - part.start, 0])
            listed = self._listed(level)
            if listed is not None:
                maps.append(listed.map(counts))
                beginning = (self.levels - level) * (len(rows[0]) // 2) + nodes
                rows[-1][-1] = beginning | listed.depth(counts) << 32
                nodes += len(maps[-1])
        levels = np.array(rows, dtype=np.int64)
        if not maps:
            return levels
        flat = np.concatenate([m.ravel() for m in maps])
        padding = np.zeros(-flat.size % levels.shape[1], dtype=np.int64)
        return np.concatenate([levels, np.concatenate([flat, padding]).reshape(-1, levels.shape[1])])

    @cached_property
    def frames(self) -> dict[str, np.ndarray]:
        """Lower corner, inverse length, cells and cells per length of every level and axis, as each type of number.

        Shape (levels, dim, 4): ``axis_frame`` of grid.cuh.
        """
        low, inverse = self.frame[: self.dim], self.frame[self.dim :]
        rows = [np.stack([low, inverse, n, n * inverse], 1) for n in np.array(self.resolutions, dtype=float)]
        return {dtype: np.stack(rows).astype(dtype) for dtype in ("float32", "float64")}

    @cached_property
    def frame(self) -> np.ndarray:
        """Lower corner and inverse edge lengths, float64 of shape (2 dim,)."""
        return np.array([*self.lower, *(1.0 / s for s in self.lengths)])

    @property
    def periodic_bits(self) -> int:
        """Bit ``i`` is set if axis ``i`` is periodic."""
        return sum(1 << i for i, p in enumerate(self.periodic) if p)

    def with_levels(self, resolutions: Sequence[Sequence[int]], listed: Sequence[VertexList | None] = ()) -> GridLayout:
        """The same grid with other levels, and lists of their vertices where not all are stored."""
        chosen = tuple(tuple(int(k) for k in n) for n in resolutions)
        return replace(self, resolutions=chosen, listed=tuple(listed))

    @cached_property
    def key(self) -> str:
        """A string that :meth:`from_key` turns back into an equal layout, lists of vertices included."""
        fields = [self.lower, self.upper, self.resolutions, self.basis, self.features, self.table_sizes, self.periodic]
        if self.indexed or self.blend != 1.0:
            fields.append([None if v is None else v.text for v in self.listed])
        if self.blend != 1.0:
            fields.append(self.blend)
        return json.dumps(fields)

    @classmethod
    def from_key(cls, key: str) -> GridLayout:
        """Inverse of :attr:`key`."""
        return _from_key(key)

    @classmethod
    def from_entry(cls, entry: Entry) -> GridLayout:
        """The layout whose :attr:`key` is in a file.

        Raises
        ------
        CorruptFileError
            If it is none.
        """
        try:
            fields = Entry(json.loads(entry.text()), entry.source, entry.path).items(least=7, most=9)
        except (ValueError, RecursionError) as error:
            if isinstance(error, CorruptFileError):
                raise
            raise entry.refuse("the description of a grid") from error
        lower, upper, resolutions, basis, features, sizes, periodic, *lists = fields[:8]
        blend = fields[8].number(0.0, 1.0) if len(fields) > 8 else 1.0
        dim = len(lower.items(least=1, most=4))
        levels = resolutions.items(least=1, most=MOST_LEVELS)
        listed: list[VertexList | None] = []
        try:
            for e in lists[0].items(len(levels)) if lists and lists[0].value != [] else []:
                left = MOST_BYTES - sum(known.nbytes for known in listed if known is not None)
                listed.append(None if e.value is None else VertexList.from_text(e.text(), left))
            return cls(
                tuple(e.number() for e in lower.items()),
                tuple(e.number() for e in upper.items(dim)),
                tuple(tuple(e.integer(1, 2**31 - 1) for e in level.items(dim)) for level in levels),
                basis.text(KERNEL_BASES),
                features.integer(1, MOST_FEATURES),
                None if sizes.value is None else tuple(e.integer(2, 2**31) for e in sizes.items(least=1)),
                tuple(e.flag() for e in periodic.items(dim)),
                tuple(listed),
                blend,
            )
        except InvalidArgumentError as error:
            raise CorruptFileError(f"{entry.source} is damaged: {entry.path} describes no grid: {error}") from error

    @property
    def handle(self) -> str:
        """A short string by which :meth:`from_handle` finds this layout while it lives: for operations of PyTorch."""
        if not self.indexed:
            return self.key
        handle = self._digest
        _alive[handle] = self
        return handle

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.key.encode()).hexdigest()

    @classmethod
    def from_handle(cls, handle: str) -> GridLayout:
        """Inverse of :attr:`handle`; takes a :attr:`key` as well."""
        layout = _alive.get(handle)
        return _from_key(handle) if layout is None else layout


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_alive: WeakValueDictionary[str, GridLayout] = WeakValueDictionary()


@lru_cache(maxsize=256)
def _from_key(key: str) -> GridLayout:
    lower, upper, resolutions, basis, features, sizes, periodic, *rest = json.loads(key)
    listed, blend = rest[0] if rest else [], float(rest[1]) if len(rest) > 1 else 1.0
    return GridLayout(
        tuple(lower),
        tuple(upper),
        tuple(tuple(n) for n in resolutions),
        basis,
        features,
        None if sizes is None else tuple(sizes),
        tuple(periodic),
        tuple(None if v is None else VertexList.from_text(v) for v in listed),
        blend,
    )
