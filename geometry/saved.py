"""Domains made again from what files say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermite_pinn.errors import InvalidProblemError

from .box import Box
from .cut import Cut
from .domain import Domain

__all__ = ["domain_from_state"]


def domain_from_state(box: Box, state: Mapping[str, Any]) -> Domain:
    """The domain that a box becomes by what :meth:`.Domain.state` told.

    Raises
    ------
    InvalidProblemError
        If that is no state of a domain, or its shapes leave nothing of the box.
    """
    from .shapes import shape_from_state

    if not state:
        return box
    cuts = state.get("cuts")
    if set(state) != {"cuts"} or not isinstance(cuts, list | tuple) or not cuts:
        raise InvalidProblemError("a domain is told by its cuts, one or more shapes")
    made = []
    for cut in cuts:
        known = isinstance(cut, Mapping) and set(cut) == {"keep", "shape"} and isinstance(cut["keep"], bool)
        if not known or not isinstance(cut["shape"], Mapping):
            raise InvalidProblemError("a cut is told by its shape, and whether to keep the inside")
        made.append((shape_from_state(cut["shape"]), cut["keep"]))
    return Cut(box, made)
