"""Indices of few bits in bytes."""

import numpy as np
import pytest

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.workloads.compression.packing import PIECE, formula_bytes, packed, packed_bytes, unpacked


@pytest.mark.parametrize("bits", range(1, 13))
@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_packed_indices_come_back_and_fill_as_many_bytes_as_their_bits_need(bits: int, count: int) -> None:
    indices = np.random.default_rng(bits).integers(0, 1 << bits, count, dtype=np.uint16)
    data = packed(indices, bits)
    assert data.dtype == np.uint8
    assert len(data) == packed_bytes(count, bits) == -(-count * bits // 8)
    np.testing.assert_array_equal(unpacked(data, count, bits), indices)


@pytest.mark.parametrize("bits", [3, 12])
def test_more_indices_than_a_piece_are_packed_without_gaps(bits: int) -> None:
    indices = (np.arange(PIECE + 5) % (1 << bits)).astype(np.uint16)
    np.testing.assert_array_equal(unpacked(packed(indices, bits), len(indices), bits), indices)


@pytest.mark.parametrize("bits", [0, 13, 2.5, True])
def test_bits_outside_of_1_to_12_are_refused(bits: object) -> None:
    with pytest.raises(InvalidArgumentError, match="bits"):
        packed(np.zeros(3, dtype=np.uint16), bits)  # type: ignore[arg-type]


def test_indices_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="between 0 and 3"):
        packed(np.array([1, 4]), 2)
    with pytest.raises(InvalidArgumentError, match="integers"):
        packed(np.array([1.0, 2.0]), 2)


def test_a_block_that_is_too_short_too_long_or_has_bits_behind_its_end_is_refused() -> None:
    data = packed(np.array([1, 2, 3]), 2)
    for damaged in (data[:-1], np.concatenate([data, data]), data | np.uint8(0x80)):
        with pytest.raises(CorruptFileError):
            unpacked(damaged, 3, 2)


def test_the_formula_gives_the_sizes_that_were_published() -> None:
    counts = [159_000] * 4
    kilobytes = [formula_bytes(counts, bits, 16, 12_000) / 1000 for bits in (6, 4, 2, 1)]
    assert kilobytes == pytest.approx([497, 332, 172, 92], abs=0.6)
