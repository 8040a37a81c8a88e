"""What steps and cells of a march miss, relative to the sizes of the fields."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values

from .indicators import growth
from .stage import Discretization
from .step_system import Step
from .surplus import surpluses

__all__ = ["StepErrors"]

#: By number of coefficients per vertex, the RMS of the polynomial with a unit jump of its first derivative between
#: two cells, shared by both sides.
BUBBLE = {2: 0.05, 3: 0.05, 4: 0.05}
BEND = 0.01  # the same for cubics and the second derivative


class StepErrors:
    """Measures steps that were taken, and keeps the sizes of the fields that errors are relative to.

    Parameters
    ----------
    grid
        The problem, on a basis.
    order
        Of the derivatives in time that steps carry over.
    """

    def __init__(self, grid: Discretization, order: int) -> None:
        domain = grid.problem.domain
        assert domain.time_axis is not None
        self.grid, self.order = grid, order
        self.axis, self.m = domain.time_axis, BASES[grid.basis].coefficients
        self.length = domain.upper[self.axis] - domain.lower[self.axis]
        self.sizes = grid.known_sizes()  # largest RMS of the fields so far, at least that of what is known beside them

    def note_sizes(self, system: Step, coefficients: torch.Tensor) -> None:
        """Keep the RMS of the fields over a step where they are larger than before."""
        root = math.sqrt(system.system.problem.domain.interior.measure)
        found = torch.tensor(system.system.norms(coefficients), dtype=torch.float64) / root
        self.sizes = torch.maximum(self.sizes, found)

    def moved(self, c: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values at the start of a step, and by how much they change until its end."""
        start = c.narrow(self.axis + 1, 0, 1)
        return start, c.narrow(self.axis + 1, self.m, 1) - start

    def change(self, coefficients: torch.Tensor) -> float:
        """How much the fields change in a step, relative to their sizes."""
        _, moved = self.moved(coefficients)
        return self.relative(self.rms(moved.select(self.axis + 1, 0)))

    def rms(self, values: torch.Tensor) -> torch.Tensor:
        """By field, of values (fields, m N_1, ...) over space, by those at the vertices."""
        for axis in range(1, values.ndim):
            values = values.index_select(axis, torch.arange(0, values.shape[axis], self.m, device=values.device))
        return values.reshape(len(values), -1).square().mean(1).sqrt().cpu()

    def relative(self, values: Sequence[float] | torch.Tensor) -> float:
        """The largest of values by field, in sizes of these."""
        own = torch.as_tensor(values, dtype=torch.float64)
        return float(torch.where(self.sizes > 0, own / self.sizes, 0.0).max())

    def in_time(self, coefficients: Sequence[torch.Tensor], rate: float) -> float:
        """What the polynomials of two steps miss, by the jump of the first derivative that is not carried over.

        Parameters
        ----------
        coefficients
            Of both steps.
        rate
            The fastest change of a field, in its sizes per unit of time.
        """
        if self.order >= self.m:
            return self._bend(coefficients, rate)
        left = coefficients[0].select(self.axis + 1, self.m + self.order)
        right = coefficients[1].select(self.axis + 1, self.order)
        return BUBBLE[self.m] * self.relative(self.rms(right - left))

    def _bend(self, coefficients: Sequence[torch.Tensor], rate: float) -> float:
        """The same for fields whose m derivatives are all carried over: by the jump of the next one.

        Their phase goes wrong by about as much in every radian, and stays wrong.
        """
        weights = [
            torch.stack(
                [
                    torch.as_tensor(w)
                    for w in basis_values(self.grid.basis, torch.tensor(x, dtype=torch.float64), self.m)
                ]
            )
            for x in (1.0, 0.0)
        ]
        ends = [torch.tensordot(c, w.to(c), ([self.axis + 1], [0])) for c, w in zip(coefficients, weights, strict=True)]
        radians = max(1.0, rate * self.length)
        return BEND * radians * self.relative(self.rms(ends[1] - ends[0]))

    def in_space(self, coefficients: torch.Tensor) -> list[float]:
        """By axis of space, what the interpolant on the cells misses at the end of a step."""
        return self.of_state(coefficients.narrow(self.axis + 1, self.m, 1).movedim(self.axis + 1, -1)[..., 0])

    def of_state(self, state: torch.Tensor) -> list[float]:
        """The same of the coefficients of a state (fields, m N_1, ...)."""
        if state.ndim < 2:
            return []
        space = self.grid.problem.domain.space_axes
        found = []
        for own in surpluses(state, self.grid.basis, [self.grid.problem.periodic[a] for a in space]):
            errors = [
                details[0] / (growth(details, 4.0**self.m, smooth) or 1.0)
                for details, smooth in zip(zip(*own.details, strict=True), own.smooth, strict=True)
            ]
            found.append(self.relative(errors) if errors else 0.0)
        return found
