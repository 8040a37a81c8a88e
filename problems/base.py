"""What the problem files share."""

from __future__ import annotations

import numbers
from collections.abc import Sequence

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["per_axis"]


def per_axis(name: str, value: float | Sequence[float], dim: int) -> tuple[float, ...]:
    """One number per axis from one number or a sequence.

    Examples
    --------
    >>> per_axis("a", 3, 2), per_axis("a", (7, 13), 2)
    ((3.0, 3.0), (7.0, 13.0))
    """
    values = (value,) * dim if isinstance(value, numbers.Real) else tuple(value)  # type: ignore[arg-type]
    if len(values) != dim or not all(isinstance(v, numbers.Real) for v in values):
        raise InvalidArgumentError(f"{name} must be one number, or one per axis ({dim}), got {value!r}")
    return tuple(float(v) for v in values)
