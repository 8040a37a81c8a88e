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
from typing import TYPE_CHECKING, Any

from . import waiting as _waiting  # noqa: F401 - before all others: it loads PyTorch

if TYPE_CHECKING:
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
    from .problem.fractional import FractionalLaplacian
    from .problem.integral import Integral
    from .problem.parameters import Parameter
    from .problem.problem import HermitePinnWarning, Problem
    from .problem.smoothness import Smoothness
    from .problem.source import Source
    from .result.branch import Branch
    from .result.series import Series
    from .result.solution import Solution
    from .result.spectrum import Spectrum
    from .run.callbacks import Advance, Callback, CSVLog, RunState
    from .run.checkpoint import Checkpoint
    from .run.history import History
    from .run.status import Status
    from .verbs.continuation import continuation
    from .verbs.eigen import eigen
    from .verbs.solve import solve

__all__ = [
    "Adam", "Advance", "BackendUnavailableError", "Ball", "Box", "Branch", "CSVLog", "Callback", "Checkpoint", "Condition", "CorruptFileError", "Cuboid", "Cylinder", "Data", "Dirichlet", "Disk",
    "DistributedError", "DivergedError", "Field", "FractionalLaplacian", "Gauge", "GaussNewton", "GridField", "HermitePinnError", "HermitePinnWarning", "History", "Implicit", "Initial",
    "Integral", "InvalidArgumentError", "InvalidProblemError", "JointGaussNewton", "JointStage", "LBFGS", "Mesh", "MeshDomain", "Method", "Neumann", "OutOfMemoryError", "OutputError", "Parameter",
    "Periodic", "Polygon", "Problem",
    "RAD", "Rectangle", "Robin", "RunState", "SOAP", "Series", "Smoothness", "Solution", "Source", "Spectrum", "Status", "Torus", "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan",
    "arctan2", "arctanh", "cbrt", "ceil", "continuation", "cos", "cosh", "derivative", "div", "eigen", "erf", "erfc", "exp", "expm1", "floor", "hypot", "log", "log1p", "maximum", "minimum", "pi", "sech", "sign", "sin", "sinh", "solve", "sqrt", "tabulated", "tan", "tanh", "where",
]  # fmt: skip

#: Public names by the module that has them, which is loaded when one of them is first asked for.
_HOMES = {
    "errors": "BackendUnavailableError CorruptFileError DistributedError DivergedError HermitePinnError InvalidArgumentError InvalidProblemError OutOfMemoryError OutputError",
    "expressions.differentiation": "derivative div",
    "expressions.functions": "abs arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil cos cosh erf erfc exp expm1 floor hypot log log1p maximum minimum pi sech sign sin sinh sqrt tabulated tan tanh where",
    "field.field": "Field GridField",
    "geometry": "Ball Box Cuboid Cylinder Disk Implicit Mesh MeshDomain Polygon Rectangle Torus",
    "methods": "Adam GaussNewton JointGaussNewton JointStage LBFGS Method RAD SOAP",
    "problem.conditions": "Condition Dirichlet Gauge Initial Neumann Periodic Robin",
    "problem.data": "Data",
    "problem.fractional": "FractionalLaplacian",
    "problem.integral": "Integral",
    "problem.parameters": "Parameter",
    "problem.problem": "HermitePinnWarning Problem",
    "problem.smoothness": "Smoothness",
    "problem.source": "Source",
    "result.branch": "Branch",
    "result.series": "Series",
    "result.solution": "Solution",
    "result.spectrum": "Spectrum",
    "run.callbacks": "Advance CSVLog Callback RunState",
    "run.checkpoint": "Checkpoint",
    "run.history": "History",
    "run.status": "Status",
    "verbs.continuation": "continuation",
    "verbs.eigen": "eigen",
    "verbs.solve": "solve",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}
#: Names of other packages, by what has their place here.
_ELSEWHERE = {
    "DirichletBC": "Dirichlet", "NeumannBC": "Neumann", "RobinBC": "Robin", "PeriodicBC": "Periodic", "IC": "Initial",
    "OperatorBC": "Condition", "PointSetBC": "Data", "PDE": "Problem", "TimePDE": "Problem", "Model": "solve",
    "Interval": "Box", "Geometry": "Box", "Hypercube": "Box", "Sphere": "Ball", "Variable": "Parameter",
    "Network": "Field", "FNN": "Field", "interp": "tabulated",
}  # fmt: skip
_ROOMS = ("cuda", "expressions", "field", "geometry", "methods", "problem", "problems", "residuals", "result", "run")
_WORKLOADS = ("compression", "images", "radiance", "sdf")


def __getattr__(name: str) -> Any:
    """What is loaded when it is asked for: public names, rooms and workloads; and the version, from the metadata."""
    if name in _HOME:
        value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    if name in _WORKLOADS:
        return import_module(f"{__name__}.workloads.{name}")
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_meant(name)}", name=name, obj=_itself())
    from .version import installed_version

    return installed_version()


def _meant(name: str) -> str:
    """What a name that does not exist may have meant, as the end of a sentence."""
    if name.startswith("_"):
        return ""
    from .calls import near

    meant = _ELSEWHERE.get(name) or near(name, [*_HOME, *_ROOMS, *_WORKLOADS])
    return f"; did you mean hp.{meant}?" if meant else ""


def _itself() -> Any:
    return import_module(__name__)


def __dir__() -> list[str]:
    """Names for completion: also of what is not loaded yet."""
    own = {name for name in globals() if name not in ("Any", "TYPE_CHECKING", "annotations", "import_module")}
    return sorted({*own, *_HOME, *_ROOMS, *_WORKLOADS, "__version__"})
