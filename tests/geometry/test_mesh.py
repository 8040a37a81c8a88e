"""A mesh tells inside from outside, how far its surface is, and where its points, edges and cells are."""

import numpy as np

import hermite_pinn as hp

CUBE = (
    [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)],
    [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)],
)  # fmt: skip


def test_a_cube_contains_what_its_inequalities_say():
    x = np.random.default_rng(0).uniform(-0.5, 1.5, (3, 2000))
    assert (hp.Mesh(CUBE).contains(x) == ((x > 0) & (x < 1)).all(0)).all()


def test_distances_to_a_cube():
    x = np.random.default_rng(0).uniform(-0.5, 1.5, (3, 2000))
    q = np.abs(x - 0.5) - 0.5
    exact = np.linalg.norm(np.maximum(q, 0), axis=0) + np.minimum(q.max(0), 0)
    assert np.abs(hp.Mesh(CUBE).signed_distance(x) - exact).max() < 1e-14


def test_all_creases_of_a_cube_are_its_edges():
    creases = hp.Mesh(CUBE).creases
    assert len(creases.angles) == 12
    assert np.allclose(creases.angles, np.pi / 2)
