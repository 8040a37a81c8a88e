"""A picture of where cameras are, were and should be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.output import check_writable, staged

from .alignment import PoseErrors, pose_errors
from .camera import Cameras

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_poses"]

#: Colours of true places, of found ones, and of both errors over the run.
TRUE, FOUND, TURN, SHIFT = "#444444", "#c1272d", "#1f5fa8", "#c1272d"
#: Length of the line along which a camera looks, relative to the distance of the cameras from their middle.
LOOK = 0.22


def draw_poses(path: str | Path, trail: Any, reference: Cameras) -> None:
    """Draw the errors of cameras before, during and after their refinement.

    Cameras of the reference are grey and refined ones red, after alignment, each with a line along its view; a red line
    joins both.  The errors over the run stand beside.

    Parameters
    ----------
    path
        File to write; its ending determines the format.
    trail
        Poses (k, n, 3, 4) from the first to the last, such as ``found.trail``.
    reference
        True cameras, or others to compare with.

    Raises
    ------
    InvalidArgumentError
        If the shape differs.
    InvalidProblemError
        If poses cannot be aligned: fewer than three, or with centres on one line.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import hermite_pinn as hp, pathlib, tempfile
    >>> true = hp.radiance.Scene.render_synthetic(8, train=9, test=0, supersampling=1).cameras
    >>> trail = [hp.radiance.perturbed(true, sigma).poses for sigma in (0.15, 0.05, 0.01)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "poses.png"
    ...     hp.radiance.draw_poses(file, torch.stack(trail), true)
    ...     file.exists()
    True
    """
    target = checks.path("path", path)
    check_writable(target)
    checks.instance("reference", reference, Cameras, "hermite_pinn.radiance.Cameras")
    if not isinstance(trail, Tensor) or trail.ndim != 4 or tuple(trail.shape[1:]) != (len(reference), 3, 4):
        raise InvalidArgumentError(
            f"trail must be poses (k, {len(reference)}, 3, 4), one row per camera of the reference, got {checks.spelled(trail)}"
        )
    errors = [pose_errors(reference.moved(poses), reference) for poses in trail]
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14.0, 3.9), layout="constrained")
    shown = {"before": 0, "during": max(0, (len(errors) - 1) // 4), "after": len(errors) - 1}
    for column, (words, k) in enumerate(shown.items(), 1):
        axes = figure.add_subplot(1, 4, column, projection="3d")
        part = f", {100 * k / (len(errors) - 1):.0f} % of the run" if words == "during" else ""
        _cameras(axes, errors[k], reference, f"{words}{part}")
    _course(figure.add_subplot(1, 4, 4), errors)
    with staged(target) as folder:
        figure.savefig(folder / target.name, dpi=90)


def _cameras(axes: Any, errors: PoseErrors, reference: Cameras, words: str) -> None:
    true = reference.poses.detach().to("cpu", torch.float64).numpy()
    found = errors.poses.numpy()
    size = LOOK * float(np.linalg.norm(true[:, :, 3] - true[:, :, 3].mean(0), axis=1).mean())
    for poses, color in ((true, TRUE), (found, FOUND)):
        ends = poses[:, :, 3] - size * poses[:, :, 2]
        for centre, end in zip(poses[:, :, 3], ends, strict=True):
            axes.plot(*np.stack([centre, end], 1), color=color, lw=0.7)
        axes.scatter(*poses[:, :, 3].T, color=color, s=6, depthshade=False)
    for a, b in zip(true[:, :, 3], found[:, :, 3], strict=True):
        axes.plot(*np.stack([a, b], 1), color=FOUND, lw=1.4, alpha=0.6)
    _frame(axes, true[:, :, 3])
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    axes.set_zticklabels([])
    axes.set_title(
        f"{words}\n{float(errors.rotation.mean()):.2f}°, translation {float(errors.translation.mean()):.3f}", fontsize=9
    )


def _frame(axes: Any, centres: np.ndarray) -> None:
    """The same cut-out for all, one unit as long along every axis."""
    middle, reach = (centres.max(0) + centres.min(0)) / 2, 1.15 * (centres.max(0) - centres.min(0)) / 2
    reach = np.maximum(reach, 0.3 * reach.max())
    axes.set(**{f"{n}lim": (m - r, m + r) for n, m, r in zip("xyz", middle, reach, strict=True)})
    axes.set_box_aspect(reach, zoom=1.25)


def _course(axes: Axes, errors: list[PoseErrors]) -> None:
    done = np.linspace(0, 100, len(errors))
    beside = axes.twinx()
    for one, values, color, words in (
        (axes, [float(e.rotation.mean()) for e in errors], TURN, "rotation, degrees"),
        (beside, [float(e.translation.mean()) for e in errors], SHIFT, "translation"),
    ):
        one.semilogy(
            done,
            np.where(np.array(values) > 1e-9, values, np.nan),
            color=color,
            marker=".",
            lw=1.2,
            ls="-" if one is axes else "--",
        )
        one.set_ylabel(words, color=color, fontsize=8)
        one.tick_params(labelsize=7, which="both")
    axes.set_xlabel("% of the run", fontsize=8)
    axes.set_title("mean errors after alignment", fontsize=9)
