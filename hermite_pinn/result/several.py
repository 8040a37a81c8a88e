"""Several solutions, one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hermite_pinn.run.status import Status
from hermite_pinn.torch_state import isolated

from .solution import Solution

__all__ = ["Several"]


class Several(Sequence[Solution]):
    """A sequence of solutions: what :class:`.Branch` and :class:`.Spectrum` share.

    Attributes
    ----------
    values
        (count,): what tells them apart.
    solutions
        One :class:`Solution` for each.
    status, message
        Why the run that made them ended.
    """

    values: np.ndarray
    status: Status
    message: str
    _named: ClassVar[str] = "value"  # what one of the values is
    _load: ClassVar[str] = "Solution.load"

    def __init__(self, solutions: Sequence[Solution]) -> None:
        self.solutions = tuple(solutions)

    @property
    def success(self) -> bool:
        """Whether all was found that was asked for: ``status.success``."""
        return self.status.success

    def __len__(self) -> int:
        return len(self.solutions)

    def __getitem__(self, chosen: Any) -> Any:
        """A solution, or several by a slice."""
        return self.solutions[chosen]

    def __iter__(self) -> Iterator[Solution]:
        return iter(self.solutions)

    @isolated()
    def view(
        self, path: str | Path | None = None, *, fields: Any = None, resolution: float | None = None, show: bool = True
    ) -> Path:
        """Write one HTML page of all solutions, with a slider from one to the next, and open it in the browser.

        The slider goes over ``values``; colours of "all slices" are the same for all solutions.

        Parameters
        ----------
        path, fields, resolution, show
            As for :meth:`hermite_pinn.Solution.view`; the more solutions, the coarser is the default resolution.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        InvalidArgumentError
            For fields that do not exist, and where there is no solution.
        OutOfMemoryError, OutputError
            If the samples do not fit into memory, or the file cannot be written.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> import hermite_pinn as hp
        >>> def bent(load):
        ...     return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + load, [hp.Dirichlet(u=0.0)])
        >>> branch = hp.continuation(bent, [1.0, 2.0], tol=1e-4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = branch.view(pathlib.Path(folder) / "bent.html", show=False).read_text()
        >>> '"labels": ["1", "2"]' in page
        True
        """
        from .viewer import members_page, view

        kind = type(self).__name__
        page = members_page(
            self.solutions,
            [f"{value:.6g}" for value in self.values],
            title=f"{kind} of {len(self)} solutions",
            about=f"{self.status.label.replace('_', ' ')}: {self.message}",
            what=self._named,
            load=self._load,
            fields=fields,
            resolution=resolution,
        )
        return view(page, path, show=show, writes=not any(s.stats.get("rank", 0) for s in self.solutions))
