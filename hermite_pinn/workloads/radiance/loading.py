"""Scenes in files: which format a folder has, and its pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.checks import refuse
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, InvalidProblemError
from hermite_pinn.memory import check_fits

from .colmap import find_model, read_colmap
from .intrinsics import Intrinsics
from .pictures import UPRIGHT, Picture, averaged, composited, open_picture
from .poses import nearest_rotation
from .recording import Frame, Recording
from .transforms import SPLITS, read_blender, read_transforms

__all__ = ["Loaded", "Skipped", "read_recording", "read_views"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Skipped:
    """A picture that was not loaded.

    Attributes
    ----------
    name
        Its name in the file.
    reason
        Why it was not loaded.
    """

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Loaded:
    """What could be read of a recording, one entry per picture.

    Attributes
    ----------
    intrinsics
        Of the pictures as they are now.
    poses
        (n, 3, 4), float64, in the world of the file.
    images
        Colours (height, width, c), float32.
    names, splits
        As the file says.
    skipped
        What is missing.
    """

    intrinsics: tuple[Intrinsics, ...]
    poses: np.ndarray
    images: tuple[Tensor, ...]
    names: tuple[str, ...]
    splits: tuple[str | None, ...]
    skipped: tuple[Skipped, ...]


def read_recording(source: Path, images: Path | None, splits: Sequence[str]) -> Recording:
    """What a file or folder says, whichever format it has.

    Raises
    ------
    InvalidArgumentError
        If there is none.
    CorruptFileError
        If it is damaged.
    InvalidProblemError
        If it says what cannot be.
    """
    accepted = "a folder with a scene, or a JSON file"
    if not source.exists():
        refuse("source", str(source), accepted, hint="there is no such file or folder")
    if images is not None and not images.is_dir():
        refuse("images", str(images), "a folder", hint="there is no such folder")
    if source.is_file():
        if source.suffix.lower() != ".json":
            refuse("source", str(source), accepted, hint="give the folder of a COLMAP model, or a transforms.json")
        return _in_folder(_of_split(read_transforms(source, _split_of(source)), splits), images)
    if any((source / f"transforms_{split}.json").is_file() for split in SPLITS):
        return _in_folder(read_blender(source, splits), images)
    if (source / "transforms.json").is_file():
        return _in_folder(_of_split(read_transforms(source / "transforms.json"), splits), images)
    model = find_model(source)
    if model is None:
        refuse(
            "source",
            str(source),
            accepted,
            hint="it has no transforms.json, no transforms_train.json, and no cameras.txt or cameras.bin there or in sparse/0",
        )
    return read_colmap(model, source, images)


def _split_of(source: Path) -> str | None:
    return next((split for split in SPLITS if source.stem == f"transforms_{split}"), None)


def _of_split(recording: Recording, splits: Sequence[str]) -> Recording:
    """Without what the file says is for something else."""
    if all(frame.split is None for frame in recording.frames):
        return recording
    frames = tuple(f for f in recording.frames if (f.split or "train") in splits)
    if not frames:
        raise InvalidArgumentError(f"{recording.source} has no views for {', '.join(splits)}; choose other splits")
    return replace(recording, frames=frames)


def _in_folder(recording: Recording, images: Path | None) -> Recording:
    """With the pictures in another folder."""
    if images is None:
        return recording
    return replace(recording, frames=tuple(replace(f, path=images / f.path.name) for f in recording.frames))


def read_views(recording: Recording, downscale: float, background: tuple[float, float, float] | None) -> Loaded:
    """Read the pictures that are there.

    Parameters
    ----------
    recording
        What the file says.
    downscale
        How many times smaller pictures are made.
    background
        Behind those with alpha; None: they keep it, and if one has it, all get it.

    Raises
    ------
    InvalidArgumentError
        If none is there.
    InvalidProblemError
        If one does not fit to its camera.
    CorruptFileError
        If one is damaged.
    OutOfMemoryError
        If they do not fit into the memory.
    """
    there, skipped = _present(recording)
    pictures = [open_picture(f.path).fitting(f.optics.width, f.optics.height) for f in there]
    _tell_orientations(pictures)
    sizes = [(max(1, round(p.width / downscale)), max(1, round(p.height / downscale))) for p in pictures]
    alpha = background is None and any(p.alpha for p in pictures)
    intrinsics = [_intrinsics(f, p, s) for f, p, s in zip(there, pictures, sizes, strict=True)]
    check_fits(
        4.0 * (4 if alpha else 3) * sum(width * height for width, height in sizes),
        f"the {len(sizes)} pictures of {recording.source}",
        "give a larger downscale=",
    )
    images = _read(pictures, sizes, background, alpha)
    poses = np.stack([nearest_rotation(frame.pose) for frame in there])
    names, splits = tuple(frame.name for frame in there), tuple(frame.split for frame in there)
    return Loaded(tuple(intrinsics), poses, images, names, splits, skipped)


def _tell_orientations(pictures: Sequence[Picture]) -> None:
    """Say of which pictures the orientation of EXIF is not followed."""
    stored = [p.path.name for p in pictures if p.orientation != UPRIGHT and not p.turned]
    if stored:
        logger.warning(
            "%d of %d pictures have an orientation (EXIF), the first is %s; their pixels are taken as they are stored, as COLMAP, instant-ngp and "
            "nerfstudio do: if their cameras are those of turned pictures, turn the files",
            len(stored), len(pictures), _printable(stored[0]),
        )  # fmt: skip


def _read(
    pictures: Sequence[Picture],
    sizes: Sequence[tuple[int, int]],
    background: tuple[float, float, float] | None,
    alpha: bool,
) -> tuple[Tensor, ...]:
    """Colours of pictures in one piece of memory, of which each is a part."""
    channels = 4 if alpha else 3
    colors, start = torch.empty(sum(width * height for width, height in sizes), channels), 0
    images = []
    for picture, (width, height) in zip(pictures, sizes, strict=True):
        image = colors[start : start + width * height].view(height, width, channels)
        image.copy_(torch.from_numpy(_colors(picture, (width, height), background, alpha)))
        images.append(image)
        start += width * height
    return tuple(images)


def _present(recording: Recording) -> tuple[list[Frame], tuple[Skipped, ...]]:
    """Frames whose picture is there, and the others."""
    there, skipped = [], []
    for frame in recording.frames:
        reason = _missing(frame.path)
        if reason is None:
            there.append(frame)
        else:
            skipped.append(Skipped(frame.name, reason))
    if not there:
        raise InvalidArgumentError(
            f"{recording.source} names {len(recording.frames)} pictures, and none is there: {_printable(str(recording.frames[0].path))} is the first that was "
            "looked for; give images=, the folder of the pictures"
        )
    if skipped:
        few = ", ".join(map(_printable, (s.name for s in skipped[:3]))) + (", ..." if len(skipped) > 3 else "")
        logger.warning("%d of %d pictures of %s are not there and were skipped: %s", len(skipped), len(recording.frames), recording.source, few)  # fmt: skip
    return there, tuple(skipped)


def _printable(name: str) -> str:
    """A name without what no stream can write, halves of characters that JSON may hold."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _missing(path: Path) -> str | None:
    """Why there is no picture, or None if there is one."""
    try:
        if path.is_file():
            return None
        return "it is no regular file" if path.exists() else "there is no such file"
    except (OSError, ValueError) as error:
        return str(error)


def _intrinsics(frame: Frame, picture: Picture, size: tuple[int, int]) -> Intrinsics:
    try:
        return frame.optics.of_picture(picture.width, picture.height).resized(*size)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"the picture {picture.path}: {error}") from error
    except InvalidArgumentError as error:
        raise CorruptFileError(f"the camera of {frame.name} is damaged: {error}") from error


def _colors(
    picture: Picture, size: tuple[int, int], background: tuple[float, float, float] | None, alpha: bool
) -> np.ndarray:
    colors = picture.colors()
    if alpha or background is not None:
        colors = composited(colors, background)
    return np.ascontiguousarray(averaged(colors, *size), dtype=np.float32)
