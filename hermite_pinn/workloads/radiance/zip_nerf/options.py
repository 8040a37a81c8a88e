"""What can be chosen of a Zip-NeRF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from hermite_pinn.checks import Check, check_options, choice, either, flag, instance, integer, number, refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.workloads.radiance.encoding import resolutions

from .downweighting import DOWNWEIGHTINGS
from .frusta import COUNTS
from .interlevel import INTERLEVEL_LOSSES

__all__ = ["Antialiasing", "ProposalGuard", "GridLevels", "Proposal", "ZipLosses"]


def point_count(name: str, value: Any, **words: Any) -> int:
    """A number of points per slice."""
    count = integer(name, value, **words)
    if count not in COUNTS:
        refuse(name, value, f"one of {', '.join(map(str, COUNTS))} points")
    return count


def _levels(name: str, value: Any, **words: Any) -> GridLevels:
    return instance(name, value, GridLevels, "hermite_pinn.radiance.GridLevels", **words)


LEVELS: Mapping[str, Check] = MappingProxyType(
    {
        "coarsest": partial(integer, least=1, most=1 << 20),
        "finest": partial(integer, least=1, most=1 << 20),
        "count": partial(integer, least=1, most=32),
        "features": partial(integer, least=1, most=16),
        "table_size": partial(integer, least=2, most=1 << 30),
    }
)
ANTIALIASING: Mapping[str, Check] = MappingProxyType(
    {"samples": either(point_count, None), "weights": partial(choice, options=DOWNWEIGHTINGS), "scale_features": flag}
)
PROPOSAL: Mapping[str, Check] = MappingProxyType(
    {
        "samples": partial(integer, least=1, most=4096),
        "levels": _levels,
        "width": partial(integer, least=1, most=1024),
        "blur": partial(number, above=0, most=1),
        "points": point_count,
    }
)
LOSSES: Mapping[str, Check] = MappingProxyType(
    {
        "knee": partial(number, above=0),
        "interlevel": partial(number, least=0),
        "interlevel_kind": partial(choice, options=INTERLEVEL_LOSSES),
        "distortion": partial(number, least=0),
        "distortion_power": number,
        "distortion_factor": partial(number, above=0),
        "decay": partial(number, least=0),
    }
)
GUARD: Mapping[str, Check] = MappingProxyType(
    {"limit": partial(number, least=0, most=1), "growth": partial(number, least=1), "most": partial(number, least=1)}
)


@dataclass(frozen=True)
class GridLevels:
    """The levels of a hashed grid.

    Attributes
    ----------
    coarsest, finest
        Cells per axis of the first and of the last level; those between grow geometrically.
    count
        Number of levels, 1 to 32.
    features
        Features per level, 1 to 16.
    table_size
        Largest number of vertices that a level stores, a power of two.

    Raises
    ------
    InvalidArgumentError
        If a number is out of range, ``finest`` is below ``coarsest``, or ``table_size`` is no power of two.

    Examples
    --------
    >>> GridLevels(16, 128, 4).resolutions
    (16, 32, 64, 128)
    """

    coarsest: int = 16
    finest: int = 256
    count: int = 8
    features: int = 2
    table_size: int = 1 << 15

    def __post_init__(self) -> None:
        check_options(self, LEVELS)
        if self.finest < self.coarsest:
            raise InvalidArgumentError(f"finest must be at least coarsest, {self.coarsest} cells, got {self.finest}")
        if self.table_size & (self.table_size - 1):
            raise InvalidArgumentError(f"table_size must be a power of two, got {self.table_size}")

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Cells per axis of every level."""
        return tuple(resolutions(self.count, self.coarsest, self.finest))


@dataclass(frozen=True)
class Antialiasing:
    """How a field accounts for the width of a pixel.

    A pixel is a cone, which is cut into slices along the ray.  The features of a slice are means over several points in
    it, and levels whose cells are small beside the slice count less.

    Attributes
    ----------
    samples
        Points per slice: 6 or 4, which reproduce its mean and variances, or 1.  Default: 6 on a GPU, 1 on a CPU.
    weights
        Weight of a level with N cells per unit of length at a slice with the standard deviation s: ``"erf"`` is
        erf(1/√(8 s² N²)) (Zip-NeRF), ``"approximate"`` a cheaper form of it, ``"gaussian"`` is exp(-3 s² N²/2), and
        ``"none"`` is 1.
    scale_features
        Whether the weights of the levels are further inputs of the networks.

    Raises
    ------
    InvalidArgumentError
        If an option has another value.

    Examples
    --------
    >>> Antialiasing(6).weights, Antialiasing.off().weights
    ('erf', 'none')
    """

    samples: int | None = None
    weights: str = "erf"
    scale_features: bool = False

    def __post_init__(self) -> None:
        check_options(self, ANTIALIASING)

    @classmethod
    def off(cls) -> Antialiasing:
        """Options without anti-aliasing: one point per slice, and the weight 1 of all levels."""
        return cls(1, "none", False)


@dataclass(frozen=True)
class Proposal:
    """A small density field that chooses the intervals along a ray at which the next field is evaluated.

    Attributes
    ----------
    samples
        Intervals per ray, 1 to 4096.
    levels
        Levels of its grid.
    width
        Units of the hidden layer of its network.
    blur
        Half width of the box filter that is applied to the histogram of the next field before the proposal is compared
        with it, as a share of the ray, above 0 and at most 1.
    points
        Points per slice of the cone: 6, 4 or 1, see :class:`Antialiasing`.

    Raises
    ------
    InvalidArgumentError
        If a number is out of range.

    Examples
    --------
    >>> Proposal(samples=32).levels.resolutions
    (16, 32, 64)
    """

    samples: int = 64
    levels: GridLevels = GridLevels(16, 64, 3, 2, 1 << 14)
    width: int = 16
    blur: float = 0.03
    points: int = 1

    def __post_init__(self) -> None:
        check_options(self, PROPOSAL)


@dataclass(frozen=True)
class ZipLosses:
    """The terms of the loss of :class:`ZipNeRF` and their weights.

    Attributes
    ----------
    knee
        Error of a colour at which the Charbonnier loss changes from quadratic to linear.
    interlevel
        Weight of the loss of the proposals.
    interlevel_kind
        How a proposal is compared with the field: ``"spline"`` penalises where it has less weight (Zip-NeRF),
        ``"distillation"`` is a Kullback-Leibler divergence with squared differences, ``"similarity"`` one minus a
        cosine.
    distortion
        Weight of the distortion loss, which concentrates the weight of a ray.
    distortion_power, distortion_factor
        Power and factor of the power transformation of distances in which the distortion is measured.
    decay
        Weight of half the mean square of each level of every grid.

    Raises
    ------
    InvalidArgumentError
        If a weight is negative, or the kind is unknown.

    Examples
    --------
    >>> ZipLosses(interlevel_kind="distillation").interlevel
    0.01
    """

    knee: float = 1e-3
    interlevel: float = 0.01
    interlevel_kind: str = "spline"
    distortion: float = 0.01
    distortion_power: float = 1.0
    distortion_factor: float = 1.0
    decay: float = 1e-2

    def __post_init__(self) -> None:
        check_options(self, LOSSES)


@dataclass(frozen=True)
class ProposalGuard:
    """A rule that raises the weight of the proposals' loss while they miss too much of the field.

    Attributes
    ----------
    limit
        Share of the weight of a ray that proposals may miss, 0 to 1, as a moving average over steps.
    growth
        Factor by which the weight grows in each step above the limit, and falls in each step below it.
    most
        Largest factor of the weight; the least is 1.

    Raises
    ------
    InvalidArgumentError
        If a number is out of range.

    Examples
    --------
    >>> guard = ProposalGuard(limit=0.1, growth=2.0, most=8.0)
    >>> guard.next(1.0, 0.3), guard.next(8.0, 0.3), guard.next(8.0, 0.0), guard.next(1.0, 0.0)
    (2.0, 8.0, 4.0, 1.0)
    """

    limit: float = 0.1
    growth: float = 1.1
    most: float = 100.0

    def __post_init__(self) -> None:
        check_options(self, GUARD)

    def next(self, factor: float, missed: float) -> float:
        """Return the factor of the next step from the last factor and the share that proposals miss."""
        return min(self.most, factor * self.growth) if missed > self.limit else max(1.0, factor / self.growth)


@dataclass(frozen=True)
class ZipOptions:
    """What :class:`.ZipNeRF` says of the training, with nothing left open; see there."""

    samples: int
    rays: int
    scales: tuple[int, ...]
    losses: ZipLosses
    anneal: float
    progressive: float
    guard: ProposalGuard | None
    rate: float
    rate_end: float
