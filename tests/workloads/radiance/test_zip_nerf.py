"""The recipe of Zip-NeRF: losses, gradients, what is seen."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.schema import Entry
from hermite_pinn.workloads.radiance import (
    Antialiasing,
    GridLevels,
    Proposal,
    ProposalGuard,
    Rays,
    Scene,
    ZipLosses,
    ZipNeRF,
)
from hermite_pinn.workloads.radiance.recipes import described_recipe, read_recipe
from hermite_pinn.workloads.radiance.zip_nerf import sampling
from hermite_pinn.workloads.radiance.zip_nerf.fields import DensityField
from hermite_pinn.workloads.radiance.zip_nerf.frame import Frame

CPU = torch.device("cpu")
SMALL = ZipNeRF(
    levels=GridLevels(4, 16, 3, 2, 1 << 10),
    width=16,
    samples=8,
    rays=64,
    first=Proposal(8, GridLevels(4, 8, 2, 2, 1 << 10), 8, 0.05),
    second=Proposal(8, GridLevels(4, 8, 2, 2, 1 << 10), 8, 0.01),
)
SCENE = Scene.render_synthetic(16, train=6, test=1)


def made(recipe=SMALL, dtype=torch.float64, scene=SCENE, wild=True):
    """A model; its densities and colours are no constants."""
    model = recipe.build(scene, torch.Generator().manual_seed(0), dtype, CPU)
    if wild:
        with torch.no_grad():
            for grid in model.grids:
                grid.encoding.values["table"].mul_(5e3)
    return model


def drawn(n=32, seed=1, dtype=torch.float64):
    draw = SCENE.train.sample(n, torch.Generator().manual_seed(seed), dtype=dtype)
    return draw.rays, draw.colors.T.to(dtype).contiguous()


def terms(model, rays, colors, progress=0.5, seed=2):
    return model.terms(rays, colors, progress, torch.Generator().manual_seed(seed))


@pytest.fixture
def held(monkeypatch):
    """Intervals stay where they are when rays and densities change, as gradients take them."""

    def even(edges, weights, count, power=1.0, generator=None):
        return torch.linspace(0, 1, count + 1, dtype=edges.dtype).expand(len(edges), count + 1)

    def span(self, rays):
        ones = torch.ones_like(rays.radius)
        return 1.8 * ones, 4.6 * ones

    monkeypatch.setattr(sampling, "resample", even)
    monkeypatch.setattr(Frame, "span", span)


# -- losses ---
def test_every_loss_is_told_and_finite():
    rays, colors = drawn()
    found = {name: loss.detach() for name, loss in terms(made(), rays, colors).items()}
    assert set(found) == {"colour", "interlevel", "distortion", "decay"}
    assert all(bool(torch.isfinite(loss)) and float(loss) > 0 for loss in found.values())


@pytest.mark.parametrize("kind", ["erf", "approximate", "gaussian", "none"])
@pytest.mark.parametrize("points", [1, 6])
def test_gradients_by_rays_are_those_of_differences(held, kind, points):
    model = made(dataclasses.replace(SMALL, antialiasing=Antialiasing(points, kind)))
    rays, colors = drawn(4)

    def loss(origin, direction):
        found = terms(model, Rays(origin, direction, rays.radius), colors)
        return found["colour"] + found["distortion"]

    origin, direction = rays.origin.clone().requires_grad_(), rays.direction.clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (origin, direction), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("contracted", [False, True])
@pytest.mark.parametrize("scale", [False, True])
def test_gradients_by_parameters_are_those_of_differences(held, contracted, scale):
    antialiasing = Antialiasing(6, "erf", scale)
    model = made(dataclasses.replace(SMALL, antialiasing=antialiasing, losses=ZipLosses(interlevel=0.0)))
    model.sampler.frame = dataclasses.replace(model.sampler.frame, contracted=contracted)
    rays, colors = drawn(16)
    parameters = [p for p in model.field.parameters() if p.numel() and not (scale and p.ndim == 1)]
    loss = sum(terms(model, rays, colors).values())
    slopes = torch.autograd.grad(loss, parameters)
    generator, step = torch.Generator().manual_seed(3), 1e-6
    with torch.no_grad():
        for parameter, slope in zip(parameters, slopes, strict=True):
            way = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            values = []
            for sign in (1, -2, 1):
                parameter += sign * step * way
                values.append(float(sum(terms(model, rays, colors).values())))
            assert float((slope * way).sum()) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-9)


def test_proposals_learn_from_their_loss_only_and_the_field_never_does():
    model = made()
    rays, colors = drawn()
    found = terms(model, rays, colors)
    fields, proposals = (list(part.parameters()) for part in (model.field, model.sampler))
    by_colour = torch.autograd.grad(found["colour"], proposals, retain_graph=True, allow_unused=True)
    by_interlevel = torch.autograd.grad(found["interlevel"], fields, retain_graph=True, allow_unused=True)
    assert all(g is None for g in (*by_colour, *by_interlevel))
    assert all(float(g.abs().sum()) > 0 for g in torch.autograd.grad(found["interlevel"], proposals))


def test_losses_are_means_over_rays():
    model = made(dataclasses.replace(SMALL, losses=ZipLosses(decay=0.0)))
    rays, colors = drawn(8)
    away = Rays(rays.origin, -rays.direction, rays.radius)
    white = torch.ones_like(colors)
    both = Rays(*(torch.cat([getattr(r, n) for r in (rays, away)]) for n in ("origin", "direction", "radius")))
    given = ((rays, colors), (both, torch.cat([colors, white], 1)))
    alone, twice = ({name: float(loss.detach()) for name, loss in terms(model, *pair).items()} for pair in given)
    for name in ("interlevel", "distortion"):
        assert twice[name] == pytest.approx(alone[name] / 2)
    assert twice["colour"] == pytest.approx((alone["colour"] + 1e-3) / 2)


def test_rays_that_see_nothing_have_a_loss():
    model, (rays, colors) = made(), drawn(8)
    away = Rays(rays.origin, -rays.direction, rays.radius)
    found = terms(model, away, colors)
    sum(found.values()).backward()
    assert float(found["colour"].detach()) > 0


def test_pictures_with_alpha_stand_before_random_colours():
    scene = Scene.render_synthetic(16, train=6, test=1, background=None)
    model = made(scene=scene)
    assert model.recipe.background == "random"
    draw = scene.train.sample(16, torch.Generator().manual_seed(1), dtype=torch.float64)
    target = draw.colors.T.double()
    first, second = (float(terms(model, draw.rays, target, seed=s)["colour"].detach()) for s in (1, 1))
    assert first == second != float(terms(model, draw.rays, target, seed=2)["colour"].detach())


# -- schedules ---
def test_a_guard_makes_proposals_count_more_while_they_fall_behind():
    model = made(dataclasses.replace(SMALL, guard=ProposalGuard(limit=1e-6, growth=2.0, most=8.0)))
    rays, colors = drawn()
    losses = [float(terms(model, rays, colors)["interlevel"].detach()) for _ in range(6)]
    assert losses[1:] == pytest.approx([losses[0] * f for f in (2, 4, 8, 8, 8)])
    assert "push" in model.state_dict()


def test_levels_open_one_after_the_other():
    model = made(dataclasses.replace(SMALL, progressive=0.5))
    rays, colors = drawn()
    opened = []
    for progress in (0.0, 0.25, 0.5, 1.0):
        model.advance(0, progress, torch.Generator())
        (slope,) = torch.autograd.grad(terms(model, rays, colors)["colour"], model.field.grid.encoding.values["table"])
        opened.append(sum(bool(slope[part].any()) for part in model.field.grid.encoding.levels))
    assert opened == [1, 2, 3, 3]


# -- looking ---
def test_shuffled_rays_see_the_same():
    model, (rays, _) = made(), drawn(64)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    known, found = model.look(rays, normals=True), model.look(rays[order], normals=True)
    for name in ("colour", "opacity", "depth", "normals"):
        assert torch.allclose(getattr(known, name)[..., order], getattr(found, name), equal_nan=True)


def test_what_is_seen_is_what_losses_compare():
    model, (rays, _) = made(dataclasses.replace(SMALL, anneal=0.0)), drawn(16)
    seen = model.look(rays)
    _, field, colors = model._histograms(rays, 1.0, None)
    full = (colors * field.weights).sum(2) + 1 - field.weights.sum(1)
    assert torch.allclose(seen.colour, full, atol=8 * 1e-4)
    assert torch.allclose(seen.opacity, field.weights.sum(1), atol=8 * 1e-4)


def test_rays_beside_the_scene_see_the_background():
    model, (rays, _) = made(), drawn(4)
    away = Rays(rays.origin, -rays.direction, rays.radius)
    seen = model.look(away, torch.tensor([0.1, 0.2, 0.3]), normals=True)
    assert torch.allclose(seen.colour, torch.tensor([[0.1], [0.2], [0.3]], dtype=torch.float64).expand(3, 4))
    assert not seen.opacity.any()
    assert torch.isinf(seen.depth).all()


def test_normals_point_against_the_gradient_of_the_density():
    model = made()
    points = torch.rand(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    points.requires_grad_()
    (slope,) = torch.autograd.grad(model.density(points).log().sum(), points)
    inner, _ = model.sampler.frame.unit(points)
    found = model._normals(inner[:, :, None].detach(), torch.zeros(5, 1, dtype=torch.float64))
    assert torch.allclose(found, -torch.nn.functional.normalize(slope, dim=0))


def test_a_wide_pixel_sees_less_of_fine_levels():
    model, (rays, _) = made(), drawn(4)
    points, std = model.sampler.place(rays, torch.linspace(2, 4, 9).double().expand(4, 9), 6, None)
    narrow, wide = model.field.grid.weights(std), model.field.grid.weights(8 * std)
    assert bool((wide < narrow).all())
    assert bool((narrow.diff(dim=0) < 0).all())
    assert points.shape == (3, 32, 6)


# -- the recipe ---
@pytest.mark.parametrize("encoder", ["hermite", "smooth", "cubic"])
def test_other_encoders_take_part(encoder):
    model = made(dataclasses.replace(SMALL, encoder=encoder), torch.float32)
    rays, colors = drawn(dtype=torch.float32)
    sum(terms(model, rays, colors).values()).backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("encoder", ["fourier", "coordinates"])
def test_encoders_without_levels_are_refused(encoder):
    with pytest.raises(hp.InvalidArgumentError, match="levels that can fade"):
        made(dataclasses.replace(SMALL, encoder=encoder))


def test_parameters_are_each_in_one_group():
    model = made()
    names = [g.name for g in model.groups()]
    assert names == ["encoder", "first", "second", "networks"]
    assert sum(p.numel() for g in model.groups() for p in g.parameters) == model.parameter_count


@pytest.mark.parametrize("kind", ["distillation", "similarity"])
def test_variants_are_written_and_read(kind):
    recipe = dataclasses.replace(SMALL, losses=ZipLosses(interlevel_kind=kind), guard=ProposalGuard(), progressive=0.5)
    assert read_recipe(Entry.of(described_recipe(recipe), "test")) == recipe


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: ZipNeRF(levels=8),
        lambda: ZipNeRF(samples=0),
        lambda: ZipNeRF(antialiasing="erf"),
        lambda: ZipNeRF(progressive=2.0),
        lambda: ZipNeRF(encoder="nonsense"),
        lambda: Antialiasing(5),
        lambda: Antialiasing(weights="gauss"),
        lambda: GridLevels(finest=8),
        lambda: GridLevels(table_size=1000),
        lambda: Proposal(blur=0.0),
        lambda: ZipLosses(decay=-1.0),
        lambda: ZipLosses(interlevel_kind="upper"),
        lambda: ProposalGuard(growth=0.5),
    ],
)
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(hp.InvalidArgumentError):
        wrong()


def test_densities_need_no_pixels():
    model = made()
    points = torch.rand(3, 7, dtype=torch.float64) * 2 - 1
    found = model.density(points)
    assert found.shape == (7,)
    assert bool((found > 0).all())
    assert isinstance(model.sampler.fields[0], DensityField)


class Stop(hp.Callback):
    """Ends a run after the first row."""

    def on_step(self, state):
        return "enough"


@pytest.mark.slow_but("fixed")
@pytest.mark.parametrize("poses", ["fixed", "refine"])
def test_a_run_that_was_interrupted_ends_as_one_that_was_not(tmp_path, poses):
    recipe = dataclasses.replace(SMALL, guard=ProposalGuard(limit=0.0), progressive=0.9)
    options = {"recipe": recipe, "steps": 120, "poses": poses, "progress": False}
    whole = hp.radiance.fit(SCENE, **options)
    first = hp.radiance.fit(SCENE, **options, callbacks=[Stop()], checkpoint=tmp_path / "run.h5")
    second = hp.radiance.fit(SCENE, **options, resume=tmp_path / "run.h5")
    assert first.status.name == "STOPPED"
    found, known = (run.model.state_dict() for run in (second, whole))
    assert all(torch.equal(found[name], value) for name, value in known.items())
    assert torch.equal(second.cameras.poses, whole.cameras.poses)


def test_a_field_is_saved_and_read(tmp_path):
    found = hp.radiance.fit(SCENE, recipe=SMALL, steps=2, progress=False)
    found.save(tmp_path / "field.h5")
    again = hp.radiance.Radiance.load(tmp_path / "field.h5")
    assert again.model.recipe == found.model.recipe
    camera = SCENE.test[0].camera
    assert torch.equal(again.render(camera).image, found.render(camera).image)


@pytest.mark.slow
def test_a_small_scene_is_learned():
    scene = Scene.render_synthetic(32, train=20, test=2, seed=5)
    recipe = ZipNeRF(levels=GridLevels(8, 64, 5, 2, 1 << 14), rays=256)
    found = hp.radiance.fit(scene, recipe=recipe, steps=600, progress=False)
    assert found.evaluate(scene.test)["psnr"] > 20
