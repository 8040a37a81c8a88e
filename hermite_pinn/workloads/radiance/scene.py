"""Scenes: pictures, cameras, and the box in which what they show is."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.checks import choice, instance, integer, items, number, path, real_array
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.geometry.similarity import Similarity

from .camera import Cameras
from .loading import Skipped, read_recording, read_views
from .overlap import isolated
from .placement import PLACEMENTS, placed
from .synthetic import Sampling, background_color, render_views
from .transforms import SPLITS
from .views import Views
from .world import World

__all__ = ["Scene"]

logger = logging.getLogger(__name__)

#: Of the diagonal of the box, what cameras move at least that do not stand at one place.
STILL = 1e-6


def _unmoved() -> Similarity:
    return Similarity(1.0, np.eye(3), np.zeros(3))


@dataclass(frozen=True, eq=False)
class Scene:
    """Pictures with their cameras, and the box that contains what they show.

    Attributes
    ----------
    views
        All pictures and cameras.
    splits
        ``"train"``, ``"val"`` or ``"test"``, one per view.
    lower, upper
        Corners of the box, (3,), float64, in units of the scene's world.
    placement
        Map from the world of the file to that of the scene.
    points, point_colors
        Points (n, 3) of the scene in its world, float64, and their colours between 0 and 1, (n, 3), float32; empty if
        the file has none.
    background
        Colour behind pictures with alpha.  None: they keep their alpha.
    skipped
        Pictures that the file names and that do not exist.
    source
        The file or folder.

    Raises
    ------
    InvalidProblemError
        If no camera looks at the box, or no two of several cameras see a common place of it.

    Examples
    --------
    >>> scene = Scene.render_synthetic(16, train=6, test=2)
    >>> len(scene.train), len(scene.test), scene.views[0].image.shape
    (6, 2, torch.Size([16, 16, 3]))
    >>> draw = scene.train.sample(32, torch.Generator().manual_seed(0))
    >>> draw.rays.direction.shape, draw.colors.shape
    (torch.Size([32, 3]), torch.Size([32, 3]))
    """

    views: Views
    splits: tuple[str, ...]
    lower: Tensor
    upper: Tensor
    placement: Similarity = field(default_factory=_unmoved)
    points: Tensor = field(default_factory=lambda: torch.empty(0, 3, dtype=torch.float64))
    point_colors: Tensor = field(default_factory=lambda: torch.empty(0, 3))
    background: tuple[float, float, float] | None = None
    skipped: tuple[Skipped, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        instance("views", self.views, Views, "hermite_pinn.radiance.Views")
        splits = tuple(choice("splits", s, SPLITS) for s in items("splits", self.splits, "names of splits"))
        if len(splits) != len(self.views):
            raise InvalidArgumentError(f"splits must be as many as views, got {len(splits)} and {len(self.views)}")
        object.__setattr__(self, "splits", splits)
        for name in ("lower", "upper"):
            corner = real_array(name, getattr(self, name), shape="three numbers")
            if corner.shape != (3,):
                raise InvalidArgumentError(f"{name} must be three numbers, got the shape {corner.shape}")
            object.__setattr__(self, name, torch.from_numpy(corner.copy()))
        if not bool((self.lower < self.upper).all()):
            raise InvalidArgumentError(
                f"lower must be below upper, got {self.lower.tolist()} and {self.upper.tolist()}"
            )
        _check_seen(self.views.cameras, self.lower, self.upper)
        _check_overlap(self.views, self.lower, self.upper)

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.splits.count(s)} {s}" for s in SPLITS if s in self.splits)
        sizes = sorted({(kind.width, kind.height) for kind in self.cameras.kinds})
        told = f"{sizes[0][0]} x {sizes[0][1]}" if len(sizes) == 1 else f"{len(sizes)} sizes"
        return f"Scene({counts}, {told}{f', {len(self.skipped)} skipped' if self.skipped else ''})"

    # -- parts ---
    @property
    def cameras(self) -> Cameras:
        """Cameras of all views."""
        return self.views.cameras

    @cached_property
    def train(self) -> Views:
        """Views to fit."""
        return self._part("train")

    @cached_property
    def val(self) -> Views:
        """Views to choose by, if the file has such."""
        return self._part("val")

    @cached_property
    def test(self) -> Views:
        """Views that are held out."""
        return self._part("test")

    def _part(self, split: str) -> Views:
        return self.views.take([k for k, own in enumerate(self.splits) if own == split])

    # -- places ---
    def to_unit(self, points: Any) -> Tensor:
        """Map points (..., 3) of the world to the unit cube, which is the scene's box."""
        x = torch.as_tensor(points)
        return (x - self.lower.to(x)) / (self.upper - self.lower).to(x)

    def from_unit(self, points: Any) -> Tensor:
        """Map points (..., 3) of the unit cube to the world."""
        x = torch.as_tensor(points)
        return self.lower.to(x) + x * (self.upper - self.lower).to(x)

    # -- how it is made ---
    @classmethod
    def load(
        cls,
        source: str | os.PathLike[str],
        downscale: float = 1.0,
        *,
        images: str | os.PathLike[str] | None = None,
        background: str | Sequence[float] | None = "white",
        placement: str = "auto",
        test_every: int | None = 8,
        splits: Sequence[str] = ("train", "test"),
    ) -> Scene:
        """Read a scene in the format of NeRF (Blender), instant-ngp or nerfstudio, or a model of COLMAP.

        Pictures that do not exist are skipped and listed in :attr:`skipped`; damaged files are errors.

        Parameters
        ----------
        source
            A folder with ``transforms_train.json`` and its like, with ``transforms.json``, or with a model of COLMAP
            (``cameras``, ``images`` and ``points3D``, text or binary, there or in ``sparse/0``); or such a JSON file.
        downscale
            Factor by which pictures are reduced, by means over areas; 1 to 64.
        images
            Folder of the pictures, if it differs from that in the files.
        background
            Colour behind pictures with alpha: ``"white"``, ``"black"`` or three numbers between 0 and 1.  None keeps
            alpha.
        placement
            How the world is moved and scaled.  ``"none"``: not at all; ``"aabb_scale"``: as in instant-ngp;
            ``"cameras"``: the farthest camera has the distance 1 from the point at which all look; ``"points"``: points
            lie between -1 and 1; ``"auto"``: by what the file states, in the order ``aabb_scale``, points, cameras.
        test_every
            If the file has no test views, every ``test_every``-th picture from the first on is one.  None: there are
            none.
        splits
            Views to read, if the file distinguishes them.

        Returns
        -------
        Scene
            The scene.

        Raises
        ------
        InvalidArgumentError
            If there is no such scene, none of its pictures exists, or an option is out of range.
        InvalidProblemError
            If a matrix is not a rotation and a shift, a picture does not fit its camera, the model of a lens is
            unknown, its distortion cannot be inverted, no camera looks at the box of the scene, or no two see a common
            place of it.
        CorruptFileError
            If a file is damaged or too large to be read.
        OutOfMemoryError
            If the pictures do not fit into the memory.

        Examples
        --------
        >>> try:
        ...     Scene.load("no-such-folder")
        ... except InvalidArgumentError as error:
        ...     print(str(error).partition(", got ")[2])
        'no-such-folder'; there is no such file or folder
        """
        place = path("source", source)
        folder = None if images is None else path("images", images)
        factor = number("downscale", downscale, least=1, most=64)
        color = background_color(background)
        how = choice("placement", placement, PLACEMENTS)
        every = None if test_every is None else integer("test_every", test_every, least=2, otherwise="None")
        wanted = [choice("splits", s, SPLITS) for s in items("splits", splits, "names of splits", least=1)]
        recording = read_recording(place, folder, wanted)
        loaded = read_views(recording, factor, color)
        moved, lower, upper = placed(recording, loaded.poses, how)
        poses = np.concatenate([loaded.poses[:, :, :3], _moved(moved, loaded.poses[:, :, 3])[..., None]], 2)
        return cls(
            Views(Cameras(loaded.intrinsics, poses), loaded.images, loaded.names),
            _splits(loaded.splits, every),
            torch.from_numpy(lower),
            torch.from_numpy(upper),
            moved,
            torch.from_numpy(_moved(moved, recording.points)),
            torch.from_numpy(recording.colors.astype(np.float32) / np.float32(255)),
            color,
            loaded.skipped,
            recording.source,
        )

    @classmethod
    def render_synthetic(
        cls,
        size: int | tuple[int, int] = 100,
        *,
        train: int = 40,
        test: int = 8,
        world: World | None = None,
        seed: int = 0,
        radius: float = 3.2,
        supersampling: int = 4,
        background: str | Sequence[float] | None = "white",
        poses: Any = None,
    ) -> Scene:
        """Render a scene of spheres, a block and a floor, or another world, with known poses and depth.

        Parameters
        ----------
        size
            Pixels along both sides, or (width, height).
        train, test
            Numbers of views, evenly spread on a part of a sphere around the origin.
        world
            The :class:`World`.  Default: :meth:`World.standard`.
        seed
            Seed of the places of the cameras.
        radius
            Distance of the cameras from the origin.
        supersampling
            Rays along each side of a pixel, whose mean is its colour.
        background
            As for :meth:`load`; None keeps alpha.
        poses
            Poses (train + test, 3, 4) in place of the default ones, training views first.

        Returns
        -------
        Scene
            Its views have depths; its images are float32.

        Raises
        ------
        InvalidArgumentError
            If an option is out of range.

        Examples
        --------
        >>> scene = Scene.render_synthetic(8, train=2, test=1, supersampling=2)
        >>> view = scene.train[0]
        >>> points = view.camera.rays().at(view.depth.reshape(-1).float())
        >>> bool(torch.isfinite(points).any())
        True
        """
        train, test = integer("train", train, least=1, most=10_000), integer("test", test, least=0, most=10_000)
        color = background_color(background)
        chosen = World.standard() if world is None else instance("world", world, World, "a hermite_pinn.radiance.World")
        sampling = Sampling(size, supersampling, radius)
        views = render_views(chosen, sampling, train + test, seed, color, poses)
        splits = ("train",) * train + ("test",) * test
        lower, upper = (torch.tensor(corner, dtype=torch.float64) for corner in chosen.bounds)
        return cls(views, splits, lower, upper, background=color, source="synthetic")


def _moved(placement: Similarity, points: np.ndarray) -> np.ndarray:
    """Points (n, 3) of the file in the world of the scene."""
    return np.ascontiguousarray(placement.points(points.T).T)


def _splits(stated: Sequence[str | None], every: int | None) -> tuple[str, ...]:
    """What the file says, or every so-many-th view for tests."""
    if any(split is not None for split in stated):
        return tuple(split or "train" for split in stated)
    return tuple("test" if every is not None and k % every == 0 else "train" for k in range(len(stated)))


def _check_seen(cameras: Cameras, lower: Tensor, upper: Tensor, count: int = 9) -> None:
    """Refuse a box at which no camera looks, as far as some rays of each tell."""
    share = torch.linspace(0, 1, count, dtype=torch.float64)
    grid = torch.cartesian_prod(share, share)
    for camera in cameras:
        pixels = 0.5 + grid * torch.tensor([camera.width - 1, camera.height - 1])
        near, far = camera.rays(pixels, torch.float64).span(lower, upper)
        if bool((near < far).any()):
            return
    raise InvalidProblemError(
        f"no camera looks at the box from {lower.tolist()} to {upper.tolist()}; the poses may be in another convention, or choose another placement"
    )


def _check_overlap(views: Views, lower: Tensor, upper: Tensor) -> None:
    """Refuse views of which no two see anything in common; say which see nothing that another one sees."""
    if len(views) < 2:
        return
    places, diagonal = views.cameras.poses[:, :, 3], float((upper - lower).norm())
    if float((places - places[0]).norm(dim=1).max()) < STILL * diagonal:
        logger.warning("all %d cameras stand at one place, so that nothing tells how far anything is", len(views))
    alone = isolated(views.cameras, lower, upper)
    if not alone:
        return
    names = ", ".join(repr(views.names[k]) for k in alone[:3]) + (", ..." if len(alone) > 3 else "")
    if len(alone) == len(views):
        raise InvalidProblemError(
            f"no two of the {len(views)} cameras see a place of the box from {lower.tolist()} to {upper.tolist()} in common, so that nothing tells how "
            "far anything is; the poses may be in another convention, or choose another placement"
        )
    logger.warning("%d of %d views see no place of the box that another one sees: %s", len(alone), len(views), names)
