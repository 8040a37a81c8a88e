"""A mesh tells inside from outside, how far its surface is, and where its points, edges and cells are."""

import copy
import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.geometry.mesh import distance, parts, winding
from hermite_pinn.geometry.shapes import shape_from_state

PARTS = {
    "cube": parts.cube,
    "sphere": parts.sphere,
    "gear": lambda: parts.gear(7),
    "bracket": lambda: parts.bracket(divisions=2),
    "pipe bend": lambda: parts.pipe_bend(divisions=12),
    "solid bend": lambda: parts.pipe_bend(bore=0.0, straight=0.0, divisions=9),
    "knot": lambda: parts.torus_knot(divisions=7),
}
every_part = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
SHARED = Path(os.environ.get("HERMITE_PINN_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "meshes"


def scattered(mesh, count, margin=0.1, seed=0):
    lower, upper = (bound[:, None] for bound in mesh.bounds)
    room = margin * (upper - lower)
    return np.random.default_rng(seed).uniform(lower - room, upper + room, (3, count))


def plain_distances(mesh, x):
    corners = mesh.triangles.corners
    every = [
        np.linalg.norm(distance.closest_points(np.broadcast_to(p, (len(corners), 3)), corners) - p, axis=1) for p in x.T
    ]
    return np.min(every, axis=1)


def solid_angles(mesh, x):
    """Winding numbers by the angles of all triangles."""
    a, b, c = (mesh.triangles.corners[:, k] - x.T[:, None] for k in range(3))
    p, q, r = (np.linalg.norm(one, axis=2) for one in (a, b, c))
    triple = (a * np.cross(b, c)).sum(2)
    scalar = p * q * r + (a * b).sum(2) * r + (b * c).sum(2) * p + (c * a).sum(2) * q
    return np.arctan2(triple, scalar).sum(1) / (2 * np.pi)


@pytest.fixture
def without_libigl(monkeypatch):
    monkeypatch.setattr(distance, "libigl", lambda: None)


# -- inside and distance ---
def test_a_cube_contains_what_its_inequalities_say():
    x = np.random.default_rng(0).uniform(-0.5, 1.5, (3, 2000))
    assert (parts.cube().contains(x) == ((x > 0) & (x < 1)).all(0)).all()


def test_distances_to_a_cube():
    x = np.random.default_rng(0).uniform(-0.5, 1.5, (3, 2000))
    q = np.abs(x - 0.5) - 0.5
    exact = np.linalg.norm(np.maximum(q, 0), axis=0) + np.minimum(q.max(0), 0)
    assert np.abs(parts.cube().signed_distance(x) - exact).max() < 1e-14


@every_part
def test_inside_is_where_the_winding_number_is_one(part):
    mesh = part()
    x = scattered(mesh, 400)
    exact = solid_angles(mesh, x)
    assert np.abs(exact - np.round(exact)).max() < 1e-9
    assert (mesh.contains(x) == (exact > 0.5)).all()
    assert (mesh._inside.crossings.winding(x.T) == np.round(exact)).all()


@every_part
def test_distances_are_those_to_the_nearest_of_all_triangles(part):
    mesh = part()
    x = scattered(mesh, 60)
    assert np.abs(np.abs(mesh.signed_distance(x)) - plain_distances(mesh, x)).max() < 1e-12


@every_part
def test_without_libigl_distances_and_signs_are_the_same(part, monkeypatch, request):
    mesh = part()
    x = np.concatenate([scattered(mesh, 2000), scattered(mesh, 50, margin=20.0)], 1)
    fast = mesh.signed_distance(x), mesh.contains(x)
    request.getfixturevalue("without_libigl")
    slow = part()
    assert isinstance(slow._search, distance.SampleSearch)
    assert np.abs(slow.signed_distance(x) - fast[0]).max() < 1e-12
    assert (slow.contains(x) == fast[1]).all()


@pytest.mark.parametrize("batch", [1, 7])
def test_small_batches_change_nothing(batch, monkeypatch, without_libigl):
    mesh = parts.gear(5)
    x = scattered(mesh, 30)
    expected = mesh.signed_distance(x)
    for module, name in ((distance, "BATCH"), (distance, "PAIRS"), (winding, "PAIRS")):
        monkeypatch.setattr(module, name, batch)
    small = parts.gear(5)
    small.__dict__["_inside"] = mesh._inside  # its grid
    assert np.array_equal(small.signed_distance(x), expected)


@every_part
def test_points_on_the_surface_are_inside_and_have_no_distance(part):
    mesh = part()
    x = np.concatenate([piece.points(0.3).x for piece in mesh.pieces] + [mesh.triangles.vertices.T], 1)
    assert mesh.contains(x).all()
    assert not mesh.signed_distance(x).any()


@every_part
def test_the_sign_changes_across_the_surface_however_near(part):
    mesh = part()
    for piece in mesh.pieces:
        points = piece.points(0.3)
        for step in (1e-3, 1e-6, 1e-9):
            assert not mesh.contains(points.x + step * points.normals).any()
            assert mesh.contains(points.x - step * points.normals).all()
            assert np.abs(mesh.signed_distance(points.x - step * points.normals) + step).max() < 1e-12 + step / 3


def test_rays_through_vertices_and_along_edges_are_counted_once():
    mesh = parts.cube(divisions=4)
    ticks = np.arange(-2, 7) / 4
    x = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij")).reshape(3, -1)
    strictly = ((x > 0) & (x < 1)).all(0)
    outside = ((x < 0) | (x > 1)).any(0)
    numbers = mesh._inside.crossings.winding(x.T)
    assert (numbers[strictly] == 1).all()
    assert (numbers[outside] == 0).all()


def test_fast_winding_numbers_of_libigl_agree():
    igl = pytest.importorskip("igl")
    mesh = parts.torus_knot()
    x = scattered(mesh, 3000)
    t = mesh.triangles
    assert (
        np.abs(igl.fast_winding_number(t.vertices, t.faces, x.T.copy()) - mesh._inside.crossings.winding(x.T)).max()
        < 0.05
    )


def test_far_points_are_outside_and_empty_arrays_stay_empty():
    mesh = parts.sphere()
    assert not mesh.contains(np.full((3, 2), 1e6)).any()
    assert np.allclose(mesh.signed_distance(np.array([[1e6], [0.0], [0.0]])), 1e6 - 1, rtol=1e-3)
    assert mesh.contains(np.zeros((3, 0))).shape == mesh.signed_distance(np.zeros((3, 0))).shape == (0,)


def test_points_of_another_shape_are_refused():
    with pytest.raises(InvalidArgumentError, match=r"shape \(3, n\), got the shape \(5, 3\)"):
        parts.cube().contains(np.zeros((5, 3)))


def test_spheres_converge_to_the_sphere_of_second_order():
    x = np.random.default_rng(1).uniform(-1.5, 1.5, (3, 500))
    exact = np.linalg.norm(x, axis=0) - 1
    errors = [np.abs(parts.sphere(subdivisions=k).signed_distance(x) - exact).max() for k in (2, 3, 4)]
    assert all(3.5 < a / b < 4.5 for a, b in itertools.pairwise(errors))


# -- its boundary ---
@every_part
@pytest.mark.parametrize("spacing", [0.05, 0.2, 5.0])
def test_weights_add_up_to_the_area(part, spacing):
    mesh = part()
    total = sum(piece.points(spacing).weights.sum() for piece in mesh.pieces)
    assert total == pytest.approx(mesh.triangles.areas.sum(), rel=1e-12)
    assert sum(piece.measure for piece in mesh.pieces) == pytest.approx(total, rel=1e-12)


@every_part
def test_the_divergence_theorem_holds_for_linear_fields(part):
    mesh = part()
    matrix = np.random.default_rng(2).normal(size=(3, 3))
    points = [piece.points(0.02) for piece in mesh.pieces]
    flux = sum((matrix @ p.x * p.normals).sum(0) @ p.weights for p in points)
    assert flux == pytest.approx(np.trace(matrix) * mesh.measure, rel=0.02)
    undivided = [piece.points(1e-9 + 2 * mesh.triangles.longest.max()) for piece in mesh.pieces]
    assert all(np.allclose(np.linalg.norm(p.normals, axis=0), 1) for p in undivided)


def test_divided_triangles_integrate_linear_fields_exactly():
    mesh = parts.cube()
    flux = sum((p.x * p.normals).sum(0) @ p.weights for p in (piece.points(0.07) for piece in mesh.pieces))
    assert flux == pytest.approx(3.0, rel=1e-13)


def test_points_are_dense_where_triangles_are_large_and_thinned_where_they_are_small():
    coarse, fine = parts.sphere(subdivisions=0), parts.sphere(subdivisions=6)
    for mesh in (coarse, fine):
        (piece,) = mesh.pieces
        points = piece.points(0.25)
        assert 2 < points.count * 0.25**2 / piece.measure < 6
        other = scattered(mesh, 200)
        on = mesh.closest(other).point
        nearest = np.linalg.norm(on[:, None] - points.x.T, axis=2).min(1)
        assert nearest.max() < 0.25


def test_thinned_points_see_the_flux_of_what_they_stand_for():
    (piece,) = parts.sphere(subdivisions=6).pieces
    points = piece.points(0.3)
    assert points.count < piece.triangles.count / 20
    assert np.abs((points.normals * points.weights).sum(1)).max() < 0.02 * piece.measure


def test_random_points_are_uniform_and_come_again_with_their_seed():
    mesh = parts.bracket(divisions=2)
    (holes,) = [piece for piece in mesh.pieces if piece.label == ":holes"]
    points = holes.random(4000, np.random.default_rng(0))
    assert np.abs(mesh.signed_distance(points.x)).max() < 1e-12
    assert points.weights.sum() == pytest.approx(holes.measure)
    assert np.array_equal(points.x, holes.random(4000, np.random.default_rng(0)).x)
    exact = holes.points(0.01)
    assert np.abs((points.x - 0.0) @ points.weights - exact.x @ exact.weights).max() < 0.05 * holes.measure


def test_creases_of_a_bracket_are_right_angles_within_and_without():
    creases = parts.bracket().creases
    degrees = np.rad2deg(creases.angles)
    assert set(np.round(degrees).astype(int)) >= {90, 270}
    inner = np.isclose(degrees, 270) & (np.abs(creases.segments[:, :, 0] - 0.2).max(1) < 1e-9)
    lengths = np.linalg.norm(np.diff(creases.segments, axis=1)[:, 0], axis=1)
    assert lengths[inner].sum() == pytest.approx(0.6)  # where base and leg meet, as long as the base is wide


def test_all_creases_of_a_cube_are_its_edges_and_those_of_a_fine_sphere_none():
    creases = parts.cube().creases
    assert len(creases.angles) == 12
    assert np.allclose(creases.angles, np.pi / 2)
    assert len(parts.sphere(subdivisions=4).creases.angles) == 0


def test_two_cubes_that_share_an_edge_have_two_wedges_there():
    one, two = parts.cube().triangles, parts.cube((1, 1, 0)).triangles
    mesh = hp.Mesh((np.concatenate([one.vertices, two.vertices]), np.concatenate([one.faces, two.faces + 8])))
    creases = mesh.creases
    shared = (np.abs(creases.segments[:, :, :2] - 1).max((1, 2))) < 1e-12
    assert np.allclose(creases.angles[shared], np.pi / 2)
    assert shared.sum() == 2
    assert len(creases.angles) == 24
    assert mesh.measure == pytest.approx(2)


# -- cells ---
@every_part
@pytest.mark.parametrize("counts", [(8, 8, 8), (5, 12, 7)])
def test_touched_cells_have_all_points_of_the_surface(part, counts):
    mesh = part()
    lower, upper = (bound + room for bound, room in zip(mesh.bounds, (-0.1, 0.13), strict=True))
    touched = mesh.touched_cells(lower, upper, counts)
    seen = np.zeros(counts, dtype=bool)
    for piece in mesh.pieces:
        cell = (piece.points(0.02).x - lower[:, None]) / ((upper - lower) / counts)[:, None]
        seen[tuple(cell.astype(int))] = True
    assert (touched | ~seen).all()
    assert touched.sum() < 1.35 * seen.sum() + 8  # hardly any others: corners of cells that a triangle just reaches


@every_part
def test_cells_that_are_not_touched_lie_on_one_side(part):
    mesh = part()
    lower, upper = (bound + room for bound, room in zip(mesh.bounds, (-0.1, 0.1), strict=True))
    touched = mesh.touched_cells(lower, upper, (9, 9, 9))
    size = (upper - lower) / 9
    corners = np.stack(np.meshgrid((0, 1), (0, 1), (0, 1), indexing="ij")).reshape(3, -1).T
    cells = np.argwhere(~touched)
    x = lower + (cells[:, None] + corners) * size
    inside = mesh.contains(x.reshape(-1, 3).T).reshape(-1, 8)
    assert (inside.all(1) | ~inside.any(1)).all()


@every_part
def test_touched_cells_of_a_fine_grid_lie_in_those_of_a_coarse_one(part):
    mesh = part()
    lower, upper = mesh.bounds  # sides of the part lie on those of cells
    fine = mesh.touched_cells(lower, upper, (32, 32, 32))
    for factor in (2, 4, 8):
        n = 32 // factor
        coarse = mesh.touched_cells(lower, upper, (n, n, n))
        blocks = fine.reshape(n, factor, n, factor, n, factor).any((1, 3, 5))
        assert (blocks <= coarse).all()
        assert (coarse == blocks).mean() > 0.99


def test_cells_beside_a_grid_are_not_touched():
    assert not parts.cube((2, 2, 2)).touched_cells(np.zeros(3), np.ones(3), (4, 4, 4)).any()
    assert not parts.cube((-9, -9, -9), size=20).touched_cells(np.zeros(3), np.ones(3), (4, 4, 4)).any()


# -- moves, names, copies ---
@every_part
def test_moves_carry_everything_along(part):
    mesh = part()
    moved = mesh.rotated(40, axis=(1, 2, -1)).scaled(3).translated(1, -2, 0.5)
    turn = mesh.rotated(40, axis=(1, 2, -1))
    x = scattered(mesh, 300)
    assert np.allclose(moved.signed_distance(carried(mesh, turn, x)), 3 * mesh.signed_distance(x), atol=1e-12)
    assert moved.measure == pytest.approx(27 * mesh.measure)
    assert np.allclose(np.sort(moved.creases.angles), np.sort(mesh.creases.angles))
    assert [p.label for p in moved.pieces] == [p.label for p in mesh.pieces]


def carried(mesh, turn, x):
    matrix = np.linalg.lstsq(mesh.triangles.vertices, turn.triangles.vertices, rcond=None)[0].T
    return 3 * matrix @ x + np.array([[1], [-2], [0.5]])


def test_a_quarter_turn_goes_from_the_first_axis_to_the_second():
    lower, upper = parts.cube((1, 0, 0)).rotated(90).bounds
    assert np.allclose([lower, upper], [(-1, 1, 0), (0, 2, 1)])


def test_the_order_of_vertices_and_triangles_does_not_matter():
    mesh = parts.gear(6)
    generator = np.random.default_rng(3)
    order, places = generator.permutation(len(mesh.triangles.vertices)), generator.permutation(mesh.triangles.count)
    number = np.argsort(order)
    faces = np.roll(number[mesh.triangles.faces[places]], 1, axis=1)
    other = hp.Mesh((mesh.triangles.vertices[order], faces))
    x = scattered(mesh, 500)
    assert np.abs(other.signed_distance(x) - mesh.signed_distance(x)).max() < 1e-13
    assert other.measure == pytest.approx(mesh.measure)
    assert other.notes == ()


def test_groups_are_given_by_numbers_or_masks_and_the_rest_is_called_so():
    cube = parts.cube().triangles
    mesh = hp.Mesh((cube.vertices, cube.faces), groups={"first": [0, 1], "last": np.arange(12) > 9})
    assert {piece.label: round(piece.measure, 12) for piece in mesh.pieces} == {
        ":first": 1.0,
        ":last": 1.0,
        ":rest": 4.0,
    }


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ({"a": [12]}, "from 0 to 11"),
        ({"a": [0, 1], "b": [1]}, "another group"),
        ({"a": ["x"]}, "from 0 to 11"),
        ([1, 2], "names with numbers"),
        ({"a": []}, "from 0 to 11"),
    ],
)
def test_wrong_groups_are_refused(groups, told):
    cube = parts.cube().triangles
    with pytest.raises(InvalidArgumentError, match=told):
        hp.Mesh((cube.vertices, cube.faces), groups=groups)


@every_part
def test_a_mesh_is_made_again_from_its_state(part):
    mesh = part().scaled(2)
    again = shape_from_state(mesh.state())
    x = scattered(mesh, 100)
    assert np.array_equal(again.signed_distance(x), mesh.signed_distance(x))
    assert [piece.label for piece in again.pieces] == [piece.label for piece in mesh.pieces]
    assert again.notes == mesh.notes
    tensors = {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in mesh.state().items()}
    assert np.array_equal(shape_from_state(tensors).signed_distance(x), mesh.signed_distance(x))


@pytest.mark.parametrize(
    "change",
    [
        {"faces": np.array([[0, 1, 99]])},
        {"faces": np.zeros((0, 3), dtype=np.int64)},
        {"vertices": np.full((8, 3), np.nan)},
        {"vertices": np.zeros((8, 3))},
        {"groups": np.zeros(3, dtype=np.int64)},
        {"groups": np.full(12, 7)},
        {"group_names": []},
        {"group_names": [3]},
        {"crossing": np.array([[0, 12]])},
        {"name": "not a name"},
        {"notes": 3},
    ],
)
def test_a_damaged_state_is_refused(change):
    state = {**parts.cube().state(), **change}
    with pytest.raises(CorruptFileError, match="is damaged"):
        shape_from_state(state)


def test_an_open_state_is_refused():
    state = dict(parts.cube().state())
    state["faces"], state["groups"] = state["faces"][:-1], state["groups"][:-1]
    with pytest.raises(CorruptFileError, match="close a surface"):
        shape_from_state(state)


def test_meshes_combine_with_other_shapes():
    both = parts.cube(divisions=2) - hp.Ball((1, 1, 1), 0.5)
    x = np.random.default_rng(0).uniform(-0.2, 1.2, (3, 500))
    inside = ((x > 0) & (x < 1)).all(0) & (np.linalg.norm(x - 1, axis=0) > 0.5)
    assert (both.contains(x) == inside).all()
    found = sum(piece.measure for piece in both.pieces)
    assert found == pytest.approx(6 - 3 * np.pi * 0.25 / 4 + 4 * np.pi * 0.25 / 8, rel=0.01)


def test_copies_by_pickle_and_copy_are_equal():
    mesh = parts.gear(5)
    x = scattered(mesh, 100)
    expected = mesh.signed_distance(x)
    for other in (pickle.loads(pickle.dumps(mesh)), copy.deepcopy(mesh)):
        assert np.array_equal(other.signed_distance(x), expected)
        with pytest.raises(AttributeError, match="cannot be changed"):
            other.name = "b"


@pytest.mark.parametrize("name", ["bunny", "armadillo", "fandisk", "spot"])
def test_real_meshes_need_no_repair(name):
    path = SHARED / f"{name}.obj"
    if not path.exists():
        pytest.skip("the shared meshes are not here")
    mesh = hp.Mesh(path)
    assert mesh.notes == ()
    x = scattered(mesh, 100)
    exact = solid_angles(mesh, x)
    assert (mesh.contains(x) == (exact > 0.5)).all()
    assert np.abs(np.abs(mesh.signed_distance(x[:, :20])) - plain_distances(mesh, x[:, :20])).max() < 1e-12
