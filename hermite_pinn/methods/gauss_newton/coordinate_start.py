"""Where Gauss-Newton starts on a field with a network: the coordinates as inputs, behind random frequencies."""

from __future__ import annotations

import math

import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import GridField
from hermite_pinn.field.tree import TABLE, bias_path, weight_path

__all__ = ["check_coordinates", "coordinate_start"]


def check_coordinates(layout: GridLayout | None, taken: int) -> None:
    """Raise an error where a level cannot hold a coordinate.

    Parameters
    ----------
    layout
        The levels; None: there are none.
    taken
        Features that are read for the sum of the levels.
    """
    if layout is None:
        raise InvalidArgumentError(
            "start='coordinates' stores the coordinates in levels of a grid, and the encoder has none; use "
            "hp.JointGaussNewton(start='random')"
        )
    spare = layout.features - taken
    coarse = layout.groups[: layout.dim]
    if (
        spare < 1
        or len(coarse) < layout.dim
        or not all(g.row_major for row in coarse for g in row)
        or any(layout.periodic)
        or layout.split
        or layout.orders < 2
    ):
        raise InvalidArgumentError(
            f"start='coordinates' stores one coordinate in the last feature of each of the first {layout.dim} levels; they must be "
            "dense, not periodic, of a Hermite basis, and with head='siren+linear' have more features than fields. Use "
            "start='random'"
        )


def coordinate_start(field: GridField, frequency: float, seed: int) -> GridField:
    """A field whose network reads the coordinates and nothing else, with random frequencies up to a bound.

    Coordinate i, scaled to [-1, 1], is stored in the last feature of level i; the rest of the table and the other
    weights of the first layer are zero, those of the coordinates uniform within ``frequency / omega``, its biases
    within ``pi / omega``.

    Raises
    ------
    InvalidArgumentError
        Where a level cannot hold a coordinate: hashed, periodic, without slopes, or no feature left for it.
    """
    layout, siren = field.layout, field.siren
    if siren is None:
        raise InvalidArgumentError("only a network head can start from coordinates")
    coarse = layout.groups[: layout.dim]
    check_coordinates(layout, len(field.names) if field.gate is not None else 0)
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        unit = 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
        return unit.to(field.device, field.dtype)

    table = torch.zeros_like(field.table)
    first = torch.zeros_like(siren.weights[0])
    for axis, (group,) in enumerate(coarse):
        counts, cells = layout.vertices(axis), layout.resolutions[axis][axis]
        part = table[group.offset : group.offset + group.slots * layout.record * layout.features]
        records = part.view(*counts, layout.record, layout.features)[..., -1]
        shape = [-1 if i == axis else 1 for i in range(layout.dim)]
        records[..., 0] = torch.linspace(-1, 1, cells + 1, dtype=field.dtype, device=field.device).view(shape)
        unit = tuple(int(i == axis) for i in range(layout.dim))
        records[..., layout.alphas.index(unit)] = 2.0 / cells
        first[:, axis * layout.features + layout.features - 1] = frequency / siren.omega * uniform(len(first))
    biases = math.pi / siren.omega * uniform(len(first))
    return field.with_tensors(field.tensors() | {TABLE: table, weight_path(0): first, bias_path(0): biases})
