"""Fields on octrees: features at corners, summed over the levels, and a network that reads the sum."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.field.appended import Appended
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.heads import SirenHead
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.field.octree import Octree
from hermite_pinn.field.siren import Siren
from hermite_pinn.field.summed import Summed
from hermite_pinn.geometry import Box

__all__ = ["STD", "Decoder", "network_numbers", "octree_field", "octree_layout"]

#: Of the first features, as published.
STD = 0.01


@dataclass(frozen=True)
class Decoder:
    """What reads the features.

    Attributes
    ----------
    features
        Of a corner.
    width, depth, activation, omega
        Of the network; see :class:`hermite_pinn.Field`.
    basis
        Of the levels; ``"linear"`` is the multilinear one.
    """

    features: int = 16
    width: int = 64
    depth: int = 1
    activation: str = "silu"
    omega: float = 1.0
    basis: str = "linear"


def octree_field(
    domain: Box,
    names: Sequence[str],
    periodic: Sequence[bool],
    tree: Octree,
    decoder: Decoder,
    std: float,
    generator: torch.Generator,
    table_size: int | None = None,
) -> GridField:
    """A field with small random features, in single precision.

    Parameters
    ----------
    domain, names, periodic
        Of the field.
    tree
        Its levels.
    decoder
        The network, and what it reads.
    std
        Of the features.
    generator
        Of all numbers.
    table_size
        For comparison: hashed levels of at most so many slots, and no lists of corners.

    Examples
    --------
    >>> from hermite_pinn.field.octree import Everywhere
    >>> tree = Octree.of(Everywhere(), (0.0, 0.0), (1.0, 1.0), (4, 4), 2)
    >>> box, generator = Box(x=(0, 1), y=(0, 1)), torch.Generator().manual_seed(0)
    >>> field = octree_field(box, ["u"], [False, False], tree, Decoder(features=2, width=8), 0.01, generator)
    >>> field.parameter_count                             # 2 (25 + 81) features, a layer of 8 (4 + 1), and one of 8 + 1
    261
    >>> field.parameter_count - 2 * (25 + 81)
    49
    """
    layout = octree_layout(domain, periodic, tree, decoder, table_size)
    table = torch.randn(layout.size, generator=generator).mul_(std)
    encoder = Appended(Summed(HermiteGrid(layout, table)), tuple(range(domain.dim)))
    network = Siren.initialised(
        encoder.features,
        len(names),
        decoder.width,
        decoder.depth,
        decoder.omega,
        decoder.activation,
        generator,
        torch.float32,
    )
    return GridField(domain.names, tuple(names), encoder, SirenHead(network))


def octree_layout(
    domain: Box, periodic: Sequence[bool], tree: Octree, decoder: Decoder, table_size: int | None = None
) -> GridLayout:
    """Where the features of the corners lie; see :func:`octree_field`."""
    return GridLayout(
        domain.lower,
        domain.upper,
        tree.resolutions,
        decoder.basis,
        decoder.features,
        None if table_size is None else (table_size,),
        tuple(periodic),
        () if table_size is not None else tree.listed,
    )


def network_numbers(decoder: Decoder, periodic: Sequence[bool], outputs: int) -> int:
    """How many parameters the network has: it reads features and coordinates, of periodic axes cosine and sine.

    Examples
    --------
    >>> network_numbers(Decoder(features=2, width=8), [False, False], 1)
    49
    """
    sizes = [decoder.features + sum(2 if wraps else 1 for wraps in periodic), *[decoder.width] * decoder.depth, outputs]
    return sum((a + 1) * b for a, b in itertools.pairwise(sizes))
