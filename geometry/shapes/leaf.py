"""What shapes with a formula have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.checks import number
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.part import coordinates
from hermite_pinn.geometry.shape import Piece, Shape
from hermite_pinn.geometry.similarity import LARGEST, vector
from hermite_pinn.immutable import Immutable, read_only
from hermite_pinn.schema import Entry

from .rules import face_name

__all__ = ["Leaf", "length_of", "point_of"]

ROUNDING = 1e-14  # of the largest coordinate: points nearer to the boundary are on it


class Leaf(Immutable, Solid):
    """A shape with a formula for its distance, checked points, and a name."""

    def __init__(self, dim: int, name: str | None) -> None:
        self.dim = dim
        self.name = face_name(name)

    @abstractmethod
    def _distance(self, x: np.ndarray) -> np.ndarray:
        """Signed distances (n,) of points (dim, n)."""

    @abstractmethod
    def _pieces(self) -> Sequence[Piece]:
        """The parts of the boundary."""

    @abstractmethod
    def _state(self) -> Mapping[str, Any]:
        """The arguments but the name."""

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """Exact distances (n,) of points (dim, n) to the boundary, negative inside."""
        return self._distance(coordinates(x, self.dim))

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which of the points (dim, n) are inside or on the boundary, (n,)."""
        return np.asarray(self.signed_distance(x) <= self._rounding)

    @cached_property
    def _rounding(self) -> float:
        return ROUNDING * float(max(np.abs(b).max() for b in self.bounds))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:  # type: ignore[override]
        """Its boundary, in parts that can be named."""
        return tuple(self._pieces())

    def state(self) -> Mapping[str, Any]:
        """What it is made from again."""
        return {"kind": self.kind, **self._state(), "name": self.name}

    @property
    def _called(self) -> str:
        return "" if self.name is None else f", name={self.name!r}"

    @classmethod
    def from_state(cls, entry: Entry, shape: Callable[[Entry], Shape]) -> Shape:
        """The shape that a file describes."""
        name = entry.get("name")
        try:
            return cls.of_entry(entry, None if name is None else face_name(name.text()))
        except InvalidProblemError as error:
            raise entry.refuse(f"a {entry.at('kind').text()} ({error})") from error

    @classmethod
    @abstractmethod
    def of_entry(cls, entry: Entry, name: str | None) -> Shape:
        """The shape with the arguments in a file."""


def point_of(name: str, value: Any, dim: int) -> np.ndarray:
    """A point with so many coordinates, which does not change."""
    return read_only(vector(name, value, dim))


def length_of(name: str, value: Any) -> float:
    """A positive length."""
    length = number(name, value, above=0, error=InvalidProblemError)
    return number(name, length, least=1 / LARGEST, most=LARGEST, error=InvalidProblemError)
