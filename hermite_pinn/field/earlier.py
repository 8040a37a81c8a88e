"""Names and descriptions in solutions of version 1, as those of now."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from hermite_pinn.schema import Entry

from .tree import GATE, TABLE, bias_path, weight_path

__all__ = ["modern_description", "modern_path", "modern_tree"]

V = TypeVar("V")

_NAME = re.compile(r"(table|gate)|(weight|bias)(\d+)")


def modern_path(name: str) -> str:
    """The path of what version 1 called ``table``, ``weight0``, ``bias0`` or ``gate``.

    Examples
    --------
    >>> [modern_path(name) for name in ("table", "bias1", "head/gate")]
    ['encoder/table', 'head/layers/1/bias', 'head/gate']
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return name
    single, kind, layer = match.groups()
    if single:
        return TABLE if single == "table" else GATE
    return weight_path(int(layer)) if kind == "weight" else bias_path(int(layer))


def modern_tree(tree: Mapping[str, V]) -> dict[str, V]:
    """A tree by paths from one whose leaves may have the names of version 1."""
    return {modern_path(name): value for name, value in tree.items()}


def modern_description(described: Mapping[str, Any] | Entry) -> dict[str, Any]:
    """A description of a field with its parts apart, from one that may be flat.

    Examples
    --------
    >>> modern_description({"axes": ["x"], "names": ["u"], "layout": "...", "head": "linear"})["encoder"]
    {'name': 'hermite', 'layout': '...'}
    """
    described = Entry.of(described, "the description of a field")
    given = described.entries()
    if "encoder" in given:
        return {k: e.value for k, e in given.items()}
    modern: dict[str, Any] = {k: described.at(k).value for k in ("axes", "names")}
    modern["encoder"] = {"name": "hermite", "layout": described.at("layout").value}
    of_head = {k: given[k].value for k in ("omega", "activation", "layers") if k in given}
    modern["head"] = {"name": described.at("head").value} | of_head
    if "envelope" in given:
        modern["boundary_factor"] = given["envelope"].value
    return modern
