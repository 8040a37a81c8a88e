"""Synthetic scenes: solids, light, views."""

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import Block, Body, Disc, Finish, Scene, Sphere, World, look_at
from hermite_pinn.workloads.radiance.triangle_tree import TriangleTree

trimesh = pytest.importorskip("trimesh")


def rays(count=2000, seed=0, radius=3.0):
    """Rays from a sphere towards places near the origin; the first ones along axes."""
    generator = np.random.default_rng(seed)
    origin = generator.normal(size=(count, 3))
    origin *= radius / np.linalg.norm(origin, axis=1, keepdims=True)
    direction = generator.uniform(-0.7, 0.7, (count, 3)) - origin
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    for axis in range(3):
        origin[axis] = 0.01 * (axis + 1)
        direction[axis] = np.eye(3)[axis]
        origin[axis, axis] = -3.0
    return origin, direction


SOLIDS = [
    (Sphere((0.1, -0.2, 0.1), 0.5), lambda x: np.linalg.norm(x - [0.1, -0.2, 0.1], axis=1) - 0.5),
    (
        Block((-0.5, -0.4, -0.3), (0.3, 0.4, 0.5)),
        lambda x: (np.abs(x - [-0.1, 0, 0.1]) - 0.4).max(1),
    ),
    (Body(trimesh.creation.box((0.8, 0.8, 0.8))), lambda x: (np.abs(x) - 0.4).max(1)),
]
every_solid = pytest.mark.parametrize(("solid", "outside"), SOLIDS, ids=["sphere", "block", "body"])


@every_solid
def test_rays_meet_the_surface_from_outside(solid, outside):
    origin, direction = rays()
    t, part = solid.hit(origin, direction)
    met = np.isfinite(t)
    assert 0.2 < met.mean() < 0.95
    x = (origin + np.where(met, t, 0)[:, None] * direction)[met]
    assert np.abs(outside(x)).max() < 1e-12
    normal = solid.normals(x, part[met])
    assert np.allclose(np.linalg.norm(normal, axis=1), 1)
    assert ((normal * direction[met]).sum(1) < 0).all()
    step = 1e-6
    slope = np.stack([(outside(x + step * e) - outside(x - step * e)) / (2 * step) for e in np.eye(3)], 1)
    assert np.median(np.linalg.norm(slope - normal, axis=1)) < 1e-6


@every_solid
def test_there_is_nothing_of_a_solid_before_the_first_point(solid, outside):
    origin, direction = rays()
    t, _ = solid.hit(origin, direction)
    end = np.where(np.isfinite(t), t, 6.0)
    for share in np.linspace(0, 0.999, 50):
        assert (outside(origin + share * end[:, None] * direction) > 0).all()


@every_solid
def test_rays_from_within_meet_the_other_side(solid, outside):
    _, direction = rays(100)
    origin = np.array([0.05, 0.05, 0.05])
    t, part = solid.hit(origin, direction)
    assert np.isfinite(t).all()
    assert np.abs(outside(origin + t[:, None] * direction)).max() < 1e-12
    assert ((solid.normals(origin + t[:, None] * direction, part) * direction).sum(1) > 0).all()


@every_solid
def test_single_precision_says_the_same(solid, outside):
    origin, direction = rays()
    t, _ = solid.hit(origin, direction)
    single, _ = solid.hit(origin.astype(np.float32), direction.astype(np.float32))
    assert single.dtype == np.float32
    both = np.isfinite(t) & np.isfinite(single)
    assert (np.isfinite(t) == np.isfinite(single)).mean() > 0.995
    assert np.quantile(np.abs(t[both] - single[both]), 0.99) < 1e-4


def test_a_disc_is_met_from_both_sides_and_within_its_radius():
    disc = Disc((0.5, 0, 0), 1.0)
    origin = np.array([[0.5, 0.9, 1], [0.5, 1.1, 1], [0.5, 0, -2], [0, 0, 1.0]])
    direction = np.array([[0, 0, -1.0], [0, 0, -1], [0, 0, 1], [1, 0, 0]])
    assert disc.hit(origin, direction)[0].tolist() == [1, np.inf, 2, np.inf]


def test_the_tree_finds_what_all_triangles_say():
    ball = trimesh.creation.icosphere(2, 0.6)
    corners = np.asarray(ball.triangles)
    origin, direction = rays(300)
    t, face = TriangleTree(corners).hit(origin, direction)
    every = np.stack([TriangleTree(corners[k : k + 1]).hit(origin, direction)[0] for k in range(len(corners))])
    assert np.array_equal(t, every.min(0))
    met = np.isfinite(t)
    assert np.array_equal(every[face[met], np.flatnonzero(met)], t[met])


def test_no_ray_passes_between_triangles():
    ball = trimesh.creation.icosphere(3, 0.6)
    aims = np.concatenate([ball.vertices, ball.vertices[ball.edges_unique].mean(1)])
    direction = aims / np.linalg.norm(aims, axis=1, keepdims=True)
    assert np.isfinite(Body(ball).hit(np.zeros(3), direction)[0]).all()
    assert np.isfinite(Body(ball).hit(3 * direction, -direction)[0]).all()


def test_smooth_bodies_look_round():
    ball = trimesh.creation.icosphere(3, 0.6)
    origin, direction = rays(500)
    errors = []
    for smooth in (False, True):
        body = Body(ball, smooth=smooth)
        t, part = body.hit(origin, direction)
        met = np.isfinite(t)
        x = origin[met] + t[met, None] * direction[met]
        errors.append(np.abs(body.normals(x, part[met]) - x / np.linalg.norm(x, axis=1, keepdims=True)).max())
    assert errors[1] < errors[0] / 5


def test_checks_alternate_and_faces_have_one_colour_each():
    finish = Finish((1, 0, 0), (0, 0, 1), check=0.5)
    x = np.array([[0.1, 0.1, 0.0], [0.6, 0.1, 0.0], [0.6, 0.6, 0.0], [0.1, 0.1, -0.4]])
    up = np.tile([0.0, 0.0, 1.0], (4, 1))
    red = finish.colors(x, up)[:, 0]
    assert red[0] == red[2] != red[1]
    noise = np.random.default_rng(0).normal(size=(1000, 3)) * [0.01, 0.01, 1e-12] + [0.1, 0.1, 0]
    assert len(np.unique(finish.colors(noise, np.broadcast_to([0.0, 0.0, 1.0], noise.shape)), axis=0)) == 1


def test_gloss_depends_on_where_the_camera_is_and_the_rest_does_not():
    target = np.array([0.0, 0.0, 0.5])
    for gloss, differs in ((0.0, False), (0.6, True)):
        world = World([Sphere((0, 0, 0), 0.5, finish=Finish(gloss=gloss))], light=(0, 0.3, 1))
        colors = []
        for eye in ([0.0, -0.3, 1.5], [1.0, 0.5, 1.5]):
            direction = target - eye
            colors.append(world.cast(np.array(eye), direction[None] / np.linalg.norm(direction))[0][0])
        assert (np.abs(colors[0] - colors[1]).max() > 0.05) == differs


def test_shadows_are_cast_where_a_solid_hides_the_light_and_nowhere_else():
    solids = [Disc((0, 0, -0.5), 0.9), Sphere((0, 0, 0), 0.2)]
    plain, shaded = (World(solids, light=(0, -1.2, 1), shadows=s) for s in (False, True))
    down = np.array([[0.0, 0.0, -1.0]])
    for eye, darker in (([0.0, 0.6, 3.0], True), ([0.6, -0.4, 3.0], False)):
        one, other = (world.cast(np.array(eye), down)[0].max() for world in (plain, shaded))
        assert (other < one) == darker
        assert other > 0


# -- scenes ---
def small(**options):
    return Scene.render_synthetic(24, **({"train": 5, "test": 3, "supersampling": 2} | options))


def test_the_same_seed_gives_the_same_bits_and_another_seed_other_views():
    one, other, third = small(seed=3), small(seed=3), small(seed=4)
    for a, b in zip(one.views, other.views, strict=True):
        assert torch.equal(a.image, b.image)
        assert torch.equal(a.depth, b.depth)
    assert not torch.equal(one.cameras.poses, third.cameras.poses)


def test_images_are_float32_between_zero_and_one_with_a_white_background():
    scene = small()
    for view in scene.views:
        assert view.image.dtype == torch.float32
        assert 0 <= float(view.image.min()) < float(view.image.max()) <= 1
        assert view.image[0, 0].tolist() == [1, 1, 1]


def test_alpha_and_white_are_the_same_picture():
    white, clear = small(), small(background=None)
    for a, b in zip(white.views, clear.views, strict=True):
        alpha = b.image[..., 3:]
        assert 0.1 < float(alpha.mean()) < 0.9
        assert torch.allclose(a.image, b.image[..., :3] * alpha + 1 - alpha, atol=1e-6)


def test_depth_is_that_of_the_points_that_are_seen():
    scene = Scene.render_synthetic(32, train=3, test=0, world=World([Sphere((0.1, 0.2, 0.1), 0.5)]))
    for view in scene.train:
        t = view.depth.reshape(-1)
        hit = torch.isfinite(t)
        x = view.camera.rays(dtype=torch.float64).at(t)[hit]
        assert (
            torch.linalg.vector_norm(x - torch.tensor([0.1, 0.2, 0.1], dtype=torch.float64), dim=1) - 0.5
        ).abs().max() < 1e-12


def test_points_seen_by_one_camera_have_their_colour_in_another():
    """Poses, rays, projection and pictures belong together."""
    world = World([Sphere((0, 0, 0), 0.6, finish=Finish((0.9, 0.2, 0.1), (0.1, 0.2, 0.9), check=0.5))], light=(0, 0, 1))
    places = np.stack([look_at((3, 0, 1)), look_at((3, 0.6, 1.2))])
    scene = Scene.render_synthetic(96, train=2, test=0, world=world, poses=places)
    one, other = scene.train
    hit = torch.isfinite(one.depth).reshape(-1)
    x = one.camera.rays(dtype=torch.float64).at(one.depth.reshape(-1))[hit]
    pixels = other.camera.project(x)
    back = torch.linalg.vector_norm(x - other.camera.centre, dim=1)
    column, row = pixels.long().clamp(0, 95).unbind(1)
    seen = (other.depth[row, column] - back).abs() < 0.02
    difference = (one.image.reshape(-1, 3)[hit] - other.image[row, column]).abs().amax(1)[seen]
    assert seen.double().mean() > 0.6
    assert (difference < 0.08).double().mean() > 0.9
    assert float(difference.median()) < 0.02


def test_pixels_are_means_of_their_rays():
    coarse, fine = (Scene.render_synthetic(n, train=1, test=0, supersampling=s) for n, s in ((10, 4), (40, 1)))
    mean = fine.train[0].image.reshape(10, 4, 10, 4, 3).mean((1, 3))
    assert torch.allclose(coarse.train[0].image, mean, atol=1e-5)


def test_pictures_in_bands_are_the_same(monkeypatch):
    whole = small()
    monkeypatch.setattr("hermite_pinn.workloads.radiance.synthetic.BAND", 300)
    banded = small()
    for a, b in zip(whole.views, banded.views, strict=True):
        assert torch.allclose(a.image, b.image, atol=1e-6)


def test_random_worlds_differ_and_stay_in_the_box():
    for seed in range(5):
        world = World.random(seed)
        for solid in world.solids:
            lower, upper = solid.bounds
            assert lower.min() >= -1
            assert upper.max() <= 1
    assert World.random(1).solids[1].bounds[0].tolist() != World.random(2).solids[1].bounds[0].tolist()
    assert World.random(1).solids[1].bounds[0].tolist() == World.random(1).solids[1].bounds[0].tolist()


def test_a_mesh_is_seen():
    world = World([Body(trimesh.creation.icosphere(2, 0.5), finish=Finish((0.2, 0.8, 0.2)))])
    scene = Scene.render_synthetic(20, train=2, test=0, world=world, supersampling=1)
    ball = Scene.render_synthetic(20, train=2, test=0, world=World([Sphere((0, 0, 0), 0.5)]), supersampling=1)
    for a, b in zip(scene.train, ball.train, strict=True):
        assert (torch.isfinite(a.depth) == torch.isfinite(b.depth)).double().mean() > 0.97


def test_a_mesh_that_is_one_is_taken_as_it_is():
    class Part(hp.Mesh):
        pass

    for kind in (hp.Mesh, Part):
        mesh = kind(trimesh.creation.box((0.8, 0.8, 0.8)))
        assert Body(mesh).mesh is mesh


def test_views_of_a_draw_agree_with_their_images():
    scene = small()
    draw = scene.train.sample(500, torch.Generator().manual_seed(1))
    for k in range(500):
        x, y = draw.pixels[k].long().tolist()
        assert torch.equal(draw.colors[k], scene.train.images[int(draw.views[k])][y, x])
    again = scene.train.cameras.rays(draw.views, draw.pixels)
    assert torch.allclose(draw.rays.direction, again.direction, atol=1e-6)
    assert torch.allclose(draw.rays.radius, again.radius, rtol=1e-5)


def test_draws_are_differentiable_by_poses():
    scene = small()
    poses = scene.train.cameras.poses.clone().requires_grad_()
    draw = scene.train.sample(50, torch.Generator().manual_seed(1), poses, torch.float64)
    draw.rays.at(torch.ones(50, dtype=torch.float64)).sum().backward()
    assert (poses.grad[draw.views.unique()].abs().sum((1, 2)) > 0).all()


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0}, {"size": (3, 4, 5)}, {"size": 3.5}, {"train": 0}, {"test": -1}, {"world": "spheres"}, {"seed": -1},
        {"radius": 0}, {"supersampling": 0}, {"supersampling": 100}, {"background": "red"}, {"poses": np.eye(4)[None]},
        {"poses": np.eye(4)[None, :3]},
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options):
    good = {"size": 8, "train": 2, "test": 1, "supersampling": 1}
    with pytest.raises(hp.InvalidArgumentError, match=next(iter(options))):
        Scene.render_synthetic(**(good | options))


@pytest.mark.parametrize(
    "make",
    [
        lambda: World([]),
        lambda: World([hp.Ball((0, 0, 0), 1.0)]),
        lambda: World([Sphere()], light=(0, 0, 0)),
        lambda: World([Sphere()], ambient=2),
        lambda: World([Sphere()], box=((0, 0, 0), (0, 1, 1))),
        lambda: World.random(-1),
        lambda: Sphere((0, 0), 1.0),
        lambda: Sphere((0, 0, 0), -1.0),
        lambda: Block((1, 0, 0), (0, 1, 1)),
        lambda: Disc((0, 0, 0), float("nan")),
        lambda: Body(None),
        lambda: Finish((1, 2, 0)),
        lambda: Finish(check=0),
        lambda: Sphere(finish="red"),
    ],
)
def test_wrong_solids_and_worlds_are_refused(make):
    with pytest.raises(hp.InvalidArgumentError):
        make()


def test_the_scene_of_the_documents_has_the_stated_size():
    scene = Scene.render_synthetic(train=2, test=1)
    assert scene.cameras[0].intrinsics.width == scene.cameras[0].intrinsics.height == 100
    assert (scene.lower.tolist(), scene.upper.tolist()) == ([-1.0] * 3, [1.0] * 3)
    assert repr(scene) == "Scene(2 train, 1 test, 100 x 100)"


@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_draws_of_pictures_of_one_size_are_those_of_any_sizes(device):
    views = hp.radiance.Scene.render_synthetic(12, train=4, test=1).views
    drawn = []
    for even in (views._even, 0):
        again = views.take(range(len(views)))
        again.__dict__["_even"] = even
        drawn.append(again.sample(200, torch.Generator().manual_seed(1), device=device))
    assert views._even == 144
    one, other = drawn
    assert torch.equal(one.views, other.views)
    assert torch.equal(one.colors, other.colors)
    assert torch.equal(one.rays.direction, other.rays.direction)
    for wrong in ("abacus", 3):
        with pytest.raises(hp.InvalidArgumentError, match="device"):
            views.sample(2, device=wrong)
