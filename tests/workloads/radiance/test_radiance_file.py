"""Files of radiance fields: what is read is what was written, and damage is told."""

import json

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.run.store import write_store
from hermite_pinn.schema import Entry
from hermite_pinn.workloads.radiance import FisheyeLens, Intrinsics, Radiance, Scene
from hermite_pinn.workloads.radiance.camera import Cameras
from hermite_pinn.workloads.radiance.camera_files import described_cameras, read_cameras
from hermite_pinn.workloads.radiance.radiance_file import radiance_contents
from hermite_pinn.workloads.radiance.recipes import RECIPES, described_recipe, read_recipe

SMALL = hp.radiance.InstantNGP(levels=3, table_size=2**8, samples=512, cells=8)


@pytest.fixture(scope="module")
def found():
    scene = Scene.render_synthetic(12, train=4, test=1)
    return hp.radiance.fit(scene, recipe=SMALL, steps=20, progress=False)


def test_what_is_read_is_what_was_written(found, tmp_path):
    found.save(tmp_path / "field.h5")
    read = Radiance.load(tmp_path / "field.h5")
    camera = found.cameras[1]
    mine, other = (f.render(camera, normals=True) for f in (found, read))
    assert torch.equal(mine.image, other.image)
    assert torch.equal(mine.normals, other.normals)
    assert read.cameras.poses.equal(found.cameras.poses)
    assert read.status is found.status
    assert read.message == found.message
    assert list(read.history) == list(found.history)
    assert read.model.recipe == found.model.recipe
    assert read.settings == found.settings


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_plain_data_from_which_it_is_made_again(name):
    recipe = RECIPES[name]()
    text = json.loads(json.dumps(described_recipe(recipe)))
    assert read_recipe(Entry.of(text, "a file")) == recipe


def test_a_recipe_with_an_encoder_of_its_own_is_made_again():
    recipe = hp.radiance.InstantNGP(encoder=hp.Field(encoder="straight_through", head="siren", blend=0.25))
    assert read_recipe(Entry.of(json.loads(json.dumps(described_recipe(recipe))), "a file")) == recipe


def test_cameras_with_lenses_are_made_again():
    lens = FisheyeLens(0.1, 0.01, 0.0, 0.0)
    kinds = [Intrinsics.of_view_angle(8, 6, 1.0), Intrinsics(10, 10, 9.0, 8.0, 5.0, 5.0, lens)]
    cameras = Cameras(kinds, hp.radiance.scattered_poses(2, 3.0))
    text, poses = described_cameras(cameras)
    again = read_cameras(Entry.of(json.loads(json.dumps(text)), "a file"), Entry(poses, "a file", "poses"))
    assert again.kinds == cameras.kinds
    assert again.poses.equal(cameras.poses)
    assert again.kind.equal(cameras.kind)


def missing(meta, arrays):
    del arrays["model/field.encoding.values.table"]


def broken(meta, arrays):
    arrays["model/field.encoding.values.table"] = np.full_like(arrays["model/field.encoding.values.table"], np.nan)


def shorter(meta, arrays):
    arrays["poses"] = arrays["poses"][:2]


def unknown(meta, arrays):
    meta["recipe"] = {**meta["recipe"], "name": "plenoxels"}


def huge(meta, arrays):
    meta["recipe"] = {**meta["recipe"], "options": {**meta["recipe"]["options"], "cells": 512, "cascades": 16}}


def no_option(meta, arrays):
    meta["recipe"] = {**meta["recipe"], "options": {"levels": 3}}


def wrong_option(meta, arrays):
    meta["recipe"] = {**meta["recipe"], "options": {**meta["recipe"]["options"], "levels": "many"}}


def foreign(meta, arrays):
    arrays["other"] = np.zeros(3)


def inside_out(meta, arrays):
    meta["setting"] = {**meta["setting"], "lower": [2.0, 2.0, 2.0]}


@pytest.mark.parametrize(
    "damage", [missing, broken, shorter, unknown, huge, no_option, wrong_option, foreign, inside_out]
)
def test_a_file_that_does_not_fit_together_is_refused(found, tmp_path, damage):
    meta, arrays = radiance_contents(found)
    damage(meta, arrays)
    write_store(tmp_path / "field.h5", "radiance", meta, arrays)
    with pytest.raises(hp.CorruptFileError):
        Radiance.load(tmp_path / "field.h5")
