"""Jets through all layers of a narrow network in one kernel, forward and adjoint, with the activations kept on chip.

The parameters of the network are one flat tensor (:func:`flat_parameters`).  What the kernels compute, and why, is in
``docs/siren.md``; the same result layer by layer is :func:`layered`, which is the truth for the tests and carries
derivatives of higher order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

import torch

from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.registration import operation
from hermite_pinn.cuda.runtime.source import REALS, assembled
from hermite_pinn.errors import InvalidArgumentError

from .activation import JetPlan, definitions

__all__ = ["MAX_WIDTH", "Shape", "fits", "flat_parameters", "fused_jets", "layered", "layered_adjoint", "pays"]

SHARED = 48 * 1024  # bytes of shared memory that every GPU gives a block without being asked
PARTS = 512  # blocks of the adjoint at most, about four for every multiprocessor: each has sums of its own
MAX_WIDTH = 128
MOST_OUTPUTS = 16


def _padded(n: int) -> int:
    return -(-n // 8) * 8


@dataclass(frozen=True)
class Shape:
    """Sizes of a network: ``depth`` hidden layers of ``width`` units each."""

    inputs: int
    width: int
    depth: int
    outputs: int

    @classmethod
    def of(cls, weights: Sequence[torch.Tensor]) -> Shape | None:
        """The shape of a network from its weights (out, in); None if its hidden layers differ in width."""
        width = weights[0].shape[0]
        inner = [*(w.shape for w in weights[1:-1])]
        if len(weights) < 2 or any(tuple(s) != (width, width) for s in inner) or weights[-1].shape[1] != width:
            return None
        return cls(weights[0].shape[1], width, len(weights) - 1, weights[-1].shape[0])

    @property
    def sizes(self) -> list[tuple[int, int, int, int]]:
        """Per layer (out, in) and both as stored, padded with zeros to multiples of 8 where the kernels need it."""
        n, w = self.inputs, self.width
        hidden = [(w, n if k == 0 else w, _padded(w), _padded(n if k == 0 else w)) for k in range(self.depth)]
        return [*hidden, (self.outputs, w, self.outputs, _padded(w))]


@dataclass(frozen=True)
class Tiling:
    """How a kernel cuts its work: see ``siren.cuh``."""

    rows: int
    columns: int
    side: int
    points: int
    threads: int


def _memory(shape: Shape, channels: int, t: Tiling) -> int:
    """Numbers in shared memory: MEMORY of ``siren.cuh``."""
    unit = channels * t.points | 1
    rows = _padded(shape.inputs) + shape.depth * _padded(shape.width) + shape.outputs
    return rows * unit + shape.outputs * _padded(shape.width) * (t.points // t.columns)


@lru_cache(maxsize=256)
def _tiling(shape: Shape, channels: int, dtype: torch.dtype, language: str) -> Tiling | None:
    """The largest tile that fits; None if none does."""
    size = dtype.itemsize
    columns = max(1, 4 // channels)
    if language == "cpp":
        lanes = 64 // size
        rows = next((r for r in (8, 4, 2) if r * channels * columns <= 24), 1)
        return Tiling(rows, columns, 4, 4 * columns * lanes, 1)
    rows = next((r for r in (8, 4, 2) if r * channels * columns * size <= 128), 1)
    for points in (8 * columns, 4 * columns, 2 * columns):
        groups = points // columns
        threads = min(256, -(-(_padded(shape.width) // rows * groups) // 32) * 32)
        tiling = Tiling(rows, columns, 8 if size == 4 else 4, points, threads)
        if _memory(shape, channels, tiling) * size <= SHARED:
            return tiling
    return None


def fits(shape: Shape | None, plan: JetPlan, dtype: torch.dtype, on: torch.device) -> bool:
    """Whether the fused kernels serve a network: up to 128 units wide, and on a GPU a tile fits the shared memory.

    Examples
    --------
    >>> from hermite_pinn.cuda.encoder.channels import Channels
    >>> plan, cpu = JetPlan.of(Channels.laplacian(2)), torch.device("cpu")
    >>> fits(Shape(16, 256, 2, 1), plan, torch.float32, cpu)
    False
    """
    if shape is None or shape.width > MAX_WIDTH or shape.inputs > MAX_WIDTH or shape.outputs > MOST_OUTPUTS:
        return False
    if on.type == "cpu":
        return host.available()
    return _tiling(shape, len(plan.carried), dtype, "cu") is not None


def pays(shape: Shape, on: torch.device) -> bool:
    """Whether to use the fused kernels where they fit: on a GPU, and on a CPU from 32 units on.

    Smaller networks do not repay the compilation.
    """
    return on.type == "cuda" or shape.width >= 32


def flat_parameters(weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor]) -> torch.Tensor:
    """Weights and biases one layer after another, padded as in :attr:`Shape.sizes`; differentiable."""
    shape = Shape.of(weights)
    assert shape is not None
    parts = []
    for (out, into, rows, columns), w, b in zip(shape.sizes, weights, biases, strict=True):
        if (rows, columns) != (out, into):
            w = torch.nn.functional.pad(w, (0, columns - into, 0, rows - out))
            b = torch.nn.functional.pad(b, (0, rows - out))
        parts += [w.reshape(-1), b]
    return torch.cat(parts)


def _layers(parameters: torch.Tensor, shape: Shape) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Inverse of :func:`flat_parameters`, as views."""
    layers, at = [], 0
    for out, into, rows, columns in shape.sizes:
        w = parameters[at : at + rows * columns].view(rows, columns)
        b = parameters[at + rows * columns :][:rows]
        layers.append((w[:out, :into], b[:out]))
        at += rows * columns + rows
    return layers


def layered(
    features: torch.Tensor,
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]],
    omega: float,
    name: str,
    plan_key: str,
    kept: list[tuple[torch.Tensor, torch.Tensor]] | None = None,
) -> torch.Tensor:
    """What :func:`fused_jets` computes, by a matrix product and an activation per layer; differentiable any often.

    Parameters
    ----------
    layers
        Weights (out, in) and biases (out,) of every layer.
    kept
        Receives the input of every layer and its product with the weights, for :func:`layered_adjoint`.
    """
    a = features
    for k, (weight, bias) in enumerate(layers):
        if (*bias.shape, a.shape[0]) != weight.shape or not weight.dtype == bias.dtype == a.dtype:
            raise InvalidArgumentError(
                f"layer {k} takes weights of shape (units, {a.shape[0]}) and biases of shape (units,) in {a.dtype}, got "
                f"{tuple(weight.shape)}, {weight.dtype} and {tuple(bias.shape)}, {bias.dtype}"
            )
        z = (weight @ a.reshape(a.shape[0], -1)).view(weight.shape[0], *a.shape[1:])
        if kept is not None:
            kept.append((a, z))
        if k < len(layers) - 1:
            a = torch.ops.hermite_pinn.activate(z, bias, omega, name, plan_key)
        else:
            a = torch.cat([z[:, :1] + bias[:, None, None], z[:, 1:]], 1)
    return a


def layered_adjoint(
    weights: torch.Tensor,
    kept: Sequence[tuple[torch.Tensor, torch.Tensor]],
    layers: Sequence[tuple[torch.Tensor, torch.Tensor]],
    omega: float,
    name: str,
    plan_key: str,
) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Derivatives of a weighted sum of the outputs of :func:`layered`; not differentiable.

    Parameters
    ----------
    weights
        Of the outputs, (outputs, channels, n).
    kept
        From :func:`layered`.

    Returns
    -------
    list of torch.Tensor, torch.Tensor
        Per layer those by its matrix product, (out, channels, n), and those by the features, (inputs, channels, n).
        The derivative by the weights of a layer is the product of the former with the input of the layer, transposed;
        that by its bias the sum of the value channel.
    """
    signal = weights
    signals = [signal]
    for (weight, _), (_, z), (_, bias) in zip(layers[:0:-1], kept[-2::-1], layers[-2::-1], strict=True):
        by_input = (weight.T @ signal.reshape(signal.shape[0], -1)).view(-1, *signal.shape[1:])
        signal = torch.ops.hermite_pinn.activate_adjoint(z, bias, by_input, omega, name, plan_key)
        signals.append(signal)
    by_features = (layers[0][0].T @ signal.reshape(signal.shape[0], -1)).view(-1, *signal.shape[1:])
    return signals[::-1], by_features


@lru_cache(maxsize=256)
def _source(operation: str, shape: Shape, name: str, key: str, dtype: torch.dtype, language: str) -> str:
    defines, tables = definitions(name, key, dtype)
    tiling = _tiling(shape, json.loads(key)[0], dtype, language)
    assert tiling is not None
    sizes = dict(zip(("INPUTS", "WIDTH", "DEPTH", "OUTPUTS"), astuple(shape), strict=True))
    cut = dict(zip(("ROWS", "COLUMNS", "SIDE", "POINTS", "THREADS"), astuple(tiling), strict=True))
    defines |= {f"HP_{k}": v for k, v in (sizes | cut).items()} | {"HP_OPERATION": f"network_{operation}"}
    return assembled(f"network/siren.{language}", defines, tables)


def _run(
    operation: str,
    features: torch.Tensor,
    parameters: torch.Tensor,
    weights: torch.Tensor | None,
    out: torch.Tensor,
    omega: float,
    description: tuple[Shape, str, str],
) -> torch.Tensor | None:
    """Fill ``out``; of the adjoint return the gradient by the parameters."""
    shape, name, key = description
    n, language = features.shape[2], "cu" if features.is_cuda else "cpp"
    source = _source(operation, shape, name, key, features.dtype, language)
    tiling = _tiling(shape, json.loads(key)[0], features.dtype, language)
    assert tiling is not None
    tiles, threads = -(-n // tiling.points), torch.get_num_threads()
    parts = tiles
    if operation == "adjoint":
        parts = min(tiles, PARTS if features.is_cuda else threads)
    elif not features.is_cuda:
        parts = min(tiles, 8 * threads)
    sums = features.new_empty(parts, parameters.numel()) if operation == "adjoint" else None
    if parts:
        hidden = _stored(parameters, shape)[:-1]
        turned = torch.cat([w.t().reshape(-1) for w in hidden])
        tensors = (features, parameters, turned, weights, out, sums)
        if features.is_cuda:
            grid = (parts, 1)
            arguments = (n, *tensors, float(omega))
            device.start(source, "hp_siren", features.device.index, grid, arguments, tiling.threads)
        else:
            call = host.function(source, "hp_siren", "lppppppdli")
            call(n, *(host.address(t) for t in tensors), omega, parts, threads)
    return None if sums is None else sums.sum(0)


def _stored(parameters: torch.Tensor, shape: Shape) -> list[torch.Tensor]:
    """Weights of every layer as stored."""
    weights, at = [], 0
    for _, _, rows, columns in shape.sizes:
        weights.append(parameters[at : at + rows * columns].view(rows, columns))
        at += rows * columns + rows
    return weights


@lru_cache(maxsize=256)
def _counts(shape: Shape, key: str, dtype: torch.dtype, language: str) -> tuple[int, int]:
    """Numbers of all parameters as stored, and of channels; an error where there are no kernels for such a network."""
    channels = int(json.loads(key)[0])
    known = dtype in REALS and min(astuple(shape)) >= 1 and max(shape.width, shape.inputs) <= MAX_WIDTH
    if not known or shape.outputs > MOST_OUTPUTS or _tiling(shape, channels, dtype, language) is None:
        raise InvalidArgumentError(f"no kernel is for {shape} with {channels} channels in {dtype}; use fused=None")
    return sum(rows * columns + rows for _, _, rows, columns in shape.sizes), channels


def _check(
    features: torch.Tensor, parameters: torch.Tensor, weights: torch.Tensor | None, shape: Shape, omega: float, key: str
) -> None:
    """Refuse operands that do not fit together; see :func:`.require`."""
    dtype, place = features.dtype, features.device
    count, channels = _counts(shape, key, dtype, "cu" if features.is_cuda else "cpp")
    require("features", features, (shape.inputs, channels, *features.shape[2:3]), dtype, place)
    require("parameters", parameters, (count,), dtype, place)
    if weights is not None:
        require("weights", weights, (shape.outputs, *features.shape[1:]), dtype, place)
    if not math.isfinite(omega):
        raise InvalidArgumentError(f"omega must be finite, got {omega}")


@operation("siren")
def _siren(
    features: torch.Tensor, parameters: torch.Tensor, sizes: list[int], omega: float, name: str, plan_key: str
) -> torch.Tensor:
    shape, features, parameters = Shape(*sizes), features.contiguous(), device.readable(parameters)
    _check(features, parameters, None, shape, omega, plan_key)
    out = features.new_empty(shape.outputs, *features.shape[1:])
    _run("forward", features, parameters, None, out, omega, (shape, name, plan_key))
    return out


@_siren.register_fake
def _(
    features: torch.Tensor, parameters: torch.Tensor, sizes: list[int], omega: float, name: str, plan_key: str
) -> torch.Tensor:
    return features.new_empty(sizes[3], *features.shape[1:])


@operation("siren_adjoint")
def _siren_adjoint(
    features: torch.Tensor,
    parameters: torch.Tensor,
    weights: torch.Tensor,
    sizes: list[int],
    omega: float,
    name: str,
    plan_key: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    tensors = features.contiguous(), device.readable(parameters), weights.contiguous()
    shape = Shape(*sizes)
    _check(*tensors, shape, omega, plan_key)
    out = torch.empty_like(tensors[0])
    sums = _run("adjoint", *tensors, out, omega, (shape, name, plan_key))
    assert sums is not None
    return out, sums


@_siren_adjoint.register_fake
def _(
    features: torch.Tensor,
    parameters: torch.Tensor,
    weights: torch.Tensor,
    sizes: list[int],
    omega: float,
    name: str,
    plan_key: str,
) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.empty_like(features), torch.empty_like(parameters)


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    features, parameters, *ctx.rest, ctx.plan_key = inputs
    ctx.save_for_backward(features, parameters)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    features, parameters = ctx.saved_tensors
    sizes, omega, name = ctx.rest
    if not torch.is_grad_enabled():
        gradients: Sequence[torch.Tensor | None] = _siren_adjoint(
            features, parameters, grad, sizes, omega, name, ctx.plan_key
        )
    else:  # a loss on gradients: rare, so layer by layer, by operations that are differentiable again
        with torch.enable_grad():
            inputs = [t if t.requires_grad else t.detach().requires_grad_() for t in (features, parameters)]
            out = layered(inputs[0], _layers(inputs[1], Shape(*sizes)), omega, name, ctx.plan_key)
            gradients = torch.autograd.grad(out, inputs, grad, create_graph=True, allow_unused=True)
    return (*gradients, None, None, None, None)


_siren.register_autograd(_backward, setup_context=_save)


def fused_jets(
    features: torch.Tensor, parameters: torch.Tensor, shape: Shape, omega: float, name: str, plan: JetPlan
) -> torch.Tensor:
    """Jets of a network's outputs from jets of its inputs, in one kernel.

    Parameters
    ----------
    features
        (inputs, channels, n), channels as in ``plan.carried``; float32 or float64.
    parameters
        :func:`flat_parameters`.
    shape
        Sizes of the network, which :func:`fits` must accept.
    omega, name
        Frequency and activation, as for :func:`hermite_pinn.cuda.network.activation.activate`.

    Returns
    -------
    torch.Tensor
        (outputs, channels, n).  Differentiable in ``features`` and ``parameters``: the first derivatives by one kernel
        that computes the activations again, higher ones layer by layer.  Sums over the points have a fixed order for
        a number of threads on a CPU, and always on a GPU.

    Examples
    --------
    >>> from hermite_pinn.cuda.encoder.channels import Channels
    >>> w, b = [torch.eye(1), torch.full((1, 1), 2.0)], [torch.zeros(1), torch.ones(1)]
    >>> x = torch.tensor([[[0.0], [1.0]]])  # x = 0 with derivative 1
    >>> plan = JetPlan.of(Channels.jet(1, 1))
    >>> fused_jets(x, flat_parameters(w, b), Shape.of(w), 1.0, "sine", plan).ravel()  # 2 sin(x) + 1
    tensor([1., 2.])
    """
    return _siren(features, parameters, list(astuple(shape)), omega, name, plan.key)
