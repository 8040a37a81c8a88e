"""Any other field as integers: its numbers in groups of one kind, each with a step of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from hermite_pinn.field.field import GridField
from hermite_pinn.field.tree import SINGULAR, within
from hermite_pinn.schema import Entry

from .coding import Coding, rounded
from .norms import basis_norms

__all__ = ["Grouped"]


@dataclass(frozen=True)
class Group:
    """Numbers of a tensor that lie one behind the other: (slots, kinds, features), features innermost.

    Attributes
    ----------
    path, start, shape
        Of the tensor, and where in it.
    norms
        By kind, how much a number counts beside those of other kinds.
    level
        Of detail.
    """

    path: str
    start: int
    shape: tuple[int, int, int]
    norms: tuple[float, ...]
    level: int

    @property
    def size(self) -> int:
        """Numbers."""
        return math.prod(self.shape)


class Grouped(Coding):
    """Tables of any levels, and networks.

    Of a grid the coefficients of every level are a group; each of the other tensors is one.  How much the numbers of a
    group count is measured: by the change of the field when they are moved at random.  The steps follow from that: with
    the same bits in all, errors are least where a bit more in any group would gain the same.

    Where a network reads the levels, all of them are one level of detail: it was not trained to do without.
    """

    name: ClassVar[str] = "grouped"

    def __init__(self, field: GridField) -> None:
        super().__init__(field)
        self.groups = _groups(field)
        self.weights = np.ones(len(self.groups))

    @classmethod
    def takes(cls, field: GridField) -> bool:
        """Every field with a number to code."""
        return bool(_groups(field))

    def memory(self, levels: int) -> float:
        """Bytes; levels that are not read have their zeros."""
        return super().memory(self.levels)

    @property
    def levels(self) -> int:
        """Those of the table, if the fields are sums over them."""
        return 1 + max(g.level for g in self.groups)

    @property
    def coded(self) -> frozenset[str]:
        """All but the coefficients of singular functions."""
        return frozenset(g.path for g in self.groups)

    def count(self, level: int) -> int:
        """See :meth:`Coding.count`."""
        return sum(g.size for g in self.groups if g.level == level)

    def first_scales(self, tol: float, norms: np.ndarray) -> np.ndarray:
        """See :meth:`Coding.first_scales`; weights are those of relative errors."""
        common = tol * math.sqrt(12.0 / sum(g.size for g in self.groups))
        largest = float(norms.max()) or 1.0
        return np.full(1, common) if self.joint else np.asarray(common * np.where(norms > 0, norms, largest) / largest)

    def weigh(self, change: Callable[[GridField], np.ndarray]) -> None:
        """Measure how much the numbers of every group count; see :meth:`Coding.weigh`."""
        generator = torch.Generator().manual_seed(0)
        tensors = {path: v.detach().cpu() for path, v in self.field.tensors().items()}
        for k, group in enumerate(self.groups):
            values = tensors[group.path].reshape(-1)
            own = values[group.start : group.start + group.size].double()
            size = 1e-3 * (float(own.square().mean().sqrt()) or 1.0)
            noise = torch.randn(group.shape, generator=generator, dtype=torch.float64)
            moved = values.double().clone()
            moved[group.start : group.start + group.size] += size * (noise / _along_kinds(group)).reshape(-1)
            whole = {**tensors, group.path: moved.to(values.dtype).view(tensors[group.path].shape)}
            gain = float(np.max(change(self.field.with_tensors(whole)))) / size
            self.weights[k] = gain / math.sqrt(group.size) if gain > 0 and math.isfinite(gain) else 1.0

    def describe(self) -> dict[str, Any]:
        """Weights of the groups."""
        return {"weights": [float(w) for w in self.weights]}

    def take(self, described: Entry) -> None:
        """See :meth:`Coding.take`."""
        found = [e.number(lower=1e-300) for e in described.at("weights").items(len(self.groups))]
        self.weights = np.array(found)

    def _steps(self, k: int, scales: np.ndarray) -> torch.Tensor:
        group = self.groups[k]
        features = group.shape[2]
        of_features = np.resize(scales, features) if len(scales) < 2 else scales
        spare = features - len(of_features)  # features that no field reads
        of_features = np.concatenate([of_features, np.repeat(of_features[-1:], spare)])[:features]
        return torch.as_tensor(of_features) / (_along_kinds(group) * self.weights[k])  # (1, kinds, features)

    def encode(self, scales: np.ndarray) -> list[np.ndarray]:
        """See :meth:`Coding.encode`."""
        tensors = {path: v.detach().cpu() for path, v in self.field.tensors().items()}
        numbers: list[list[np.ndarray]] = [[] for _ in range(self.levels)]
        for k, group in enumerate(self.groups):
            own = tensors[group.path].reshape(-1)[group.start : group.start + group.size].double().view(group.shape)
            whole = rounded(own / self._steps(k, scales), 0.0 if self.joint else 0.2)
            numbers[group.level].append(whole.permute(1, 2, 0).reshape(-1).numpy().astype(np.int64))
        return [np.concatenate(parts) for parts in numbers]

    def decode(self, numbers: Sequence[np.ndarray], scales: np.ndarray, kept: Mapping[str, torch.Tensor]) -> GridField:
        """See :meth:`Coding.decode`; levels that are not there are zero."""
        like = self.field.tensors()
        flat = {path: torch.zeros(like[path].numel(), dtype=torch.float64) for path in self.coded}
        starts = [0] * self.levels
        for k, group in enumerate(self.groups):
            if group.level >= len(numbers):
                continue
            start = starts[group.level]
            starts[group.level] = start + group.size
            slots, kinds, features = group.shape
            whole = torch.from_numpy(numbers[group.level][start : start + group.size]).view(kinds, features, slots)
            part = whole.permute(2, 0, 1).double() * self._steps(k, scales)
            flat[group.path][group.start : group.start + group.size] = part.reshape(-1)
        coded = {path: v.view(like[path].shape).to(like[path].dtype) for path, v in flat.items()}
        return GridField.from_description(self.field.describe(), {**kept, **coded})


def _along_kinds(group: Group) -> torch.Tensor:
    return torch.tensor(group.norms, dtype=torch.float64).view(1, -1, 1)


def _groups(field: GridField) -> list[Group]:
    """Groups in the order of tensors and levels."""
    groups: list[Group] = []
    for path, tensor in field.tensors().items():
        if within(path, SINGULAR):
            continue
        layout = field.tables.get(path)
        if layout is None:
            groups.append(Group(path, 0, (tensor.numel(), 1, 1), (1.0,), 0))
            continue
        norms = np.array(basis_norms(layout.basis))
        for level, row in enumerate(layout.groups):
            for g in row:
                kinds = tuple(float(np.prod(norms[list(layout.alphas[a])])) for a in g.alphas)
                shape = g.slots, len(kinds), layout.features
                groups.append(Group(path, g.offset, shape, kinds, level if field.linear else 0))
    return groups
