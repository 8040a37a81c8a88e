"""The recipe of a Zip-NeRF."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from hermite_pinn.checks import Check, check_options, choice, either, instance, integer, number
from hermite_pinn.field.field import Field
from hermite_pinn.workloads.radiance.backgrounds import BACKGROUNDS, backdrop
from hermite_pinn.workloads.radiance.encoding import encoder_option, kind_of
from hermite_pinn.workloads.radiance.model import Recipe
from hermite_pinn.workloads.radiance.setting import Setting

from .fields import DensityField, RadianceField
from .frame import Frame
from .model import ZipModel
from .options import Antialiasing, GridLevels, Proposal, ProposalGuard, ZipLosses, ZipOptions
from .pyramid import scale_list
from .sampling import Sampler
from .spacing import Spacing

__all__ = ["ZipNeRF"]


def _made(kind: type) -> Check:
    return lambda name, value, **words: instance(name, value, kind, f"hermite_pinn.radiance.{kind.__name__}", **words)


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "encoder": encoder_option,
        "levels": either(_made(GridLevels), None),
        "width": partial(integer, least=1, most=4096),
        "samples": either(partial(integer, least=1, most=4096), None),
        "rays": either(partial(integer, least=1, most=1 << 20), None),
        "scales": scale_list,
        "antialiasing": _made(Antialiasing),
        "first": either(_made(Proposal), None),
        "second": either(_made(Proposal), None),
        "losses": _made(ZipLosses),
        "density": partial(number, above=0),
        "anneal": partial(number, least=0),
        "progressive": partial(number, least=0, most=1),
        "guard": either(_made(ProposalGuard), None),
        "background": either(partial(choice, options=BACKGROUNDS), None),
        "rate": either(partial(number, above=0), None),
        "rate_end": partial(number, above=0, most=1),
    }
)


@dataclass(frozen=True)
class ZipNeRF(Recipe):
    """Cones instead of rays on a hashed grid: pictures of any size without aliasing (Barron et al., 2023).

    Options that are None are chosen for the scene and the device.

    Parameters
    ----------
    encoder
        ``"linear"``, an encoder's name of :class:`hermite_pinn.Field`, or a Field with the encoder's own options.
    levels
        Of the field's grid.
    width
        Units of its networks' layers.
    samples, rays
        Intervals of the field per ray, and rays of a step.
    scales
        Sides, in pixels, of blocks of the training pictures whose averages are learned too; (1,): none but the pixels.
        A block of k² pixels comes 1/k as often as a pixel.  Networks should know the scale then:
        ``Antialiasing(scale_features=True)``.
    antialiasing
        How it knows the width of pixels.
    first, second
        The two proposals.
    losses
        Factors of the losses.
    density
        Of an untrained field, per half an edge of the box.
    anneal
        Slope of the bias by which proposals are believed more and more; 0: from the beginning.
    progressive
        Part of the run after which all levels are there; 0: from the beginning.
    guard
        Keeps proposals from falling behind; None: nothing does.
    background
        ``"constant"``, ``"random"`` in training, or ``"learned"``; by default random for pictures with alpha, learned
        for others where cameras stand in the box and no colour is known, else constant.
    rate, rate_end
        Learning rate, by default 0.02 on a CPU and 0.01 on a GPU, and its factor by the end.

    Raises
    ------
    InvalidArgumentError
        For options out of range.

    Examples
    --------
    >>> ZipNeRF(samples=16).samples, ZipNeRF().name
    (16, 'zip_nerf')
    """

    encoder: str | Field = "linear"
    levels: GridLevels | None = None
    width: int = 64
    samples: int | None = None
    rays: int | None = None
    scales: tuple[int, ...] = (1,)
    antialiasing: Antialiasing = field(default_factory=Antialiasing)
    first: Proposal | None = None
    second: Proposal | None = None
    losses: ZipLosses = field(default_factory=ZipLosses)
    density: float = 1.0
    anneal: float = 10.0
    progressive: float = 0.0
    guard: ProposalGuard | None = None
    background: str | None = None
    rate: float | None = None
    rate_end: float = 0.1

    name: ClassVar[str] = "zip_nerf"

    def __post_init__(self) -> None:
        check_options(self, CHECKS)

    @property
    def kind(self) -> Field:
        """The encoder."""
        return kind_of(self.encoder)

    @property
    def numbers(self) -> int:
        """See :class:`Recipe`: the networks."""
        return self.width**2

    def settled(self, setting: Setting, device: torch.device) -> ZipNeRF:
        """See :meth:`Recipe.settled`."""
        small, inside = device.type == "cpu", setting.inside
        table = 1 << ((17 if inside else 15) if small else 19)
        proposed = 1 << (14 if small else 19)
        finest = (512 if inside else 256) if small else 2048
        points = self.antialiasing.samples or (1 if small else 6)
        chosen: dict[str, Any] = {
            "rate": 2e-2 if small else 1e-2,
            "levels": GridLevels(16, finest, 8 if small else 10, 2 if small else 4, table),
            "samples": 16 if small else 32,
            "rays": 512 if small else 1 << 13,
            "first": Proposal(32 if small else 64, GridLevels(8, 32 if small else 512, 3 if small else 6, 2, proposed), 16, 0.03),
            "second": Proposal(24 if small else 64, GridLevels(16, 128 if small else 2048, 4 if small else 8, 2, proposed), 16, 0.003),
            "background": "random" if setting.alpha else "learned" if inside and not setting.background else "constant",
        }  # fmt: skip
        open_ = {name: value for name, value in chosen.items() if getattr(self, name) is None}
        return replace(self, antialiasing=replace(self.antialiasing, samples=points), **open_)

    def make(self, setting: Setting, generator: torch.Generator, dtype: torch.dtype, device: torch.device) -> ZipModel:
        """See :meth:`Recipe.make`."""
        made = self.settled(setting, device)
        frame, unit = Frame.of_setting(setting), self.density / setting.half
        rest = (unit, generator, dtype, device)
        proposals = tuple(p for p in (made.first, made.second) if p is not None)
        fields = [DensityField(self.kind, p.levels, p.width, self._filter(p), *rest) for p in proposals]
        spacing = Spacing(-1.5, 2 / frame.half) if frame.contracted else Spacing()
        sampler = Sampler(frame, spacing, proposals, fields)
        radiance = RadianceField(self.kind, made.levels or GridLevels(), self.width, made.antialiasing, *rest)
        behind = backdrop(made.background or "constant", setting, generator, dtype, device)
        return ZipModel(made, made.options, setting, sampler, radiance, behind).to(device)

    @property
    def options(self) -> ZipOptions:
        """What it says of the training, once nothing is left open."""
        return ZipOptions(
            self.samples or 1,
            self.rays or 1,
            self.scales,
            self.losses,
            self.anneal,
            self.progressive,
            self.guard,
            self.rate or 1e-2,
            self.rate_end,
        )

    def _filter(self, proposal: Proposal) -> Antialiasing:
        return Antialiasing(proposal.points, self.antialiasing.weights)
