"""Compress a field in one of several ways, and open what was compressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from hermite_pinn.checks import choice

from .coded_field import KIND, read_coded
from .container import Contents, look
from .vqad import half, kmeans, low_rank, vqad

__all__ = ["Compressed", "compress", "load"]


class Compressed(Protocol):
    """What :func:`compress` returns, by any method."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""

    @property
    def bytes(self) -> int:
        """Size of the file."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """By level, bytes of the file up to its end."""

    @property
    def ratio(self) -> float:
        """Bytes of what was compressed, by those of the file."""

    @property
    def error(self) -> Mapping[str, float]:
        """What was lost, by field, as the method measures it."""

    def save(self, path: str | Path) -> None:
        """Write the file."""


#: Ways to compress, by name: called with the model and options of their own.
METHODS: dict[str, Callable[..., Compressed]] = {
    "vqad": vqad,
    "kmeans": kmeans,
    "low_rank": low_rank,
    "half": half,
}

#: What opens a file and reads some of its levels, by its kind.
READERS: dict[str, Callable[[Contents, int], Any]] = {
    KIND: read_coded,
}


def compress(model: Any, method: str | None = None, **options: Any) -> Compressed:
    """Compress a field."""
    how = choice("method", method or ("vqad" if "bits" in options else "levels"), METHODS)
    return METHODS[how](model, **options)


def load(path: str | Path, levels: int | None = None) -> Any:
    """Open a compressed field."""
    contents = look(path, list(READERS))
    return READERS[contents.kind](contents, contents.chosen(levels))
