"""How far a decoded field is from the one that was compressed: on a fine grid that meets none of its vertices."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import reduce

import numpy as np

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField
from hermite_pinn.field.sampling import off_lattice_axes, shares_of
from hermite_pinn.result.comparison import compared, inner_points
from hermite_pinn.result.solution import Solution

__all__ = ["Probe", "with_field"]

MOST_NUMBERS = 8_000_000  # that a probe holds


def with_field(solution: Solution, field: GridField) -> Solution:
    """The same solution with another field on the same domain."""
    twin = copy.copy(solution)
    twin.__dict__.pop("_fast", None)
    twin.field = field
    return twin


class Probe:
    """Values, or gradients over space, of a solution at fixed points.

    Parameters
    ----------
    solution
        What decoded fields are compared with.
    gradient
        Whether gradients are compared, or values.
    most
        Largest number of points.  Where shapes cut the domain, those of the grid that lie inside.
    """

    def __init__(self, solution: Solution, gradient: bool = False, most: int = 4_000_000) -> None:
        self.solution, self.gradient = solution, gradient
        dim, domain = solution.domain.dim, solution.domain
        self.channels = Channels.value(dim)
        if gradient:
            units = [tuple(int(i == k) for i in range(dim)) for k in domain.space_axes]
            self.channels = Channels(dim, tuple(((1.0, u),) for u in units))
        count = min(most, max(100_000, MOST_NUMBERS // (len(self.channels) * len(solution.fields))))
        self.shares: np.ndarray | None = None
        if domain.is_cut:
            x, _ = inner_points(solution.field, domain)
            self.points: np.ndarray | None = x[:, :: -(-x.shape[1] // count)].T
        else:
            self.points, self.axes = None, off_lattice_axes(solution.field, domain, count)
            if any(solution.field.encoder.knots):
                self.shares = reduce(np.multiply, np.ix_(*shares_of(solution.field, self.axes)))
        self.values = self._at(solution)
        self.size = int(np.prod(self.values.shape[2:]))

    def _at(self, solution: Solution) -> np.ndarray:
        """(fields, channels, points), the grid's points on one axis each."""
        if self.points is not None:
            return solution.at_points(self.points, self.channels, slack=np.inf)
        return solution.on_grid(self.axes, self.channels)

    def errors(self, field: GridField) -> Mapping[str, float]:
        """Relative L2 error by field; absolute where the field that was compressed vanishes."""
        found = self._at(with_field(self.solution, field))
        return {
            name: compared(own, exact, self.shares)["relative_l2"]
            for name, own, exact in zip(self.solution.fields, found, self.values, strict=True)
        }

    def changes(self, field: GridField) -> np.ndarray:
        """Relative L2 errors of the fields that do not vanish."""
        return np.array(list(self.errors(field).values())) * (self.norms() > 0)

    def norms(self) -> np.ndarray:
        """Root mean square by field."""
        flat = self.values.reshape(len(self.values), -1)
        return np.asarray(np.sqrt(np.mean(flat**2, axis=1)))
