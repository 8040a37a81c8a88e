"""Fits of radiance fields: what their statuses promise, and that a run can be interrupted without a trace."""

import dataclasses

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import InstantNGP, Scene
from hermite_pinn.workloads.radiance.setting import Setting

SMALL = InstantNGP(levels=4, table_size=2**10, samples=2048, cells=16)


@pytest.fixture(scope="module")
def scene():
    return Scene.render_synthetic(20, train=8, test=2)


class Stop(hp.Callback):
    """Ends a run after the first row."""

    def on_step(self, state):
        return "enough"


def numbers(found):
    return [*list(found.model.state_dict().values()), found.cameras.poses]


@pytest.mark.parametrize("poses", ["fixed", "refine"])
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(scene, tmp_path, poses):
    options = {"recipe": SMALL, "steps": 130, "poses": poses, "progress": False}
    whole = hp.radiance.fit(scene, **options)
    first = hp.radiance.fit(scene, **options, callbacks=[Stop()], checkpoint=tmp_path / "run.h5")
    second = hp.radiance.fit(scene, **options, resume=tmp_path / "run.h5")
    assert first.status.name == "STOPPED"
    assert second.status.name == "COMPLETED"
    assert all(torch.equal(a, b) for a, b in zip(numbers(whole), numbers(second), strict=True))
    assert [row["step"] for row in second.history] == [row["step"] for row in whole.history]
    assert second.stats["steps"] == 130


def test_a_checkpoint_of_other_pictures_is_refused(scene, tmp_path):
    hp.radiance.fit(scene, recipe=SMALL, steps=2, progress=False, checkpoint=tmp_path / "run.h5")
    other = Scene.render_synthetic(20, train=8, test=2, seed=1)
    with pytest.raises(hp.InvalidArgumentError, match="scene"):
        hp.radiance.fit(other, recipe=SMALL, steps=2, progress=False, resume=tmp_path / "run.h5")


def test_the_history_tells_of_a_view_that_is_held_out(scene):
    found = hp.radiance.fit(scene, recipe=SMALL, steps=150, progress=False)
    rows = list(found.history)
    assert [row["step"] for row in rows] == [100, 150]
    assert all(row["psnr"] > 5 for row in rows)
    assert found.status.success
    assert found.stats["train_psnr"] > 12
    assert found.evaluate(scene.test)["psnr"] > 5


def test_a_run_without_test_views_says_so():
    scene = Scene.render_synthetic(12, train=4, test=0)
    found = hp.radiance.fit(scene, recipe=SMALL, steps=3, progress=False)
    assert "no test views" in found.message
    with pytest.raises(hp.InvalidArgumentError, match="no views"):
        found.evaluate(scene.test)


def test_a_scene_of_two_pictures_can_be_fitted():
    scene = Scene.render_synthetic(12, train=2, test=1)
    found = hp.radiance.fit(scene, recipe=SMALL, steps=60, progress=False)
    assert found.status.name in ("COMPLETED", "UNSOLVED")
    assert found.render(scene.test[0].camera).image.isfinite().all()


def test_a_scene_without_training_views_is_refused():
    given = Scene.render_synthetic(8, train=2, test=2)
    scene = dataclasses.replace(given, splits=("test",) * 4)
    with pytest.raises(hp.InvalidProblemError, match="training views"):
        hp.radiance.fit(scene, recipe=SMALL, steps=1, progress=False)


def test_a_field_no_better_than_the_mean_colour_is_no_success(scene):
    still = dataclasses.replace(SMALL, rate=1e-9)
    found = hp.radiance.fit(scene, recipe=still, steps=1, progress=False)
    assert found.status.name == "UNSOLVED"
    assert "mean colour" in found.message


def test_a_run_that_diverges_keeps_its_last_good_state(scene):
    wild = InstantNGP(levels=4, table_size=2**10, samples=2048, cells=16, rate=1e30)
    with pytest.raises(hp.DivergedError) as caught:
        hp.radiance.fit(scene, recipe=wild, steps=20, progress=False)
    kept = caught.value.solution
    assert kept.status.name == "DIVERGED"
    assert all(p.isfinite().all() for p in kept.model.parameters())
    told = hp.radiance.fit(scene, recipe=wild, steps=20, progress=False, throw=False)
    assert told.status.name == "DIVERGED"


def test_a_field_that_the_last_step_destroyed_is_not_returned(scene, monkeypatch):
    from hermite_pinn.workloads.radiance.optimizer import Optimizer

    whole = Optimizer.step

    def step(self, *given):
        whole(self, *given)
        if self.steps == 5:
            self.groups[0].parameters[0].data[0] = torch.nan

    monkeypatch.setattr(Optimizer, "step", step)
    with pytest.raises(hp.DivergedError) as caught:
        hp.radiance.fit(scene, recipe=SMALL, steps=5, progress=False)
    assert all(p.isfinite().all() for p in caught.value.solution.model.parameters())


def test_seconds_and_steps_together_end_at_whichever_comes_first(scene):
    found = hp.radiance.fit(scene, recipe=SMALL, steps=10**6, max_time=0.3, progress=False)
    assert found.status.name == "MAX_TIME"
    assert 0 < found.stats["steps"] < 10**6


def test_equal_seeds_make_equal_fields_and_others_do_not(scene):
    first, second, other = (
        hp.radiance.fit(scene, recipe=SMALL, steps=5, seed=seed, progress=False) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(numbers(first), numbers(second), strict=True))
    assert not torch.equal(first.model.field.first.weights[0], other.model.field.first.weights[0])


def test_pictures_with_alpha_can_be_fitted():
    scene = Scene.render_synthetic(16, train=6, test=1, background=None)
    found = hp.radiance.fit(scene, recipe=SMALL, steps=150, progress=False)
    assert found.status.success
    picture = found.render(scene.test[0].camera, background=(0.0, 1.0, 0.0))
    clear = picture.opacity < 0.05
    assert not clear.any() or torch.allclose(picture.image[clear], torch.tensor([0.0, 1.0, 0.0]), atol=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "least"), [("instant_ngp", 21.0), ("hermite", 19.0)])
def test_the_synthetic_scene_is_learned(recipe, least):
    scene = Scene.render_synthetic(50, train=20, test=3)
    found = hp.radiance.fit(scene, recipe=recipe, steps=400, progress=False)
    assert found.evaluate(scene.test)["psnr"] > least


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_units_of_the_colour_network_live_through_the_first_steps(seed):
    whole = Scene.render_synthetic(100, train=40, test=0, supersampling=1)
    found = hp.radiance.fit(whole, steps=100, seed=seed, progress=False)
    field = found.model.field
    points = 2 * torch.rand(3, 4000, generator=torch.Generator().manual_seed(0)) - 1
    directions = torch.nn.functional.normalize(torch.randn(3, 4000, generator=torch.Generator().manual_seed(1)), dim=0)
    first, second, _ = field.second.weights
    with torch.no_grad():
        inputs = torch.cat([field.hidden(points), field.harmonics(directions)])
        active = second @ (first @ inputs).clamp_min(0) > 0
    assert active.any(1).double().mean() > 0.5


def test_in_half_precision_a_step_that_overflows_is_left_out(scene, monkeypatch):
    from hermite_pinn.workloads.radiance.grid_model import GridModel

    whole, calls = GridModel.terms, []

    def terms(self, *given):
        calls.append(1)
        losses = whole(self, *given)
        return {"colour": losses["colour"] * (torch.inf if len(calls) == 3 else 1)}

    monkeypatch.setattr(GridModel, "terms", terms)
    half = dataclasses.replace(SMALL, encoder=hp.Field(basis="linear", head="siren", half=True))
    found = hp.radiance.fit(scene, recipe=half, steps=6, progress=False)
    assert found.stats["steps"] == 6
    assert all(p.isfinite().all() for p in found.model.parameters())
    calls.clear()
    with pytest.raises(hp.DivergedError):
        hp.radiance.fit(scene, recipe=SMALL, steps=6, progress=False)


def test_nothing_shines_through_where_cameras_stand_in_the_box(scene):
    wide = torch.full((3,), 4.0, dtype=torch.float64)
    settings = [Setting.of(one) for one in (scene, dataclasses.replace(scene, lower=-wide, upper=wide))]
    chosen = [SMALL.settled(setting, torch.device("cpu")).background for setting in settings]
    assert chosen == ["constant", "random"]


def test_where_cameras_stand_in_the_box_there_are_cascades_and_growing_steps(scene):
    wide = torch.full((3,), 4.0, dtype=torch.float64)
    around = dataclasses.replace(scene, lower=-wide, upper=wide)
    small = dataclasses.replace(SMALL, encoder="smooth", background="constant")
    found = hp.radiance.fit(around, recipe=small, steps=100, progress=False)
    chosen = found.model.recipe
    assert chosen.cascades == 3
    assert chosen.cone > 0
    assert found.model.occupied.grid.cascades.upper == (4.0, 4.0, 4.0)
    assert found.status.success
