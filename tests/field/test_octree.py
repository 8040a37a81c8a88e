"""Octrees from priors."""

import numpy as np
import pytest

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.octree import Distance, Everywhere, Occupancy, Octree


def _sphere(x: np.ndarray) -> np.ndarray:
    distance: np.ndarray = np.linalg.norm(x, axis=1) - 0.6
    return distance


LOWER, UPPER = (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)


def _tree(width: float = 1.0, levels: int = 4) -> Octree:
    return Octree.of(Distance(_sphere, width), LOWER, UPPER, (4, 4, 4), levels)


def test_every_cell_that_the_surface_crosses_is_in_the_octree() -> None:
    tree = _tree()
    directions = np.random.default_rng(0).normal(size=(20_000, 3))
    surface = 0.6 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    for cells, counts in zip(tree.cells, tree.resolutions, strict=True):
        there = np.floor((surface + 1) / 2 * np.array(counts)).astype(np.int64)
        known = {tuple(cell) for cell in cells.tolist()}
        assert {tuple(cell) for cell in there.tolist()} <= known


def test_corners_are_those_of_the_cells_and_of_no_others() -> None:
    tree = _tree()
    for cells, listed in zip(tree.cells[1:], tree.listed[1:], strict=True):
        corners = {tuple(c + np.array(e)) for c in cells for e in np.ndindex(2, 2, 2)}
        assert listed is not None
        assert {tuple(v) for v in listed.vertices} == corners


def test_cells_of_a_level_are_parts_of_cells_of_the_one_before() -> None:
    tree = _tree(1.5)
    for coarse, fine in zip(tree.cells, tree.cells[1:], strict=False):
        assert {tuple(c) for c in (fine >> 1).tolist()} <= {tuple(c) for c in coarse.tolist()}


def test_wider_bands_have_more_cells() -> None:
    assert len(_tree(2.0).cells[-1]) > len(_tree(1.0).cells[-1])
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        Distance(_sphere, 0.5)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_masks_give_the_same_octree_again(dim: int) -> None:
    def ball(x: np.ndarray) -> np.ndarray:
        distance: np.ndarray = np.linalg.norm(x, axis=1) - 0.6
        return distance

    tree = Octree.of(Distance(ball), (-1.0,) * dim, (1.0,) * dim, (3,) * dim, 4 if dim < 4 else 3)
    again = Octree.whole(tree.coarsest)
    for level in range(tree.levels - 1):
        again = again.refined(tree.masks(level))
    for mine, other in zip(tree.cells, again.cells, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert tree.listed == again.listed


def test_masks_of_another_size_or_with_parts_that_no_cell_has_are_refused() -> None:
    tree = Octree.of(Everywhere(), (0.0, 0.0), (1.0, 1.0), (2, 2), 2)
    for damaged in (tree.masks(0)[:-1], b"\x10" * 4, bytes(4)):
        with pytest.raises(CorruptFileError):
            Octree.whole((2, 2)).refined(damaged)


def test_occupied_cells_and_no_others_are_refined_and_an_empty_box_is_refused() -> None:
    occupied = np.zeros((8, 8), dtype=bool)
    occupied[5, 2] = True
    tree = Octree.of(Occupancy(occupied, (0.0, 0.0), (1.0, 1.0)), (0.0, 0.0), (1.0, 1.0), (4, 4), 2)
    np.testing.assert_array_equal(tree.cells[1], [[5, 2]])
    with pytest.raises(InvalidProblemError, match="no cell"):
        Octree.of(Occupancy(np.zeros((8, 8), dtype=bool), (0.0, 0.0), (1.0, 1.0)), (0.0, 0.0), (1.0, 1.0), (4, 4), 2)
    with pytest.raises(InvalidArgumentError, match="truth values"):
        Occupancy(np.zeros((8, 8)), (0.0, 0.0), (1.0, 1.0))


def test_all_cells_make_levels_without_lists() -> None:
    tree = Octree.of(Everywhere(), (0.0, 0.0), (1.0, 2.0), (2, 3), 3)
    assert tree.listed == (None, None, None)
    assert tree.resolutions == ((2, 3), (4, 6), (8, 12))
