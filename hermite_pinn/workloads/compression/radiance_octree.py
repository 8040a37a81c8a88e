"""Radiance fields on octrees: what is learned of them, and what is kept beside that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.octree import Octree
from hermite_pinn.field.tree import TABLE
from hermite_pinn.memory import check_fits
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry
from hermite_pinn.workloads.radiance.camera import Cameras
from hermite_pinn.workloads.radiance.camera_files import described_cameras, read_cameras
from hermite_pinn.workloads.radiance.instant_ngp import InstantNGP
from hermite_pinn.workloads.radiance.octree_recipe import OctreeModel, OctreeRecipe, marched_level
from hermite_pinn.workloads.radiance.recipes import described_recipe, read_recipe
from hermite_pinn.workloads.radiance.setting import Setting
from hermite_pinn.workloads.radiance.solution import Radiance

from .container import Block, Contents
from .learnable import Skeleton

__all__ = ["OctreeRadiance", "RadianceSkeleton"]

#: What modules call the features.
TABLE_NAME = "field.encoding.values.table"
CPU = torch.device("cpu")
SINGLE = np.dtype("<f4")

Found = TypeVar("Found")


class _Call(nn.Module):
    """Something that is done with a model, as a module."""

    def __init__(self, model: OctreeModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[[OctreeModel], Any]) -> Any:
        """Do it."""
        return function(self.model)


@dataclass(frozen=True, eq=False)
class OctreeRadiance:
    """A radiance field on an octree with its numbers.

    Attributes
    ----------
    model
        The field, whose own numbers do not count.
    leaves
        Numbers by path.
    """

    model: OctreeModel
    leaves: Mapping[str, Tensor]

    @classmethod
    def of(cls, model: OctreeModel) -> OctreeRadiance:
        """With the numbers of a model."""
        named = {name: parameter.detach() for name, parameter in model.named_parameters()}
        return cls(model, {TABLE: named.pop(TABLE_NAME), **named})

    @property
    def layout(self) -> GridLayout:
        """Of the features."""
        return self.model.layout

    @property
    def table(self) -> Tensor:
        """The features."""
        return self.leaves[TABLE]

    @property
    def parameter_count(self) -> int:
        """Numbers of all."""
        return sum(leaf.numel() for leaf in self.leaves.values())

    def tensors(self) -> dict[str, Tensor]:
        """Numbers by path."""
        return dict(self.leaves)

    def with_tensors(self, tensors: dict[str, Tensor]) -> OctreeRadiance:
        """With other numbers."""
        return replace(self, leaves=dict(tensors))

    def applied(self, function: Callable[[OctreeModel], Found]) -> Found:
        """What a function tells of the model with these numbers; differentiable by them."""
        named = {f"model.{TABLE_NAME if path == TABLE else path}": leaf for path, leaf in self.leaves.items()}
        found: Found = torch.func.functional_call(_Call(self.model), named, (function,))
        return found

    def baked(self) -> OctreeModel:
        """A model of its own with these numbers."""
        model = deepcopy(self.model)
        with torch.no_grad():
            for path, leaf in self.leaves.items():
                model.get_parameter(TABLE_NAME if path == TABLE else path).copy_(leaf)
        return model


@dataclass(frozen=True, eq=False)
class RadianceSkeleton(Skeleton):
    """A radiance field.

    Attributes
    ----------
    setting
        Where.
    networks
        Settled options of networks, march and background.
    features
        Of a corner.
    cameras
        Of the training views.
    """

    setting: Setting
    networks: InstantNGP
    features: int
    cameras: Cameras

    kind: ClassVar[str] = "radiance field on an octree"

    @property
    def fields(self) -> tuple[str, ...]:
        """What it tells of a point."""
        return ("density", "colour")

    @property
    def dim(self) -> int:
        """Three."""
        return 3

    @property
    def network_numbers(self) -> int:
        """See :class:`Skeleton`."""
        o = self.networks
        first = (self.features + 3) * o.width + o.width * o.hidden
        second = (o.hidden + 16) * o.width + o.width**2 + 3 * o.width
        return first + second + ((16 + 3) * 32 if o.background == "learned" else 0)

    def layout(self, tree: Octree) -> GridLayout:
        """See :meth:`Skeleton.layout`."""
        lower, upper = self.setting.cube
        return GridLayout(lower, upper, tree.resolutions, "linear", self.features, None, (False,) * 3, tree.listed)

    def empty(self, tree: Octree, levels: int, generator: torch.Generator) -> OctreeRadiance:
        """See :meth:`Skeleton.empty`."""
        recipe = OctreeRecipe.of(tree, levels, self.features, self.networks)
        return OctreeRadiance.of(recipe.make(self.setting, generator, torch.float32, CPU))

    def finished(self, field: OctreeRadiance, code: str, title: str) -> Radiance:
        """A radiance field, which can be rendered and saved."""
        count = field.layout.levels
        stats = {"parameters": field.parameter_count, "dtype": "float32"}
        told = f"decoded from {count} level{'s' * (count > 1)} of detail"
        settings = {"problem": title, "method": f"coded as {code}", "levels": count}
        return Radiance(field.baked(), self.cameras, Status.COMPLETED, told, History(), stats, settings)

    def first_cells(self, coarsest: Sequence[int], levels: int) -> int:
        """Those by which samples are marched: they are the same for all levels of detail."""
        return marched_level(coarsest, levels, self.networks.cells or 0, self.networks.cascades or 1)

    def shown(self, field: OctreeRadiance) -> np.ndarray:
        """What the first camera sees."""
        camera = self.cameras[0]
        colors = field.applied(lambda model: model.look(camera.rays()).colour)
        return colors.T.reshape(camera.height, camera.width, 3).cpu().numpy()

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """See :meth:`Skeleton.describe`."""
        cameras, _ = described_cameras(self.cameras)
        return {
            "setting": self.setting.describe(),
            "networks": described_recipe(self.networks),
            "features": self.features,
            "cameras": cameras,
        }

    def blocks(self) -> list[Block]:
        """Poses of the cameras, in single precision."""
        _, poses = described_cameras(self.cameras)
        return [Block("poses", 0, poses.numpy().astype(SINGLE).tobytes())]

    @classmethod
    def restored(cls, meta: Entry, dim: int, blocks: Mapping[str, bytes], contents: Contents) -> RadianceSkeleton:
        """See :meth:`Skeleton.restored`."""
        if dim != 3:
            raise meta.at("coarsest").refuse("three numbers")
        networks = read_recipe(meta.at("networks"))
        if type(networks) is not InstantNGP or any(v is None for v in vars(networks).values()):
            raise meta.at("networks").refuse("settled options of instant_ngp")
        cells, cascades = networks.cells or 0, networks.cascades or 1
        check_fits(64.0 * cascades * cells**3, f"the occupied cells of {contents.source}", "close other programs")
        setting, features = Setting.from_description(meta.at("setting")), meta.at("features").integer(1, 4096)
        count = len(meta.at("cameras").at("kind").items(most=1 << 20))
        data = blocks.get("poses", b"")
        if len(data) != count * 12 * SINGLE.itemsize:
            raise CorruptFileError(
                f"{contents.source} is damaged: {count:,} cameras have poses of {48 * count:,} bytes, got {len(data):,}"
            )
        poses = torch.from_numpy(np.frombuffer(data, SINGLE).astype(np.float64).reshape(-1, 3, 4))
        cameras = read_cameras(meta.at("cameras"), Entry(poses, str(contents.source), "poses"))
        return cls(setting, networks, features, cameras)
