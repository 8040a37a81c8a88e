"""Fields on the tensor product of axes: the fast way and point by point."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.boundary_factor import BoundaryFactor
from hermite_pinn.field.sampling import grid_jets, off_lattice_axes, vertex_axes

BOX = hp.Box(x=(0, 1), y=(-1, 2))


@pytest.mark.parametrize("vanishing", [False, True], ids=["free", "vanishing"])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("options", [{}, {"features": 3}, {"table_size": 8}, {"head": "siren", "width": 4}], ids=str)
def test_grids_are_the_points(options, levels, vanishing):
    field = hp.Field(**options).build(BOX, ["u", "v"], (False, True), levels)
    field = field.with_tensors({k: v + torch.randn_like(v) for k, v in field.tensors().items()})
    if vanishing:
        factor = BoundaryFactor.of_faces(BOX.lower, BOX.upper, ["u", "v"], {("v", 0, 0)})
        field = replace(field, boundary_factor=factor)
    axes, channels = [np.linspace(0, 1, 5), np.linspace(-1, 2, 4)], Channels.jet(2, 1) + Channels.laplacian(2)
    x = torch.stack([torch.as_tensor(g.ravel()) for g in np.meshgrid(*axes, indexing="ij")])
    expected = field.evaluate(x, channels).view(2, len(channels), 5, 4)
    torch.testing.assert_close(grid_jets(field, axes, channels), expected, rtol=1e-10, atol=1e-9)


def test_axes_resolve_the_finest_level_and_avoid_its_vertices():
    field = hp.Field(base=(30, 5)).build(BOX, ["u"], (False, False), 2)
    off, on = off_lattice_axes(field, BOX), vertex_axes(field, BOX, 1000)
    assert [len(a) for a in off] == [198, 64]
    assert [len(a) for a in on] == [61, 33]
    assert min(abs(a * 60 - np.round(a * 60)).min() for a in off[:1]) > 1e-4
