"""What can be written of a radiance field: videos, volumes and surfaces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from hermite_pinn.checks import instance, number
from hermite_pinn.workloads.sdf.surface import Surface

from .camera import Camera, Cameras
from .export import density_surface, write_density
from .model import RadianceModel
from .video import orbit, write_video

__all__ = ["Outputs"]


class Outputs(ABC):
    """The methods of a radiance field that write files; it must render, and have a model and cameras.

    Attributes
    ----------
    model
        The field.
    cameras
        Of the training views.
    """

    model: RadianceModel
    cameras: Cameras

    @abstractmethod
    def render(self, camera: Camera, background: Any = None, normals: bool = False) -> Any:
        """What a camera sees, with its colours as ``image``."""

    def frames(self, cameras: Cameras, background: Any = None) -> Iterator[torch.Tensor]:
        """Colours (h, w, 3) that cameras see, rendered one at a time."""
        return (self.render(camera, background).image for camera in cameras)

    def to_video(
        self,
        path: str | Path,
        cameras: Cameras | None = None,
        *,
        count: int = 60,
        rate: float = 24.0,
        background: Any = None,
    ) -> Path:
        """Write a video (``.mp4``, ``.mkv``, ``.mov``) of what cameras see one after the other.

        Parameters
        ----------
        path
            File to write.
        cameras
            All with as many pixels; default: an orbit around the scene, through where the training cameras are.
        count
            Pictures of the orbit.
        rate
            Pictures per second.
        background
            As of :meth:`render`.

        Raises
        ------
        BackendUnavailableError
            If imageio and ffmpeg, the extra ``video``, are not installed.
        InvalidArgumentError
            If an option is out of range, or the cameras differ in their pixels.
        OutputError
            If the file cannot be written.
        """
        number("rate", rate, above=0)
        chosen = orbit(self.cameras, count) if cameras is None else instance("cameras", cameras, Cameras, "Cameras")
        return write_video(path, self.frames(chosen, background), rate)

    def to_vtk(self, path: str | Path, resolution: int = 128) -> Path:
        """Write the density on an equidistant grid of the scene's box as ``.vti``, for ParaView.

        Parameters
        ----------
        path
            File to write.
        resolution
            Cells along the longest edge, 4 to 2048.

        Raises
        ------
        InvalidArgumentError
            If the name does not end in ``.vti``, or the resolution is out of range.
        OutOfMemoryError
            If the grid does not fit into the memory.
        OutputError
            If the file cannot be written.
        """
        setting = self.model.setting
        return write_density(path, self.model.density, setting.lower, setting.upper, resolution, self._like)

    def surface(self, resolution: int = 128, level: float | None = None) -> Surface:
        """The surface on which the density takes a value, as triangles with normals of its exact gradient.

        Parameters
        ----------
        resolution
            Cells along the longest edge of the scene's box, 4 to 2048.
        level
            The density; default: that which holds back half of the light within an eighth of that edge.

        Raises
        ------
        InvalidArgumentError
            If the density does not take that value in the box, or an option is out of range.
        OutOfMemoryError
            If the surface does not fit into the memory.
        """
        setting = self.model.setting
        return density_surface(self.model.density, setting.lower, setting.upper, resolution, level, self._like)

    def to_mesh(self, path: str | Path, resolution: int = 128, level: float | None = None) -> Path:
        """Write :meth:`surface` as ``.ply``, ``.obj`` or ``.vtp``.

        Raises
        ------
        InvalidArgumentError
            As of :meth:`surface`, and for other endings.
        OutputError
            If the file cannot be written.
        """
        return self.surface(resolution, level).save(path)

    @property
    def _like(self) -> torch.Tensor:
        """A tensor of the type and on the device of the model."""
        return next(self.model.parameters()).detach()
