"""Tables from coarse to fine: metrics, and what finer levels take over."""

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.workloads.compression.corrections import at_corners, corners
from hermite_pinn.workloads.compression.quantized_table import LevelCodes, QuantizedTable
from hermite_pinn.workloads.compression.rows import joined_rows, rows_of

VALUE = Channels.value(2)
EYE = torch.eye(2)


def _layout(listed: bool = True) -> GridLayout:
    near = VertexList.of([(i, j) for i in range(9) for j in range(9) if i + j < 9])
    return GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (8, 8)), "linear", 2, listed=(None, near) if listed else ())


def _table(layout: GridLayout) -> torch.Tensor:
    return torch.randn(layout.size, generator=torch.Generator().manual_seed(0))


def test_corners_are_in_the_order_of_the_rows() -> None:
    layout = _layout()
    x = corners(layout, 1).float()
    wanted = torch.stack([x[0] + 2 * x[1], x[0] * x[1]], 1)
    table = joined_rows([torch.zeros(25, 2), wanted], layout)
    found = HermiteGrid(layout, table).jets(x, VALUE)[1, :, 0].T
    torch.testing.assert_close(found, wanted)


def test_values_at_corners_are_those_of_the_coarser_levels() -> None:
    layout = _layout()
    coarse = rows_of(_table(layout), layout)[0]
    x = corners(layout, 1).float()
    before = layout.with_levels(layout.resolutions[:1])
    alone = HermiteGrid(before, joined_rows([coarse], before))
    torch.testing.assert_close(at_corners([coarse], layout, 1), alone.summed_jets(x, VALUE)[:, 0].T)


def test_what_a_coarse_level_loses_is_taken_over_where_a_finer_one_is_exact() -> None:
    layout, generator = _layout(listed=False), torch.Generator().manual_seed(1)
    table = _table(layout)
    codes = QuantizedTable.around(table, layout, [EYE, EYE], 7, 1.0, generator)  # an entry for every fine corner
    coarse, fine = codes.levels
    assert not torch.equal(coarse.rows(), rows_of(table, layout)[0])  # rounded to half precision
    few = LevelCodes.around(rows_of(table, layout)[0], EYE, 2, 1.0, generator)
    lost = rows_of(table, layout)[0] - few.rows()
    mended = joined_rows([few.rows(), rows_of(table, layout)[1] + at_corners([lost], layout, 1)], layout)
    x = torch.rand(2, 200, generator=generator)
    grid = HermiteGrid(layout, table)
    torch.testing.assert_close(
        HermiteGrid(layout, mended).summed_jets(x, VALUE), grid.summed_jets(x, VALUE), rtol=1e-4, atol=1e-5
    )
    assert len(fine.index) == 81


def test_errors_of_a_table_are_those_of_its_finest_level_alone() -> None:
    layout, generator = _layout(listed=False), torch.Generator().manual_seed(1)
    table = _table(layout)
    x = corners(layout, 1).float()
    true = HermiteGrid(layout, table).summed_jets(x, VALUE)

    def error(read: torch.Tensor) -> float:
        return float((HermiteGrid(layout, read).summed_jets(x, VALUE) - true).square().mean())

    together = QuantizedTable.around(table, layout, [EYE, EYE], 3, 1.0, generator)
    coarse, fine = rows_of(table, layout)
    wanted = fine + at_corners([coarse - together.levels[0].rows()], layout, 1)
    alone = float((together.levels[1].rows() - wanted).square().mean())
    assert abs(error(together.table()) - alone) < 1e-5
    apart = [LevelCodes.around(rows, EYE, 3, 1.0, generator).rows() for rows in (coarse, fine)]
    assert error(together.table()) < error(joined_rows(apart, layout))


def test_clusters_are_those_of_the_directions_that_count() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(4000, 2, generator=generator) * torch.tensor([10.0, 1.0])
    metric = torch.diag(torch.tensor([1e-3, 1.0]))  # the first feature hardly counts
    errors = [
        float((LevelCodes.around(rows, one, 3, 1.0, generator).rows() - rows)[:, 1].square().mean())
        for one in (EYE, metric)
    ]
    assert errors[1] < errors[0] / 10
