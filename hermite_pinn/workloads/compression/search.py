"""The largest steps with which the decoded field is as close as it is asked to be: measured, not estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import GridField

from .coding import Coding, StepTooSmallError
from .probe import Probe

__all__ = ["Found", "Target", "largest_scales"]

ROUNDS = 24
CLOSE = 0.97  # of a tolerance: near enough below it
AIM = 0.99


@dataclass(frozen=True)
class Target:
    """A bound of the errors that a probe measures.

    Attributes
    ----------
    probe
        Of many points; it decides.
    tol
        The bound.
    quick
        Of fewer points, for the search.
    """

    probe: Probe
    tol: float
    quick: Probe


@dataclass(frozen=True)
class Found:
    """Steps that keep all bounds.

    Attributes
    ----------
    scales
        For :meth:`.Coding.encode`.
    numbers
        Integers by level.
    field
        The decoded field.
    errors
        By target, those of every field.
    """

    scales: np.ndarray
    numbers: list[np.ndarray]
    field: GridField
    errors: tuple[Mapping[str, float], ...]


def largest_scales(coding: Coding, targets: Sequence[Target]) -> Found:
    """Search by the few points, then decide by the many.

    Raises
    ------
    InvalidArgumentError
        If no steps keep the bounds: they are finer than the numbers of the field.
    """
    target = targets[0]
    scales = coding.first_scales(target.tol, target.quick.norms())
    scales = np.where(scales > 0, scales, float(scales.max()) or 1.0)
    kept: np.ndarray | None = None
    for _ in range(ROUNDS):
        ratios, _ = _measured(coding, scales, [(t.quick, t.tol) for t in targets])
        if np.all(ratios <= 1.0):
            kept = scales if kept is None else np.maximum(kept, scales)
            if np.all((ratios >= CLOSE) | (ratios == 0.0)):
                break
        scales = scales * np.where(ratios > 0, np.clip(AIM / np.maximum(ratios, 1e-30), 1 / 64, 64), 1.0)
    scales = scales if kept is None else kept
    for _ in range(ROUNDS):
        ratios, found = _measured(coding, scales, [(t.probe, t.tol) for t in targets])
        if found is not None and np.all(ratios <= 1.0):
            return found
        scales = scales * np.where(ratios > 1.0, np.clip(AIM / np.maximum(ratios, 1e-30), 1 / 64, 0.99), 1.0)
    dtype = str(coding.field.dtype).removeprefix("torch.")
    raise InvalidArgumentError(
        f"{' and '.join(f'{t.tol:g}' for t in targets)} cannot be kept: relative errors that are finer than the numbers of "
        f"this field, which are {dtype}; give a larger tol"
    )


def _measured(
    coding: Coding, scales: np.ndarray, probes: Sequence[tuple[Probe, float]]
) -> tuple[np.ndarray, Found | None]:
    """By scale, the largest error of its fields in units of what is allowed."""
    try:
        numbers = coding.encode(scales)
    except StepTooSmallError:
        return np.full(len(scales), 64.0), None
    field = coding.decode(numbers, scales, coding.kept())
    errors = tuple(probe.errors(field) for probe, _ in probes)
    by_field = np.max([[e / tol for e in own.values()] for own, (_, tol) in zip(errors, probes, strict=True)], axis=0)
    ratios = np.array([by_field.max()]) if len(scales) < len(by_field) else by_field
    return ratios, Found(scales, numbers, field, errors)
