"""Solutions as one HTML page with sliders, which needs no network and no other file."""

from __future__ import annotations

import json
import math
import webbrowser
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.checks import flag
from hermite_pinn.colours import CYCLIC, DIVERGING, SEQUENTIAL
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.complex_values import PARTS
from hermite_pinn.memory import spelled_size
from hermite_pinn.output import output_path, write_text

from .quantities import shown_fields
from .solution_html import is_estimated, status_colour
from .viewer_samples import coded, known_history, viewer_samples

__all__ = ["members_page", "view", "viewer_page"]

PAGE, MARK = "viewer.html", "/*DATA*/"
SEEN = {
    False: 0.2,
    True: 1e-4,
}  # of the mean square of the best slice that one in the middle needs, or the first in time


def view(page: str, path: str | Path | None, *, show: bool, writes: bool = True) -> Path:
    """Write a page and open it; see :meth:`hermite_pinn.Solution.view`."""
    shown = flag("show", show)
    target = output_path("view.html" if path is None else path)
    if writes:
        write_text(target, page)
        if shown:
            webbrowser.open(target.resolve().as_uri())
    return target


def viewer_page(solution: Any, fields: Any = None, resolution: float | None = None) -> str:
    """The page of a solution as text."""
    return _page(_shown(solution, fields, resolution))


def members_page(
    solutions: Sequence[Any],
    labels: Sequence[str],
    *,
    title: str,
    what: str,
    about: str,
    load: str,
    fields: Any = None,
    resolution: float | None = None,
) -> str:
    """The page of a sequence of solutions, with a slider from one to the next.

    Parameters
    ----------
    labels
        What tells the solutions apart, such as the values of a number; ``what`` says what that is.
    about
        Status and message of the sequence as a whole.
    load
        How the sequence is read from its files.
    """
    if not solutions:
        raise InvalidArgumentError(f"{title} holds no solution, so there is nothing to show")
    members = [_shown(s, fields, resolution, len(solutions)) for s in solutions]
    return _page(
        {"title": title, "about": about, "what": what, "labels": list(labels), "load": load, "members": members}
    )


def _page(data: dict[str, Any]) -> str:
    whole = data | {"sequential": list(SEQUENTIAL), "diverging": list(DIVERGING), "cyclic": list(CYCLIC)}
    text = json.dumps(whole, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "").replace("\u2029", "")
    template = resources.files(__package__).joinpath(PAGE).read_text(encoding="utf-8")
    return template.replace(MARK, text)


def _shown(solution: Any, fields: Any, resolution: float | None, share: int = 1) -> dict[str, Any]:
    """What a page holds of a solution, one of ``share`` on it."""
    axes, samples, level = viewer_samples(solution, fields, resolution, share)
    domain = solution.domain
    inside = None
    if level is not None:
        shape = [len(a) if i in domain.space_axes else 1 for i, a in enumerate(axes)]
        inside = np.broadcast_to((level <= 0).reshape(shape), [len(a) for a in axes])
    return {
        "title": solution.title or ", ".join(shown_fields(solution)),
        "status": solution.status.label,
        "colour": status_colour(solution.status, is_estimated(solution)),
        "message": solution.message,
        "advice": "" if solution.status.success else solution.status.advice_at(solution.estimated_error),
        "facts": _facts(solution),
        "axes": [{"name": n, "at": [float(f"{x:.9g}") for x in a]} for n, a in zip(domain.names, axes, strict=True)],
        "time": domain.time_axis,
        "space": list(domain.space_axes),
        "held": _held(domain, axes, next(iter(samples.values()))),
        "level": None if level is None else coded(level),
        "fields": [{"name": name} | (_phase(name, samples) or coded(v, inside)) for name, v in samples.items()],
        "history": _history(solution.history),
    }


def _phase(name: str, samples: dict[str, np.ndarray]) -> dict[str, Any]:
    """Of a phase, the numbers of its parts on the page: it jumps, so that its own samples say too little."""
    base, order = name.removeprefix("arg "), list(samples)
    for joint in ("_", " "):
        parts = [f"{base}{joint}{part}" for part in PARTS]
        if name != base and all(part in samples for part in parts):
            return {"low": -math.pi, "high": math.pi, "parts": [order.index(part) for part in parts]}
    return {}


def _held(domain: Any, axes: list[np.ndarray], values: np.ndarray) -> list[float]:
    """Where slices begin: at the start of time and in the middle of space, or where most is to be seen."""
    places = []
    for i, a in enumerate(axes):
        across = tuple(k for k in range(values.ndim) if k != i)
        size = np.nan_to_num(np.nanmean(np.where(np.isfinite(values), values, 0.0) ** 2, axis=across))
        first = 0 if i == domain.time_axis else len(a) // 2
        shows = size[first] >= SEEN[i == domain.time_axis] * size.max()
        places.append(float(a[first if shows else int(np.argmax(size))]))
    return places


def _facts(solution: Any) -> list[list[str]]:
    """Names and numbers beside the picture."""
    s = solution.stats
    facts = []
    if solution.estimated_error is not None:
        facts.append(["estimated error", f"{solution.estimated_error:.1e} (relative L2)"])
    elif s.get("no_estimate"):
        facts.append(["estimated error", f"none: {s['no_estimate']}"])
    deviations = s.get("standard_errors", {})
    for name, value in solution.parameters.items():
        spread = f" \u00b1 {deviations[name]:.1e}" if name in deviations else ""
        facts.append([f"parameter {name}", f"{value:.8g}{spread}"])
    facts += [[f"residual {name}", f"{value:.1e} (RMS)"] for name, value in solution.residuals.items()]
    facts += [[name, value] for name, value in _run(s) if value]
    facts += [["note", str(note)] for note in s.get("notes", ())]
    return [[name, value] for name, value in facts]


def _run(s: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of the run: eigenfunctions and files of other versions know less."""
    steps = f"{s['steps']} steps" if s.get("steps") else ""
    seconds = f"{s['seconds']:.2f} s" if "seconds" in s else ""
    memory = f" ({spelled_size(s['peak_memory'])} memory)" if s.get("peak_memory") else ""
    unknowns = s.get("unknowns", s.get("parameters"))
    seed = f"seed {s['seed']}" if "seed" in s else ""
    return [
        ("method", _joined(s.get("method", ""), steps, seconds)),
        ("unknowns", "" if unknowns is None else f"{unknowns:,}{memory}"),
        ("run", _joined(s.get("device", ""), s.get("dtype", ""), seed)),
    ]


def _joined(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def _history(history: Any) -> dict[str, Any]:
    """Columns of the history that say how a run converged."""
    names = [k for k in history.columns if k in ("step", "time", "error", "loss") or k.startswith("rms ")]
    if "damping" in history.columns:  # a square system makes the loss at collocation points zero, which says nothing
        names = [k for k in names if k != "loss"]
    columns = {name: history[name] for name in names}
    kept = {k: v for k, v in columns.items() if k in ("step", "time") or np.isfinite(v).sum() > 1}
    most = 2000
    if len(history) > most:
        each = math.ceil(len(history) / most)
        kept = {k: v[::each] for k, v in kept.items()}
    return known_history(kept)
