"""Fields on octrees that learned a model, and the ways to store them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.octree import Octree

from .coded_field import CodedField
from .codes import Code, HalfCode, RankCode, VectorCode
from .learnable import Learnable, Skeleton
from .learning import learn_codes, learn_table
from .metrics import metrics_of
from .octree_field import STD
from .options import OctreeOptions
from .quantized_table import QuantizedTable
from .rows import rows_of
from .teacher import Teacher

__all__ = ["Learned", "begun", "clustered", "first_codes", "learned", "of_low_rank", "rounded", "vector_coded"]

#: Of the first softmax: 1 is as wide as a cluster.
SHARPNESS = 1.0


@dataclass(frozen=True, eq=False)
class Learned:
    """An uncompressed field on an octree that a model has taught.

    Attributes
    ----------
    teacher, options, tree, skeleton
        Of the field.
    field
        A :class:`.Learnable` in single precision.
    before
        Bytes of the model.
    """

    teacher: Teacher
    options: OctreeOptions
    tree: Octree
    skeleton: Skeleton
    field: Any
    before: int

    def generator(self) -> torch.Generator:
        """For what follows."""
        return torch.Generator().manual_seed(self.options.seed + 1)

    def coded(self, network: Learnable, codes: Sequence[Code]) -> CodedField:
        """The field with codes for its table, and what that costs."""
        made = CodedField.of(network, self.skeleton, self.teacher.title, self.tree, codes, self.before)
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


def begun(teacher: Teacher, options: OctreeOptions, before: int = 0) -> tuple[Learned, torch.Generator]:
    """A field on an octree that has yet to learn a model of so many bytes, and what its training draws from.

    Raises
    ------
    InvalidArgumentError, InvalidProblemError, OutOfMemoryError
        If the options do not fit the model, or it has no details in its box, or the octree does not fit.
    """
    domain, options = teacher.domain, options.settled(teacher)
    coarsest = options.coarsest or ()
    if len(coarsest) != domain.dim:
        raise InvalidArgumentError(f"coarsest needs one number for each of the {domain.dim} axes, got {coarsest}")
    generator = torch.Generator().manual_seed(options.seed)
    tree = Octree.of(teacher.prior, domain.lower, domain.upper, coarsest, options.levels)
    teacher.prepare(tree, generator)
    skeleton = teacher.skeleton(options.decoder)
    field = teacher.started(skeleton.empty(tree, tree.levels, generator))
    return Learned(teacher, options, tree, skeleton, field, before), generator


def learned(teacher: Teacher, options: OctreeOptions, before: int = 0) -> Learned:
    """Learn a model of so many bytes by an uncompressed field on an octree."""
    known, generator = begun(teacher, options, before)
    return replace(known, field=learn_table(known.field, teacher, known.options.course, generator))


def first_codes(known: Learned, bits: int, generator: torch.Generator) -> QuantizedTable:
    """The codes from which learning starts: clusters of the features, or random ones."""
    layout, options, table = known.field.layout, known.options, known.field.table
    if options.start == "random":
        return QuantizedTable.random(table, layout, bits, STD, generator)
    metrics = metrics_of(known.field, known.teacher, options.course.points, generator)
    return QuantizedTable.around(table, layout, metrics, bits, SHARPNESS, generator)


def vector_coded(known: Learned, bits: int) -> CodedField:
    """Indices, codebooks and network, learned end to end (VQ-AD)."""
    generator = known.generator()
    codes = first_codes(known, bits, generator)
    field = learn_codes(known.field, codes, known.teacher, known.options.code_course, generator)
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
    codes = [HalfCode.rounded(level) for level in rows_of(known.field.table, known.field.layout)]
    title = known.teacher.title
    return known.examined(CodedField.of(known.field, known.skeleton, title, known.tree, codes, known.before))
