"""A Zip-NeRF: proposals, a field, and the losses between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hermite_pinn.cuda.rays.harmonics import spherical_harmonics
from hermite_pinn.workloads.radiance.backgrounds import Backdrop
from hermite_pinn.workloads.radiance.model import ParameterGroup, RadianceModel, Recipe, Sight
from hermite_pinn.workloads.radiance.rays import Rays
from hermite_pinn.workloads.radiance.scene import Scene
from hermite_pinn.workloads.radiance.setting import Setting
from hermite_pinn.workloads.radiance.views import Draw, Views

from .charbonnier import charbonnier
from .distortion import distortion_loss
from .fields import BANDS, RadianceField
from .grid import FilteredGrid
from .histograms import schlick, volume_weights
from .interlevel import INTERLEVEL_LOSSES, shortfall
from .options import ZipOptions
from .progressive import level_windows
from .pyramid import Pyramid
from .sampling import Histogram, Sampler
from .spacing import Spacing

__all__ = ["ZipModel"]

#: Weights below which nothing is seen.
LEAST = 1e-4
#: Rays that are looked along at once.
PART = 4096


class ZipModel(RadianceModel):
    """What :class:`.ZipNeRF` makes.

    Parameters
    ----------
    recipe, options
        By which it is made, settled, and what it says of the training.
    setting
        Where.
    sampler
        Proposals.
    field
        Density and colour.
    backdrop
        What is behind.
    """

    push: Tensor
    pyramid: Pyramid | None = None

    def __init__(
        self,
        recipe: Recipe,
        options: ZipOptions,
        setting: Setting,
        sampler: Sampler,
        field: RadianceField,
        backdrop: Backdrop,
    ) -> None:
        window = field.grid.window
        super().__init__(recipe, setting, window.dtype, window.device)
        self.options, self.rate_end = options, options.rate_end
        self.sampler, self.field, self.backdrop = sampler, field, backdrop
        self.samples, self.points = options.samples, field.grid.antialiasing.samples or 1
        #: Factor of the proposals' loss, and what they missed lately.
        self.register_buffer("push", torch.tensor([1.0, 0.0], dtype=torch.float64))

    @property
    def rays(self) -> int:
        """See :class:`RadianceModel`."""
        return self.options.rays

    @property
    def grids(self) -> list[FilteredGrid]:
        """Those of the field and of the proposals."""
        return [self.field.grid, *self.sampler.grids]

    def directions(self) -> tuple[nn.Parameter, slice]:
        """See :meth:`RadianceModel.directions`: of all bands but the first, which is constant."""
        return self.field.color_network.weights[0], slice(1 - BANDS**2, None)

    def groups(self) -> list[ParameterGroup]:
        """Every grid, and all networks."""
        rate, found, tables = self.options.rate, [], set()
        for name, grid in zip(("encoder", "first", "second"), self.grids, strict=True):
            parameters = tuple(grid.encoding.parameters())
            tables |= set(parameters)
            found.append(ParameterGroup(name, parameters, rate, levels=grid.encoding.levels))
        networks = tuple(p for p in self.parameters() if p not in tables)
        return [g for g in found if g.parameters] + [ParameterGroup("networks", networks, rate)]

    def advance(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Open the levels that are due."""
        if self.options.progressive:
            for grid in self.grids:
                windows = level_windows(len(grid.cells), progress / self.options.progressive)
                grid.window.copy_(windows)

    # -- training ---
    def prepare(self, scene: Scene, fixed: bool) -> None:
        """Make block averages of the pictures, where they are learned."""
        self.pyramid = Pyramid(scene.train, self.options.scales)

    def draw(self, views: Views, generator: torch.Generator, poses: Tensor | None = None) -> Draw:
        """See :meth:`RadianceModel.draw`: pixels, and blocks of them."""
        if self.pyramid is None or self.pyramid.views is not views:
            self.pyramid = Pyramid(views, self.options.scales)
        return self.pyramid.sample(self.rays, generator, poses, self.device)

    def terms(self, rays: Rays, target: Tensor, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """See :meth:`RadianceModel.terms`: ``"colour"``, ``"interlevel"``, ``"distortion"`` and ``"decay"``."""
        with torch.no_grad():
            near, far = self.sampler.frame.span(rays)
            hit = near < far
        behind = self.backdrop.training_colors(rays.direction.T.contiguous(), generator)
        if len(target) == 4:
            target = target[:3] * target[3] + behind.detach() * (1 - target[3])
        width, whole = self.options.losses.knee, 3 * max(1, len(rays))
        missed = charbonnier(behind[:, ~hit] - target[:, ~hit], width).sum() / whole
        if not bool(hit.any()):
            return {"colour": missed + 0.0 * sum(p.sum() for p in self.parameters())}
        share = float(hit.double().mean())
        rays, target, behind = (rays, target, behind) if share == 1 else (rays[hit], target[:, hit], behind[:, hit])
        power = schlick(progress, self.options.anneal) if self.options.anneal else 1.0
        histograms, field, colors = self._histograms(rays, power, generator)
        seen = (colors * field.weights).sum(2) + (1 - field.weights.sum(1)) * behind
        self.count = sum(h.weights.numel() for h in (*histograms, field))
        found = {"colour": missed + charbonnier(seen - target, width).sum() / whole}
        return found | {name: share * loss for name, loss in self._regular(histograms, field).items()} | self._decay()

    def _histograms(
        self, rays: Rays, power: float, generator: torch.Generator | None
    ) -> tuple[list[Histogram], Histogram, Tensor]:
        """Of the proposals and of the field, and colours (3, n, samples)."""
        histograms, shares, edges = self.sampler(rays, self.samples, power, generator)
        sigma, hidden = self.field(*self.sampler.place(rays, edges, self.points, generator))
        weights = volume_weights(sigma.reshape(len(rays), -1), edges.diff(dim=1))
        harmonics = spherical_harmonics(rays.direction.T.contiguous(), BANDS)
        spread = harmonics[:, :, None].expand(-1, -1, self.samples).reshape(BANDS**2, -1)
        colors = self.field.colors(hidden, spread).reshape(3, len(rays), -1)
        return histograms, Histogram(shares, edges, weights), colors

    def _regular(self, histograms: list[Histogram], field: Histogram) -> dict[str, Tensor]:
        losses, found = self.options.losses, {}
        if losses.interlevel:
            loss = INTERLEVEL_LOSSES[losses.interlevel_kind]
            parts = [
                loss(field.shares, field.weights, h.shares, h.weights, proposal.blur)
                for h, proposal in zip(histograms, self.sampler.proposals, strict=True)
            ]
            found["interlevel"] = losses.interlevel * self._push(histograms, field) * torch.stack(parts).sum()
        if losses.distortion:
            spacing = Spacing(losses.distortion_power, losses.distortion_factor)
            places = spacing.share(field.edges, field.edges[:, 0], field.edges[:, -1])
            found["distortion"] = losses.distortion * distortion_loss(places, field.weights)
        return found

    def _decay(self) -> dict[str, Tensor]:
        factor = self.options.losses.decay
        return {"decay": factor / 2 * torch.stack([g.size() for g in self.grids]).sum()} if factor else {}

    def _push(self, histograms: list[Histogram], field: Histogram) -> float:
        """The factor by which a guard makes proposals catch up."""
        guard = self.options.guard
        if guard is None:
            return 1.0
        missed = max(float(shortfall(field.shares, field.weights, h.shares, h.weights)) for h in histograms)
        factor, mean = self.push.tolist()
        mean += 0.1 * (missed - mean)
        self.push.copy_(torch.tensor([guard.next(factor, mean), mean], dtype=torch.float64))
        return float(factor)

    # -- looking ---
    def look(self, rays: Rays, background: Tensor | None = None, normals: bool = False) -> Sight:
        """See :meth:`RadianceModel.look`."""
        starts = range(0, max(1, len(rays)), PART)
        return Sight.joined([self._look(rays[a : a + PART], background, normals) for a in starts])

    @torch.no_grad()
    def _look(self, rays: Rays, background: Tensor | None, normals: bool) -> Sight:
        rays, n = rays.to(self.device, self.dtype), len(rays)
        directions = rays.direction.T.contiguous()
        behind = self.backdrop.colors(directions) if background is None else background.to(directions)[:, None]
        colour, opacity = behind.expand(3, n).clone(), directions.new_zeros(n)
        depth, faces = torch.full_like(opacity, torch.inf), torch.zeros_like(directions) if normals else None
        near, far = self.sampler.frame.span(rays)
        hit = (near < far).nonzero()[:, 0]
        if len(hit):
            colors, share, mean, turned = self._seen(rays[hit], normals)
            colour[:, hit] = colors + (1 - share) * colour[:, hit]
            opacity[hit], depth[hit] = share, torch.where(share > LEAST, mean / share, torch.inf)
            if faces is not None and turned is not None:
                faces[:, hit] = torch.nn.functional.normalize(turned, dim=0)
        return Sight(colour.clamp(0, 1), opacity, depth, faces)

    def _seen(self, rays: Rays, normals: bool) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Weighted sums of colours (3, n), of ones and of distances (n,), and of normals (3, n)."""
        _, _, edges = self.sampler(rays, self.samples, 1.0, None)
        points, std = self.sampler.place(rays, edges, self.points, None)
        sigma, hidden = self.field(points, std)
        weights = volume_weights(sigma.reshape(len(rays), -1), edges.diff(dim=1)).flatten()
        kept = (weights > LEAST).nonzero()[:, 0]
        owner, part = kept // self.samples, weights[kept]
        harmonics = spherical_harmonics(rays.direction.T.contiguous(), BANDS)[:, owner]
        middle = ((edges[:, 1:] + edges[:, :-1]) / 2).flatten()[kept]
        rows = [self.field.colors(hidden[:, kept], harmonics), torch.ones_like(part)[None], middle[None]]
        if normals:
            rows.append(self._normals(points[:, kept], std[kept]))
        values = torch.cat(rows)
        sums = values.new_zeros(len(values), len(rays)).index_add(1, owner, values * part)
        return sums[:3], sums[3].clamp(max=1), sums[4], sums[5:] if normals else None

    def _normals(self, points: Tensor, std: Tensor) -> Tensor:
        """Unit vectors (3, n) against the exact gradient of the density, in the world's axes."""
        with torch.enable_grad():
            at = points.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.field(at, std)[1][0].sum(), at)
        return -torch.nn.functional.normalize(slope.sum(2), dim=0)

    def density(self, points: Tensor) -> Tensor:
        """See :meth:`RadianceModel.density`; with all levels in full."""
        inner, _ = self.sampler.frame.unit(points)
        found: Tensor = self.field(inner[:, :, None], inner.new_zeros(points.shape[1], 1))[0]
        return found
