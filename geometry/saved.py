"""Domains made again from what files say of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermite_pinn.schema import Entry

from .box import Box
from .cut import Cut
from .domain import Domain
from .shapes import shape_from_state

__all__ = ["domain_from_state"]


def domain_from_state(box: Box, state: Mapping[str, Any] | Entry) -> Domain:
    """The domain that a box becomes by what :meth:`.Domain.state` told, or by an entry of a file with that.

    Raises
    ------
    CorruptFileError
        If it does not describe a domain.
    InvalidProblemError
        If the shapes leave nothing of the box, or do not fit to it otherwise.

    Examples
    --------
    >>> from hermite_pinn.geometry.shapes import Disk
    >>> box = Box(x=(0, 1), y=(0, 1))
    >>> domain_from_state(box, (box - Disk((0.5, 0.5), 0.25)).state())
    Box(x=(0, 1), y=(0, 1)) - Disk((0.5, 0.5), 0.25)
    """
    entry = Entry.of(state, "the state of a domain")
    if not entry.entries():
        return box
    entry.items_named(("cuts",))
    cuts = entry.at("cuts").items(least=1)
    for cut in cuts:
        cut.items_named(("keep", "shape"))
    return Cut(box, [(shape_from_state(cut.at("shape")), cut.at("keep").flag()) for cut in cuts])
