"""The JSON text of a file that may come from anywhere."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["MOST_DEPTH", "parsed"]

MOST_DEPTH = 32  # of lists and mappings in each other


def parsed(text: str) -> dict[str, Any]:
    """A JSON object as a mapping.

    Raises
    ------
    ValueError
        If the text is none, has a name twice, or more lists in each other than any of ours; the message says which.

    Examples
    --------
    >>> parsed('{"steps": [1, 2]}')
    {'steps': [1, 2]}
    """
    try:
        meta = json.loads(text, object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("its text has too many lists in each other") from None
    if not isinstance(meta, dict):
        raise ValueError("its text is not a list of names with values")
    layer: list[Any] = [meta]
    for _ in range(MOST_DEPTH):
        inner = (v.values() if isinstance(v, dict) else v for v in layer)
        layer = [v for values in inner for v in values if isinstance(v, dict | list)]
        if not layer:
            return meta
    raise ValueError(f"its text has more than {MOST_DEPTH} lists in each other")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping of a JSON object, in which no name may come twice."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a name comes twice in its text")
    return mapping
