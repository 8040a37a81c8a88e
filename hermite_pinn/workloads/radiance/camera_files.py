"""Cameras as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from types import MappingProxyType
from typing import Any

from torch import Tensor

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, InvalidProblemError
from hermite_pinn.schema import FLOATS, Entry

from .camera import Cameras
from .intrinsics import LARGEST_SIDE, Intrinsics
from .lens import FisheyeLens, Lens, PerspectiveLens

__all__ = ["described_cameras", "read_cameras"]

LENSES: Mapping[str, type[Lens]] = MappingProxyType({"perspective": PerspectiveLens, "fisheye": FisheyeLens})
MOST = 1 << 20


def described_cameras(cameras: Cameras) -> tuple[dict[str, Any], Tensor]:
    """Intrinsics in words and numbers, and the poses (n, 3, 4)."""
    names = {kind: name for name, kind in LENSES.items()}
    kinds = [
        {
            "width": one.width,
            "height": one.height,
            **{name: getattr(one, name) for name in ("fl_x", "fl_y", "cx", "cy")},
            "lens": names[type(one.lens)],
            "distortion": asdict(one.lens),
        }
        for one in cameras.kinds
    ]
    return {"kinds": kinds, "kind": cameras.kind.tolist()}, cameras.poses.detach().cpu()


def read_cameras(entry: Entry, poses: Entry) -> Cameras:
    """Inverse of :func:`described_cameras`.

    Raises
    ------
    CorruptFileError
        If something is missing or wrong.
    """
    kinds = [_intrinsics(one) for one in entry.at("kinds").items(most=MOST)]
    numbers = [one.integer(0, len(kinds) - 1) for one in entry.at("kind").items(most=MOST)]
    places = poses.tensor((len(numbers), 3, 4), FLOATS)
    try:
        return Cameras([kinds[k] for k in numbers], places)
    except (InvalidArgumentError, InvalidProblemError) as error:
        raise CorruptFileError(f"{entry.source} is damaged: {entry.path} describes no cameras: {error}") from error


def _intrinsics(entry: Entry) -> Intrinsics:
    kind = LENSES[entry.at("lens").text(LENSES)]
    distortion = entry.at("distortion").named_numbers([field.name for field in fields(kind)])
    width, height = (entry.at(side).integer(1, LARGEST_SIDE) for side in ("width", "height"))
    fl_x, fl_y, cx, cy = (entry.at(name).number() for name in ("fl_x", "fl_y", "cx", "cy"))
    try:
        return Intrinsics(width, height, fl_x, fl_y, cx, cy, kind(**distortion))
    except InvalidArgumentError as error:
        raise CorruptFileError(f"{entry.source} is damaged: {entry.path} describes no camera: {error}") from error
