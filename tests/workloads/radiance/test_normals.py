"""Normals of fields compared with those of the world that was rendered."""

import numpy as np
import torch

from hermite_pinn.validation.radiance.normals import normal_errors, true_normals
from hermite_pinn.workloads.radiance import Finish, Picture, Scene, Sphere, World

WORLD = World([Sphere((0, 0, 0), 0.8, finish=Finish((1, 0, 0)))])


def scene():
    return Scene.render_synthetic(24, train=1, test=2, world=WORLD)


def test_normals_of_a_sphere_point_from_its_middle():
    view = scene().test[0]
    normals, depth = true_normals(WORLD, view), view.depth.double().numpy()
    rays = view.camera.rays(dtype=torch.float64)
    points = rays.at(torch.from_numpy(depth.ravel())).numpy().reshape(24, 24, 3)
    there = np.isfinite(depth)
    assert np.array_equal(np.isfinite(normals).all(-1), there)
    assert np.abs(normals[there] - points[there] / 0.8).max() < 1e-5


class Turned:
    """Renders the true normals, turned by an angle."""

    def __init__(self, views, degrees):
        self.views, self.degrees = views, degrees

    def render(self, camera, background=None, normals=False):
        view = next(v for v in self.views if v.camera.pose is camera.pose or torch.equal(v.camera.pose, camera.pose))
        true = torch.from_numpy(true_normals(WORLD, view)).nan_to_num()
        across = torch.nn.functional.normalize(
            torch.linalg.cross(true, torch.tensor([0.3, -0.5, 0.8]).double().expand_as(true), dim=-1), dim=-1
        )
        angle = np.radians(self.degrees)
        found = np.cos(angle) * true + np.sin(angle) * across
        size = (view.camera.height, view.camera.width)
        return Picture(torch.zeros(*size, 3), torch.ones(size), torch.ones(size), found)


def test_the_angle_is_told_in_degrees_where_there_is_something():
    views = scene().test
    errors = normal_errors(Turned(list(views), 25.0), views, WORLD)
    assert errors.size == sum(int(torch.isfinite(v.depth).sum()) for v in views)
    assert np.allclose(errors, 25.0, atol=1e-6)
