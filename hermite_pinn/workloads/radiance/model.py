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
    """What ``n`` rays see.

    Attributes
    ----------
    colour
        (3, n), between 0 and 1.
    opacity
        (n,): the share of light that the scene holds back, 0 to 1.
    depth
        (n,): mean length along the ray, weighted by what is seen; infinite where nothing is.
    normals
        (3, n): mean unit normals, of length 1 or zero where nothing is seen; None unless asked for.
    """

    colour: Tensor
    opacity: Tensor
    depth: Tensor
    normals: Tensor | None = None

    @classmethod
    def joined(cls, parts: Sequence[Sight]) -> Sight:
        """Several after each other."""
        normals = [part.normals for part in parts if part.normals is not None]
        return cls(
            torch.cat([part.colour for part in parts], 1),
            torch.cat([part.opacity for part in parts]),
            torch.cat([part.depth for part in parts]),
            torch.cat(normals, 1) if normals else None,
        )

    def means(self, count: int) -> Sight:
        """Of ``count`` rays in a row each; depths and normals weighed by opacities.

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
    """Parameters that are updated in one way.

    Attributes
    ----------
    name
        What they are, once per model.
    parameters
        Leaves.
    rate
        Learning rate at the start, which the schedule lowers.
    decay
        Weight of half the sum of their squares in the loss.
    levels
        Of a single flat parameter, the parts whose updates a curriculum may scale, from the coarsest level on.
    """

    name: str
    parameters: tuple[nn.Parameter, ...]
    rate: float = 1e-2
    decay: float = 0.0
    levels: tuple[slice, ...] = ()


class RadianceModel(nn.Module, ABC):
    """A radiance field with what its training needs; points and rays are in the scene's world.

    Everything that a run changes is a parameter or a buffer, so that ``state_dict`` is the whole state.

    Attributes
    ----------
    recipe
        By which it is made; no option is None any more.
    setting
        Where it is.
    device, dtype
        Of the parameters.
    count
        Samples that the networks took in the last :meth:`terms`.
    halved
        Whether something is read in half precision, where a step may overflow and is then left out.
    rate_end
        Factor of learning rates by the end.
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
        """Rays that the next step should take."""

    @abstractmethod
    def terms(self, rays: Rays, target: Tensor, progress: float, generator: torch.Generator) -> dict[str, Tensor]:
        """Weighted losses of a batch; the loss is their sum.

        Parameters
        ----------
        rays
            n of them; losses are differentiable by them.
        target
            (3, n), colours, or (4, n) with alpha.
        progress
            Part of the run that is done, 0 to 1.
        generator
            Of random numbers, on the CPU.

        Returns
        -------
        dict
            Sums over rays divided by their number; ``"colour"`` is always there.
        """

    def draw(self, views: Views, generator: torch.Generator, poses: Tensor | None = None) -> Draw:
        """Pixels of a step, where the field is.

        Parameters
        ----------
        views
            To fit.
        generator
            Of the random numbers, on the CPU.
        poses
            (n, 3, 4), in place of the cameras'; see :meth:`Views.sample`.
        """
        return views.sample(self.rays, generator, poses, device=self.device)

    @abstractmethod
    def advance(self, step: int, progress: float, generator: torch.Generator) -> None:
        """What happens before step 0, 1, ...: occupancy, schedules."""

    @abstractmethod
    def look(self, rays: Rays, background: Tensor | None = None, normals: bool = False) -> Sight:
        """What rays see, without gradients by parameters.

        Parameters
        ----------
        rays
            Any number; they are taken in parts.
        background
            (3,), the colour behind; None: the model's own.
        normals
            Whether to tell normals.
        """

    @abstractmethod
    def density(self, points: Tensor) -> Tensor:
        """Density per unit length (n,) at points (3, n); differentiable."""

    @abstractmethod
    def groups(self) -> list[ParameterGroup]:
        """All parameters, each once."""

    def prepare(self, scene: Scene, fixed: bool) -> None:
        """Learn from the cameras what is needed before the first step.

        Parameters
        ----------
        scene
            The scene that will be fitted.
        fixed
            Whether its poses stay.
        """

    def directions(self) -> tuple[nn.Parameter, slice] | None:
        """By which weights colours depend on directions of view: a parameter, and its columns; None: there are none."""
        return None

    @torch.no_grad()
    def forget_directions(self) -> None:
        """Make colours the same from everywhere."""
        found = self.directions()
        if found is not None:
            found[0][:, found[1]] = 0.0

    def hold_directions(self) -> None:
        """Let the next update leave as it is how colours depend on the direction of view."""
        found = self.directions()
        if found is not None and found[0].grad is not None:
            found[0].grad[:, found[1]] = 0.0

    @property
    def parameter_count(self) -> int:
        """Numbers that are trained."""
        return sum(parameter.numel() for parameter in self.parameters())


class Recipe(ABC):
    """How a radiance field is made; a frozen dataclass whose options may be None until :meth:`settled`.

    Attributes
    ----------
    name
        How users call it, and files.
    """

    name: ClassVar[str]

    @property
    def numbers(self) -> int:
        """Numbers that a model of settled options has at least; files with fewer are damaged."""
        return 0

    @abstractmethod
    def settled(self, setting: Setting, device: torch.device) -> Recipe:
        """The same with every option that was left open chosen for a scene and a device."""

    @abstractmethod
    def make(
        self, setting: Setting, generator: torch.Generator, dtype: torch.dtype, device: torch.device
    ) -> RadianceModel:
        """A fresh model of settled options.

        Parameters
        ----------
        setting
            Where.
        generator
            Of random numbers, on the CPU.
        dtype
            float32, or float64 for checks.
        device
            Where it is trained.
        """

    def build(
        self, scene: Scene, generator: torch.Generator, dtype: torch.dtype, device: torch.device, fixed: bool = True
    ) -> RadianceModel:
        """A model for a scene; see :meth:`make` and :meth:`RadianceModel.prepare`."""
        setting = Setting.of(scene)
        model = self.settled(setting, device).make(setting, generator, dtype, device)
        model.prepare(scene, fixed)
        return model
