"""A run with a time limit, by a clock that counts what is done."""

import functools
import sys

import pytest

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.run.monitor import Monitor, StopRun


class Clock:
    """Advances with every product, and by the unknowns with every larger piece of work."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(sys.modules["hermite_pinn.run.workload"], "Monitor", functools.partial(Monitor, clock=clock))
    for name, cost in (("forward", 1e-6), ("adjoint", 1e-6), ("linearize", 3e-6), ("column_scale", 5e-6)):
        method = getattr(GridSystem, name)

        def counted(self, *arguments, method=method, cost=cost, **options):
            clock.now += cost * self.size
            return method(self, *arguments, **options)

        monkeypatch.setattr(GridSystem, name, counted)
    return clock


def poisson():
    exact = lambda x, y: sin(3 * pi * x) * cos(2 * pi * y)
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian + 13 * pi**2 * exact(x, y),
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )


def reaction():
    exact = lambda x, y: sin(3 * pi * x) * cos(2 * pi * y)
    return poisson().replace(residual=lambda u, x, y: u.laplacian - u**3 + 13 * pi**2 * exact(x, y) + exact(x, y) ** 3)


def wave():
    exact = lambda x, t: sin(pi * x) * cos(pi * t)
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.tt - u.xx,
        [hp.Initial(u=lambda x: sin(pi * x), u_t=0.0), hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )


@pytest.mark.parametrize("limit", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("make", [poisson, reaction, wave])
def test_a_run_keeps_its_time_and_tells_the_error_of_what_it_returns(make, limit, clock):
    method = hp.GaussNewton(basis="cubic", refine="uniform")  # others come down to rounding before
    solution = hp.solve(make(), tol=1e-12, max_time=limit, method=method, progress=False)
    assert solution.status is hp.Status.MAX_TIME
    assert clock.now <= 1.1 * limit + 0.1
    assert solution.estimated_error == solution.history[-1]["error"]
    if solution.estimated_error is not None:
        truth = solution.error()["u"]["relative_l2"]
        assert solution.estimated_error > 0.3 * min(truth, 1.0)


def test_a_level_is_not_begun_whose_blind_part_would_exceed_the_limit():
    now = [0.0]
    monitor = Monitor(max_time=10.0, clock=lambda: now[0])
    now[0] = 6.0
    monitor.require(6.0, "a level", share=0.3, blind=1.0)  # two thirds of six seconds, of which four are left
    with pytest.raises(StopRun):
        monitor.require(8.0, "a level", share=0.3, blind=1.0)
    monitor.require(8.0, "a level", share=0.3, blind=0.5)
    monitor.look()
    monitor.longest = 0.0
    for step in (0.5, 2.0, 0.1):
        now[0] += step
        monitor.check_time()
    assert monitor.longest == pytest.approx(2.0)


def test_work_that_cannot_end_is_not_begun():
    now = [0.0]
    monitor = Monitor(max_time=10.0, clock=lambda: now[0])
    now[0] = 6.0
    monitor.require(3.0, "a level")
    monitor.require(8.0, "a level", share=0.5)
    with pytest.raises(StopRun, match=r"stopped after 6\.0 s .* a level would take about 5\.0 s more"):
        monitor.require(5.0, "a level")
    Monitor(clock=lambda: now[0]).require(1e9, "a level")
