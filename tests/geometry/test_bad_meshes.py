"""Meshes and shapes as people have them: what cannot be a domain is one clear error, everything else is said."""

import os
import subprocess
import sys

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.geometry.mesh import parts

BOX = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))
CUBE = parts.cube().triangles
BALL = parts.sphere(subdivisions=2).triangles


def cube(corner, size):
    return hp.Mesh((CUBE.vertices * size + corner, CUBE.faces))


# -- where the mesh lies ---
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: BOX - cube((3, 0, 0), 0.5), "lies outside .*cuts nothing away; move"),
        (lambda: BOX & cube((3, 0, 0), 0.5), "leave nothing of"),
        (lambda: BOX & cube((-1, -1, -1), 3), "contains all of .*make the box larger"),
        (lambda: BOX - cube((-1, -1, -1), 3), "leave nothing of"),
        (lambda: BOX & cube((0.1, 0.1, 0.1), 0.2) & cube((0.6, 0.6, 0.6), 0.2), "leave nothing of"),
        (lambda: cube((0, 0, 0), 1) & cube((3, 0, 0), 1), "leaves nothing"),
        (lambda: BOX & cube((200, 200, 200), 600), r"600 times larger .*scaled\(0.001\)"),
        (lambda: BOX - cube((0.5, 0.5, 0.5), 2e-4), r"smaller .*scaled\(1000\)"),
        (lambda: hp.Box(x=(0, 1), y=(0, 1)) - cube((0.2, 0.2, 0.2), 0.2), "has 3 axes, and .* has 2 of space"),
        (lambda: BOX - hp.Disk((0.5, 0.5), 0.2), "has 2 axes, and .* has 3 of space"),
    ],
)
def test_a_mesh_that_makes_no_domain_is_an_error(make, told):
    with pytest.raises(hp.InvalidProblemError, match=told):
        make()


def test_the_scale_that_is_proposed_for_millimetres_works():
    part = cube((200, 200, 200), 600)
    assert (BOX & part.scaled(0.001)).interior.measure == pytest.approx(0.216, rel=1e-3)
    assert (BOX & hp.Mesh((CUBE.vertices * 600 + 200, CUBE.faces), units="mm")).interior.measure == pytest.approx(
        0.216, rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "corner",
    [
        pytest.param((0, 0.3, 0.3), id="side"),
        pytest.param((0, 0, 0.3), marks=pytest.mark.slow, id="edge"),
        pytest.param((0, 0, 0), marks=pytest.mark.slow, id="corner"),
    ],
)
def test_a_hole_that_touches_faces_leaves_the_rest_of_them(corner):
    domain = BOX - cube(corner, 0.5)
    assert domain.interior.measure == pytest.approx(0.875, rel=1e-3)
    touched = sum(c == 0 for c in corner)
    assert domain.face("x-").measure == pytest.approx(0.75, rel=1e-2)
    assert domain.face("mesh").measure == pytest.approx((6 - touched) * 0.25, rel=1e-2)


def test_a_round_hole_that_touches_a_face_says_that_there_is_a_cusp():
    domain = BOX - hp.Ball((0.3, 0.5, 0.5), 0.3)
    assert any("touches the side x-" in note for note in domain.notes)
    assert domain.interior.measure == pytest.approx(1 - 4 / 3 * np.pi * 0.027, rel=1e-3)


# -- what the mesh is ---
def test_one_body_that_passes_through_itself_says_where():
    vertices = BALL.vertices.copy()
    tip = int(vertices[:, 0].argmax())
    vertices[tip] = -1.5, 0.2, 0.1  # a dent that comes out on the other side
    mesh = hp.Mesh((vertices, BALL.faces))
    assert "passes through itself" in mesh.notes[-1]
    domain = hp.Box(x=(-2, 2), y=(-2, 2), z=(-2, 2)) & mesh
    assert any("passes through itself" in note for note in domain.notes)


def test_a_domain_tells_what_was_mended_in_its_mesh():
    domain = hp.Box(x=(-2, 2), y=(-2, 2), z=(-2, 2)) - hp.Mesh((BALL.vertices, BALL.faces[:, ::-1]))
    assert any("inside out" in note for note in domain.notes)


MANY = """
import resource, sys
import numpy as np
import hermite_pinn as hp
n = int(sys.argv[1])
i, j = np.meshgrid(np.arange(n), np.arange(n), indexing="ij")
around, along = 2 * np.pi * i.ravel() / n, 2 * np.pi * j.ravel() / n
away = 0.3 + 0.1 * np.cos(around)
vertices = 0.5 + np.stack([away * np.cos(along), away * np.sin(along), 0.1 * np.sin(around)], 1)
a, b = (i * n + j).ravel(), ((i + 1) % n * n + j).ravel()
c, d = ((i + 1) % n * n + (j + 1) % n).ravel(), (i * n + (j + 1) % n).ravel()
faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
mesh = hp.Mesh((vertices, faces))
box = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)) & mesh
exact = 2 * np.pi**2 * 0.3 * 0.1**2
print(mesh.triangles.count, box.interior.measure / exact, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_the_memory_of_a_large_mesh_grows_with_its_triangles_and_no_faster():
    """At most 1.5 KB for a triangle, libraries apart: ten million triangles fit into the memory of a workstation."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    found = []
    for n in (100, 700):
        done = subprocess.run(
            [sys.executable, "-c", MANY, str(n)], capture_output=True, text=True, check=True, env=environment
        )
        count, measure, peak = map(float, done.stdout.split())
        assert measure == pytest.approx(1.0, rel=1e-2)
        found.append((count, peak))
    (few, little), (many, much) = found
    assert (much - little) / (many - few) < 1500


def test_ten_million_triangles_given_as_arrays_are_refused_where_they_do_not_fit(monkeypatch):
    monkeypatch.setattr("hermite_pinn.memory.available_memory", lambda device: 4 * 2**30)
    faces = np.broadcast_to(CUBE.faces[:1], (10**7, 3))  # takes no room
    with pytest.raises(hp.OutOfMemoryError, match=r"10,000,000 triangles.*simplify"):
        hp.Mesh((CUBE.vertices, faces))
