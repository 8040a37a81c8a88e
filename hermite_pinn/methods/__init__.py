"""Ways to solve."""

from __future__ import annotations

from collections.abc import Callable

from .adam import Adam
from .base import Method
from .chain import Chain
from .gauss_newton import GaussNewton
from .joint import JointGaussNewton, JointStage
from .lbfgs import LBFGS
from .points import RAD
from .soap import SOAP

__all__ = [
    "LBFGS",
    "METHODS",
    "RAD",
    "SOAP",
    "Adam",
    "Chain",
    "GaussNewton",
    "JointGaussNewton",
    "JointStage",
    "Method",
]

#: Methods by name, with their default options.
METHODS: dict[str, Callable[[], Method]] = {"gauss_newton": GaussNewton, "adam": Adam, "lbfgs": LBFGS, "soap": SOAP}
