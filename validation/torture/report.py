"""Verdicts as tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .attacks import ATTACKS
from .case import Kind
from .runner import Ended

__all__ = ["faults_text", "table", "write_figures"]

MARKS = ("<!-- figures of make torture -->", "<!-- end of the figures -->")


def table(ended: Sequence[Ended]) -> str:
    """Numbers of cases by class and verdict, as Markdown."""
    heads = ["class", "cases", *(str(k) for k in Kind)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    counts = {attack: Counter(v.kind for c, v in ended if c.attack == attack) for attack in ATTACKS}
    total: Counter[Kind] = Counter(v.kind for _, v in ended)
    for attack, count in {**counts, "all": total}.items():
        if count:
            cells = [attack.replace("_", " "), sum(count.values()), *(count[k] for k in Kind)]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def faults_text(ended: Sequence[Ended]) -> str:
    """Every fault with the command that repeats it."""
    lines = [f"{v.kind}: {' '.join(v.detail.split())}\n    {c.command}" for c, v in ended if v.kind.fault]
    return "\n".join(lines)


def write_figures(path: Path, text: str) -> None:
    """Put the text between the marks of a document, or make a document of it."""
    first, last = MARKS
    block = f"{first}\n\n{text}\n\n{last}"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    pattern = re.compile(re.escape(first) + ".*?" + re.escape(last), re.DOTALL)
    path.write_text(pattern.sub(lambda _: block, old) if pattern.search(old) else block + "\n", encoding="utf-8")
