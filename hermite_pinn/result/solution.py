"""The outcome of a solve: callable fields, errors, residuals, history, and files."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hermite_pinn import checks
from hermite_pinn.checks import either, items
from hermite_pinn.errors import HermitePinnError, InvalidArgumentError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Program
from hermite_pinn.field.field import GridField
from hermite_pinn.field.sampling import off_lattice_axes, shares_of
from hermite_pinn.geometry import Domain
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.evaluation import TermEvaluator
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.run.store import write_store
from hermite_pinn.torch_state import isolated

from .comparison import compared, inner_points, without_mean
from .coordinates import broadcast_coordinates
from .evaluable import PIECE
from .facts import Fact, facts
from .gauge_mean import with_field_mean
from .inside import SLACK
from .integrals import Marginal, integrate
from .known import known_solution
from .report import solution_report
from .sizes import WRITTEN, check_grid, intervals
from .solution_file import hdf5_path, read_solution, solution_contents
from .viewable import Viewable

__all__ = ["Solution"]


class Solution(Viewable):
    """The result of :func:`hermite_pinn.solve`.

    The fields of the problem are attributes and can be called at any points: ``solution.u(x, y)``, ``solution.u.x(x,
    y)``, ``solution.u.laplacian(x, y)``.  A complex field has complex values, and its parts are the fields ``u_real``
    and ``u_imag``.

    Attributes
    ----------
    status, message
        How the run ended (:class:`Status`, with advice), and a sentence with the numbers.
    estimated_error
        Estimate of the relative L2 error, or None.
    parameters
        Values of the problem's parameters.
    residuals
        RMS of every term at random points that were not used to solve, in the user's units.
    history
        One row per recorded step (:class:`History`).
    stats
        ``seconds`` (without compilation, which is ``compile_seconds``), ``steps``, ``seconds_per_step``,
        ``peak_memory`` (bytes), ``parameters`` (total) and ``reachable``, ``unknowns``, ``device``, ``dtype``,
        ``seed``, ``tol`` (if one was given), ``versions``, ``residual_scales`` (RMS of the source of every equation or
        of its terms, the unit of its relative residual), ``condition_scales`` (RMS of what conditions and data
        prescribe and of the fields or derivatives that they constrain), ``face_residuals`` (RMS by condition and face,
        for conditions on several faces), and the numbers of the method.
    field
        The :class:`hermite_pinn.field.field.GridField` of all fields.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> solution = hp.solve(hp.problems.poisson2d(), levels=3, progress=False)
    >>> solution.status.name, solution.fields
    ('COMPLETED', ('u',))
    >>> solution.error()["u"]["relative_l2"] < 1e-2
    True
    """

    def __init__(
        self,
        *,
        domain: Domain,
        periodic: Sequence[bool],
        field: GridField,
        status: Status,
        message: str,
        history: History,
        parameters: Mapping[str, float],
        stats: Mapping[str, Any],
        residuals: Mapping[str, float],
        estimated_error: float | None,
        title: str,
        settings: Mapping[str, Any],
        problem: Problem | None = None,
    ) -> None:
        self.domain = domain
        self.periodic = tuple(periodic)
        self.field = field
        self.status = status
        self.message = message
        self.history = history
        self.parameters = dict(parameters)
        self.stats = dict(stats)
        self.residuals = dict(residuals)
        self.estimated_error = estimated_error
        self.title = title
        self.settings = dict(settings)
        self.problem = problem

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: all but the problem, whose functions stay behind, as they do in a file."""
        return {name: value for name, value in self.__dict__.items() if name != "_fast"} | {"problem": None}

    def __copy__(self) -> Solution:
        twin = type(self).__new__(type(self))
        twin.__dict__ |= self.__dict__
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Solution:
        """A copy that shares the problem, which nothing can change."""
        twin = type(self).__new__(type(self))
        twin.__dict__ |= copy.deepcopy(self.__getstate__(), memo) | {"problem": self.problem}
        return twin

    @property
    def success(self) -> bool:
        """Whether the run did what was asked, and nothing speaks against the result: ``status.success``."""
        return self.status.success

    @property
    def has_equations(self) -> bool:
        """Whether the problem is known; a file does not hold it."""
        return self.problem is not None

    @property
    def facts(self) -> dict[str, Fact]:
        """Status, message, estimated error, tolerance, problem and more, as exported files hold them, by name."""
        return facts(self)

    @isolated()
    def exact_values(self, coordinates: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The problem's known solution by field, at coordinates that broadcast, one array per axis; float64.

        A field with a :class:`hermite_pinn.Gauge` is known up to a constant, or a function of time.  Its known solution
        gets the mean over space of the computed field at each time, so that the two differ by the error alone.
        """
        dim = self.domain.dim
        broadcast_coordinates(self.domain, items("coordinates", coordinates, "one array per axis", least=dim, most=dim))
        if self.problem is None:
            return {}
        expressions = self.problem.exact_expressions
        return with_field_mean(self, lambda c: self._values(expressions, c), self.problem.gauges, coordinates)

    def _values(self, expressions: Mapping[str, Expr], coordinates: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Functions of the coordinates, evaluated in float64."""
        tensors = [torch.as_tensor(np.array(c, dtype=np.float64)) for c in coordinates]
        env = {("coordinate", name): t for name, t in zip(self.domain.names, tensors, strict=True)}
        shape = torch.broadcast_shapes(*(t.shape for t in tensors))
        return {
            name: np.broadcast_to(np.asarray(Program([e]).run(env)[0], dtype=np.float64), shape)
            for name, e in expressions.items()
        }

    # -- errors ---
    @isolated()
    def error(
        self, points: Any = None, exact: Mapping[str, Callable[..., Any]] | None = None
    ) -> dict[str, dict[str, float]]:
        """Errors against the known solution.

        Parameters
        ----------
        points
            (n, dim); default: a fine grid that meets no vertex of the field (see :func:`off_lattice_axes`), as far as
            it lies in the domain.
        exact
            Known solution by field; default: the problem's.

        Returns
        -------
        dict
            ``{field: {"relative_l2": ..., "max": ...}}``, sums in float64 over all points; those of the default grid
            count by the length of axis that they stand for.  A field with a :class:`hermite_pinn.Gauge` is compared
            without its mean over space at each time.

        Raises
        ------
        InvalidArgumentError
            If no exact solution is known, or points have the wrong shape.
        """
        if exact is None:
            if self.problem is None or not self.problem.exact:
                raise InvalidArgumentError(
                    "no exact solution is known: give it to the problem (exact={'u': lambda x, y: ...}) or to error(exact=...)"
                )
            expressions = self.problem.exact_expressions
        else:
            expressions = known_solution(self.fields, self.domain.names, exact)
        instant: np.ndarray | None = None
        shares: np.ndarray | None = None
        if points is None and self.domain.is_cut:
            x, instant = inner_points(self.field, self.domain)
            values, coordinates = self.at_points(x.T, slack=math.inf)[:, 0], list(x)
        elif points is None:
            axes = off_lattice_axes(self.field, self.domain)
            values = self.on_grid(axes)[:, 0]
            coordinates = [a.reshape([-1 if i == j else 1 for j in range(len(axes))]) for i, a in enumerate(axes)]
            if any(self.field.encoder.knots):
                shares = reduce(np.multiply, np.ix_(*shares_of(self.field, axes)))
        else:
            values = self.at_points(points)[:, 0]
            coordinates = list(self._points(points, math.inf).T)
            if not values.size:
                raise InvalidArgumentError("there is no error at no points; points has none")
        gauges = () if self.problem is None else self.problem.gauges
        if points is None:
            known = self._values(expressions, coordinates)
        else:
            known = with_field_mean(self, lambda c: self._values(expressions, c), gauges, coordinates)
        errors = {}
        for f, exact_values in known.items():
            u = values[self.fields.index(f)]
            if points is None and f in gauges:
                if instant is None:
                    space = self.domain.space_axes
                    u, exact_values = (v - v.mean(axis=space, keepdims=True) for v in (u, exact_values))
                else:
                    u, exact_values = (without_mean(v, instant) for v in (u, exact_values))
            errors[f] = compared(u, exact_values, shares)
        return errors

    @isolated()
    def residual(self, points: Any, *, slack: float = SLACK) -> dict[str, np.ndarray]:
        """Residuals of the equations at points (n, dim), by name, in the user's units.

        Parameters
        ----------
        points
            Where.
        slack
            How far beyond shapes that cut the domain they may lie, relative to the edge lengths.

        Raises
        ------
        InvalidArgumentError
            If the solution was loaded from a file (files hold no equations), or points have the wrong shape.
        """
        if self.problem is None:
            raise InvalidArgumentError(
                "a loaded solution has no equations (files never hold code); set solution.problem to the problem it solves"
            )
        x = torch.as_tensor(np.ascontiguousarray(self._points(points, slack).T))
        x = x.to(self.field.device, self.field.dtype)
        terms = [t for t in self.problem.terms if t.region.is_interior]
        evaluator, values = TermEvaluator(terms, self.problem), np.empty((len(terms), x.shape[1]))
        for start in range(0, x.shape[1], PIECE):
            part = slice(start, start + PIECE)
            with torch.no_grad():
                rows = evaluator.residuals(self._fast, x[:, part].contiguous(), self.parameters)
            for row, r in zip(values, rows, strict=True):
                row[part] = r.double().cpu().numpy()
        return {t.name: row for t, row in zip(terms, values, strict=True)}

    @isolated()
    def integrate(
        self, expression: Any = None, over: Any = None, *, tol: float | None = None
    ) -> float | complex | Marginal:
        """The integral of a field, or of an expression of fields, over the domain, some axes, parts of them, or faces.

        Gauss rules on the cells of the field, halved until two orders agree: polynomials of the element and their
        squares are integrated exactly, but for rounding.  Where shapes cut the domain, the rule is that of the methods,
        on cells halved until two of them agree.

        Parameters
        ----------
        expression
            A field's name; or a function of fields, coordinates, parameters and, on faces, the outward normal ``n`` by
            name, such as ``lambda u, x: x * u.x**2`` or ``lambda u: u.n``; None: the field, if there is one only.
        over
            None: all axes.  A name of an axis, or several, or a dict of parts ``{"x": (0, 0.5)}``.  A face or several,
            or ``"boundary"``: without ``"t"`` beside it at one time.
        tol
            Uncertainty that is accepted, relative to the integral of the size of the expression; None: 1e-6, where
            shapes cut the domain 1e-3.

        Returns
        -------
        float, complex or Marginal
            A number, complex where the expression is; where axes are left, a function of their coordinates (numbers or
            arrays, broadcast).

        Raises
        ------
        InvalidArgumentError
            For names that do not exist, parts outside the domain or not whole where shapes cut it, and integrals that
            diverge or do not settle.

        Examples
        --------
        >>> import hermite_pinn as hp
        >>> problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x, [hp.Dirichlet(u=0.0)])
        >>> solution = hp.solve(problem, progress=False)  # x**3 - x
        >>> round(solution.integrate(), 9), round(solution.integrate(lambda u, x: x * u.x, over={"x": (0, 0.5)}), 9)
        (-0.25, -0.078125)
        >>> round(solution.integrate(lambda u: u.n, over="boundary"), 9)  # what the source gives
        3.0
        """
        return integrate(self, expression, over, self.parameters, tol)

    # -- report ---
    def __repr__(self) -> str:
        return f"Solution({self.title or ', '.join(self.fields)}, {self.status.label})"

    def __str__(self) -> str:
        errors: dict[str, dict[str, float]] = {}
        if self.problem is not None and self.problem.exact:
            with suppress(HermitePinnError):  # a reference that cannot be computed says so when it is asked for
                errors = self.error()
        return solution_report(self, errors)

    # -- files ---
    @isolated()
    def save(self, path: str | Path, samples: int | None = None) -> None:
        """Write everything to one HDF5 file: settings, tables, history, and ``samples`` on a grid.

        With ``samples=n``, at least 1, the values on a grid of n intervals per axis are added; the dimensions of every
        array are labelled with the names of the axes.
        The file is written whole or not at all; in a run on several processes by rank 0 alone, as all files are.

        Raises
        ------
        InvalidArgumentError
            If ``samples`` is no number of intervals, or the name does not end with ``.h5``, ``.hdf5`` or ``.hdf``.
        OutOfMemoryError, OutputError
            If the samples do not fit into memory or on the disk, or the file cannot be written.
        """
        target, count = hdf5_path("path", path), either(intervals, None)("samples", samples)
        if count is not None:
            check_grid([count + 1] * self.domain.dim, len(self.fields), times=WRITTEN, folder=target.parent)
        if not self._writes:
            return
        meta, arrays = solution_contents(self)
        labels: dict[str, Sequence[str]] = {}
        if count is not None:
            axes = [np.linspace(a, b, count + 1) for a, b in self.domain.bounds.values()]
            values = self.on_grid(axes)[:, 0]
            arrays |= {f"samples/axes/{n}": a for n, a in zip(self.domain.names, axes, strict=True)}
            arrays |= {f"samples/{f}": v for f, v in zip(self.fields, values, strict=True)}
            labels = {f"samples/{f}": self.domain.names for f in self.fields}
        write_store(target, "solution", meta, arrays, labels)

    to_hdf5 = save

    @classmethod
    @isolated()
    def load(cls, path: str | Path) -> Solution:
        """Read a file written by :meth:`save`; nothing in it is executed.

        Raises
        ------
        FileNotFoundError, CorruptFileError, OutOfMemoryError
            If there is no such file, it is damaged, foreign or too new, or it does not fit in memory.
        """
        return cls(**read_solution(checks.path("path", path)))

    def to_vtk(
        self,
        path: str | Path,
        *,
        resolution: float | None = None,
        points: Any = None,
        times: int | Sequence[float] | None = None,
        boundary: bool = False,
        gradient: bool = True,
        exact: bool = True,
        residual: bool = True,
    ) -> list[Path]:
        """Write ``.vti``, ``.vtu``, ``.vtp`` or ``.pvd`` for ParaView: :func:`hermite_pinn.result.export.to_vtk`."""
        from .export import to_vtk

        if not self._writes:
            return []
        return to_vtk(
            self, path, resolution=resolution, points=points, times=times, boundary=boundary, gradient=gradient,
            exact=exact, residual=residual,
        )  # fmt: skip
