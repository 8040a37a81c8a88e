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

from . import waiting as _waiting  # noqa: F401 - before all others: it loads PyTorch
from .eigen import eigen
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
from .expressions.differentiation import derivative, div
from .expressions.functions import (
    abs,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cbrt,
    ceil,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    expm1,
    floor,
    hypot,
    log,
    log1p,
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
from .field.field import Field, GridField
from .geometry import Ball, Box, Cuboid, Cylinder, Disk, Implicit, Mesh, MeshDomain, Polygon, Rectangle, Torus
from .methods import LBFGS, RAD, SOAP, Adam, GaussNewton, JointGaussNewton, JointStage, Method
from .problem.conditions import Condition, Dirichlet, Gauge, Initial, Neumann, Periodic, Robin
from .problem.data import Data
from .problem.parameters import Parameter
from .problem.problem import HermitePinnWarning, Problem
from .problem.smoothness import Smoothness
from .result.series import Series
from .result.solution import Solution
from .result.spectrum import Spectrum
from .run.callbacks import Advance, Callback, CSVLog, RunState
from .run.checkpoint import Checkpoint
from .run.history import History
from .run.status import Status
from .solve import solve

__all__ = [
    "Adam", "Advance", "BackendUnavailableError", "Ball", "Box", "CSVLog", "Callback", "Checkpoint", "Condition", "CorruptFileError", "Cuboid", "Cylinder", "Data", "Dirichlet", "Disk",
    "DistributedError", "DivergedError", "Field", "Gauge", "GaussNewton", "GridField", "HermitePinnError", "HermitePinnWarning", "History", "Implicit", "Initial",
    "InvalidArgumentError", "InvalidProblemError", "JointGaussNewton", "JointStage", "LBFGS", "Mesh", "MeshDomain", "Method", "Neumann", "OutOfMemoryError", "OutputError", "Parameter",
    "Periodic", "Polygon", "Problem",
    "RAD", "Rectangle", "Robin", "RunState", "SOAP", "Series", "Smoothness", "Solution", "Spectrum", "Status", "Torus", "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
    "arctan2", "arctanh", "cbrt", "ceil", "cos", "cosh", "derivative", "div", "eigen", "erf", "erfc", "exp", "expm1", "floor", "hypot", "log", "log1p", "maximum", "minimum", "pi", "sech", "sign", "sin", "sinh", "solve", "sqrt", "tabulated", "tan", "tanh", "where",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """What is loaded when it is asked for: problems, workloads and, from the package's metadata, the version."""
    if name == "problems":
        return import_module(f"{__name__}.problems")
    if name in ("compression", "images", "radiance", "sdf"):
        return import_module(f"{__name__}.workloads.{name}")
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .version import installed_version

    return installed_version()
