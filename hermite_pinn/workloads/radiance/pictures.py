"""Pictures of scenes: how large they are, and their colours, averaged over areas."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from hermite_pinn.errors import CorruptFileError
from hermite_pinn.memory import check_fits

from .intrinsics import LARGEST_SIDE

__all__ = ["UPRIGHT", "Picture", "averaged", "composited", "open_picture"]

#: Formats that are decoded by libraries for pictures alone; others, such as EPS, would start programs.
FORMATS = ("PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP")
#: Orientations of EXIF that exchange width and height, and that which changes nothing.
ACROSS, UPRIGHT = (5, 6, 7, 8), 1
#: Modes of Pillow with an alpha channel, and those with 16 bits or more.
WITH_ALPHA, DEEP = ("RGBA", "LA", "PA"), {"I;16": 65535.0, "I;16B": 65535.0, "I": 65535.0, "F": 1.0}


@dataclass(frozen=True)
class Picture:
    """A picture in a file, of which only the header has been read.

    Attributes
    ----------
    path
        The file.
    width, height
        Its pixels.
    alpha
        Whether it says how opaque they are.
    orientation
        How a viewer should turn it, as EXIF counts: 1 is not at all.
    turned
        Whether it is read so turned.
    """

    path: Path
    width: int
    height: int
    alpha: bool
    orientation: int = UPRIGHT
    turned: bool = False

    def fitting(self, width: int | None, height: int | None) -> Picture:
        """The picture as its camera was made for, of so many pixels or in proportion.

        Cameras are those of the pixels as they are stored, which is what COLMAP, instant-ngp and nerfstudio read.  If
        these do not have the shape of the camera and the picture does when it is turned as EXIF says, it is turned.
        """
        if self.orientation not in ACROSS or width is None or height is None:
            return self
        if abs(width * self.height - height * self.width) <= max(width, height):
            return self
        if abs(width * self.width - height * self.height) > max(width, height):
            return self
        return replace(self, width=self.height, height=self.width, turned=True)

    def colors(self) -> np.ndarray:
        """Its colours between 0 and 1, (height, width, 3), or with alpha (height, width, 4), float32.

        Raises
        ------
        CorruptFileError
            If the file is damaged.
        OutOfMemoryError
            If it does not fit into the memory.
        """
        check_fits(32.0 * self.width * self.height, f"the picture {self.path}", "make it smaller")
        with _reported(self.path), Image.open(self.path, formats=FORMATS) as stored:
            image = ImageOps.exif_transpose(stored) if self.turned else stored
            if image.mode in DEEP:
                gray = np.asarray(image, dtype=np.float32) / np.float32(DEEP[image.mode])
                if not np.isfinite(gray).all():
                    raise ValueError("a pixel is not finite")
                return np.repeat(np.clip(gray, 0, 1)[..., None], 3, axis=-1)
            plain = image.convert("RGBA" if self.alpha else "RGB")
            return np.asarray(plain, dtype=np.uint8).astype(np.float32) / np.float32(255)


def open_picture(path: Path) -> Picture:
    """Read the header of a picture.

    Raises
    ------
    CorruptFileError
        If it is no picture of a known format, or too large.
    """
    with _reported(path), Image.open(path, formats=FORMATS) as image:
        width, height = image.size
        if not 1 <= min(width, height) <= max(width, height) <= LARGEST_SIDE:
            raise ValueError(f"it has {width} x {height} pixels")
        alpha = image.mode in WITH_ALPHA or "transparency" in image.info
        return Picture(path, width, height, alpha, _orientation(image))


def _orientation(image: Image.Image) -> int:
    """How a viewer should turn a picture; what is no orientation is none."""
    found = image.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
    return found if found in range(1, 9) else UPRIGHT


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Whatever Pillow raises as damage of the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    except CorruptFileError:
        raise
    except Image.DecompressionBombError as error:
        raise CorruptFileError(
            f"{path} is not read, since it has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; make it smaller, or remove it: pictures that are "
            "missing are skipped"
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError) as error:
        raise CorruptFileError(
            f"{path} cannot be read as a picture: {' '.join(str(error).split())}; give a whole file in one of the formats {', '.join(FORMATS)}, "
            "or remove it: pictures that are missing are skipped"
        ) from error


def composited(colors: np.ndarray, background: tuple[float, float, float] | None) -> np.ndarray:
    """Colours (h, w, 3) in front of a background; without one, those with alpha keep it, and others get alpha 1.

    What has alpha is not yet multiplied by it, as in files.
    """
    if background is None:
        if colors.shape[-1] == 4:
            return colors
        return np.concatenate([colors, np.ones_like(colors[..., :1])], -1)
    if colors.shape[-1] == 3:
        return colors
    alpha = colors[..., 3:]
    return colors[..., :3] * alpha + np.asarray(background, dtype=colors.dtype) * (1 - alpha)


def averaged(colors: np.ndarray, width: int, height: int) -> np.ndarray:
    """A smaller picture (height, width, c): exact means over the areas of its pixels, those of colours by alpha.

    Parameters
    ----------
    colors
        (h, w, 3), or (h, w, 4) with alpha.

    Examples
    --------
    >>> averaged(np.arange(6, dtype=np.float32).reshape(1, 6, 1), 3, 1).ravel().tolist()
    [0.5, 2.5, 4.5]
    """
    if colors.shape[:2] == (height, width):
        return colors
    values = colors.astype(np.float64)
    if values.shape[-1] == 4:
        values[..., :3] *= values[..., 3:]
    values = _means(_means(values, 0, height), 1, width)
    if values.shape[-1] == 4:
        alpha = values[..., 3:]
        values[..., :3] = np.divide(values[..., :3], alpha, out=np.zeros_like(values[..., :3]), where=alpha > 1e-12)
    return values.astype(colors.dtype)


def _means(values: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Means over equal parts of an axis, which may cut pixels: differences of the integral, linear within a pixel."""
    values = np.moveaxis(values, axis, 0)
    length = len(values)
    integral = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    edges = np.arange(count + 1) * (length / count)
    whole = np.minimum(edges.astype(int), length - 1)
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    means = np.diff(integral[whole] + part * values[whole], axis=0) * (count / length)
    return np.moveaxis(means, 0, axis)
