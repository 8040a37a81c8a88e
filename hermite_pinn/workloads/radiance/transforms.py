"""Cameras in ``transforms.json``: those of NeRF (Blender), instant-ngp and nerfstudio."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.errors import CorruptFileError, InvalidProblemError
from hermite_pinn.schema import Entry, Saved

from .intrinsics import LARGEST_SIDE
from .lens import FisheyeLens, Lens, PerspectiveLens
from .poses import rigid
from .recording import MOST_FRAMES, Frame, Optics, Recording, checked_size

__all__ = ["SPLITS", "read_blender", "read_transforms"]

SPLITS = ("train", "val", "test")
#: Most bytes of a file: a hundred thousand frames of a kilobyte, and some.
MOST_BYTES = 1 << 27
LARGEST = 1e12
#: What nerfstudio's files call lenses.
PERSPECTIVE = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")
FISHEYE = ("OPENCV_FISHEYE", "RADIAL_FISHEYE", "SIMPLE_RADIAL_FISHEYE")
#: Keys of instant-ngp for lenses that are not read here.
UNKNOWN = ("is_ftheta", "ftheta_p0", "is_latlong", "is_equirectangular", "k4", "k5", "k6")
ENDINGS = (".png", ".jpg", ".jpeg")


def read_transforms(path: Path, split: str | None = None) -> Recording:
    """Read a file of cameras.

    Parameters
    ----------
    path
        The file.
    split
        What all its frames are for, if known.

    Raises
    ------
    CorruptFileError
        If it is damaged, or too large.
    InvalidProblemError
        If a matrix is no rotation and shift, or a lens is not known.
    """
    entry = _json(path)
    frames = entry.at("frames").items(least=1, most=MOST_FRAMES)
    named = _named_splits(entry)
    shared = _optics(entry, entry, Optics())
    return Recording(
        str(path),
        tuple(_frame(frame, path, entry, shared, split, named) for frame in frames),
        aabb_scale=_number(entry, "aabb_scale", 1e-6),
        scale=_number(entry, "scale", 1e-12),
        offset=_offset(entry),
    )


def read_blender(folder: Path, splits: Sequence[str]) -> Recording:
    """Read ``transforms_train.json`` and its like in a folder.

    Raises
    ------
    CorruptFileError
        As of :func:`read_transforms`.
    InvalidProblemError
        As of :func:`read_transforms`.
    """
    parts = []
    for split in splits:
        path = folder / f"transforms_{split}.json"
        if path.exists():
            parts.append(read_transforms(path, split))
    frames = tuple(frame for part in parts for frame in part.frames)
    if not frames:
        raise CorruptFileError(
            f"{folder} has none of the files {', '.join(f'transforms_{s}.json' for s in splits)}; choose other splits"
        )
    first = parts[0]
    return Recording(str(folder), frames, first.aabb_scale or 1.0, first.scale, first.offset)


def _json(path: Path) -> Entry:
    checked_size(path, MOST_BYTES)
    try:
        raw = path.read_bytes()
        if raw.count(b"{") > 8 * MOST_FRAMES:
            raise CorruptFileError(f"{path} has more than {MOST_FRAMES} frames; split the scene")
        found = json.loads(raw)
    except OSError as error:
        raise CorruptFileError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path} is damaged: it is no JSON, {type(error).__name__}: {error}") from error
    if not isinstance(found, Mapping):
        raise CorruptFileError(f"{path} is damaged: it holds no object with frames")
    return Entry.of(Saved(found, str(path)), str(path))


def _number(entry: Entry, key: str, lower: float = -LARGEST, upper: float = LARGEST) -> float | None:
    found = entry.get(key)
    return None if found is None else found.number(lower, upper)


def _side(entry: Entry, key: str) -> int | None:
    number = _number(entry, key, 1, LARGEST_SIDE)
    if number is not None and number != round(number):
        raise entry.at(key).refuse("whole pixels")
    return None if number is None else int(number)


def _optics(entry: Entry, top: Entry, shared: Optics) -> Optics:
    """What a frame states, and the rest as the file does for all."""

    def angle(axis: str) -> float | None:
        radians = _number(entry, f"camera_angle_{axis}", 1e-6, math.pi - 1e-6)
        degrees = _number(entry, f"{axis}_fov", 1e-4, 179.9999)
        return math.radians(degrees) if radians is None and degrees is not None else radians

    def either(own: Any, other: Any) -> Any:
        return other if own is None else own

    size = _side(entry, "w"), _side(entry, "h")
    return Optics(
        either(size[0], shared.width),
        either(size[1], shared.height),
        either(_number(entry, "fl_x", 1e-6), shared.fl_x),
        either(_number(entry, "fl_y", 1e-6), shared.fl_y),
        either(_number(entry, "cx"), shared.cx),
        either(_number(entry, "cy"), shared.cy),
        either(angle("x"), shared.angle_x),
        either(angle("y"), shared.angle_y),
        _lens(entry, top),
    )


def _lens(entry: Entry, top: Entry) -> Lens:
    """The lens of a frame, whose coefficients may stand there or with those of all."""

    def get(key: str) -> Entry | None:
        return entry.get(key) or top.get(key)

    model, flag = get("camera_model"), get("is_fisheye")
    name = "" if model is None else model.text()
    fisheye = name in FISHEYE or (flag is not None and bool(flag.value))
    if name and name not in PERSPECTIVE + FISHEYE:
        known = ", ".join(PERSPECTIVE + FISHEYE)
        raise InvalidProblemError(
            f"{entry.source}: camera_model is {name!r}; known here are {known}: undistort the images"
        )
    odd = [key for key in UNKNOWN if (found := get(key)) is not None and found.value not in (0, False)]
    odd = [key for key in odd if not (fisheye and key == "k4")]
    if odd:
        raise InvalidProblemError(
            f"{entry.source}: the distortion with {', '.join(odd)} is not known here; known are k1, k2, k3, p1, p2 (OPENCV), "
            "and k1 to k4 with camera_model OPENCV_FISHEYE: undistort the images"
        )
    kind: type[Lens] = FisheyeLens if fisheye else PerspectiveLens
    names = [field.name for field in fields(kind)]
    return kind(**{key: found.number(-LARGEST, LARGEST) for key in names if (found := get(key)) is not None})


def _offset(entry: Entry) -> tuple[float, float, float] | None:
    found = entry.get("offset")
    if found is None:
        return None
    x, y, z = (item.number(-LARGEST, LARGEST) for item in found.items(3))
    return x, y, z


def _named_splits(entry: Entry) -> dict[str, str]:
    """For which part nerfstudio's lists name a picture."""
    named = {}
    for split in SPLITS:
        found = entry.get(f"{split}_filenames")
        for item in [] if found is None else found.items(most=MOST_FRAMES):
            named[item.text()] = split
    return named


def _frame(
    frame: Entry, path: Path, entry: Entry, shared: Optics, split: str | None, named: Mapping[str, str]
) -> Frame:
    name = frame.at("file_path").text()
    optics = _optics(frame, entry, shared)
    if not optics.complete:
        raise CorruptFileError(
            f"{entry.source} is damaged: {frame.path} has no focal length; give fl_x or camera_angle_x, there or for all"
        )
    matrix = frame.at("transform_matrix")
    rows = [[item.number(finite=False) for item in row.items(4)] for row in matrix.items(least=3, most=4)]
    pose = rigid(f"{entry.source}: {matrix.path} of {name!r}", np.array(rows))
    return Frame(name, _picture(path.parent, name, entry), optics, pose, named.get(name, split))


def _picture(folder: Path, name: str, entry: Entry) -> Path:
    """The file of a picture; Blender's scenes leave out the ending."""
    if not name or "\0" in name:
        raise CorruptFileError(f"{entry.source} is damaged: {name!r} is no name of a picture")
    path = folder / name.replace("\\", "/")
    if path.suffix.lower() in (*ENDINGS, ".bmp", ".ppm", ".tif", ".tiff", ".webp"):
        return path
    candidates = [path.with_name(path.name + ending) for ending in ENDINGS]
    try:
        return next((c for c in candidates if c.exists()), candidates[0])
    except OSError as error:
        raise CorruptFileError(f"{entry.source} is damaged: {error.strerror}: the name {name[:80]!r}") from error
