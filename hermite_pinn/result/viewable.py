"""How people look at a solution: in notebooks, as tables, as pictures, and as a page with sliders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermite_pinn.calls import options_named
from hermite_pinn.markup import failing_softly
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.torch_state import isolated

from .evaluable import Evaluable
from .solution_html import solution_html
from .tables import to_pandas, to_xarray

__all__ = ["Viewable"]


class Viewable(Evaluable):
    """Fields of a finished run, which can be looked at.

    Attributes
    ----------
    status, message, title, history, stats
        As of :class:`hermite_pinn.Solution`.
    """

    status: Status
    message: str
    title: str
    history: History
    stats: dict[str, Any]

    @property
    def _writes(self) -> bool:
        """Whether this process writes files: rank 0 of a run on several."""
        return not self.stats.get("rank", 0)

    @failing_softly
    def _repr_html_(self) -> str:
        """Status, numbers and small pictures, for notebooks."""
        return solution_html(self)

    @isolated()
    def to_xarray(
        self, fields: Any = None, *, axes: Mapping[str, Any] | None = None, resolution: float | None = None
    ) -> Any:
        """Fields and derivatives on a grid as an ``xarray.Dataset``; the extra ``xarray``.

        Parameters
        ----------
        fields
            Names such as ``["u", "u.x", "u.laplacian"]``; None: all fields.  Complex fields are complex variables.
        axes
            Positions by name of the axis, (n,); for an axis that is not named, equidistant ones.  A number cuts a
            slice: its axis is a coordinate without a dimension.
        resolution
            Intervals of axes that are not named; default: 200, 100, 40 or 16 on one to four axes.

        Returns
        -------
        xarray.Dataset
            Its dimensions are the axes of the domain, its variables (n_1, ..., n_d) are called as the fields, float64
            or complex128, NaN where shapes cut the domain away.  Its attributes are the title, the status and its
            message, the estimated error, parameters, method, seed, seconds and versions, all of them numbers or texts.
            Coordinates and fields are in the units of the problem, and no attribute says which these are.

        Raises
        ------
        InvalidArgumentError
            For names and positions that do not exist.
        OutOfMemoryError
            If the grid does not fit.
        BackendUnavailableError
            Without xarray; the message tells how to install it.

        Examples
        --------
        >>> import hermite_pinn as hp
        >>> problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x, [hp.Dirichlet(u=0.0)])
        >>> solution = hp.solve(problem, levels=1, progress=False)  # x**3 - x
        >>> data = solution.to_xarray(["u", "u.x"], resolution=4)
        >>> data.u.dims, data.x.values.tolist(), data["u.x"].values.round(9).tolist()
        (('x',), [0.0, 0.25, 0.5, 0.75, 1.0], [-1.0, -0.8125, -0.25, 0.6875, 2.0])
        """
        return to_xarray(self, fields, axes, resolution)

    @isolated()
    def to_pandas(
        self,
        fields: Any = None,
        *,
        points: Any = None,
        axes: Mapping[str, Any] | None = None,
        resolution: float | None = None,
    ) -> Any:
        """Fields and derivatives at points as a ``pandas.DataFrame``, one row per point; the extra ``pandas``.

        Parameters
        ----------
        fields, axes, resolution
            As for :meth:`to_xarray`; of a grid only the points in the domain become rows.
        points
            (n, dim), instead of a grid.

        Returns
        -------
        pandas.DataFrame
            Columns are the coordinates and the fields, float64, or complex128 for complex fields.

        Raises
        ------
        InvalidArgumentError
            For names and points that do not exist, and for points beside axes or a resolution.
        OutOfMemoryError
            If the grid does not fit.
        BackendUnavailableError
            Without pandas; the message tells how to install it.

        Examples
        --------
        >>> import hermite_pinn as hp
        >>> problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x, [hp.Dirichlet(u=0.0)])
        >>> solution = hp.solve(problem, levels=1, progress=False)  # x**3 - x
        >>> solution.to_pandas(["u", "u.xx"], points=[[0.5], [1.0]]).round(6).values.tolist()
        [[0.5, -0.375, 3.0], [1.0, 0.0, 6.0]]
        """
        return to_pandas(self, fields, points, axes, resolution)

    @options_named
    def plot(
        self,
        path: str | Path | None = None,
        *,
        resolution: float | None = None,
        time: float | None = None,
        residual: bool = True,
        backend: str = "matplotlib",
    ) -> Any:
        """Draw the fields with error and residual; see :func:`hermite_pinn.result.plots.plot_solution`.

        With ``backend="pyvista"`` solids are rendered by that, see
        :func:`hermite_pinn.result.pyvista_plots.render_solution`.
        """
        from .plots import plot_solution

        heading = f"{self.title or ', '.join(self.fields)}: {self.status.label}, {self.message}"
        target = path if self._writes else None
        return plot_solution(
            self, target, heading=heading, resolution=resolution, time=time, residual=residual, backend=backend
        )

    def plot_history(self, path: str | Path | None = None) -> Any:
        """Draw loss, residuals and error estimate over time; see :func:`hermite_pinn.result.plots.plot_history`."""
        from .plots import plot_history

        return plot_history(self.history, path if self._writes else None)

    @isolated()
    def view(
        self, path: str | Path | None = None, *, fields: Any = None, resolution: float | None = None, show: bool = True
    ) -> Path:
        """Write one HTML page with sliders for slices and time, and open it in the browser.

        The page needs no network and no other file.  It shows fields, derivatives and, where the problem is known,
        errors and residuals, with the status, the history and the value under the pointer.

        Parameters
        ----------
        path
            File to write; None: ``view.html`` in the working folder.
        fields
            As for :meth:`to_xarray`; None: all fields with their first derivatives, and those of second order where
            there is room.
        resolution
            Intervals per axis; None: as many as keep the page below some megabytes.
        show
            Whether to open it.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InvalidArgumentError
            For fields that do not exist.
        OutOfMemoryError, OutputError
            If the samples do not fit into memory, or the file cannot be written.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import hermite_pinn as hp
        >>> solution = hp.solve(hp.problems.poisson2d(), levels=2, progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = solution.view(pathlib.Path(folder) / "u.html", show=False).read_text()
        >>> page.count("<canvas"), "http://" in page
        (2, False)
        """
        from .viewer import view, viewer_page

        return view(viewer_page(self, fields, resolution), path, show=show, writes=self._writes)
