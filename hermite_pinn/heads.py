"""Heads: from the features of the grid to the fields, with exact jets."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch

from hermite_pinn.cuda.activation import ACTIVATIONS, JetPlan, activate

from .errors import InvalidArgumentError

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
        Key of :data:`hermite_pinn.cuda.activation.ACTIVATIONS`.
    """

    weights: tuple[torch.Tensor, ...]
    biases: tuple[torch.Tensor, ...]
    omega: float
    activation: str

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
        a = features
        last = len(self.weights) - 1
        for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = (weight @ a.reshape(a.shape[0], -1)).view(weight.shape[0], *a.shape[1:])
            if k < last:
                a = activate(z, bias, self.omega, self.activation, plan)
            else:
                a = torch.cat([z[:, :1] + bias[:, None, None], z[:, 1:]], 1)
        return plan.requested(a)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator, dtype: torch.dtype) -> torch.Tensor:
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1).mul_(bound).to(dtype)
