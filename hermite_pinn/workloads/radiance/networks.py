"""Small networks between an encoder and what it means: densities, colours."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from hermite_pinn import checks
from hermite_pinn.cuda.network.activation import ACTIVATIONS
from hermite_pinn.cuda.network.perceptron import Sizes, fits, layered, perceptron, recalled_perceptron
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["Network"]


class Network(nn.Module):
    """A fully connected network without biases: ``hidden`` layers of ``width`` units, then a linear one.

    Weights are drawn as by Glorot and Bengio (2010), uniform with the variance 2 / (in + out), as in Instant-NGP.
    Rectified networks of up to 128 units go through all layers in one kernel
    (:func:`hermite_pinn.cuda.network.perceptron.perceptron`), others layer by layer.

    Parameters
    ----------
    inputs, outputs
        Numbers of features, from 1 on.
    width
        Units of every hidden layer.
    hidden
        Number of hidden layers, from 1 on.
    activation
        Of the hidden units: a key of :data:`hermite_pinn.cuda.network.activation.ACTIVATIONS`, or ``"relu"``.
    generator
        Of the random weights, on the CPU; None: PyTorch's own.
    dtype
        float32 or float64.

    Attributes
    ----------
    weights
        Of every layer, (out, in).

    Raises
    ------
    InvalidArgumentError
        If sizes are no positive whole numbers, or the activation or the type is not known.

    Examples
    --------
    >>> network = Network(16, 64, 1, 3, generator=torch.Generator().manual_seed(0))
    >>> network(torch.zeros(16, 5)).shape
    torch.Size([3, 5])
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        hidden: int,
        outputs: int,
        activation: str = "relu",
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        sizes = (("inputs", inputs), ("width", width), ("hidden", hidden), ("outputs", outputs))
        counts = {name: checks.integer(name, value, least=1) for name, value in sizes}
        self.activation = checks.choice("activation", activation, ("relu", *ACTIVATIONS))
        if dtype not in (torch.float32, torch.float64):
            raise InvalidArgumentError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
        widths = [counts["inputs"], *[counts["width"]] * counts["hidden"], counts["outputs"]]
        self.weights = nn.ParameterList()
        for into, out in itertools.pairwise(widths):
            bound = math.sqrt(6.0 / (into + out))
            drawn = 2.0 * torch.rand(out, into, generator=generator, dtype=dtype) - 1.0
            self.weights.append(nn.Parameter(bound * drawn))

    def forward(self, features: Tensor) -> Tensor:
        """Outputs (outputs, n) of features (inputs, n), in the type of the weights.

        Raises
        ------
        InvalidArgumentError
            If the shape or the type does not fit.
        """
        first = self.weights[0]
        if features.ndim != 2 or len(features) != first.shape[1] or features.dtype is not first.dtype:
            raise InvalidArgumentError(
                f"a network of {first.shape[1]} inputs takes features of shape ({first.shape[1]}, n) in {first.dtype}, got "
                f"{tuple(features.shape)} in {features.dtype}"
            )
        weights = list(self.weights)
        if self.activation != "relu":
            *hidden, last = weights
            for weight in hidden:
                features = ACTIVATIONS[self.activation][0](weight @ features)[0]
            return last @ features
        if fits(Sizes.of(weights), first.dtype, features.device):
            return perceptron(features, weights)
        return layered(features, weights)

    def recalled(self, features: Tensor, known: Tensor, index: Tensor) -> Tensor:
        """Outputs of features (inputs, n) that are ``known[:, index]``, differentiable as if they were computed.

        Networks without a kernel of their own compute them again.
        """
        weights = list(self.weights)
        if self.activation == "relu" and fits(Sizes.of(weights), weights[0].dtype, features.device):
            return recalled_perceptron(features, weights, known, index)
        found: Tensor = self(features)
        return found
