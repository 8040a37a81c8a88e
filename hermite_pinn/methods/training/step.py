"""One step of first-order training as a program for the device: it never waits, and no shape depends on the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import torch

from hermite_pinn.run.distributed import ALONE, Ranks

from .loss import Loss
from .options import FirstOrderOptions
from .updates import Span, Update

__all__ = ["TrainingStep", "Variant"]

WINDOW = 128  # steps whose numbers are sent to the device together


class Variant(NamedTuple):
    """What differs between steps, as far as the sequence of kernels depends on it.

    Attributes
    ----------
    live
        Levels of the tables whose gradients count.
    reach
        Levels that have ever had a gradient.
    balance
        Whether the weights are balanced.
    """

    live: int
    reach: int
    balance: bool


class TrainingStep:
    """Batch, losses, gradients and updates, in place on tensors that stay where they are.

    What changes from step to step by plan (learning rates) is sent ahead for many steps and chosen on the device by a
    counter; what the host may want to know (the losses, the first step whose loss was not finite) is left in tensors
    for it to read when it likes.

    Parameters
    ----------
    loss
        What is minimised.
    options
        Of the method.
    generator
        Random numbers of the batches.
    tensors
        Trained tensors, by name.
    updates
        How they move; each tensor belongs to one.
    ranks
        The processes that share the run.

    Attributes
    ----------
    names
        Of the losses, in the order of ``values``.
    factors
        (names,), float64: weight of every loss in the sum.
    values, total
        The losses and their weighted sum in the last step.
    first_bad, bad_values
        Steps done before the first whose total was not finite, or -1, and the losses of that step.
    """

    def __init__(
        self,
        loss: Loss[Any],
        options: FirstOrderOptions,
        generator: torch.Generator,
        tensors: Mapping[str, torch.Tensor],
        updates: Sequence[Update],
        ranks: Ranks = ALONE,
    ) -> None:
        self.loss, self.options, self.generator, self.ranks = loss, options, generator, ranks
        self.tensors, self.updates = dict(tensors), list(updates)
        self.device = generator.device
        self.names = list(loss.names)
        device, wide = self.device, torch.float64
        dtype = reduce(torch.promote_types, (v.dtype for v in self.tensors.values()))
        self.factors = torch.ones(len(self.names), dtype=wide, device=device)
        for name in loss.weighted:
            self.factors[self.names.index(name)] = options.weight
        self.values = torch.zeros(len(self.names), dtype=dtype, device=device)
        self.total = torch.zeros((), dtype=dtype, device=device)
        self.bad_values = torch.zeros_like(self.values)
        self.first_bad = torch.full((), -1, dtype=torch.int64, device=device)
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._rows = torch.zeros(WINDOW, sum(u.columns for u in self.updates), dtype=wide, device=device)
        self._left = 0

    @property
    def obstacles(self) -> list[str]:
        """Why a step cannot be recorded in a CUDA graph; empty if it can."""
        reasons = [u.obstacle for u in self.updates if u.obstacle is not None]
        if self.ranks.size > 1:
            reasons.append("several processes share the run")
        return [*reasons, *self.loss.obstacles]

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every loss that has one; waits for the device."""
        factors = dict(zip(self.names, self.factors.tolist(), strict=True))
        return {k: factors[k] for k in self.loss.weighted}

    @weights.setter
    def weights(self, weights: Mapping[str, float]) -> None:
        for k, w in weights.items():
            self.factors[self.names.index(k)] = w

    def prepare(self, step: int, done: int) -> None:
        """Called on the host before step number ``step``, when ``done`` steps are done, those of the warm-up included.

        Sends what the plan says about the next steps if it is not there yet.
        """
        for u in self.updates:
            u.announce(self.options.rate(step))
        if self._left == 0:
            rows = [
                [x for u in self.updates for x in u.numbers(done + 1 + k, self.options.rate(step + k))]
                for k in range(WINDOW)
            ]
            sent = torch.tensor(rows, dtype=torch.float64).view(self._rows.shape)
            if self.device.type == "cuda":
                sent = sent.pin_memory()
            self._rows.copy_(sent, non_blocking=True)
            self._place.zero_()
            self._count.fill_(done)
            self._left = WINDOW
        self._left -= 1

    def __call__(self, variant: Variant) -> None:
        """Do a step."""
        losses = self.loss.losses(self.tensors, self.loss.draw(self.generator))
        values = torch.stack([losses[k] for k in self.names])
        with torch.no_grad():
            if variant.balance:
                self._balance(losses)
            factors = self.factors.to(values.dtype)
        total = (values * factors).sum()
        gradients = self._gradients([total])
        with torch.no_grad():
            if self.ranks.size > 1:
                values = self.ranks.add(values.detach().clone())
                total = (values * factors).sum()
            self._note(values, total)
            known = {k: g for k, g in zip(self.tensors, gradients, strict=True) if g is not None}
            self._move(known, self._spans(variant))
            self._count.add_(1)
            self._place.add_(1)

    def _spans(self, variant: Variant) -> dict[str, Span]:
        """The part of every table that has a gradient, and that which moves."""
        spans = {}
        for name, levels in self.loss.tables.items():
            ends = [part.start for part in levels] + [self.tensors[name].numel()]
            spans[name] = (ends[min(variant.live, len(levels))], ends[min(variant.reach, len(levels))])
        return spans

    def _note(self, values: torch.Tensor, total: torch.Tensor) -> None:
        bad = ~torch.isfinite(total) & (self.first_bad < 0)
        self.first_bad.copy_(torch.where(bad, self._count, self.first_bad))
        self.bad_values.copy_(torch.where(bad, values, self.bad_values))
        self.values.copy_(values)
        self.total.copy_(total)

    def _move(self, gradients: Mapping[str, torch.Tensor], spans: Mapping[str, Span]) -> None:
        row, start = self._rows.index_select(0, self._place)[0], 0
        for u in self.updates:
            u.apply(gradients, row[start : start + u.columns], spans)
            start += u.columns

    def _balance(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Move each weight by a tenth towards the ratio of the gradient norms, where that is a number."""
        weighted = self.loss.weighted
        others = self._gradient_norm([v for k, v in losses.items() if k not in weighted])
        for names in [weighted] if self.options.shared_weight else [[k] for k in weighted]:
            ratio = others / self._gradient_norm([losses[k] for k in names])
            usable = torch.isfinite(ratio) & (ratio > 0)
            for k in names:
                weight = self.factors[self.names.index(k)]
                moved = (0.9 * weight + 0.1 * ratio).clamp(min=1.0).clamp(max=self.options.weight_cap)
                weight.copy_(torch.where(usable, moved, weight))

    def _gradients(self, losses: Sequence[torch.Tensor], retain_graph: bool = False) -> list[torch.Tensor | None]:
        """Gradients of the sum of losses by all tensors, over all processes."""
        tensors = list(self.tensors.values())
        gradients = torch.autograd.grad(losses, tensors, retain_graph=retain_graph, allow_unused=True)
        return [None if g is None else self.ranks.add(g.contiguous()) for g in gradients]

    def _gradient_norm(self, losses: Sequence[torch.Tensor]) -> torch.Tensor:
        gradients = self._gradients(losses, retain_graph=True)
        norms = [torch.linalg.vector_norm(g, dtype=torch.float64) for g in gradients if g is not None]
        return torch.linalg.vector_norm(torch.stack(norms))
