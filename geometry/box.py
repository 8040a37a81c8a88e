"""Boxes of one to four named axes, their faces, and random points on them."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.immutable import Immutable

__all__ = ["Box", "Face"]

_RESERVED = {"n", "grad", "laplacian", "args", "data", "op"}


@dataclass(frozen=True)
class Face:
    """One side of a box: ``"x-"`` is the side of smallest x.

    ``axis`` is its number, ``side`` 0 or 1, ``position`` the coordinate on it; its outward normal is ``normal`` along
    the axis.
    """

    name: str
    axis: int
    side: int
    position: float

    @property
    def normal(self) -> float:
        """Component of the outward normal along :attr:`axis`, -1 or 1."""
        return 1.0 if self.side else -1.0


class Box(Immutable):
    """An axis-parallel box ``Box(x=(0, 1), y=(0, 2), t=(0, 5))``; the order of the axes is the order of the arguments.

    An axis called ``t`` is time: its faces belong to no boundary condition unless named, ``"t-"`` is the start.

    Parameters
    ----------
    axes
        Bounds ``(lower, upper)`` by name, one to four of them.

    Raises
    ------
    InvalidProblemError
        For no or more than four axes, names that cannot be written as attributes, bounds that are not finite, or zero
        size.

    Examples
    --------
    >>> box = Box(x=(0, 1), t=(0, 2))
    >>> box.dim, [f.name for f in box.space_faces], box.face("t-").position
    (2, ['x-', 'x+'], 0.0)
    """

    def __init__(self, /, **axes: tuple[float, float]) -> None:
        if not 1 <= len(axes) <= 4:
            raise InvalidProblemError(
                f"a box has one to four named axes, such as Box(x=(0, 1), y=(0, 1)); got {len(axes)}: {', '.join(axes) or 'none'}"
            )
        lower, upper = [], []
        for name, bounds in axes.items():
            if name in _RESERVED or name.startswith("_"):
                raise InvalidProblemError(
                    f"an axis cannot be called {name!r}: the name is used by derivatives; choose another"
                )
            try:
                a, b = bounds
                real = isinstance(a, numbers.Real) and isinstance(b, numbers.Real)
            except TypeError:
                real = False
            if not real:
                raise InvalidProblemError(f"axis {name} needs bounds (lower, upper), two real numbers; got {bounds!r}")
            a, b = float(a), float(b)
            if not (math.isfinite(a) and math.isfinite(b)):
                raise InvalidProblemError(f"the bounds of axis {name} must be finite, got ({a:g}, {b:g})")
            if not b > a:
                raise InvalidProblemError(f"axis {name} has no extent: upper bound {b:g} must exceed lower bound {a:g}")
            lower.append(a)
            upper.append(b)
        self.names: tuple[str, ...] = tuple(axes)
        self.lower: tuple[float, ...] = tuple(lower)
        self.upper: tuple[float, ...] = tuple(upper)

    def __repr__(self) -> str:
        parts = zip(self.names, self.lower, self.upper, strict=True)
        return f"Box({', '.join(f'{n}=({a:g}, {b:g})' for n, a, b in parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and (self.names, self.lower, self.upper) == (
            other.names,
            other.lower,
            other.upper,
        )

    def __hash__(self) -> int:
        return hash((self.names, self.lower, self.upper))

    @property
    def dim(self) -> int:
        """Number of axes, time included."""
        return len(self.names)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Edge lengths."""
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Bounds by name of the axis."""
        return dict(zip(self.names, zip(self.lower, self.upper, strict=True), strict=True))

    @property
    def time_axis(self) -> int | None:
        """Number of the axis called ``t``, if there is one."""
        return self.names.index("t") if "t" in self.names else None

    @property
    def space_axes(self) -> tuple[int, ...]:
        """Numbers of all axes but time."""
        return tuple(i for i, name in enumerate(self.names) if name != "t")

    def axis(self, name: str) -> int:
        """Number of the axis called ``name``."""
        if name not in self.names:
            raise InvalidProblemError(f"there is no axis {name!r}; the axes are {', '.join(self.names)}")
        return self.names.index(name)

    @property
    def faces(self) -> tuple[Face, ...]:
        """All faces, two per axis."""
        return tuple(
            Face(name + "-+"[side], i, side, (self.lower, self.upper)[side][i])
            for i, name in enumerate(self.names)
            for side in (0, 1)
        )

    @property
    def space_faces(self) -> tuple[Face, ...]:
        """The faces of the space axes: what a condition on ``"boundary"`` means."""
        return tuple(f for f in self.faces if self.names[f.axis] != "t")

    def face(self, name: str) -> Face:
        """The face called ``name``.

        Raises
        ------
        InvalidProblemError
            If there is none; the message lists the names.
        """
        for f in self.faces:
            if f.name == name:
                return f
        raise InvalidProblemError(
            f"there is no face {name!r}; the faces of {self} are {', '.join(f.name for f in self.faces)}, "
            "and 'boundary' means all of the space axes"
        )

    def sample(
        self, count: int, generator: torch.Generator, dtype: torch.dtype, face: Face | None = None
    ) -> torch.Tensor:
        """Uniform random points in the box or on a face, (dim, count), on the generator's device."""
        points = torch.rand(self.dim, count, generator=generator, dtype=dtype, device=generator.device)
        for axis, (row, lower, length) in enumerate(zip(points, self.lower, self.lengths, strict=True)):
            if face is not None and face.axis == axis:
                row.fill_(face.position)
            else:  # numbers, not tensors: a copy to a GPU would wait for it
                row.mul_(length).add_(lower)
        return points
