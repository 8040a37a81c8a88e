"""What a file says, taken entry by entry: each is checked for its type, range, shape and finiteness when it is read."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.errors import CorruptFileError, HermitePinnError

__all__ = ["FLOATS", "LARGEST", "Entry", "Saved", "intact"]

LARGEST = 2**53  # integers up to here are numbers, too

#: Types of numbers that fields and optimisers have.
FLOATS = (torch.float32, torch.float64)


class Saved(dict[str, Any]):
    """A mapping that was read from a file, which it names.

    Parameters
    ----------
    entries
        What was read.
    source
        The file, for messages.
    """

    def __init__(self, entries: Mapping[str, Any], source: str) -> None:
        super().__init__(entries)
        self.source = source


@dataclass(frozen=True)
class Entry:
    """A value in a file, and where it stands.  Every method refuses what it does not expect.

    Attributes
    ----------
    value
        As it was read: what JSON can express, with tensors.
    source
        The file.
    path
        Where in the file, with slashes.

    Raises
    ------
    CorruptFileError
        From all methods, with the file, the entry, what was found and what was expected.

    Examples
    --------
    >>> entry = Entry.of({"steps": [3, 4.5]}, "run.h5")
    >>> entry.at("steps").items(2)[0].integer(1)
    3
    >>> entry.at("steps").items(2)[1].integer(1)
    Traceback (most recent call last):
    hermite_pinn.errors.CorruptFileError: run.h5 is damaged: steps/1 is 4.5; expected an integer from 1 on
    """

    value: Any
    source: str
    path: str = ""

    @classmethod
    def of(cls, value: Any, source: str, path: str = "") -> Entry:
        """A value as an entry; one that is an entry, or knows its file, keeps that."""
        if isinstance(value, Entry):
            return value
        return cls(value, value.source if isinstance(value, Saved) else source, path)

    def refuse(self, expected: str) -> CorruptFileError:
        """The error that says what was found here, and what was expected."""
        return CorruptFileError(
            f"{self.source} is damaged: {self.path or 'its text'} is {_spelled(self.value)}; expected {expected}"
        )

    # -- parts ---
    def _part(self, key: object, value: Any) -> Entry:
        return Entry(value, self.source, f"{self.path}/{key}" if self.path else str(key))

    def entries(self) -> dict[str, Entry]:
        """The entries of a mapping by name, in its order."""
        if not isinstance(self.value, Mapping) or not all(isinstance(key, str) for key in self.value):
            raise self.refuse("names with values")
        return {key: self._part(key, value) for key, value in self.value.items()}

    def at(self, key: str) -> Entry:
        """An entry of a mapping."""
        if not isinstance(self.value, Mapping):
            raise self.refuse(f"names with values, {key} among them")
        if key not in self.value:
            raise CorruptFileError(f"{self.source} is damaged: it has no entry {self._part(key, None).path}")
        return self._part(key, self.value[key])

    def get(self, key: str) -> Entry | None:
        """An entry of a mapping that may be missing or None."""
        if isinstance(self.value, Mapping) and self.value.get(key) is None:
            return None
        return self.at(key)

    def items(self, count: int | None = None, least: int = 0, most: int = LARGEST) -> list[Entry]:
        """The items of a list, of which there may have to be so many."""
        if count is not None:
            least = most = count
        if not isinstance(self.value, list | tuple) or not least <= len(self.value) <= most:
            number = str(least) if least == most else f"{least} or more" if most == LARGEST else f"{least} to {most}"
            raise self.refuse(f"a list of {number}")
        return [self._part(k, value) for k, value in enumerate(self.value)]

    def items_named(self, names: Collection[str]) -> None:
        """Refuse a mapping with other names."""
        if set(self.entries()) != set(names):
            raise self.refuse(f"entries called {', '.join(names)}")

    # -- values ---
    def number(self, lower: float = -math.inf, upper: float = math.inf, finite: bool = True) -> float:
        """A number within bounds; NaN and infinity are numbers unless it must be ``finite``."""
        value = self.value
        if isinstance(value, int | float) and not isinstance(value, bool) and _representable(value):
            if math.isfinite(value) and lower <= value <= upper:
                return float(value)
            if not finite and (math.isnan(value) or lower <= value <= upper):
                return float(value)
        raise self.refuse(("a finite number" if finite else "a number") + _bounds(lower, upper))

    def integer(self, lower: int = -LARGEST, upper: int = LARGEST) -> int:
        """An integer within bounds."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not lower <= self.value <= upper:
            raise self.refuse("an integer" + _bounds(lower, upper))
        return self.value

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.refuse("true or false")
        return self.value

    def text(self, among: Collection[str] | None = None) -> str:
        """A text, which may have to be one of some."""
        if not isinstance(self.value, str) or (among is not None and self.value not in among):
            raise self.refuse("a text" if among is None else f"one of {', '.join(among)}")
        return self.value

    def named_numbers(
        self, names: Collection[str] | None = None, lower: float = -math.inf, finite: bool = True
    ) -> dict[str, float]:
        """Numbers by name; the names may have to be certain ones."""
        entries = self.entries()
        if names is not None and set(entries) != set(names):
            raise self.refuse(f"numbers of {', '.join(names) or 'nothing'}")
        return {name: entry.number(lower, finite=finite) for name, entry in entries.items()}

    def tensor(
        self, shape: Sequence[int | None], dtypes: Collection[torch.dtype] = (torch.float64,), lower: float = -math.inf
    ) -> torch.Tensor:
        """Finite numbers of a shape, in which None stands for any length."""
        value = self.value
        fits = isinstance(value, torch.Tensor) and value.dtype in dtypes and value.ndim == len(shape)
        if not fits or any(n not in (None, m) for n, m in zip(shape, value.shape, strict=True)):
            kinds = " or ".join(str(d).removeprefix("torch.") for d in dtypes)
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise self.refuse(f"{kinds} numbers of shape ({wanted})")
        if value.is_meta:
            return value  # only its shape is known yet
        if value.is_floating_point() and not _finite(value):
            bad = int((~torch.isfinite(value)).sum())
            raise CorruptFileError(
                f"{self.source} is damaged: {bad} of the {value.numel()} numbers of {self.path} are NaN or infinite; expected finite ones"
            )
        if lower > -math.inf and value.numel() and float(value.min()) < lower:
            raise CorruptFileError(
                f"{self.source} is damaged: a number of {self.path} is {float(value.min()):.3g}; expected {lower:g} or more"
            )
        return value  # type: ignore[no-any-return]

    def tensors(self, like: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Tensors by name, of the shapes and types of others."""
        if set(self.entries()) != set(like):
            raise self.refuse(f"tensors called {', '.join(like) or 'nothing'}")
        return {name: self.at(name).tensor(tuple(v.shape), (v.dtype,)) for name, v in like.items()}


def _representable(value: float) -> bool:
    return not isinstance(value, int) or abs(value) <= sys.float_info.max


def _finite(values: torch.Tensor) -> bool:
    # a sum without NaN or infinity has none, in one pass; one with some may have become large on the way
    return bool(torch.isfinite(values.detach().sum())) or bool(torch.isfinite(values).all())


def _bounds(lower: float, upper: float) -> str:
    low, high = lower > -LARGEST, upper < LARGEST
    if low and high:
        return f" from {_number(lower)} to {_number(upper)}"
    return f" from {_number(lower)} on" if low else f" up to {_number(upper)}" if high else ""


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spelled(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} numbers of shape {tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a mapping with {', '.join(map(str, list(value)[:8])) or 'nothing'}"
    if isinstance(value, list | tuple) and len(value) > 8:
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"an integer of {value.bit_length()} bits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


RAW = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


@contextmanager
def intact(source: str) -> Iterator[None]:
    """Whatever goes wrong within is damage of a file, whose entries were checked one by one but do not fit together.

    Parameters
    ----------
    source
        The file.

    Raises
    ------
    CorruptFileError
        For the errors of Python and PyTorch that wrong values cause; those of the package pass.
    """
    try:
        yield
    except HermitePinnError:
        raise
    except RAW as error:
        raise CorruptFileError(f"{source} is damaged: {type(error).__name__} {error}") from error
