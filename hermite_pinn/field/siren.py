"""A fully connected network whose layers carry jets by the chain rule."""

from __future__ import annotations

import functools
import itertools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from hermite_pinn.cuda.network.activation import ACTIVATIONS, JetPlan
from hermite_pinn.cuda.network.siren import (
    MAX_WIDTH,
    Shape,
    fits,
    flat_parameters,
    fused_jets,
    layered,
    layered_adjoint,
    pays,
)
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.schema import FLOATS, Entry

from .linearization import RowProducts
from .tree import Tree, joined

__all__ = ["LinearizedSiren", "Siren", "SirenRows"]


def _weight(layer: int) -> str:
    return joined("layers", layer, "weight")


def _bias(layer: int) -> str:
    return joined("layers", layer, "bias")


@dataclass(frozen=True, eq=False)
class Siren:
    """A fully connected network; its parameters are ``layers/0/weight``, ``layers/0/bias``, and so on.

    Attributes
    ----------
    weights
        Per layer (out, in); the last layer is linear.
    biases
        Per layer (out,).
    omega
        Frequency inside the activation.
    activation
        Key of :data:`hermite_pinn.cuda.network.activation.ACTIVATIONS`.
    fused
        Whether one kernel takes the jets through all layers, or each layer has a matrix product and a kernel for its
        activation; None: where that is faster.  The numbers are the same to rounding.
    """

    weights: tuple[torch.Tensor, ...]
    biases: tuple[torch.Tensor, ...]
    omega: float
    activation: str
    fused: bool | None = None

    @classmethod
    def initialised(
        cls,
        inputs: int,
        outputs: int,
        width: int,
        depth: int,
        omega: float,
        activation: str,
        generator: torch.Generator,
        dtype: torch.dtype,
    ) -> Siren:
        """Random weights as in the paper's code.

        First layer uniform in +-1/fan_in, the others in +-sqrt(6/fan_in)/omega; hidden biases from the same interval
        as their layer's weights, output bias zero.
        """
        if activation not in ACTIVATIONS:
            raise InvalidArgumentError(f"unknown activation {activation!r}; known: {', '.join(ACTIVATIONS)}")
        sizes = [inputs, *[width] * depth, outputs]
        weights, biases = [], []
        for k, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            bound = 1.0 / fan_in if k == 0 else math.sqrt(6.0 / fan_in) / omega
            weights.append(_uniform((fan_out, fan_in), bound, generator, dtype))
            last = k == len(sizes) - 2
            biases.append(torch.zeros(fan_out, dtype=dtype) if last else _uniform((fan_out,), bound, generator, dtype))
        return cls(tuple(weights), tuple(biases), float(omega), activation)

    @classmethod
    def from_parameters(cls, tree: Tree, count: int, omega: float, activation: str) -> Siren:
        """A network of ``count`` layers from its :meth:`parameters`."""
        weights, biases = (tuple(tree[path(k)] for k in range(count)) for path in (_weight, _bias))
        return cls(weights, biases, omega, activation)

    @classmethod
    def from_description(cls, described: Entry, inputs: int, outputs: int, tree: Entry) -> Siren:
        """A network from a file: its :meth:`parameters`, and ``omega``, ``activation`` and the number of ``layers``.

        Raises
        ------
        CorruptFileError
            If the layers do not follow each other from the inputs to the outputs.
        """
        count, width = described.at("layers").integer(2, len(tree.entries())), inputs
        for k in range(count):
            rows = outputs if k == count - 1 else None
            weight = tree.at(_weight(k)).tensor((rows, width), FLOATS)
            width = weight.shape[0]
            tree.at(_bias(k)).tensor((width,), FLOATS)
            if width < 1:
                raise tree.at(_weight(k)).refuse("a layer with units")
        omega = described.at("omega").number(sys.float_info.min)
        return cls.from_parameters(tree.value, count, omega, described.at("activation").text(ACTIVATIONS))

    @property
    def outputs(self) -> int:
        """Units of the last layer."""
        return len(self.biases[-1])

    @property
    def units(self) -> int:
        """Units of all layers together."""
        return sum(map(len, self.biases))

    @property
    def readout(self) -> tuple[str, ...]:
        """Paths of the last layer's parameters."""
        last = len(self.weights) - 1
        return _weight(last), _bias(last)

    def parameters(self) -> dict[str, torch.Tensor]:
        """Weights and biases, layer by layer."""
        tree = {}
        for k, (weight, bias) in enumerate(self._layers):
            tree[_weight(k)] = weight
            tree[_bias(k)] = bias
        return tree

    def with_parameters(self, tree: Tree) -> Siren:
        """The same network with other values in :meth:`parameters`."""
        fresh = self.from_parameters(tree, len(self.weights), self.omega, self.activation)
        return replace(fresh, fused=self.fused)

    @property
    def _layers(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        return list(zip(self.weights, self.biases, strict=True))

    def jets(self, features: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """Jets of the outputs.

        Parameters
        ----------
        features
            (inputs, channels, n), channels as in ``plan.carried``.

        Returns
        -------
        torch.Tensor
            (outputs, requested channels, n).
        """
        shape = self._fused_shape(features, plan)
        if shape is None:
            return plan.requested(layered(features, self._layers, self.omega, self.activation, plan.key))
        parameters = flat_parameters(self.weights, self.biases)
        return plan.requested(fused_jets(features, parameters, shape, self.omega, self.activation, plan))

    def linearized(self, features: torch.Tensor, plan: JetPlan) -> LinearizedSiren:
        """The network at features (inputs, channels, n), without a graph of PyTorch."""
        with torch.no_grad():
            kept: list[tuple[torch.Tensor, torch.Tensor]] = []
            out = layered(features, self._layers, self.omega, self.activation, plan.key, kept)
        return LinearizedSiren(self, plan, out, kept)

    def _fused_shape(self, features: torch.Tensor, plan: JetPlan) -> Shape | None:
        """The shape if the fused kernels are to be used."""
        if self.fused is False:
            return None
        shape = Shape.of(self.weights)
        if shape is not None and fits(shape, plan, features.dtype, features.device):
            return shape if self.fused or pays(shape, features.device) else None
        if self.fused:
            raise InvalidArgumentError(
                f"fused=True needs hidden layers of one width up to {MAX_WIDTH}, tiles of {len(plan.carried)} channels that fit "
                f"the shared memory of a GPU, and a C++ compiler on a CPU; the layers are "
                f"{[tuple(w.shape) for w in self.weights]} on {features.device}; use fused=None"
            )
        return None


@dataclass(frozen=True, eq=False)
class LinearizedSiren:
    """A network at fixed features.

    Attributes
    ----------
    network
        The network.
    plan
        Its channels.
    out
        Carried jets of the outputs, (outputs, carried, n).
    kept
        What :func:`hermite_pinn.cuda.network.siren.layered` kept.
    """

    network: Siren
    plan: JetPlan
    out: torch.Tensor
    kept: Sequence[tuple[torch.Tensor, torch.Tensor]]

    def rows(self, weights: Sequence[torch.Tensor]) -> SirenRows:
        """Rows ``sum_oc weights[t][o, c] * out[o, c]``, linearised in the parameters and the features."""
        net, signals, by_features = self.network, [], []
        with torch.no_grad():
            for w in weights:
                by_layer, by_feature = layered_adjoint(
                    w, self.kept, net._layers, net.omega, net.activation, self.plan.key
                )
                signals.append(by_layer)
                by_features.append(by_feature)
        return SirenRows([a for a, _ in self.kept], signals, by_features)


@dataclass(frozen=True, eq=False)
class SirenRows(RowProducts):
    """Products with rows by the parameters of a network.

    The derivative of a row by a layer's weights is ``sum_c signal[:, c] outer input[:, c]``: the signal propagated back
    to the layer times the layer's input, summed over the channels.  Both are kept, so that a product with the Jacobian
    is one matrix product per layer, and norms of columns need no matrix of rows times parameters.

    Attributes
    ----------
    inputs
        Of every layer, (inputs, channels, n).
    signals
        Per term and layer the derivative by the product of weights and input, (out, channels, n).
    by_features
        Per term the derivative by the network's features, (inputs, channels, n).
    """

    inputs: Sequence[torch.Tensor]
    signals: Sequence[Sequence[torch.Tensor]]
    by_features: Sequence[torch.Tensor]

    def forward(self, direction: Tree) -> torch.Tensor | None:
        """See :meth:`RowProducts.forward`."""
        used = False
        rows = self.inputs[0].new_zeros(len(self.signals), self.inputs[0].shape[-1])
        for k, a in enumerate(self.inputs):
            if _weight(k) in direction:
                used = True
                moved = (direction[_weight(k)] @ a.reshape(a.shape[0], -1)).view(-1, *a.shape[1:])
                for row, signals in zip(rows, self.signals, strict=True):
                    row += torch.einsum("ucn,ucn->n", signals[k], moved)
            if _bias(k) in direction:
                used = True
                for row, signals in zip(rows, self.signals, strict=True):
                    row += direction[_bias(k)] @ signals[k][:, 0]
        return rows if used else None

    def adjoint(self, rows: torch.Tensor, out: Tree) -> None:
        """See :meth:`RowProducts.adjoint`."""
        for k, a in enumerate(self.inputs):
            if _weight(k) not in out and _bias(k) not in out:
                continue
            parts = (signals[k] * row for signals, row in zip(self.signals, rows, strict=True))
            signal = functools.reduce(torch.add, parts)
            if _weight(k) in out:
                out[_weight(k)].addmm_(signal.reshape(signal.shape[0], -1), a.reshape(a.shape[0], -1).T)
            if _bias(k) in out:
                out[_bias(k)].add_(signal[:, 0].sum(1))

    def squares(self, out: Tree) -> None:
        """See :meth:`RowProducts.squares`."""
        for signals in self.signals:
            for k, a in enumerate(self.inputs):
                if _weight(k) in out:
                    signal = signals[k]
                    for c in range(a.shape[1]):
                        for d in range(c + 1):
                            part = (signal[:, c] * signal[:, d]) @ (a[:, c] * a[:, d]).T
                            out[_weight(k)].add_(part, alpha=1.0 if c == d else 2.0)
                if _bias(k) in out:
                    out[_bias(k)].add_(signals[k][:, 0].square().sum(1))

    def dense(self, path: str, points: slice) -> list[torch.Tensor]:
        """See :meth:`RowProducts.dense`."""
        for k, a in enumerate(self.inputs):
            if path == _bias(k):
                return [signals[k][:, 0, points].T for signals in self.signals]
            if path == _weight(k):
                turned = a[:, :, points].permute(2, 1, 0)
                outer = [torch.bmm(signals[k][:, :, points].permute(2, 0, 1), turned) for signals in self.signals]
                return [matrix.reshape(len(matrix), -1) for matrix in outer]
        raise KeyError(path)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1).mul_(bound).to(dtype)
