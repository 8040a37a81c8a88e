"""Compress a field in one of several ways, and open what was compressed."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hermite_pinn.checks import choice
from hermite_pinn.problem.problem import HermitePinnWarning
from hermite_pinn.torch_state import isolated

from .coded_field import SKELETONS, read_coded
from .container import Contents, look
from .level_file import KIND, read_levels
from .levels import compress_solution
from .vqad import half, kmeans, low_rank, vqad

__all__ = ["Compressed", "compress", "load"]


class Compressed(Protocol):
    """The interface of a compressed field, which :func:`compress` returns."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""

    @property
    def bytes(self) -> int:
        """Size of the file in bytes."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Size of the file in bytes up to the end of each level, from the coarsest on."""

    @property
    def ratio(self) -> float:
        """Size of the model divided by the size of the file."""

    @property
    def error(self) -> Mapping[str, float]:
        """Error of every field, as the method measures it."""

    def save(self, path: str | Path) -> None:
        """Write the file."""


#: Ways to compress, by name: called with the model and options of their own.
METHODS: dict[str, Callable[..., Compressed]] = {
    "levels": compress_solution,
    "vqad": vqad,
    "kmeans": kmeans,
    "low_rank": low_rank,
    "half": half,
}

#: What opens a file and reads some of its levels, by its kind.
READERS: dict[str, Callable[[Contents, int], Any]] = {
    KIND: read_levels,
    **dict.fromkeys(SKELETONS, read_coded),
}


def compress(model: Any, method: str | None = None, **options: Any) -> Compressed:
    """Compress a field.

    Parameters
    ----------
    model
        A :class:`hermite_pinn.Solution`.  All methods but ``"levels"`` also take a radiance field, or a picture (H, W)
        or (H, W, C).
    method
        How the field is stored.  Default: ``"vqad"`` if ``bits`` is given, otherwise ``"levels"``.

        ``"levels"`` rounds coefficients to integers.  Its options are ``tol`` (1e-6), the bound of the relative L2
        error of every field, and ``gradient_tol`` (None), that of gradients over space.  Both are measured on a fine
        grid that meets no vertex.

        The others learn a field on an octree from the model and store its features: ``"vqad"`` as indices of ``bits``
        (6) bits, 1 to 12, into learned codebooks; ``"kmeans"`` as indices of ``bits`` bits into clusters;
        ``"low_rank"`` as an approximation of the rank ``columns`` (4); ``"half"`` in half precision.  Their ``error``
        is measured and not bounded.
    options
        Options of the method.  Those of the octree are ``levels``, ``coarsest``, ``features``, ``width``, ``depth``,
        ``basis``, ``steps``, ``code_steps``, ``points``, ``temperature``, ``revive``, ``random_levels``, ``start`` and
        ``seed``.  Their training also takes ``max_time``, ``callbacks``, ``progress``, ``checkpoint``, ``resume`` and
        ``throw`` as :func:`hermite_pinn.solve` does, and ``scene`` for a radiance field.

    Returns
    -------
    Compressed
        With ``bytes``, ``ratio``, ``error`` and ``save(path)``.

    Raises
    ------
    InvalidArgumentError
        If the method or an option is unknown, the method does not take the model, or a bound cannot be kept.
    InvalidProblemError
        If the model has no details in its box.
    DivergedError
        If a loss becomes infinite or NaN; ``error.solution`` is the last good state.
    OutOfMemoryError
        If the training does not fit into the memory.

    Examples
    --------
    >>> import tempfile
    >>> import hermite_pinn as hp
    >>> solution = hp.solve(hp.problems.poisson2d(), levels=4, progress=False)
    >>> small = hp.compression.compress(solution, tol=1e-4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     small.save(f"{folder}/u.hpc")
    ...     again, coarse = hp.compression.load(f"{folder}/u.hpc"), hp.compression.load(f"{folder}/u.hpc", levels=2)
    >>> small.ratio > 4, abs(again.u(0.3, 0.4) - solution.u(0.3, 0.4)) < 1e-3, coarse.field.layout.resolutions
    (True, True, ((4, 4),))
    """
    if method is not None:
        choice("method", method, METHODS, otherwise="None")
    how = choice("method", method or ("vqad" if "bits" in options else "levels"), METHODS)
    taken = list(inspect.signature(METHODS[how]).parameters.values())[1:]
    if not any(p.kind is p.VAR_KEYWORD for p in taken):  # those who take any name check it themselves
        for name in options:
            choice(f"the option of method={how!r}", name, [p.name for p in taken])
    return METHODS[how](model, **options)


@isolated()
def load(path: str | Path, levels: int | None = None) -> Any:
    """Read a compressed field.

    Parameters
    ----------
    path
        A file that :func:`compress` made.
    levels
        Number of levels of detail to read, from the coarsest on; the rest of the file may be missing or damaged.
        Default: all that are complete, with a :class:`hermite_pinn.HermitePinnWarning` if some are not.

    Returns
    -------
    Solution or Radiance
        The decoded field; values and derivatives come from the usual kernels.

    Raises
    ------
    FileNotFoundError, CorruptFileError, OutOfMemoryError
        If the file does not exist, is damaged, of another kind or too new, ends before the requested levels, or does
        not fit into the memory.  Nothing in it is executed.
    InvalidArgumentError
        If it never had so many levels.
    """
    contents = look(path, list(READERS))
    count = contents.chosen(levels)
    if levels is None and count < contents.levels:
        warnings.warn(
            f"{contents.source} was cut off: {count} of its {contents.levels} levels are whole, and these were read",
            HermitePinnWarning,
            stacklevel=3,
        )
    return READERS[contents.kind](contents, count)
