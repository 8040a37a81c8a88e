"""Problems on cut domains: they say what their sources say, and small levels solve them."""

import importlib.util

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.problems.cylinder import COEFFICIENTS, forces
from hermite_pinn.problems.plate_with_hole import exact_hoop_stress, hoop_stress
from hermite_pinn.problems.solids import PARTS
from hermite_pinn.validation.geometry.case import field_error, inside_points
from hermite_pinn.validation.references.multipoles import four_discs

needs_libigl = pytest.mark.skipif(importlib.util.find_spec("igl") is None, reason="libigl is not installed")


@pytest.mark.parametrize(
    ("name", "settings", "area"),
    [
        ("four_discs", {}, 1 - 4 * np.pi * 0.01),
        ("four_discs", {"scale": 8.0}, 64 * (1 - 4 * np.pi * 0.01)),
        ("poisson2d_cg", {}, 4 - np.pi * (0.04 + 0.16 + 0.01 + 0.09)),
        ("poisson3d_cg", {}, 1 - 4 / 3 * np.pi * (2 * 0.008 + 2 * 0.001)),
        ("heat2d_cg", {}, 3 * (16 * 24 - np.pi * (11 + 6 * 0.16))),
        ("step", {}, 6.0),
        ("step", {"obstacles": 4}, 6.0 - np.pi * (0.04 + 0.09 + 0.04) - 0.8 * 0.3),
        ("cylinder", {}, 2.2 * 0.41 - np.pi * 0.05**2),
        ("plate_with_hole", {"radius": 0.5}, 4 - np.pi * 0.25),
        ("l_shape", {}, 3.0),
    ],
)
def test_domains_have_the_measure_of_their_description(name, settings, area):
    assert problems.make(name, **settings).domain.interior.measure == pytest.approx(area, rel=2e-3)


@needs_libigl
@pytest.mark.parametrize("part", PARTS)
def test_a_part_fills_the_cube_as_it_is_told_to(part):
    inside = problems.poisson_mesh(part, side="inside", solution="manufactured", size=0.6).domain
    outside = problems.poisson_mesh(part, side="outside", size=0.6).domain
    assert inside.interior.measure + outside.interior.measure == pytest.approx(1.0, rel=1e-3)
    x = inside_points(inside, 2000)
    assert ((x >= 0.2 - 1e-9) & (x <= 0.8 + 1e-9)).all()
    assert np.ptp(x, axis=1).max() > 0.5


def test_four_discs_by_a_few_levels():
    solution = hp.solve(problems.four_discs(scale=2.0), levels=[16, 32], progress=False)
    points = inside_points(solution.domain, 4000)
    assert field_error(solution, "u", four_discs(2.0), points) < 1e-3
    assert four_discs(2.0)(0.6, 0.3) == pytest.approx(four_discs()(0.3, 0.15), abs=1e-12)


def test_kirsch_by_a_few_levels():
    problem = problems.plate_with_hole(poisson=0.2, tension=-2.0, young=3.0)
    solution = hp.solve(problem, levels=[16, 32], progress=False)
    angle = np.linspace(0, 2 * np.pi, 100)
    found = hoop_stress(solution, angle, young=3.0, poisson=0.2)
    assert np.linalg.norm(found - exact_hoop_stress(angle, -2.0)) < 0.1 * np.linalg.norm(found)


def test_the_l_shape_by_a_few_levels():
    solution = hp.solve(problems.l_shape(scale=2.0), levels=[8, 16], progress=False)
    points = inside_points(solution.domain, 4000)
    assert field_error(solution, "u", solution.problem.exact["u"], points) < 2e-4


class Field:
    """A known function with slopes, as a solution has them."""

    def __init__(self, value, x, y):
        self._value, self.x, self.y = value, x, y

    def __call__(self, x, y):
        return self._value(x, y)


class Flow:
    """A steady flow with linear velocities, whose convection the pressure balances."""

    u = Field(lambda x, y: 2 * x + 3 * y, lambda x, y: 2 + 0 * x, lambda x, y: 3 + 0 * x)
    v = Field(lambda x, y: 5 * x - 2 * y, lambda x, y: 5 + 0 * x, lambda x, y: -2 + 0 * x)
    p = Field(lambda x, y: -9.5 * (x**2 + y**2), None, None)


def test_forces_are_the_integral_of_the_traction():
    """By the divergence theorem a constant stress has none, and a pressure gradient the buoyancy of the disc."""
    found = forces(Flow(), speed=1.5, nu=1.0)
    area = np.pi * 0.05**2
    assert found["drag"] == pytest.approx(19 * 0.2 * area * 2 / 0.1, rel=1e-9)
    assert found["lift"] == pytest.approx(19 * 0.2 * area * 2 / 0.1, rel=1e-9)
    assert found["pressure difference"] == pytest.approx(9.5 * (0.25**2 - 0.15**2))
    assert set(found) == set(COEFFICIENTS)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("step", {"obstacles": 3}, "0 or 4"),
        ("step", {"outlet": "open"}, "'suppressed' or 'traction'"),
        ("plate_with_hole", {"radius": 1.5}, "less than half_width=1"),
        ("plate_with_hole", {"poisson": 0.7}, "at most 0.5"),
        ("four_discs", {"scale": 0}, "scale must be a positive finite number"),
        ("poisson_mesh", {"side": "left"}, "'outside' or 'inside'"),
        ("poisson_mesh", {"side": "inside"}, "the potential is 1 everywhere"),
        ("poisson_mesh", {"mesh": 3}, "a mesh file, a shape in three axes, or one of gear"),
        ("heat_on_part", {"warm": "handle"}, "holes or plates; got 'handle'"),
    ],
)
def test_bad_settings(name, settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        problems.make(name, **settings)


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(hp.HermitePinnError, match=r"nothing\.stl"):
        problems.poisson_mesh("nothing.stl")
