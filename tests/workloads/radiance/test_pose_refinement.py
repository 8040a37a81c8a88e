"""Poses as parameters, the order in which levels move, and gradients of poses through rays, samples and encoders."""

import itertools
import math

import pytest
import torch

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.rays.cascades import Cascades
from hermite_pinn.cuda.rays.compositing import composite
from hermite_pinn.cuda.rays.marching import Marching, march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.workloads.radiance import PoseRefinement, Scene, scattered_poses
from hermite_pinn.workloads.radiance.pose_refinement import RefinedPoses, level_shares
from hermite_pinn.workloads.radiance.se3 import corrected

START = torch.from_numpy(scattered_poses(4, 3.0))


@pytest.mark.parametrize("side", ["world", "camera"])
def test_poses_are_differentiable_by_their_twists_at_zero_and_far(side):
    for size in (0.0, 1.0):
        twists = (size * torch.randn(4, 6, dtype=torch.float64)).requires_grad_()
        assert torch.autograd.gradcheck(lambda t: corrected(START, t, side), twists)


def test_the_first_pose_stays_if_asked():
    poses = RefinedPoses(START, PoseRefinement(fix_first=True))
    torch.nn.init.normal_(poses.twists)
    moved = poses.poses()
    assert torch.equal(moved[0], START[0])
    assert (moved[1:] - START[1:]).abs().amax((1, 2)).min() > 1e-3
    moved.sum().backward()
    assert float(poses.twists.grad[0].abs().max()) == 0.0


def test_poses_are_held_for_the_first_part_of_a_run_and_then_are_differentiable():
    poses = RefinedPoses(START, PoseRefinement(hold=0.25))
    for progress, held in ((0.0, True), (0.2, True), (0.25, False), (1.0, False)):
        poses.advance(progress)
        assert poses.poses().requires_grad is not held


def test_colours_depend_on_directions_after_their_part_of_a_run():
    poses = RefinedPoses(START, PoseRefinement(directions=0.5))
    assert [poses.directional(p) for p in (0.0, 0.49, 0.5, 1.0)] == [False, False, True, True]


def test_penalties_are_mean_squares_of_both_halves():
    poses = RefinedPoses(START, PoseRefinement(rotation_penalty=2.0, translation_penalty=3.0))
    torch.nn.init.normal_(poses.twists)
    w, u = poses.twists[:, :3], poses.twists[:, 3:]
    expected = 2 * w.square().sum(1).mean() + 3 * u.square().sum(1).mean()
    assert float(sum(poses.penalties().values()).detach()) == pytest.approx(float(expected.detach()), rel=1e-12)


@pytest.mark.parametrize("levels", [1, 2, 8])
def test_levels_open_one_after_another(levels):
    before = [0.0] * levels
    for k in range(201):
        now = level_shares(k / 200, levels, (0.1, 0.5))
        assert all(0 <= share <= 1 for share in now)
        assert all(a >= b for a, b in zip(now, before, strict=True))
        assert all(coarse >= fine for coarse, fine in itertools.pairwise(now))
        before = now
    assert level_shares(0.1, levels, (0.1, 0.5)) == [1.0] + [0.0] * (levels - 1)
    assert level_shares(0.5, levels, (0.1, 0.5)) == level_shares(0.0, levels, None) == [1.0] * levels


def test_the_window_is_that_of_barf():
    """Lin et al. (2021): weight (1 - cos(pi clip(alpha - k, 0, 1))) / 2."""
    alpha = 8 * (0.33 - 0.1) / 0.4
    expected = [(1 - math.cos(math.pi * min(1, max(0, alpha - k)))) / 2 for k in range(1, 8)]
    assert level_shares(0.33, 8, (0.1, 0.5))[1:] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": 0.0},
        {"rate": math.nan},
        {"decay": 0.0},
        {"decay": 2.0},
        {"hold": 1.0},
        {"directions": -0.1},
        {"curriculum": (0.5, 0.1)},
        {"curriculum": (0.1, 1.5)},
        {"curriculum": 0.5},
        {"curriculum": (math.nan, 1.0)},
        {"side": "both"},
        {"fix_first": 1},
        {"rotation_penalty": -1.0},
        {"translation_penalty": math.inf},
    ],
)
def test_wrong_options_are_refused(options):
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        PoseRefinement(**options)


# -- gradients of poses through everything ---
SCENE = Scene.render_synthetic(8, train=4, test=0, supersampling=1)
GRID = OccupancyGrid(Cascades((0.0, 0.0, 0.0), 1.0, 8))
LAYOUT = GridLayout((-1.0,) * 3, (1.0,) * 3, ((2,) * 3, (3,) * 3), "cosine", 2)


def test_sorted_and_shuffled_rays_give_the_same_gradient_of_poses():
    table = torch.randn(LAYOUT.size, dtype=torch.float64)
    weight, gradients = torch.linspace(0.5, 2.0, 40, dtype=torch.float64), []
    for kind in ("drawn", "shuffled", "sorted"):
        poses = SCENE.cameras.poses.clone().requires_grad_()
        draw = SCENE.train.sample(40, torch.Generator().manual_seed(0), poses, torch.float64)
        order = {"drawn": torch.arange(40), "shuffled": torch.randperm(40), "sorted": torch.argsort(draw.views)}[kind]
        rays = draw.rays[order]
        samples = march(rays.origin.T, rays.direction.T, GRID, Marching(step=0.25), 5, order)
        values = ops.jets(samples.positions, table, LAYOUT, Channels.value(3))[:, :, 0].flatten(0, 1)
        (weight[order] * composite(samples, values[0].exp(), values[1:]).colour).sum().backward()
        gradients.append(poses.grad)
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-12, atol=1e-12)
    assert torch.allclose(gradients[0], gradients[2], rtol=1e-12, atol=1e-12)
    assert float(gradients[0].abs().amax((1, 2)).min()) > 0


def test_the_gradient_of_every_ray_is_the_same_bit_for_bit_in_any_order():
    draw = SCENE.train.sample(40, torch.Generator().manual_seed(1), dtype=torch.float64)
    table = torch.randn(LAYOUT.size, dtype=torch.float64)
    found = []
    for order in (torch.arange(40), torch.randperm(40)):
        origins, directions = (
            a[order].T.contiguous().requires_grad_() for a in (draw.rays.origin, draw.rays.direction)
        )
        samples = march(origins, directions, GRID, Marching(step=0.25), 5, order)
        values = ops.jets(samples.positions, table, LAYOUT, Channels.value(3))[:, :, 0].flatten(0, 1)
        composite(samples, values[0].exp(), values[1:]).colour.sum().backward()
        back = torch.argsort(order)
        found.append((origins.grad[:, back], directions.grad[:, back]))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


@pytest.mark.parametrize("basis", ["cosine", "cosine_product", "cubic", "smoothstep"])
def test_gradients_of_twists_are_those_of_differences(basis):
    """Along a twist of all poses; distances of samples along their rays are constants, as in every marcher."""
    layout = GridLayout((-1.0,) * 3, (1.0,) * 3, ((2,) * 3, (3,) * 3), basis, 2)
    draw = SCENE.train.sample(20, torch.Generator().manual_seed(2), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(layout.size, dtype=torch.float64, generator=generator)
    start = SCENE.cameras.poses
    samples = march(draw.rays.origin.T, draw.rays.direction.T, GRID, Marching(step=0.25))

    def loss(twists):
        poses = corrected(start, twists)
        turned = start[draw.views, :, :3].transpose(1, 2) @ draw.rays.direction[..., None]
        direction = (poses[draw.views, :, :3] @ turned)[..., 0]
        x = poses[draw.views[samples.rays], :, 3] + samples.t[:, None] * direction[samples.rays]
        values = ops.jets(x.T.contiguous(), table, layout, Channels.value(3))[:, :, 0].flatten(0, 1)
        return composite(samples, values[0].exp(), values[1:]).colour.square().sum()

    twists = torch.zeros(4, 6, dtype=torch.float64, requires_grad=True)
    loss(twists).backward()
    change = torch.randn(4, 6, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        difference = (loss(1e-6 * change) - loss(-1e-6 * change)) / 2e-6
    assert float((twists.grad * change).sum()) == pytest.approx(float(difference), rel=1e-6)


# -- what smooth weights are in three dimensions (Heo et al.; sums over a grid of midpoints of a cell) ---
def gradient_of_ones(basis, x):
    layout = GridLayout((0.0,) * 3, (1.0,) * 3, ((1,) * 3,), basis)
    table = torch.ones(layout.size, dtype=torch.float64)
    x = x.clone().requires_grad_()
    ops.jets(x, table, layout, Channels.value(3)).sum().backward()
    return x.grad


def test_a_constant_field_has_no_gradient_but_by_whole_corner_weights():
    ticks = (torch.arange(20, dtype=torch.float64) + 0.5) / 20
    x = torch.stack([a.ravel() for a in torch.meshgrid(ticks, ticks, ticks, indexing="ij")])
    for basis in ("linear", "cosine", "smoothstep"):
        assert float(gradient_of_ones(basis, x).abs().max()) < 1e-12
    found = gradient_of_ones("straight_through", x)
    assert float(found.abs().mean()) == pytest.approx(0.623, abs=5e-3)
    assert float(found.abs().max()) <= math.pi / 2
    edge = torch.tensor([[1e-9], [0.5], [0.0]], dtype=torch.float64)
    assert float(gradient_of_ones("straight_through", edge).abs().max()) <= math.pi / 2 + 1e-6


def test_straight_through_gradients_have_their_closed_form_in_three_dimensions():
    layout = GridLayout((0.0,) * 3, (1.0,) * 3, ((1,) * 3,), "straight_through", blend=0.7)
    table = torch.randn(layout.size, dtype=torch.float64)
    x = torch.rand(3, 50, dtype=torch.float64).requires_grad_()
    ops.jets(x, table, layout, Channels.value(3)).sum().backward()
    corners, p = table[:8].view(2, 2, 2), x.detach()
    g = lambda w: 1 + 0.7 * math.pi / 2 * torch.sin(math.pi * w)
    for axis in range(3):
        along, (q, r) = p[axis], [p[k] for k in range(3) if k != axis]
        ends = corners.movedim(axis, 0)
        total = torch.zeros_like(along)
        for i, first in enumerate((1 - q, q)):
            for j, second in enumerate((1 - r, r)):
                side = first * second
                total += side * (g(side * along) * ends[1, i, j] - g(side * (1 - along)) * ends[0, i, j])
        assert torch.allclose(x.grad[axis], total, rtol=1e-12, atol=1e-12)


def test_slopes_of_whole_cosines_jump_across_faces_by_their_formula_and_per_axis_ones_do_not():
    def slopes(basis, side):
        layout = GridLayout((0.0,) * 3, (2.0, 1.0, 1.0), ((2, 1, 1),), basis)
        table = torch.zeros(layout.size, dtype=torch.float64)
        table[:12] = torch.arange(12, dtype=torch.float64).cos()
        x = torch.tensor([[1.0 + side * 1e-9], [0.3], [0.6]], dtype=torch.float64).requires_grad_()
        ops.jets(x, table, layout, Channels.value(3)).sum().backward()
        return float(x.grad[0]), table[:12].view(3, 2, 2)[1]

    assert slopes("cosine", 1)[0] == pytest.approx(slopes("cosine", -1)[0], abs=1e-6)
    (right, face), (left, _) = slopes("cosine_product", 1), slopes("cosine_product", -1)
    weights = torch.tensor([[0.7 * 0.4, 0.7 * 0.6], [0.3 * 0.4, 0.3 * 0.6]], dtype=torch.float64)
    jump = math.pi / 2 * float((weights * torch.sin(math.pi * weights) * face).sum())
    assert right == pytest.approx(-jump, abs=1e-6)
    assert left == pytest.approx(jump, abs=1e-6)
