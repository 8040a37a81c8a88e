"""A fitted radiance field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hermite_pinn.checks import flag, instance, real_array
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.run.device import choose_device
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.run.store import write_store

from .camera import Camera, Cameras
from .evaluation import evaluated
from .model import RadianceModel
from .outputs import Outputs
from .radiance_file import radiance_contents, read_radiance
from .splitting import cone_count, looked
from .views import Views

__all__ = ["Picture", "Radiance", "picture_of"]


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered view.

    Attributes
    ----------
    image
        Colours between 0 and 1, (height, width, 3).
    opacity
        Share of the light that the scene holds back, (height, width).
    depth
        Mean lengths along the rays, (height, width); infinite where nothing is seen.
    normals
        Unit vectors in the scene's world, (height, width, 3), zero where nothing is seen.  None unless they were
        requested.
    """

    image: Tensor
    opacity: Tensor
    depth: Tensor
    normals: Tensor | None = None


def picture_of(
    model: RadianceModel, camera: Camera, background: Tensor | None = None, normals: bool = False, cones: int = 1
) -> Picture:
    """What a camera sees of a model; arguments as of :meth:`Radiance.render`, and of the right kinds."""
    seen = looked(model, camera.rays(), background, normals, cones)
    shape = (camera.height, camera.width)
    faces = None if seen.normals is None else seen.normals.T.reshape(*shape, 3).cpu()
    image = seen.colour.T.reshape(*shape, 3).cpu()
    return Picture(image, seen.opacity.reshape(shape).cpu(), seen.depth.reshape(shape).cpu(), faces)


class Radiance(Outputs):
    """A fitted radiance field, as :func:`hermite_pinn.radiance.fit` returns it.

    Attributes
    ----------
    model
        The :class:`RadianceModel`.
    cameras
        Cameras of the training views, with refined poses if these were refined.
    trail
        Poses (k, n, 3, 4) during the run, first and last included.  None if poses were fixed or the field was loaded.
    status, message
        Status of the run, and the reason why it ended.
    history
        One row per 100 steps: ``loss``, its parts, ``rays``, ``samples``, and sometimes ``psnr`` at some pixels of the
        first held-out view; nothing is selected by it.
    stats
        Seconds, steps, parameters and more.
    settings
        Options of the run.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> scene = hp.radiance.Scene.render_synthetic(16, train=6, test=1)
    >>> small = hp.radiance.InstantNGP(levels=4, table_size=2**10, samples=2048, cells=16)
    >>> found = hp.radiance.fit(scene, recipe=small, steps=20, progress=False)
    >>> sorted(found.evaluate(scene.test)), found.render(scene.test[0].camera, normals=True).normals.shape
    (['psnr', 'ssim'], torch.Size([16, 16, 3]))
    """

    def __init__(
        self,
        model: RadianceModel,
        cameras: Cameras,
        status: Status,
        message: str,
        history: History,
        stats: dict[str, Any],
        settings: Mapping[str, Any],
    ) -> None:
        self.model, self.cameras, self.status, self.message = model, cameras, status, message
        self.history, self.stats, self.settings = history, stats, dict(settings)
        self.trail: Tensor | None = None

    def __repr__(self) -> str:
        return f"Radiance({self.model.recipe.name}, {self.model.parameter_count:,} parameters, {self.status.name}: {self.message})"

    def render(self, camera: Camera, background: Any = None, normals: bool = False, cones: int = 1) -> Picture:
        """Render a view.

        Parameters
        ----------
        camera
            A camera in the scene's world.
        background
            Colour behind the scene, three numbers between 0 and 1.  None: that of the scene, or the learned one.
        normals
            Whether normals are computed: unit vectors against the exact gradient of the density.
        cones
            Number of narrower cones into which a pixel is split, 1 or at least 3; their colours are averaged.  Use many
            for pixels that are larger than those of the training.

        Returns
        -------
        Picture
            The view, on the CPU.

        Raises
        ------
        InvalidArgumentError
            If an argument is not a camera, a colour, or a number of cones.
        """
        instance("camera", camera, Camera, "a hermite_pinn.radiance.Camera")
        normals = flag("normals", normals)
        behind = None if background is None else _color(background)
        return picture_of(self.model, camera, behind, normals, cone_count("cones", cones))

    def evaluate(self, views: Views, cones: int = 1) -> dict[str, float]:
        """Return the mean PSNR in dB and SSIM over views, as ``{"psnr": ..., "ssim": ...}``.

        Parameters
        ----------
        views
            Pictures with their cameras.
        cones
            See :meth:`render`.

        Raises
        ------
        InvalidArgumentError
            If there are no views, or the number of cones is invalid.
        """
        instance("views", views, Views, "hermite_pinn.radiance.Views, such as scene.test")
        if not len(views):
            raise InvalidArgumentError("there are no views to evaluate; load the scene with test views, or give others")
        return evaluated(self, views, cone_count("cones", cones))

    def density(self, points: Any) -> Tensor:
        """Return densities (n,) per unit length at points (3, n) of the scene's world.

        Raises
        ------
        InvalidArgumentError
            If the points have another shape.
        """
        x = (
            points
            if isinstance(points, Tensor)
            else torch.as_tensor(real_array("points", points, shape="points (3, n)"))
        )
        if x.ndim != 2 or len(x) != 3:
            raise InvalidArgumentError(f"points must be of shape (3, n), got {tuple(x.shape)}")
        parameter = next(self.model.parameters())
        with torch.no_grad():
            return self.model.density(x.to(parameter)).cpu()

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file, from which :meth:`load` makes the same field.  A failed write leaves no file.

        Raises
        ------
        OutputError, OutOfMemoryError
            If it cannot be written.
        """
        write_store(path, "radiance", *radiance_contents(self))

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "auto") -> Radiance:
        """Read a file that :meth:`save` wrote.

        Parameters
        ----------
        path
            The file.
        device
            Device of the field.

        Raises
        ------
        FileNotFoundError, CorruptFileError, OutOfMemoryError
            If the file is missing, damaged, or too large.
        """
        return cls(**read_radiance(path, choose_device(device)))


def _color(background: Any) -> Tensor:
    values = real_array("background", background, shape="three numbers")
    if values.shape != (3,):
        raise InvalidArgumentError(f"background must be three numbers between 0 and 1, got the shape {values.shape}")
    return torch.from_numpy(values.copy()).float()
