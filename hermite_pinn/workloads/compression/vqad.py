"""Fields on octrees with vector-quantised, low-rank or rounded features, from models that teach them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch

from hermite_pinn.checks import check_options, choice, either, flag, integer, items, number
from hermite_pinn.cuda.encoder.basis import KERNEL_BASES
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.torch_state import isolated

from .coded_field import CodedField
from .codes import Code, HalfCode, RankCode, VectorCode
from .learning import Course, learn_codes, learn_table
from .octree import Octree
from .octree_field import Decoder, octree_field
from .packing import MOST_BITS
from .quantized_table import QuantizedTable
from .rows import rows_of
from .teacher import Teacher
from .teachers import teacher_of

__all__ = ["Learned", "OctreeOptions", "half", "in_units", "kmeans", "learned", "low_rank", "vqad"]

STD = 0.01  # of the first features, as published
SHARPNESS = 1.0
STARTS = ("kmeans", "random")


def _pair(name: str, value: Any) -> tuple[float, float]:
    first, last = items(name, value, "two positive numbers: at the beginning and at the end", least=2, most=2)
    return number(name, first, above=0), number(name, last, above=0)


def _cells(name: str, value: Any, **words: Any) -> tuple[int, ...]:
    several = items(name, value, "cells of the coarsest level, one number per axis", least=1, most=4, **words)
    return tuple(integer(f"each number of {name}", n, least=1, most=1 << 16) for n in several)


@dataclass(frozen=True)
class OctreeOptions:
    """How a model is learned by a field on an octree.

    Attributes
    ----------
    levels, coarsest
        Levels of detail, and cells per axis of the coarsest; None: what suits the model.
    features, width, depth, basis
        Features of a corner, the network that reads their sum, and the basis of the levels.
    steps, points
        Training steps of the uncompressed field, and as many again with the codes; points of each.
    temperature
        Of the softmax that gradients go through, at the beginning and at the end.
    revive
        Steps after which entries that no corner reads get some; 0: never.
    random_levels
        Whether steps leave out finer levels at random, so that every level of detail is trained.
    start
        ``"kmeans"``: codes begin as the clusters of the uncompressed field; ``"random"``: with random numbers.
    seed
        Of everything random.
    """

    levels: int = 4
    coarsest: tuple[int, ...] | None = None
    features: int = 4
    width: int = 64
    depth: int = 1
    basis: str = "linear"
    steps: int = 2000
    points: int = 8192
    temperature: tuple[float, float] = (1.0, 1.0)
    revive: int = 100
    random_levels: bool = False
    start: str = "kmeans"
    seed: int = 0

    def __post_init__(self) -> None:
        check_options(
            self,
            {
                "levels": partial(integer, least=1, most=16),
                "coarsest": either(_cells, None),
                "features": partial(integer, least=1, most=256),
                "width": partial(integer, least=1, most=4096),
                "depth": partial(integer, least=1, most=64),
                "basis": partial(choice, options=[n for n, b in KERNEL_BASES.items() if b.weights != "window"]),
                "steps": partial(integer, least=1, most=10**6),
                "points": partial(integer, least=16, most=1 << 22),
                "temperature": _pair,
                "revive": partial(integer, least=0),
                "random_levels": flag,
                "start": partial(choice, options=STARTS),
                "seed": partial(integer, least=0, most=2**62),
            },
        )

    @property
    def decoder(self) -> Decoder:
        """What reads the features."""
        return Decoder(self.features, self.width, self.depth, basis=self.basis)

    @property
    def course(self) -> Course:
        """How it is trained."""
        return Course(self.steps, self.points, 5e-3, 1e-2, random_levels=self.random_levels)

    @property
    def code_course(self) -> Course:
        """How codes are trained, from clusters with lower rates."""
        rates = {"rate": 5e-4, "table_rate": 1e-3} if self.start == "kmeans" else {"rate": 5e-3, "table_rate": 1e-2}
        return replace(self.course, **rates, temperature=self.temperature, revive=self.revive)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Learned:
    """An uncompressed field on an octree that a model has taught.

    Attributes
    ----------
    teacher, options, tree
        Of the field.
    field
        In single precision.
    before
        Bytes of the model.
    """

    teacher: Teacher
    options: OctreeOptions
    tree: Octree
    field: GridField
    before: int

    def generator(self) -> torch.Generator:
        """For what follows."""
        return torch.Generator().manual_seed(self.options.seed + 1)

    def coded(self, network: GridField, codes: Sequence[Code]) -> CodedField:
        """The field with codes for its table, and what that costs."""
        options, domain, title = self.options, self.teacher.domain, self.teacher.title
        made = CodedField.of(network, domain, title, self.tree, options.decoder, codes, self.before)
        made = self.examined(made)
        if made.bytes >= 2 * network.parameter_count:
            raise InvalidArgumentError(
                f"there is nothing to compress: {made.bytes:,} bytes with codes, and {network.parameter_count:,} numbers of half "
                "precision without; take fewer bits or more levels"
            )
        return made

    def examined(self, made: CodedField) -> CodedField:
        """The field with its scores, level by level."""
        return replace(made, scores=tuple(dict(self.teacher.scores(made.field(k + 1))) for k in range(made.levels)))


def learned(teacher: Teacher, options: OctreeOptions, before: int = 0) -> Learned:
    """Learn a model of so many bytes by an uncompressed field on an octree."""
    domain, coarsest = teacher.domain, options.coarsest or teacher.coarsest
    if len(coarsest) != domain.dim:
        raise InvalidArgumentError(f"coarsest needs one number for each of the {domain.dim} axes, got {coarsest}")
    generator = torch.Generator().manual_seed(options.seed)
    tree = Octree.of(teacher.prior, domain.lower, domain.upper, coarsest, options.levels)
    teacher.prepare(tree, generator)
    field = octree_field(domain, teacher.names, teacher.periodic, tree, options.decoder, STD, generator)
    field = in_units(field, teacher)
    return Learned(teacher, options, tree, learn_table(field, teacher, options.course, generator), before)


def vector_coded(known: Learned, bits: int) -> CodedField:
    """Indices, codebooks and network, learned end to end (VQ-AD)."""
    generator, layout, options = known.generator(), known.field.layout, known.options
    if options.start == "kmeans":
        codes = QuantizedTable.around(known.field.table, layout, bits, SHARPNESS, generator)
    else:
        codes = QuantizedTable.random(known.field.table, layout, bits, STD, generator)
    field = learn_codes(known.field, codes, known.teacher, options.code_course, generator)
    return known.coded(field, [level.code() for level in codes.levels])


def clustered(known: Learned, bits: int) -> CodedField:
    """Clusters of the trained features, and nothing learned after that (kmVQ)."""
    generator = known.generator()
    rows = rows_of(known.field.table, known.field.layout)
    return known.coded(known.field, [VectorCode.clustered(level, bits, generator) for level in rows])


def of_low_rank(known: Learned, columns: int) -> CodedField:
    """The closest product of low rank (LRA)."""
    rows = rows_of(known.field.table, known.field.layout)
    return known.coded(known.field, [RankCode.closest(level, columns) for level in rows])


def rounded(known: Learned) -> CodedField:
    """The features in half precision."""
    options, rows = known.options, rows_of(known.field.table, known.field.layout)
    codes = [HalfCode.rounded(level) for level in rows]
    domain, title = known.teacher.domain, known.teacher.title
    return known.examined(CodedField.of(known.field, domain, title, known.tree, options.decoder, codes, known.before))


# -- the methods of compress ---
def _compressed(make: Callable[[Learned], CodedField], model: Any, options: dict[str, Any]) -> CodedField:
    for name in options:
        choice("the option of the octree", name, [f.name for f in fields(OctreeOptions)])
    return make(learned(teacher_of(model), OctreeOptions(**options), _bytes_of(model)))


@isolated()
def vqad(model: Any, *, bits: int = 6, **options: Any) -> CodedField:
    """Learn indices, codebooks and a network that are like a model (VQ-AD).

    Parameters
    ----------
    model
        A solution, or a picture; see :func:`.teacher_of`.
    bits
        Of an index, 1 to 12: a level has a codebook of ``2**bits`` rows.
    options
        Of :class:`OctreeOptions`.

    Raises
    ------
    InvalidArgumentError
        For arguments that cannot work, and where codes would need more bytes than numbers.
    InvalidProblemError
        If the model has no details in its box.
    OutOfMemoryError
        If the logits do not fit.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> small = vqad(hp.images.made_picture(64), bits=4, steps=40, points=1024)
    >>> small.error["psnr"] > 15, small.bytes < 64 * 64
    (True, True)
    """
    chosen = integer("bits", bits, least=1, most=MOST_BITS)
    return _compressed(lambda known: vector_coded(known, chosen), model, options)


@isolated()
def kmeans(model: Any, *, bits: int = 6, **options: Any) -> CodedField:
    """Cluster the features of a field that is like a model (kmVQ); arguments as for :func:`vqad`."""
    chosen = integer("bits", bits, least=1, most=MOST_BITS)
    return _compressed(lambda known: clustered(known, chosen), model, options)


@isolated()
def low_rank(model: Any, *, columns: int = 4, **options: Any) -> CodedField:
    """Approximate the features of a field that is like a model by few columns (LRA); options as for :func:`vqad`."""
    chosen = integer("columns", columns, least=1, most=256)
    return _compressed(lambda known: of_low_rank(known, chosen), model, options)


@isolated()
def half(model: Any, **options: Any) -> CodedField:
    """Keep the features of a field that is like a model in half precision; options as for :func:`vqad`."""
    return _compressed(rounded, model, options)


def in_units(field: GridField, teacher: Teacher) -> GridField:
    """The field with the last layer of its network in units of what it learns."""
    mean, scale = (torch.tensor(part, dtype=torch.float32) for part in teacher.units())
    weight, bias = field.readout
    tree = field.tensors()
    return field.with_tensors(tree | {weight: tree[weight] * scale[:, None], bias: tree[bias] * scale + mean})


def _bytes_of(model: Any) -> int:
    """Bytes of the parameters of a solution, or of the numbers of a picture."""
    held = getattr(model, "field", None)
    if held is None:
        return int(getattr(model, "nbytes", 0))
    return sum(leaf.numel() * leaf.element_size() for leaf in held.tensors().values())
