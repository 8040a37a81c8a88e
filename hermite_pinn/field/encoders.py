"""The encoders by name."""

from __future__ import annotations

from .broken_grid import BrokenGrid
from .difference_grid import DifferenceGrid
from .encoder import Encoder
from .graded_grid import GradedGrid
from .hermite_grid import HermiteGrid
from .products import Products
from .registry import Registry
from .smooth_grid import CubicGrid, SmoothGrid, StraightThroughGrid
from .wave_features import Coordinates, FourierFeatures

__all__ = ["ENCODERS", "READABLE"]

#: Every encoder by the name that ``hp.Field(encoder=...)`` takes; a new one is entered here and nowhere else.
ENCODERS: Registry[type[Encoder]] = Registry(
    "encoder",
    (HermiteGrid, DifferenceGrid, SmoothGrid, StraightThroughGrid, CubicGrid, FourierFeatures, Coordinates, Products),
)

#: Every encoder that a file can have: these, and what methods make of them.
READABLE: Registry[type[Encoder]] = Registry("encoder", (*ENCODERS.values(), BrokenGrid, GradedGrid))
