"""Options are compared without a look at held-out views."""

import pytest
import torch

from hermite_pinn.validation.radiance import trial
from hermite_pinn.validation.radiance.cases import fox, scene_of
from hermite_pinn.workloads.radiance import InstantNGP, Scene


@pytest.mark.skipif(fox() is None, reason="HERMITE_PINN_SHARED has no photographs of the fox")
def test_views_that_are_kept_back_were_to_be_fitted():
    whole, tried = scene_of("fox"), trial.kept_back("fox")
    assert not set(tried.views.names) & set(whole.test.names)
    assert set(tried.views.names) == set(whole.train.names)
    assert (len(tried.train), len(tried.test)) == (36, 7)
    by_name = dict(zip(whole.views.names, whole.views.images, strict=True))
    assert all(torch.equal(view.image, by_name[view.name]) for view in tried.test)


def test_a_candidate_is_trained_for_its_seconds_and_told(capsys):
    scene = Scene.render_synthetic(8, train=3, test=1, supersampling=1)
    small = InstantNGP(levels=2, table_size=2**8, samples=256, cells=8, march_steps=32)
    found = trial.tried(scene, small, 0.3)
    assert found.steps > 1
    assert 0 < found.psnr < 60
    assert found.exposed >= found.psnr - 1e-6
    assert f"{found.psnr:6.2f} dB" in str(found)


def test_words_are_options_of_a_recipe():
    recipe = trial.candidate("rate=0.5 background=random compaction=False")
    assert (recipe.rate, recipe.background, recipe.compaction) == (0.5, "random", False)
