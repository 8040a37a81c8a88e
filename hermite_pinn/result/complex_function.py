"""A complex field of a solution, or a derivative of one, as a function of the coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hermite_pinn.expressions.complex_values import PARTS

from .field_function import FieldFunction

__all__ = ["ComplexFunction", "complex_names"]


def complex_names(fields: Sequence[str]) -> tuple[str, ...]:
    """Names of the complex fields of which some fields are the parts.

    Examples
    --------
    >>> complex_names(["u_real", "u_imag", "p", "v_real"])
    ('u',)
    """
    ending = f"_{PARTS[0]}"
    names = [f.removesuffix(ending) for f in fields if f.endswith(ending)]
    return tuple(n for n in names if n and n not in fields and f"{n}_{PARTS[1]}" in fields)


class ComplexFunction:
    """A complex field ``u``, whose parts are the fields ``u_real`` and ``u_imag``, or a derivative of it.

    Call it as a :class:`FieldFunction`; values are complex.  ``u.real``, ``u.imag`` are the parts; other attributes
    give derivatives: ``u.x``, ``u.laplacian``, ``u.grad``.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(
    ...     hp.Box(x=(0, 1)), {"u": complex}, lambda u: u.x - 2j * u, [hp.Dirichlet(u=1.0, on="x-")]
    ... )
    >>> u = hp.solve(problem, progress=False).u  # exp(2j x)
    >>> abs(u(0.5) - hp.cos(1.0) - 1j * hp.sin(1.0)) < 1e-6, round(abs(u.x(0.1)), 5)
    (True, 2.0)
    """

    def __init__(self, real: FieldFunction, imag: FieldFunction) -> None:
        self.real = real
        self.imag = imag

    def __repr__(self) -> str:
        return f"<{self.real!r} + i {self.imag!r}>"

    def __getattr__(self, attribute: str) -> ComplexFunction:
        if attribute.startswith("__") or attribute in PARTS:
            raise AttributeError(attribute)
        return ComplexFunction(getattr(self.real, attribute), getattr(self.imag, attribute))

    def __dir__(self) -> list[str]:
        """Also the derivatives up to the order of the problem, for the tab key of IPython and notebooks."""
        return sorted({*super().__dir__(), *dir(self.real)})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Evaluate at coordinates, positional in the order of the axes or by name."""
        return self.real(*args, **kwargs) + 1j * self.imag(*args, **kwargs)
