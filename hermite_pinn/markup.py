"""Pieces of HTML that notebooks show: readable on light and dark pages, without scripts or styles of their own."""

from __future__ import annotations

import base64
import functools
import html
import io
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

__all__ = [
    "badge",
    "block",
    "embedded",
    "escaped",
    "failing_softly",
    "figure",
    "heading",
    "picture_or_text",
    "row",
    "rows",
    "table",
]

logger = logging.getLogger(__name__)

Object = TypeVar("Object")

LINE = "rgba(127,127,127,.35)"  # visible on white and on black
LONGEST = 600  # letters of one text
FADED = "opacity:.7"


def escaped(text: object, longest: int = LONGEST) -> str:
    """A text without its middle, where it is long, that HTML shows as it is.

    Examples
    --------
    >>> escaped("a < b & c")
    'a &lt; b &amp; c'
    """
    whole = str(text)
    if len(whole) > longest:
        whole = f"{whole[: longest // 2]} ... {whole[-longest // 3 :]}"
    return html.escape(whole)


def failing_softly(write: Callable[[Object], str]) -> Callable[[Object], str]:
    """A method that writes HTML; where it fails, the ``repr`` of its object is shown, and never an error.

    Examples
    --------
    >>> class Thing:
    ...     def __repr__(self):
    ...         return "<Thing>"
    ...     @failing_softly
    ...     def _repr_html_(self):
    ...         raise ValueError
    >>> Thing()._repr_html_()
    '<pre>&lt;Thing&gt;</pre>'
    """

    @functools.wraps(write)
    def safe(self: Object) -> str:
        try:
            return write(self)
        except Exception:
            logger.debug("no HTML", exc_info=True)
        try:
            return f"<pre>{escaped(repr(self), 5000)}</pre>"
        except Exception:
            return f"<pre>{escaped(type(self).__name__)}</pre>"

    return safe


def badge(text: str, colour: str) -> str:
    """A word on a coloured ground."""
    return (
        f'<span style="display:inline-block;padding:1px 8px;border-radius:9px;background:{colour};color:#fff;'
        f'font-weight:600">{escaped(text)}</span>'
    )


def heading(kind: str, title: str, after: str = "") -> str:
    """The first line: what kind of thing it is, its name, and HTML that follows."""
    named = f" {escaped(title)}" if title else ""
    return f'<div style="margin:2px 0 4px"><b>{escaped(kind)}</b>{named} {after}</div>'


def block(*parts: str) -> str:
    """Parts below each other, in a thin frame.

    Examples
    --------
    >>> block("<b>a</b>").startswith("<div ")
    True
    """
    inner = "".join(p for p in parts if p)
    return (
        f'<div style="border:1px solid {LINE};border-radius:6px;padding:6px 10px;margin:4px 0;line-height:1.45;'
        f'color:inherit;background:transparent;max-width:60em;overflow-x:auto">{inner}</div>'
    )


def row(name: str, content: str) -> str:
    """A row of :func:`rows`: a name, and HTML beside it."""
    cell = "text-align:left;vertical-align:top;padding:1px 12px 1px 0;background:transparent"
    return f'<tr style="background:transparent"><td style="{cell};{FADED};white-space:nowrap">{escaped(name)}</td><td style="{cell}">{content}</td></tr>'


def rows(*lines: str) -> str:
    """Rows of names and what they stand for, without a frame."""
    inner = "".join(lines)
    return (
        f'<table style="border:none;border-collapse:collapse;margin:0;color:inherit">{inner}</table>' if inner else ""
    )


def table(entries: Sequence[Sequence[object]], names: Sequence[str], caption: str = "", marked: bool = False) -> str:
    """A table of texts, or of HTML where it is ``marked``.

    Examples
    --------
    >>> "<td" in table([[1, 2]], ["a", "b"])
    True
    """
    cell = f"text-align:right;padding:1px 10px;border-bottom:1px solid {LINE};background:transparent"
    told = [str(n) for n in names]
    head = "".join(f'<th style="{cell}">{escaped(n)}</th>' for n in told)
    body = "".join(
        '<tr style="background:transparent">'
        + "".join(f'<td style="{cell}">{str(v) if marked else escaped(v)}</td>' for v in line)
        + "</tr>"
        for line in entries
    )
    title = f'<div style="{FADED}">{escaped(caption)}</div>' if caption else ""
    return f'{title}<table style="border-collapse:collapse;margin:2px 0;color:inherit"><tr style="background:transparent">{head}</tr>{body}</table>'


def embedded(pixels: np.ndarray, *, width: int, height: int, label: str, smooth: bool = True) -> str:
    """A picture inside the page: pixels (rows, columns, 3 or 4) of uint8, shown ``width`` by ``height``."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    way = "auto" if smooth else "pixelated"
    return (
        f'<img alt="{escaped(label)}" width="{width}" height="{height}" style="image-rendering:{way};margin:0;display:block" '
        f'src="data:image/png;base64,{data}">'
    )


def figure(picture: str, above: str = "", below: str = "") -> str:
    """A picture with HTML above and below; several stand beside each other."""
    top = f'<div style="font-size:90%">{above}</div>' if above else ""
    bottom = f'<div style="font-size:80%;{FADED}">{below}</div>' if below else ""
    return f'<div style="display:inline-block;vertical-align:top;margin:4px 14px 2px 0">{top}{picture}{bottom}</div>'


def picture_or_text(draw: Callable[[], Any]) -> str:
    """What a function draws; where it fails, a sentence that says so."""
    try:
        return str(draw())
    except Exception as error:
        logger.debug("no picture", exc_info=True)
        return f'<div style="{FADED}">no picture: {escaped(f"{type(error).__name__}: {error}", 200)}</div>'
