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
    """Hashed levels, two small networks, and samples in occupied cells only (Müller et al., 2022).

    Options that are None are chosen for the scene and the device.

    Parameters
    ----------
    encoder
        ``"linear"``, an encoder's name of :class:`hermite_pinn.Field`, or a Field with the encoder's own options;
        its levels, features and tables are those of the recipe.  With ``half=True`` in it tables are read in half
        precision; gradients are float32 all the same, so that no loss needs to be scaled, and a step that overflows is
        left out.
    levels, coarsest, finest, features, table_size, spread, slope
        Number of levels, cells along the box at both ends of them, features and records of a level, the standard
        deviation of the first values, and, where records have derivatives, the unit of a first one, in values per cell;
        mixed ones have powers of it.  On a CPU 8 levels of 2^15 records up to 256 cells, or 2^17 and 512 where
        cameras stand in the box; on a GPU 16 of 2^19 up to about two cells for every pixel along the pictures, at most
        2048: finer ones learn what pictures cannot show.
    width, hidden
        Units of the networks' layers, and what both share.
    density
        Of an untrained field, per half an edge of the box.
    samples
        That the networks take in a step, about; rays follow.  2^14 on a CPU, 2^18 on a GPU.
    cells, cascades, march_steps, cone, finer, near
        Cells of the occupancy grid along its axes, and how many such grids there are, each twice as wide; steps along
        the diagonal of the finest; growth of steps with distance; how many steps of a picture are one of training,
        whose samples lie anywhere in their steps; and the nearest sample, in halves of the box's edge.
        Where cameras stand in the box: three grids, and growing steps.
    update_every, warmup, update_share, fade
        Steps between looks for occupied cells, the first looks that visit all, the part that later ones draw, and the
        factor by which what was found fades from look to look.
    background
        ``"constant"``, ``"random"`` in training, or ``"learned"``; by default random for pictures with alpha and where
        cameras stand in the box, else constant.  What is seen against a random one must hold back all light; a learned
        one shows walls of its colour, in which depths and normals then have holes.
    rate, rate_end, decay
        Learning rate, its factor by the end, and weight of the squares of networks' weights.  The rate is 0.02 on a
        CPU where cameras stand around the box, else 0.01; networks take no more than 0.01, since at 0.02 all units of
        a layer may die in the first steps.
    least
        Transmittance behind which nothing is seen.
    compaction
        Whether samples behind that are dropped before the networks' gradients are taken.

    Raises
    ------
    InvalidArgumentError
        For options out of range.

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
        """The encoder."""
        return kind_of(self.encoder)

    @property
    def numbers(self) -> int:
        """See :class:`Recipe`: the occupancy grid and the networks."""
        return (self.cascades or 0) * (self.cells or 0) ** 3 + self.width**2

    def settled(self, setting: Setting, device: torch.device) -> InstantNGP:
        """See :meth:`Recipe.settled`."""
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
        """See :meth:`Recipe.make`."""
        options = GridOptions(**{f.name: getattr(self, f.name) for f in fields(GridOptions)})
        return GridModel(self, self.kind, options, setting, generator, dtype, device)


@dataclass(frozen=True)
class Hermite(InstantNGP):
    """Instant-NGP with cubic Hermite records, value and mixed slopes at every vertex; normals are exact.

    A record has eight numbers per feature.  A level says more than a linear one of the same cells, so that there are
    half as many of them, up to cells twice as wide, and each has a quarter of the records: parameters are as many, and
    fewer vertices share a record.

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
