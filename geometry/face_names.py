"""Names of the boundaries of shapes that cut a domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hermite_pinn.errors import InvalidProblemError

from .carving import Carving
from .cut_face import CutFace
from .shape import Piece
from .span import Span

__all__ = ["Leaf", "leaves_of", "surfaces_of"]


@dataclass(frozen=True, eq=False)
class Leaf:
    """One of the shapes of which a cut is made.

    Attributes
    ----------
    name
        Of its face.
    pieces
        Of its boundary as far as it bounds the combined shape, each with the number of the cut.
    """

    name: str
    pieces: tuple[tuple[int, Piece], ...]


def leaves_of(carving: Carving, taken: Sequence[str]) -> tuple[Leaf, ...]:
    """The leaves of all shapes with their names, in their order.

    Raises
    ------
    InvalidProblemError
        If a name is used twice, or by something else.
    """
    found: list[Leaf] = []
    numbers: dict[str, int] = {}
    used = dict.fromkeys([*taken, "boundary", "interior"], "the box")
    for number, cutter in enumerate(carving.cutters):
        leaves = cutter.shape.leaves
        for k, leaf in enumerate(leaves):
            name = leaf.name
            if name is None:
                numbers[leaf.kind] = numbers.get(leaf.kind, 0) + 1
                name = leaf.kind + ("" if numbers[leaf.kind] == 1 else str(numbers[leaf.kind]))
            if name in used:
                raise InvalidProblemError(
                    f"the face {name!r} of {leaf!r} would be called as one of {used[name]}; give it another name, such as "
                    f"name={name + 'b'!r}"
                )
            used[name] = repr(leaf)
            own = tuple((number, p) for p in cutter.shape.pieces if len(leaves) == 1 or p.leaf == k)
            found.append(Leaf(name, own))
    return tuple(found)


def surfaces_of(leaves: Sequence[Leaf], carving: Carving, span: Span) -> dict[str, CutFace]:
    """The faces that the leaves have on the boundary of a domain, by name."""
    made = (CutFace(carving, span, leaf.name, leaf.name, leaf.pieces) for leaf in leaves if leaf.pieces)
    return {face.name: face for face in made if face.measure > 0}
