"""Blocks whose rows are sums of derivative channels of the fields, times coefficients of the equations."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.expressions.program import Leaf, Value
from hermite_pinn.residuals.compiled import Jet

from .block import Block

__all__ = ["ChannelBlock", "Evaluator"]


class Evaluator(Protocol):
    """Derivative channels of the coefficients of one field at the points of a block, times the roots of weights."""

    def forward(self, coefficients: torch.Tensor) -> list[torch.Tensor]:
        """The channels, in buffers that the next call may overwrite."""

    def adjoint(
        self, channels: Sequence[torch.Tensor], out: torch.Tensor | None = None, add: bool = False
    ) -> torch.Tensor:
        """The transpose, written or added to ``out``."""


AnyEvaluator = TypeVar("AnyEvaluator", bound=Evaluator)


class ChannelBlock(Block, Generic[AnyEvaluator]):
    """Terms at points where an :class:`Evaluator` makes the channels.

    Jets with constant sensitivities are merged to one channel per term and field.  A block of this kind sets all
    attributes of :class:`Block` and those below, then calls :meth:`_plan`.

    Attributes
    ----------
    dim
        Number of axes.
    """

    dim: int
    dtype: torch.dtype
    device: torch.device
    _env: dict[Leaf, Value]

    @abstractmethod
    def _evaluators(self, channels: Sequence[Channels | None]) -> list[AnyEvaluator | None]:
        """By field, what makes its channels."""

    def _plan(self) -> None:
        """Merge the jets with constant sensitivities to one channel per term and field; the others stay."""
        self._constant: list[dict[int, int]] = []  # field -> {term: channel}
        self._variable: list[dict[tuple[int, ...], int]] = []  # field -> {orders: channel}
        orders = [set[int]() for _ in range(self.dim)]
        channels: list[Channels | None] = []
        for f in self.fields:
            listed: list[tuple[tuple[float, tuple[int, ...]], ...]] = []
            constant: dict[int, int] = {}
            for k, t in enumerate(self.terms):
                members = tuple((s, o) for (name, o), s in t.constant.items() if name == f)
                if members:
                    if members not in listed:
                        listed.append(members)
                    constant[k] = listed.index(members)
            variable: dict[tuple[int, ...], int] = {}
            for t in self.terms:
                for name, o in t.variable:
                    if name == f and o not in variable:
                        variable[o] = len(listed)
                        listed.append(((1.0, o),))
            self._constant.append(constant)
            self._variable.append(variable)
            channels.append(Channels(self.dim, tuple(listed)) if listed else None)
            for _, o in itertools.chain.from_iterable(listed):
                for i in range(self.dim):
                    orders[i].add(o[i])
        self._orders = [tuple(sorted(o)) or (0,) for o in orders]
        self._counts = [0 if c is None else len(c) for c in channels]
        self._factorized = self._evaluators(channels)

    def _channels(self, coefficients: torch.Tensor) -> list[list[torch.Tensor]]:
        return [[] if s is None else s.forward(c) for s, c in zip(self._factorized, coefficients, strict=True)]

    # -- linearisation ---
    def linearize(self, coefficients: torch.Tensor, parameters: Mapping[str, float]) -> list[torch.Tensor]:
        """Weighted residuals at ``coefficients``; see :class:`Block`."""
        channels = self._channels(coefficients)
        jets: dict[Jet, Value] = {}
        for f, name in enumerate(self.fields):
            for o, channel in self._variable[f].items():
                jets[(name, o)] = channels[f][channel] / self.root
        env = self._env | {("parameter", name): value for name, value in parameters.items()}
        rows, singular = [], None if self.singular is None else self.singular.state(parameters)
        if singular is not None:
            jets |= {jet: jets[jet] + value for jet, value in singular[0].items()}
        for k, t in enumerate(self.terms):
            # jets with a constant sensitivity enter by their channel below, also where another term needs them alone
            own = {jet: jets[jet] for jet in t.variable}
            value, sensitivity, by_parameter = t.evaluate(env, own)
            if self.singular is not None and singular is not None:
                value = value + singular[1][k]
                self.singular.weigh(k, sensitivity, self.root / self.scales[k])
            row = (value * self.root).expand(self.shape).clone()
            for f in range(len(self.fields)):
                if k in self._constant[f]:
                    row += channels[f][self._constant[f][k]]
            self._sensitivity[k] = {j: self._compact(s) for j, s in sensitivity.items()}
            self._by_parameter[k] = {name: self._compact(s) for name, s in by_parameter.items()}
            rows.append(row.div_(self.scales[k]))
        return rows

    def sensitivity(self, k: int) -> dict[Jet, Value]:
        """Variable sensitivities of term ``k`` at the last linearisation."""
        return self._sensitivity[k]

    def _compact(self, value: Value) -> Value:
        return value.to(self.dtype) if isinstance(value, torch.Tensor) else float(value)

    def forward(self, direction: torch.Tensor, parameters: torch.Tensor) -> list[torch.Tensor]:
        """Derivative of the rows along a direction; see :class:`Block`."""
        channels = self._channels(direction)
        rows = []
        for k, t in enumerate(self.terms):
            parts = [channels[f][c[k]] for f, c in enumerate(self._constant) if k in c]
            row = parts[0] if len(parts) == 1 and not t.variable else None
            if row is None:
                row = torch.zeros(self.shape, dtype=self.dtype, device=self.device)
                for part in parts:
                    row += part
            for (name, o), s in self._sensitivity[k].items():
                f = self.fields.index(name)
                channel = channels[f][self._variable[f][o]]
                row.addcmul_(channel, s.expand(self.shape)) if isinstance(s, torch.Tensor) else row.add_(
                    channel, alpha=s
                )
            if self.scales[k] != 1.0:
                row = row / self.scales[k]
            rows.append(self._add_parameters(k, row, parameters))
        # a merged channel that serves several terms is one buffer; rows must be tensors of their own
        return [r.clone() if any(r.data_ptr() == q.data_ptr() for q in rows[:i]) else r for i, r in enumerate(rows)]

    def adjoint(self, rows: Sequence[torch.Tensor], out: torch.Tensor) -> torch.Tensor:
        """Transpose of :meth:`forward`; see :class:`Block`."""
        scaled = [r if s == 1.0 else r / s for r, s in zip(rows, self.scales, strict=True)]
        for f, name in enumerate(self.fields):
            factorized = self._factorized[f]
            if factorized is None:
                continue
            weights: list[torch.Tensor | None] = [None] * self._counts[f]

            def put(channel: int, part: torch.Tensor, weights: list[torch.Tensor | None] = weights) -> None:
                present = weights[channel]
                weights[channel] = part if present is None else present + part

            for k, channel in self._constant[f].items():
                put(channel, scaled[k])
            for o, channel in self._variable[f].items():
                for k, r in enumerate(scaled):
                    s = self._sensitivity[k].get((name, o))
                    if s is not None:
                        put(channel, r * s)
            filled = [
                torch.zeros(self.shape, dtype=self.dtype, device=self.device) if w is None else w for w in weights
            ]
            factorized.adjoint(filled, out[f], add=True)
        return self._parameter_adjoint(rows)
