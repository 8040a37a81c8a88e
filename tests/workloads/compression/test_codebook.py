"""Hard choices forward, soft ones backward."""

import numpy as np
import pytest
import torch

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.errors import OutOfMemoryError
from hermite_pinn.workloads.compression import codebook as codebooks
from hermite_pinn.workloads.compression import quantized_table
from hermite_pinn.workloads.compression.codebook import halved, logit_gradient
from hermite_pinn.workloads.compression.quantized_table import LevelCodes, QuantizedTable, Rates
from hermite_pinn.workloads.compression.rows import rows_of

VALUE = Channels.value(2)


def _layout(basis: str = "linear") -> GridLayout:
    near = VertexList.of([(i, j) for i in range(9) for j in range(9) if abs(i - j) < 3])
    return GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (8, 8)), basis, 3, listed=(None, near))


def _codes(layout: GridLayout, bits: int) -> QuantizedTable:
    generator = torch.Generator().manual_seed(1)
    table = torch.zeros(layout.size, dtype=torch.float64)
    return QuantizedTable.random(table, layout, bits, 1.0, generator)


@pytest.mark.parametrize("basis", ["linear", "cubic"])
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_gradients_equal_those_of_the_straight_through_estimator_by_automatic_differentiation(
    basis: str, temperature: float
) -> None:
    layout, bits = _layout(basis), 3
    codes = _codes(layout, bits)
    x = torch.rand(2, 40, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    target = torch.sin(5 * x[0]) * x[1]

    def loss(table: torch.Tensor) -> torch.Tensor:
        return ((ops.summed_jets(x, table, layout, VALUE).tanh().sum((0, 1)) - target) ** 2).sum()

    # y = onehot(argmax C) - stopgrad(softmax) + softmax, rows = y @ D, all corners at once
    leaves, table = [], torch.zeros(layout.size, dtype=torch.float64)
    for level, group in zip(codes.levels, layout.groups, strict=True):
        logits = level.logits.clone().requires_grad_()
        book = halved(level.codebook).requires_grad_()
        soft = torch.softmax(logits / temperature, 1)
        hard = torch.nn.functional.one_hot(logits.argmax(1), 1 << bits).double()
        rows = (hard - soft.detach() + soft) @ book
        place = torch.arange(rows.numel()) + group[0].offset
        table = table.index_put((place,), rows.reshape(-1))
        leaves.append((logits, book))
    dense = torch.autograd.grad(loss(table), [leaf for pair in leaves for leaf in pair])

    read = codes.table().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(read), read)
    torch.testing.assert_close(read, table, rtol=0, atol=1e-15)
    before = [level.logits.clone() for level in codes.levels]
    by_codebook = codes.step(gradient, Rates(1e-3, temperature))
    for k, part in enumerate(rows_of(gradient, layout)):
        level = codes.levels[k]
        mine = logit_gradient(before[k], halved(level.codebook), part, temperature)
        torch.testing.assert_close(mine, dense[2 * k], rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(by_codebook[k], dense[2 * k + 1], rtol=1e-10, atol=1e-12)


def test_only_rows_that_a_gradient_touches_move() -> None:
    codes = _codes(_layout(), 3)
    level = codes.levels[0]
    before, gradient = level.logits.clone(), torch.zeros(len(level.logits), 3, dtype=torch.float64)
    gradient[4] = 1.0
    level.step(gradient, Rates(0.1, 1.0))
    moved = (level.logits != before).any(1)
    assert moved.nonzero().ravel().tolist() == [4]
    assert float((level.logits[4] - before[4]).square().mean().sqrt()) == pytest.approx(0.1)


def test_chosen_entries_are_those_of_the_largest_logits_after_every_step() -> None:
    codes = _codes(_layout(), 4)
    generator = torch.Generator().manual_seed(5)
    for _ in range(5):
        codes.step(torch.randn(codes.layout.size, generator=generator, dtype=torch.float64), Rates(0.5, 1.0))
        for level in codes.levels:
            assert torch.equal(level.index, level.logits.argmax(1))


class _Counting(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes the largest tensor that an operation makes."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = function(*args, **(kwargs or {}))
        given = {leaf.data_ptr() for leaf in args if isinstance(leaf, torch.Tensor)}
        for leaf in out if isinstance(out, tuple | list) else [out]:
            if isinstance(leaf, torch.Tensor) and leaf.data_ptr() not in given:
                self.largest = max(self.largest, leaf.numel())
        return out


@pytest.mark.parametrize("bits", [4, 8])
def test_a_step_makes_no_array_that_grows_with_points_times_entries(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layout, points = GridLayout((0.0, 0.0), (1.0, 1.0), ((64, 64),), "linear", 4), 50_000
    codes = QuantizedTable.random(torch.zeros(1), layout, bits, 0.01, torch.Generator().manual_seed(0))
    monkeypatch.setattr(codebooks, "PIECE", 1 << 12)
    x = torch.rand(2, points)
    table = codes.table().requires_grad_()
    with _Counting() as counting:
        ops.summed_jets(x, table, layout, VALUE).square().sum().backward()
        assert table.grad is not None
        codes.step(table.grad, Rates(0.1, 1.0))
    # nothing is larger than the features at the points, and no softmax than a piece
    assert counting.largest <= max(points * layout.features, layout.size)
    assert counting.largest < points * (1 << bits)


def test_entries_that_no_row_reads_get_rows_and_what_is_read_hardly_changes() -> None:
    rows = torch.cat([torch.zeros(50, 2), torch.ones(50, 2)])
    logits = torch.zeros(100, 4)
    logits[:50, 0] = logits[50:, 1] = 1.0
    level = LevelCodes(logits, torch.tensor([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0], [9.0, 9.0]]))
    assert level.revive(torch.Generator().manual_seed(0)) == 2
    assert torch.bincount(level.index, minlength=4).min() > 0
    assert torch.equal(level.index, level.logits.argmax(1))
    torch.testing.assert_close(level.rows(), rows)


def test_clusters_start_codes_with_the_nearest_entry_chosen() -> None:
    rows = torch.randn(500, 3, generator=torch.Generator().manual_seed(3))
    level = LevelCodes.around(rows, torch.eye(rows.shape[1]), 4, 1.0, torch.Generator().manual_seed(0))
    distances = torch.cdist(rows, level.codebook)
    np.testing.assert_array_equal(level.index, distances.argmin(1))


def test_logits_that_do_not_fit_are_refused_before_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(need: float, what: str, advice: str) -> None:
        raise OutOfMemoryError(f"{what} need {need:g}; {advice}")

    monkeypatch.setattr(quantized_table, "check_fits", full)
    layout = _layout()
    with pytest.raises(OutOfMemoryError, match="logits of 64 corners and 4096 entries"):
        QuantizedTable.around(torch.zeros(layout.size), layout, [torch.eye(3)] * 2, 12, 1.0, torch.Generator())
