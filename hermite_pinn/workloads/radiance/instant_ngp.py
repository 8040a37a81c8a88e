"""The recipe of Instant-NGP, and the same with the cubic Hermite encoding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from hermite_pinn.checks import Check, check_options, choice, either, flag, integer, number
from hermite_pinn.cuda.rays.compositing import LEAST
from hermite_pinn.field.field import Field

from .backgrounds import BACKGROUNDS
from .encoding import encoder_option, kind_of
from .grid_model import GridModel
from .grid_options import GridOptions
from .model import Recipe
from .setting import Setting

__all__ = ["Hermite", "InstantNGP"]


count = partial(integer, least=1)
size = either(partial(integer, least=2, most=2**31), None)
positive = partial(number, above=0)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "encoder": encoder_option,
        "levels": either(partial(count, most=64), None),
        "coarsest": count,
        "finest": either(count, None),
        "features": partial(count, most=64),
        "table_size": size,
        "spread": partial(number, least=0),
        "slope": positive,
        "width": partial(count, most=4096),
        "hidden": partial(count, most=256),
        "density": positive,
        "samples": either(partial(count, most=1 << 24), None),
        "cells": either(partial(integer, least=8, most=512), None),
        "cascades": either(partial(count, most=16), None),
        "march_steps": either(partial(count, most=1 << 16), None),
        "cone": either(partial(number, least=0, below=1), None),
        "finer": partial(count, most=64),
        "near": either(partial(number, least=0), None),
        "update_every": count,
        "warmup": partial(integer, least=0),
        "update_share": either(partial(number, above=0, most=1), None),
        "fade": partial(number, least=0, most=1),
        "background": either(partial(choice, options=BACKGROUNDS), None),
        "rate": either(positive, None),
        "rate_end": partial(number, above=0, most=1),
        "decay": partial(number, least=0),
        "least": partial(number, least=0, below=1),
        "compaction": flag,
    }
)


@dataclass(frozen=True)
class InstantNGP(Recipe):
    """The recipe of Instant-NGP: hashed levels, two small networks, and samples in occupied cells only.

    A multilevel table of features is interpolated at each sample.  The first network returns the density there and the
    numbers that the second network turns into a colour, together with the direction of view.  An option that is None is
    chosen for the scene and the device; "inside" means that cameras stand in the box of the scene.

    Parameters
    ----------
    encoder
        ``"linear"``, the name of another encoder of :class:`hermite_pinn.Field`, or a Field with options of the
        encoder.  Levels, features and tables are those of the recipe.  ``Field(half=True)`` reads the tables in half
        precision; gradients are float32, and a step that overflows is skipped.
    levels
        Number of levels, at most 64.  Default: 8 on a CPU, 16 on a GPU.
    coarsest, finest
        Cells per axis of the box on the first and on the last level; those between grow geometrically.  Default of
        ``finest``: 256 on a CPU, 512 inside; on a GPU two cells for each pixel along the pictures, at most 2048.
    features
        Features per level.
    table_size
        Largest number of records that a level stores.  Default: 2^15 on a CPU, 2^17 inside, 2^19 on a GPU.
    spread
        Standard deviation of the initial features.
    slope
        For records with derivatives, the unit of a first derivative in values per cell; mixed derivatives have powers
        of it.
    width
        Units of each hidden layer: one of the first network, two of the second.
    hidden
        Outputs of the first network, all of which are inputs of the second.
    density
        Density of the untrained field, per half an edge of the box.
    samples
        Samples per training step, approximately; the number of rays follows.  Default: 2^14 on a CPU, 2^18 on a GPU.
    cells
        Cells per axis of an occupancy grid, 8 to 512.  Default: 64 on a CPU, 128 on a GPU.
    cascades
        Number of occupancy grids, each twice as wide as the one before.  Default: 1, inside 3.
    march_steps
        Steps of a ray in training along the diagonal of the finest occupancy grid.  Default: 128 on a CPU, 256 inside,
        1024 on a GPU.
    cone
        Growth of the step length per unit of distance from the camera, at least 0 and below 1.  Default: 0, inside
        1/128 on a CPU and 1/256 on a GPU.
    finer
        How many times shorter steps are in rendering than in training.
    near
        Distance of the first sample, in halves of the edge of the box.  Default: 0, inside 0.05.
    update_every, warmup
        Training steps between updates of the occupancy grids, and the number of first updates that visit all cells.
    update_share
        Share of the cells that a later update draws, above 0 and at most 1.  Default: 0.125, inside 0.0625.
    fade
        Factor of the stored density of every cell at every update, 0 to 1.
    background
        ``"constant"``, ``"random"`` in training, or ``"learned"``.  Default: random inside and for pictures with alpha,
        otherwise constant.  Only opaque matter agrees with a random background.  A learned one takes the colour of
        walls, and depths and normals then have holes there.
    rate
        Learning rate at the start.  Default: 0.01, on a CPU outside 0.02.  Networks use at most 0.01, because at 0.02
        all units of a layer may die in the first steps.
    rate_end
        Factor of the learning rates at the end, above 0 and at most 1.
    decay
        Weight in the loss of half the sum of the squares of the networks' weights.
    least
        Transmittance below which the rest of a ray is ignored.
    compaction
        Whether samples beyond that point are dropped before the gradients of the networks are computed.

    Raises
    ------
    InvalidArgumentError
        If an option is out of range.

    References
    ----------
    T. Müller, A. Evans, C. Schied, A. Keller, *Instant neural graphics primitives with a multiresolution hash
    encoding*, ACM Trans. Graph. 41 (2022).

    Examples
    --------
    >>> InstantNGP(levels=4).levels, InstantNGP().name
    (4, 'instant_ngp')
    """

    encoder: str | Field = "linear"
    levels: int | None = None
    coarsest: int = 16
    finest: int | None = None
    features: int = 2
    table_size: int | None = None
    spread: float = 1e-4
    slope: float = 1.0
    width: int = 64
    hidden: int = 16
    density: float = 1.0
    samples: int | None = None
    cells: int | None = None
    cascades: int | None = None
    march_steps: int | None = None
    cone: float | None = None
    finer: int = 2
    near: float | None = None
    update_every: int = 16
    warmup: int = 16
    update_share: float | None = None
    fade: float = 0.8
    background: str | None = None
    rate: float | None = None
    rate_end: float = 0.1
    decay: float = 1e-6
    least: float = LEAST
    compaction: bool = True

    name: ClassVar[str] = "instant_ngp"

    def __post_init__(self) -> None:
        check_options(self, CHECKS)

    @property
    def kind(self) -> Field:
        """The encoder as a :class:`hermite_pinn.Field`."""
        return kind_of(self.encoder)

    @property
    def numbers(self) -> int:
        """Smallest number of values in a file of the model, see :class:`Recipe`."""
        return (self.cascades or 0) * (self.cells or 0) ** 3 + self.width**2

    def settled(self, setting: Setting, device: torch.device) -> InstantNGP:
        """Choose the options that are None, see :meth:`Recipe.settled`."""
        small, inside = device.type == "cpu", setting.inside
        fine = max(64, min(1 << (2 * setting.pixels - 1).bit_length(), 2048))  # two cells for a pixel
        chosen: dict[str, Any] = {
            **self._tables(
                8 if small else 16,
                (512 if inside else 256) if small else fine,
                1 << ((17 if inside else 15) if small else 19),
            ),
            "samples": 1 << (14 if small else 18),
            "cells": 64 if small else 128,
            "cascades": 3 if inside else 1,
            "rate": 2e-2 if small and not inside else 1e-2,
            "update_share": 0.0625 if inside else 0.125,
            "march_steps": (256 if inside else 128) if small else 1024,
            "cone": (1 / 128 if small else 1 / 256) if inside else 0.0,
            "near": 0.05 if inside else 0.0,
            "background": "random" if setting.alpha or inside else "constant",
        }
        open_ = {f.name: chosen[f.name] for f in fields(self) if f.name in chosen and getattr(self, f.name) is None}
        return replace(self, **open_)

    def _tables(self, levels: int, finest: int, size: int) -> dict[str, int]:
        """Levels, cells of the finest and records of a level, from those of linear interpolation."""
        return {"levels": levels, "finest": finest, "table_size": size}

    def make(self, setting: Setting, generator: torch.Generator, dtype: torch.dtype, device: torch.device) -> GridModel:
        """Make an untrained model, see :meth:`Recipe.make`."""
        options = GridOptions(**{f.name: getattr(self, f.name) for f in fields(GridOptions)})
        return GridModel(self, self.kind, options, setting, generator, dtype, device)


@dataclass(frozen=True)
class Hermite(InstantNGP):
    """:class:`InstantNGP` with cubic Hermite records: each vertex stores the value and its mixed first derivatives.

    Normals come from the exact gradient of a smooth density.  A record has eight numbers per feature.  The defaults
    have about as many parameters as those of :class:`InstantNGP`: half as many levels, up to cells twice as wide, with
    a quarter of the records each.  Parameters and errors are those of :class:`InstantNGP`.

    Examples
    --------
    >>> Hermite().kind.basis
    'cubic'
    """

    encoder: str | Field = "hermite"
    coarsest: int = 12

    name: ClassVar[str] = "hermite"

    def _tables(self, levels: int, finest: int, size: int) -> dict[str, int]:
        return {"levels": levels // 2, "finest": finest // 2, "table_size": size // 4}
