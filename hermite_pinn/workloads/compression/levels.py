"""Compress a solution: its numbers as integers, with an error that is measured, each level behind the coarser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermite_pinn.checks import instance, number
from hermite_pinn.checks import path as file_path
from hermite_pinn.memory import check_fits
from hermite_pinn.output import write_file
from hermite_pinn.result.solution import Solution
from hermite_pinn.torch_state import isolated

from .coding import Coding
from .codings import coding_of
from .container import encode
from .level_file import KIND, level_blocks, level_meta
from .probe import Probe, with_field
from .search import Found, Target, largest_scales

__all__ = ["CompressedSolution", "compress_solution"]

QUICK = 200_000  # points of a search


@dataclass(frozen=True)
class CompressedSolution:
    """A compressed solution, as :func:`compress` returns it for ``method="levels"``.

    Attributes
    ----------
    solution
        The solution that the file will give: decoded fields, with the settings and history of the original.
    tol, error
        Bound of the relative L2 error, and the error of every field on a fine grid that meets no vertex.
    gradient_tol, gradient_error
        The same for gradients over space.  None and empty if no bound was given.
    sizes
        Size of the file in bytes up to the end of each level, from the coarsest on.
    level_errors
        For each level, the largest relative L2 error of a field that is read up to its end.
    uncompressed
        Size of the parameters of the solution's field in bytes.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> solution = hp.solve(hp.problems.poisson2d(), levels=4, progress=False)
    >>> small = hp.compression.compress(solution, tol=1e-4)
    >>> small.fields, small.error["u"] <= 1e-4, small.ratio > 4, small.bytes == small.sizes[-1]
    (('u',), True, True, True)
    """

    solution: Solution
    tol: float
    error: Mapping[str, float]
    gradient_tol: float | None
    gradient_error: Mapping[str, float]
    sizes: tuple[int, ...]
    level_errors: tuple[float, ...]
    uncompressed: int
    _pieces: tuple[bytes, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return self.solution.fields

    @property
    def levels(self) -> int:
        """Number of levels of detail."""
        return len(self.sizes)

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return self.sizes[-1]

    @property
    def ratio(self) -> float:
        """Bytes of the solution's parameters by those of the file."""
        return self.uncompressed / self.bytes

    def __repr__(self) -> str:
        worst = max(self.error.values())
        return f"CompressedSolution({', '.join(self.fields)}, {self.bytes:,} bytes, {self.ratio:.3g} times fewer, error {worst:.2g})"

    @isolated()
    def save(self, path: str | Path) -> None:
        """Write the file, all of it or nothing.

        Raises
        ------
        InvalidArgumentError, OutputError
            If the path is none, or cannot be written.
        """
        write_file(file_path("path", path), *self._pieces)


@isolated()
def compress_solution(solution: Any, *, tol: float = 1e-6, gradient_tol: float | None = None) -> CompressedSolution:
    """Compress the fields of a solution; see :func:`hermite_pinn.compression.compress`.

    Parameters
    ----------
    solution
        Of any problem, or a distance of :func:`hermite_pinn.sdf.fit`.
    tol
        Bound of the relative L2 error of every field.
    gradient_tol
        Bound of that of every gradient over space; default: none.

    Raises
    ------
    InvalidArgumentError
        If it is no solution, or a bound is no number between 0 and 1, or is finer than the numbers of the field.
    OutOfMemoryError
        If the fields do not fit a second time.
    """
    given = instance("solution", solution, Solution, "a hermite_pinn.Solution")
    bound = number("tol", tol, above=0.0, below=1.0)
    slope = None if gradient_tol is None else number("gradient_tol", gradient_tol, above=0.0, below=1.0)
    field = given.field.to("cpu").detached().rounded()
    original = with_field(given, field)
    whole = sum(v.numel() * v.element_size() for v in given.field.tensors().values())
    check_fits(6.0 * whole, f"compressing fields of {whole:,} bytes", "compress fewer levels")
    targets = _targets(original, bound, slope)
    coding = coding_of(field)
    coding.weigh(targets[0].quick.changes)
    found = largest_scales(coding, targets)
    by_level = _level_errors(coding, found, targets[0].quick)
    blocks = level_blocks(original, coding, found)
    errors = [dict(e) for e in found.errors]
    told = {"tol": bound, "error": errors[0], "level_errors": by_level, "uncompressed": whole}
    if slope is not None:
        told |= {"gradient_tol": slope, "gradient_error": errors[1]}
    pieces, sizes = encode(KIND, level_meta(original, coding, found) | {"compression": told}, blocks)
    decoded = with_field(given, found.field)
    return CompressedSolution(
        decoded, bound, errors[0], slope, errors[1] if slope else {}, sizes, tuple(by_level), whole, tuple(pieces)
    )


def _targets(solution: Solution, tol: float, gradient_tol: float | None) -> list[Target]:
    targets = [Target(Probe(solution), tol, Probe(solution, most=QUICK))]
    if gradient_tol is not None:
        own = Probe(solution, gradient=True), Probe(solution, gradient=True, most=QUICK)
        targets.append(Target(own[0], gradient_tol, own[1]))
    return targets


def _level_errors(coding: Coding, found: Found, probe: Probe) -> list[float]:
    """Largest relative error of a field by level, the last as it was found."""
    errors = []
    for level in range(1, coding.levels):
        decoded = coding.decode(found.numbers[:level], found.scales, coding.kept())
        errors.append(max(probe.errors(decoded).values()))
    return [*errors, max(found.errors[0].values())]
