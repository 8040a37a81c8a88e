"""The encoders by name."""

from __future__ import annotations

from .encoder import Encoder
from .hermite_grid import HermiteGrid
from .registry import Registry

__all__ = ["ENCODERS"]

#: Every encoder by the name that ``hp.Field(encoder=...)`` takes; a new one is entered here and nowhere else.
ENCODERS: Registry[type[Encoder]] = Registry("encoder", (HermiteGrid,))
