"""What ways to turn the numbers of a field into integers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from hermite_pinn.field.field import GridField
from hermite_pinn.schema import Entry

from .integers import LARGEST

__all__ = ["Coding", "StepTooSmallError", "rounded"]

DEAD = 0.2  # of a step: what is rounded towards zero beyond rounding to the nearest


class StepTooSmallError(ArithmeticError):
    """Numbers are more steps away from zero than there are integers to count them."""


class Coding(ABC):
    """Integers by level for the numbers of a field, and back.

    Attributes
    ----------
    name
        In files.
    field
        The field, or one of its kind without numbers (on the device ``meta``), for decoding.
    """

    name: ClassVar[str]

    def __init__(self, field: GridField) -> None:
        self.field = field

    @classmethod
    @abstractmethod
    def takes(cls, field: GridField) -> bool:
        """Whether it can code a field."""

    @property
    @abstractmethod
    def levels(self) -> int:
        """Number of levels of detail."""

    @property
    @abstractmethod
    def coded(self) -> frozenset[str]:
        """Paths of the tensors that become integers; the others are kept as they are."""

    @abstractmethod
    def count(self, level: int) -> int:
        """Number of integers of a level."""

    def memory(self, levels: int) -> float:
        """Bytes that decoding so many levels takes."""
        return 48.0 * sum(self.count(k) for k in range(levels))

    @abstractmethod
    def encode(self, scales: np.ndarray) -> list[np.ndarray]:
        """Integers by level, for steps that are proportional to ``scales``, one for every field."""

    @abstractmethod
    def decode(self, numbers: Sequence[np.ndarray], scales: np.ndarray, kept: Mapping[str, torch.Tensor]) -> GridField:
        """The field that the integers of the coarsest levels make, with the tensors that were kept."""

    @abstractmethod
    def first_scales(self, tol: float, norms: np.ndarray) -> np.ndarray:
        """Scales from which about a relative error of ``tol`` is expected, for fields of these root mean squares."""

    @abstractmethod
    def weigh(self, change: Callable[[GridField], np.ndarray]) -> None:
        """Find out how much each number counts, where that is not known.

        Parameters
        ----------
        change
            Relative changes of the fields, when the field becomes another.
        """

    def describe(self) -> dict[str, Any]:
        """What decoding needs beside the scales."""
        return {}

    @abstractmethod
    def take(self, described: Entry) -> None:
        """Take in what :meth:`describe` told.

        Raises
        ------
        CorruptFileError
            If it does not fit the field.
        """

    @property
    def joint(self) -> bool:
        """Whether every number has a part in all fields, so that there is one scale."""
        return not self.field.head.sums_levels

    def kept(self) -> dict[str, torch.Tensor]:
        """The tensors that do not become integers."""
        return {path: v for path, v in self.field.tensors().items() if path not in self.coded}


def rounded(steps: torch.Tensor, dead: float = DEAD) -> torch.Tensor:
    """Whole numbers near others, with a wider way to zero: it costs little accuracy where most are small.

    Raises
    ------
    StepTooSmallError
        If they are too large for float64 to have fractions.

    Examples
    --------
    >>> rounded(torch.tensor([0.6, -0.8, 2.4])).tolist()
    [0.0, -1.0, 2.0]
    """
    size = steps.abs()
    if size.numel() and not float(size.max()) < LARGEST / 4:
        raise StepTooSmallError
    return torch.copysign(torch.floor(size + (0.5 - dead)), steps)
