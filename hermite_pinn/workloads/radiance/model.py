"""What a radiance field is to those who train, render and store it, whatever recipe it is of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from .rays import Rays
from .scene import Scene
from .setting import Setting
from .views import Draw, Views

__all__ = ["ParameterGroup", "RadianceModel", "Recipe", "Sight"]


@dataclass(frozen=True)
class Sight:
    """The result of rendering n rays.

    Attributes
    ----------
    colour
        Colours between 0 and 1, (3, n).
    opacity
        Share of the light that the scene holds back, 0 to 1, (n,).
    depth
        Mean length along the ray, weighted like the colour, (n,); infinite where nothing is seen.
    normals
        Mean unit normals, (3, n), zero where nothing is seen.  None unless they were requested.
    """

    colour: Tensor
    opacity: Tensor
    depth: Tensor
    normals: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[Sight]) -> Sight:
        """Concatenate several results."""
        normals = [part.normals for part in parts if part.normals is not None]
        return cls(
            torch.cat([part.colour for part in parts], 1),
            torch.cat([part.opacity for part in parts]),
            torch.cat([part.depth for part in parts]),
            torch.cat(normals, 1) if normals else None,
        )

    def means(self, count: int) -> Sight:
        """Average groups of ``count`` consecutive rays; depths and normals are weighted by opacities.

        Examples
        --------
        >>> sight = Sight(torch.ones(3, 2), torch.tensor([0.5, 0.0]), torch.tensor([2.0, torch.inf]))
        >>> mean = sight.means(2)
        >>> mean.opacity.tolist(), mean.depth.tolist()
        ([0.25], [2.0])
        """
        opacity = self.opacity.reshape(-1, count)
        whole = opacity.sum(1)
        known = torch.where(torch.isfinite(self.depth), self.depth, 0.0).reshape(-1, count)
        share = torch.where(torch.isfinite(self.depth).reshape(-1, count), opacity, 0.0)
        depth = torch.where(share.sum(1) > 0, (share * known).sum(1) / share.sum(1), torch.inf)
        faces = None
        if self.normals is not None:
            faces = torch.nn.functional.normalize((self.normals.reshape(3, -1, count) * opacity).sum(2), dim=0)
        return Sight(self.colour.reshape(3, -1, count).mean(2), whole / count, depth, faces)


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters with a common learning rate.

    Attributes
    ----------
    name
        Name of the group, unique in the model.
    parameters
        Leaf tensors.
    rate
        Learning rate at the start of the schedule.
    decay
        Weight in the loss of half the sum of their squares.
    levels
        Slices of a single flat parameter whose updates a curriculum may scale, from the coarsest level on.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    rate: float = 1e-2
    decay: float = 0.0
    levels: tuple[slice, ...] = ()


class RadianceModel(nn.Module, ABC):
    """The interface of a radiance field that can be trained; points and rays are in the scene's world.

    All state of a run is in parameters and buffers, so that ``state_dict`` is complete.

    Attributes
    ----------
    recipe
        Its :class:`Recipe`, in which no option is None.
    setting
        Geometry of the scene.
    device, dtype
        Device and type of the parameters.
    count
        Samples that the networks evaluated in the last :meth:`terms`.
    halved
        Whether tables are read in half precision, where a step may overflow and is then skipped.
    rate_end
        Factor of the learning rates at the end.
    """

    halved: bool = False
    rate_end: float = 0.1

    def __init__(self, recipe: Recipe, setting: Setting, dtype: torch.dtype, device: torch.device) -> None:
        super().__init__()
        self.recipe, self.setting = recipe, setting
        self.dtype, self.device = dtype, device
        self.count = 0

    @property
    @abstractmethod
    def rays(self) -> int:
        """Number of rays for the next step."""

    @abstractmethod
    def terms(self, rays: Rays, target: Tensor, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Compute the weighted losses of a batch; the loss is their sum.

        Parameters
        ----------
        rays
            n rays; losses are differentiable with respect to them.
        target
            Colours (3, n), or (4, n) with alpha.
        progress
            Completed part of the run, 0 to 1.
        generator
            Random numbers, on the CPU.

        Returns
        -------
        dict
            Sums over rays divided by their number; ``"colour"`` is always present.
        """

    def draw(self, views: Views, generator: torch.Generator, poses: Tensor | None = None) -> Draw:
        """Draw the pixels of a step, on the device of the model.

        Parameters
        ----------
        views
            Training views.
        generator
            Random numbers, on the CPU.
        poses
            Poses (n, 3, 4) in place of those of the cameras; see :meth:`Views.sample`.
        """
        return views.sample(self.rays, generator, poses, device=self.device)

    @abstractmethod
    def advance(self, step: int, progress: float, generator: torch.Generator) -> None:
        """Update occupancy and schedules before step 0, 1, ..."""

    @abstractmethod
    def look(self, rays: Rays, background: Tensor | None = None, normals: bool = False) -> Sight:
        """Render rays without gradients of the parameters.

        Parameters
        ----------
        rays
            Any number of rays; they are rendered in parts.
        background
            Colour (3,) behind the scene.  None: that of the model.
        normals
            Whether normals are computed.
        """

    @abstractmethod
    def density(self, points: Tensor) -> Tensor:
        """Return densities (n,) per unit length at points (3, n); differentiable."""

    @abstractmethod
    def groups(self) -> list[ParameterGroup]:
        """Return all parameters, each in one group."""

    def prepare(self, scene: Scene, fixed: bool) -> None:
        """Derive from the cameras what is needed before the first step.

        Parameters
        ----------
        scene
            The scene that will be fitted.
        fixed
            Whether its poses are fixed.
        """

    def directions(self) -> tuple[nn.Parameter, slice] | None:
        """Return the parameter and its columns by which colours depend on the direction of view, or None."""
        return None

    @torch.no_grad()
    def forget_directions(self) -> None:
        """Make colours independent of the direction of view."""
        found = self.directions()
        if found is not None:
            found[0][:, found[1]] = 0.0

    def hold_directions(self) -> None:
        """Remove the gradient of the weights by which colours depend on the direction of view."""
        found = self.directions()
        if found is not None and found[0].grad is not None:
            found[0].grad[:, found[1]] = 0.0

    @property
    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(parameter.numel() for parameter in self.parameters())


class Recipe(ABC):
    """The interface of a recipe: a frozen dataclass of options that makes a :class:`RadianceModel`.

    Options may be None until :meth:`settled` chooses them.

    Attributes
    ----------
    name
        Its name in ``recipe=`` and in files.
    """

    name: ClassVar[str]

    @property
    def numbers(self) -> int:
        """Smallest number of values in a file of a model with settled options; files with fewer are damaged."""
        return 0

    @abstractmethod
    def settled(self, setting: Setting, device: torch.device) -> Recipe:
        """Return the recipe with all options that are None chosen for a scene and a device."""

    @abstractmethod
    def make(
        self, setting: Setting, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> RadianceModel:
        """Make an untrained model of settled options.

        Parameters
        ----------
        setting
            Geometry of the scene.
        generator
            Random numbers, on the CPU.
        dtype
            float32, or float64 for checks.
        device
            Device of the training.
        """

    def build(
        self, scene: Scene, generator: torch.Generator, dtype: torch.dtype, device: torch.device, fixed: bool = True
    ) -> RadianceModel:
        """Settle the options, make the model and prepare it; see :meth:`make` and :meth:`RadianceModel.prepare`."""
        setting = Setting.of(scene)
        model = self.settled(setting, device).make(setting, generator, dtype, device)
        model.prepare(scene, fixed)
        return model
