"""Rules that move tensors along their gradients: Adam in one kernel per tensor, and optimisers of libraries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch

from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step
from hermite_pinn.schema import Entry

from .optimizer_state import packed, unpacked
from .saved_state import check_optimizer

__all__ = ["AdamUpdate", "LibraryUpdate", "Span", "Trained", "Update"]

T = TypeVar("T")

#: (live, reach) of a tensor: from ``live`` on its gradient counts as zero, from ``reach`` on it is left alone.
Span = tuple[int | None, int | None]


@dataclass(frozen=True)
class Trained:
    """What is trained, by name.

    Attributes
    ----------
    tensors
        Moved in place.
    averages
        Moving averages of tensors, moved along; empty for none.
    bounds
        Of tensors that have some.
    networks
        Names of the weights and biases of networks.
    """

    tensors: Mapping[str, torch.Tensor]
    averages: Mapping[str, torch.Tensor] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    networks: Collection[str] = ()

    def only(self, names: Collection[str]) -> Trained:
        """The part of some names."""
        networks = [name for name in self.networks if name in names]
        return Trained(_only(self.tensors, names), _only(self.averages, names), _only(self.bounds, names), networks)


def _only(items: Mapping[str, T], names: Collection[str]) -> dict[str, T]:
    return {k: v for k, v in items.items() if k in names}


class Update(ABC):
    """A rule for some tensors.

    Parameters
    ----------
    trained
        What it moves.
    ema
        Part of itself that an average keeps in every step.

    Attributes
    ----------
    columns
        Numbers per step that :meth:`numbers` gives and :meth:`apply` reads on the device.
    obstacle
        Why a step of this rule cannot be recorded in a CUDA graph; None if it can.
    """

    columns = 0
    obstacle: str | None = None

    def __init__(self, trained: Trained, ema: float) -> None:
        self.tensors, self.averages, self.ema = dict(trained.tensors), dict(trained.averages), ema

    def numbers(self, t: int, rate: float) -> list[float]:
        """Numbers of step ``t = 1, 2, ...`` with learning rate ``rate``."""
        return []

    def announce(self, rate: float) -> None:
        """Called on the host before every step with its learning rate."""
        return

    @abstractmethod
    def apply(self, gradients: Mapping[str, torch.Tensor], scalars: torch.Tensor, spans: Mapping[str, Span]) -> None:
        """Move the tensors that have a gradient, and their averages.

        Parameters
        ----------
        gradients
            By name of the tensor.
        scalars
            (columns,), float64, on the device: :meth:`numbers` of this step.
        spans
            Parts of tensors to move, by name; others move whole.
        """

    @abstractmethod
    def state(self, tensors: dict[str, torch.Tensor], name: str) -> Any:
        """What the rule remembers as plain data; tensors go to ``tensors`` under names that begin with ``name``."""

    @abstractmethod
    def restore(self, saved: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Inverse of :meth:`state`."""


class AdamUpdate(Update):
    """Adam with bounds and moving average, everything in one pass over each tensor; see :class:`Update`."""

    columns = 2

    def __init__(self, trained: Trained, ema: float) -> None:
        super().__init__(trained, ema)
        self.moments = {k: (torch.zeros_like(v), torch.zeros_like(v)) for k, v in self.tensors.items()}
        self._rule = rule = AdamRule(share=1.0 - ema)
        bounded = {k: replace(rule, lower=lower, upper=upper) for k, (lower, upper) in trained.bounds.items()}
        self._rules = dict.fromkeys(self.tensors, rule) | bounded

    def numbers(self, t: int, rate: float) -> list[float]:
        """Step length and root of the second moment's correction."""
        return list(self._rule.scalars(t, rate))

    def apply(self, gradients: Mapping[str, torch.Tensor], scalars: torch.Tensor, spans: Mapping[str, Span]) -> None:
        """See :meth:`Update.apply`."""
        for k, p in self.tensors.items():
            if k in gradients:
                live, reach = spans.get(k, (None, None))
                average = self.averages.get(k)
                adam_step(p, gradients[k], self.moments[k], average, scalars, self._rules[k], live, reach)

    def state(self, tensors: dict[str, torch.Tensor], name: str) -> Any:
        """The moments."""
        return packed(self.moments, name, tensors)

    def restore(self, saved: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Copy saved moments back."""
        where = Entry.of(saved, "the checkpoint", "updates")
        moments = Entry(unpacked(saved, tensors), where.source, where.path)
        moments.items_named(self.moments)
        for k, (first, second) in self.moments.items():
            pair = moments.at(k).items(2)
            first.copy_(pair[0].tensor(tuple(first.shape), (first.dtype,)))
            second.copy_(pair[1].tensor(tuple(second.shape), (second.dtype,), 0.0))


class LibraryUpdate(Update):
    """An optimiser with PyTorch's interface; it knows no bounds.

    Parameters
    ----------
    optimizer
        Of all tensors; its learning rates are those of a step with ``rate``, and stay in proportion to it.
    name
        How it is called in messages.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        rate: float,
        name: str,
        trained: Trained,
        ema: float,
    ) -> None:
        super().__init__(trained, ema)
        self.optimizer = optimizer
        self._factors = [group["lr"] / rate for group in optimizer.param_groups]
        self.obstacle = f"{name} decides on the host"

    def announce(self, rate: float) -> None:
        """Set the learning rates."""
        for group, factor in zip(self.optimizer.param_groups, self._factors, strict=True):
            group["lr"] = rate * factor

    def apply(self, gradients: Mapping[str, torch.Tensor], scalars: torch.Tensor, spans: Mapping[str, Span]) -> None:
        """See :meth:`Update.apply`; ``spans`` must be empty for these tensors."""
        for k, p in self.tensors.items():
            p.grad = gradients.get(k)
        self.optimizer.step()
        with torch.no_grad():
            for k, average in self.averages.items():
                average.lerp_(self.tensors[k], 1.0 - self.ema)

    def state(self, tensors: dict[str, torch.Tensor], name: str) -> Any:
        """The optimiser's state and its counts of steps."""
        saved = self.optimizer.state_dict()
        steps = [group.get("step", 0) for group in saved["param_groups"]]
        return packed({"state": saved["state"], "step": steps}, name, tensors)

    def restore(self, saved: Any, tensors: Mapping[str, torch.Tensor]) -> None:
        """Load it."""
        where = Entry.of(saved, "the checkpoint", "updates")
        inner = Entry(unpacked(saved, tensors), where.source, where.path)
        steps = [step.integer(0) for step in inner.at("step").items(len(self.optimizer.param_groups))]
        if inner.at("state").value != {} or any(steps):
            check_optimizer(self.optimizer, inner.at("state"))
        state = self.optimizer.state_dict() | {"state": inner.at("state").value}
        for group, step in zip(state["param_groups"], steps, strict=True):
            group["step"] = step
        self.optimizer.load_state_dict(state)
