"""What an elementary function is: one entry says everything the package knows about it.

From an entry follow the function of :mod:`hermite_pinn` for floats, arrays, tensors and symbols, the NumPy and PyTorch
functions that may be applied to symbols, the folding of constants, evaluation, derivatives, and how it is written.
The entries stand in :mod:`hermite_pinn.expressions.table`.  A new function is one more: :func:`register` it, and call
the entry.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["Elementary", "Infix", "named", "register", "registered"]

Rule = Callable[..., Any]
NUMBERS = "biufc"  # kinds of arrays


class Infix(NamedTuple):
    """An operator between two operands, or before one.

    ``strength`` tells how strongly it binds (9: as a name does), ``operands`` how strongly each operand has to, to
    stand without parentheses.
    """

    sign: str
    strength: int
    operands: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Elementary:
    """A pointwise function of one to three operands.

    Calling it with a symbol among the operands gives a symbol, else the value (see :meth:`evaluate`).

    Attributes
    ----------
    name
        Its name, also the ``op`` of a node of an expression.
    numpy
        The function on floats and NumPy arrays; it folds constants, too.
    torch
        The function on tensors; numbers may be among the operands.
    slopes
        For each operand the partial derivative ``rule(value, *operands)``, of symbols, or None where it vanishes.
    summary
        What it is, as a sentence.
    example
        A call and what it returns.
    aliases
        Other names of it in NumPy and PyTorch.
    simplify
        ``rule(*operands)`` that returns what a call with these symbols reduces to, or None.
    pieces
        ``rule(*operands)`` that returns condition, value where it holds and value elsewhere: such a function is
        differentiated piece by piece, so that a piece that is not taken may be infinite or undefined.
    infix
        The operator that writes it; without, it is written as a call.
    smooth
        Whether it has classical derivatives of all orders inside its domain.
    logical
        Whether it is a condition: true or false instead of a number.
    conditions
        How many of its operands, from the first on, are conditions.

    Examples
    --------
    >>> softsign = Elementary("softsign", lambda x: x / (1 + np.abs(x)), torch.nn.functional.softsign, (None,))
    >>> softsign(1.0), softsign(torch.tensor([1.0]))
    (0.5, tensor([0.5000]))
    """

    name: str
    numpy: Callable[..., Any]
    torch: Callable[..., Any]
    slopes: tuple[Rule | None, ...]
    summary: str = ""
    example: tuple[str, str] = ("", "")
    aliases: tuple[str, ...] = ()
    simplify: Rule | None = None
    pieces: Rule | None = None
    infix: Infix | None = None
    smooth: bool = True
    logical: bool = False
    conditions: int = 0

    @property
    def arity(self) -> int:
        """Number of operands."""
        return len(self.slopes)

    def __call__(self, *operands: Any) -> Any:
        """The function on floats, arrays, tensors or symbols."""
        symbols = [type(o) for o in operands if hasattr(type(o), "__elementary__")]
        if symbols:
            first: Any = max(symbols, key=lambda kind: getattr(kind, "__elementary_rank__", 0))
            return first.__elementary__(self.name, *operands)
        return self.evaluate(*operands)

    def evaluate(self, *operands: Any) -> Any:
        """The value: a tensor if there is one among the operands, an array if there is one, else a number.

        Raises
        ------
        InvalidArgumentError
            If the operands are no numbers, or their shapes do not fit together.
        """
        try:
            for operand in operands:
                if isinstance(operand, torch.Tensor):
                    return self.torch(*operands)
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                value = self.numpy(*operands)
            if not np.ndim(value):
                real = not isinstance(value, (complex, np.complexfloating))
                value = bool(value) if self.logical else float(value) if real else None
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._refusal(operands, error) from error
        if value is None or (isinstance(value, np.ndarray) and not _of_numbers(value)):
            raise self._refusal(operands, None)
        return value

    def _refusal(self, operands: tuple[Any, ...], error: Exception | None) -> InvalidArgumentError:
        """The error of operands that the function does not take."""
        given = ", ".join(map(spelled, operands))
        cause = f" ({' '.join(str(error).split())})" if error is not None else ""
        return InvalidArgumentError(
            f"{self.name} takes real numbers, arrays or tensors whose shapes fit together, or symbols, got {given}{cause}"
        )


def _of_numbers(array: np.ndarray) -> bool:
    """Whether an array holds numbers, truth values or symbols, and no text, dates, records or other objects."""
    if array.dtype.kind != "O":
        return array.dtype.kind in NUMBERS
    return all(isinstance(x, numbers.Number) or hasattr(type(x), "__elementary__") for x in array.flat)


_TABLE: dict[str, Elementary] = {}
_VIEW = MappingProxyType(_TABLE)
_ALIASES: dict[str, str] = {}


def register(function: Elementary) -> Elementary:
    """Add a function to the table, and return it.

    Raises
    ------
    ValueError
        If there is one of that name.
    """
    if function.name in _TABLE:
        raise ValueError(f"there is an elementary function {function.name!r} already; choose another name")
    _TABLE[function.name] = function
    _ALIASES.update(dict.fromkeys(function.aliases, function.name))
    return function


def registered() -> Mapping[str, Elementary]:
    """All functions by name, also those that are entered later."""
    return _VIEW


def named(name: str) -> Elementary | None:
    """The function that NumPy or PyTorch calls ``name``, or None.

    Examples
    --------
    >>> from hermite_pinn.expressions import table
    >>> named("asin").name, named("special_erf").name, named("cumsum")
    ('arcsin', 'erf', None)
    """
    short = name.removeprefix("special_")
    return _TABLE.get(_ALIASES.get(short, short))
