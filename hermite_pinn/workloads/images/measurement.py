"""What is known of a picture: numbers that depend linearly on its pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hermite_pinn.cuda.encoder.channels import Channels

from .pixels import Pixels
from .separable import AxisMatrices, SeparableSystem
from .spline import slopes
from .stencils import Stencil

__all__ = ["Differences", "Laplacians", "Measurement", "PointLaplacians", "PointSlopes", "Sobel", "Values"]

#: Rows of the picture, or the pixels that are left between its borders.
WHOLE, INNER = slice(None), slice(1, -1)


@dataclass(frozen=True)
class Measurement(ABC):
    """A linear map from the pixels of a picture to several arrays of numbers.

    Attributes
    ----------
    pixels
        Of the picture.
    framed
        Whether the outermost pixels are known, and only the others are unknowns.
    """

    pixels: Pixels
    framed: bool

    @property
    def solvable(self) -> bool:
        """Whether the equations of :attr:`system` are those of the numbers, so that they need no training."""
        return True

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of the arrays."""

    @abstractmethod
    def apply(self, values: np.ndarray) -> list[np.ndarray]:
        """The arrays, each (channels, rows, columns), of pixels (channels, H, W)."""

    @abstractmethod
    def gather(self, misfits: Sequence[np.ndarray]) -> np.ndarray:
        """Right-hand sides (channels, H, W) of the equations for the pixels, of misfits of the arrays."""

    @abstractmethod
    def matrices(self, axis: int) -> AxisMatrices:
        """Of the unknown pixels along the axis y (0) or x (1)."""

    @property
    def stencils(self) -> tuple[Stencil, ...]:
        """One for every array, where the numbers are sums of pixels."""
        return ()

    @property
    def channels(self) -> Channels | None:
        """Derivatives of the field, one for every array, where the numbers are those at the pixels."""
        return None

    @property
    def unseen(self) -> np.ndarray | None:
        """A picture (H, W) that the numbers and the frame do not see, where there is one besides constants."""
        return None

    @cached_property
    def system(self) -> SeparableSystem:
        """The equations for the unknown pixels: of least squares, or the map itself where it is square."""
        return SeparableSystem(self.matrices(0), self.matrices(1))

    @property
    def places(self) -> np.ndarray:
        """Numbers of the pixels at which :attr:`channels` are measured."""
        return self.pixels.numbers.ravel()

    @property
    def unknown(self) -> slice:
        """The unknown pixels along an axis."""
        return INNER if self.framed else WHOLE


class StencilMeasurement(Measurement):
    """Sums of pixels by stencils."""

    def apply(self, values: np.ndarray) -> list[np.ndarray]:
        """See :meth:`Measurement.apply`."""
        return [stencil.apply(values) for stencil in self.stencils]

    def gather(self, misfits: Sequence[np.ndarray]) -> np.ndarray:
        """Least squares: the transposed map."""
        parts = [stencil.transpose(part) for stencil, part in zip(self.stencils, misfits, strict=True)]
        return np.asarray(sum(parts))


class Values(StencilMeasurement):
    """The pixels themselves."""

    names = ("value",)

    @cached_property
    def stencils(self) -> tuple[Stencil, ...]:  # type: ignore[override]
        """One pixel each."""
        rows, columns = self.pixels.shape
        return (Stencil.of(self.pixels, [(0, 0, 1.0)], (0, rows), (0, columns)),)

    def matrices(self, axis: int) -> AxisMatrices:
        """Half the identity, twice."""
        identity = np.eye(self.pixels.shape[axis])[self.unknown, self.unknown]
        return AxisMatrices(identity / 2, identity)


class Differences(StencilMeasurement):
    """Differences of neighbours, over their distance: along x (H, W - 1), along y (H - 1, W)."""

    names = ("x", "y")

    @cached_property
    def stencils(self) -> tuple[Stencil, ...]:  # type: ignore[override]
        """Forward differences."""
        (rows, columns), h = self.pixels.shape, self.pixels.spacing
        along = Stencil.of(self.pixels, [(0, 0, -1 / h), (0, 1, 1 / h)], (0, rows), (0, columns - 1))
        down = Stencil.of(self.pixels, [(0, 0, -1 / h), (1, 0, 1 / h)], (0, rows - 1), (0, columns))
        return along, down

    def matrices(self, axis: int) -> AxisMatrices:
        """Squares of differences; the other axis has none."""
        difference = np.diff(np.eye(self.pixels.shape[axis]), axis=0)[:, self.unknown] / self.pixels.spacing
        return AxisMatrices(difference.T @ difference, np.eye(difference.shape[1]))


class Sobel(StencilMeasurement):
    """Sobel's derivatives at all pixels, the picture mirrored at its outermost pixels.

    They do not see ``(-1)^j f(i) + (-1)^i g(j)``, so that the border must be known.
    """

    @property
    def unseen(self) -> np.ndarray | None:
        """Of an odd number of rows and columns: the pixels with odd numbers of both, counted from 0."""
        if not self.framed or not (self.pixels.rows % 2 and self.pixels.columns % 2):
            return None
        return np.outer(np.arange(self.pixels.rows) % 2, np.arange(self.pixels.columns) % 2).astype(float)

    names = ("x", "y")

    @cached_property
    def stencils(self) -> tuple[Stencil, ...]:  # type: ignore[override]
        """Central differences, smoothed by 1, 2, 1 across."""
        (rows, columns), unit = self.pixels.shape, 1 / (8 * self.pixels.spacing)
        smooth = ((-1, unit), (0, 2 * unit), (1, unit))
        along = [(i, j, j * w) for i, w in smooth for j in (-1, 1)]
        down = [(j, i, j * w) for i, w in smooth for j in (-1, 1)]
        return tuple(Stencil.of(self.pixels, taps, (0, rows), (0, columns)) for taps in (along, down))

    def matrices(self, axis: int) -> AxisMatrices:
        """Squares of central differences and of the smoothing across."""
        count, half = self.pixels.shape[axis], 0.5 / self.pixels.spacing
        both = _along_line(count, [(-1, -half), (1, half)]), _along_line(count, [(-1, 0.25), (0, 0.5), (1, 0.25)])
        difference, smoothing = (part[:, self.unknown].T @ part[:, self.unknown] for part in both)
        return AxisMatrices(difference, smoothing)


class Laplacians(StencilMeasurement):
    """The Laplacian by five points: between the borders if these are known, else everywhere, mirrored at the border."""

    names = ("laplacian",)

    @cached_property
    def stencils(self) -> tuple[Stencil, ...]:  # type: ignore[override]
        """Second differences, summed."""
        (rows, columns), unit = self.pixels.shape, self.pixels.spacing**-2
        taps = [(0, 0, -4 * unit), *((i, j, unit) for i, j in ((0, 1), (0, -1), (1, 0), (-1, 0)))]
        edge = int(self.framed)
        return (Stencil.of(self.pixels, taps, (edge, rows - edge), (edge, columns - edge)),)

    def gather(self, misfits: Sequence[np.ndarray]) -> np.ndarray:
        """The equations themselves; those on the border halved along every axis, which makes the matrix symmetric."""
        if not self.framed:
            rows, columns = (_halved(count) for count in self.pixels.shape)
            return np.asarray(misfits[0] * rows[:, None] * columns)
        return np.pad(misfits[0], ((0, 0), (1, 1), (1, 1)))

    def matrices(self, axis: int) -> AxisMatrices:
        """Second differences."""
        count, unit = self.pixels.shape[axis], self.pixels.spacing**-2
        second, half = _along_line(count, [(-1, unit), (0, -2 * unit), (1, unit)]), _halved(count)
        if self.framed:
            return AxisMatrices(second[INNER, INNER], np.eye(count - 2))
        return AxisMatrices(half[:, None] * second, np.diag(half))


@dataclass(frozen=True)
class PointSlopes(Measurement):
    """Slopes of the field at all pixels.

    Attributes
    ----------
    basis, cells, rule
        Of the field, with the numbers of cells along x and y, where the pixels alone determine it by a rule of
        :func:`.axis_fit`.
    """

    basis: str = "cubic"
    cells: tuple[int, int] | None = None
    rule: str = "smooth"
    names = ("x", "y")

    @cached_property
    def along(self) -> np.ndarray:
        """The matrix from the pixels of a row to slopes."""
        return self._slopes(1, 0)

    @cached_property
    def down(self) -> np.ndarray:
        """The matrix from the pixels of a column to slopes."""
        return self._slopes(0, 1)

    def _slopes(self, axis: int, place: int) -> np.ndarray:
        count = self.pixels.shape[axis]
        cells = count - 1 if self.cells is None else self.cells[place]
        return slopes(self.basis, cells, count, (count - 1) * self.pixels.spacing, self.rule)

    def apply(self, values: np.ndarray) -> list[np.ndarray]:
        """See :meth:`Measurement.apply`."""
        return [values @ self.along.T, self.down @ values]

    def gather(self, misfits: Sequence[np.ndarray]) -> np.ndarray:
        """Least squares: the transposed map."""
        return np.asarray(misfits[0] @ self.along + self.down.T @ misfits[1])

    def matrices(self, axis: int) -> AxisMatrices:
        """Squares of slopes; the other axis has none."""
        part = (self.down, self.along)[axis][:, self.unknown]
        return AxisMatrices(part.T @ part, np.eye(part.shape[1]))

    @property
    def channels(self) -> Channels | None:
        """First derivatives."""
        return Channels(2, (((1.0, (1, 0)),), ((1.0, (0, 1)),)))


class PointLaplacians(Laplacians):
    """Laplacians of the field at the pixels where :class:`Laplacians` has its own."""

    @property
    def solvable(self) -> bool:
        """They are not: second derivatives of the field are no sums of pixels."""
        return False

    @property
    def channels(self) -> Channels | None:
        """The sum of the second derivatives."""
        return Channels(2, (((1.0, (2, 0)), (1.0, (0, 2))),))

    @property
    def places(self) -> np.ndarray:
        """The centres of the stencil."""
        return np.asarray(self.stencils[0].places[0])


def _along_line(count: int, taps: Sequence[tuple[int, float]]) -> np.ndarray:
    """The matrix (count, count) of a stencil along a line, mirrored at the ends."""
    stencil = Stencil.of(Pixels(2, count), [(0, place, w) for place, w in taps], (0, 1), (0, count))
    matrix = np.zeros((count, count))
    for w, at in zip(stencil.weights, stencil.places, strict=True):
        np.add.at(matrix, (np.arange(count), at), w)
    return matrix


def _halved(count: int) -> np.ndarray:
    """Ones, with halves at both ends."""
    weights = np.ones(count)
    weights[[0, -1]] = 0.5
    return weights
