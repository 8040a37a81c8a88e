"""Pictures one after the other: videos, and orbits around scenes."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import instance, integer, number
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError, OutputError
from hermite_pinn.output import check_writable, make_folder, output_path, staged

from .camera import Cameras
from .intrinsics import LARGEST_SIDE, Intrinsics
from .picture_files import eight_bits, write_png
from .placement import focus
from .poses import look_at

__all__ = ["can_write_videos", "orbit", "write_frames", "write_video"]

ENDINGS = (".mp4", ".mkv", ".mov")
#: Angle between neighbouring cameras up to which a way around passes between them.
LARGEST_GAP = math.radians(120)
#: How far the height of a swing changes, relative to what the cameras' heights do.
LIFT = 0.5


def can_write_videos() -> bool:
    """Whether imageio and its ffmpeg are installed, the extra ``video``."""
    return all(importlib.util.find_spec(name) is not None for name in ("imageio", "imageio_ffmpeg"))


def write_video(path: str | Path, frames: Iterable[Any], rate: float = 24.0) -> Path:
    """Write pictures as a video (H.264), all of it or nothing.

    Parameters
    ----------
    path
        File to write: ``.mp4``, ``.mkv`` or ``.mov``.
    frames
        Colours (h, w, 3) between 0 and 1, all of one size, one at a time.  A row or column is repeated where h or w is
        odd, which the format does not know.
    rate
        Pictures per second.

    Raises
    ------
    BackendUnavailableError
        If imageio or its ffmpeg is not installed.
    InvalidArgumentError
        If there are no frames, their sizes differ, they are no colours, or the ending is another.
    OutputError
        If the file cannot be written.
    """
    target = output_path(path)
    if target.suffix.lower() not in ENDINGS:
        raise InvalidArgumentError(f"videos are written to files that end in {', '.join(ENDINGS)}, got {target.name!r}")
    rate = number("rate", rate, above=0, most=1000)
    if not can_write_videos():
        raise BackendUnavailableError(
            "a video needs imageio and ffmpeg; install them: pip install 'hermite_pinn[video]'; write_frames writes its pictures as PNG"
        )
    import imageio.v2

    check_writable(target)
    with staged(target) as folder:
        writer, shape = None, None
        try:
            for frame in frames:
                pixels = _even(eight_bits(frame))
                if shape is not None and pixels.shape != shape:
                    raise InvalidArgumentError(
                        f"frames must be of one size, got {shape[:2]} and {pixels.shape[:2]} pixels"
                    )
                if writer is None:
                    shape = pixels.shape
                    writer = imageio.v2.get_writer(
                        folder / target.name, format="FFMPEG", fps=rate, codec="libx264", quality=8, macro_block_size=2
                    )  # type: ignore[call-overload]
                writer.append_data(pixels)
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{target} cannot be written: {' '.join(str(error).split())[:300]}") from error
        finally:
            if writer is not None:
                writer.close()
        if writer is None:
            raise InvalidArgumentError("there are no frames to write; give one picture or more")
    return target


def write_frames(folder: str | Path, frames: Iterable[Any]) -> list[Path]:
    """Write pictures as ``0000.png``, ``0001.png``, ... into a folder, which is made if it is not there.

    Raises
    ------
    InvalidArgumentError
        If one is no picture.
    OutputError
        If a file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [file.name for file in write_frames(folder, [torch.zeros(2, 2, 3), torch.ones(2, 2, 3)])]
    ['0000.png', '0001.png']
    """
    place = make_folder(folder)
    return [write_png(place / f"{number:04d}.png", frame) for number, frame in enumerate(frames)]


def _even(pixels: np.ndarray) -> np.ndarray:
    """With a number of rows and columns that is even."""
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), "edge")


def orbit(cameras: Cameras, count: int = 60, width: int | None = None, height: int | None = None) -> Cameras:
    """Make cameras on a closed path around or between given cameras, with the same target.

    If the cameras surround what they see, the path goes around it; otherwise it swings from one end to the other and
    back.  Its distance is the mean of theirs.  Pixels are square and lenses do not distort.

    Parameters
    ----------
    cameras
        Cameras of a scene.
    count
        Number of cameras on the path.
    width, height
        Number of pixels.  Default: those of the first camera, whose horizontal angle of view is kept.

    Returns
    -------
    Cameras
        ``count`` cameras.

    Raises
    ------
    InvalidArgumentError
        If there are no cameras, or an option is out of range.

    Examples
    --------
    >>> from hermite_pinn.workloads.radiance import Intrinsics, surrounding_poses
    >>> around = orbit(Cameras(Intrinsics.of_view_angle(8, 6, 1.0), surrounding_poses(9, 3.0, 20.0)), 24)
    >>> len(around), around.centres.norm(dim=1).numpy().round(3).tolist() == [3.0] * 24
    (24, True)
    """
    count = integer("count", count, least=1, most=100_000)
    instance("cameras", cameras, Cameras, "hermite_pinn.radiance.Cameras, such as scene.cameras")
    if not len(cameras):
        raise InvalidArgumentError("there are no cameras to move between; give those of a scene")
    first = cameras.kinds[int(cameras.kind[0])]
    across, down = (
        own if given is None else integer(name, given, least=1, most=LARGEST_SIDE)
        for name, given, own in (("width", width, first.width), ("height", height, first.height))
    )
    poses = cameras.poses.detach().to("cpu", torch.float64).numpy()
    centre, upward = focus(poses), _upward(poses)
    around = poses[:, :, 3] - centre
    distance = float(np.linalg.norm(around, axis=1).mean())
    if distance == 0:
        raise InvalidArgumentError("the cameras are all at the place at which they look; there is no way around it")
    axes = _level(upward)
    angles = np.arctan2(around @ axes[1], around @ axes[0])
    heights = np.arcsin(np.clip(around @ upward / np.maximum(np.linalg.norm(around, axis=1), 1e-300), -1, 1))
    share = 2 * np.pi * np.arange(count) / count
    turns, lifts = _way(angles, heights, share)
    eyes = distance * (
        (np.cos(lifts) * np.cos(turns))[:, None] * axes[0]
        + (np.cos(lifts) * np.sin(turns))[:, None] * axes[1]
        + np.sin(lifts)[:, None] * upward
    )
    made = np.stack([look_at(list(centre + eye), list(centre), list(upward)) for eye in eyes])
    return Cameras(Intrinsics.of_view_angle(across, down, 2 * math.atan(first.width / (2 * first.fl_x))), made)


def _upward(poses: np.ndarray) -> np.ndarray:
    """What is up for most cameras: the mean of what is up in their pictures, else of where they come from."""
    mean = poses[:, :, 1].mean(0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])


def _level(upward: np.ndarray) -> np.ndarray:
    """Two unit vectors across a direction."""
    first = np.cross(upward, np.eye(3)[np.abs(upward).argmin()])
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(upward, first)])


def _way(angles: np.ndarray, heights: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles around and above along a way, from those of the cameras; ``share`` runs once around."""
    ordered = np.sort(angles)
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
    widest = int(gaps.argmax())
    mean = float(heights.mean())
    if gaps[widest] <= LARGEST_GAP:
        return ordered[0] + share, np.full(len(share), mean)
    start = ordered[(widest + 1) % len(ordered)]
    reach = (2 * np.pi - gaps[widest]) / 2
    lift = LIFT * float(np.abs(heights - mean).max())
    return start + reach + reach * np.sin(share), mean + lift * np.cos(share)
