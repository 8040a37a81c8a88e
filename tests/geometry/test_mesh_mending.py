"""What is wrong with a mesh is mended and said, or refused with what to do."""

import numpy as np
import pytest
import trimesh

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.geometry.mesh import mending, parts

CUBE = parts.cube().triangles
FINE = parts.cube(divisions=3).triangles
BALL = parts.sphere(subdivisions=2).triangles
rng = np.random.default_rng(0)


def united(*bodies):
    before = np.cumsum([0] + [len(body.vertices) for body in bodies])
    faces = [body.faces + start for body, start in zip(bodies, before, strict=False)]
    return np.concatenate([body.vertices for body in bodies]), np.concatenate(faces)


def cube_at(corner, size=1.0, turned=False):
    one = parts.cube(corner, size).triangles
    return type(one)(one.vertices, one.faces[:, ::-1] if turned else one.faces, one.groups, one.names)


# -- refused ---
@pytest.mark.parametrize(
    ("source", "told"),
    [
        (([], []), "has no triangles"),
        ((np.zeros((0, 3)), np.zeros((0, 3), dtype=int)), "has no triangles"),
        ((rng.random((50, 3)), []), "50 points and no triangles.*export the part as a mesh"),
        (trimesh.PointCloud(rng.random((7, 3))), "7 points and no triangles"),
        (([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2)]), "all 3 vertices.*lie in a plane"),
        ((CUBE.vertices, CUBE.faces[:-1]), "not closed: 3 edges.*around a hole: 3 edges around"),
        ((CUBE.vertices, CUBE.faces[:-2]), "not closed: 4 edges.*around \\(.*repair='holes'"),
        ((CUBE.vertices * [1, 1, 0], CUBE.faces), "all 8 vertices.*lie in a plane"),
        ((CUBE.vertices * [1, 0, 0], CUBE.faces), "none of the 12 triangles.*has an area"),
        ((CUBE.vertices * 0 + 3, CUBE.faces), "size of 3"),
        ((CUBE.vertices * 1e200, CUBE.faces), "scale them"),
    ],
)
def test_what_encloses_nothing_is_refused(source, told):
    with pytest.raises(InvalidProblemError, match=told):
        hp.Mesh(source)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vertices_that_are_no_numbers_are_counted(value):
    vertices = CUBE.vertices.copy()
    vertices[3, 1] = value
    with pytest.raises(InvalidProblemError, match="1 of the 8 vertices of the mesh is NaN or infinite"):
        hp.Mesh((vertices, CUBE.faces))


def test_vertices_that_no_triangle_has_may_be_anything():
    assert hp.Mesh((np.concatenate([CUBE.vertices, [[np.nan, 0, 9]]]), CUBE.faces)).notes == ()


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (3, "source must be a file, arrays"),
        ({"vertices": 1}, "source must be a file, arrays"),
        ((CUBE.vertices,), "source must be a file, arrays"),
        ((CUBE.vertices.T, CUBE.faces), "shape \\(n, 3\\), got \\(3, 8\\); for \\(3, n\\) give its transpose"),
        ((CUBE.vertices[:, :2], CUBE.faces), "shape \\(n, 3\\), got \\(8, 2\\)"),
        (("abc", CUBE.faces), "vertices must be an array of coordinates"),
        ((CUBE.vertices, CUBE.faces + 1), "from 0 to 7.*got 1 to 8; they count from 0"),
        ((CUBE.vertices, CUBE.faces - 1), "from 0 to 7.*got -1 to 6"),
        ((CUBE.vertices, CUBE.faces + 0.5), "no integers"),
        ((CUBE.vertices, CUBE.faces.reshape(-1, 4)), "divide each quadrilateral"),
    ],
)
def test_arrays_that_are_no_mesh_are_refused(source, told):
    with pytest.raises(InvalidArgumentError, match=told):
        hp.Mesh(source)


def test_names_and_repairs_that_are_none_are_refused():
    with pytest.raises(InvalidArgumentError, match="name must be"):
        hp.Mesh((CUBE.vertices, CUBE.faces), name=3)
    with pytest.raises(InvalidArgumentError, match=r"repair must be .*'holes'.* or None"):
        hp.Mesh((CUBE.vertices, CUBE.faces), repair="all")
    with pytest.raises(InvalidArgumentError, match="units must be one of 'm'"):
        hp.Mesh((CUBE.vertices, CUBE.faces), units="parsec")


def test_a_surface_with_one_side_is_refused():
    """A Klein bottle: a torus of which one pair of sides is joined the wrong way around."""
    n = 12
    i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
    i, j = i.reshape(-1), j.reshape(-1)

    def number(a, b):
        wraps = a >= n
        return np.where(wraps, a - n, a) * n + np.where(wraps, -b, b) % n

    a, b, c, d = number(i, j), number(i + 1, j), number(i + 1, j + 1), number(i, j + 1)
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    with pytest.raises(InvalidProblemError, match="one side only"):
        hp.Mesh((rng.random((n * n, 3)), faces))


def test_an_inner_wall_is_refused():
    corners = np.array([(0, 0, 0), (0, 0, 1), (1, 1, 1), (1, 1, 0)], dtype=float)  # across, from edge to edge
    number = [int(np.flatnonzero((CUBE.vertices == corner).all(1))[0]) for corner in corners]
    wall = [(number[0], number[1], number[2]), (number[0], number[2], number[3])]
    with pytest.raises(InvalidProblemError, match=r"more than two triangles.*inner walls|not closed"):
        hp.Mesh((CUBE.vertices, np.concatenate([CUBE.faces, wall])))


# -- mended ---
def test_an_inside_out_mesh_is_turned():
    mesh = hp.Mesh((BALL.vertices, BALL.faces[:, ::-1]))
    assert mesh.notes == ("the mesh was inside out: all its 320 triangles faced inwards, and were turned",)
    assert mesh.measure > 4
    points = mesh.pieces[0].points(0.5)
    assert ((points.x * points.normals).sum(0) > 0).all()


def test_mixed_orientations_are_made_one():
    faces = BALL.faces.copy()
    turned = rng.choice(320, 100, replace=False)
    faces[turned] = faces[turned][:, ::-1]
    mesh = hp.Mesh((BALL.vertices, faces))
    assert mesh.notes == ("100 of the 320 triangles of the mesh faced the wrong way, and were turned",)
    assert mesh.measure == pytest.approx(hp.Mesh((BALL.vertices, BALL.faces)).measure)


def test_duplicate_vertices_are_merged():
    vertices, faces = np.concatenate([BALL.vertices, BALL.vertices]), BALL.faces.copy()
    faces[::3] += len(BALL.vertices)
    mesh = hp.Mesh((vertices, faces))
    assert "in the places of others, and were merged" in mesh.notes[0]
    assert len(mesh.triangles.vertices) == len(BALL.vertices)


def test_triangles_of_their_own_vertices_are_a_mesh_without_a_note():
    assert hp.Mesh((BALL.corners.reshape(-1, 3), np.arange(960).reshape(-1, 3))).notes == ()


def test_seams_are_joined_but_not_gaps():
    corners = BALL.corners.reshape(-1, 3)
    mesh = hp.Mesh((corners + 1e-9 * rng.random(corners.shape), np.arange(960).reshape(-1, 3)))
    assert "were joined with them" in mesh.notes[0]
    assert len(mesh.triangles.vertices) == len(BALL.vertices)
    with pytest.raises(InvalidProblemError, match="not closed"):
        hp.Mesh((corners + 1e-3 * rng.random(corners.shape), np.arange(960).reshape(-1, 3)))


def test_one_vertex_far_away_does_not_make_all_others_one():
    corners = BALL.corners.reshape(-1, 3).copy()
    corners[0] = 1e12
    with pytest.raises(InvalidProblemError, match="not closed"):
        hp.Mesh((corners, np.arange(960).reshape(-1, 3)))


def test_triangles_without_area_are_dropped():
    flat = np.concatenate([CUBE.faces, [(0, 0, 1), (3, 3, 3)]])
    mesh = hp.Mesh((CUBE.vertices, flat))
    assert mesh.notes == ("2 of the 14 triangles of the mesh have no area, and were dropped",)
    assert mesh.triangles.count == 12


def test_repeated_triangles_are_dropped():
    mesh = hp.Mesh((CUBE.vertices, np.concatenate([CUBE.faces, np.roll(CUBE.faces[:3], 1, axis=1)])))
    assert mesh.notes == ("3 of the 15 triangles of the mesh repeat others, and were dropped",)
    twice = hp.Mesh((CUBE.vertices, np.concatenate([CUBE.faces, CUBE.faces[:, ::-1]])))
    assert twice.notes == ("every triangle of the mesh is there twice, facing both ways; one of each was dropped",)
    assert twice.measure == pytest.approx(1)


def test_bodies_that_touch_along_a_side_become_one():
    mesh = hp.Mesh(united(cube_at((0, 0, 0)), cube_at((1, 0, 0))))
    assert "2 pairs of triangles of the mesh lie back to back" in " ".join(mesh.notes)
    assert mesh.measure == pytest.approx(2)
    assert mesh.contains(np.array([[1.0], [0.5], [0.5]]))[0]
    assert mesh.signed_distance(np.array([[1.0], [0.5], [0.5]]))[0] == pytest.approx(-0.5)


@pytest.mark.parametrize("turned", [False, True])
def test_a_body_in_another_is_a_cavity_and_one_in_that_is_solid(turned):
    bodies = cube_at((0, 0, 0), 5), cube_at((1, 1, 1), 3, turned), cube_at((2, 2, 2), 1, turned), cube_at((9, 0, 0))
    mesh = hp.Mesh(united(*bodies))
    assert mesh.measure == pytest.approx(125 - 27 + 1 + 1)
    x = np.array([[0.5, 1.5, 2.5, 7.0, 9.5]] + [[0.5, 1.5, 2.5, 0.5, 0.5]] * 2)
    assert mesh.contains(x).tolist() == [True, False, True, False, True]
    assert "1 of the 4 bodies of the mesh lies inside another, and is a cavity of it" in " ".join(mesh.notes)
    points = mesh.pieces[0].points(0.5)
    assert not mesh.contains(points.x + 1e-6 * points.normals).any()


# -- holes ---
def test_holes_are_told_one_by_one():
    faces = np.delete(FINE.faces, [0, 40], axis=0)
    with pytest.raises(InvalidProblemError, match=r"6 edges.*2 holes: 3 edges around .* across; 3 edges around"):
        hp.Mesh((FINE.vertices, faces))


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_flat_holes_are_filled_exactly_when_asked(large, turned, monkeypatch):
    monkeypatch.setattr("hermite_pinn.geometry.mesh.holes.LARGE", 3 if large else 200)
    middle = FINE.centroids
    away = (np.abs(middle[:, 0] - 1) < 1e-9) & (np.abs(middle[:, 1:] - 0.5).max(1) < 0.4)
    away[-1] = True
    faces = FINE.faces[~away]
    faces = faces[:, ::-1] if turned else faces
    mesh = hp.Mesh((FINE.vertices, faces), repair="holes")
    assert mesh.measure == pytest.approx(1)
    assert mesh.triangles.areas.sum() == pytest.approx(6)
    assert "2 holes of the mesh were filled by" in " ".join(mesh.notes)


def test_filling_follows_a_hole_that_is_not_convex():
    middle = FINE.centroids
    side = np.abs(middle[:, 2] - 1) < 1e-9
    corner = side & ((middle[:, 0] < 1 / 3) | (middle[:, 1] < 1 / 3))  # an angle along two edges
    mesh = hp.Mesh((FINE.vertices, FINE.faces[~corner]), repair="holes")
    assert mesh.measure == pytest.approx(1)
    assert mesh.triangles.areas.sum() == pytest.approx(6)


def test_holes_of_triangles_that_face_all_ways_are_filled():
    faces = BALL.faces[3:].copy()
    faces[::2] = faces[::2][:, ::-1]
    mesh = hp.Mesh((BALL.vertices, faces), repair="holes")
    assert mesh.measure == pytest.approx(hp.Mesh((BALL.vertices, BALL.faces)).measure, rel=0.03)


def test_holes_that_meet_in_a_vertex_are_filled():
    around = np.flatnonzero((BALL.faces == BALL.faces[0, 0]).any(1))
    mesh = hp.Mesh((BALL.vertices, np.delete(BALL.faces, around[[0, 2]], axis=0)), repair="holes")
    assert mesh.triangles.count == BALL.count


def test_filling_gives_the_new_triangles_to_the_group_beside_them():
    cube = parts.cube(divisions=2).triangles
    keep = np.arange(cube.count) != 5
    groups = {name: cube.groups[keep] == k for k, name in enumerate(cube.names)}
    mesh = hp.Mesh((cube.vertices, cube.faces[keep]), groups=groups, repair="holes")
    assert all(piece.measure == pytest.approx(1) for piece in mesh.pieces)


def test_what_has_no_loops_around_holes_cannot_be_filled():
    flap = np.concatenate([CUBE.faces, [(0, 1, 8)]])
    with pytest.raises(InvalidProblemError, match="cannot be filled"):
        hp.Mesh((np.concatenate([CUBE.vertices, [(3, 3, 3)]]), flap), repair="holes")


# -- surfaces through themselves ---
def test_bodies_that_pass_through_each_other_are_noted():
    mesh = hp.Mesh(united(BALL, parts.sphere((0.9, 0.1, 0.05), subdivisions=2).triangles))
    assert "passes through itself" in mesh.notes[-1]
    lens = np.pi * (4 + 0.9077) * (2 - 0.9077) ** 2 / 12
    points = np.random.default_rng(1).uniform(-1, 2, (3, 20000))
    volume = mesh.contains(points).mean() * 27
    assert volume == pytest.approx(2 * 4 / 3 * np.pi - lens, rel=0.06)


@pytest.mark.slow
def test_what_lies_inside_bodies_that_overlap_is_no_boundary():
    mesh = hp.Mesh(united(cube_at((0, 0, 0), 2), cube_at((1, 0.5, 0.5), 2)))
    inner, area = 1.0 * 1.5 * 1.5, 2 * 6 * 4 - 2 * (1.0 * 1.5 + 1.0 * 1.5 + 1.5 * 1.5)
    assert sum(piece.measure for piece in mesh.pieces) == pytest.approx(area, rel=0.01)
    points = mesh.pieces[0].points(0.1)
    assert not mesh.contains(points.x + 1e-6 * points.normals).any()
    assert points.weights.sum() == pytest.approx(area, rel=0.02)
    flux = (points.x * points.normals).sum(0) @ points.weights / 3
    assert flux == pytest.approx(16 - inner, rel=0.02)
    drawn = mesh.pieces[0].random(500, np.random.default_rng(0))
    assert not mesh.contains(drawn.x + 1e-6 * drawn.normals).any()
    again = mesh.scaled(2.0)
    assert sum(piece.measure for piece in again.pieces) == pytest.approx(4 * area, rel=0.01)


def test_edges_in_which_bodies_cross_are_found():
    mesh = hp.Mesh(united(cube_at((0, 0, 0), 2), cube_at((1, 0.5, 0.5), 2)))
    creases = mesh.creases
    lengths = np.linalg.norm(creases.segments[:, 1] - creases.segments[:, 0], axis=1)
    inner = creases.angles > np.pi
    assert np.allclose(creases.angles[inner], 1.5 * np.pi)
    assert lengths[inner].sum() == pytest.approx(4 * 1.5 + 2 * 1.0)  # where a side of one meets a side of the other
    middles = creases.segments.mean(1).T
    assert np.abs(mesh.signed_distance(middles)).max() < 1e-12


def test_neighbours_and_bodies_that_only_touch_do_not_cross():
    for part in (parts.gear(6), parts.bracket(), parts.torus_knot(), parts.pipe_bend()):
        assert part.notes == ()
    assert hp.Mesh(united(cube_at((0, 0, 0)), cube_at((1, 0.5, 0.5)))).notes == ()


def test_large_meshes_are_said_to_be_unsearched(monkeypatch):
    monkeypatch.setattr(mending, "SEARCHED", 10)
    assert "was not searched" in hp.Mesh((CUBE.vertices, CUBE.faces)).notes[-1]


# -- units ---
def test_units_scale_to_metres_and_say_so():
    mesh = hp.Mesh((CUBE.vertices * 25, CUBE.faces), units="mm")
    assert np.allclose(mesh.bounds[1], 0.025)
    assert mesh.notes == ("the mesh was scaled by 0.001: from mm to m",)
    assert repr(mesh) == "Mesh(12 triangles, 0.025 x 0.025 x 0.025 from (0, 0, 0))"


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e6])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_size_and_place_do_not_change_what_is_mended(scale, offset):
    faces = BALL.faces.copy()
    faces[:7] = faces[:7][:, ::-1]
    vertices = (BALL.vertices + offset) * scale
    mesh = hp.Mesh((np.concatenate([vertices, vertices]), np.concatenate([faces, [(0, 0, 5)]])))
    assert len(mesh.notes) == 2
    assert mesh.measure == pytest.approx(scale**3 * parts.sphere(subdivisions=2).measure, rel=1e-9)
    x = np.random.default_rng(0).uniform(-1.2, 1.2, (3, 200))
    plain = parts.sphere(subdivisions=2).signed_distance(x)
    assert np.abs(mesh.signed_distance((x + offset) * scale) / scale - plain).max() < 1e-12 * (1 + offset)
