"""Ten lines about a solution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hermite_pinn.memory import spelled_size

from .exportable import Reportable

__all__ = ["solution_report"]

LONGEST = 200  # letters of a domain
DIFFERS = 1.5  # times the residual of a whole condition is worth telling of one face


def solution_report(solution: Reportable, errors: Mapping[str, Mapping[str, float]]) -> str:
    """Status with advice, error, residuals, size, time and memory, as text.

    Parameters
    ----------
    solution
        The finished run.
    errors
        ``"relative_l2"`` and ``"max"`` of the fields whose solution is known, on an off-lattice grid.
    """
    s = solution.stats
    lines = [f"Solution {solution.title + ' ' if solution.title else ''}on {_short(repr(solution.domain))}"]
    lines.append(f"  status      {solution.status.label}: {solution.message}")
    if not solution.status.success:
        lines.append(f"  advice      {solution.status.advice_at(solution.estimated_error)}")
    lines += [f"  note        {note}" for note in s.get("notes", ())]
    if solution.estimated_error is not None:
        lines.append(
            f"  estimate    {solution.estimated_error:.1e} (relative L2, from the change between {_compared(solution)})"
        )
    elif s.get("no_estimate"):
        lines.append(f"  estimate    none: {s['no_estimate']}")
    for name, e in errors.items():
        lines.append(
            f"  error {name:<5} {e['relative_l2']:.2e} (relative L2), {e['max']:.2e} (max), on an off-lattice grid"
        )
    for name, value in solution.parameters.items():
        deviation = s.get("standard_errors", {}).get(name)
        spread = "" if deviation is None else f" +- {deviation:.1e} (standard error)"
        lines.append(f"  parameter   {name} = {value:.8g}{spread}")
    for name, value in solution.residuals.items():
        scale = (s.get("residual_scales", {}) | s.get("condition_scales", {})).get(name)
        relative = "" if scale is None else f", {value / scale:.1e} of its scale"
        worst = _worst_face(s.get("face_residuals", {}).get(name, {}), value)
        lines.append(f"  residual    {name}: {value:.1e} (RMS at random points{relative}){worst}")
    lines.append(
        f"  field       {solution.field.head.name}, {_encoded(solution)}, {s.get('parameters', 0):,} parameters"
    )
    each = f" of {1e3 * s['seconds_per_step']:.3g} ms" if s.get("seconds_per_step") else ""
    compiled = f" (+ {s['compile_seconds']:.1f} s compiling kernels)" if s.get("compile_seconds", 0) > 0.05 else ""
    lines.append(
        f"  time        {s.get('seconds', 0):.2f} s{compiled}, {s.get('method', '')}, {s.get('steps', 0)} steps{each}"
    )
    lines.append(
        f"  memory      {spelled_size(s.get('peak_memory', 0))} peak, {s.get('device', '')}, {s.get('dtype', '')}, seed {s.get('seed', '')}"
    )
    return "\n".join(lines)


def _compared(solution: Reportable) -> str:
    """What the estimate of the error was taken from."""
    return "marches" if "marches" in solution.stats else "levels"


def _encoded(solution: Reportable) -> str:
    """The encoder, with how long its cells are where that differs."""
    encoder = solution.field.encoder
    told = [(n, np.diff(k)) for n, k in zip(solution.domain.names, encoder.knots, strict=True) if len(k)]
    if not told:
        return encoder.summary
    layout = solution.field.layout
    counts = "x".join(map(str, layout.resolutions[-1]))
    lengths = ", ".join(f"of {d.min():.2g} to {d.max():.2g} along {name}" for name, d in told)
    return f"{layout.basis}, {counts} cells {lengths}"


def _worst_face(by_face: Mapping[str, float], whole: float) -> str:
    """Where a condition is satisfied worst, if that differs from elsewhere."""
    if not by_face:
        return ""
    face = max(by_face, key=lambda name: by_face[name])
    return f", worst on {face}: {by_face[face]:.1e}" if by_face[face] > DIFFERS * whole else ""


def _short(text: str) -> str:
    """A text, without its middle where it is long."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 60]} ... {text[-55:]}"
