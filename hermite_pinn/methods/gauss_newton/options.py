"""What a user may choose of Gauss-Newton."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from hermite_pinn.checks import Check, check_options, choice, either, integer, number

from .mixed_precision import PRECISIONS
from .order import ORDERS

__all__ = ["GaussNewtonOptions"]

at_least_one = partial(integer, least=1)

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "gauss": either(partial(integer, least=1, most=16), None),
        "inner_tol": either(partial(number, above=0, below=1), None),
        "inner_steps": at_least_one,
        "outer_steps": at_least_one,
        "damping": partial(number, least=0),
        "max_levels": at_least_one,
        "max_unknowns": either(at_least_one, None),
        "inner": partial(choice, options=("auto", "cg", "banded")),
        "slabs": either(at_least_one, "auto"),
        "precision": partial(choice, options=PRECISIONS),
        "basis": partial(choice, options=("auto", *ORDERS)),
        "refine": partial(choice, options=("auto", "uniform", "local")),
    }
)


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
    basis: str = "auto"
    refine: str = "auto"

    def __post_init__(self) -> None:
        check_options(self, CHECKS)
