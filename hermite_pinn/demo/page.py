"""The page that shows all examples side by side."""

from __future__ import annotations

import html
import platform
from collections.abc import Mapping, Sequence
from typing import Protocol

import torch

from hermite_pinn.version import installed_version

from .example import Example, Shown

__all__ = ["page"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #1a7f37; --bad: #b35900; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 1500px; padding: 1.5rem; }
h1 { margin: 0 0 .25rem; font-size: 1.7rem; } h2 { margin: 0 0 .3rem; font-size: 1.2rem; }
main { display: grid; align-items: start; gap: 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 620px), 1fr)); }
article { border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem; min-width: 0; }
img { width: 100%; height: auto; background: white; border-radius: 6px; }
code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; background: var(--soft); border-radius: 6px; padding: .7rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .92rem; }
dt { opacity: .75; max-width: 12rem; } dd { margin: 0; }
.status { font-weight: 600; color: var(--good); } .status.open { color: var(--bad); }
@media (max-width: 560px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
"""


class Stopped(Protocol):
    """What the page needs of an example that was shown."""

    @property
    def example(self) -> Example:
        """What it is."""

    @property
    def shown(self) -> Shown:
        """What was found."""

    @property
    def wall(self) -> float:
        """Seconds."""

    @property
    def cpu(self) -> float:
        """Seconds of all cores together."""

    @property
    def success(self) -> bool:
        """Whether nothing speaks against the result."""


def page(stops: Sequence[Stopped], *, quick: bool = False) -> str:
    """A page of HTML with a picture, status, estimate and time of every example; it loads nothing but the pictures.

    Examples
    --------
    >>> page([]).startswith("<!doctype html>")
    True
    """
    total, cores = sum(s.wall for s in stops), sum(s.cpu for s in stops)
    machine = f"Python {platform.python_version()}, PyTorch {torch.__version__}, {platform.machine()}"
    coarse = "<p><strong>Solved coarsely (--quick).</strong></p>" if quick else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>hermite_pinn: a demonstration</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>hermite_pinn {html.escape(installed_version())}</h1>
<p>Every number and picture on this page was made by this run: {total:.0f} s on the clock, {cores:.0f} s of all cores
together, files and pictures included. {html.escape(machine)}.</p>
{coarse}
<main>
{"".join(_article(stop) for stop in stops)}
</main>
</body>
</html>
"""


def _article(stop: Stopped) -> str:
    example, shown = stop.example, stop.shown
    kind = "status" if stop.success else "status open"
    files = " · ".join(f'<a href="{html.escape(f.name)}">{html.escape(f.name)}</a>' for f in shown.files)
    rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{value}</dd>" for name, value in _rows(stop).items())
    return f"""<article id="{example.name}">
<h2>{html.escape(example.title)}</h2>
<p>{html.escape(example.about)}</p>
<p><code>{html.escape(example.equations)}</code></p>
<a href="{html.escape(shown.picture.name)}"><img src="{html.escape(shown.picture.name)}" alt="{html.escape(example.title)}"></a>
<dl><dt>status</dt><dd><span class="{kind}">{shown.solution.status.label}</span>: {html.escape(shown.solution.message)}</dd>
{rows}<dt>files</dt><dd>{files}</dd></dl>
<details><summary>How it is written</summary><pre>{html.escape(example.code)}</pre></details>
</article>
"""


def _rows(stop: Stopped) -> Mapping[str, str]:
    """Lines of the table: estimate, what was measured, size and time."""
    solution = stop.shown.solution
    rows: dict[str, str] = {}
    if solution.estimated_error is not None:
        rows["estimated error"] = f"{solution.estimated_error:.1e}, relative L2"
    rows |= {name: html.escape(value) for name, value in stop.shown.facts.items()}
    rows["unknowns"] = f"{solution.stats['parameters']:,}"
    compiled = solution.stats.get("compile_seconds", 0.0)
    more = f", {compiled:.1f} s more for compiling kernels, which are kept" if compiled > 0.05 else ""
    rows["time"] = f"{solution.stats['seconds']:.1f} s{more}"
    return rows
