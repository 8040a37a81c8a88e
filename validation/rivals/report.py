"""The curves as tables and as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .contest import Contest, Curve
from .curves import ratio_at, seconds_at

__all__ = ["OURS", "to_json", "to_markdown"]

OURS = "hermite_pinn"
Curves = Mapping[str, Sequence[Curve]]


def to_markdown(contests: Sequence[Contest], curves: Curves) -> str:
    """Times at equal error and their ratios, then every run, as Markdown tables.

    Parameters
    ----------
    contests
        In the order of the table.
    curves
        Of all codes, by the name of the contest.
    """
    groups: dict[tuple[str, ...], list[Contest]] = {}
    for contest in contests:
        groups.setdefault(tuple(e.code for e in contest.entrants), []).append(contest)
    lines = [line for codes, own in groups.items() for line in _times(codes, own, curves)]
    lines += ["| problem | code | setting | unknowns | CPU s | error | status |", "|---|---|---|---|---|---|---|"]
    for contest in contests:
        for curve in curves.get(contest.name, ()):
            for p in curve.points:
                lines.append(
                    f"| {contest.title} | {curve.code} | {p.setting} | {p.unknowns:,} | {p.seconds:.3g} | {p.error:.1e} | {p.status} |"
                )
            if curve.reason:
                lines.append(f"| {contest.title} | {curve.code} | {_cell(curve.reason)} | | | | |")
    methods = [
        f"* {c.title}, {c.problem}: " + "; ".join(f"{k.code}: {k.method}" for k in curves[c.name])
        for c in contests
        if curves.get(c.name)
    ]
    return "\n".join([*lines, "", *methods])


def _times(codes: Sequence[str], contests: Sequence[Contest], curves: Curves) -> list[str]:
    """Times at equal error of contests with the same codes, as lines of a table; none where nothing is known."""
    rivals = [code for code in codes if code != OURS]
    lines = []
    for contest in contests:
        known = {c.code: c for c in curves.get(contest.name, ())}
        for target in contest.targets if known else ():
            seconds = [_seconds(known.get(code), target) for code in codes]
            ratios = [_ratio(known.get(OURS), known.get(code), target) for code in rivals]
            lines.append(f"| {contest.title} | {target:g} | {' | '.join(seconds + ratios)} |")
    if not lines:
        return []
    head = f"| problem | error | {' | '.join(f'{c}, CPU s' for c in codes)} | {' | '.join(f'{OURS} / {c}' for c in rivals)} |"
    return [head, "|---" * (2 + len(codes) + len(rivals)) + "|", *lines, ""]


def _seconds(curve: Curve | None, error: float) -> str:
    if curve is None or not curve.points:
        return ""
    found = seconds_at(curve.points, error)
    return "not reached" if found is None else f"{found:.3g}"


def _ratio(ours: Curve | None, theirs: Curve | None, error: float) -> str:
    found = None if ours is None or theirs is None else ratio_at(ours.points, theirs.points, error)
    if found is None:
        return ""
    return f"{found:.2g}" if found < 10 else f"{found:.0f}"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")


def to_json(contests: Sequence[Contest], curves: Curves) -> list[dict[str, Any]]:
    """The curves as plain data, with the ratios at the errors of the contests."""
    found = []
    for contest in contests:
        known = {c.code: c for c in curves.get(contest.name, ())}
        if not known:
            continue
        ours = known[OURS].points if OURS in known else ()
        ratios = {
            code: {f"{target:g}": ratio_at(ours, curve.points, target) for target in contest.targets}
            for code, curve in known.items()
            if code != OURS
        }
        found.append(
            {
                "name": contest.name,
                "kind": contest.kind,
                "curves": [asdict(c) for c in known.values()],
                "ratios": ratios,
            }
        )
    return found
