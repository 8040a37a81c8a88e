"""How many samples of a ray reach the networks: of marching through everything, and with each way to leave some out.

``python -m hermite_pinn.validation.workloads.ray_samples --scene fox --out out/ray_samples.md`` fits a field by the
recipe of Instant-NGP for some hundred steps and looks at the first view to test in six ways, each of which adds to the
one before; the suite ``radiance`` tells the same of a view that its fields were fitted to:

* equal steps through the box, as short as the shortest;
* the same, where only what lies in occupied cells counts: the picture of which the others are shortcuts;
* samples in occupied cells only;
* steps that grow with distance, where the recipe has them;
* rays end where less than 1e-4 comes through;
* colours only of what is seen.

It tells samples per ray of the density's and of the colour's network, and the largest difference of a colour from the
way before; steps that grow are the only one that may change a picture beyond rounding and the end of rays.

Examples
--------
>>> print(markdown([Way("occupied cells", 24.5, 24.5, 0.0, torch.zeros(3, 1))]))
| way | densities per ray | colours per ray | times fewer | largest change |
|---|---|---|---|---|
| occupied cells | 24.5 | 24.5 | 1.0 | 0.0e+00 |
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

import hermite_pinn as hp
from hermite_pinn.cuda.rays.compositing import LEAST, compact, composite
from hermite_pinn.cuda.rays.marching import Marching, march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.rays.samples import Samples
from hermite_pinn.output import make_folder, write_text
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.validation.performance.radiance import scene_of
from hermite_pinn.workloads.radiance.camera import Camera
from hermite_pinn.workloads.radiance.grid_model import GridModel
from hermite_pinn.workloads.radiance.rays import Rays
from hermite_pinn.workloads.radiance.rounds import asked_in_rounds

__all__ = ["COLOURS", "EVERYWHERE", "OCCUPIED", "SHADOW", "Way", "fewer", "main", "markdown", "some_rays", "ways"]

PART = 256  # rays at once, since marching through everything takes much memory
LONG = 1 << 20  # samples of a ray at most
#: Names of ways.
EVERYWHERE, SHADOW, OCCUPIED = "equal steps everywhere", "only occupied cells count", "samples in occupied cells"
CONE, ENDED, COLOURS = "growing steps", "rays end", "colours of what is seen"


@dataclass(frozen=True)
class Way:
    """One way to look along rays.

    Attributes
    ----------
    name
        What it leaves out.
    densities, colours
        Samples per ray of both networks.
    change
        The largest of a colour from the way before.
    picture
        Colours (3, n) of the rays.
    """

    name: str
    densities: float
    colours: float
    change: float
    picture: Tensor = field(repr=False, compare=False)


@dataclass(frozen=True)
class _Seen:
    """Colours (3, n), and how many densities and colours were asked for."""

    colour: Tensor
    densities: int
    colours: int


class _Eye:
    """Looks along rays in the ways of this file.

    Parameters
    ----------
    model
        The field.
    """

    def __init__(self, model: GridModel) -> None:
        self.model = model
        self.equal = replace(model.marching, cone=0.0, most=LONG)
        self.growing = replace(model.marching, most=LONG)
        self.everywhere = OccupancyGrid(model.occupied.grid.cascades, model.device)

    def march(self, rays: Rays, steps: Marching, grid: OccupancyGrid | None = None) -> Samples:
        origins, directions = rays.origin.T.contiguous(), rays.direction.T.contiguous()
        return march(origins, directions, self.model.occupied.grid if grid is None else grid, steps)

    def see(self, rays: Rays, samples: Samples, sigma: Tensor, hidden: Tensor, least: float) -> Tensor:
        directions, field = rays.direction.T.contiguous(), self.model.field
        harmonics = field.harmonics(directions).index_select(1, samples.rays)
        colours = field.colors_of(hidden, harmonics)
        return composite(samples, sigma, colours, self.model.backdrop.colors(directions), least).colour

    def all(self, rays: Rays, samples: Samples, counts: Tensor | None = None) -> _Seen:
        """Both networks for all samples, of which those with a false flag (total,) do not count."""
        hidden = self.model.field.hidden(samples.positions)
        sigma = self.model.field.density_of(hidden)
        sigma = sigma if counts is None else torch.where(counts, sigma, 0.0)
        return _Seen(self.see(rays, samples, sigma, hidden, 0.0), len(samples), len(samples))

    def everything(self, rays: Rays) -> _Seen:
        return self.all(rays, self.march(rays, self.equal, self.everywhere))

    def shadow(self, rays: Rays) -> _Seen:
        dense, chosen = self.march(rays, self.equal, self.everywhere), self.march(rays, self.equal)
        return self.all(rays, dense, torch.isin(_key(dense), _key(chosen)))

    def occupied(self, rays: Rays) -> _Seen:
        return self.all(rays, self.march(rays, self.equal))

    def cone(self, rays: Rays) -> _Seen:
        return self.all(rays, self.march(rays, self.growing))

    def ended(self, rays: Rays) -> _Seen:
        samples = self.march(rays, self.growing)
        asked = asked_in_rounds(samples, self.model.field.hidden, self.model.field.density_of, LEAST)
        count = asked.hidden.shape[1]
        hidden = asked.hidden.new_zeros(len(asked.hidden), len(samples))
        _, index = compact(samples, asked.sigma, LEAST)
        hidden[:, index] = asked.of(index)
        return _Seen(self.see(rays, samples, asked.sigma, hidden, LEAST), count, count)

    def compacted(self, rays: Rays) -> _Seen:
        samples = self.march(rays, self.growing)
        asked = asked_in_rounds(samples, self.model.field.hidden, self.model.field.density_of, LEAST)
        kept, index = compact(samples, asked.sigma, LEAST)
        colour = self.see(rays, kept, asked.sigma.index_select(0, index), asked.of(index), LEAST)
        return _Seen(colour, asked.hidden.shape[1], len(kept))


def _key(samples: Samples) -> Tensor:
    """A number for the ray of a sample and its distance along it, which no other has."""
    return samples.rays << 32 | samples.t.float().view(torch.int32).long()


@torch.no_grad()
def ways(model: GridModel, rays: Rays) -> Iterator[Way]:
    """Look along rays in every way, each compared with the one before."""
    eye = _Eye(model)
    looks: list[tuple[str, Callable[[Rays], _Seen]]] = [
        (EVERYWHERE, eye.everything),
        (SHADOW, eye.shadow),
        (OCCUPIED, eye.occupied),
        (CONE, eye.cone),
        (ENDED, eye.ended),
        (COLOURS, eye.compacted),
    ]
    before: Tensor | None = None
    for name, look in looks:
        if name == CONE and not model.marching.cone:
            continue
        parts = [look(rays[a : a + PART]) for a in range(0, len(rays), PART)]
        colour = torch.cat([part.colour for part in parts], 1)
        change = 0.0 if before is None else float((colour - before).abs().max())
        densities, colours = sum(p.densities for p in parts), sum(p.colours for p in parts)
        yield Way(name, densities / len(rays), colours / len(rays), change, colour)
        before = colour


def some_rays(camera: Camera, every: int) -> Rays:
    """Those through every so-many-th row and column of pixels."""
    pixels = torch.arange(camera.width * camera.height).view(camera.height, camera.width)
    return camera.rays()[pixels[::every, ::every].reshape(-1)]


def fewer(first: Way, other: Way) -> float:
    """How many times fewer samples of both networks together another way takes."""
    return (first.densities + first.colours) / max(1e-9, other.densities + other.colours)


def markdown(rows: Sequence[Way]) -> str:
    """A table with a line for every way; samples of both networks together are compared with the first."""
    lines = ["| way | densities per ray | colours per ray | times fewer | largest change |", "|---|---|---|---|---|"]
    for r in rows:
        lines.append(f"| {r.name} | {r.densities:.1f} | {r.colours:.1f} | {fewer(rows[0], r):.1f} | {r.change:.1e} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="synthetic", help="synthetic, fox, or the folder of a scene")
    parser.add_argument("--steps", type=int, default=500, help="of training (default 500)")
    parser.add_argument("--every", type=int, default=4, help="look at every n-th row and column of pixels (default 4)")
    parser.add_argument("--out", type=Path, help="a Markdown file, beside what is printed")
    options = parser.parse_args(arguments)
    scene = scene_of(options.scene)
    model = hp.radiance.fit(scene, steps=options.steps, progress=False, device="cpu").model
    assert isinstance(model, GridModel)
    camera = (scene.test if len(scene.test) else scene.train)[0].camera
    rays = some_rays(camera, options.every).to(model.dtype)
    text = f"{machine()}\n\n{options.scene}, {options.steps} steps, {len(rays):,} rays\n\n{markdown(list(ways(model, rays)))}\n"
    if options.out is not None:
        make_folder(options.out.parent)
        write_text(options.out, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
