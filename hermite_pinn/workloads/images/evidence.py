"""What a user gives of a picture, checked: the picture itself, or measured derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.checks import choice, items, real_array
from hermite_pinn.errors import InvalidArgumentError

from .measurement import Differences, Laplacians, Measurement, PointLaplacians, PointSlopes, Sobel, Values
from .pixels import Pixels, picture_array
from .reconstruction import Known

__all__ = ["DERIVATIVES", "SOURCES", "Evidence", "evidence"]

#: What is taken of a picture, by name.
SOURCES: dict[str, type[Measurement]] = {
    "values": Values,
    "gradients": Differences,
    "sobel": Sobel,
    "laplacians": Laplacians,
}
#: What it is compared with where the field's own derivatives are taken.
OF_FIELD: dict[str, type[Measurement]] = {
    "gradients": PointSlopes,
    "sobel": PointSlopes,
    "laplacians": PointLaplacians,
}
DERIVATIVES = ("pixels", "field")


@dataclass(frozen=True)
class Evidence:
    """What is known of a picture.

    Attributes
    ----------
    source, derivatives
        As the user says them.
    measurement
        How numbers depend on pixels.
    targets
        The numbers, each (channels, rows, columns).
    known
        What they do not tell.
    """

    source: str
    derivatives: str
    measurement: Measurement
    targets: tuple[np.ndarray, ...]
    known: Known

    @property
    def pixels(self) -> Pixels:
        """Of the picture."""
        return self.measurement.pixels

    @property
    def channels(self) -> int:
        """Of the picture."""
        return len(self.targets[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields: u, or u1, u2, ..."""
        return ("u",) if self.channels == 1 else tuple(f"u{k}" for k in range(1, self.channels + 1))


def evidence(
    picture: Any,
    source: Any,
    derivatives: Any,
    gradients: Any,
    laplacian: Any,
    known: Any,
    mean: Any,
    border: Any,
) -> Evidence:
    """Check the arguments of :func:`.fit` that say what is known.

    Raises
    ------
    InvalidArgumentError
        If nothing or too much is given, or shapes do not fit together.
    """
    given = [n for n, v in (("picture", picture), ("gradients", gradients), ("laplacian", laplacian)) if v is not None]
    if len(given) != 1:
        raise InvalidArgumentError(
            f"give one of picture, gradients=(gx, gy) and laplacian=, got {' and '.join(given) or 'none'}"
        )
    if derivatives is not None:
        choice("derivatives", derivatives, DERIVATIVES, otherwise="None")
    if picture is not None:
        return _of_picture(picture, source, derivatives, known, mean, border)
    if known is not None:
        raise InvalidArgumentError(f"known={known!r} is taken from a picture; with {given[0]} give mean= or border=")
    if gradients is not None:
        return _of_gradients(gradients, source, derivatives, mean, border)
    return _of_laplacian(laplacian, source, derivatives, mean, border)


def _of_picture(picture: Any, source: Any, derivatives: Any, known: Any, mean: Any, border: Any) -> Evidence:
    values = picture_array("picture", picture)
    what = "values" if source is None else choice("from_", source, SOURCES, otherwise="None")
    if mean is not None or border is not None:
        raise InvalidArgumentError("mean and border are those of the picture; say known='mean' or known='border'")
    frame = (
        what == "sobel" if known is None else choice("known", known, ("mean", "border"), otherwise="None") == "border"
    )
    if what == "sobel" and not frame:
        raise InvalidArgumentError(
            "Sobel's derivatives do not see patterns that alternate from pixel to pixel, so that the border must be known, got "
            "known='mean'"
        )
    way = derivatives or "pixels"
    if way == "field" and what in ("values", "gradients"):
        raise InvalidArgumentError(
            f"from_={what!r} of a picture has no derivatives at its pixels, so that derivatives='field' means nothing; use "
            "from_='sobel' or 'laplacians', or give gradients=(gx, gy) measured at the pixels"
        )
    pixels = Pixels(*values.shape[1:])
    targets = SOURCES[what](pixels, frame).apply(values)
    told = Known(frame=values) if frame else Known(mean=values.mean((1, 2)))
    told = Known() if what == "values" else told
    kind = (OF_FIELD if way == "field" else SOURCES)[what]
    return Evidence(what, way, kind(pixels, frame), tuple(targets), told)


def _of_gradients(gradients: Any, source: Any, derivatives: Any, mean: Any, border: Any) -> Evidence:
    accepted = "two arrays: derivatives along x (columns) and y (rows)"
    x, y = (_measured("each of gradients", part) for part in items("gradients", gradients, accepted, least=2, most=2))
    what = "gradients" if source is None else choice("from_", source, ("gradients", "sobel"), otherwise="None")
    between = x.shape[:2] == (y.shape[0] + 1, y.shape[1] - 1) and x.shape[2:] == y.shape[2:]
    if not between and x.shape != y.shape:
        raise InvalidArgumentError(
            "gradients must both have the shape (H, W) of the pixels, or (H, W - 1) and (H - 1, W) of differences of "
            f"neighbours, got {x.shape} and {y.shape}"
        )
    way = derivatives or ("pixels" if between or what == "sobel" else "field")
    if between != (what == "gradients" and way == "pixels"):
        wanted = "(H, W - 1) and (H - 1, W)" if not between else "(H, W) both"
        raise InvalidArgumentError(
            f"gradients of the shapes {x.shape} and {y.shape} do not fit from_={what!r} with derivatives={way!r}; these are {wanted}"
        )
    pixels = _pixels(y.shape[0] + 1 if between else y.shape[0], y.shape[1])
    told = _known(pixels, _channels(x), mean, border)
    if what == "sobel" and told.frame is None:
        raise InvalidArgumentError(
            "Sobel's derivatives need border=, an array (H, W) of which the outermost pixels count"
        )
    kind = (OF_FIELD if way == "field" else SOURCES)[what]
    return Evidence(what, way, kind(pixels, told.frame is not None), (_first(x), _first(y)), told)


def _of_laplacian(laplacian: Any, source: Any, derivatives: Any, mean: Any, border: Any) -> Evidence:
    array = _measured("laplacian", laplacian)
    what = "laplacians" if source is None else choice("from_", source, ("laplacians",), otherwise="None")
    pixels = _pixels(*array.shape[:2])
    told, way = _known(pixels, _channels(array), mean, border), derivatives or "pixels"
    edge = int(told.frame is not None)
    inner = _first(array)[:, edge : pixels.rows - edge, edge : pixels.columns - edge]
    kind = (OF_FIELD if way == "field" else SOURCES)[what]
    return Evidence(what, way, kind(pixels, bool(edge)), (inner,), told)


def _measured(name: str, value: Any) -> np.ndarray:
    """Derivatives (H, W) or (H, W, C)."""
    array = real_array(name, value, shape="an array (H, W) or (H, W, C)")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InvalidArgumentError(f"{name} must be an array (H, W) or (H, W, C), got the shape {array.shape}")
    return array


def _first(array: np.ndarray) -> np.ndarray:
    """With the channels first."""
    return array[None] if array.ndim == 2 else np.ascontiguousarray(np.moveaxis(array, 2, 0))


def _channels(array: np.ndarray) -> int:
    return 1 if array.ndim == 2 else int(array.shape[2])


def _pixels(rows: int, columns: int) -> Pixels:
    if min(rows, columns) < 2:
        raise InvalidArgumentError(
            f"a picture has at least 2 pixels along both axes, got {rows} rows and {columns} columns"
        )
    return Pixels(rows, columns)


def _known(pixels: Pixels, channels: int, mean: Any, border: Any) -> Known:
    if mean is not None and border is not None:
        raise InvalidArgumentError("give mean or border, not both: the border fixes the mean")
    if border is not None:
        frame = picture_array("border", border)
        if frame.shape != (channels, *pixels.shape):
            raise InvalidArgumentError(
                f"border must have the shape of the picture, {channels} channels of {pixels.shape} pixels, got {frame.shape[0]} of "
                f"{frame.shape[1:]}; its inner pixels do not matter"
            )
        return Known(frame=frame)
    several = np.atleast_1d(real_array("mean", 0.0 if mean is None else mean, otherwise="None"))
    if several.shape not in ((1,), (channels,)):
        raise InvalidArgumentError(f"mean must be a number, or one for each of {channels} channels, got {mean!r}")
    return Known(mean=np.broadcast_to(several, (channels,)).copy())
