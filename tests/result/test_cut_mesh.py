"""Meshes of the part of a grid where a function is negative: closed, conforming, and right to second order."""

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hermite_pinn.geometry.cells import FULL, OUTSIDE, TOUCHED
from hermite_pinn.result.clipping import boundary_facets, simplex_measures
from hermite_pinn.result.crease_points import split_at
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


def turned_cube(half, turns):
    """A cube, and its edges: level and segments."""
    turn = Rotation.from_euler("xyz", turns).as_matrix()
    level = lambda x: np.abs(turn.T @ x).max(0) - half
    ends = np.array(list(itertools.product((-half, half), repeat=3)))
    pairs = [(a, b) for a, b in itertools.combinations(ends, 2) if np.sum(a != b) == 1]
    return level, np.array(pairs) @ turn.T


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("turns", [(0, 0, 0), (0.3, 0.2, 0.5), (0, 0, 0.4)])
@pytest.mark.parametrize("half", [0.5, 0.437])
def test_edges_of_solids_are_kept(half, turns, sign):
    level, edges = turned_cube(half, turns)
    volume = 8 * half**3 if sign > 0 else 8 - 8 * half**3
    axes = [np.linspace(-1, 1, 15 + (half == 0.5) * 2)] * 3
    kinds = np.full([len(a) - 1 for a in axes], TOUCHED)
    mesh = cut_mesh(axes, kinds, lambda x: sign * level(x), creases=edges)
    blunt = cut_mesh(axes, kinds, lambda x: sign * level(x))
    assert is_closed(mesh)
    assert enclosed(mesh) == pytest.approx(mesh.measure, abs=1e-12)
    assert (simplex_measures(mesh.points, mesh.simplices) >= 0).all()
    assert abs(mesh.measure - volume) <= 0.2 * abs(blunt.measure - volume) + 1e-9
    assert abs(mesh.measure - volume) < 2e-3
    on_corners = np.linalg.norm(mesh.points[:, None] - edges.reshape(-1, 3), axis=2).min(0)
    assert np.median(on_corners) < 1e-5


def test_chords_of_a_curved_edge_are_moved_to_it():
    level = lambda x: np.maximum(0.6 - np.hypot(x[0], x[1]), np.abs(x[2]) - 0.45)
    turn = np.linspace(0, 2 * np.pi, 25)
    ring = np.stack([0.6 * np.cos(turn), 0.6 * np.sin(turn)], 1)
    edges = np.concatenate([np.insert(np.stack([ring[:-1], ring[1:]], 1), 2, z, axis=2) for z in (-0.45, 0.45)])
    sharp = cut_mesh([np.linspace(-1, 1, 17)] * 3, np.full((16,) * 3, TOUCHED), level, creases=edges)
    volume = (4 - 0.36 * np.pi) * 0.9
    assert is_closed(sharp)
    assert abs(sharp.measure - volume) < 0.7 * abs(mesh_of(level, 16, 3).measure - volume)
    rim = np.abs(np.abs(sharp.points[:, 2]) - 0.45) < 1e-7
    rim &= np.abs(np.hypot(sharp.points[:, 0], sharp.points[:, 1]) - 0.6) < 1e-6
    assert rim.sum() > 60


def test_neighbours_divide_what_they_share_alike():
    tetrahedra = np.array([[0, 1, 2, 3], [1, 2, 3, 4], [0, 2, 3, 5]])
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [-1, 0.2, 0.2], [0, 0, 0], [0, 0, 0], [0, 0, 0]], float)  # fmt: skip
    sets = [np.array([[1, 2, 3], [0, 2, 3]]), np.array([[2, 3], [1, 3]])]
    numbers = [np.array([6, 7]), np.array([8, 9])]
    points = np.concatenate([points[:6], *(points[s].mean(1) for s in sets)])
    parts = tetrahedra
    for s, n in zip(sets, numbers, strict=True):
        parts = split_at(parts, s, n)
    assert np.abs(simplex_measures(points, parts)).sum() == pytest.approx(
        np.abs(simplex_measures(points, tetrahedra)).sum()
    )
    faces = np.concatenate([np.delete(parts, k, axis=1) for k in range(4)])
    outer = points[boundary_facets(faces)]
    area = 0.5 * np.linalg.norm(np.cross(outer[:, 1] - outer[:, 0], outer[:, 2] - outer[:, 0]), axis=1).sum()
    whole = points[boundary_facets(np.concatenate([np.delete(tetrahedra, k, axis=1) for k in range(4)]))]
    assert area == pytest.approx(
        0.5 * np.linalg.norm(np.cross(whole[:, 1] - whole[:, 0], whole[:, 2] - whole[:, 0]), axis=1).sum()
    )


def test_creases_off_the_surface_or_the_grid_change_nothing():
    level = ball(0.7)
    axes, kinds = [np.linspace(-1, 1, 9)] * 3, np.full((8, 8, 8), TOUCHED)
    off = np.array([[[0, 0, 0], [0.2, 0.1, 0.3]], [[2, 2, 2], [3, 3, 3.0]], [[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]]])
    one, other = cut_mesh(axes, kinds, level), cut_mesh(axes, kinds, level, creases=off)
    assert np.array_equal(one.points, other.points)
    assert np.array_equal(one.simplices, other.simplices)


def test_a_grid_that_fits_gives_whole_cells_alone():
    kinds = np.full((8, 8), OUTSIDE, dtype=np.int8)
    kinds[2:6, 2:6] = FULL
    mesh = mesh_of(square(0.5, 0.0), 8, 2, kinds=kinds)
    assert list(mesh.cells) == ["quad"]
    assert mesh.measure == 1.0
    assert is_closed(mesh)
    kinds[1:7, 1:7] = TOUCHED
    assert mesh_of(square(0.5, 0.0), 8, 2, kinds=kinds).measure == pytest.approx(1.0)


def test_a_plate_as_thick_as_a_cell_is_there():
    level = lambda x: np.maximum(np.abs(x[0]) - 0.5, np.abs(x[2] - 0.125) - 0.125)
    mesh = mesh_of(level, 8, 3)
    assert mesh.measure == pytest.approx(1.0 * 2.0 * 0.25)
    assert is_closed(mesh)


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
