"""What is known of a field before it is made: enough to say which methods can work with it."""

from __future__ import annotations

from dataclasses import dataclass

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.layout import GridLayout

from .grid_field import GridField

__all__ = ["Outline"]


@dataclass(frozen=True)
class Outline:
    """A field without its numbers.

    Attributes
    ----------
    linear
        Whether it is the sum of the levels, linear in all parameters.
    basis
        Of the levels.
    grid
        The levels, or None where dense nested levels are chosen on the way.
    factor
        Whether a boundary factor multiplies it.
    order
        Highest order of the derivatives that are functions; None: that of the basis.
    nestable
        Whether its levels are such as nested iteration makes and refines.

    Examples
    --------
    >>> Outline(linear=True, basis="cubic").nested
    True
    """

    linear: bool
    basis: str
    grid: GridLayout | None = None
    factor: bool = False
    order: int | None = None
    nestable: bool = True

    @property
    def derivatives(self) -> int:
        """Highest order of the derivatives that are square integrable."""
        return BASES[self.basis].coefficients if self.order is None else self.order

    @classmethod
    def of(cls, field: GridField) -> Outline:
        """The outline of a field that is there."""
        encoder, factor = field.encoder, field.boundary_factor is not None
        grid = encoder.grid if encoder.has_grid else None
        basis = "cubic" if grid is None else grid.basis
        return cls(field.linear, basis, grid, factor, encoder.order, encoder.nestable)

    @property
    def hashed(self) -> bool:
        """Whether a level has fewer records than vertices."""
        return self.grid is not None and not self.grid.dense

    @property
    def nested(self) -> bool:
        """Whether the functions of every level are among those of the next."""
        return self.nestable and (self.grid is None or self.grid.nested)
