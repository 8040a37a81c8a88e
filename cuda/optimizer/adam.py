"""Adam, bounds and a moving average in one pass over a tensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.source import BLOCK, REALS, assembled
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["AdamRule", "adam_step"]

PAIR = torch.Size((2,))


@dataclass(frozen=True)
class AdamRule:
    """Constants of an update.

    Attributes
    ----------
    beta1, beta2
        Decay of the first and second moments.
    epsilon
        Added to the root of the second moment.
    share
        Part of the new parameter in the moving average, one minus its decay; the average is left alone where there is
        none.
    lower, upper
        Bounds of the parameter.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    share: float = 0.0
    lower: float = -math.inf
    upper: float = math.inf

    def scalars(self, t: int, rate: float) -> tuple[float, float]:
        """What changes with step ``t = 1, 2, ...`` of learning rate ``rate``: the two numbers of :func:`adam_step`.

        Examples
        --------
        >>> AdamRule(beta1=0.5, beta2=0.75).scalars(1, 0.1)
        (0.2, 0.5)
        """
        return rate / (1.0 - self.beta1**t), math.sqrt(1.0 - self.beta2**t)


@lru_cache(maxsize=8)
def _source(dtype: torch.dtype, language: str) -> str:
    return assembled(f"optimizer/adam.{language}", {"HP_REAL": REALS[dtype], "HP_BLOCK": BLOCK})


def _fit(
    parameter: torch.Tensor,
    gradient: torch.Tensor,
    moments: tuple[torch.Tensor, torch.Tensor],
    average: torch.Tensor | None,
    scalars: torch.Tensor,
) -> bool:
    """What :func:`_check` asks of tensors, and that the gradient is contiguous, in the shortest way."""
    first, second = moments
    shape, dtype, place = parameter.shape, parameter.dtype, parameter.device
    if not parameter.is_contiguous():
        return False
    for t in (first, second, gradient) if average is None else (first, second, gradient, average):
        if t.dtype is not dtype or t.shape != shape or t.device != place or not t.is_contiguous():
            return False
    return scalars.dtype is torch.float64 and scalars.shape == PAIR and scalars.device == place


def _check(
    parameter: torch.Tensor,
    gradient: torch.Tensor,
    moments: tuple[torch.Tensor, torch.Tensor],
    average: torch.Tensor | None,
    scalars: torch.Tensor,
    live: int,
    reach: int,
) -> None:
    """Refuse operands that do not fit together; see :func:`.require`."""
    dtype = parameter.dtype
    if dtype not in REALS or not 0 <= live <= reach <= parameter.numel():
        raise InvalidArgumentError(
            f"Adam moves float32 or float64 numbers, of which 0 <= live <= reach <= {parameter.numel()}; got {dtype}, "
            f"live={live} and reach={reach}"
        )
    if _fit(parameter, gradient, moments, average, scalars):
        return
    shape, place = parameter.shape, parameter.device
    require("the parameter", parameter, shape, dtype, place)
    require("the first moment", moments[0], shape, dtype, place)
    require("the second moment", moments[1], shape, dtype, place)
    if average is not None:
        require("the average", average, shape, dtype, place)
    if gradient.shape != shape or gradient.dtype is not dtype or gradient.device != place:
        require("the gradient", gradient, shape, dtype, place)
    require("scalars", scalars, (2,), torch.float64, place)


def adam_step(
    parameter: torch.Tensor,
    gradient: torch.Tensor,
    moments: tuple[torch.Tensor, torch.Tensor],
    average: torch.Tensor | None,
    scalars: torch.Tensor,
    rule: AdamRule,
    live: int | None = None,
    reach: int | None = None,
) -> None:
    """Update a parameter, its moments and its moving average in place, in one kernel.

    Nothing waits for the device, and what changes from step to step is read there, so that the launch can be recorded
    in a CUDA graph.

    Parameters
    ----------
    parameter, gradient, moments, average
        Of one shape and dtype, contiguous; ``average`` may be None.
    scalars
        (2,), float64, on the same device: :meth:`AdamRule.scalars` of this step.
    live
        The gradient of all numbers from this one on counts as zero and is not read; None: of none.
    reach
        Numbers from this one on are left alone; None: none.  Exact where gradients have always been zero.

    Examples
    --------
    >>> p, m, v = torch.ones(2), torch.zeros(2), torch.zeros(2)
    >>> rule = AdamRule()
    >>> now = torch.tensor(rule.scalars(1, 0.5), dtype=torch.float64)
    >>> adam_step(p, torch.tensor([3.0, -2.0]), (m, v), None, now, rule)
    >>> p
    tensor([0.5000, 1.5000])
    """
    n = parameter.numel() if reach is None else reach
    live = n if live is None else min(live, n)
    _check(parameter, gradient, moments, average, scalars, live, n)
    if n == 0:
        return
    first, second, changed = *moments, [parameter, *moments] + ([] if average is None else [average])
    if not (parameter.is_cuda or host.available()):
        p, m, v = (t.detach().view(-1)[:n] for t in (parameter, *moments))
        g = torch.cat([gradient.detach().reshape(-1)[:live], p.new_zeros(n - live)])
        rate, root = scalars.to(p.dtype)
        m.add_(g - m, alpha=1 - rule.beta1)
        v.add_(g * g - v, alpha=1 - rule.beta2)
        p.sub_(rate * m / (v.sqrt() / root + rule.epsilon)).clamp_(rule.lower, rule.upper)
        if average is not None:
            average.view(-1)[:n].lerp_(p, rule.share)
        return
    numbers = [float(v) for v in (1 - rule.beta1, 1 - rule.beta2, rule.epsilon, rule.lower, rule.upper, rule.share)]
    gradient = gradient.contiguous()
    tensors = (parameter, gradient, first, second, average, scalars)
    if parameter.is_cuda:
        grid = (-(-n // BLOCK), 1)
        device.start(
            _source(parameter.dtype, "cu"), "hp_adam", parameter.device.index, grid, (n, live, *tensors, *numbers)
        )
    else:
        call = host.function(_source(parameter.dtype, "cpp"), "hp_adam", "llppppppddddddi")
        call(n, live, *(host.address(t) for t in tensors), *numbers, torch.get_num_threads())
    for t in changed:
        torch.autograd.graph.increment_version(t)
