"""The file of a radiance field: recipe, numbers, cameras and report, each entry checked when it is read."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.tree import branch
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.run.store_reading import Declared, read_store
from hermite_pinn.schema import Entry, Saved, intact

from .camera import Cameras
from .camera_files import described_cameras, read_cameras
from .model import RadianceModel
from .recipes import described_recipe, read_recipe
from .setting import Setting

__all__ = ["radiance_contents", "read_radiance"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}


class Storable(Protocol):
    """What a file takes of a radiance field; the attributes are those of :class:`hermite_pinn.radiance.Radiance`."""

    model: RadianceModel
    cameras: Cameras
    status: Status
    message: str
    history: History
    stats: dict[str, Any]
    settings: dict[str, Any]


def radiance_contents(field: Storable) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Text and arrays of the file, see :func:`.write_store`."""
    model = field.model
    cameras, poses = described_cameras(field.cameras)
    meta = {
        "recipe": described_recipe(model.recipe),
        "setting": model.setting.describe(),
        "dtype": str(model.dtype).removeprefix("torch."),
        "cameras": cameras,
        "status": field.status.name,
        "message": field.message,
        "stats": field.stats,
        "settings": field.settings,
        "history": list(field.history),
    }
    arrays = {f"model/{name}": value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    return meta, arrays | {"poses": poses.numpy()}


def read_radiance(path: str | Path, device: torch.device) -> dict[str, Any]:
    """The arguments of a :class:`.Radiance`, from the file that one wrote.

    Raises
    ------
    FileNotFoundError, CorruptFileError, OutOfMemoryError
        As :func:`.read_store`, and where an entry is missing, is of another type, shape or size than it must be, or
        does not fit the others; the message names it.
    """

    def plan(meta: dict[str, Any], declared: Mapping[str, Declared]) -> Collection[str]:
        foreign = next((name for name in declared if name != "poses" and not name.startswith("model/")), None)
        if foreign is not None:
            raise CorruptFileError(f"{path} is damaged: it has an array {foreign}, which no radiance field has")
        needed = read_recipe(Entry.of(Saved(meta, str(path)), str(path)).at("recipe")).numbers
        there = sum(math.prod(array.shape) for array in declared.values())
        if needed > there:
            raise CorruptFileError(
                f"{path} is damaged: its recipe needs {needed:,} numbers or more, and it has {there:,}"
            )
        return declared

    meta, arrays = read_store(path, "radiance", plan)
    with intact(str(path)):
        return _arguments(Entry.of(Saved(meta, str(path)), str(path)), arrays, device)


def _arguments(whole: Entry, arrays: Mapping[str, np.ndarray], device: torch.device) -> dict[str, Any]:
    recipe, setting = read_recipe(whole.at("recipe")), Setting.from_description(whole.at("setting"))
    dtype = DTYPES[whole.at("dtype").text(DTYPES)]
    model = recipe.make(setting, torch.Generator().manual_seed(0), dtype, device)
    tensors = {name: torch.as_tensor(array) for name, array in branch(arrays, "model").items()}
    model.load_state_dict(Entry(tensors, whole.source, "model").tensors(model.state_dict()))
    if "poses" not in arrays:
        raise CorruptFileError(f"{whole.source} is damaged: it has no poses")
    poses = Entry(torch.as_tensor(arrays["poses"]), whole.source, "poses")
    return {
        "model": model,
        "cameras": read_cameras(whole.at("cameras"), poses),
        "status": Status[whole.at("status").text(Status.__members__)],
        "message": whole.at("message").text(),
        "history": History.from_entry(whole.at("history")),
        "stats": {name: entry.value for name, entry in whole.at("stats").entries().items()},
        "settings": {name: entry.value for name, entry in whole.at("settings").entries().items()},
    }
