"""Tables of the suite of examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from .row import Row

__all__ = ["to_json", "to_markdown"]


def to_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as plain data; numbers that are not known are None."""
    plain = [asdict(row) | {"is_right": row.is_right} for row in rows]
    return [{k: None if v != v else v for k, v in row.items()} for row in plain]


def to_markdown(rows: Sequence[Row]) -> str:
    """A table, the sums below it, and what the wrong ones say."""
    head = "| example | origin | error | right at | estimate | CPU seconds | lines | option | status |\n|---|---|---|---|---|---|---|---|---|"
    told = [head, *(_cells(row) for row in rows)]
    right = [row for row in rows if row.is_right]
    lines = sum(row.lines for row in rows) / max(1, len(rows))
    files = sum(len(row.origin.split(", ")) for row in rows)
    rights = sum(len(row.origin.split(", ")) for row in right)
    seconds = sum(row.seconds for row in rows if not math.isnan(row.seconds))
    told.append("")
    told.append(
        f"{len(right)} of {len(rows)} problems are right ({rights} of {files} files), in {lines:.1f} lines on average and {seconds:.0f} CPU seconds together."
    )
    told += [f"* {row.name}: {row.about}." for row in rows if row.about]
    told += [f"* {row.name} is not right: {row.status}: {row.message}" for row in rows if not row.is_right]
    return "\n".join(told) + "\n"


def _cells(row: Row) -> str:
    error = "none" if math.isnan(row.error) else f"{row.error:.1e}"
    cells = [
        row.name,
        row.origin,
        error if row.is_right else f"**{error}**",
        f"{row.right:.0e}",
        "" if math.isnan(row.estimate) else f"{row.estimate:.1e}",
        "" if math.isnan(row.seconds) else f"{row.seconds:.2f}",
        str(row.lines),
        f"`{row.option}`" if row.option else "",
        row.status,
    ]
    return "| " + " | ".join(cells) + " |"
