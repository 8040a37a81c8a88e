"""Units of length in metres."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["METRES", "unit"]

#: Names of units, and how many metres they are.
METRES: Mapping[str, float] = {
    "m": 1.0, "meter": 1.0, "meters": 1.0, "metre": 1.0, "metres": 1.0,
    "dm": 0.1, "cm": 0.01, "centimeter": 0.01, "centimeters": 0.01,
    "mm": 1e-3, "millimeter": 1e-3, "millimeters": 1e-3, "millimetre": 1e-3,
    "um": 1e-6, "micron": 1e-6, "micrometer": 1e-6, "nm": 1e-9, "km": 1e3,
    "in": 0.0254, "inch": 0.0254, "inches": 0.0254, "ft": 0.3048, "foot": 0.3048, "feet": 0.3048,
}  # fmt: skip
SHORT = ("m", "cm", "mm", "um", "nm", "km", "in", "ft")


def unit(value: Any) -> float:
    """Metres of a unit that an argument names.

    Examples
    --------
    >>> unit("mm")
    0.001
    >>> unit("Inches")
    0.0254
    """
    name = checks.text("units", value, otherwise="None").strip().lower()
    if name not in METRES:
        accepted = f"one of {', '.join(map(repr, SHORT))}"
        checks.refuse(
            "units",
            value,
            accepted,
            otherwise="None",
            hint="other factors go through .scaled(factor)",
            error=InvalidArgumentError,
        )
    return METRES[name]
