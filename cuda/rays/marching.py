"""Samples along rays, where the cells of a grid are occupied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.registration import operation
from hermite_pinn.errors import InvalidArgumentError

from . import reference
from .cascades import Cascades
from .launch import plain, real, run
from .occupancy import OccupancyGrid
from .samples import Samples, offsets_of

__all__ = ["Marching", "march"]

LONGEST_WALK = 2**20  # as in march.cuh
MOST_WORDS = 64  # 64 intervals each, in which those with samples are noted
SPELLED = "lpppppplllllpl"  # of what both kernels are given


@dataclass(frozen=True)
class Marching:
    """How far apart samples are, and where.

    The length of a step at distance ``t`` is ``t cone``, but at least ``step`` and at most ``longest``.

    Attributes
    ----------
    step
        Shortest step, in units of directions.
    cone
        Growth of steps with distance; 0: all are of length ``step``.
    longest
        Longest step.
    near, far
        Distances between which samples lie.
    most
        Samples of a ray; what would come behind is left out.
    lower, upper
        Box outside which nothing is; None: the coarsest cascade.

    Raises
    ------
    InvalidArgumentError
        If lengths are not positive or not in order.
    """

    step: float
    cone: float = 0.0
    longest: float = math.inf
    near: float = 0.0
    far: float = math.inf
    most: int = 1024
    lower: tuple[float, float, float] | None = None
    upper: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if not (0 < self.step < math.inf and self.longest >= self.step):
            raise InvalidArgumentError(
                f"steps must be positive, the longest not shorter than the shortest; got step={self.step!r} and "
                f"longest={self.longest!r}"
            )
        if not 0 <= self.cone < 1:
            raise InvalidArgumentError(f"cone must be from 0 to below 1, such as 1/256; got {self.cone!r}")
        if not 0 <= self.near < self.far:
            raise InvalidArgumentError(f"distances must be 0 <= near < far, got {self.near!r} and {self.far!r}")
        if not 1 <= self.most < 2**31:
            raise InvalidArgumentError(f"most must be a number of samples from 1 on, got {self.most!r}")

    def frame(self, cascades: Cascades) -> tuple[float, ...]:
        """The numbers that ``march.cuh`` reads."""
        lower = cascades.lower if self.lower is None else self.lower
        upper = cascades.upper if self.upper is None else self.upper
        for a, low, high, b in zip(cascades.lower, lower, upper, cascades.upper, strict=True):
            if not a <= low < high <= b:
                raise InvalidArgumentError(
                    f"the box must lie in the coarsest cascade, from {cascades.lower} to {cascades.upper}; got {lower} to "
                    f"{upper}; add cascades"
                )
        if math.dist(lower, upper) / self.step > LONGEST_WALK:
            raise InvalidArgumentError(
                f"step={self.step!r} makes more than 2^20 steps through the box; use a longer one"
            )
        lengths = (self.step, self.longest, self.cone, self.near, self.far)
        return (*lower, *upper, *cascades.centre, cascades.half, *map(float, lengths))

    def words(self, cascades: Cascades) -> int:
        """Numbers of 64 bits in which a ray notes the intervals of its samples; 0 where that would be too many."""
        lower = cascades.lower if self.lower is None else self.lower
        upper = cascades.upper if self.upper is None else self.upper
        found = int(math.dist(lower, upper) / self.step) // 64 + 1
        return found if found <= MOST_WORDS else 0


@lru_cache(maxsize=64)
def _frame(numbers: tuple[float, ...], place: torch.device) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64, device=place)


@operation("march_rays")
def _march(
    origins: torch.Tensor,
    directions: torch.Tensor,
    ids: torch.Tensor | None,
    bits: torch.Tensor,
    frame: torch.Tensor,
    cells: int,
    most: int,
    seed: int,
    jittered: int,
    words: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    dtype, place, n = real("origins", origins), origins.device, origins.shape[-1]
    require("origins", origins, (3, n), dtype, place)
    require("directions", directions, (3, n), dtype, place)
    require("bits", bits, (bits.shape[0], cells**3 // 8), torch.uint8, place)
    require("frame", frame, (15,), torch.float64, place)
    if ids is not None:
        require("ids", ids, (n,), torch.int64, place)
    if plain(place):
        return reference.march(origins, directions, ids, bits, frame, cells, most, seed, jittered)
    text = ("march", dtype, 3)
    noted = torch.empty(n, words, dtype=torch.int64, device=place)
    blocks = bits.new_empty(bits.numel() // 512)
    run(text, "hp_blocks", "lpp", place, (len(blocks), bits, blocks))
    constant = (
        n,
        origins,
        directions,
        ids,
        bits,
        blocks,
        frame,
        cells,
        bits.shape[0],
        most,
        seed,
        jittered,
        noted,
        words,
    )
    counts = torch.empty(n, dtype=torch.int64, device=place)
    run(text, "hp_march", SPELLED + "p", place, (*constant, counts))
    offsets = offsets_of(counts)
    total = int(offsets[-1])
    t, dt = (torch.empty(total, dtype=dtype, device=place) for _ in range(2))
    rays, positions = torch.empty_like(t, dtype=torch.int64), t.new_empty(3, total)
    if total:
        run(text, "hp_samples", SPELLED + "lppppp", place, (*constant, total, offsets, t, dt, rays, positions))
    return offsets, rays, t, dt, positions


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
    offsets, rays, t, dt, _ = output
    ctx.mark_non_differentiable(offsets, rays, t, dt)
    ctx.save_for_backward(offsets, rays, t)


def _backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    offsets, rays, t = ctx.saved_tensors
    by_origins, by_directions = _pull_back(offsets, rays, t, gradients[-1].contiguous())
    return by_origins, by_directions, *(None,) * 8


@operation("march_rays_adjoint")
def _pull_back(
    offsets: torch.Tensor, rays: torch.Tensor, t: torch.Tensor, gradient: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    n, total, dtype, place = len(offsets) - 1, len(t), t.dtype, t.device
    require("the gradient by positions", gradient, (3, total), dtype, place)
    by_origins, by_directions = gradient.new_zeros(3, n), gradient.new_zeros(3, n)
    if plain(place):
        by_origins.index_add_(1, rays, gradient)
        by_directions.index_add_(1, rays, t * gradient)
    else:
        given = (n, total, offsets, t, gradient, by_origins, by_directions)
        run(("march", dtype, 3), "hp_pull_back", "llppppp", place, given)
    return by_origins, by_directions


_march.register_autograd(_backward, setup_context=_save)


def march(
    origins: torch.Tensor,
    directions: torch.Tensor,
    grid: OccupancyGrid,
    options: Marching,
    seed: int | None = None,
    ids: torch.Tensor | None = None,
) -> Samples:
    """Samples of rays in the occupied cells of a grid.

    Samples are counted, the counts summed, and the samples written to arrays of exactly their number: on a GPU the host
    waits once, for that number.  What comes out for a ray depends neither on other rays nor on the number of threads.
    A ray that misses the box, has no direction or holds a number that is not finite has no samples.

    Parameters
    ----------
    origins, directions
        (3, n), float32 or float64.  Lengths are in units of directions.
    grid
        The occupied cells.
    options
        Steps and box.
    seed
        Shifts the samples of every ray by a random share of its steps; None: samples lie in the middle of steps.
    ids
        (n,), int64: numbers of rays, on which the shifts depend; None: 0, 1, ...

    Returns
    -------
    Samples
        Of all rays, in their order.

    Raises
    ------
    InvalidArgumentError
        If shapes, types or devices do not fit, or the box is not in the grid.

    Examples
    --------
    >>> grid = OccupancyGrid(Cascades((0.0, 0.0, 0.0), 1.0, 8))
    >>> origins, directions = torch.tensor([[-2.0], [0.0], [0.0]]), torch.tensor([[1.0], [0.0], [0.0]])
    >>> march(origins, directions, grid, Marching(step=0.5)).t
    tensor([1.2500, 1.7500, 2.2500, 2.7500])
    """
    frame = _frame(options.frame(grid.cascades), origins.device)
    start, cells = (0 if seed is None else seed), grid.cascades.cells
    found = _march(
        origins.contiguous(), directions.contiguous(), ids, grid.bits, frame, cells, options.most, start, int(seed is not None),
        options.words(grid.cascades),
    )  # fmt: skip
    return Samples(*found)
