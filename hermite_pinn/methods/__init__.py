"""Ways to solve."""

from __future__ import annotations

from collections.abc import Callable

from .adam import Adam
from .base import Method
from .chain import Chain
from .gauss_newton import GaussNewton
from .points import RAD
from .soap import SOAP

__all__ = ["METHODS", "RAD", "SOAP", "Adam", "Chain", "GaussNewton", "Method"]

#: Methods by name, with their default options.
METHODS: dict[str, Callable[[], Method]] = {"gauss_newton": GaussNewton, "adam": Adam, "soap": SOAP}
