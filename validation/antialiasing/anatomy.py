"""Where a field that was fitted errs: ``python -m hermite_pinn.validation.antialiasing.anatomy out/zip-60s-0.h5``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import typer
from torch import Tensor

from hermite_pinn.checks import instance
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.rivals.timing import one_thread
from hermite_pinn.workloads.radiance import Radiance, View, Views
from hermite_pinn.workloads.radiance.reduction import reduced
from hermite_pinn.workloads.radiance.zip_nerf.model import ZipModel

from .cases import CONES, SCALES, scene_of

__all__ = ["Errors", "errors_of", "level_weights", "main", "silhouettes"]

#: How much depths of pixels in a block differ where there is a silhouette, in lengths of the world.
JUMP = 0.3


@dataclass(frozen=True)
class Errors:
    """Of pictures at one scale.

    Attributes
    ----------
    scale
        Pixels of a picture of full size along one of these.
    pixels, share
        Part of the pixels that show something and lie on silhouettes, and of the squared error that they have.
    edge, inside
        Root mean square errors on silhouettes and of the other pixels that show something.
    """

    scale: int
    pixels: float
    share: float
    edge: float
    inside: float

    @property
    def line(self) -> str:
        """For the terminal, as a row of a table."""
        return f"1/{self.scale} | {self.pixels:.0%} | {self.share:.0%} | {self.edge:.3f} | {self.inside:.3f}"


def silhouettes(view: View, scale: int) -> tuple[Tensor, Tensor]:
    """Blocks of pixels whose depths differ, and blocks that show something, (height, width) each.

    Parameters
    ----------
    view
        With depths.
    scale
        Pixels along the side of a block, as of :func:`hermite_pinn.radiance.reduced`.
    """
    if view.depth is None:
        raise InvalidArgumentError("views must have depths, as those of a synthetic scene, got one without")
    height, width = view.depth.shape
    top, left, rows, columns = height % scale // 2, width % scale // 2, height // scale, width // scale
    inner = view.depth[top : top + rows * scale, left : left + columns * scale]
    blocks = inner.reshape(rows, scale, columns, scale)
    near, far = blocks.amin((1, 3)), blocks.amax((1, 3))
    seen = torch.isfinite(near)
    return seen & ~(far - near <= JUMP), seen


def errors_of(field: Radiance, views: Views, scale: int, cones: int = 1) -> Errors:
    """Errors at a scale, on silhouettes and elsewhere.

    Parameters
    ----------
    field
        A field of the scene of the views.
    views
        Of full size, with depths.
    scale
        See :func:`silhouettes`.
    cones
        Into which pixels are split.
    """
    edges, insides = [], []
    for large, small in zip(views, reduced(views, scale), strict=True):
        off = (field.render(small.camera, cones=cones).image - small.image).square().mean(-1)
        edge, seen = silhouettes(large, scale)
        edges.append(off[edge])
        insides.append(off[seen & ~edge])
    edge, inside = torch.cat(edges).double(), torch.cat(insides).double()
    whole = max(1, len(edge) + len(inside)), float(edge.sum() + inside.sum())
    means = (float(part.mean().sqrt()) if len(part) else 0.0 for part in (edge, inside))
    return Errors(scale, len(edge) / whole[0], float(edge.sum()) / max(whole[1], 1e-30), *means)


def level_weights(model: ZipModel, views: Views) -> list[tuple[float, list[float]]]:
    """Cells of every level of the field's grid, and weights by scale of a point in the middle of the scene."""
    grid, frame = model.field.grid, model.sampler.frame
    camera = views.cameras[0]
    distance = float((camera.centre.double() - torch.tensor(frame.centre, dtype=torch.float64)).norm())
    radius = float(camera.intrinsics.table[1].median())
    std = torch.tensor([[k * radius * distance / 2 / frame.side] for k in SCALES], dtype=model.dtype)
    weights = grid.weights(std)
    rows = torch.ones(len(grid.cells), len(SCALES)) if weights is None else weights[:, :, 0]
    return list(zip(grid.cells, rows.tolist(), strict=True))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print tables of fields of the scene of the suite antialiasing."""
    parser = argparse.ArgumentParser(description="Where fields of the suite antialiasing err.")
    parser.add_argument("fields", nargs="+", type=Path, help="files that the suite wrote, NAME.h5")
    views = scene_of().test
    for path in parser.parse_args(arguments).fields:
        with one_thread():
            field = Radiance.load(path, "cpu")
            typer.echo(f"\n{path.stem}\n\n| cells | {' | '.join(f'1/{k}' for k in SCALES)} |")
            model = instance("a field", field.model, ZipModel, "of the recipe ZipNeRF")
            for cells, weights in level_weights(model, views):
                typer.echo(f"| {cells:g} | {' | '.join(f'{w:.2f}' for w in weights)} |")
            typer.echo("\n| scale | cones | silhouettes | share of error | RMSE there | RMSE elsewhere |")
            for scale in SCALES[1:]:
                for cones in (1, CONES):
                    told = errors_of(field, views, scale, cones).line
                    typer.echo(f"| {told.replace(' | ', f' | {cones} | ', 1)} |")


if __name__ == "__main__":
    main()
