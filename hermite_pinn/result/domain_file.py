"""How the domain of a solution stands in its file: the bounding box, and what cuts it as a list of shapes and arrays.

Shapes are made of shapes, to any depth.  In the file each is an entry of one flat list, in which it comes after its
parts, and which names it once: what a file says can be followed without recursion, and does not grow when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.errors import CorruptFileError, HermitePinnError
from hermite_pinn.geometry import Box, Domain, domain_from_state
from hermite_pinn.schema import Entry

__all__ = ["ARRAYS", "domain_arrays", "read_domain", "stored_domain"]

ARRAYS = "shapes"  # group of their arrays
MOST = 1 << 16  # shapes


# -- writing ---
def stored_domain(domain: Domain) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What a file says of the shapes that cut a domain, and their arrays by name; both empty for a whole box."""
    state = domain.state()
    if not state:
        return {}, {}
    writer = _Writer()
    return {"root": writer.coded(state), "nodes": writer.nodes}, writer.arrays


class _Writer:
    """Codes states, and keeps the shapes and arrays that it meets."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}

    def coded(self, value: Any) -> Any:
        """A value in terms of JSON; mappings are shapes if they have a kind."""
        if isinstance(value, np.ndarray):
            name = f"{ARRAYS}/{len(self.arrays)}"
            self.arrays[name] = np.ascontiguousarray(value)
            return {"array": name}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, list | tuple):
            return [self.coded(v) for v in value]
        if not isinstance(value, Mapping):
            return value
        entries = {str(k): self.coded(v) for k, v in value.items()}
        if "kind" not in value:
            return {"entries": entries}
        self.nodes.append(entries)
        return {"node": len(self.nodes) - 1}


# -- reading ---
def domain_arrays(cut: Entry | None) -> list[str]:
    """Names of the arrays that the shapes of a file refer to; refuses what does not fit together."""
    return [] if cut is None else list(_Reader(cut, None).arrays)


def read_domain(box: Box, cut: Entry | None, arrays: Mapping[str, np.ndarray]) -> Domain:
    """The domain that shapes cut out of a box.

    Raises
    ------
    CorruptFileError
        If the entries do not fit together, or the shapes make no domain.
    """
    if cut is None:
        return box
    state = _Reader(cut, arrays).root
    try:
        return domain_from_state(box, Entry(state, cut.source, cut.path))
    except CorruptFileError:
        raise
    except (HermitePinnError, RecursionError) as error:
        raise CorruptFileError(f"{cut.source} is damaged: its shapes make no domain: {error}") from error


class _Reader:
    """Follows the entries of a file; every shape and every array is named once, shapes after their parts."""

    def __init__(self, cut: Entry, arrays: Mapping[str, np.ndarray] | None) -> None:
        self.values, self.arrays = arrays, set[str]()
        self.made: list[Mapping[str, Any] | None] = []
        cut.items_named(("root", "nodes"))
        for entry in cut.at("nodes").items(most=MOST):
            entries = entry.entries()
            self.made.append({name: self.decoded(e) for name, e in entries.items()})
        self.root = self.decoded(cut.at("root"))
        if not isinstance(self.root, Mapping) or any(m is not None for m in self.made):
            raise cut.refuse("shapes that are all parts of one domain")

    def decoded(self, entry: Entry) -> Any:
        """What an entry stands for."""
        value = entry.value
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self.decoded(e) for e in entry.items()]
        if not isinstance(value, Mapping):
            if not (value is None or isinstance(value, bool | str)):
                entry.number(finite=False)
            return value
        ((kind, inner),) = entry.entries().items() if len(value) == 1 else ((None, entry),)
        if kind == "entries":
            return {name: self.decoded(e) for name, e in inner.entries().items()}
        if kind == "node":
            return self._node(inner)
        if kind == "array":
            return self._array(inner)
        raise entry.refuse("one of entries, node and array")

    def _node(self, entry: Entry) -> Mapping[str, Any]:
        number = entry.integer(0, len(self.made) - 1)
        found, self.made[number] = self.made[number], None
        if found is None:
            raise entry.refuse("a shape that is part of nothing else")
        return found

    def _array(self, entry: Entry) -> torch.Tensor | None:
        name = entry.text()
        if name in self.arrays or not name.startswith(f"{ARRAYS}/"):
            raise entry.refuse(f"an array of {ARRAYS} that nothing else has")
        self.arrays.add(name)
        if self.values is None:
            return None
        if name not in self.values:
            raise CorruptFileError(f"{entry.source} is damaged: it has no array {name}")
        try:
            return torch.as_tensor(self.values[name])
        except TypeError as error:  # numbers that PyTorch does not have
            raise CorruptFileError(f"{entry.source} is damaged: {name} has numbers of a wrong type") from error
