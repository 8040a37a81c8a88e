"""Solve partial differential equations with neural fields on multilevel Hermite grids.

Define a :class:`Problem`, call :func:`solve`, use the :class:`Solution`:

>>> import hermite_pinn as hp
>>> problem = hp.Problem(
...     domain=hp.Box(x=(0, 1), y=(0, 1)),
...     fields=["u"],
...     residual=lambda u, x, y: u.laplacian + 2 * hp.pi**2 * hp.sin(hp.pi * x) * hp.sin(hp.pi * y),
...     conditions=[hp.Dirichlet(u=0.0)],
... )
>>> solution = hp.solve(problem, tol=1e-4)
>>> abs(solution.u(0.5, 0.5) - 1) < 1e-4
True
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hermite_pinn.geometry import Box

from .callbacks import Callback, CSVLog, RunState
from .checkpoint import Checkpoint
from .conditions import Condition, Data, Dirichlet, Gauge, Initial, Neumann, Periodic, Robin
from .errors import (
    BackendUnavailableError,
    CorruptFileError,
    DistributedError,
    DivergedError,
    HermitePinnError,
    InvalidArgumentError,
    InvalidProblemError,
    OutOfMemoryError,
    OutputError,
)
from .field import Field, GridField
from .functions import (
    abs,
    arccos,
    arcsin,
    arctan,
    arctan2,
    cos,
    cosh,
    erf,
    exp,
    floor,
    log,
    maximum,
    minimum,
    pi,
    sech,
    sign,
    sin,
    sinh,
    sqrt,
    tabulated,
    tan,
    tanh,
    where,
)
from .history import History
from .methods import LBFGS, RAD, SOAP, Adam, GaussNewton, JointGaussNewton, JointStage, Method
from .parameters import Parameter
from .problem import HermitePinnWarning, Problem
from .smoothness import Smoothness
from .solution import Solution
from .solve import solve
from .status import Status

__all__ = [
    "Adam", "BackendUnavailableError", "Box", "CSVLog", "Callback", "Checkpoint", "Condition", "CorruptFileError", "Data", "Dirichlet",
    "DistributedError", "DivergedError", "Field", "Gauge", "GaussNewton", "GridField", "HermitePinnError", "HermitePinnWarning", "History", "Initial",
    "InvalidArgumentError", "InvalidProblemError", "JointGaussNewton", "JointStage", "LBFGS", "Method", "Neumann", "OutOfMemoryError", "OutputError", "Parameter",
    "Periodic", "Problem",
    "RAD", "Robin", "RunState", "SOAP", "Smoothness", "Solution", "Status", "abs", "arccos", "arcsin", "arctan", "arctan2", "cos", "cosh", "erf", "exp", "floor", "log",
    "maximum", "minimum", "pi", "sech", "sign", "sin", "sinh", "solve", "sqrt", "tabulated", "tan", "tanh", "where",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """What is loaded when it is asked for: the problem library and, from the package's metadata, the version."""
    if name == "problems":
        return import_module(f"{__name__}.problems")
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .version import installed_version

    return installed_version()
