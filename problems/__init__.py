"""Problems with known solutions: ``helmholtz2d(a=10)`` returns a :class:`hermite_pinn.Problem`.

One file holds one equation: its definition, exact solution, source, and the numbers to beat.  One test proves for all
of them that the exact solution satisfies equation and conditions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

from hermite_pinn import Problem
from hermite_pinn.errors import InvalidArgumentError

from .convection import convection
from .helmholtz import helmholtz2d, helmholtz3d
from .poisson import poisson2d, poisson3d

__all__ = ["PROBLEMS", "convection", "helmholtz2d", "helmholtz3d", "make", "poisson2d", "poisson3d"]

#: Every problem by its name in Python and on the command line.
PROBLEMS: dict[str, Callable[..., Problem]] = {
    "helmholtz2d": helmholtz2d,
    "helmholtz3d": helmholtz3d,
    "poisson2d": poisson2d,
    "poisson3d": poisson3d,
    "convection": convection,
}


def make(name: str, **settings: object) -> Problem:
    """A problem by name.

    Raises
    ------
    InvalidArgumentError
        If there is no such problem or it has no such setting; the message lists those there are.

    Examples
    --------
    >>> make("helmholtz2d", a=(7, 13)).name
    'helmholtz2d a=7x13, k=1'
    """
    if name not in PROBLEMS:
        raise InvalidArgumentError(f"there is no problem {name!r}; there are {', '.join(PROBLEMS)}")
    function = PROBLEMS[name]
    known = inspect.signature(function).parameters
    for setting in settings:
        if setting not in known:
            raise InvalidArgumentError(f"{name} has no setting {setting!r}; it has {', '.join(known)}")
    try:
        return function(**settings)
    except TypeError as error:
        raise InvalidArgumentError(f"{name} cannot be made with {settings}: {error}") from error
