"""Ways to solve."""

from __future__ import annotations

from collections.abc import Callable

from .adam import Adam
from .base import Method
from .chain import Chain
from .gauss_newton import GaussNewton

__all__ = ["METHODS", "Adam", "Chain", "GaussNewton", "Method"]

#: Methods by name, with their default options.
METHODS: dict[str, Callable[[], Method]] = {"gauss_newton": GaussNewton, "adam": Adam}
