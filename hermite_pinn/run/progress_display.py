"""The progress of a run in a notebook: one output that is replaced, so that no line is there twice."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from hermite_pinn.markup import escaped

from .progress_text import spelled_time

__all__ = ["ProgressDisplay", "running_kernel"]

logger = logging.getLogger(__name__)

#: Seconds until something is shown, and between two changes of it.
FIRST, NEXT = 0.5, 0.2

Show = Callable[[dict[str, str], bool], Any]
"""Shows HTML and plain text, for the first time or in the place of what is there."""


def running_kernel() -> Any:
    """The shell of the notebook in which the program runs, or None."""
    library = sys.modules.get("IPython")
    shell = None if library is None else library.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def _shown_by_ipython() -> Show:
    from IPython import display

    publish: Any = display.publish_display_data  # which has no types
    number = f"hermite-pinn-{time.time_ns()}"

    def show(texts: dict[str, str], again: bool) -> None:
        publish(texts, transient={"display_id": number}, update=again)

    return show


class ProgressDisplay:
    """A bar with text beside it, which shows nothing of runs that end at once, and one line when the run is over.

    Parameters
    ----------
    show
        Shows HTML and plain text; None: IPython does.
    clock
        Tells the seconds.

    Examples
    --------
    >>> seen, seconds = [], iter([0.0, 1.0, 1.1, 3.0])
    >>> bar = ProgressDisplay(lambda texts, again: seen.append((texts["text/plain"], again)), lambda: next(seconds))
    >>> bar.start("heat")
    >>> bar.update(0.5, "step 1", 1.0)
    >>> bar.update(0.9, "step 2", 0.1)
    >>> bar.close()
    >>> seen
    [('heat: 50 %, step 1, 0:01, 0:01 left', False), ('heat: step 2, 0:03', True)]
    """

    def __init__(self, show: Show | None = None, clock: Callable[[], float] = time.perf_counter) -> None:
        self._show, self._clock = show, clock
        self._title, self._text, self._began, self._next, self._visible = "", "", 0.0, FIRST, False

    def start(self, title: str) -> None:
        """Begin to count."""
        self._title, self._text, self._began, self._next, self._visible = title, "", self._clock(), FIRST, False

    def update(self, done: float, text: str, left: float | None) -> None:
        """Show it, unless that was done a moment ago."""
        self._text = text
        elapsed = self._clock() - self._began
        if elapsed < self._next:
            return
        self._next = elapsed + NEXT
        part = min(max(done, 0.0), 1.0)
        ends = "" if left is None else f", {spelled_time(left)} left"
        told = f"{text}, {spelled_time(elapsed)}{ends}"
        bar = (
            '<span style="display:inline-block;vertical-align:middle;width:12em;height:.6em;margin:0 .6em;border-radius:.3em;'
            f'background:rgba(127,127,127,.3)"><span style="display:block;width:{100 * part:.0f}%;height:100%;'
            'border-radius:.3em;background:#4c8bf5"></span></span>'
        )
        self._put(f"{escaped(self._title)}{bar}{escaped(told)}", f"{self._title}: {100 * part:.0f} %, {told}")

    def close(self) -> None:
        """Leave one line in the place of the bar, if there is one."""
        if self._visible:
            told = f"{self._title}: {self._text}, {spelled_time(self._clock() - self._began)}"
            self._put(f'<span style="opacity:.7">{escaped(told)}</span>', told)

    def _put(self, html: str, text: str) -> None:
        try:
            self._show = self._show or _shown_by_ipython()
            self._show({"text/html": f"<div>{html}</div>", "text/plain": text}, self._visible)
            self._visible = True
        except Exception:  # a notebook that is gone ends no run
            logger.debug("progress is not shown", exc_info=True)
