"""Names that faces may have."""

from __future__ import annotations

import keyword
from typing import Any

from hermite_pinn.checks import refuse, text
from hermite_pinn.errors import InvalidProblemError

__all__ = ["face_name"]


def face_name(value: Any) -> str | None:
    """The name of a face, which can be a word of Python's grammar but a keyword, or None."""
    if value is None:
        return None
    name = text("name", value, otherwise="None", error=InvalidProblemError)
    if not name.isidentifier() or keyword.iskeyword(name):
        hint = "a letter, then letters, digits and underscores"
        refuse("name", value, "an identifier such as 'hole'", otherwise="None", hint=hint, error=InvalidProblemError)
    if name in ("boundary", "interior"):
        raise InvalidProblemError(f"name must not be {name!r}, which has a meaning of its own; choose another")
    return name
