"""Where a run begins that is told a start: functions of the coordinates, and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from .grid_field import GridField

__all__ = ["Guess"]

Values = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Guess:
    """Values of all fields at any points of a domain, and of unknown parameters.

    Attributes
    ----------
    values
        Takes points (dim, n) in float64 on the CPU and returns (fields, n).
    parameters
        Values of those parameters that it knows.
    field
        The field whose values they are, where it is one of all fields of the problem on its domain.

    Examples
    --------
    >>> ones = Guess(lambda x: torch.ones(1, x.shape[1], dtype=torch.float64), {"k": 1.0})
    >>> twice = Guess.combined([(3.0, ones), (-1.0, ones)])
    >>> twice.values(torch.zeros(2, 3, dtype=torch.float64)).tolist(), twice.parameters
    ([[2.0, 2.0, 2.0]], {'k': 2.0})
    """

    values: Values
    parameters: Mapping[str, float]
    field: GridField | None = None

    @classmethod
    def combined(cls, parts: Sequence[tuple[float, Guess]]) -> Guess:
        """A weighted sum, in which parameters take part that all of them know."""
        if len(parts) == 1 and parts[0][0] == 1.0:
            return parts[0][1]
        common = set.intersection(*(set(g.parameters) for _, g in parts))
        numbers = {name: sum(w * g.parameters[name] for w, g in parts) for name in sorted(common)}

        def values(x: torch.Tensor) -> torch.Tensor:
            return torch.stack([w * g.values(x) for w, g in parts]).sum(0)

        return cls(values, numbers)

    def with_parameters(self, numbers: Mapping[str, float]) -> Guess:
        """The same functions with other values of parameters."""
        return replace(self, parameters=dict(numbers))
