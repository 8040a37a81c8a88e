"""What the file of a solution says: all of a solution but its problem; read entry by entry, each checked."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from hermite_pinn import checks
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.tree import branch
from hermite_pinn.geometry import Box
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.run.store_reading import Declared, read_store
from hermite_pinn.schema import Entry, Saved, intact

from .domain_file import ARRAYS, domain_arrays, read_domain, stored_domain
from .exportable import Reportable

__all__ = ["hdf5_path", "read_solution", "solution_arguments", "solution_contents"]

#: Numbers, texts and lists of numbers that reports and files take from ``stats`` where they are there.
NUMBERS = ("seconds", "compile_seconds", "seconds_per_step", "steps_per_second", "tol")
COUNTS = ("steps", "peak_memory", "parameters", "reachable", "threads", "ranks", "seed")
TEXTS = ("method", "device", "dtype")
SAME = 1e-9  # part of a number of periods that rounding may make of it


ENDINGS = (".h5", ".hdf5", ".hdf")  # of names of files that are written


def hdf5_path(name: str, value: Any) -> Path:
    """A path whose ending says what is written.

    Raises
    ------
    InvalidArgumentError
        If it is no path, or ends otherwise.

    Examples
    --------
    >>> hdf5_path("path", "u.hdf5").name
    'u.hdf5'
    """
    target = checks.path(name, value)
    if target.suffix.lower() in ENDINGS or target.is_dir():  # a folder is refused by what writes
        return target
    stem = target.stem or "u"
    raise InvalidArgumentError(
        f"unknown format {target.suffix or target.name!r}; save() writes HDF5: {stem}.h5, {stem}.hdf5 or {stem}.hdf; "
        "for ParaView there is to_vtk(), for tables to_xarray() and to_pandas()"
    )


class Storable(Reportable, Protocol):
    """What a file takes of a solution; the attributes are those of :class:`hermite_pinn.Solution`."""

    @property
    def periodic(self) -> Sequence[bool]:
        """Which axes are periodic."""

    @property
    def history(self) -> History:
        """One row per step."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What was asked for."""


def solution_contents(solution: Storable) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Text and arrays of the file of a solution, see :func:`.write_store`."""
    shapes, arrays = stored_domain(solution.domain)
    meta = {
        "domain": {name: list(b) for name, b in solution.domain.bounds.items()},
        **({"shapes": shapes} if shapes else {}),
        "periodic": list(solution.periodic),
        "field": solution.field.describe(),
        "status": solution.status.name,
        "message": solution.message,
        "parameters": solution.parameters,
        "stats": solution.stats,
        "residuals": solution.residuals,
        "estimated_error": solution.estimated_error,
        "title": solution.title,
        "settings": solution.settings,
        "history": list(solution.history),
    }
    of_field = {f"field/{k}": v.detach().cpu().numpy() for k, v in solution.field.tensors().items()}
    of_history = {
        f"history/{column.replace('/', '_')}": solution.history[column]
        for column in solution.history.columns
        if column != "method"
    }
    return meta, of_field | of_history | arrays


def read_solution(path: str | Path) -> dict[str, Any]:
    """The arguments of a :class:`hermite_pinn.Solution`, from the file that one wrote.

    Raises
    ------
    FileNotFoundError, CorruptFileError, OutOfMemoryError
        As :func:`.read_store`, and where an entry is missing, is of another type, shape or size than it must be, or
        does not fit the others; the message names it.
    """

    def plan(meta: dict[str, Any], declared: Mapping[str, Declared]) -> Collection[str]:
        known = ("field/", "history/", "samples/", f"{ARRAYS}/")
        foreign = next((name for name in declared if not name.startswith(known)), None)
        if foreign is not None:
            raise CorruptFileError(f"{path} is damaged: it has an array {foreign}, which no solution has")
        fields = branch(declared, "field")
        saved = Saved(meta, str(path))
        _field(saved, {name: _without_numbers(d) for name, d in fields.items()})
        shapes = domain_arrays(Entry.of(saved, saved.source).get("shapes"))
        surplus = {name for name in declared if name.startswith(f"{ARRAYS}/")} ^ set(shapes)
        if surplus:
            raise CorruptFileError(
                f"{path} is damaged: {min(surplus)} is an array of the file or of its shapes, not of both"
            )
        return [*(f"field/{name}" for name in fields), *shapes]

    meta, arrays = read_store(path, "solution", plan)
    saved = Saved(meta, str(path))
    with intact(str(path)):
        field = _field(saved, {name: torch.as_tensor(a) for name, a in branch(arrays, "field").items()})
        return solution_arguments(Entry.of(saved, str(path)), field, arrays)


def _without_numbers(declared: Declared) -> torch.Tensor:
    try:
        dtype = torch.from_numpy(np.empty(0, declared.dtype.newbyteorder("="))).dtype
    except TypeError:  # a type that PyTorch does not have
        dtype = torch.bool
    return torch.empty(declared.shape, dtype=dtype, device="meta")


def _field(saved: Saved, tensors: Mapping[str, torch.Tensor]) -> GridField:
    whole = Entry.of(saved, saved.source)
    return GridField.from_description(whole.at("field"), Entry(tensors, saved.source, "field"))


def solution_arguments(whole: Entry, field: GridField, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arguments of a :class:`hermite_pinn.Solution`.

    Parameters
    ----------
    whole
        The text of :func:`solution_contents`.
    field
        What the text describes, with its numbers.
    arrays
        Those of the domain's shapes, by name.

    Raises
    ------
    CorruptFileError
        If an entry is missing, or does not fit the others.
    """
    estimate = whole.get("estimated_error")
    wraps = field.encoder.periodic_axes
    periodic = tuple(e.flag() for e in whole.at("periodic").items(len(field.axes)))
    if periodic != wraps:
        raise whole.at("periodic").refuse(f"{list(wraps)}, as the field has it")
    return {
        "domain": read_domain(_box(whole.at("domain"), field), whole.get("shapes"), arrays),
        "periodic": periodic,
        "field": field,
        "status": Status[whole.at("status").text(Status.__members__)],
        "message": whole.at("message").text(),
        "history": History.from_entry(whole.at("history")),
        "parameters": whole.at("parameters").named_numbers(),
        "stats": _stats(whole.at("stats")),
        "residuals": whole.at("residuals").named_numbers(finite=False),
        "estimated_error": None if estimate is None else estimate.number(0.0, finite=False),
        "title": whole.at("title").text(),
        "settings": {name: entry.value for name, entry in whole.at("settings").entries().items()},
    }


def _box(domain: Entry, field: GridField) -> Box:
    """The bounding box, whose axes come in any order, in the order of the field's, whose box it must be."""
    bounds = domain.entries()
    if set(bounds) != set(field.axes):
        raise CorruptFileError(
            f"{domain.source} is damaged: the domain has the axes {', '.join(bounds)}, the field {', '.join(field.axes)}"
        )
    encoder = field.encoder
    whole = {
        name: _bounds(bounds[name], lower, upper, periodic)
        for name, lower, upper, periodic in zip(
            field.axes, encoder.lower, encoder.upper, encoder.periodic_axes, strict=True
        )
    }
    breaks = {name: own for name, own in zip(field.axes, encoder.breaks, strict=True) if own}
    return Box(**whole, breaks=breaks)


def _bounds(entry: Entry, lower: float, upper: float, periodic: bool) -> tuple[float, float]:
    """Bounds of the domain along an axis: those of the field, or several periods of it."""
    first, last = (e.number() for e in entry.items(2))
    if (first, last) == (lower, upper):
        return first, last
    count = (last - lower) / (upper - lower)
    if not (periodic and first == lower and count > 1.5 and abs(count - round(count)) < SAME * count):
        several = " or several of these periods" if periodic else ""
        raise entry.refuse(f"{[lower, upper]}{several}, as the field has it")
    return first, last


def _stats(stats: Entry) -> dict[str, Any]:
    entries = stats.entries()
    for name, entry in entries.items():
        if name in NUMBERS:
            entry.number(0.0, finite=False)
        elif name in COUNTS:
            entry.integer(0, 2**64)
        elif name in TEXTS:
            entry.text()
        elif name == "rank":
            entry.integer(0, 0)
        elif name in ("residual_scales", "condition_scales"):
            entry.named_numbers(lower=sys.float_info.min, finite=False)
        elif name == "face_residuals":
            for by_face in entry.entries().values():
                by_face.named_numbers(lower=0.0, finite=False)
        elif name == "standard_errors":
            entry.named_numbers(lower=0.0, finite=False)
    return {name: entry.value for name, entry in entries.items()}
