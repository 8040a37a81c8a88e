"""Values of a narrow network without biases in one kernel, forward and adjoint, with the activations kept on chip.

Hidden units are rectified, ``max(z, 0)``, the last layer is linear.  What the kernels compute, and why, is in section 7
of ``docs/kernels.md``; the same result layer by layer is :func:`layered`, which is the truth for the tests and carries
derivatives of higher order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch

from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.registration import operation
from hermite_pinn.cuda.runtime.source import REALS, assembled
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["Sizes", "fits", "layered", "perceptron", "recalled_perceptron"]

SHARED = 48 * 1024  # bytes of shared memory that every GPU gives a block without being asked
PARTS = {
    "cpu": 16,
    "cuda": 512,
}  # of the adjoint at most, each with sums of its own: the same for any number of threads
WIDEST = 128


def _padded(n: int) -> int:
    return -(-n // 16) * 16


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network: ``depth`` hidden layers of ``width`` units each."""

    inputs: int
    width: int
    depth: int
    outputs: int

    @classmethod
    def of(cls, weights: Sequence[torch.Tensor]) -> Sizes | None:
        """The sizes of a network from its weights (out, in); None if there is no such network."""
        return _sizes(tuple([w.shape for w in weights]))

    @cached_property
    def layers(self) -> list[tuple[int, int]]:
        """(out, in) of every layer."""
        widths = [self.inputs, *[self.width] * self.depth, self.outputs]
        return [(out, into) for into, out in itertools.pairwise(widths)]

    @cached_property
    def stored(self) -> int:
        """Numbers of all weights with their padding."""
        return sum(_padded(out) * _padded(into) for out, into in self.layers)


@lru_cache(maxsize=256)
def _sizes(shapes: tuple[torch.Size, ...]) -> Sizes | None:
    if len(shapes) < 2 or any(len(s) != 2 for s in shapes):
        return None
    width = shapes[0][0]
    if any(s != (width, width) for s in shapes[1:-1]) or shapes[-1][1] != width:
        return None
    return Sizes(shapes[0][1], width, len(shapes) - 1, shapes[-1][0])


@lru_cache(maxsize=256)
def _points(sizes: Sizes, dtype: torch.dtype, language: str) -> int | None:
    """Points of a tile: on a GPU the most that fit the shared memory; None if none do."""
    if language == "cpp":
        return 64
    row = sum(_padded(n) | 1 for n in (sizes.inputs, *[sizes.width] * sizes.depth, sizes.outputs))
    return next((p for p in (64, 32, 16) if row * p * dtype.itemsize <= SHARED), None)


@lru_cache(maxsize=1024)
def _served(sizes: Sizes, dtype: torch.dtype, kind: str) -> bool:
    known = dtype in REALS and 1 <= min(astuple(sizes)) <= max(astuple(sizes)) <= WIDEST
    return known and (kind == "cpu" or _points(sizes, dtype, "cu") is not None)


def fits(sizes: Sizes | None, dtype: torch.dtype, on: torch.device) -> bool:
    """Whether the kernels serve a network: up to 128 units, and on a GPU a tile fits the shared memory.

    Examples
    --------
    >>> cpu = torch.device("cpu")
    >>> fits(Sizes(16, 64, 1, 16), torch.float32, cpu), fits(Sizes(16, 256, 1, 16), torch.float32, cpu)
    (True, False)
    """
    if on.type == "cpu" and not host.available():
        return False
    return sizes is not None and _served(sizes, dtype, on.type)


@lru_cache(maxsize=256)
def _source(operation: str, sizes: Sizes, dtype: torch.dtype, language: str) -> str:
    points = _points(sizes, dtype, language)
    assert points is not None
    defines: dict[str, str | int] = {"HP_REAL": REALS[dtype], "HP_POINTS": points, "HP_THREADS": 4 * points}
    defines |= dict(zip(("HP_INPUTS", "HP_WIDTH", "HP_DEPTH", "HP_OUTPUTS"), astuple(sizes), strict=True))
    defines["HP_OPERATION"] = f"perceptron_{operation}"
    return assembled(f"network/perceptron.{language}", defines)


def layered(features: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """What :func:`perceptron` computes, layer by layer; differentiable any often."""
    a = features
    for weight in weights[:-1]:
        a = torch.relu(weight @ a)
    return weights[-1] @ a


def _packed(weights: Sequence[torch.Tensor], sizes: Sizes) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights of all layers padded with zeros, one after another, and in the same places their transposes."""
    straight, turned = weights[0].new_zeros(2, sizes.stored)
    at = 0
    for weight, (out, into) in zip(weights, sizes.layers, strict=True):
        rows, columns = _padded(out), _padded(into)
        end = at + rows * columns
        straight[at:end].view(rows, columns)[:out, :into] = weight
        turned[at:end].view(columns, rows)[:into, :out] = weight.t()
        at = end
    return straight, turned


def _unpacked(sums: torch.Tensor, sizes: Sizes) -> list[torch.Tensor]:
    """The inverse of :func:`_packed`, of the first."""
    found, at = [], 0
    for out, into in sizes.layers:
        end = at + _padded(out) * _padded(into)
        found.append(sums[at:end].view(_padded(out), _padded(into))[:out, :into].contiguous())
        at = end
    return found


def _run(
    operation: str,
    features: torch.Tensor,
    weights: Sequence[torch.Tensor],
    seed: torch.Tensor | None,
    out: torch.Tensor | None,
    summed: bool = False,
) -> torch.Tensor | None:
    """Fill ``out``; if ``summed`` return the gradient by the stored weights."""
    sizes = Sizes.of(weights)
    assert sizes is not None
    n, language = features.shape[1], "cu" if features.is_cuda else "cpp"
    points = _points(sizes, features.dtype, language)
    assert points is not None
    tiles, threads = -(-n // points), torch.get_num_threads()
    parts = min(tiles, PARTS[features.device.type]) if summed or not features.is_cuda else tiles
    sums = features.new_empty(parts, sizes.stored) if summed else None
    if parts:
        source = _source(operation, sizes, features.dtype, language)
        if features.is_cuda:
            given = (n, features, *_packed(weights, sizes), seed, out, sums)
            device.start(source, "hp_perceptron", features.device.index, (parts, 1), given, 4 * points)
        else:
            flat = torch.cat([w.reshape(-1) for w in weights])
            call = host.function(source, "hp_perceptron", "lpppppli")
            call(n, *(host.address(t) for t in (features, flat, seed, out, sums)), parts, threads)
    return None if sums is None else sums.sum(0)


def _check(features: torch.Tensor, weights: Sequence[torch.Tensor], seed: torch.Tensor | None) -> Sizes:
    """Refuse operands that do not fit together; see :func:`.require`."""
    sizes, dtype, place = Sizes.of(weights), features.dtype, features.device
    if sizes is None or not fits(sizes, dtype, place):
        raise InvalidArgumentError(
            f"no kernel is for weights of shapes {', '.join(str(tuple(w.shape)) for w in weights)} in {dtype} on {place}; layers must "
            f"follow each other, hidden ones of one width, with 1 to {WIDEST} units, in float32 or float64; use layered"
        )
    require("features", features, (sizes.inputs, *features.shape[-1:]), dtype, place)
    for layer, (weight, shape) in enumerate(zip(weights, sizes.layers, strict=True)):
        require(f"the weight of layer {layer}", weight, shape, dtype, place)
    if seed is not None:
        require("the gradient of the outputs", seed, (sizes.outputs, features.shape[1]), dtype, place)
    return sizes


@operation("perceptron")
def _perceptron(features: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    features, weights = features.contiguous(), [w.contiguous() for w in weights]
    sizes = _check(features, weights, None)
    out = features.new_empty(sizes.outputs, features.shape[1])
    _run("forward", features, weights, None, out)
    return out


@_perceptron.register_fake
def _(features: torch.Tensor, weights: list[torch.Tensor]) -> torch.Tensor:
    return features.new_empty(weights[-1].shape[0], features.shape[1])


@operation("perceptron_adjoint")
def _adjoint(
    features: torch.Tensor, weights: list[torch.Tensor], seed: torch.Tensor, by_features: bool, by_weights: bool
) -> list[torch.Tensor]:
    features, weights, seed = features.contiguous(), [w.contiguous() for w in weights], seed.contiguous()
    sizes = _check(features, weights, seed)
    out = torch.empty_like(features) if by_features else None
    sums = _run("adjoint", features, weights, seed, out, by_weights)
    return [*([] if out is None else [out]), *([] if sums is None else _unpacked(sums, sizes))]


@_adjoint.register_fake
def _(
    features: torch.Tensor, weights: list[torch.Tensor], seed: torch.Tensor, by_features: bool, by_weights: bool
) -> list[torch.Tensor]:
    return [torch.empty_like(t) for t in ([features] if by_features else []) + (weights if by_weights else [])]


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    features, weights = inputs
    ctx.save_for_backward(features, *weights)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[Any, ...]:
    features, *weights = ctx.saved_tensors
    wanted, of_weights, *_ = ctx.needs_input_grad
    if torch.is_grad_enabled():  # a loss on gradients: rare, so by operations that are differentiable again
        with torch.enable_grad():
            inputs = [t if t.requires_grad else t.detach().requires_grad_() for t in (features, *weights)]
            out = layered(inputs[0], inputs[1:])
            first, *others = torch.autograd.grad(out, inputs, grad, create_graph=True, allow_unused=True)
            return first, others
    found = _adjoint(features, weights, grad, wanted, any(of_weights))
    return found.pop(0) if wanted else None, found or [None] * len(weights)


_perceptron.register_autograd(_backward, setup_context=_save)


@operation("recalled_perceptron")
def _recalled(
    features: torch.Tensor, weights: list[torch.Tensor], known: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    return known.index_select(1, index)


_recalled.register_autograd(
    lambda ctx, grad: (*_backward(ctx, grad), None, None),
    setup_context=lambda ctx, inputs, output: _save(ctx, inputs[:2], output),
)


def recalled_perceptron(
    features: torch.Tensor, weights: Sequence[torch.Tensor], known: torch.Tensor, index: torch.Tensor
) -> torch.Tensor:
    """:func:`perceptron` of features (inputs, n) whose outputs are ``known[:, index]``, differentiable as if computed.

    Raises
    ------
    InvalidArgumentError
        If shapes, types or devices do not fit.
    """
    sizes = _check(features, weights, None)
    require("known", known, (sizes.outputs, *known.shape[1:2]), features.dtype, features.device)
    require("index", index, features.shape[1:], torch.int64, features.device)
    return _recalled(features, list(weights), known, index)


def perceptron(features: torch.Tensor, weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Outputs of a network without biases: ``W_last max(... max(W_1 features, 0) ..., 0)``, in one kernel.

    Parameters
    ----------
    features
        (inputs, n), float32 or float64.
    weights
        (out, in) of every layer, of a network that :func:`fits` accepts.

    Returns
    -------
    torch.Tensor
        (outputs, n).  Differentiable in ``features`` and ``weights``: the first derivatives by one kernel that computes
        the activations again, higher ones layer by layer.  Sums over the points have a fixed order, whatever the
        number of threads.

    Raises
    ------
    InvalidArgumentError
        If shapes, types or devices do not fit.

    Examples
    --------
    >>> weights = [torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0, 1.0]])]
    >>> perceptron(torch.tensor([[-2.0, 0.0, 3.0]]), weights)  # |x|
    tensor([[2., 0., 3.]])
    """
    return _perceptron(features, list(weights))
