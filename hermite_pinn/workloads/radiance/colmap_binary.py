"""COLMAP's binary files: little-endian, a number of entries and then the entries."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.errors import CorruptFileError
from hermite_pinn.memory import check_fits

from .colmap_files import MOST_BYTES, MOST_CAMERAS, ModelFiles, StoredCamera, StoredImage, StoredPoints
from .recording import MOST_FRAMES, checked_size

__all__ = ["PARAMETERS", "BinaryFiles"]

#: Numbers of parameters of all models of COLMAP, without which what follows a camera cannot be found.
PARAMETERS = {0: 3, 1: 4, 2: 4, 3: 5, 4: 8, 5: 8, 6: 12, 7: 5, 8: 4, 9: 5, 10: 12}
#: Least bytes of a camera, an image and a point, the bytes of an image point and of a track's element.
CAMERA, IMAGE, POINT, SEEN, ELEMENT = 24, 73, 51, 24, 8
LONGEST_NAME = 4096


class BinaryFiles(ModelFiles):
    """``cameras.bin``, ``images.bin`` and ``points3D.bin``."""

    def cameras(self) -> list[StoredCamera]:
        """Entries of number, model, width, height and parameters."""
        file = _Bytes(self.folder / "cameras.bin")
        found = []
        for _ in range(file.count(CAMERA, MOST_CAMERAS)):
            number, model, width, height = file.take("<iiQQ")
            if model not in PARAMETERS:
                raise file.damaged(f"camera {number} has the model {model}")
            found.append(StoredCamera(number, model, width, height, file.take(f"<{PARAMETERS[model]}d")))
        file.end()
        return found

    def images(self) -> list[StoredImage]:
        """Entries of number, quaternion, shift, camera, name and image points."""
        file = _Bytes(self.folder / "images.bin")
        found = []
        for _ in range(file.count(IMAGE, MOST_FRAMES)):
            _, *pose, camera = file.take("<i7di")
            name = file.text()
            file.skip(SEEN * file.count(SEEN, MOST_BYTES))
            found.append(StoredImage(name, camera, tuple(pose[:4]), tuple(pose[4:])))
        file.end()
        return found

    def points(self) -> StoredPoints | None:
        """Entries of number, place, colour, error and track."""
        path = self.folder / "points3D.bin"
        if not path.is_file():
            return None
        file = _Bytes(path)
        count = file.count(POINT, MOST_BYTES)
        places, colors = np.empty((count, 3)), np.empty((count, 3), dtype=np.uint8)
        for k in range(count):
            _, *place, r, g, b, _, track = file.take("<Q3d3BdQ")
            places[k], colors[k] = place, (r, g, b)
            file.skip(ELEMENT * track)
        file.end()
        return StoredPoints(places, colors)


class _Bytes:
    """A file, read from its beginning to its end; numbers of entries are compared with what is left of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        size = checked_size(path, MOST_BYTES)
        check_fits(2.0 * size, f"the file {path}", "split the scene")
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise CorruptFileError(f"{path} cannot be read: {error.strerror}") from error
        self._place = 0

    def damaged(self, reason: str) -> CorruptFileError:
        """The error for what was found here."""
        return CorruptFileError(
            f"{self._path} is damaged at byte {self._place}: {reason}; copy or reconstruct it again"
        )

    def take(self, form: str) -> tuple[Any, ...]:
        """The next values."""
        size = struct.calcsize(form)
        if self._place + size > len(self._data):
            raise self.damaged("it ends within an entry")
        values = struct.unpack_from(form, self._data, self._place)
        self._place += size
        return values

    def count(self, least: int, most: int) -> int:
        """The next number of entries that have ``least`` bytes or more each."""
        (number,) = self.take("<Q")
        if number > most:
            raise self.damaged(f"it announces {number} entries, and {most} are the most that are read")
        if number * least > len(self._data) - self._place:
            raise self.damaged(f"it announces {number} entries, and is too short for them")
        return int(number)

    def text(self) -> str:
        """The next text, which a zero byte ends."""
        end = self._data.find(b"\0", self._place, self._place + LONGEST_NAME)
        if end < 0:
            raise self.damaged("a name has no end")
        raw, self._place = self._data[self._place : end], end + 1
        try:
            return raw.decode("utf-8")
        except UnicodeError as error:
            raise self.damaged(f"a name is no text: {error}") from error

    def skip(self, size: int) -> None:
        """Go on by so many bytes."""
        if size > len(self._data) - self._place:
            raise self.damaged("it ends within an entry")
        self._place += size

    def end(self) -> None:
        """Refuse what follows the last entry."""
        if self._place != len(self._data):
            raise self.damaged(f"{len(self._data) - self._place} bytes follow the last entry")
