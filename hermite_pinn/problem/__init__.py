"""The statement of a problem: domain, fields, equations, conditions, parameters."""

from .conditions import Condition, Dirichlet, Gauge, Initial, Neumann, Periodic, Robin
from .data import Data
from .parameters import Parameter
from .problem import HermitePinnWarning, Problem
from .smoothness import Smoothness

__all__ = [
    "Condition",
    "Data",
    "Dirichlet",
    "Gauge",
    "HermitePinnWarning",
    "Initial",
    "Neumann",
    "Parameter",
    "Periodic",
    "Problem",
    "Robin",
    "Smoothness",
]
