"""Second-order jets through an elementwise activation, as differentiable PyTorch operations.

With ``z_0`` the value and ``z_c`` a derivative channel of a hidden unit, ``a = s(omega z)`` has

    a_0 = s,    a_c = s' z_c + s'' sum_{(p, q, w) in pairs(c)} w z_p z_q

(first-order channels have no pairs; the Laplacian has one per axis: the forward Laplacian).  Forward and
adjoint are one fused kernel each; :func:`reference_forward` is the same in plain PyTorch and the truth for the tests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import torch

from hermite_pinn.cuda.encoder.channels import Channel, Channels
from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.registration import operation
from hermite_pinn.cuda.runtime.source import BLOCK, REALS, assembled
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["ACTIVATIONS", "JetPlan", "activate", "activate_adjoint", "reference_forward"]


def _logistic(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
    s = torch.sigmoid(z)
    d1 = s * (1 - s)
    d2 = d1 * (1 - 2 * s)
    return s, d1, d2, d2 * (1 - 2 * s) - 2 * d1 * d1


def _sine(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
    s, c = torch.sin(z), torch.cos(z)
    return s, c, -s, -c


def _tanh(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
    t = torch.tanh(z)
    d1 = 1 - t * t
    return t, d1, -2 * t * d1, d1 * (6 * t * t - 2)


def _silu(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
    s, d1, d2, d3 = _logistic(z)
    return z * s, s + z * d1, 2 * d1 + z * d2, 3 * d2 + z * d3


def _softplus(z: torch.Tensor) -> tuple[torch.Tensor, ...]:
    s, d1, d2, _ = _logistic(z)
    return torch.nn.functional.softplus(z), s, d1, d2


#: Activation by name: a function that returns its value and first three derivatives, and its struct in activation.cuh.
ACTIVATIONS: dict[str, tuple[Callable[[torch.Tensor], tuple[torch.Tensor, ...]], str]] = {
    "sine": (_sine, "sine"),
    "tanh": (_tanh, "tanh_"),
    "silu": (_silu, "silu"),
    "softplus": (_softplus, "softplus"),
}


@dataclass(frozen=True)
class JetPlan:
    """The channels a network must carry so that the requested ones can be formed.

    Attributes
    ----------
    carried
        Value first, then the first derivatives that are needed, then the requested channels of second order.
    pairs
        Products of first-order channels: ``(channel, p, q, weight)`` as indices into ``carried``.
    outputs
        Index into ``carried`` of every requested channel.

    Examples
    --------
    >>> plan = JetPlan.of(Channels.laplacian(2))
    >>> plan.carried, plan.outputs, plan.pairs
    (Channels(value, d0, d1, d00 + d11), (3,), ((3, 1, 1, 1.0), (3, 2, 2, 1.0)))
    """

    carried: Channels
    pairs: tuple[tuple[int, int, int, float], ...]
    outputs: tuple[int, ...]

    @classmethod
    def of(cls, channels: Channels) -> JetPlan:
        """Close a channel set under the chain rule.

        Raises
        ------
        InvalidArgumentError
            For derivatives beyond the second, or a sum of derivatives of different order.
        """
        return _closed(channels)

    def requested(self, jets: torch.Tensor) -> torch.Tensor:
        """Of carried jets (fields, carried, n) those asked for, (fields, requested, n)."""
        first, count = self.outputs[0], len(self.outputs)
        if self.outputs == tuple(range(first, first + count)):
            return jets[:, first : first + count]
        return torch.stack([jets[:, c] for c in self.outputs], 1)

    def spread(self, weights: torch.Tensor) -> torch.Tensor:
        """The transpose of :meth:`requested`: weights of carried jets from those of requested ones."""
        if self.outputs == tuple(range(len(self.carried))):
            return weights
        carried = weights.new_zeros(len(weights), len(self.carried), *weights.shape[2:])
        for place, c in enumerate(self.outputs):
            carried[:, c] += weights[:, place]
        return carried

    @cached_property
    def key(self) -> str:
        """What the kernels depend on, as a string."""
        return json.dumps([len(self.carried), self.pairs])


@lru_cache(maxsize=256)
def _closed(channels: Channels) -> JetPlan:
    dim = channels.dim
    firsts: set[int] = set()
    for channel in channels.channels:
        if len({sum(orders) for _, orders in channel}) != 1 or sum(channel[0][1]) > 2:
            raise InvalidArgumentError(
                f"a network carries derivatives up to the second, and channels of one order each; got {Channels(dim, (channel,))}"
            )
        firsts.update(i for _, orders in channel for i in range(dim) if orders[i])
    axes = sorted(firsts)
    unit = [tuple(int(i == j) for j in range(dim)) for i in range(dim)]
    carried: list[Channel] = [((1.0, (0,) * dim),)]
    carried += [((1.0, unit[i]),) for i in axes]
    pairs: list[tuple[int, int, int, float]] = []
    outputs: list[int] = []
    for channel in channels.channels:
        if channel not in carried:
            carried.append(channel)
            if sum(channel[0][1]) == 2:
                for weight, orders in channel:
                    p, q = (i for i in range(dim) for _ in range(orders[i]))
                    pairs.append((len(carried) - 1, 1 + axes.index(p), 1 + axes.index(q), weight))
        outputs.append(carried.index(channel))
    return JetPlan(Channels(dim, tuple(carried)), tuple(pairs), tuple(outputs))


@lru_cache(maxsize=256)
def _pairs(key: str) -> tuple[int, tuple[tuple[int, int, int, float], ...]]:
    channels, pairs = json.loads(key)
    return channels, tuple((c, p, q, w) for c, p, q, w in pairs)


def definitions(name: str, key: str, dtype: torch.dtype) -> tuple[dict[str, str | int], str]:
    """Constants that ``activation.cuh`` needs, and its table of pairs."""
    channels, pairs = _pairs(key)
    entries = ", ".join(f"{{{c}, {p}, {q}, {w!r}}}" for c, p, q, w in pairs) or "{0, 0, 0, 0.0}"
    tables = (
        "namespace hp {\nstruct pair { int channel, p, q; double weight; };\n"
        f"constexpr int PAIRS = {len(pairs)};\n"
        f"struct quadratic {{ static constexpr pair list[] = {{{entries}}}; }};\n}}\n"
    )
    defines: dict[str, str | int] = {
        "HP_REAL": REALS[dtype],
        "HP_CHANNELS": channels,
        "HP_ACTIVATION": ACTIVATIONS[name][1],
    }
    return defines, tables


@lru_cache(maxsize=256)
def _source(operation: str, name: str, key: str, dtype: torch.dtype, language: str) -> str:
    defines, tables = definitions(name, key, dtype)
    defines |= {"HP_OPERATION": operation, "HP_BLOCK": BLOCK}
    return assembled(f"network/activation.{language}", defines, tables)


def reference_forward(z: torch.Tensor, bias: torch.Tensor, omega: float, name: str, plan_key: str) -> torch.Tensor:
    """The jet of ``s(omega (z + bias))`` in plain PyTorch: ``z`` (units, channels, n), ``bias`` (units,)."""
    _, pairs = _pairs(plan_key)
    d = [omega**m * v for m, v in enumerate(ACTIVATIONS[name][0](omega * (z[:, 0] + bias[:, None])))]
    rows = [d[0]] + [d[1] * z[:, c] for c in range(1, z.shape[1])]
    for c, p, q, w in pairs:
        rows[c] = rows[c] + w * d[2] * z[:, p] * z[:, q]
    return torch.stack(rows, 1)


def _run(
    operation: str,
    z: torch.Tensor,
    bias: torch.Tensor,
    other: torch.Tensor | None,
    omega: float,
    name: str,
    plan_key: str,
) -> torch.Tensor:
    z, bias = z.contiguous(), bias.contiguous()
    other = z if other is None else other.contiguous()
    out = torch.empty_like(z)
    units, _, n = z.shape
    if z.numel() == 0:
        return out
    if z.is_cuda:
        source = _source(operation, name, plan_key, z.dtype, "cu")
        arguments = (units, n, z, bias, other, out, float(omega))
        device.start(source, "hp_activation", z.device.index, (-(-units * n // BLOCK), 1), arguments)
    else:
        call = host.function(_source(operation, name, plan_key, z.dtype, "cpp"), "hp_activation", "llppppdi")
        call(units, n, *(host.address(t) for t in (z, bias, other, out)), omega, torch.get_num_threads())
    return out


def _plain(z: torch.Tensor) -> bool:
    return not z.is_cuda and not host.available()


def _check(
    z: torch.Tensor, bias: torch.Tensor, other: torch.Tensor | None, omega: float, name: str, plan_key: str
) -> None:
    """Refuse operands that do not fit together; see :func:`.require`."""
    shape, dtype = z.shape, z.dtype
    if len(shape) != 3 or shape[1] != _pairs(plan_key)[0] or dtype not in REALS or name not in ACTIVATIONS:
        raise InvalidArgumentError(
            f"an activation of {', '.join(ACTIVATIONS)} takes float32 or float64 numbers of shape (units, {_pairs(plan_key)[0]}, n), "
            f"got {name!r}, {dtype} and {tuple(shape)}"
        )
    if not math.isfinite(omega):
        raise InvalidArgumentError(f"omega must be finite, got {omega}")
    if bias.shape != shape[:1] or bias.dtype is not dtype or bias.device != z.device:
        require("bias", bias, shape[:1], dtype, z.device)
    if other is not None and (other.shape != shape or other.dtype is not dtype or other.device != z.device):
        require("weights", other, shape, dtype, z.device)


@operation("activate")
def _activate(z: torch.Tensor, bias: torch.Tensor, omega: float, name: str, plan_key: str) -> torch.Tensor:
    _check(z, bias, None, omega, name, plan_key)
    if _plain(z):
        return reference_forward(z, bias, omega, name, plan_key)
    return _run("forward", z, bias, None, omega, name, plan_key)


@_activate.register_fake
def _(z: torch.Tensor, bias: torch.Tensor, omega: float, name: str, plan_key: str) -> torch.Tensor:
    return torch.empty_like(z)


@operation("activate_adjoint")
def _activate_adjoint(
    z: torch.Tensor, bias: torch.Tensor, weights: torch.Tensor, omega: float, name: str, plan_key: str
) -> torch.Tensor:
    _check(z, bias, weights, omega, name, plan_key)
    if _plain(z):
        return _reference_adjoint(z, bias, weights, omega, name, plan_key)
    return _run("adjoint", z, bias, weights, omega, name, plan_key)


@_activate_adjoint.register_fake
def _(
    z: torch.Tensor, bias: torch.Tensor, weights: torch.Tensor, omega: float, name: str, plan_key: str
) -> torch.Tensor:
    return torch.empty_like(z)


def _reference_adjoint(
    z: torch.Tensor, bias: torch.Tensor, weights: torch.Tensor, omega: float, name: str, plan_key: str
) -> torch.Tensor:
    """Transpose of the derivative of :func:`reference_forward` by ``z``; written out, as operations record no graph."""
    d = [omega**m * v for m, v in enumerate(ACTIVATIONS[name][0](omega * (z[:, 0] + bias[:, None])))]
    rows = [weights[:, c] * d[1] for c in range(z.shape[1])]
    rows[0] = rows[0] + d[2] * (weights[:, 1:] * z[:, 1:]).sum(1)
    for c, p, q, w in _pairs(plan_key)[1]:
        rows[0] = rows[0] + w * d[3] * weights[:, c] * z[:, p] * z[:, q]
        rows[p] = rows[p] + w * d[2] * weights[:, c] * z[:, q]
        rows[q] = rows[q] + w * d[2] * weights[:, c] * z[:, p]
    return torch.stack(rows, 1)


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    *tensors, ctx.omega, ctx.name, ctx.plan_key = inputs
    ctx.save_for_backward(*tensors)


def _activate_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    z, bias = ctx.saved_tensors
    by_z = _activate_adjoint(z, bias, grad, ctx.omega, ctx.name, ctx.plan_key)
    return by_z, by_z[:, 0].sum(1) if ctx.needs_input_grad[1] else None, None, None, None


def _activate_adjoint_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    # second order in the activation: rare (a loss on gradients taken by autograd), so in plain PyTorch
    graph = torch.is_grad_enabled()  # for a third derivative the tensors must stay in the graph they come from
    saved = [t if graph and t.requires_grad else t.detach().requires_grad_() for t in ctx.saved_tensors]
    with torch.enable_grad():
        z, bias, weights = saved
        out = _reference_adjoint(z, bias, weights, ctx.omega, ctx.name, ctx.plan_key)
        gradients = torch.autograd.grad(out, saved, grad, create_graph=graph, allow_unused=True)
    return (*gradients, None, None, None)


_activate.register_autograd(_activate_backward, setup_context=_save)
_activate_adjoint.register_autograd(_activate_adjoint_backward, setup_context=_save)


def activate(z: torch.Tensor, bias: torch.Tensor, omega: float, name: str, plan: JetPlan) -> torch.Tensor:
    """Jet of ``s(omega (z + bias))``.

    Parameters
    ----------
    z
        (units, channels, n), channels as in ``plan.carried``.
    bias
        (units,), added to the value channel.
    omega
        Frequency inside the activation.
    name
        Key of :data:`ACTIVATIONS`.

    Returns
    -------
    torch.Tensor
        Same shape.  Differentiable in ``z`` and ``bias``.
    """
    return _activate(z, bias, omega, name, plan.key)


def activate_adjoint(
    z: torch.Tensor, bias: torch.Tensor, weights: torch.Tensor, omega: float, name: str, plan: JetPlan
) -> torch.Tensor:
    """Gradient of ``sum(weights * activate(z, bias, ...))`` with respect to ``z``."""
    return _activate_adjoint(z, bias, weights, omega, name, plan.key)
