"""Ways to solve."""

from __future__ import annotations

from collections.abc import Callable

from .adam import Adam
from .base import Method
from .chain import Chain
from .gauss_newton import GaussNewton
from .joint import JointGaussNewton, Stage

__all__ = ["METHODS", "Adam", "Chain", "GaussNewton", "JointGaussNewton", "Method", "Stage"]

#: Methods by name, with their default options.
METHODS: dict[str, Callable[[], Method]] = {"gauss_newton": GaussNewton, "adam": Adam}
