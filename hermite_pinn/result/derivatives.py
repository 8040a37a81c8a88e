"""Which derivatives a field has, and what to do for more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.jets import FieldJet, Vector, leaves_of_linear
from hermite_pinn.expressions.spelling import jet_name
from hermite_pinn.field.field import GridField

__all__ = ["derivative", "derivative_names", "highest_order"]

NETWORK = 2  # highest order, of all axes together, of fields that are read through a network


def highest_order(field: GridField) -> int:
    """Highest order of differentiation along an axis: where the basis is a polynomial in every cell, its degree.

    Derivatives beyond the number of coefficients per vertex are not continuous across cells.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + 1, [hp.Dirichlet(u=0.0)])
    >>> highest_order(hp.solve(problem, levels=1, progress=False).field)
    3
    """
    most = field.encoder.highest_order
    return most if field.linear else min(NETWORK, most)


def derivative(
    field: GridField, name: str, orders: tuple[int, ...], axes: Sequence[str], attribute: str
) -> Expr | Vector:
    """What an attribute of a field, or of one of its derivatives, stands for: a sum of derivatives, or one per axis.

    Parameters
    ----------
    field
        Whose derivatives are taken.
    name, orders
        Of its component, and the derivative that has the attribute.
    axes
        Names of the coordinates.
    attribute
        Such as ``xx`` or ``laplacian``.

    Raises
    ------
    InvalidArgumentError
        If the field does not have derivatives of this order.
    UnknownDerivativeError
        If the attribute is none of a field.
    """
    most = highest_order(field)
    total = most * len(axes) if field.linear else most
    made: Expr | Vector = getattr(FieldJet(name, orders, tuple(axes), sum(orders) + len(attribute) + 2), attribute)
    for part in made if isinstance(made, Vector) else [made]:
        for _, reached in leaves_of_linear(part):
            if max(reached) > most or sum(reached) > total:
                smoother = [b.name for b in BASES.values() if b.refinable and b.degree >= max(reached)]
                raise InvalidArgumentError(
                    f"{jet_name(name, reached, axes)} is a derivative of order {max(reached) if field.linear else sum(reached)}; "
                    + (
                        f"a field of {_described(field)} has them up to order {most} along an axis"
                        if field.linear
                        else f"a field read through a network has them up to order {most}"
                    )
                    + (f"; solve with field=hp.Field(basis={smoother[0]!r}), which has more" if smoother else "")
                )
    return made


def derivative_names(field: GridField, axes: Sequence[str], most: int, done: Sequence[int] = ()) -> Iterator[str]:
    """Attributes of a field that are derivatives, those of low order first: ``x``, ``xx``, ``xy``.

    Parameters
    ----------
    field
        The :class:`.GridField` whose derivatives they are.
    axes
        Names of the axes.
    most
        Highest order of all axes together.
    done
        Orders along the axes that were already taken.
    """
    taken = list(done) or [0] * len(axes)
    along = highest_order(field)
    most = most if field.linear else min(most, along)
    for order in range(1, most - sum(taken) + 1):
        for chosen in combinations_with_replacement(range(len(axes)), order):
            if all(taken[i] + chosen.count(i) <= along for i in chosen):
                yield "".join(axes[i] for i in chosen)


def _described(field: GridField) -> str:
    return f"the {field.layout.basis} basis" if field.encoder.nestable else f"the encoder {field.encoder.name!r}"
