"""Singular functions at corners: equation, conditions, derivatives, and fields that hold them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.singular import SingularFunction, Wedge, following, wedge_functions
from hermite_pinn.field.singular_part import SingularBasis, SingularPart

LAPLACE = ((1.0, 0.0), (0.0, 1.0))
SKEW = ((2.0, 0.7), (0.7, 0.5))
POINT = (0.3, -0.2)
PLAIN = SingularFunction((0.0, 0.0), 0.5, 0.0, LAPLACE)


def unit(angle):
    return math.cos(angle), math.sin(angle)


def wedge(angle, kinds, principal=LAPLACE, start=0.4, reach=math.inf, cut=0.4):
    """A corner with values "D", normal derivatives "N" or conormal ones "C" given on its first side and its last."""
    sides = unit(start), unit(start + angle)
    normals = (sides[0][1], -sides[0][0]), (-sides[1][1], sides[1][0])
    conormals = [tuple(np.asarray(principal) @ np.array(n)) for n in normals]
    given = tuple({"D": s, "N": n, "C": c}[k] for k, s, n, c in zip(kinds, sides, normals, conormals, strict=True))
    removed = start + angle + cut * (2.0 * math.pi - angle)
    return Wedge(POINT, sides, angle, given, unit(removed), reach, 2.0)


def inside(corner, count=200, radius=2.0, seed=0):
    """Points of a wedge, not too close to its corner."""
    generator = torch.Generator().manual_seed(seed)
    r, part = torch.rand(2, count, generator=generator, dtype=torch.float64)
    start = math.atan2(*reversed(corner.sides[0]))
    angle, r = start + part * corner.angle, 0.01 + radius * r
    return torch.stack([POINT[0] + r * angle.cos(), POINT[1] + r * angle.sin()])


@pytest.mark.parametrize("reach", [math.inf, 0.35])
@pytest.mark.parametrize("principal", [LAPLACE, SKEW, ((-2.0, 0.0), (0.0, -0.5))])
@pytest.mark.parametrize("angle", [0.5 * math.pi, 0.75 * math.pi, 1.5 * math.pi, 1.97 * math.pi])
@pytest.mark.parametrize("kinds", ["DD", "NN", "DN", "DC", "CC"])
def test_functions_solve_the_equation_and_the_homogeneous_conditions(angle, kinds, principal, reach):
    corner = wedge(angle, kinds, principal, reach=reach)
    functions = wedge_functions(corner, principal)
    assert functions or angle < math.pi
    a = np.asarray(principal)
    for function in functions:
        _, _, _, xx, xy, yy = function.jets(inside(corner), Channels.jet(2, 2))
        terms = torch.stack([a[0, 0] * xx, 2 * a[0, 1] * xy, a[1, 1] * yy])
        assert float((terms.sum(0).abs() / terms.abs().sum(0)).max()) < 1e-12
        for side, given, kind in zip(corner.sides, corner.derivatives, kinds, strict=True):
            if function.logarithm:
                continue  # what is left on the sides is a polynomial
            r = torch.tensor([1e-5, 1e-4], dtype=torch.float64)
            x = torch.stack([POINT[k] + r * side[k] for k in range(2)])
            value, dx, dy = function.jets(x, Channels.jet(2, 1))
            size = (dx**2 + dy**2).sqrt()
            left = value / (r * size) if kind == "D" else (dx * given[0] + dy * given[1]) / (size * math.hypot(*given))
            assert float(left.abs().max()) < (1e-2 if function.finite else 1e-8)  # more in the next order


@pytest.mark.parametrize(
    ("angle", "kinds", "expected"),
    [
        (1.5 * math.pi, "DD", [2 / 3, 4 / 3, 2.0]),
        (1.5 * math.pi, "NN", [2 / 3, 4 / 3, 2.0]),
        (1.5 * math.pi, "DN", [1 / 3, 1.0, 5 / 3]),
        (0.75 * math.pi, "DD", [4 / 3]),
        (math.pi, "DN", [0.5, 1.5]),
        (0.5 * math.pi, "ND", [1.0]),
        (0.25 * math.pi, "DD", []),
        (1.9 * math.pi, "DD", [k / 1.9 for k in (1, 2, 3)]),
    ],
)
def test_exponents_are_those_of_the_corner(angle, kinds, expected):
    functions = wedge_functions(wedge(angle, kinds), LAPLACE)
    assert [f.exponent for f in functions] == pytest.approx(expected)
    assert [f.logarithm for f in functions] == [p == round(p) for p in expected]


def test_an_anisotropic_equation_changes_the_angle():
    # x = 2 X turns 4 u_xx + u_yy into a multiple of the Laplacian and the direction (1, 1) into (1/2, 1)
    sides = (1.0, 0.0), unit(0.25 * math.pi)
    corner = Wedge(POINT, sides, 0.25 * math.pi, (sides[0], (-sides[1][1], sides[1][0])), (-1.0, 0.0))
    changed = math.atan2(1.0, 0.5)
    functions = wedge_functions(replace(corner, derivatives=sides), ((4.0, 0.0), (0.0, 1.0)))
    assert [f.exponent for f in functions] == pytest.approx(
        [k * math.pi / changed for k in (1, 2) if k * math.pi / changed < 2]
    )


def test_a_principal_part_that_is_not_definite_is_refused():
    with pytest.raises(ValueError, match="not definite"):
        wedge_functions(wedge(1.5 * math.pi, "DD"), ((1.0, 0.0), (0.0, -1.0)))


@pytest.mark.parametrize("moved", [0.0, 1.1])
def test_functions_do_not_depend_on_where_they_are_cut(moved):
    corner = wedge(1.5 * math.pi, "DN")
    x = inside(corner)
    other = wedge(1.5 * math.pi, "DN", start=0.4 + moved, cut=0.7)
    c, s = math.cos(moved), math.sin(moved)
    there = torch.tensor(POINT, dtype=torch.float64)[:, None] + torch.tensor([[c, -s], [s, c]], dtype=torch.float64) @ (
        x - torch.tensor(POINT, dtype=torch.float64)[:, None]
    )
    for f, g in zip(wedge_functions(corner, LAPLACE), wedge_functions(other, LAPLACE), strict=True):
        if not f.logarithm:
            assert torch.allclose(f.jets(x, Channels.value(2)), g.jets(there, Channels.value(2)), atol=1e-12)


def test_a_finite_cut_leaves_the_function_near_the_corner_and_smooth_beyond():
    corner = wedge(1.5 * math.pi, "DD", cut=0.4)
    (whole,) = (f for f in wedge_functions(corner, LAPLACE) if f.exponent < 1)
    (ended,) = (f for f in wedge_functions(replace(corner, reach=0.25), LAPLACE) if f.exponent < 1)
    centre = torch.tensor(POINT, dtype=torch.float64)[:, None]
    near = centre + 0.1 * (inside(corner, radius=0.01) - centre)
    ratio = whole.jets(near, Channels.value(2)) / ended.jets(near, Channels.value(2))
    assert float(ratio.std() / ratio.mean().abs()) < 0.05
    beyond = (
        torch.tensor(POINT, dtype=torch.float64)[:, None] + 0.6 * torch.tensor(corner.cut, dtype=torch.float64)[:, None]
    )
    across = torch.tensor([-corner.cut[1], corner.cut[0]], dtype=torch.float64)[:, None] * 1e-9
    left, right = (ended.jets(beyond + side * across, Channels.jet(2, 2)) for side in (-1, 1))
    assert torch.allclose(left, right, rtol=1e-6, atol=1e-6)
    left, right = (whole.jets(beyond + side * across, Channels.value(2)) for side in (-1, 1))
    assert float((left - right).abs()) > 0.01


def all_kinds():
    first = wedge_functions(wedge(1.5 * math.pi, "DD", SKEW), SKEW)
    cut = wedge_functions(wedge(1.5 * math.pi, "DD", SKEW, reach=0.35), SKEW)
    logs = wedge_functions(wedge(0.5 * math.pi, "DD"), LAPLACE)
    return [*first, *following(first, varies=True), *cut, *following(cut, varies=True), *logs]


@pytest.mark.parametrize("function", all_kinds())
def test_derivatives_are_those_of_automatic_differentiation(function):
    x = inside(wedge(1.4 * math.pi, "DD", start=0.5)).requires_grad_(True)
    low = function.jets(x, Channels.jet(2, 2))
    third = function.jets(x.detach(), Channels.of(2, [(3, 0), (2, 1), (1, 2), (0, 3)]))
    with torch.no_grad():
        known = low.detach()
        expected = {0: known[1:3], 1: known[3:5], 2: known[4:], 3: third[:2], 5: third[2:]}
    for channel, (dx, dy) in expected.items():
        gradient = torch.autograd.grad(low[channel].sum(), x, retain_graph=True)[0]
        scale = max(float(dx.abs().max()), float(dy.abs().max()))
        assert float((gradient - torch.stack([dx, dy])).abs().max()) < 1e-11 * scale


def test_channels_are_weighted_sums_of_derivatives():
    function = wedge_functions(wedge(1.5 * math.pi, "DD", SKEW, reach=0.5), SKEW)[0]
    x = inside(wedge(1.5 * math.pi, "DD"))
    jets = function.jets(x, Channels.jet(2, 2))
    mixed = Channels(2, (((2.0, (2, 0)), (-1.0, (0, 1))),))
    assert torch.allclose(function.jets(x, mixed)[0], 2.0 * jets[3] - jets[2])


def test_nothing_is_infinite_or_nan_at_the_corner_and_at_the_end_of_a_cut():
    for function in all_kinds():
        (a, b), (c, d) = function.frame
        end = np.linalg.solve([[a, b], [c, d]], [-1.0, 0.0]) + function.point
        x = torch.tensor(np.stack([function.point, end], 1), requires_grad=True)
        jets = function.jets(x, Channels.jet(2, 2))
        assert bool(torch.isfinite(jets).all())
        assert float(jets.detach()[0, 0]) == 0.0
        assert bool(torch.isfinite(torch.autograd.grad(jets.sum(), x)[0]).all())


def test_float32_points_give_float32_jets():
    assert PLAIN.jets(torch.tensor([[4.0], [0.0]]), Channels.value(2)).dtype == torch.float32


# -- fields ---
def field_with_corners(names=("u", "v")):
    plain = hp.Field().build(hp.Box(x=(-1, 1), y=(-1, 1)), names, [False, False], 2)
    table = torch.linspace(-1, 1, plain.table.numel(), dtype=torch.float64)
    functions = wedge_functions(wedge(1.5 * math.pi, "DN", reach=0.25), LAPLACE)
    basis = SingularBasis(functions, ("u", "v", "u"))
    part = SingularPart(basis, torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))
    return replace(plain.with_tensors({"encoder/table": table}), singular=part), replace(
        plain.with_tensors({"encoder/table": table})
    )


def test_a_field_is_the_sum_of_its_grid_and_its_singular_functions():
    field, grid = field_with_corners()
    x = inside(wedge(1.5 * math.pi, "DN"), radius=0.5)
    channels = Channels.jet(2, 2)
    added = field.jets(x, channels) - grid.jets(x, channels)
    first, second, third = (f.jets(x, channels) for f in field.singular.basis.functions)
    expected = torch.stack([0.5 * first + 2.0 * third, -second])
    assert torch.allclose(added, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


def test_coefficients_are_parameters_of_the_field_and_its_rows():
    field, _ = field_with_corners()
    assert "singular/coefficients" in field.tensors()
    assert "singular/coefficients" in field.unknowns
    assert field.parameter_count == field.encoder.parameter_count + 3
    x, channels = inside(wedge(1.5 * math.pi, "DN"), 20, 0.5), Channels.jet(2, 1)
    generator = torch.Generator().manual_seed(0)
    weights = [torch.randn(2, 3, 20, generator=generator, dtype=torch.float64) for _ in range(2)]
    linear = field.linearized(x, channels)
    assert torch.allclose(linear.jets, field.jets(x, channels))
    rows = linear.rows(weights)
    path = "singular/coefficients"
    tensors = {k: v.clone().requires_grad_(k == path) for k, v in field.tensors().items()}
    jets = field.with_tensors(tensors).jets(x, channels)
    direction = {path: torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)}
    out = {path: torch.zeros(3, dtype=torch.float64)}
    squares = {path: torch.zeros(3, dtype=torch.float64)}
    left = torch.randn(2, 20, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad(
        sum((w * jets).sum((0, 1)) @ row for w, row in zip(weights, left, strict=True)), tensors[path]
    )
    rows.adjoint(left, out)
    assert torch.allclose(out[path], expected)
    forward = rows.forward(direction)
    assert float((forward * left).sum()) == pytest.approx(float(direction[path] @ expected))
    rows.squares(squares)
    dense = rows.dense(path, slice(None))
    assert torch.allclose(squares[path], sum((d**2).sum(0) for d in dense))
    assert torch.allclose(torch.stack(dense) @ direction[path], forward)


def test_collapsing_and_grids_keep_the_singular_functions():
    from hermite_pinn.field.sampling import grid_jets

    field, _ = field_with_corners()
    axes = [np.linspace(-0.9, 0.9, 7), np.linspace(-0.8, 0.7, 5)]
    mesh = torch.stack([torch.as_tensor(g.ravel()) for g in np.meshgrid(*axes, indexing="ij")])
    expected = field.jets(mesh, Channels.jet(2, 1)).view(2, 3, 7, 5)
    for one in (field, field.collapsed()):
        assert torch.allclose(grid_jets(one, axes, Channels.jet(2, 1)), expected)


def solution_with_corners():
    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1)),
        ["u", "v"],
        lambda u, v: (u.xx + u.yy - 1, v.xx + v.yy),
        [hp.Dirichlet(u=0.0, v=1.0)],
    )
    solution = hp.solve(problem, levels=2, progress=False)
    field, _ = field_with_corners()
    solution.field = field
    return solution


def test_a_saved_solution_keeps_its_singular_functions(tmp_path):
    solution = solution_with_corners()
    solution.save(tmp_path / "s.h5")
    loaded = hp.Solution.load(tmp_path / "s.h5")
    x, y = np.array([POINT[0], 0.5, -0.4]), np.array([POINT[1], 0.3, 0.8])
    for own, other in (
        (solution.u, loaded.u),
        (solution.u.xy, loaded.u.xy),
        (solution.v.laplacian, loaded.v.laplacian),
    ):
        np.testing.assert_array_equal(own(x, y), other(x, y))
    assert loaded.field.singular.basis == solution.field.singular.basis


def test_a_description_that_does_not_fit_is_refused():
    field, _ = field_with_corners()
    tensors = field.tensors()
    for change, words in [
        ({"field": "w"}, "one of u, v"),
        ({"exponent": -0.5}, "above 0"),
        ({"exponent": math.nan}, "finite"),
        ({"frame": [[1.0, 2.0], [2.0, 4.0]]}, "not parallel"),
        ({"conjugate": -1}, "integer"),
        ({"point": [1.0]}, "list of 2"),
    ]:
        described = field.describe()
        described["singular"][0] |= change
        with pytest.raises(CorruptFileError, match=words):
            GridField.from_description(described, tensors)
    described = field.describe()
    described["singular"].pop()
    with pytest.raises(CorruptFileError, match="shape"):
        GridField.from_description(described, tensors)
    with pytest.raises(CorruptFileError, match="singular"):
        GridField.from_description(field.describe(), {k: v for k, v in tensors.items() if "singular" not in k})
    described = field.describe()
    del described["singular"]
    with pytest.raises(CorruptFileError, match="tensors called"):
        GridField.from_description(described, tensors)


def test_evaluation_is_differentiable_in_the_coordinates():
    solution = solution_with_corners()
    x = torch.tensor([0.5, -0.4], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.3, 0.8], dtype=torch.float64)
    (slope,) = torch.autograd.grad(solution.u(x, y).sum(), x)
    assert torch.allclose(slope, solution.u.x(x.detach(), y))
