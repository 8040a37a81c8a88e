"""Regularisation of unknown fields: a penalty on their derivatives."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from hermite_pinn.checks import integer, number, spelled
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.trace import Symbols
from hermite_pinn.geometry import Domain, Penalty
from hermite_pinn.immutable import ReadOnly

from .statement import Statement
from .terms import Term

__all__ = ["Smoothness"]

DEFAULT = 2  # order where nothing is said


class Smoothness(Statement):
    """A penalty that keeps fields smooth that data do not determine: ``Smoothness("a")``, ``Smoothness(a=1e-3)``.

    This is Tikhonov regularisation.  It adds to the mean square misfit of the data, for each field, a weight times the
    mean over the box of the squares of all derivatives of one order, with coordinates scaled to [0, 1].  The misfit is
    measured in units of the noise if that is known, and otherwise of the size of the data.

    Parameters
    ----------
    fields
        Names of fields whose weights are chosen automatically: by the unbiased estimate of the predictive risk if the
        noise of all data is known, otherwise by generalised cross-validation, within limits that the likelihood sets
        (docs/method/inverse.md).  In space and time the derivatives that involve time have a separate weight, because
        few fields vary as much in time as in space.  ``solution.stats["smoothness"]`` has the chosen weights, those of
        time as ``"NAME along t"``.
    order
        Order of the derivatives, 1 to 4.  With 2, linear functions cost nothing; with 1, constants.  Order 3 needs
        quintics or septics, and order 4 septics.  ``"auto"``: 2 for given weights, and the highest order of the basis
        for automatic ones; ``gauss_newton`` then begins with septics unless you choose a basis.
    weights
        Weights by field, positive numbers or ``"auto"``.

    Raises
    ------
    InvalidProblemError
        For weights that are not positive, other orders, and fields named twice.

    References
    ----------
    A. N. Tikhonov, Soviet Math. Dokl. 4 (1963); G. Wahba, *Spline Models for Observational Data*, SIAM (1990).

    Examples
    --------
    >>> Smoothness("a", u=1e-3)
    Smoothness(a='auto', u=0.001)
    """

    def __init__(self, *fields: str, order: int | str = "auto", **weights: float | str) -> None:
        if not (isinstance(order, str) and order == "auto"):
            order = integer(
                "the order of Smoothness", order, least=1, most=4, otherwise="'auto'", error=InvalidProblemError
            )
        if not all(isinstance(f, str) for f in fields) or set(fields) & set(weights):
            raise InvalidProblemError(
                f"Smoothness takes names of fields, each once, or weights by field, got {spelled(fields)} and {spelled(weights)}"
            )
        self.order: int | str = order
        self.weights: ReadOnly[float | str] = ReadOnly({**dict.fromkeys(fields, "auto"), **weights})
        if not self.weights:
            raise InvalidProblemError("Smoothness needs a field, for example Smoothness('a') or Smoothness(a=1e-3)")
        for name, weight in self.weights.items():
            if not (isinstance(weight, str) and weight == "auto"):
                number(
                    f"the weight of {name} in Smoothness",
                    weight,
                    above=0,
                    otherwise="'auto'",
                    error=InvalidProblemError,
                )

    def __repr__(self) -> str:
        return f"Smoothness({', '.join(f'{k}={v!r}' for k, v in self.weights.items())})"

    @property
    def open(self) -> tuple[str, ...]:
        """The fields for which order and weight are chosen automatically."""
        if self.order != "auto":
            return ()
        return tuple(name for name, weight in self.weights.items() if isinstance(weight, str))

    def raised(self, order: int) -> list[Smoothness]:
        """The same with another order for the fields that leave it open.

        Examples
        --------
        >>> [(s, s.order) for s in Smoothness("a", u=1e-3).raised(3)]
        [(Smoothness(a='auto'), 3), (Smoothness(u=0.001), 2)]
        """
        if not self.open:
            return [self]
        rest = {name: weight for name, weight in self.weights.items() if name not in self.open}
        return [Smoothness(*self.open, order=order), *([Smoothness(order=DEFAULT, **rest)] if rest else [])]

    @property
    def smoothed(self) -> tuple[str, ...]:
        """The fields."""
        return tuple(self.weights)

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """One term per derivative; the root of how often it occurs among all of that order is its factor."""
        terms = []
        time = domain.time_axis if domain.dim > 1 else None
        order = DEFAULT if isinstance(self.order, str) else self.order
        symbols = replace(symbols, max_order=max(order, symbols.max_order))
        for name, weight in self.weights.items():
            u, chosen = symbols.field(name), isinstance(weight, str)
            for axes in itertools.combinations_with_replacement(range(domain.dim), order):
                often = len(set(itertools.permutations(axes)))
                factor = math.sqrt(often) * math.prod(domain.lengths[i] for i in axes)
                part = f"{name} along {domain.names[time]}" if chosen and time is not None and time in axes else name
                terms.append(
                    Term(
                        f"smoothness {part}",
                        factor * u._raised(list(axes)),
                        Penalty(domain.interior, part),
                        None if isinstance(weight, str) else float(weight),
                    )
                )
        return terms
