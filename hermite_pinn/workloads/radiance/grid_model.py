"""A radiance field whose samples are marched through occupied cells, as Instant-NGP's are."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from hermite_pinn.cuda.rays.cascades import Cascades
from hermite_pinn.cuda.rays.compositing import LEAST, compact, composite
from hermite_pinn.cuda.rays.marching import Marching, march
from hermite_pinn.cuda.rays.samples import Samples
from hermite_pinn.field.field import Field

from .backgrounds import backdrop
from .encoding import Encoding, resolutions
from .grid_options import GridOptions
from .model import ParameterGroup, RadianceModel, Recipe, Sight
from .occupied import OccupiedCells
from .radiance_field import RadianceField
from .rays import Rays
from .rounds import asked_in_rounds
from .scene import Scene
from .setting import Setting

__all__ = ["GridModel"]

#: Rays that are looked along at once.
PART = 4096
#: Least and most rays of a step.
FEWEST, MOST = 64, 1 << 18
#: Error at which the Huber loss goes from squares to lengths.
KNEE = 0.1
#: Share of samples that are seen up to which a pass without gradients that finds them is worth its time.
FEW = 2 / 3
#: Part of the finest cascade's diagonal whose optical depth says whether a cell is occupied, as in Instant-NGP.
FINEST = 1 / 1024


class GridModel(RadianceModel):
    """Marching, compaction, two networks and compositing.

    Parameters
    ----------
    recipe
        By which it is made.
    kind
        The encoder.
    options
        What the recipe says.
    setting
        Where.
    generator, dtype, device
        Of random numbers, of the parameters, and where they are.
    """

    def __init__(
        self,
        recipe: Recipe,
        kind: Field,
        options: GridOptions,
        setting: Setting,
        generator: torch.Generator,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        super().__init__(recipe, setting, dtype, device)
        self.options = o = options
        self.halved, self.rate_end = kind.half, o.rate_end
        lower, upper = setting.cube
        cells = resolutions(o.levels, o.coarsest, o.finest)
        encoding = Encoding(kind, lower, upper, cells, o.features, o.table_size, o.spread, generator, dtype, device)
        self.field = RadianceField(encoding, o.width, o.hidden, o.density / setting.half, generator, dtype, device)
        cascades = Cascades(setting.centre, setting.half / 2 ** (o.cascades - 1), o.cells, o.cascades)
        shortest = 2 * math.sqrt(3.0) * cascades.half / o.march_steps
        self.marching = Marching(
            step=shortest,
            cone=o.cone,
            longest=max(shortest, 2 * math.sqrt(3.0) * setting.half / o.march_steps * 16),
            near=o.near * setting.half,
            lower=setting.lower,
            upper=setting.upper,
        )
        longest = self.marching.longest / o.finer
        self.looking = replace(self.marching, step=shortest / o.finer, longest=longest, cone=o.cone / o.finer)
        length = 2 * math.sqrt(3.0) * cascades.half * FINEST
        self.occupied = OccupiedCells(cascades, length, o.update_every, o.warmup, o.update_share, o.fade, device)
        self.backdrop = backdrop(o.background, setting, generator, dtype, device)
        self.wanted: Tensor
        self.visible: Tensor
        self.register_buffer("visible", torch.ones(()))
        self.register_buffer("wanted", torch.tensor(max(FEWEST, o.samples // 64), dtype=torch.int64))

    def prepare(self, scene: Scene, fixed: bool) -> None:
        """Hide the cells that no camera sees, where cameras stay."""
        if fixed and len(scene.train):
            self.occupied.hide(scene.train.cameras)

    @property
    def rays(self) -> int:
        """See :class:`RadianceModel`."""
        return int(self.wanted)

    def density(self, points: Tensor) -> Tensor:
        """See :meth:`RadianceModel.density`."""
        return self.field.density(points)

    def groups(self) -> list[ParameterGroup]:
        """The encoder, and all networks."""
        networks = [p for part in (self.field.first, self.field.second, self.backdrop) for p in part.parameters()]
        tables = tuple(self.field.encoding.parameters())
        found = [ParameterGroup("networks", tuple(networks), self.options.rate, self.options.decay)]
        if tables:
            found.insert(0, ParameterGroup("encoder", tables, self.options.rate, levels=self.field.encoding.levels))
        return found

    def advance(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Look for occupied cells."""
        self.occupied.advance(step, self.field.density, generator)

    # -- training ---
    def terms(self, rays: Rays, target: Tensor, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """See :meth:`RadianceModel.terms`."""
        directions = rays.direction.T.contiguous()
        seed = int(torch.randint(2**31, (1,), generator=generator))
        samples = self._march(rays, seed)
        behind = self.backdrop.training_colors(directions, generator)
        if len(target) == 4:
            target = target[:3] * target[3] + behind.detach() * (1 - target[3])
        samples, hidden = self._kept(samples) if self.options.compaction else (samples, self._hidden(samples))
        self._adapt(len(rays), len(samples))
        harmonics = self.field.harmonics(directions).index_select(1, samples.rays)
        colors = self.field.colors_of(hidden, harmonics)
        seen = composite(samples, self.field.density_of(hidden), colors, behind, self.options.least)
        losses = torch.nn.functional.huber_loss(seen.colour, target, reduction="sum", delta=KNEE)
        return {"colour": losses / (3 * KNEE * max(1, len(rays)))}

    def _march(self, rays: Rays, seed: int | None, steps: Marching | None = None) -> Samples:
        origins, directions = rays.origin.T.contiguous(), rays.direction.T.contiguous()
        return march(origins, directions, self.occupied.grid, steps or self.marching, seed)

    def _hidden(self, samples: Samples) -> Tensor:
        return self.field.hidden(samples.positions)

    def _kept(self, samples: Samples) -> tuple[Samples, Tensor]:
        """The samples that are seen, and what the networks share there.

        Where most are seen, one pass asks for all; else a first pass without gradients tells which are.
        """
        if self.visible < FEW:
            looked = self.field.looked(samples.positions)
            kept, index = compact(samples, self.field.density_of(looked.hidden), self.options.least)
            hidden = self.field.recalled(kept.positions, looked, index)
        else:
            hidden = self._hidden(samples)
            kept, index = compact(samples, self.field.density_of(hidden.detach()), self.options.least)
            hidden = hidden if len(kept) == len(samples) else hidden.index_select(1, index)
        self.visible.fill_(len(kept) / max(1, len(samples)))
        return kept, hidden

    def _adapt(self, rays: int, count: int) -> None:
        """Choose the rays of the next step so that it has about as many samples as it should."""
        self.count = count
        ratio = self.options.samples / max(count, 1)
        factor = min(max(ratio**0.5 if ratio > 1 else ratio, 0.25), 2.0)
        self.wanted.fill_(int(min(max(rays * factor, FEWEST), MOST)))

    # -- looking ---
    def look(self, rays: Rays, background: Tensor | None = None, normals: bool = False) -> Sight:
        """See :meth:`RadianceModel.look`."""
        starts = range(0, max(1, len(rays)), PART)
        return Sight.joined([self._look(rays[a : a + PART], background, normals) for a in starts])

    @torch.no_grad()
    def _look(self, rays: Rays, background: Tensor | None, normals: bool) -> Sight:
        rays = rays.to(self.device, self.dtype)
        directions = rays.direction.T.contiguous()
        samples = self._march(rays, None, self.looking)
        asked = asked_in_rounds(samples, self.field.hidden, self.field.density_of, self.options.least)
        kept, index = compact(samples, asked.sigma, self.options.least)
        harmonics = self.field.harmonics(directions).index_select(1, kept.rays)
        colors = self.field.colors_of(asked.of(index), harmonics)
        behind = self.backdrop.colors(directions) if background is None else background.to(colors)[:, None]
        channels = [colors, self._normals(kept.positions)] if normals else [colors]
        if normals:
            behind = torch.cat([behind.expand(-1, len(rays)), torch.zeros_like(directions)])
        seen = composite(kept, asked.sigma.index_select(0, index), torch.cat(channels), behind, self.options.least)
        depth = torch.where(seen.opacity > LEAST, seen.depth / seen.opacity, torch.inf)
        faces = torch.nn.functional.normalize(seen.colour[3:], dim=0) if normals else None
        return Sight(seen.colour[:3].clamp(0, 1), seen.opacity, depth, faces)

    def _normals(self, points: Tensor) -> Tensor:
        """Unit vectors against the gradient of the density, which is exact, (3, n)."""
        with torch.enable_grad():
            at = points.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.field.hidden(at)[0].sum(), at)
        return -torch.nn.functional.normalize(slope, dim=0)
