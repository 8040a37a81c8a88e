"""Marching in time that may be unstable."""

import pytest

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin
from hermite_pinn.methods.gauss_newton.marching import Marching, marched
from hermite_pinn.methods.gauss_newton.slab_march import UnstableMarch, growing
from hermite_pinn.methods.gauss_newton.stage import Discretization


def grid():
    return Discretization(None, "cubic", None, None, None, [])


def marches(losses):
    """A march whose losses are given by the number of Gauss points (None: the default, 3)."""
    calls = []

    def march(own, guarded):
        calls.append((own.gauss, guarded))
        found = losses[own.gauss]
        if guarded and growing(found):
            raise UnstableMarch(found, own.gauss or 3)
        return f"{own.gauss}"

    return march, calls


def test_a_stable_march_is_made_once():
    march, calls = marches({None: [1.0, 2.0, 1.0]})
    assert marched(grid(), Marching(), march) == ("None", Marching())
    assert calls == [(None, True)]


def test_one_more_point_mends_an_instability_and_is_remembered():
    march, calls = marches({None: [1.0, 9.0, 81.0], 4: [1e-4, 1e-4, 2e-4]})
    stage, known = marched(grid(), Marching(), march)
    assert (stage, known) == ("4", Marching(gauss=4))
    assert marched(grid(), known, march)[0] == "4"
    assert calls == [(None, True), (4, True), (4, True)]


def test_a_solution_that_steepens_is_no_instability():
    march, _ = marches({None: [1.0, 9.0, 81.0], 4: [0.7, 7.0, 60.0]})
    stage, known = marched(grid(), Marching(), march)
    assert (stage, known) == ("None", Marching(genuine=True))


def test_an_instability_that_stays_is_said():
    march, _ = marches({None: [1.0, 9.0, 81.0], 4: [1e-9, 1e-6, 1e-3]})
    stage, known = marched(grid(), Marching(), march)
    assert stage is None
    assert known.unstable
    assert Marching.restored(known.state()) == known


def beam(time):
    exact = lambda x, t: sin(pi * x) * cos(pi**2 * t)
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, time)),
        "u",
        lambda u: u.tt + u.xxxx,
        [
            hp.Dirichlet(u=0.0),
            hp.Condition(lambda u: u.xx, on=["x-", "x+"]),
            hp.Initial(u=lambda x: sin(pi * x), u_t=0.0),
        ],
        exact={"u": exact},
        max_order=4,
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"slabs": 4}])
def test_a_beam_is_not_marched_into_the_infinite(options):
    solution = hp.solve(beam(4.0), levels=[(4, 32)], method=hp.GaussNewton(**options), progress=False)
    error = solution.error()["u"]["relative_l2"]
    assert error < 1e-2 or not solution.status.success
