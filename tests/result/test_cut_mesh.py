"""Meshes of the part of a grid where a function is negative: closed, conforming, and right to second order."""

import itertools

import numpy as np
import pytest

from hermite_pinn.geometry.cells import FULL, OUTSIDE, TOUCHED
from hermite_pinn.result.clipping import boundary_facets, simplex_measures
from hermite_pinn.result.cut_mesh import cut_mesh


def mesh_of(level, cells, dim, corners=None, kinds=None):
    axes = [np.linspace(-1, 1, cells + 1)] * dim
    return cut_mesh(axes, np.full((cells,) * dim, TOUCHED) if kinds is None else kinds, level, corners)


def ball(radius, centre=0.0):
    return lambda x: np.linalg.norm(x - np.reshape(centre, (-1, 1)), axis=0) - radius


def hole(radius, centre=0.0):
    return lambda x: -ball(radius, centre)(x)


def square(half, turn):
    c, s = np.cos(turn), np.sin(turn)
    return lambda x: np.abs(np.array([[c, s], [-s, c]]) @ x[:2]).max(0) - half


def enclosed(mesh):
    """Area or volume by the divergence theorem over the boundary."""
    p = mesh.points[mesh.facets]
    if mesh.dim == 2:
        along = p[:, 1] - p[:, 0]
        return 0.5 * np.sum(p[:, 0, 0] * along[:, 1] - p[:, 0, 1] * along[:, 0])
    return np.einsum("ij,ij->", p[:, 0], np.cross(p[:, 1], p[:, 2])) / 6


def ridges(mesh):
    """Directed ridges of the boundary: the vertices of segments with signs, the edges of triangles."""
    if mesh.dim == 2:
        return mesh.facets[:, :1], mesh.facets[:, 1:]
    edges = np.concatenate([mesh.facets[:, [0, 1]], mesh.facets[:, [1, 2]], mesh.facets[:, [2, 0]]])
    return edges, edges[:, ::-1]


def is_closed(mesh):
    """Whether every ridge is passed as often in one direction as in the other."""
    one, other = (np.sort(r[:, 0] * 10**9 + r[:, -1]) for r in ridges(mesh))
    return np.array_equal(one, other)


LEVELS = {
    "disc": (2, ball(0.7, (0.05, 0.02))),
    "hole": (2, hole(0.7, (0.05, 0.02))),
    "hole that reaches a side": (2, hole(0.5, (0.8, 0.1))),
    "square": (2, square(0.5, 0.3)),
    "square on the grid": (2, square(0.5, 0.0)),
    "square hole on the grid": (2, lambda x: -square(0.5, 0.0)(x)),
    "two discs that touch": (2, lambda x: np.minimum(ball(0.25, (-0.25, 0))(x), ball(0.25, (0.25, 0))(x))),
    "ball": (3, ball(0.7, (0.05, 0.02, -0.04))),
    "hole in a cube": (3, hole(0.6, (0.5, 0.02, -0.04))),
    "cube on the grid": (3, lambda x: np.abs(x).max(0) - 0.5),
    "cube hole on the grid": (3, lambda x: 0.5 - np.abs(x).max(0)),
    "torus": (3, lambda x: np.hypot(np.hypot(x[0], x[1]) - 0.6, x[2]) - 0.25),
    "waves": (3, lambda x: np.sin(5 * x[0]) + np.sin(6 * x[1]) + np.sin(7 * x[2])),
}


@pytest.mark.parametrize("name", LEVELS)
def test_the_boundary_is_closed_and_encloses_the_measure(name):
    dim, level = LEVELS[name]
    mesh = mesh_of(level, 12, dim)
    assert is_closed(mesh)
    assert enclosed(mesh) == pytest.approx(mesh.measure, abs=1e-12)
    assert (simplex_measures(mesh.points, mesh.simplices) >= 0).all()
    assert level(mesh.points.T).max() < 1e-6


@pytest.mark.parametrize(
    ("dim", "level", "measure"),
    [
        (2, ball(0.7, (0.05, 0.02)), 0.49 * np.pi),
        (2, hole(0.7, (0.05, 0.02)), 4 - 0.49 * np.pi),
        (3, ball(0.7, (0.05, 0.02, 0)), 4 / 3 * np.pi * 0.343),
        (3, hole(0.7, (0.05, 0.02, 0)), 8 - 4 / 3 * np.pi * 0.343),
    ],
)
def test_the_measure_is_right_to_the_square_of_the_cells(dim, level, measure):
    errors = [abs(mesh_of(level, n, dim).measure - measure) for n in (8, 16, 32)]
    for n, error in zip((8, 16, 32), errors, strict=True):
        assert error < 6 / n**2
    assert errors[2] < errors[0] / 10


def test_vertices_of_the_boundary_lie_on_it_and_the_middles_of_facets_near():
    for dim, n in ((2, 32), (3, 16)):
        level = ball(0.7, (0.05, 0.02, 0)[:dim])
        mesh = mesh_of(level, n, dim)
        assert np.abs(level(mesh.points[np.unique(mesh.facets)].T)).max() < 1e-8
        assert np.abs(level(mesh.points[mesh.facets].mean(1).T)).max() < 2 / n**2


def test_corners_become_vertices_and_polygons_are_exact():
    turn = 0.3
    c, s = np.cos(turn), np.sin(turn)
    corners = 0.5 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ np.array([[c, s], [-s, c]])
    for sign in (1, -1):
        mesh = mesh_of(lambda x, sign=sign: sign * square(0.5, turn)(x), 12, 2, corners)
        assert is_closed(mesh)
        assert mesh.measure == pytest.approx(1.0 if sign > 0 else 3.0, abs=1e-7)
        assert np.linalg.norm(mesh.points[:, None] - corners, axis=2).min(0).max() < 1e-12


def test_a_grid_that_fits_gives_whole_cells_alone():
    kinds = np.full((8, 8), OUTSIDE, dtype=np.int8)
    kinds[2:6, 2:6] = FULL
    mesh = mesh_of(square(0.5, 0.0), 8, 2, kinds=kinds)
    assert list(mesh.cells) == ["quad"]
    assert mesh.measure == 1.0
    assert is_closed(mesh)
    kinds[1:7, 1:7] = TOUCHED
    assert mesh_of(square(0.5, 0.0), 8, 2, kinds=kinds).measure == pytest.approx(1.0)


def test_a_mirrored_plane_domain_has_the_mirrored_mesh():
    level = lambda x: np.minimum(hole(0.3)(x), hole(0.2, (0.0, 0.6))(x))
    points = mesh_of(level, 16, 2).points
    mirrored = points * [-1, 1]
    order = [np.lexsort(np.round(p, 9).T) for p in (points, mirrored)]
    assert np.allclose(points[order[0]], mirrored[order[1]], atol=1e-9)


def test_axes_that_change_places_change_no_volume():
    level = lambda x: ball(0.6, (0.1, 0.2, 0.3))(x)
    volumes = [mesh_of(lambda x, p=p: level(x[list(p)]), 10, 3).measure for p in itertools.permutations(range(3))]
    assert np.ptp(volumes) < 1e-3 * volumes[0]


def test_what_has_no_cell_is_an_empty_mesh():
    mesh = mesh_of(lambda x: np.ones(x.shape[1]), 6, 3)
    assert mesh.measure == 0.0
    assert mesh.facets.shape == (0, 3)


def test_values_that_are_no_numbers_are_outside():
    level = lambda x: np.where(x[0] > 0, np.nan, ball(0.7)(x))
    mesh = mesh_of(level, 12, 2)
    assert mesh.measure == pytest.approx(0.245 * np.pi, rel=0.1)
    assert np.isfinite(mesh.points).all()


def test_facets_that_come_twice_are_no_boundary():
    facets = np.array([[0, 1], [1, 2], [2, 1], [3, 0]])
    assert boundary_facets(facets).tolist() == [[0, 1], [3, 0]]
