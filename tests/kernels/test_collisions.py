"""Shares of slots that several vertices use."""

import itertools
from collections import Counter

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import collisions as module
from hermite_pinn.cuda.encoder.collisions import collisions
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.doctor import examine
from hermite_pinn.errors import InvalidArgumentError

PRIMES = (1, 2654435761, 805459861)


def counted(vertices, size):
    """The share by the definition of the hash, vertex by vertex."""
    slots = Counter()
    for vertex in set(vertices):
        index = 0
        for v, prime in zip(vertex, PRIMES, strict=False):
            index ^= (v * prime) % 2**32
        slots[index % size] += 1
    return sum(k > 1 for k in slots.values()) / size


@pytest.mark.parametrize("periodic", [False, True])
def test_shares_are_counted_vertex_by_vertex(periodic):
    grid = GridLayout((0.0, 0.0), (1.0, 2.0), ((2, 3), (9, 8)), "cubic", table_sizes=(64,), periodic=(periodic, False))
    every = itertools.product(range(9 + (not periodic)), range(9))
    assert collisions(grid) == (0.0, counted(every, 64))


def test_only_vertices_near_points_are_used():
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((16, 16),), "linear", table_sizes=(32,))
    x = torch.tensor([[0.01, 0.51, 1.0], [0.01, 0.26, 1.0]])
    used = [(i + a, j + b) for i, j in ((0, 0), (8, 4), (15, 15)) for a in (0, 1) for b in (0, 1)]
    assert collisions(grid, x) == (counted(used, 32),)
    assert collisions(grid, torch.rand(2, 20_000)) == collisions(grid)
    with pytest.raises(InvalidArgumentError, match="shape"):
        collisions(grid, torch.rand(3, 4))


def test_large_levels_have_what_random_slots_would_have(monkeypatch):
    grid = GridLayout((0.0,) * 3, (1.0,) * 3, ((20, 20, 20),), "linear", table_sizes=(2**14,))
    exact = collisions(grid)[0]
    monkeypatch.setattr(module, "MOST", 1000)
    assert collisions(grid)[0] == pytest.approx(exact, rel=0.25)
    huge = GridLayout((0.0,) * 3, (1.0,) * 3, ((2000,) * 3,), "linear", table_sizes=(2**14,))
    assert collisions(huge) == (1.0,)


def test_solutions_tell_the_shares_of_their_levels(tmp_path):
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx + 1, [hp.Dirichlet(u=0.0)])
    spec = hp.Field(table_size=8)
    solution = hp.solve(problem, field=spec, levels=3, progress=False)
    shares = solution.stats["hash_collisions"]
    assert shares == list(collisions(solution.field.layout))
    assert shares[0] == 0.0
    assert 0.0 < shares[-1] <= 1.0
    solution.save(tmp_path / "u.h5")
    assert hp.Solution.load(tmp_path / "u.h5").stats["hash_collisions"] == shares
    assert "hash_collisions" not in hp.solve(problem, levels=1, progress=False).stats


@pytest.mark.slow
def test_the_doctor_shows_them():
    (found,) = [f for f in examine() if f.subject == "hashed levels"]
    assert found.state == "ok"
    shares = found.detail.partition("slots ")[2].partition(" %")[0].split(", ")
    assert [int(share) for share in shares] == sorted(int(share) for share in shares)
    assert int(shares[-1]) == 100
