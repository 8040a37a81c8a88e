"""Adam on groups of parameters, with updates that a curriculum may scale."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step
from hermite_pinn.errors import CorruptFileError

from .model import ParameterGroup

__all__ = ["Optimizer"]

RULE = AdamRule(beta1=0.9, beta2=0.99, epsilon=1e-15)

#: Factors of the updates of a number of levels; None: all are one.
Factors = Callable[[int], Sequence[float] | None]


class Optimizer:
    """Adam with the constants of Instant-NGP.

    Parameters
    ----------
    groups
        What is trained.

    Attributes
    ----------
    steps
        That were taken.
    """

    def __init__(self, groups: Sequence[ParameterGroup]) -> None:
        self.groups = tuple(groups)
        self.steps = 0
        self.moments = [
            [(torch.zeros_like(p, requires_grad=False), torch.zeros_like(p, requires_grad=False)) for p in g.parameters]
            for g in self.groups
        ]

    def zero(self) -> None:
        """Forget gradients."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None

    def finite(self) -> bool:
        """Whether all gradients are."""
        return _finite(p.grad for g in self.groups for p in g.parameters if p.grad is not None)

    def sound(self) -> bool:
        """Whether all parameters are finite."""
        return _finite(p.detach() for g in self.groups for p in g.parameters)

    @torch.no_grad()
    def step(self, factors: Mapping[str, float], scaled: Factors | None = None) -> None:
        """Update all parameters that have gradients.

        Parameters
        ----------
        factors
            Of the learning rate, by group.
        scaled
            Factors of the updates of levels; what they do to Adam's moments is nothing.
        """
        self.steps += 1
        for group, moments in zip(self.groups, self.moments, strict=True):
            rate = group.rate * factors[group.name]
            parts = scaled(len(group.levels)) if scaled is not None and group.levels else None
            for parameter, pair in zip(group.parameters, moments, strict=True):
                if parameter.grad is None:
                    continue
                gradient = parameter.grad.contiguous()
                if group.decay:
                    gradient = gradient.add(parameter, alpha=group.decay)
                if parts is None:
                    self._move(parameter.detach(), gradient, pair, rate)
                    continue
                for part, factor in zip(group.levels, parts, strict=True):
                    own = (pair[0][part], pair[1][part])
                    self._move(parameter.detach()[part], gradient[part], own, rate * factor)

    def _move(self, parameter: Tensor, gradient: Tensor, moments: tuple[Tensor, Tensor], rate: float) -> None:
        now = torch.tensor(RULE.scalars(self.steps, rate), dtype=torch.float64).to(parameter.device)
        adam_step(parameter, gradient, moments, None, now, RULE)

    # -- between runs ---
    def state(self) -> dict[str, Tensor]:
        """Moments by name."""
        return {
            f"{group.name}.{k}.{which}": moment
            for group, moments in zip(self.groups, self.moments, strict=True)
            for k, pair in enumerate(moments)
            for which, moment in zip(("first", "second"), pair, strict=True)
        }

    def restore(self, steps: int, state: Mapping[str, Tensor]) -> None:
        """Continue from :meth:`state`.

        Raises
        ------
        CorruptFileError
            If moments do not fit the parameters.
        """
        own = self.state()
        if set(own) != set(state) or any(own[k].shape != state[k].shape or own[k].dtype != state[k].dtype for k in own):
            raise CorruptFileError("the checkpoint is damaged: its moments of Adam do not fit the parameters")
        for name, moment in own.items():
            moment.copy_(state[name])
        self.steps = steps


def _finite(tensors: Iterable[Tensor]) -> bool:
    # a sum without NaN or infinity has none, in one pass; one with some may have become large on the way
    return all(bool(torch.isfinite(t.sum())) or bool(torch.isfinite(t).all()) for t in tensors)
