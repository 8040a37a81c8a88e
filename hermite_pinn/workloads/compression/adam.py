"""Adam for tensors that are trained in place, with a state that can be kept between runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step
from hermite_pinn.errors import CorruptFileError

__all__ = ["Adam"]

RULE = AdamRule(beta1=0.9, beta2=0.99, epsilon=1e-12)


class Adam:
    """Adam.

    Parameters
    ----------
    leaves
        Contiguous tensors; changed in place.
    rates
        Of every one.

    Examples
    --------
    >>> leaf = torch.ones(2)
    >>> Adam([leaf], [0.5]).step([torch.tensor([3.0, -2.0])], 1.0)
    >>> leaf
    tensor([0.5000, 1.5000])
    """

    def __init__(self, leaves: Sequence[Tensor], rates: Sequence[float]) -> None:
        self.leaves, self.rates, self.steps = tuple(leaves), tuple(rates), 0
        self.moments = [(torch.zeros_like(leaf), torch.zeros_like(leaf)) for leaf in self.leaves]

    def step(self, gradients: Sequence[Tensor | None], fall: float) -> None:
        """Move all leaves that have a gradient, with all rates times a factor."""
        self.steps += 1
        for leaf, gradient, moments, rate in zip(self.leaves, gradients, self.moments, self.rates, strict=True):
            if gradient is not None:
                now = torch.tensor(RULE.scalars(self.steps, rate * fall), dtype=torch.float64)
                adam_step(leaf, gradient.contiguous(), moments, None, now, RULE)

    # -- between runs ---
    def state(self) -> dict[str, Tensor]:
        """Leaves and moments by name."""
        rows = zip(self.leaves, self.moments, strict=True)
        return {
            f"{k}.{name}": tensor
            for k, (leaf, moments) in enumerate(rows)
            for name, tensor in zip(("leaf", "first", "second"), (leaf, *moments), strict=True)
        }

    def restore(self, steps: int, state: Mapping[str, Tensor]) -> None:
        """Continue from :meth:`state`.

        Raises
        ------
        CorruptFileError
            If its tensors are others.
        """
        own = self.state()
        if set(own) != set(state) or any(own[k].shape != state[k].shape or own[k].dtype != state[k].dtype for k in own):
            raise CorruptFileError("the checkpoint is damaged: its numbers and moments do not fit the field")
        for name, tensor in own.items():
            tensor.copy_(state[name])
        self.steps = steps
