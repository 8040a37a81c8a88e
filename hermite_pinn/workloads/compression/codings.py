"""Which way to turn the numbers of a field into integers is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import GridField
from hermite_pinn.schema import Entry

from .coding import Coding
from .grouped import Grouped
from .nested import Nested

__all__ = ["coding_of", "read_coding"]

#: By name in files; the first that takes a field is used.
CODINGS: Mapping[str, type[Coding]] = {kind.name: kind for kind in (Nested, Grouped)}


def coding_of(field: GridField) -> Coding:
    """The way for a field, whose levels are added up where that loses nothing.

    Raises
    ------
    InvalidArgumentError
        If the field has no numbers.
    """
    collapsed = replace(field, encoder=field.encoder.collapsed()) if field.linear else field
    kind = next((kind for kind in CODINGS.values() if kind.takes(collapsed)), None)
    if kind is None:
        raise InvalidArgumentError(f"there is nothing to compress: {', '.join(field.names)} have no numbers")
    return kind(collapsed)


def read_coding(described: Entry, field: GridField) -> Coding:
    """The way that a file names, for a field without numbers.

    Raises
    ------
    CorruptFileError
        If it does not fit the field.
    """
    name = described.at("name")
    kind = CODINGS[name.text(CODINGS)]
    if not kind.takes(field):
        raise name.refuse("a way to code this field")
    coding = kind(field)
    coding.take(described)
    return coding
