"""How fields on octrees are trained, with tables of numbers or of codes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import DivergedError
from hermite_pinn.field.tree import TABLE

from .adam import Adam
from .codebook import halved
from .learnable import Learnable
from .quantized_table import QuantizedTable, Rates
from .rows import rows_of
from .teacher import Teacher

__all__ = ["CodeEpisode", "Course", "Episode", "TableEpisode", "learn_codes", "learn_table"]


@dataclass(frozen=True)
class Course:
    """How long and how fast is trained.

    Attributes
    ----------
    steps, points
        Steps, and points of each.
    rate
        Of Adam, for the network; it falls to a hundredth along a cosine.
    table_rate
        The same for features and codebooks.
    logit_rate
        RMS of the change of a row's logits in a step; it falls as the others do.
    temperature
        Of the softmax, at the beginning and at the end; in between it is geometric.
    revive
        Steps after which codebook entries that no corner reads get corners again; 0: never.
    random_levels
        Whether a step leaves out finer levels at random, so that all levels of detail are trained; level ``l`` is
        the finest with a probability in proportion to ``2**l``.
    """

    steps: int = 2000
    points: int = 8192
    rate: float = 3e-3
    table_rate: float = 1e-2
    logit_rate: float = 0.1
    temperature: tuple[float, float] = (1.0, 1.0)
    revive: int = 100
    random_levels: bool = False

    def fall(self, progress: float) -> float:
        """Factor of the rates when a part of the training is done, 0 to 1.

        Examples
        --------
        >>> [round(Course().fall(progress), 3) for progress in (0.0, 0.5, 1.0)]
        [1.0, 0.505, 0.01]
        """
        return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2

    def heat(self, progress: float) -> float:
        """Temperature then."""
        first, last = self.temperature
        return float(first * (last / first) ** progress)


class Episode(ABC):
    """A training, step by step.

    Parameters
    ----------
    field
        A :class:`.Learnable` as it begins.
    teacher
        What it learns from.
    course
        How fast.
    generator
        Of everything random.

    Attributes
    ----------
    step
        Steps that were taken.
    loss
        Of the last one.
    """

    def __init__(self, field: Any, teacher: Teacher, course: Course, generator: torch.Generator) -> None:
        self._field, self._teacher, self._course, self._generator = field, teacher, course, generator
        self._weights = torch.tensor([2.0**level for level in range(field.layout.levels)])
        self.step, self.loss = 0, math.inf

    @property
    @abstractmethod
    def field(self) -> Any:
        """The :class:`.Learnable` as it is now."""

    @property
    @abstractmethod
    def optimiser(self) -> Adam:
        """Of all that is trained by Adam."""

    def advance(self, progress: float) -> None:
        """One step, when a part of the training is done.

        Raises
        ------
        DivergedError
            If the loss becomes infinite or NaN.
        """
        self._move(progress)
        self.step += 1

    @abstractmethod
    def _move(self, progress: float) -> None: ...

    def _loss(self, read: dict[str, Tensor]) -> Tensor:
        """The loss with some numbers, with its gradients."""
        used = dict(read)
        if self._course.random_levels:
            used[TABLE] = read[TABLE] * self._mask(self._field.layout)
        loss = self._teacher.loss(self._field.with_tensors(used), self._course.points, self._generator)
        self.loss = float(loss.detach())
        if not math.isfinite(self.loss):
            raise DivergedError(f"the loss is {self.loss} in step {self.step}; lower the rates of the course")
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _mask(self, layout: GridLayout) -> Tensor:
        """Factors of a table that leave out its finer levels, drawn at random."""
        finest = int(torch.multinomial(self._weights, 1, generator=self._generator))
        factors = torch.ones(layout.size)
        for rows in rows_of(factors, layout)[finest + 1 :]:
            rows.zero_()
        return factors

    # -- between runs ---
    def state(self) -> dict[str, Any]:
        """All that it goes on from."""
        return {
            "step": self.step,
            "updates": self.optimiser.steps,
            "numbers": self.optimiser.state(),
            "generator": self._generator.get_state(),
            "teacher": self._teacher.state(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue from :meth:`state`."""
        self.step = int(saved["step"])
        self.optimiser.restore(int(saved["updates"]), saved["numbers"])
        self._generator.set_state(saved["generator"])
        self._teacher.restore(saved["teacher"])


class TableEpisode(Episode):
    """Plain features and the network."""

    def __init__(self, field: Any, teacher: Teacher, course: Course, generator: torch.Generator) -> None:
        super().__init__(field, teacher, course, generator)
        self._tree = {path: leaf.detach().clone().contiguous() for path, leaf in field.tensors().items()}
        rates = [course.table_rate if path == TABLE else course.rate for path in self._tree]
        self._optimiser = Adam(list(self._tree.values()), rates)

    @property
    def field(self) -> Any:
        """See :class:`Episode`."""
        return self._field.with_tensors({path: leaf.clone() for path, leaf in self._tree.items()})

    @property
    def optimiser(self) -> Adam:
        """See :class:`Episode`."""
        return self._optimiser

    def _move(self, progress: float) -> None:
        read = {path: leaf.detach().requires_grad_() for path, leaf in self._tree.items()}
        self._loss(read)
        self._optimiser.step([leaf.grad for leaf in read.values()], self._course.fall(progress))


class CodeEpisode(Episode):
    """Logits, codebooks and network, end to end with the loss of the field itself.

    The forward pass reads the chosen entries, and all numbers rounded to half precision as a file has them.  The
    backward pass takes the gradient by the table, which the kernels give, through the softmax of the touched rows.

    Parameters
    ----------
    codes
        Trained in place.
    """

    def __init__(
        self, field: Any, codes: QuantizedTable, teacher: Teacher, course: Course, generator: torch.Generator
    ) -> None:
        super().__init__(field, teacher, course, generator)
        self.codes = codes
        self._network = {p: leaf.detach().clone().contiguous() for p, leaf in field.tensors().items() if p != TABLE}
        leaves = [*codes.codebooks, *self._network.values()]
        rates = [course.table_rate] * len(codes.codebooks) + [course.rate] * len(self._network)
        self._optimiser = Adam(leaves, rates)

    @property
    def field(self) -> Any:
        """What is read: the field of the codes, with a rounded network."""
        return self._field.with_tensors(self._read | {TABLE: self.codes.table()})

    @property
    def optimiser(self) -> Adam:
        """See :class:`Episode`."""
        return self._optimiser

    @property
    def _read(self) -> dict[str, Tensor]:
        return {path: halved(leaf) for path, leaf in self._network.items()}

    def _move(self, progress: float) -> None:
        course, fall = self._course, self._course.fall(progress)
        read = {path: leaf.requires_grad_() for path, leaf in self._read.items()}
        table = self.codes.table().requires_grad_()
        self._loss(read | {TABLE: table})
        assert table.grad is not None
        rates = Rates(course.logit_rate * fall, course.heat(progress))
        by_codebook = self.codes.step(table.grad, rates)
        self._optimiser.step([*by_codebook, *(leaf.grad for leaf in read.values())], fall)
        if course.revive and self.step % course.revive == course.revive - 1 and progress < 0.5:
            for level in self.codes.levels:
                level.revive(self._generator)

    def state(self) -> dict[str, Any]:
        """See :meth:`Episode.state`."""
        return super().state() | {"codes": self.codes.state()}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """See :meth:`Episode.restore`."""
        super().restore(saved)
        self.codes.restore(saved["codes"])


def learn_table(field: Any, teacher: Teacher, course: Course, generator: torch.Generator) -> Any:
    """Train table and network of a :class:`.Learnable`; see :class:`TableEpisode`."""
    return _whole(TableEpisode(field, teacher, course, generator), course)


def learn_codes(
    field: Learnable, codes: QuantizedTable, teacher: Teacher, course: Course, generator: torch.Generator
) -> Any:
    """Train codes, which are changed in place, and the network of a :class:`.Learnable`; see :class:`CodeEpisode`."""
    return _whole(CodeEpisode(field, codes, teacher, course, generator), course)


def _whole(episode: Episode, course: Course) -> Any:
    while episode.step < course.steps:
        episode.advance(episode.step / course.steps)
    return episode.field
