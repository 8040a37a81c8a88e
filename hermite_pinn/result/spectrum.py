"""Eigenvalues and eigenfunctions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hermite_pinn.markup import failing_softly
from hermite_pinn.run.status import Status

from .several import Several
from .solution import Solution
from .solution_html import spectrum_html

__all__ = ["Spectrum"]


class Spectrum(Several):
    """The result of :func:`hermite_pinn.eigen`: a sequence of eigenfunctions, each a :class:`Solution`.

    Attributes
    ----------
    values
        (count,) in ascending order, float64; complex128 if some are complex, ordered by their real parts.
    estimated_errors
        (count,): estimates of the absolute errors of the values.
    status, message
        Why the run ended (:class:`Status`, with advice), and in which numbers.
    solutions
        The eigenfunctions, scaled so that the squares of their fields integrate to one; of complex ones the real
        parts.
    stats
        ``seconds``, ``unknowns``, ``cells``, ``residuals`` (what is left of the equations, relative to their terms),
        and ``grids``, the values on every grid.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> string = hp.Problem(
    ...     domain=hp.Box(x=(0, hp.pi)),
    ...     fields=["u"],
    ...     residual=lambda u, E: u.xx + E * u,
    ...     conditions=[hp.Dirichlet(u=0.0)],
    ...     parameters=[hp.Parameter("E")],
    ... )
    >>> spectrum = hp.eigen(string, count=2)
    >>> [round(tone.parameters["E"], 6) for tone in spectrum]
    [1.0, 4.0]
    """

    _named = "eigenvalue"

    def __init__(
        self,
        values: np.ndarray,
        estimated_errors: np.ndarray,
        solutions: Sequence[Solution],
        status: Status,
        message: str,
        stats: Mapping[str, Any],
    ) -> None:
        self.values, self.estimated_errors = values, estimated_errors
        super().__init__(solutions)
        self.status, self.message, self.stats = status, message, dict(stats)

    @failing_softly
    def _repr_html_(self) -> str:
        """Status, numbers and small pictures, for notebooks."""
        return spectrum_html(self)

    def __repr__(self) -> str:
        lines = [f"Spectrum: {self.status.label}, {self.message}"]
        pairs = zip(self.values, self.estimated_errors, strict=True)
        lines += [f"  {value:.12g} +- {error:.1e}" for value, error in pairs]
        return "\n".join(lines)
