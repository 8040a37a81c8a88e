"""Heads: from the features of the grid to the fields, with exact jets."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch

from hermite_pinn.cuda.network.activation import ACTIVATIONS, JetPlan
from hermite_pinn.cuda.network.siren import MAX_WIDTH, Shape, fits, flat_parameters, fused_jets, layered, pays
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["HEADS", "Siren"]

HEADS = ("linear", "siren", "siren+linear")


@dataclass(frozen=True, eq=False)
class Siren:
    """A fully connected network whose layers carry jets by the chain rule.

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

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Siren:
        """The network on another device or in another precision."""
        return replace(
            self,
            weights=tuple(w.to(device, dtype) for w in self.weights),
            biases=tuple(b.to(device, dtype) for b in self.biases),
        )

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
        layers = list(zip(self.weights, self.biases, strict=True))
        shape = self._fused_shape(features, plan)
        if shape is None:
            return plan.requested(layered(features, layers, self.omega, self.activation, plan.key))
        parameters = flat_parameters(self.weights, self.biases)
        return plan.requested(fused_jets(features, parameters, shape, self.omega, self.activation, plan))

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


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1).mul_(bound).to(dtype)
