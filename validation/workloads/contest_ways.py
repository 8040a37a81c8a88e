"""The ways of the comparison of distances: encoders and heads, brought to equal numbers of parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import hermite_pinn as hp

from .contest_surfaces import BOX

__all__ = ["WAYS", "Sized", "Way", "geometric", "parameters_of"]

#: The network of all ways that have one beside a grid.
NETWORK: dict[str, Any] = {"width": 32, "depth": 2, "omega": 30.0, "table_std": 0.01}
#: Cells of the coarsest level, and of the levels of dense grids with many features.
BASE, DENSE = 8, (4, 8, 16, 32)
#: Numbers of levels, and logarithms of table sizes, among which the closest number of parameters is looked for.
LEVELS, TABLES = range(4, 9), range(9, 22)
#: Numbers of parameters that differ by so much are equal; of such sizes that is taken whose levels double best.
NEAR = 0.06


@dataclass(frozen=True)
class Sized:
    """A kind of field with a size: its levels, and how many numbers it has."""

    field: hp.Field
    levels: tuple[int, ...]
    parameters: int


Sizing = Callable[[hp.Field, int, int], Sized]


@dataclass(frozen=True, eq=False)
class Way:
    """An encoder and a head, and how they are fitted.

    Attributes
    ----------
    name
        For ``--only`` and files.
    title
        For tables and pictures.
    field
        The kind, without a size.
    sizing
        Gives the size, from the kind, the cells along an axis of the finest Hermite level, and the parameters of the
        Hermite grid.
    method
        ``"gauss_newton"``, or ``"adam"`` with batches of random points.
    """

    name: str
    title: str
    field: hp.Field
    sizing: Sizing
    method: str = "adam"

    @property
    def random(self) -> bool:
        """Whether another seed gives another field."""
        return self.method != "gauss_newton"

    @property
    def sampled(self) -> bool:
        """Whether it is fitted at random samples; dense Hermite levels are at the Gauss points of their cells."""
        return self.name != "hermite"


def parameters_of(field: hp.Field, levels: Sequence[int]) -> int:
    """Numbers that a field of given resolutions stores, without making it.

    Examples
    --------
    >>> parameters_of(hp.Field(base=4), (4, 8)) == 8 * (5**3 + 9**3)
    True
    """
    grid = field.outline(BOX, ["d"], (False,) * 3, list(levels)).grid
    table = 0 if grid is None else sum(g.slots * len(g.alphas) * grid.features for row in grid.groups for g in row)
    if field.linear:
        return table
    inputs = len(levels) * (0 if grid is None else grid.features) + len(field.aux)
    inputs = inputs if grid is not None else 3
    widths = [inputs, *([field.width] * field.depth), 1]
    return table + sum((a + 1) * b for a, b in pairwise(widths))


def geometric(finest: int, count: int) -> tuple[int, ...]:
    """Resolutions from 8 cells to the finest, each larger than the one before by about the same factor.

    Examples
    --------
    >>> geometric(64, 4), geometric(32, 4)
    ((8, 16, 32, 64), (8, 13, 20, 32))
    """
    if count == 1:
        return (finest,)
    return tuple(round(BASE * (finest / BASE) ** (k / (count - 1))) for k in range(count))


def as_it_is(field: hp.Field, finest: int, parameters: int) -> Sized:
    """The Hermite grid with a linear head, whose size all others take."""
    levels = tuple(BASE * 2**k for k in range((finest // BASE).bit_length()))
    return Sized(field, levels, parameters)


def hashed(factor: int) -> Sizing:
    """Levels from 8 to ``factor`` times the finest Hermite resolution, and tables, of the closest number of parameters.

    A grid of values needs twice as many cells along the axes as one of values and derivatives for as many coefficients.
    """

    def size(field: hp.Field, finest: int, parameters: int) -> Sized:
        found = []
        for count in LEVELS:
            levels = geometric(factor * finest, count)
            for power in TABLES:
                kind = replace(field, table_size=2**power)
                found.append(Sized(kind, levels, parameters_of(kind, levels)))
        off = {s: abs(s.parameters / parameters - 1) for s in found}
        usual = (finest * factor // BASE).bit_length()
        return min(found, key=lambda s: (max(off[s], NEAR), abs(len(s.levels) - usual), off[s]))

    return size


def many_features(field: hp.Field, finest: int, parameters: int) -> Sized:
    """Dense levels of 4 to 32 cells, as NGLOD trains, with the features of the closest number of parameters."""
    kinds = [replace(field, features=n) for n in range(1, 65)]
    sizes = [Sized(kind, DENSE, parameters_of(kind, DENSE)) for kind in kinds]
    return min(sizes, key=lambda s: abs(s.parameters - parameters))


def network_only(field: hp.Field, finest: int, parameters: int) -> Sized:
    """A network of a width that was given: with as many parameters as a grid it would make few steps."""
    return Sized(field, (BASE,), parameters_of(field, (BASE,)))


def _grids() -> list[tuple[str, str, hp.Field, int]]:
    fd = hp.Field(encoder="trilinear_fd")
    return [
        ("trilinear6", "trilinear, 6 taps", fd, 2),
        ("trilinear4", "trilinear, 4 taps", replace(fd, differences="tetrahedral"), 2),
        ("smoothstep", "smoothstep", hp.Field(encoder="smooth", weights="smoothstep"), 2),
        ("cosine", "cosine", hp.Field(encoder="smooth", weights="cosine"), 2),
        ("cubic", "Catmull-Rom", hp.Field(encoder="cubic"), 2),
    ]


def _ways() -> list[Way]:
    siren: dict[str, Any] = {"head": "siren", "features": 2, **NETWORK}
    hermite = hp.Field(base=BASE)
    ways = [Way("hermite", "Hermite", hermite, as_it_is, "gauss_newton")]
    ways.append(Way("hermite-hashed", "Hermite, hashed", hermite, hashed(1), "gauss_newton"))
    ways += [Way(name, title, field, hashed(k), "gauss_newton") for name, title, field, k in _grids()]
    ways += [Way("hermite-siren", "Hermite + network", replace(hermite, **siren), hashed(1))]
    ways += [Way(f"{n}-siren", f"{t} + network", replace(f, **siren), hashed(k)) for n, t, f, k in _grids()]
    nglod = hp.Field(
        encoder="trilinear_fd",
        head="siren",
        activation="softplus",
        width=32,
        depth=1,
        omega=10.0,
        aux=("x", "y", "z"),
    )
    ways.append(Way("dense-network", "dense, many features (NGLOD)", nglod, many_features))
    plain = hp.Field(encoder="coordinates", head="siren", width=64, depth=3, omega=30.0)
    ways.append(Way("siren", "network alone", plain, network_only))
    return ways


#: All ways by name, this package's default first.
WAYS: Mapping[str, Way] = MappingProxyType({w.name: w for w in _ways()})
