"""What a problem says besides its equations."""

from __future__ import annotations

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.trace import Symbols
from hermite_pinn.geometry import Domain
from hermite_pinn.immutable import Immutable

from .terms import Term

__all__ = ["Statement"]


class Statement(Immutable):
    """A condition of any kind: on boundaries, at the start of time, along axes, on fields as a whole, or by data.

    A new kind says what it has of the following.
    """

    @property
    def wraps(self) -> tuple[str, ...]:
        """Axes along which all fields are periodic."""
        return ()

    @property
    def gauged(self) -> tuple[str, ...]:
        """Fields that are determined but for their mean over space."""
        return ()

    @property
    def smoothed(self) -> tuple[str, ...]:
        """Fields whose derivatives are to be small."""
        return ()

    def expressions(self, symbols: Symbols) -> list[Expr]:
        """What it says of fields that may contain integrals."""
        return []

    def terms(self, domain: Domain, symbols: Symbols, periodic: tuple[bool, ...]) -> list[Term]:
        """Residuals that are to vanish; none where the method itself sees to what is stated."""
        return []
