"""What a notebook shows of solutions, branches and spectra: status, errors, residuals and small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hermite_pinn.expressions.graph import postorder
from hermite_pinn.expressions.marked import name_marked
from hermite_pinn.markup import FADED, badge, block, escaped, figure, heading, picture_or_text, row, rows, table
from hermite_pinn.memory import spelled_size
from hermite_pinn.run.status import Status

from .comparison import compared
from .quantities import shown_fields
from .small_pictures import curve_svg, field_pictures

__all__ = [
    "branch_html",
    "family_table",
    "is_estimated",
    "solution_html",
    "spectrum_html",
    "status_badge",
    "status_colour",
]

GREEN, GREY, AMBER, RED = "#1a7f37", "#57606a", "#9a6700", "#cf222e"
LIMITED = (Status.MAX_SIZE, Status.MAX_TIME, Status.STOPPED, Status.INTERRUPTED)
MOST = 24  # terms, parameters or members of a family that are shown
POINTS = {1: 997, 2: 61, 3: 19, 4: 9}  # per axis, to compare with a known solution


def status_badge(status: Status, estimated: bool = True) -> str:
    """A status as a word on green, grey, amber or red; see :func:`status_colour`."""
    return badge(status.label.replace("_", " "), status_colour(status, estimated))


def status_colour(status: Status, estimated: bool = True) -> str:
    """Green for success, grey for one whose error is not estimated, amber for what was ended, red for what failed."""
    if status.success:
        return GREEN if estimated else GREY
    return AMBER if status in LIMITED else RED


def is_estimated(solution: Any) -> bool:
    """Whether an error is estimated, or the kind of the run leaves none to be."""
    return solution.estimated_error is not None or not solution.stats.get("no_estimate")


def solution_html(solution: Any) -> str:
    """A solution as HTML."""
    s = solution.stats
    told = [row("message", escaped(solution.message))]
    if not solution.status.success:
        told.append(row("what to do", f"<b>{escaped(solution.status.advice_at(solution.estimated_error))}</b>"))
    if solution.estimated_error is not None:
        told.append(
            row("estimate", f"{solution.estimated_error:.1e} <span style='{FADED}'>relative L2 error, estimated</span>")
        )
    elif s.get("no_estimate"):
        told.append(row("estimate", f"none <span style='{FADED}'>{escaped(s['no_estimate'])}</span>"))
    told += [row("error", _errors(solution))] if _compares(solution) else []
    told += [row("parameters", _parameters(solution))] if solution.parameters else []
    told += [row("residuals", _residuals(solution))] if solution.residuals else []
    told += [row("run", _run(s))]
    told += [row("note", escaped(note)) for note in s.get("notes", ())]
    after = '<code>.plot()</code>, <code>.view()</code>, <code>.save("u.h5")</code>, <code>.to_vtk("u.vtu")</code>, <code>.to_xarray()</code>'
    told.append(row("go on with", after))
    title = solution.title or ", ".join(shown_fields(solution))
    course = picture_or_text(lambda: _course(solution.history))
    return block(
        heading("Solution", title, status_badge(solution.status, is_estimated(solution))),
        rows(*told),
        field_pictures(solution),
        course,
    )


def _compares(solution: Any) -> bool:
    """Whether the known solution is a formula, which takes no time; a reference may have to be computed."""
    problem = solution.problem
    if problem is None or not problem.exact:
        return False
    return not any(node.op == "opaque" for node in postorder(*problem.exact_expressions.values()))


def _errors(solution: Any) -> str:
    return picture_or_text(lambda: _compared(solution))


def _compared(solution: Any) -> str:
    """Errors on a coarse grid, which is said: :meth:`Solution.error` takes a fine one."""
    domain, count = solution.domain, POINTS[solution.domain.dim]
    axes = [a + (b - a) * (np.arange(count) + 0.5) / count for a, b in domain.bounds.values()]
    values, spread = solution.on_grid(axes)[:, 0], np.ix_(*axes)
    found = []
    for name, truth in solution.exact_values(spread).items():
        u = values[solution.fields.index(name)]
        here = np.isfinite(u)
        found.append(f"{name_marked(name)} {compared(u[here], truth[here], None)['relative_l2']:.1e}")
    grid = f"{count} points" if domain.dim == 1 else f"{count} points per axis"
    return f"{', '.join(found)} <span style='{FADED}'>relative L2, at {grid}</span>"


def _parameters(solution: Any) -> str:
    deviations = solution.stats.get("standard_errors", {})
    lines = []
    for name, value in list(solution.parameters.items())[:MOST]:
        spread = deviations.get(name)
        lines.append([name_marked(name), f"{value:.8g}", "" if spread is None else f"&plusmn; {spread:.1e}"])
    return table(lines, ["name", "value", "standard error"], marked=True)


def _residuals(solution: Any) -> str:
    scales = solution.stats.get("residual_scales", {}) | solution.stats.get("condition_scales", {})
    lines = []
    for name, value in list(solution.residuals.items())[:MOST]:
        scale = scales.get(name)
        lines.append([escaped(name, 60), f"{value:.1e}", f"{value / scale:.1e}" if scale else ""])
    return table(lines, ["term", "RMS at random points", "of its scale"], marked=True)


def _run(s: Any) -> str:
    compiled = f" (+ {s['compile_seconds']:.1f} s compiling kernels)" if s.get("compile_seconds", 0) > 0.05 else ""
    method, unknowns = escaped(s.get("method", ""), 60), s.get("unknowns", s.get("parameters"))
    where = " ".join(escaped(s[name]) for name in ("device", "dtype") if s.get(name))
    parts = [
        f"{s.get('seconds', 0):.2f} s{compiled}",
        f"{s['steps']} steps of {method or 'a method'}" if s.get("steps") else method,
        "" if unknowns is None else f"{unknowns:,} unknowns",
        f"{spelled_size(s['peak_memory'])} memory" if s.get("peak_memory") else "",
        where,
        f"seed {escaped(s['seed'])}" if "seed" in s else "",
    ]
    return ", ".join(part for part in parts if part)


def _course(history: Any) -> str:
    """The estimated error over the steps of a run, where it has several."""
    if "error" not in history.columns:
        return ""
    errors, steps = history["error"], history["step"]
    known = np.isfinite(errors) & (errors > 0)
    if known.sum() < 2:
        return ""
    curve = curve_svg(steps[known], [errors[known]], "step", logarithmic=True, dots=known.sum() < 40)
    return figure(curve, "estimated error")


def branch_html(branch: Any) -> str:
    """A branch as HTML: its values, and for each the status, and the size of the fields."""
    told = [row("message", escaped(branch.message))]
    if branch.fold is not None:
        told.append(row("fold", f"near {branch.fold:.6g}"))
    if not branch.status.success:
        told.append(row("what to do", f"<b>{escaped(branch.status.advice)}</b>"))
    lines = [_line(f"{v:.8g}", s) for v, s in zip(branch.values, branch.solutions, strict=True)]
    refused = [
        f"{r['value']:.6g} ({escaped(r['status'])}: {escaped(r['message'], 120)})" for r in branch.refused[:MOST]
    ]
    told += [row("refused steps", "<br>".join(refused))] if refused else []
    members = family_table(lines, ["value", "status", "estimate", "message"])
    last = branch.solutions[-1] if branch.solutions else None
    shown = "" if last is None else f"<div style='{FADED}'>at {branch.values[-1]:.6g}</div>" + field_pictures(last)
    title = f"of {len(branch)} solutions"
    return block(
        heading("Branch", title, status_badge(branch.status, all(map(is_estimated, branch.solutions)))),
        rows(*told),
        members,
        shown,
    )


def spectrum_html(spectrum: Any) -> str:
    """A spectrum as HTML: the values with their estimated errors, and the first functions."""
    told = [row("message", escaped(spectrum.message))]
    if not spectrum.status.success:
        told.append(row("what to do", f"<b>{escaped(spectrum.status.advice)}</b>"))
    pairs = zip(spectrum.values, spectrum.estimated_errors, strict=True)
    lines = [[str(k), f"{v:.10g}", f"&plusmn; {e:.1e}"] for k, (v, e) in enumerate(pairs)]
    values = family_table(lines, ["", "eigenvalue", "estimated error"])
    shown = "".join(
        figure(field_pictures(s), f"{v:.6g}")
        for v, s in list(zip(spectrum.values, spectrum.solutions, strict=True))[:3]
    )
    title = f"of {len(spectrum)} eigenvalues"
    return block(heading("Spectrum", title, status_badge(spectrum.status)), rows(*told), values, shown)


def family_table(lines: Sequence[Sequence[str]], names: Sequence[str]) -> str:
    """Members of a family, the first and the last of many."""
    if len(lines) > MOST:
        half = MOST // 2
        lines = [*lines[:half], ["&hellip;"] * len(names), *lines[-half:]]
    return table(lines, names, marked=True)


def _line(value: str, s: Any) -> list[str]:
    estimate = "" if s.estimated_error is None else f"{s.estimated_error:.1e}"
    return [value, status_badge(s.status, is_estimated(s)), estimate, escaped(s.message, 80)]
