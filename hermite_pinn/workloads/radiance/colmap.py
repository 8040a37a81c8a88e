"""Models of COLMAP: cameras, images and points, from text or binary files.

COLMAP's matrices take the world to the camera, whose axes are those of OpenCV (right, down, forward); they are turned
into ours here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, InvalidProblemError

from .colmap_files import StoredCamera, StoredImage, StoredPoints
from .intrinsics import LARGEST_SIDE
from .lens import FisheyeLens, Lens, PerspectiveLens
from .poses import TURNED, rigid
from .recording import Frame, Optics, Recording

__all__ = ["MODELS", "find_model", "read_colmap"]

#: Where a model is, seen from the folder of a scene.
PLACES = ("", "sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse")


@dataclass(frozen=True)
class _Model:
    """A camera model of COLMAP.

    Attributes
    ----------
    name
        As in text files.
    focals
        Number of focal lengths.
    coefficients
        Names of the coefficients of the lens after focal lengths and centre, in order.
    lens
        Their lens.
    """

    name: str
    focals: int
    coefficients: tuple[str, ...]
    lens: Callable[..., Lens] = PerspectiveLens

    @property
    def count(self) -> int:
        """Number of all parameters."""
        return self.focals + 2 + len(self.coefficients)


#: By the number in binary files.
MODELS: Mapping[int, _Model] = {
    0: _Model("SIMPLE_PINHOLE", 1, ()),
    1: _Model("PINHOLE", 2, ()),
    2: _Model("SIMPLE_RADIAL", 1, ("k1",)),
    3: _Model("RADIAL", 1, ("k1", "k2")),
    4: _Model("OPENCV", 2, ("k1", "k2", "p1", "p2")),
    5: _Model("OPENCV_FISHEYE", 2, ("k1", "k2", "k3", "k4"), FisheyeLens),
    8: _Model("SIMPLE_RADIAL_FISHEYE", 1, ("k1",), FisheyeLens),
    9: _Model("RADIAL_FISHEYE", 1, ("k1", "k2"), FisheyeLens),
}
#: Names of the other models, for messages.
OTHERS = {6: "FULL_OPENCV", 7: "FOV", 10: "THIN_PRISM_FISHEYE"}


def find_model(folder: Path) -> Path | None:
    """The folder of the model of a scene, or None if there is none."""
    for place in PLACES:
        found = folder / place
        if any((found / f"cameras{ending}").is_file() for ending in (".bin", ".txt")):
            return found
    return None


def read_colmap(model: Path, root: Path, images: Path | None = None) -> Recording:
    """Read a model.

    Parameters
    ----------
    model
        Its folder, with ``cameras``, ``images`` and perhaps ``points3D``, all ``.bin`` or all ``.txt``.
    root
        The folder of the scene.
    images
        The folder of the pictures; default: ``images`` beside the model or above it, or the root.

    Raises
    ------
    CorruptFileError
        If a file is missing, damaged or too large.
    InvalidProblemError
        If a camera model is not known.
    """
    from .colmap_binary import BinaryFiles
    from .colmap_text import TextFiles

    files = BinaryFiles(model) if (model / "cameras.bin").is_file() else TextFiles(model)
    cameras = {camera.number: _optics(camera, str(model)) for camera in files.cameras()}
    stored = files.images()
    if not stored:
        raise CorruptFileError(f"{model} has no images; reconstruct the scene again")
    folder = _pictures(model, root) if images is None else images
    frames = tuple(_frame(image, cameras, folder, str(model)) for image in sorted(stored, key=lambda i: i.name))
    points = files.points() or StoredPoints(np.empty((0, 3)), np.empty((0, 3), dtype=np.uint8))
    if not np.isfinite(points.places).all():
        raise CorruptFileError(f"{model} is damaged: a point is not finite")
    return Recording(str(model), frames, points=points.places, colors=points.colors)


def _pictures(model: Path, root: Path) -> Path:
    """The folder of the pictures."""
    above = [root, model, *list(model.parents)[:3]]
    return next((place / "images" for place in above if (place / "images").is_dir()), root)


def _optics(camera: StoredCamera, source: str) -> Optics:
    by_name = {model.name: model for model in MODELS.values()}
    model = by_name.get(camera.model) if isinstance(camera.model, str) else MODELS.get(camera.model)
    where = f"{source}: camera {camera.number}"
    if model is None:
        told = camera.model if isinstance(camera.model, str) else OTHERS.get(camera.model, f"number {camera.model}")
        raise InvalidProblemError(
            f"{where} has the model {told}; known here are {', '.join(by_name)}: undistort the images (colmap image_undistorter)"
        )
    numbers = camera.parameters
    if len(numbers) != model.count:
        raise CorruptFileError(f"{where} has {len(numbers)} parameters, and {model.name} has {model.count}")
    if not np.isfinite(numbers).all() or min(numbers[: model.focals]) <= 0:
        raise CorruptFileError(f"{where} is damaged: a focal length is not positive, or a parameter is not finite")
    if not (1 <= camera.width <= LARGEST_SIDE and 1 <= camera.height <= LARGEST_SIDE):
        raise CorruptFileError(f"{where} is damaged: it has {camera.width} x {camera.height} pixels")
    fl_x, fl_y = numbers[0], numbers[model.focals - 1]
    cx, cy = numbers[model.focals : model.focals + 2]
    coefficients = dict(zip(model.coefficients, numbers[model.focals + 2 :], strict=True))
    return Optics(camera.width, camera.height, fl_x, fl_y, cx, cy, lens=model.lens(**coefficients))


def _frame(image: StoredImage, cameras: Mapping[int, Optics], folder: Path, source: str) -> Frame:
    if image.camera not in cameras:
        raise CorruptFileError(
            f"{source} is damaged: image {image.name!r} has the camera {image.camera}, which is none"
        )
    if not image.name or "\0" in image.name:
        raise CorruptFileError(f"{source} is damaged: an image has the name {image.name!r}")
    if not np.isfinite(image.shift).all():
        raise CorruptFileError(f"{source} is damaged: the shift of {image.name!r} is not finite")
    inward = np.concatenate([_rotation(image, source), np.array(image.shift)[:, None]], 1)
    rotation = inward[:, :3].T
    pose = np.concatenate([rotation @ TURNED, -rotation @ inward[:, 3:]], 1)
    try:
        checked = rigid(f"{source}: the pose of {image.name!r}", pose)
    except InvalidArgumentError as error:
        raise CorruptFileError(f"{error}") from error
    return Frame(image.name, folder / image.name, cameras[image.camera], checked)


def _rotation(image: StoredImage, source: str) -> np.ndarray:
    """The matrix of a unit quaternion (w, x, y, z)."""
    q = np.array(image.quaternion)
    size = float(np.linalg.norm(q))
    if not np.isfinite(size) or abs(size - 1) > 1e-3:
        raise CorruptFileError(
            f"{source} is damaged: the quaternion of {image.name!r} has the length {size:.6g} and not 1"
        )
    w, x, y, z = q / size
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
