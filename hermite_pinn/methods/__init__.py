"""Ways to solve."""

from __future__ import annotations

from collections.abc import Callable

from .base import Chain, Method
from .gauss_newton.joint import JointGaussNewton, JointStage
from .gauss_newton.method import GaussNewton
from .training.adam import Adam
from .training.batches import RAD
from .training.lbfgs import LBFGS
from .training.soap import SOAP

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
