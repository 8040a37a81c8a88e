"""The file of a compressed solution: its text, the integers of its levels, and what they need to be decoded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.field import GridField
from hermite_pinn.memory import check_fits
from hermite_pinn.result.domain_file import domain_arrays
from hermite_pinn.result.solution import Solution
from hermite_pinn.result.solution_file import solution_arguments, solution_contents
from hermite_pinn.run.stored_text import parsed
from hermite_pinn.schema import Entry, Saved, intact

from .coding import Coding
from .codings import read_coding
from .container import Block, Contents, read_blocks
from .integers import pack_bytes, pack_integers, unpack_bytes, unpack_integers
from .search import Found

__all__ = ["KIND", "level_blocks", "level_meta", "read_levels"]

KIND = "solution"
FIELD, HISTORY = "field/", "history"
MOST_HISTORY = 1 << 28  # bytes
MOST_NUMBERS = 1 << 40  # of a tensor
DTYPES = {"float32": torch.float32, "float64": torch.float64}


# -- writing ---
def level_blocks(solution: Solution, coding: Coding, found: Found) -> list[Block]:
    """Shapes of the domain and tensors that are kept, the levels, and behind them the history."""
    meta, arrays = solution_contents(solution)
    first = {name: arrays[name] for name in _shapes(meta)}
    first |= {f"{FIELD}{path}": v.cpu().numpy() for path, v in coding.kept().items()}
    blocks = [Block(name, 0, pack_bytes(np.ascontiguousarray(a).tobytes())) for name, a in first.items()]
    blocks += [Block(_level(k), k, pack_integers(own)) for k, own in enumerate(found.numbers)]
    return [*blocks, Block(HISTORY, coding.levels - 1, pack_bytes(_history(meta)))]


def level_meta(solution: Solution, coding: Coding, found: Found) -> dict[str, Any]:
    """The text of a solution's file without its history, and how its field is decoded."""
    meta, arrays = solution_contents(solution)
    described = {
        "field": coding.field.describe(),
        "coding": {"name": coding.name, "scales": [float(s) for s in found.scales], **coding.describe()},
        "tensors": {path: list(v.shape) for path, v in coding.field.tensors().items()},
        "dtype": str(coding.field.dtype).removeprefix("torch."),
        "arrays": {name: [arrays[name].dtype.str, list(arrays[name].shape)] for name in _shapes(meta)},
        "history": len(_history(meta)),
    }
    return meta | described


def _shapes(meta: Mapping[str, Any]) -> list[str]:
    return domain_arrays(Entry.of(meta, "the solution").get("shapes"))


def _history(meta: Mapping[str, Any]) -> bytes:
    return json.dumps({HISTORY: meta[HISTORY]}, separators=(",", ":")).encode()


def _level(k: int) -> str:
    return f"level {k + 1}"


# -- reading ---
def read_levels(contents: Contents, levels: int) -> Solution:
    """The solution of a file, with the fields of its coarsest levels.

    Fewer than all levels come without the history, which stands behind them.

    Raises
    ------
    CorruptFileError
        If an entry is missing, is of another type, shape or size than it must be, or does not fit the others.
    OutOfMemoryError
        If the fields do not fit.
    """
    source = str(contents.source)
    whole = Entry.of(Saved(contents.meta, source), source)
    with intact(source):
        skeleton = _skeleton(whole)
        coding = read_coding(whole.at("coding"), skeleton)
        if coding.levels != contents.levels:
            raise whole.at("field").refuse(f"a field of {contents.levels} levels, as the file has")
        shapes = _declared_shapes(whole)
        expected = {*shapes, *(f"{FIELD}{p}" for p in coding.kept()), HISTORY, *map(_level, range(coding.levels))}
        if {name for names in contents.names for name in names} != expected:
            raise CorruptFileError(f"{source} is damaged: its blocks are not those of its field")
        count = 1 if coding.joint else len(skeleton.names)
        scales = np.array([e.number(lower=1e-300) for e in whole.at("coding").at("scales").items(count)])
        check_fits(coding.memory(levels), f"the field of {source}", "read fewer levels")
        blocks = read_blocks(contents, levels)
        numbers = [unpack_integers(blocks[_level(k)], coding.count(k), source) for k in range(levels)]
        dtype = DTYPES[whole.at("dtype").text(DTYPES)]
        kept = {
            path: torch.from_numpy(_array(blocks[f"{FIELD}{path}"], np.dtype(str(dtype)[6:]), tuple(v.shape), source))
            for path, v in coding.kept().items()
        }
        field = coding.decode(numbers, scales, kept)
        arrays = {name: _array(blocks[name], *like, source) for name, like in shapes.items()}
        return Solution(**solution_arguments(_text(whole, blocks.get(HISTORY)), field, arrays))


def _skeleton(whole: Entry) -> GridField:
    """The field without its numbers: whether they fit is seen before they are read."""
    dtype = DTYPES[whole.at("dtype").text(DTYPES)]
    tensors = {
        path: torch.empty(_shape(e), dtype=dtype, device="meta") for path, e in whole.at("tensors").entries().items()
    }
    return GridField.from_description(whole.at("field"), Entry(tensors, whole.source, "tensors"))


def _shape(entry: Entry) -> tuple[int, ...]:
    shape = tuple(e.integer(0) for e in entry.items(most=8))
    if math.prod(shape) > MOST_NUMBERS:
        raise entry.refuse(f"at most {MOST_NUMBERS:,} numbers")
    return shape


def _declared_shapes(whole: Entry) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
    """Types and shapes of the arrays of the domain."""
    needed = domain_arrays(whole.get("shapes"))
    given = whole.at("arrays")
    given.items_named(needed)
    found = {}
    for name, entry in given.entries().items():
        kind, shape = entry.items(2)
        dtype = np.dtype(kind.text(("<f8", "<f4", "<i8", "<i4", "|b1", "|u1")))
        found[name] = dtype, _shape(shape)
    return found


def _array(packed: bytes, dtype: np.dtype, shape: tuple[int, ...], source: str) -> np.ndarray:
    content = unpack_bytes(packed, math.prod(shape) * dtype.itemsize, source)
    return np.frombuffer(bytearray(content), dtype=dtype).reshape(shape)


def _text(whole: Entry, history: bytes | None) -> Entry:
    """The text of a solution, with the history where it was read and what was lost among the figures."""
    rows: Any = []
    if history is not None:
        size = whole.at(HISTORY).integer(0, MOST_HISTORY)
        rows = parsed(unpack_bytes(history, size, whole.source).decode())[HISTORY]
    stats = {**whole.at("stats").value, "compression": whole.at("compression").value}
    return Entry(Saved({**whole.value, HISTORY: rows, "stats": stats}, whole.source), whole.source)
