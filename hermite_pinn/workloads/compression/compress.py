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
    """What every method of :func:`compress` returns."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""

    @property
    def bytes(self) -> int:
        """Size of the file."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """By level, bytes of the file up to its end."""

    @property
    def ratio(self) -> float:
        """Bytes of the model over bytes of the file."""

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
        A :class:`hermite_pinn.Solution`; for other methods than ``"levels"`` also a radiance field, or a picture,
        (H, W) or (H, W, C).
    method
        ``"levels"``: coefficients as integers, with ``tol=1e-6``, the bound of the relative L2 error of every field,
        and ``gradient_tol=None``, that of gradients over space.  Both are measured on a fine grid that meets no vertex.
        ``"vqad"``, the default where ``bits`` are given: a field on an octree with indices of so many bits, 1 to 12,
        is learned from the model.  ``"kmeans"`` (``bits``), ``"low_rank"`` (``columns``) and ``"half"`` store the
        features of such a field in other ways; for these four, ``error`` is how good the field is, and their training
        takes ``max_time``, ``callbacks``, ``progress``, ``checkpoint``, ``resume`` and ``throw`` as
        :func:`hermite_pinn.solve` does, and of a radiance field its ``scene``.
    options
        Of the method.

    Returns
    -------
    Compressed
        With ``bytes``, ``ratio``, ``error`` and ``save(path)``.

    Raises
    ------
    InvalidArgumentError
        For an unknown method or option, a model that it does not take, or a bound that it cannot keep.

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
    """Open a compressed field.

    Parameters
    ----------
    path
        A file that :func:`compress` made.
    levels
        How many levels of detail to read, from the coarsest on; what follows them is not read, and may be missing or
        damaged.  Default: all that are whole, with a :class:`hermite_pinn.HermitePinnWarning` if some are not.

    Returns
    -------
    Solution or Radiance
        Of a compressed solution: values and derivatives come from the decoded field by the usual kernels; of a radiance
        field one that renders.

    Raises
    ------
    FileNotFoundError, CorruptFileError, OutOfMemoryError
        If there is no such file, it is damaged, foreign, too new, or cut off before the levels asked for, or the field
        does not fit in memory.  Nothing in it is executed.
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
