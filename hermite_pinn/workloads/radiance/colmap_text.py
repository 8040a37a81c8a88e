"""COLMAP's text files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hermite_pinn.errors import CorruptFileError
from hermite_pinn.memory import check_fits

from .colmap_files import MOST_BYTES, MOST_CAMERAS, ModelFiles, StoredCamera, StoredImage, StoredPoints
from .recording import MOST_FRAMES, checked_size

__all__ = ["TextFiles"]


class TextFiles(ModelFiles):
    """``cameras.txt``, ``images.txt`` and ``points3D.txt``."""

    def cameras(self) -> list[StoredCamera]:
        """Lines of number, model, width, height and parameters."""
        path, found = self.folder / "cameras.txt", []
        for number, line in _lines(path):
            with _line(path, number):
                one, model, width, height, *rest = line.split()
                found.append(StoredCamera(int(one), model, int(width), int(height), tuple(map(float, rest))))
            if len(found) > MOST_CAMERAS:
                raise CorruptFileError(f"{path} has more than {MOST_CAMERAS} cameras; split the scene")
        return found

    def images(self) -> list[StoredImage]:
        """Lines of number, quaternion, shift, camera and name, then one of image points, which may be empty."""
        path, found = self.folder / "images.txt", list[StoredImage]()
        awaited = False
        for number, line in _lines(path, empty=True):
            if awaited:
                awaited = False
                continue
            if not line:
                continue
            with _line(path, number):
                _, *numbers, camera, name = line.split(maxsplit=9)
                values = tuple(map(float, numbers))
                if len(values) != 7:
                    raise ValueError("it has too few entries")
                found.append(StoredImage(name, int(camera), values[:4], values[4:]))
            awaited = True
            if len(found) > MOST_FRAMES:
                raise CorruptFileError(f"{path} has more than {MOST_FRAMES} images; split the scene")
        return found

    def points(self) -> StoredPoints | None:
        """Lines of number, place, colour, error and track."""
        path = self.folder / "points3D.txt"
        if not path.is_file():
            return None
        places, colors = [], []
        for number, line in _lines(path):
            with _line(path, number):
                _, x, y, z, r, g, b, *_ = line.split(maxsplit=8)
                places.append((float(x), float(y), float(z)))
                color = int(r), int(g), int(b)
                if not 0 <= min(color) <= max(color) <= 255:
                    raise ValueError(f"its colour is {color}")
                colors.append(color)
        return StoredPoints(
            np.array(places, dtype=np.float64).reshape(-1, 3), np.array(colors, dtype=np.uint8).reshape(-1, 3)
        )


def _lines(path: Path, empty: bool = False) -> Iterator[tuple[int, str]]:
    """Lines without comments, with their numbers; those that are empty, too, if asked for."""
    size = checked_size(path, MOST_BYTES)
    check_fits(4.0 * size, f"the file {path}", "split the scene")
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                stripped = line.strip()
                if not stripped.startswith("#") and (stripped or empty):
                    yield number, stripped
    except (OSError, UnicodeError) as error:
        raise CorruptFileError(f"{path} cannot be read as text: {error}") from error


@contextmanager
def _line(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError) as error:
        if isinstance(error, CorruptFileError):
            raise
        raise CorruptFileError(f"{path} is damaged: line {number} is not what COLMAP writes: {error}") from error
