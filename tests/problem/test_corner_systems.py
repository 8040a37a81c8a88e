"""Singular functions of systems: their powers against known ones, and what they satisfy."""

import math
import re

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.residuals.corner_functions import corner_functions
from hermite_pinn.residuals.corner_pencil import Pencil, corner_modes, is_elliptic

LAPLACE = {(0, (2, 0)): 1.0, (0, (0, 2)): 1.0}
U, V = {(0, (0, 0)): 1.0}, {(1, (0, 0)): 1.0}
LAME, SHEAR = 1.7, 0.6


def stokes(nu=1.0):
    return (
        {(0, (2, 0)): -nu, (0, (0, 2)): -nu, (2, (1, 0)): 1.0},
        {(1, (2, 0)): -nu, (1, (0, 2)): -nu, (2, (0, 1)): 1.0},
        {(0, (1, 0)): 1.0, (1, (0, 1)): 1.0},
    )


ELASTICITY = (
    {(0, (2, 0)): LAME + 2 * SHEAR, (0, (0, 2)): SHEAR, (1, (1, 1)): LAME + SHEAR},
    {(1, (0, 2)): LAME + 2 * SHEAR, (1, (2, 0)): SHEAR, (0, (1, 1)): LAME + SHEAR},
)


def traction(angle, outwards):
    """Of elasticity on a side in a direction, whose normal lies to its left (1) or right (-1)."""
    a, b = -outwards * math.sin(angle), outwards * math.cos(angle)
    return (
        {(0, (1, 0)): (LAME + 2 * SHEAR) * a, (1, (0, 1)): LAME * a, (0, (0, 1)): SHEAR * b, (1, (1, 0)): SHEAR * b},
        {(0, (0, 1)): SHEAR * a, (1, (1, 0)): SHEAR * a, (1, (0, 1)): (LAME + 2 * SHEAR) * b, (0, (1, 0)): LAME * b},
    )


def roots(function, largest=2.0):
    """Zeros between 0 and a number, those at 1 left out."""
    x = np.linspace(0.01, largest, 20000)
    values = function(x)
    crossed = np.flatnonzero(values[:-1] * values[1:] < 0)
    return [r for r in (brentq(function, x[i], x[i + 1], xtol=1e-14) for i in crossed) if abs(r - 1) > 1e-6]


def powers(equations, conditions, angle, start=0.0, s=(0, 0), t=(2, 2)):
    pencil = Pencil(s, t, equations, tuple(conditions), start + angle + 0.4 * (2 * math.pi - angle))
    assert is_elliptic(pencil)
    return [mode.power + 2 for mode in corner_modes(pencil, -2.0, 0.0)]


@pytest.mark.parametrize("start", [0.0, 2.3])
@pytest.mark.parametrize("angle", [1.1 * math.pi, 1.5 * math.pi, 1.9 * math.pi])
def test_powers_of_an_equation_are_those_of_its_angle(angle, start):
    found = powers((LAPLACE,), [(U, start), (U, start + angle)], angle, start, (0,), (2,))
    expected = [k * math.pi / angle for k in range(1, 4) if k * math.pi / angle < 2 - 1e-9]  # r**2 is a polynomial
    assert found == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("nu", [1.0, 1e-9])
@pytest.mark.parametrize("start", [0.0, 2.3])
@pytest.mark.parametrize("angle", [1.2 * math.pi, 1.5 * math.pi, 1.95 * math.pi])
def test_powers_of_slow_flow_without_slip(angle, start, nu):
    conditions = [(c, start + side * angle) for side in (0, 1) for c in (U, V)]
    found = powers(stokes(nu), conditions, angle, start, (0, 0, -1), (2, 2, 1))
    expected = sorted(
        root
        for sign in (1.0, -1.0)
        for root in roots(lambda p, sign=sign: np.sin(p * angle) + sign * p * math.sin(angle))
    )
    assert [p.real for p in found if not p.imag] == pytest.approx(expected, abs=1e-7)
    for p in found:
        sine = np.sin(p * angle)
        assert min(abs(sine + p * math.sin(angle)), abs(sine - p * math.sin(angle))) < 1e-6


@pytest.mark.parametrize("kind", ["free", "fixed"])
@pytest.mark.parametrize("angle", [1.25 * math.pi, 1.5 * math.pi])
def test_powers_of_elasticity_on_fixed_and_on_free_sides(angle, kind):
    kappa = (LAME + 3 * SHEAR) / (LAME + SHEAR)
    start = 0.7
    sides = (start, -1.0), (start + angle, 1.0)
    conditions = [(c, at) for at, out in sides for c in ((U, V) if kind == "fixed" else traction(at, out))]
    found = powers(ELASTICITY, conditions, angle, start)
    factor = math.sin(angle) / (kappa if kind == "fixed" else 1.0)
    expected = sorted(
        root for sign in (1.0, -1.0) for root in roots(lambda p, sign=sign: np.sin(p * angle) + sign * p * factor)
    )
    assert [p.real for p in found if not p.imag] == pytest.approx(expected, abs=1e-7)


def test_fixed_beside_free_in_a_right_angle_is_singular():
    """Williams (1952): 4 kappa sin(p w)**2 = (kappa + 1)**2 - 4 p**2 sin(w)**2."""
    kappa, angle = (LAME + 3 * SHEAR) / (LAME + SHEAR), 0.5 * math.pi
    conditions = [(U, 0.0), (V, 0.0), *((c, angle) for c in traction(angle, 1.0))]
    found = powers(ELASTICITY, conditions, angle)
    equation = lambda p: 4 * kappa * np.sin(p * angle) ** 2 - (kappa + 1) ** 2 + 4 * p**2 * math.sin(angle) ** 2
    assert found[0].real == pytest.approx(roots(equation)[0], abs=1e-8)
    assert found[0].real < 1


def test_a_clamped_plate_has_a_power_more_than_slow_flow():
    plate = {(0, (4, 0)): 1.0, (0, (2, 2)): 2.0, (0, (0, 4)): 1.0}
    angle = 1.5 * math.pi
    conditions = [(U, 0.0), ({(0, (0, 1)): 1.0}, 0.0), (U, angle), ({(0, (1, 0)): 1.0}, angle)]
    pencil = Pencil((0,), (4,), (plate,), tuple(conditions), 1.75 * math.pi)
    found = [mode.power + 4 for mode in corner_modes(pencil, -3.0, -1.5)]
    assert [p.real for p in found] == pytest.approx([1.5444837, 1.9085292], abs=1e-6)


def test_smooth_corners_and_equations_that_are_not_elliptic():
    assert powers((LAPLACE,), [(U, 0.0), (U, 0.5 * math.pi)], 0.5 * math.pi, 0.0, (0,), (2,)) == []
    wave = {(0, (2, 0)): 1.0, (0, (0, 2)): -1.0}
    assert not is_elliptic(Pencil((0,), (2,), (wave,), (), 0.0))


# -- from problems ---
SQUARE = hp.Box(x=(-1, 1), y=(-1, 1))
ELL = SQUARE - hp.Rectangle((0, -1), (1, 0))
HOLE = SQUARE - hp.Polygon([(-0.3, -0.2), (0.35, -0.1), (0.1, 0.4)])


def flow(nu=0.5):
    return lambda u, v, p: {
        "x": u * u.x + v * u.y + p.x - nu * u.laplacian,
        "y": u * v.x + v * v.y + p.y - nu * v.laplacian,
        "mass": u.x + v.y,
    }


def no_slip(domain, nu=0.5):
    return hp.Problem(domain, ["u", "v", "p"], flow(nu), [hp.Dirichlet(u=0.0, v=0.0), hp.Gauge("p")])


def parts(basis, x, channels):
    """By coefficient, the jets by field."""
    found = [{} for _ in range(len(basis))]
    for name in set(basis.fields):
        for number, jets in zip(basis.of(name), basis.jets(x, channels, name), strict=True):
            found[number][name] = jets
    return found


def test_functions_of_a_flow_have_one_coefficient_for_all_fields():
    basis = corner_functions(no_slip(ELL)).basis
    assert len(basis) == 4
    assert sorted(basis.fields) == ["p"] * 4 + ["u"] * 4 + ["v"] * 4
    by_power = sorted({round(f.exponent, 4) for f, n in zip(basis.functions, basis.fields, strict=True) if n == "u"})
    assert by_power == [0.5445, 0.9085, 1.6293]


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_functions_solve_the_equations_and_satisfy_the_conditions(scale):
    box = hp.Box(x=(-scale, scale), y=(-scale, scale))
    domain = box - hp.Rectangle((0, -scale), (scale, 0))
    basis = corner_functions(no_slip(domain)).basis
    x = domain.interior.random(200, torch.Generator().manual_seed(0), torch.float64).x
    for own in parts(basis, x, Channels.jet(2, 2)):
        u, v, p = (own[name] for name in "uvp")
        size = (u[3].abs() + u[5].abs() + v[3].abs() + v[5].abs()) * 0.5 + p[1].abs() + p[2].abs()
        assert float(((p[1] - 0.5 * (u[3] + u[5])).abs() / size).max()) < 1e-9
        assert float(((p[2] - 0.5 * (v[3] + v[5])).abs() / size).max()) < 1e-9
        assert float(((u[1] + v[2]).abs() / (u[1].abs() + u[2].abs() + v[1].abs())).max()) < 1e-9
    r = torch.linspace(1e-3, 1.0, 20, dtype=torch.float64) * scale
    zero = torch.zeros_like(r)
    for side in (torch.stack([r, zero]), torch.stack([zero, -r])):
        for own in parts(basis, side, Channels.value(2)):
            assert max(float(own[name].abs().max()) for name in "uv") < 1e-9


def test_traction_beside_no_slip_has_functions_in_a_corner_of_the_box():
    nu = 0.3
    conditions = [
        hp.Dirichlet(u=0.0, v=0.0, on=["x-", "y-", "y+", "disk"]),
        hp.Condition(lambda u, p: 2 * nu * u.x - p, on="x+"),
        hp.Condition(lambda u, v: nu * (u.y + v.x), on="x+"),
    ]
    domain = SQUARE - hp.Disk((0.0, 0.0), 0.3)
    found = corner_functions(hp.Problem(domain, ["u", "v", "p"], flow(nu), conditions))
    at_outlet = [f for f in found.basis.functions if f.point[0] == 1]
    assert {tuple(np.round(f.point, 9)) for f in at_outlet} == {(1.0, -1.0), (1.0, 1.0)}
    # cos(p pi / 2) = p
    assert min(f.exponent for f in at_outlet) + 1 == pytest.approx(0.594611644, abs=1e-7)
    assert len(corner_functions(no_slip(domain)).basis) == 0


def test_round_a_hole_functions_end_before_their_cut_does():
    basis = corner_functions(no_slip(HOLE)).basis
    assert len(basis) > 0
    x = HOLE.interior.random(4000, torch.Generator().manual_seed(0), torch.float64).x
    step = 1e-6 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    both = HOLE.contains(x + step)
    for function in basis.functions:
        away = both & ((x - torch.tensor(function.point, dtype=torch.float64)[:, None]).norm(dim=0) > 0.05)
        first, second = (function.jets(p[:, away], Channels.value(2)) for p in (x, x + step))
        assert float((first - second).abs().max()) < 1e-3 * max(1.0, float(first.abs().max()))


@pytest.mark.parametrize("domain", [ELL, HOLE], ids=["ell", "hole"])
def test_derivatives_are_those_of_automatic_differentiation(domain):
    functions = corner_functions(no_slip(domain)).basis.functions[-6:]
    x = domain.interior.random(100, torch.Generator().manual_seed(3), torch.float64).x.requires_grad_(True)
    for function in functions:
        low = function.jets(x, Channels.jet(2, 2))
        third = function.jets(x.detach(), Channels.of(2, [(3, 0), (2, 1), (1, 2), (0, 3)]))
        known = low.detach()
        for channel, (dx, dy) in {0: known[1:3], 1: known[3:5], 2: known[4:], 3: third[:2], 5: third[2:]}.items():
            gradient = torch.autograd.grad(low[channel].sum(), x, retain_graph=True)[0]
            scale = max(float(dx.abs().max()), float(dy.abs().max()), 1e-12)
            assert float((gradient - torch.stack([dx, dy])).abs().max()) < 1e-8 * scale


def test_nothing_is_infinite_at_the_corner():
    basis = corner_functions(no_slip(ELL)).basis
    for function, name in zip(basis.functions, basis.fields, strict=True):
        x = torch.tensor([function.point], dtype=torch.float64).T.clone().requires_grad_(True)
        jets = function.jets(x, Channels.jet(2, 2))
        assert bool(torch.isfinite(jets).all())
        assert name == "p" or float(jets.detach()[0, 0]) == 0.0
        assert bool(torch.isfinite(torch.autograd.grad(jets.sum(), x)[0]).all())


@pytest.mark.parametrize(
    ("residual", "conditions", "why"),
    [
        (
            lambda u, v: (u.xx + u.yy + v.xy, v.xx + v.yy + u.xy),
            [hp.Dirichlet(u=0.0, v=0.0, on=["x-", "x+", "y-", "y+"]), hp.Dirichlet(u=0.0, on="rectangle")],
            "number of conditions on rectangle:[0-9] is 1",
        ),
        (lambda u, v: (u.xx - u.yy + v.xy, v.xx - v.yy), [hp.Dirichlet(u=0.0, v=0.0)], "not elliptic"),
        (
            lambda u, v: ((1 + u.x**2) * u.xx + u.yy + v.xy, v.xx + v.yy + u.xy),
            [hp.Dirichlet(u=0.0, v=0.0)],
            "depends on the solution",
        ),
        (lambda u, v: (u.x - v.y, u.y + v.x), [hp.Dirichlet(u=0.0)], "first order"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_where_there_are_none_the_reason_is_given(residual, conditions, why):
    found = corner_functions(hp.Problem(ELL, ["u", "v"], residual, conditions))
    assert not found.complete
    assert any(corner.angle > math.pi for corner, _ in found.reasons)
    assert not any(np.allclose(f.point, 0.0) for f in found.basis.functions)

    assert all(re.search(why, text) for corner, text in found.reasons if corner.angle > math.pi)


def test_descriptions_are_read_again_and_others_refused():
    from hermite_pinn.errors import CorruptFileError
    from hermite_pinn.field.singular_part import SingularPart
    from hermite_pinn.schema import Entry

    basis = corner_functions(no_slip(HOLE)).basis
    part = SingularPart(basis, torch.arange(len(basis), dtype=torch.float64))
    tree = Entry.of(part.parameters(), "a file")
    read = lambda described: SingularPart.from_description(
        Entry.of(described, "a file"), tree, ("x", "y"), ("u", "v", "p")
    )
    assert read(part.describe()).basis == basis
    for change, words in [
        ({"kind": "round"}, "one of harmonic, sector"),
        ({"member": 1}, "members that are numbered"),
        ({"member": -1}, "integer"),
        ({"series": []}, "1 to 1000"),
        ({"series": [math.nan]}, "finite"),
        ({"imaginary": [1.0, 2.0]}, "none or"),
        ({"length": 0.0}, "positive"),
        ({"reach": -1.0}, "positive"),
    ]:
        described = part.describe()
        described[0] |= change
        with pytest.raises(CorruptFileError, match=words):
            read(described)
