"""Series over time that are written while a run goes on."""

from __future__ import annotations

import logging
import math
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidArgumentError, OutputError
from hermite_pinn.result import vtk


def heat(*space, time=1.0, fields=("u",), shape=None):
    """Decay of a product of sines in some axes of space, for several fields of different sizes."""

    def exact(size, coordinates, t):
        out = size * hp.exp(-t)
        for c in coordinates:
            out = out * hp.sin(math.pi * c)
        return out

    rate = 1.0 / (len(space) * math.pi**2)
    names = ", ".join(space)
    start = [eval(f"lambda {names}: exact({k + 1.0}, ({names},), 0.0)", {"exact": exact}) for k in range(len(fields))]
    box = hp.Box(**dict.fromkeys(space, (0, 1)), t=(0, time))
    return hp.Problem(
        box if shape is None else box - shape,
        list(fields),
        (lambda u: u.t - rate * u.laplacian)
        if len(fields) == 1
        else (lambda u, w: {"u": u.t - rate * u.laplacian, "w": w.t - rate * w.laplacian}),
        [hp.Dirichlet(**dict.fromkeys(fields, 0.0)), hp.Initial(**dict(zip(fields, start, strict=True)))],
    )


def listed(path):
    """Times and files of a collection."""
    return [(float(d.get("timestep")), path.parent / d.get("file")) for d in ET.parse(path).getroot().iter("DataSet")]


class Watch(hp.Callback):
    """Remembers what the collection lists whenever a part of the times has been solved."""

    def __init__(self, path):
        self.path, self.seen = path, []

    def on_advance(self, state):
        frames = listed(self.path) if self.path.exists() else []
        assert all(file.exists() for _, file in frames)
        self.seen.append((state.until, [t for t, _ in frames]))


@pytest.mark.slow_but("[x]", "[xy]")
@pytest.mark.parametrize("axes", ["x", "xy", "xyz"])
def test_frames_are_there_while_slabs_are_solved(tmp_path, axes):
    path = tmp_path / "run.pvd"
    problem, levels = heat(*axes, fields=("u", "w")), {1: [(4, 8), (8, 16)], 2: 2, 3: 1}[len(axes)]
    watch = Watch(path)
    hp.solve(
        problem,
        levels=levels,
        method=hp.GaussNewton(slabs=2),
        callbacks=[hp.Series(path, every=0.125), watch],
        progress=False,
    )
    until, times = watch.seen[0]
    assert until == 0.5
    assert times == pytest.approx([0.0, 0.125, 0.25, 0.375, 0.5])
    assert [t for t, _ in listed(path)] == pytest.approx(np.arange(9) / 8)


def test_frames_are_there_while_steps_are_taken(tmp_path):
    path = tmp_path / "run.pvd"
    watch = Watch(path)
    hp.solve(heat("x", "y", time=2.0), tol=1e-2, callbacks=[hp.Series(path, every=0.5), watch], progress=False)
    first = next(times for until, times in watch.seen if until < 1.99)
    assert 1 <= len(first) < 5
    assert [t for t, _ in listed(path)] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


def test_at_the_end_the_frames_are_those_of_the_solution(tmp_path):
    path, other = tmp_path / "run.pvd", tmp_path / "solution.pvd"
    solution = hp.solve(heat("x", "y"), tol=1e-2, callbacks=hp.Series(path, every=0.25), progress=False)
    solution.to_vtk(other, times=5, gradient=False, residual=False)
    for (_, own), (_, theirs) in zip(listed(path), listed(other), strict=True):
        assert own.read_bytes() == theirs.read_bytes()


def test_methods_that_solve_for_all_times_at_once_write_frames_with_their_first_state(tmp_path):
    path, seen = tmp_path / "run.pvd", []

    class Look(hp.Callback):
        def on_step(self, state):
            seen.append(len(listed(path)))

    method = hp.Adam(steps=20, points=20, face_points=10)
    hp.solve(heat("x"), method=method, levels=1, callbacks=[hp.Series(path, every=0.5), Look()], progress=False)
    assert seen[0] == 3


def test_frames_of_a_cut_domain_are_meshes(tmp_path):
    problem = heat("x", "y", shape=hp.Disk((0.5, 0.5), 0.2))
    path = tmp_path / "run.pvd"
    watch = Watch(path)
    chosen = hp.Series(path, every=0.5, resolution=8)
    hp.solve(problem, levels=[(8, 8, 4)], method=hp.GaussNewton(slabs=2), callbacks=[chosen, watch], progress=False)
    assert watch.seen[0][1] == pytest.approx([0.0, 0.5])
    assert {file.suffix for _, file in listed(path)} == {".vtu"}


@pytest.mark.parametrize(
    ("every", "times"), [(0.4, [0.0, 0.4, 0.8, 1.0]), (0.1, [k / 10 for k in range(11)]), (7.0, [0.0, 1.0])]
)
def test_first_and_last_time_have_frames(tmp_path, every, times):
    path = tmp_path / "run.pvd"
    hp.solve(heat("x"), levels=1, callbacks=hp.Series(path, every=every), progress=False)
    assert [t for t, _ in listed(path)] == pytest.approx(times)


def test_a_frame_that_cannot_be_written_does_not_end_the_run(tmp_path, monkeypatch, caplog):
    path = tmp_path / "run.pvd"
    whole, full = vtk.write_series, [True]

    def failing(*arguments):
        if full[0]:
            raise OutputError("the disk is full")
        return whole(*arguments)

    class Freed(hp.Callback):
        def on_step(self, state):
            full[0] = state.level < 2

    monkeypatch.setattr(vtk, "write_series", failing)
    with caplog.at_level(logging.WARNING):
        chosen = [hp.Series(path, every=0.25), Freed()]
        solution = hp.solve(heat("x"), levels=2, method=hp.GaussNewton(slabs=2), callbacks=chosen, progress=False)
    assert solution.status.success
    assert len([r for r in caplog.records if "disk is full" in r.message]) == 1
    assert len(listed(path)) == 5


def test_what_cannot_be_a_series_is_refused_before_the_run(tmp_path):
    with pytest.raises(InvalidArgumentError, match="pvd"):
        hp.Series(tmp_path / "run.vti")
    with pytest.raises(InvalidArgumentError, match="every"):
        hp.Series(tmp_path / "run.pvd", every=0.0)
    with pytest.raises(OutputError):
        hp.solve(heat("x"), callbacks=hp.Series("/proc/nowhere/run.pvd"), progress=False)
    with pytest.raises(InvalidArgumentError, match="every=1e-05 makes more than"):
        hp.solve(heat("x"), callbacks=hp.Series(tmp_path / "run.pvd", every=1e-5), progress=False)
    with pytest.raises(InvalidArgumentError, match="an axis t and one of space"):
        hp.solve(hp.problems.poisson2d(), callbacks=hp.Series(tmp_path / "run.pvd"), progress=False)


def test_what_on_advance_raises_ends_the_run(tmp_path):
    class Failing(hp.Callback):
        def on_advance(self, state):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        hp.solve(heat("x"), levels=1, method=hp.GaussNewton(slabs=2), callbacks=Failing(), progress=False)


@pytest.mark.slow
def test_the_fields_of_a_part_of_the_times_are_those_of_the_solution():
    problem, seen = heat("x", "y", fields=("u", "w")), []

    class Look(hp.Callback):
        def on_advance(self, state):
            seen.append((state, state.field))

    solution = hp.solve(problem, tol=1e-2, callbacks=Look(), progress=False)
    state, field = seen[-1]
    assert state.domain.bounds["t"] == (state.since, state.until)
    assert state.until == 1.0
    points = np.array([[0.3], [0.4], [1.0]])
    found = field.evaluate(torch.as_tensor(points), Channels.value(3))[:, 0, 0]
    assert found.tolist() == pytest.approx([solution.u(0.3, 0.4, 1.0), solution.w(0.3, 0.4, 1.0)], rel=1e-12)


def test_the_command_line_writes_a_series(tmp_path):
    path = tmp_path / "heat.pvd"
    run = CliRunner().invoke(app, ["solve", "heat", "--levels", "2", "--series", str(path), "--every", "0.5"])
    assert run.exit_code == 0
    assert [t for t, _ in listed(path)] == pytest.approx([0.0, 0.5, 1.0])
    lone = CliRunner().invoke(app, ["solve", "heat", "--levels", "1", "--every", "0.5"])
    assert lone.exit_code != 0
    assert "--series" in lone.output
