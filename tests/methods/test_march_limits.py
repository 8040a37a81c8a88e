"""Marches through evolution problems with little time and little memory."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.gauss_newton.evolution import Evolution
from hermite_pinn.methods.gauss_newton.line_choice import lines_of
from hermite_pinn.methods.gauss_newton.line_march import LineMarch
from hermite_pinn.methods.gauss_newton.march_field import shown_field
from hermite_pinn.methods.gauss_newton.march_plan import MarchPlan
from hermite_pinn.methods.gauss_newton.march_run import MarchRun
from hermite_pinn.methods.gauss_newton.march_time import never
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.gauss_newton.stepping import Stepping
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.run.monitor import Monitor, StopRun


def decay(waves=1, rate=1.0):
    """Decay of a mode with so many half waves along both axes of space."""
    k = waves * math.pi

    def exact(x, y, t):
        return hp.sin(k * x) * hp.sin(k * y) * hp.exp(-rate * t)

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        ["u"],
        lambda u: u.t - rate / (2 * k * k) * u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: exact(x, y, 0.0))],
        exact={"u": exact},
    )


def grid_of(problem, basis):
    return Discretization(problem, basis, None, torch.float64, torch.device("cpu"), source_scales(problem))


def error_of(field, waves=1, rate=1.0):
    """In the mean square over the box, relative to the size at the start."""
    x = torch.rand(3, 4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    still = torch.sin(waves * math.pi * x[0]) * torch.sin(waves * math.pi * x[1])
    found = field.evaluate(x, Channels.value(3))[0, 0]
    return float((found - still * torch.exp(-rate * x[2])).square().mean().sqrt() / still.square().mean().sqrt())


def line_march(problem, between, **options):
    equations = lines_of(problem, "septic")
    return LineMarch(
        grid_of(problem, "septic"), (8, 8), 1e-4, lambda time: None, equations=equations, between=between, **options
    )


@pytest.mark.slow
@pytest.mark.parametrize("basis", ["cubic", "septic"])
def test_a_march_for_comparison_stays_coarser_whatever_its_cells_miss(basis):
    problem = decay(waves=9)
    run = MarchRun(problem, grid_of(problem, basis), Monitor(), 1e-9 if basis == "cubic" else 1e-2)
    assert run.by_lines == (basis == "septic")
    plan = MarchPlan(1e-3, (4, 4), 1 / 16, 0.0, below=(8, 8), steps=0.1)
    assert run.take(plan, [], never).cells == (4, 4)
    free = MarchPlan(1e-3, (4, 4), 1 / 16, 0.0, steps=0.1)
    assert min(run.take(free, [], never).cells) >= 8


def test_cells_of_one_axis_may_be_halved_below_those_of_another_march():
    march = Stepping(grid_of(decay(), "cubic"), (4, 8), 1e-3, lambda time: None, below=(8, 8))
    assert not march._wants_cells([1.0, 1.0])
    assert not march._wants_cells([1.0, 1e-9])
    march.below = (8, 16)
    assert march._wants_cells([1.0, 1e-9])


@pytest.mark.parametrize("limit", [60.0, 200.0, 400.0])
@pytest.mark.parametrize("waves", [1, 6])
def test_a_run_that_ends_early_has_an_estimate_that_holds(waves, limit):
    ticks = itertools.count()
    task = Task(decay(waves), None, None, 1e-9, 0, torch.device("cpu"), None, Monitor())
    task.monitor = Monitor(max_time=limit, clock=lambda: float(next(ticks)))
    outcome = Evolution(task, "cubic").outcome()
    assert outcome.status is hp.Status.MAX_TIME
    marches = outcome.stats["marches"]
    if outcome.error is None:  # this clock counts looks, of which coarser cells take as many
        assert not marches or marches[-1]["seconds"] > limit / 3.0
    else:
        assert len(marches) > 1
        assert error_of(outcome.field, waves) <= 2.0 * outcome.error


def test_states_are_given_up_where_the_memory_does_not_suffice(monkeypatch):
    problem, most = decay(rate=3.0), 20
    whole = line_march(problem, 1e-12).run()
    monkeypatch.setattr(LineMarch, "_fits", lambda self, cells: len(self.course.records) < most)
    march = line_march(problem, 1e-12)
    course = march.run()
    assert len(whole.records) > most > len(course.records)
    assert (course.records[0].time, course.records[-1].time) == (0.0, 1.0)
    assert course.time_error > whole.time_error  # what is lost is told
    field, lost = shown_field(march.grid, course, 1e-4)
    assert error_of(field, rate=3.0) <= 2.0 * (course.time_error + lost + 1e-4)


def test_states_that_no_memory_holds_end_the_march(monkeypatch):
    monkeypatch.setattr(LineMarch, "_fits", lambda self, cells: len(self.course.records) < 4)
    with pytest.raises(StopRun, match="memory does not suffice"):
        line_march(decay(), 1e-12).run()


def test_states_keep_what_steps_go_on_with_only():
    course = line_march(decay(), 1e-6).run()
    assert {r.values.shape[-1] for r in course.records} == {2}


@pytest.mark.parametrize("rate", [1.0, 30.0, 300.0])
def test_what_few_cells_in_time_lose_is_told(rate, monkeypatch):
    """A decay that is over within the first cell is not resolved by it, but counts for as long as it takes only."""
    problem = decay(rate=rate)
    march = line_march(problem, 1e-5)
    course = march.run()
    monkeypatch.setattr("hermite_pinn.methods.gauss_newton.march_field.available_memory", lambda device: 0)
    field, lost = shown_field(march.grid, course, 1e-5)
    found = error_of(field, rate=rate)
    assert found <= 2.0 * lost + 1e-3
    assert lost <= 10.0 * found + 1e-3
