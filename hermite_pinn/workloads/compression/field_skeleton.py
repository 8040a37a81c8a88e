"""Fields of solutions, distances and pictures on octrees, without their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import KERNEL_BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.network.activation import ACTIVATIONS
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.octree import Octree
from hermite_pinn.geometry import Box
from hermite_pinn.result.solution import Solution
from hermite_pinn.run.history import History
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry

from .container import Contents
from .learnable import Skeleton
from .octree_field import STD, Decoder, network_numbers, octree_field, octree_layout

__all__ = ["FieldSkeleton"]

SHOWN = 256  # pixels along the longer axis
MOST = {"features": 4096, "width": 1 << 16, "depth": 256}


@dataclass(frozen=True)
class FieldSkeleton(Skeleton):
    """Fields on a box.

    Attributes
    ----------
    domain, names, periodic
        Of the fields.
    decoder
        The network and what it reads.
    """

    domain: Box
    names: tuple[str, ...]
    periodic: tuple[bool, ...]
    decoder: Decoder

    kind: ClassVar[str] = "field on an octree"

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""
        return self.names

    @property
    def dim(self) -> int:
        """See :class:`Skeleton`."""
        return self.domain.dim

    @property
    def network_numbers(self) -> int:
        """See :class:`Skeleton`."""
        return network_numbers(self.decoder, self.periodic, len(self.names))

    def layout(self, tree: Octree) -> GridLayout:
        """See :meth:`Skeleton.layout`."""
        return octree_layout(self.domain, self.periodic, tree, self.decoder)

    def empty(self, tree: Octree, levels: int, generator: torch.Generator) -> GridField:
        """See :meth:`Skeleton.empty`."""
        cells = tree.prefix(levels)
        return octree_field(self.domain, self.names, self.periodic, cells, self.decoder, STD, generator)

    def finished(self, field: GridField, code: str, title: str) -> Solution:
        """A solution, which can be evaluated, drawn, extracted and saved."""
        count = field.layout.levels
        return Solution(
            domain=self.domain,
            periodic=self.periodic,
            field=field,
            status=Status.COMPLETED,
            message=f"decoded from {count} level{'s' * (count > 1)} of detail",
            history=History(),
            parameters={},
            stats={"parameters": field.parameter_count, "dtype": "float32"},
            residuals={},
            estimated_error=None,
            title=title,
            settings={"problem": title, "method": f"coded as {code}", "levels": count},
        )

    def shown(self, field: GridField) -> np.ndarray | None:
        """The first field over the first two axes, in the middle of the others; the second axis points down."""
        if self.dim < 2:
            return None
        lower, upper = np.asarray(self.domain.lower), np.asarray(self.domain.upper)
        sides = (upper - lower)[:2]
        across, down = (max(2, round(SHOWN * float(side / sides.max()))) for side in sides)
        x = np.repeat(((lower + upper) / 2)[:, None], across * down, axis=1)
        x[0] = np.tile(np.linspace(lower[0], upper[0], across), down)
        x[1] = np.repeat(np.linspace(lower[1], upper[1], down), across)
        found = field.evaluate(torch.as_tensor(x, dtype=field.dtype), Channels.value(self.dim))[0, 0]
        return found.reshape(down, across).cpu().numpy()

    # -- files ---
    def describe(self) -> dict[str, Any]:
        """See :meth:`Skeleton.describe`."""
        return {
            "box": {name: list(bounds) for name, bounds in self.domain.bounds.items()},
            "names": list(self.names),
            "periodic": list(self.periodic),
            "decoder": asdict(self.decoder),
        }

    @classmethod
    def restored(cls, meta: Entry, dim: int, blocks: Mapping[str, bytes], contents: Contents) -> FieldSkeleton:
        """See :meth:`Skeleton.restored`."""
        periodic = tuple(e.flag() for e in meta.at("periodic").items(dim))
        names = tuple(e.text() for e in meta.at("names").items(least=1, most=64))
        return cls(_domain(meta, dim), names, periodic, _decoder(meta.at("decoder")))


def _domain(meta: Entry, dim: int) -> Box:
    bounds = {}
    for name, pair in meta.at("box").entries().items():
        low, high = (e.number() for e in pair.items(2))
        if not name.isidentifier() or not low < high:
            raise pair.refuse("a lower and a larger upper bound of a named axis")
        bounds[name] = (low, high)
    if len(bounds) != dim:
        raise meta.at("box").refuse(f"{dim} axes")
    return Box(**bounds)


def _decoder(described: Entry) -> Decoder:
    described.items_named([f.name for f in fields(Decoder)])
    return Decoder(
        described.at("features").integer(1, MOST["features"]),
        described.at("width").integer(1, MOST["width"]),
        described.at("depth").integer(1, MOST["depth"]),
        described.at("activation").text(ACTIVATIONS),
        described.at("omega").number(1e-6),
        described.at("basis").text(KERNEL_BASES),
    )
