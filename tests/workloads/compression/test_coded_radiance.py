"""Radiance fields in few bits."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn import cli
from hermite_pinn.errors import CorruptFileError, InvalidProblemError
from hermite_pinn.field.octree import Everywhere, Octree
from hermite_pinn.field.tree import TABLE
from hermite_pinn.workloads.compression.coded_field import CodedField
from hermite_pinn.workloads.compression.container import Block, look, write_container
from hermite_pinn.workloads.compression.integers import pack_bytes
from hermite_pinn.workloads.compression.learned import begun, clustered, learned, of_low_rank, rounded, vector_coded
from hermite_pinn.workloads.compression.options import OctreeOptions
from hermite_pinn.workloads.compression.packing import formula_bytes
from hermite_pinn.workloads.compression.radiance_octree import OctreeRadiance, RadianceSkeleton
from hermite_pinn.workloads.compression.rows import row_counts
from hermite_pinn.workloads.compression.teachers import teacher_of
from hermite_pinn.workloads.compression.vqad import vqad
from hermite_pinn.workloads.radiance.octree_recipe import OctreeRecipe, marched_level

SHORT = {"coarsest": (4, 4, 4), "levels": 3, "features": 4, "steps": 15, "code_steps": 5, "points": 1024, "width": 16}
SMALL = hp.radiance.InstantNGP(levels=4, table_size=2**10, samples=2048, cells=8)


@cache
def _scene(background: str | None = "white") -> hp.radiance.Scene:
    return hp.radiance.Scene.render_synthetic(20, train=6, test=2, background=background)


@cache
def _fitted(background: str | None = "white") -> hp.radiance.Radiance:
    return hp.radiance.fit(_scene(background), recipe=SMALL, steps=60, progress=False, device="cpu")


@cache
def _coded() -> CodedField:
    return vector_coded(learned(teacher_of(_fitted(), _scene()), OctreeOptions(**SHORT)), 3)


def test_a_field_is_learned_from_its_pictures_and_every_level_is_scored() -> None:
    coded = vqad(_fitted(), bits=4, progress=False, **SHORT | {"steps": 120, "code_steps": 40})
    assert coded.fields == ("density", "colour")
    assert len(coded.scores) == 3
    flat = float(np.mean([view.image.std() ** 2 for view in _scene().test]))
    assert coded.error["psnr"] > -10 * np.log10(flat) + 1  # better than the mean colour
    assert coded.before == 4 * _fitted().model.parameter_count


def test_the_file_gives_back_the_pictures_of_the_learned_field(tmp_path: Path) -> None:
    coded, camera = _coded(), _scene().test[0].camera
    coded.save(tmp_path / "a.vq")
    expected = coded.field().baked().look(camera.rays()).colour
    loaded = hp.compression.load(tmp_path / "a.vq")
    assert torch.equal(loaded.render(camera).image.reshape(-1, 3).T, expected)
    assert len(loaded.cameras) == 6
    loaded.save(tmp_path / "a.h5")
    again = hp.radiance.Radiance.load(tmp_path / "a.h5", "cpu")
    assert torch.equal(again.render(camera).image, loaded.render(camera).image)


def test_bytes_are_those_of_the_formula_and_what_the_header_and_the_octree_take(tmp_path: Path) -> None:
    coded = _coded()
    coded.save(tmp_path / "a.vq")
    layout = coded.skeleton.layout(coded.tree)
    assert coded.coded_bytes == formula_bytes(row_counts(layout), 3, 4, 2 * coded.skeleton.network_numbers)
    contents = look(tmp_path / "a.vq", [RadianceSkeleton.kind])
    octree = sum(len(pack_bytes(coded.tree.masks(level))) for level in (0, 1))
    text = contents._places[0].start
    assert (tmp_path / "a.vq").stat().st_size == coded.coded_bytes + octree + 48 * 6 + text


def test_a_truncated_file_opens_at_the_level_that_is_whole_and_draws(tmp_path: Path) -> None:
    coded, camera = _coded(), _scene().test[0].camera
    coded.save(tmp_path / "a.vq")
    data = (tmp_path / "a.vq").read_bytes()
    for levels, size in enumerate(coded.sizes, 1):
        (tmp_path / "cut.vq").write_bytes(data[:size])
        if levels < coded.levels:
            with pytest.warns(hp.HermitePinnWarning, match="was cut off"):
                found = hp.compression.load(tmp_path / "cut.vq")
        else:
            found = hp.compression.load(tmp_path / "cut.vq", levels=levels)
        expected = coded.solution(levels).render(camera).image
        assert torch.equal(found.render(camera).image, expected)
        assert torch.equal(hp.compression.load(tmp_path / "a.vq", levels).render(camera).image, expected)


def test_all_ways_to_store_the_features_come_back(tmp_path: Path) -> None:
    known = learned(teacher_of(_fitted(), _scene()), OctreeOptions(**SHORT))
    for coded in (clustered(known, 2), of_low_rank(known, 1), rounded(known)):
        coded.save(tmp_path / "a.vq")
        loaded = hp.compression.load(tmp_path / "a.vq")
        found = OctreeRadiance.of(loaded.model).tensors()
        for path, leaf in coded.field().tensors().items():
            assert torch.equal(found[path], leaf)


@pytest.mark.slow
def test_pictures_with_alpha_and_learned_backgrounds_are_coded() -> None:
    alpha = vqad(_fitted(None), bits=2, progress=False, **SHORT)
    assert alpha.skeleton.setting.alpha  # type: ignore[attr-defined]
    behind = hp.radiance.InstantNGP(levels=4, table_size=2**10, samples=2048, cells=8, background="learned")
    field = hp.radiance.fit(_scene(), recipe=behind, steps=5, progress=False, device="cpu")
    coded = vqad(field, bits=2, progress=False, **SHORT)
    assert any(path.startswith("backdrop") for path in coded.field().tensors())
    assert coded.network.numel() == coded.skeleton.network_numbers


def test_numbers_of_networks_do_not_change_those_of_the_model_they_are_applied_to() -> None:
    known, _ = begun(teacher_of(_fitted()), OctreeOptions(**SHORT))
    field = known.field
    before = {name: leaf.clone() for name, leaf in field.model.state_dict().items()}
    other = field.with_tensors({path: torch.ones_like(leaf) for path, leaf in field.tensors().items()})
    points = torch.rand(3, 50) - 0.5
    found = other.applied(lambda model: model.density(points))
    assert not torch.equal(found, field.applied(lambda model: model.density(points)))
    for name, leaf in field.model.state_dict().items():
        assert torch.equal(leaf, before[name])
    torch.testing.assert_close(other.baked().density(points), found)


def test_the_gradient_by_the_features_is_that_of_the_loss() -> None:
    teacher = teacher_of(_fitted(), _scene())
    known, _ = begun(teacher, OctreeOptions(**SHORT))
    tree = {path: leaf.clone().requires_grad_() for path, leaf in known.field.tensors().items()}

    def loss() -> torch.Tensor:
        return teacher.loss(known.field.with_tensors(tree), 2000, torch.Generator().manual_seed(3))

    loss().backward()  # type: ignore[no-untyped-call]
    gradient = tree[TABLE].grad
    assert gradient is not None
    direction, step = gradient / gradient.norm(), 1e-2
    with torch.no_grad():
        tree[TABLE] += step * direction
        up = float(loss())
        tree[TABLE] -= 2 * step * direction
        down = float(loss())
    assert (up - down) / (2 * step) == pytest.approx(float(gradient.norm()), rel=0.02)


def test_cells_are_where_cameras_see_something() -> None:
    known, _ = begun(teacher_of(_fitted(), _scene()), OctreeOptions(**SHORT))
    finest, count = known.tree.cells[-1], known.tree.resolutions[-1][0]
    assert len(finest) < count**3
    view = _scene().test[0]
    assert view.depth is not None
    seen = torch.isfinite(view.depth).reshape(-1)
    points = view.camera.rays()[seen].at(view.depth.reshape(-1)[seen].float()).numpy()
    cells = {tuple(cell) for cell in finest}
    hit = [tuple(cell) in cells for cell in np.floor((points + 1) / 2 * count).astype(int)]
    assert np.mean(hit) > 0.7  # of a field that was hardly fitted


def test_occupied_are_the_cells_of_the_octree() -> None:
    tree = Octree.of(Everywhere(), (-1,) * 3, (1,) * 3, (4, 4, 4), 2)
    kept = tree.cells[1][tree.cells[1][:, 0] < 4]
    half = Octree((4, 4, 4), (tree.cells[0], kept))
    networks = _fitted().model.recipe
    recipe = OctreeRecipe.of(half, 2, 4, networks)  # type: ignore[arg-type]
    model = recipe.make(_fitted().model.setting, torch.Generator(), torch.float32, torch.device("cpu"))
    grid = model.occupied.grid
    there = grid.occupied()[0]
    middles = grid.cascades.points(torch.arange(there.numel()))
    assert torch.equal(there, middles[0] < 0)
    assert marched_level((4, 4, 4), 2, 8, 1) == 1


@pytest.mark.slow_but("50")
@pytest.mark.parametrize("step", [50, 80])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(tmp_path: Path, step: int) -> None:
    class Stop(hp.Callback):
        def on_step(self, state: object) -> bool:
            return bool(state.step >= step)  # type: ignore[attr-defined]

    options = SHORT | {"bits": 2, "steps": 55, "code_steps": 30, "progress": False}
    file = tmp_path / "run.h5"
    assert vqad(_fitted(), checkpoint=file, callbacks=Stop(), **options).status is hp.Status.STOPPED
    resumed, whole = vqad(_fitted(), resume=file, **options), vqad(_fitted(), **options)
    assert torch.equal(resumed.field().table, whole.field().table)
    assert torch.equal(resumed.network, whole.network)


def test_another_scene_is_refused() -> None:
    other = hp.radiance.Scene.render_synthetic(20, train=5, test=1)
    with pytest.raises(InvalidProblemError, match="the field was fitted to 6"):
        vqad(_fitted(), scene=other, progress=False)


def test_a_file_whose_parts_do_not_fit_is_refused(tmp_path: Path) -> None:
    coded = _coded()
    good, blocks = coded._meta(), coded._blocks()

    def refused(meta: dict[str, object], parts: list[Block]) -> None:
        write_container(tmp_path / "bad.vq", RadianceSkeleton.kind, meta, parts)
        with pytest.raises(CorruptFileError):
            hp.compression.load(tmp_path / "bad.vq")

    networks = good["networks"]
    for name, value in {
        "coarsest": [4, 4], "features": 5, "setting": {}, "cameras": {"kinds": [], "kind": []},
        "networks": {**networks, "name": "hermite"}, "code": {"name": "vectors", "bits": 0},
    }.items():  # fmt: skip
        refused(good | {name: value}, blocks)
    for option in ({"width": 32}, {"cells": None}, {"cells": 12}, {"hidden": 8}):
        refused(good | {"networks": {**networks, "options": networks["options"] | option}}, blocks)
    for block in blocks:
        others = [b for b in blocks if b is not block]
        refused(good, [*others, Block("unknown", block.level, b"")])
        refused(good, [*others, Block(block.name, block.level, block.payload + b"\0")])
        refused(good, [*others, Block(block.name, block.level, block.payload[:-1])])
    bomb = pack_bytes(bytes([255]) * len(coded.tree.cells[0]))
    many = [b if b.name != "cells 1" else Block(b.name, b.level, bomb) for b in blocks]
    refused(good, many)


def test_the_command_codes_a_radiance_field_and_draws_its_levels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(model: object, bits: int, **options: object) -> CodedField:
        assert bits == 6
        return vqad(model, bits=2, **options, **SHORT)

    monkeypatch.setattr(sys.modules["hermite_pinn.workloads.compression.vqad"], "vqad", short)
    _fitted().save(tmp_path / "s.h5")
    run = CliRunner().invoke(cli.app, ["compress", str(tmp_path / "s.h5"), "--out", str(tmp_path / "s.vq")])
    assert run.exit_code == 0, run.output
    assert "psnr" in run.output
    assert (tmp_path / "s_levels.png").read_bytes().startswith(b"\x89PNG")
    assert hp.compression.load(tmp_path / "s.vq", levels=1).render(_scene().test[0].camera).image.shape == (20, 20, 3)


def test_the_command_refuses_options_that_do_not_go_together(tmp_path: Path) -> None:
    hp.solve(hp.problems.poisson2d(), levels=2, progress=False).save(tmp_path / "u.h5")
    for words in (["--steps", "3"], ["--bits", "3", "--scene", str(tmp_path)], ["--bits", "13"]):
        run = CliRunner().invoke(cli.app, ["compress", str(tmp_path / "u.h5"), *words])
        assert run.exit_code != 0
    (tmp_path / "x.h5").write_bytes(b"nothing")
    assert CliRunner().invoke(cli.app, ["compress", str(tmp_path / "x.h5")]).exit_code != 0
