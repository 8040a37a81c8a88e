"""What the parts of a training step and of a picture take, of a radiance field by the recipe of Instant-NGP.

``python -m hermite_pinn.validation.performance.radiance --out out/radiance.md`` renders the synthetic scene, fits it
for some hundred steps, and then times every part with one and with two threads: median seconds of the clock, and of all
cores together, which other work on the machine disturbs less.  ``--scene fox`` takes the photographs of
``$HERMITE_PINN_SHARED/data/fox`` instead, or those of a folder; ``--device cuda`` a GPU, for which the clock waits.

Examples
--------
>>> print(markdown([Row("marching", 1, 0.0021, 0.0021)]))
| part | threads | core ms | ms |
|---|---|---|---|
| marching | 1 | 2.10 | 2.10 |
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import hermite_pinn as hp
from hermite_pinn.cuda.rays.compositing import composite
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.output import make_folder, write_text
from hermite_pinn.run.device import choose_device
from hermite_pinn.validation.accuracy.suite import machine
from hermite_pinn.workloads.radiance.grid_model import GridModel
from hermite_pinn.workloads.radiance.optimizer import Optimizer
from hermite_pinn.workloads.radiance.rays import Rays
from hermite_pinn.workloads.radiance.scene import Scene

from .timing import synchronize

__all__ = ["Row", "Step", "main", "markdown", "measured", "scene_of"]

REPEATS = 15
FEW = 32  # rays of a step that shows what does not depend on their number


@dataclass(frozen=True)
class Row:
    """Median seconds of a part: of the clock, and of all cores together."""

    part: str
    threads: int
    cores: float
    clock: float


def scene_of(name: str) -> Scene:
    """The synthetic scene, the fox, or a folder.

    Raises
    ------
    InvalidArgumentError
        If the fox is asked for and ``HERMITE_PINN_SHARED`` does not say where it is.
    """
    if name == "synthetic":
        return Scene.render_synthetic(100)
    if name != "fox":
        return Scene.load(name)
    shared = os.environ.get("HERMITE_PINN_SHARED")
    if not shared:
        raise InvalidArgumentError("set HERMITE_PINN_SHARED to the folder of data/fox, or give the folder of a scene")
    return Scene.load(Path(shared) / "data" / "fox", downscale=2)


class Step:
    """One batch of rays of a scene, and what a training step does with it.

    Parameters
    ----------
    model
        A field that has been trained for a while.
    scene
        Its scene.
    seed
        Of the rays.
    """

    def __init__(self, model: GridModel, scene: Scene, seed: int = 0) -> None:
        self.model, self.views, self.device = model, scene.train, model.device
        self.generator = torch.Generator().manual_seed(seed)
        self.optimizer = Optimizer(model.groups())
        self.still = {group.name: 0.0 for group in self.optimizer.groups}  # the field stays what it is
        for _ in range(8):  # until the batch has its size
            self.rays, target = self.drawn(model.rays)
            with torch.no_grad():
                model.terms(self.rays, target, 0.5, self.generator)

    def drawn(self, count: int) -> tuple[Rays, Tensor]:
        """Rays of random pixels and their colours, channels first, where the model is."""
        draw = self.views.sample(count, self.generator, device=self.device)
        return draw.rays, draw.colors.T.contiguous()

    def run(self, count: int | None = None) -> None:
        """A step without the look for occupied cells, of the rays of the batch or of another number."""
        rays, target = self.drawn(count or len(self.rays))
        self.optimizer.zero()
        losses = self.model.terms(rays, target, 0.5, self.generator)
        sum(losses.values(), target.new_zeros(())).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step(self.still)

    def parts(self) -> Iterator[tuple[str, Callable[[], object]]]:
        """Every part by its name; together they are the step, but for what is between them."""
        model, field, rays = self.model, self.model.field, self.rays
        samples = model._march(rays, 5)
        kept, _ = model._kept(samples)
        directions = rays.direction.T.contiguous()
        with torch.no_grad():
            features = field.encoding(kept.positions)
            hidden = field.first(features)
            inputs = torch.cat([hidden, field.harmonics(directions).index_select(1, kept.rays)])
            colors = torch.sigmoid(field.second(inputs))
        sigma, background = field.density_of(hidden), torch.zeros_like(directions)
        yield "rays", lambda: self.drawn(len(rays))
        yield "marching", lambda: model._march(rays, 5)
        yield "densities of all, compaction", lambda: model._kept(samples)
        yield "encoder", _without_graph(lambda: field.encoding(kept.positions))
        tables = list(field.encoding.parameters())
        yield "encoder and its adjoint", _differentiated(lambda: field.encoding(kept.positions), tables)
        both = [*field.first.parameters(), *field.second.parameters()]
        yield "networks", _without_graph(lambda: (field.first(features), field.second(inputs)))
        leaves = [features.requires_grad_(), inputs.requires_grad_()]
        yield (
            "networks and their adjoints",
            _differentiated(lambda: torch.cat([field.first(features), field.second(inputs)]), [*leaves, *both]),
        )
        seen = [sigma.requires_grad_(), colors.requires_grad_()]
        yield (
            "compositing and its adjoint",
            _differentiated(lambda: composite(kept, sigma, colors, background).colour, seen),
        )
        yield "Adam", lambda: self.optimizer.step(self.still)


def _without_graph(work: Callable[[], object]) -> Callable[[], object]:
    return torch.no_grad()(work)  # type: ignore[no-any-return]


def _differentiated(work: Callable[[], Tensor], leaves: Sequence[Tensor]) -> Callable[[], object]:
    weights = torch.ones_like(work())
    return lambda: torch.autograd.grad(work(), leaves, weights)


def _medians(work: Callable[[], object], repeats: int, device: torch.device) -> tuple[float, float]:
    """Of seconds of all cores, and of the clock, until the device is idle; the first call is not counted."""
    work()
    cores, clock = [], []
    for _ in range(repeats):
        synchronize(device)
        began = time.process_time(), time.perf_counter()
        work()
        synchronize(device)
        cores.append(time.process_time() - began[0])
        clock.append(time.perf_counter() - began[1])
    return statistics.median(cores), statistics.median(clock)


def measured(model: GridModel, scene: Scene, threads: int, repeats: int = REPEATS) -> Iterator[Row]:
    """Time the parts of a step, the step, and a picture of the first view to test."""
    before, device = torch.get_num_threads(), model.device
    torch.set_num_threads(threads)
    try:
        step = Step(model, scene)
        for part, work in step.parts():
            yield Row(part, threads, *_medians(work, repeats, device))
        every = model.occupied.every
        look = _medians(lambda: model.occupied.advance(every, model.field.density, step.generator), 5, device)
        yield Row(f"occupied cells, a share of 1/{every}", threads, look[0] / every, look[1] / every)
        few = _medians(lambda: step.run(FEW), repeats, device)
        whole = _medians(step.run, repeats, device)
        yield Row("step", threads, whole[0] + look[0] / every, whole[1] + look[1] / every)
        yield Row(f"step of {FEW} rays", threads, *few)
        camera = (scene.test if len(scene.test) else scene.train)[0].camera
        size = f"{camera.width}x{camera.height}"
        yield Row(f"picture of {size}", threads, *_medians(lambda: model.look(camera.rays()), 3, device))
    finally:
        torch.set_num_threads(before)


def markdown(rows: Sequence[Row]) -> str:
    """A table with a line for every part."""
    lines = ["| part | threads | core ms | ms |", "|---|---|---|---|"]
    lines += [f"| {r.part} | {r.threads} | {1e3 * r.cores:.2f} | {1e3 * r.clock:.2f} |" for r in rows]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scene", default="synthetic", help="synthetic, fox, or the folder of a scene")
    parser.add_argument("--steps", type=int, default=500, help="of training before anything is timed (default 500)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (default 1 2)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or auto (default cpu)")
    parser.add_argument("--out", type=Path, help="a Markdown file, beside what is printed")
    options = parser.parse_args(arguments)
    scene = scene_of(options.scene)
    fitted = hp.radiance.fit(scene, steps=options.steps, progress=False, device=choose_device(options.device))
    model = fitted.model
    assert isinstance(model, GridModel)
    rows = [row for threads in options.threads for row in measured(model, scene, threads)]
    batch = f"A step has {model.count:,} samples of {model.rays:,} rays; {model.occupied.grid.share():.0%} of the cells are occupied."
    text = f"{machine()}\n\n{options.scene}, {options.steps} steps. {batch}\n\n{markdown(rows)}\n"
    if options.out is not None:
        make_folder(options.out.parent)
        write_text(options.out, text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
