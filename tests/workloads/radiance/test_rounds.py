"""Densities asked in rounds, ways to leave samples out, and the commands that measure them."""

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.rays.compositing import LEAST, compact, composite
from hermite_pinn.cuda.rays.samples import Samples, offsets_of
from hermite_pinn.validation.performance import radiance
from hermite_pinn.validation.workloads import ray_samples
from hermite_pinn.workloads.radiance.rounds import asked_in_rounds

F64 = torch.float64


def packed(counts, seed=0):
    generator = torch.Generator().manual_seed(seed)
    counts = torch.tensor(counts)
    total = int(counts.sum())
    rays = torch.arange(len(counts)).repeat_interleave(counts)
    numbers = torch.rand(5, total, generator=generator, dtype=F64)
    return Samples(offsets_of(counts), rays, numbers[0].cumsum(0), 0.01 + numbers[1], numbers[2:])


def density(hidden):
    return 3.0 * hidden[0].square()


@pytest.mark.parametrize("least", [0.0, LEAST, 0.3])
@pytest.mark.parametrize("counts", [[5, 0, 70, 200], [0, 0], [1], [16, 17, 15]])
def test_what_is_seen_is_the_same_as_if_all_were_asked(counts, least):
    samples, asked = packed(counts), []
    hidden = lambda points: asked.append(points.shape[1]) or torch.cat([points, 2 * points])
    found = asked_in_rounds(samples, hidden, density, least)
    everything = hidden(samples.positions)
    expected, index = compact(samples, density(everything), least)
    kept, again = compact(samples, found.sigma, least)
    assert torch.equal(index, again)
    assert torch.equal(kept.t, expected.t)
    assert torch.equal(found.of(index), everything[:, index])
    assert torch.equal(found.sigma[index], density(everything)[index])
    colours = samples.positions[:1]
    seen, truth = (composite(samples, s, colours, least=least) for s in (found.sigma, density(everything)))
    assert torch.equal(seen.colour, truth.colour)
    assert torch.equal(seen.opacity, truth.opacity)


def test_nothing_is_asked_far_behind_an_opaque_sample():
    samples = packed([1000] * 3)
    found = asked_in_rounds(samples, lambda points: 10 + points, density, LEAST)
    assert found.hidden.shape[1] < 3 * 20
    assert found.hidden.shape[1] >= len(compact(samples, found.sigma, LEAST)[0])


@pytest.fixture(scope="module")
def scene():
    return hp.radiance.Scene.render_synthetic(16, train=6, test=1)


@pytest.fixture(scope="module")
def model(scene):
    small = hp.radiance.InstantNGP(levels=3, table_size=2**8, samples=1024, cells=16, cone=1 / 64, cascades=2, width=16)
    return hp.radiance.fit(scene, recipe=small, steps=40, progress=False).model


def test_ways_to_leave_samples_out_show_the_same_picture(model, scene):
    rows = list(ray_samples.ways(model, scene.test[0].camera.rays()))
    changes = {row.name: row.change for row in rows}
    assert changes["samples in occupied cells"] < 1e-6
    assert changes["rays end"] < 2 * LEAST
    assert changes["colours of what is seen"] < 1e-6
    counts = [row.densities + row.colours for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < counts[0] / 2


def test_the_parts_of_a_step_are_timed(model, scene):
    before = model.state_dict()
    rows = list(radiance.measured(model, scene, 1, repeats=1))
    assert {"marching", "encoder", "networks", "step", "picture of 16x16"} <= {row.part for row in rows}
    assert all(0 < row.clock < math.inf for row in rows)
    parameters = dict(model.named_parameters())
    assert all(torch.equal(before[name], parameter) for name, parameter in parameters.items())


@pytest.mark.slow
@pytest.mark.parametrize(("command", "own"), [(radiance, ["--threads", "1"]), (ray_samples, ["--every", "2"])])
def test_the_commands_write_their_tables(command, own, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(radiance, "scene_of", lambda name: hp.radiance.Scene.render_synthetic(16, train=6, test=1))
    monkeypatch.setattr(ray_samples, "scene_of", radiance.scene_of)
    out = tmp_path / "new" / "table.md"
    command.main(["--steps", "20", "--out", str(out), *own])
    assert "|---|" in out.read_text()
    assert out.read_text() == capsys.readouterr().out
