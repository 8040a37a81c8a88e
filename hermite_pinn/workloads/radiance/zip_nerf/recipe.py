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
    """The recipe of Zip-NeRF: cones instead of rays on a hashed grid, for pictures of any size without aliasing.

    Two proposals choose the intervals of the field along each cone.  An option that is None is chosen for the scene and
    the device; "inside" means that cameras stand in the box of the scene.

    Parameters
    ----------
    encoder
        ``"linear"``, the name of another encoder of :class:`hermite_pinn.Field`, or a Field with options of the
        encoder.
    levels
        Levels of the field's grid.  Default: 8 from 16 to 256 cells on a CPU, to 512 inside; 10 to 2048 on a GPU.
    width
        Units of each hidden layer of the field's networks.
    samples
        Intervals of the field per ray.  Default: 16 on a CPU, 32 on a GPU.
    rays
        Rays per training step.  Default: 512 on a CPU, 2^13 on a GPU.
    scales
        Sides k, in pixels, of the blocks of the training pictures whose means are fitted, rising from 1.  A block is
        drawn 1/k times as often as a pixel.  With several scales use ``Antialiasing(scale_features=True)``.
    antialiasing
        How the field accounts for the width of a pixel.
    first, second
        The proposals.
    losses
        Terms of the loss and their weights.
    density
        Density of the untrained field, per half an edge of the box.
    anneal
        Slope of the schedule by which the weights of proposals gain influence; 0: full influence from the start.
    progressive
        Part of the run, 0 to 1, after which all levels are active; 0: all from the start.
    guard
        Rule that raises the weight of the proposals' loss.  None: the weight is constant.
    background
        ``"constant"``, ``"random"`` in training, or ``"learned"``.  Default: random for pictures with alpha, learned
        inside if the scene states no colour, otherwise constant.
    rate
        Learning rate at the start.  Default: 0.02 on a CPU, 0.01 on a GPU.
    rate_end
        Factor of the learning rate at the end, above 0 and at most 1.

    Raises
    ------
    InvalidArgumentError
        If an option is out of range.

    References
    ----------
    J. T. Barron, B. Mildenhall, D. Verbin, P. P. Srinivasan, P. Hedman, *Zip-NeRF: anti-aliased grid-based neural
    radiance fields*, ICCV (2023).

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
        """The encoder as a :class:`hermite_pinn.Field`."""
        return kind_of(self.encoder)

    @property
    def numbers(self) -> int:
        """Smallest number of values in a file of the model, see :class:`Recipe`."""
        return self.width**2

    def settled(self, setting: Setting, device: torch.device) -> ZipNeRF:
        """Choose the options that are None, see :meth:`Recipe.settled`."""
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
        """Make an untrained model, see :meth:`Recipe.make`."""
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
        """Options of the training, for a recipe without options that are None."""
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
