"""What a user may choose of Gauss-Newton."""

from __future__ import annotations

from dataclasses import dataclass

from hermite_pinn.errors import InvalidArgumentError

from .mixed_precision import PRECISIONS

__all__ = ["GaussNewtonOptions"]


@dataclass(frozen=True)
class GaussNewtonOptions:
    """Options of Gauss-Newton on dense nested levels; :class:`hermite_pinn.GaussNewton` explains them.

    Raises
    ------
    InvalidArgumentError
        For a value that cannot work.
    """

    gauss: int | None = None
    inner_tol: float | None = None
    inner_steps: int = 3000
    outer_steps: int = 40
    damping: float = 1e-3
    max_levels: int = 16
    max_unknowns: int | None = None
    inner: str = "auto"
    slabs: int | str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        for option in ("inner_steps", "outer_steps", "max_levels"):
            if getattr(self, option) < 1:
                raise InvalidArgumentError(f"{option} must be at least 1, got {getattr(self, option)}")
        if self.gauss is not None and not 1 <= self.gauss <= 16:
            raise InvalidArgumentError(f"gauss must be between 1 and 16 points per cell and axis, got {self.gauss}")
        if self.inner not in ("auto", "cg", "banded"):
            raise InvalidArgumentError(f"inner must be 'auto', 'cg' or 'banded', got {self.inner!r}")
        if self.slabs != "auto" and not (isinstance(self.slabs, int) and self.slabs >= 1):
            raise InvalidArgumentError(f"slabs must be 'auto' or a number of at least 1, got {self.slabs!r}")
        if self.precision not in PRECISIONS:
            raise InvalidArgumentError(f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        if self.inner_tol is not None and not 0 < self.inner_tol < 1:
            raise InvalidArgumentError(f"inner_tol must lie between 0 and 1, got {self.inner_tol}")
