"""The heads: the sum of the levels, a network, and both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.network.activation import JetPlan
from hermite_pinn.schema import FLOATS, Entry

from .head import Head, HeadOptions, HeadRows, LinearizedHead
from .registry import Registry
from .siren import LinearizedSiren, Siren, SirenRows
from .tree import Tree

__all__ = ["HEADS", "GatedHead", "LinearHead", "SirenHead"]


@dataclass(frozen=True, eq=False)
class LinearHead(Head):
    """Field ``k`` is the sum of feature ``k`` over the levels; derivatives of any order.

    Parameters
    ----------
    count
        Number of fields.
    """

    count: int

    name: ClassVar[str] = "linear"
    sums_levels: ClassVar[bool] = True
    one_feature_per_field: ClassVar[bool] = True

    @classmethod
    def build(
        cls, options: HeadOptions, inputs: int, outputs: int, generator: torch.Generator, dtype: torch.dtype
    ) -> LinearHead:
        """See :meth:`Head.build`."""
        return cls(outputs)

    @property
    def outputs(self) -> int:
        """Number of fields."""
        return self.count

    def parameters(self) -> dict[str, torch.Tensor]:
        """None."""
        return {}

    def with_parameters(self, tree: Tree) -> LinearHead:
        """The head itself."""
        return self

    def affine_in(self, paths: Collection[str], features: bool) -> bool:
        """Always."""
        return True

    def plan(self, channels: Channels) -> JetPlan:
        """The same channels."""
        return JetPlan(channels, (), tuple(range(len(channels))))

    def jets(self, features: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """See :meth:`Head.jets`."""
        return features[: self.count]

    def linearized(self, features: torch.Tensor, plan: JetPlan) -> LinearizedHead:
        """See :meth:`Head.linearized`."""
        return _LinearizedSum(self.jets(features, plan), len(features))

    def describe(self) -> dict[str, Any]:
        """See :meth:`Head.describe`."""
        return {"name": self.name}

    @classmethod
    def from_description(cls, described: Entry, inputs: int, outputs: int, tree: Entry) -> LinearHead:
        """See :meth:`Head.from_description`."""
        return cls(outputs)


@dataclass(frozen=True, eq=False)
class _LinearizedSum(LinearizedHead):
    jets: torch.Tensor
    features: int

    def rows(self, weights: Sequence[torch.Tensor]) -> HeadRows:
        by_features = torch.stack(list(weights))[:, None]
        spare = self.features - by_features.shape[2]
        if spare:
            by_features = torch.nn.functional.pad(by_features, (0, 0, 0, 0, 0, spare))
        return _SumRows(by_features)


@dataclass(frozen=True, eq=False)
class _SumRows(HeadRows):
    weights: torch.Tensor

    def forward(self, direction: Tree) -> torch.Tensor | None:
        return None

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        return

    def squares(self, out: Tree) -> None:
        return

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        raise KeyError(path)


@dataclass(frozen=True, eq=False)
class _NetworkHead(Head):
    """What heads with a network share."""

    siren: Siren

    @classmethod
    def planned_size(cls, options: HeadOptions, inputs: int, outputs: int) -> int:
        """Weights and biases of all layers."""
        width = options.width
        return (inputs + 1) * width + (options.depth - 1) * (width + 1) * width + (width + 1) * outputs

    @property
    def network(self) -> Siren:
        """The network."""
        return self.siren

    @property
    def outputs(self) -> int:
        """Number of fields."""
        return self.siren.outputs

    @property
    def units(self) -> int:
        """Units of all layers together."""
        return self.siren.units

    @property
    def readout(self) -> tuple[str, ...]:
        """Paths of the last layer's parameters."""
        return self.siren.readout

    def affine_in(self, paths: Collection[str], features: bool) -> bool:
        """In the last layer; in the features where the last layer is zero."""
        if features:
            return not paths and not bool(self.siren.weights[-1].any())
        return set(paths) <= set(self.readout)

    def plan(self, channels: Channels) -> JetPlan:
        """Closed under the chain rule."""
        return JetPlan.of(channels)

    def describe(self) -> dict[str, Any]:
        """See :meth:`Head.describe`."""
        siren = self.siren
        return {
            "name": self.name,
            "omega": siren.omega,
            "activation": siren.activation,
            "layers": len(siren.weights),
        }

    def _read(self, features: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        return self.siren.jets(features.reshape(-1, *features.shape[2:]), plan)

    def _linearized(self, features: torch.Tensor, plan: JetPlan) -> LinearizedSiren:
        return self.siren.linearized(features.reshape(-1, *features.shape[2:]), plan)


@dataclass(frozen=True, eq=False)
class SirenHead(_NetworkHead):
    """A network that reads the features of all levels; derivatives up to the second.

    Parameters
    ----------
    siren
        The network; its parameters are those of the head.
    """

    name: ClassVar[str] = "siren"

    @classmethod
    def build(
        cls, options: HeadOptions, inputs: int, outputs: int, generator: torch.Generator, dtype: torch.dtype
    ) -> SirenHead:
        """See :meth:`Head.build`."""
        return cls(_network(options, inputs, outputs, generator, dtype))

    def parameters(self) -> dict[str, torch.Tensor]:
        """Those of the network."""
        return self.siren.parameters()

    def with_parameters(self, tree: Tree) -> SirenHead:
        """The same head with other values in :meth:`parameters`."""
        return replace(self, siren=self.siren.with_parameters(tree))

    def jets(self, features: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """See :meth:`Head.jets`."""
        return self._read(features, plan)

    def linearized(self, features: torch.Tensor, plan: JetPlan) -> LinearizedHead:
        """See :meth:`Head.linearized`."""
        linear = self._linearized(features, plan)
        return _LinearizedNetwork(plan.requested(linear.out), linear, features.shape)

    @classmethod
    def from_description(cls, described: Entry, inputs: int, outputs: int, tree: Entry) -> SirenHead:
        """See :meth:`Head.from_description`."""
        return cls(Siren.from_description(described, inputs, outputs, tree))


@dataclass(frozen=True, eq=False)
class _LinearizedNetwork(LinearizedHead):
    jets: torch.Tensor
    linear: LinearizedSiren
    shape: torch.Size

    def rows(self, weights: Sequence[torch.Tensor]) -> HeadRows:
        rows = self.linear.rows([self.linear.plan.spread(w) for w in weights])
        return _NetworkRows(rows, torch.stack([g.view(self.shape) for g in rows.by_features]))


@dataclass(frozen=True, eq=False)
class _NetworkRows(HeadRows):
    network: SirenRows
    weights: torch.Tensor

    def forward(self, direction: Tree) -> torch.Tensor | None:
        return self.network.forward(direction)

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        self.network.adjoint(rows, out)

    def squares(self, out: Tree) -> None:
        self.network.squares(out)

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        return self.network.dense(path, points)


@dataclass(frozen=True, eq=False)
class GatedHead(_NetworkHead):
    """The sum of the levels plus a factor times a network that reads them; derivatives up to the second.

    Parameters
    ----------
    siren
        The network; its parameters are parameters of the head.
    factor
        (1,), zero at the start; the parameter ``gate``.
    """

    factor: torch.Tensor

    name: ClassVar[str] = "siren+linear"
    one_feature_per_field: ClassVar[bool] = True

    @classmethod
    def build(
        cls, options: HeadOptions, inputs: int, outputs: int, generator: torch.Generator, dtype: torch.dtype
    ) -> GatedHead:
        """See :meth:`Head.build`."""
        return cls(_network(options, inputs, outputs, generator, dtype), torch.zeros(1, dtype=dtype))

    @property
    def gate(self) -> torch.Tensor:
        """The factor of the network."""
        return self.factor

    @property
    def unknowns(self) -> tuple[str, ...]:
        """All but the gate."""
        return tuple(self.siren.parameters())

    def parameters(self) -> dict[str, torch.Tensor]:
        """Those of the network, and the gate."""
        return self.siren.parameters() | {"gate": self.factor}

    def with_parameters(self, tree: Tree) -> GatedHead:
        """The same head with other values in :meth:`parameters`."""
        return replace(self, siren=self.siren.with_parameters(tree), factor=tree["gate"])

    def folded(self) -> GatedHead:
        """The same function with gate one: it is taken into the last layer, so that only one of them is unknown."""
        tree = self.parameters()
        tree |= {path: tree[path] * self.factor for path in self.readout}
        return self.with_parameters(tree | {"gate": torch.ones_like(self.factor)})

    def jets(self, features: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """See :meth:`Head.jets`."""
        out = self._read(features, plan)
        return plan.requested(features.sum(0)[: self.outputs]) + self.factor * out

    def linearized(self, features: torch.Tensor, plan: JetPlan) -> LinearizedHead:
        """See :meth:`Head.linearized`."""
        linear = self._linearized(features, plan)
        jets = plan.requested(linear.out * self.factor + features.sum(0)[: self.outputs])
        return _LinearizedGate(jets, linear, features.shape, self.factor)

    @classmethod
    def from_description(cls, described: Entry, inputs: int, outputs: int, tree: Entry) -> GatedHead:
        """See :meth:`Head.from_description`."""
        network = Siren.from_description(described, inputs, outputs, tree)
        return cls(network, tree.at("gate").tensor((1,), FLOATS))


@dataclass(frozen=True, eq=False)
class _LinearizedGate(LinearizedHead):
    jets: torch.Tensor
    linear: LinearizedSiren
    shape: torch.Size
    gate: torch.Tensor

    def rows(self, weights: Sequence[torch.Tensor]) -> HeadRows:
        deltas = [self.linear.plan.spread(w) for w in weights]
        network = self.linear.rows([delta * self.gate for delta in deltas])
        by_features = torch.stack([g.view(self.shape) for g in network.by_features])
        for total, delta in zip(by_features, deltas, strict=True):
            total[:, : len(delta)] += delta
        return _GatedRows(network, by_features, deltas, self.linear.out)


@dataclass(frozen=True, eq=False)
class _GatedRows(HeadRows):
    network: SirenRows
    weights: torch.Tensor
    deltas: Sequence[torch.Tensor]
    out: torch.Tensor

    def _by_gate(self) -> torch.Tensor:
        """Derivative of the rows by the gate, (terms, n)."""
        return torch.stack([(delta * self.out).sum((0, 1)) for delta in self.deltas])

    def forward(self, direction: Tree) -> torch.Tensor | None:
        rows = self.network.forward(direction)
        if "gate" not in direction:
            return rows
        by_gate = direction["gate"] * self._by_gate()
        return by_gate if rows is None else rows + by_gate

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        self.network.adjoint(rows, out)
        if "gate" in out:
            out["gate"].add_((self._by_gate() * rows).sum())

    def squares(self, out: Tree) -> None:
        self.network.squares(out)
        if "gate" in out:
            out["gate"].add_(self._by_gate().square().sum())

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        if path == "gate":
            return [column[points, None] for column in self._by_gate()]
        return self.network.dense(path, points)


def _network(options: HeadOptions, inputs: int, outputs: int, generator: torch.Generator, dtype: torch.dtype) -> Siren:
    o = options
    network = Siren.initialised(inputs, outputs, o.width, o.depth, o.omega, o.activation, generator, dtype)
    return replace(network, fused=o.fused)


#: Every head by the name that ``hp.Field(head=...)`` takes; a new one is entered here and nowhere else.
HEADS: Registry[type[Head]] = Registry("head", (LinearHead, SirenHead, GatedHead))
