"""Encoders for comparison: derivatives, products with Jacobians, files, and what each of them refuses."""

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.field.encoders import ENCODERS
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.stencils import DIFFERENCES, Steps

BOX = hp.Box(x=(0, 2), y=(-1, 1))
SPECS = {
    "differences": {"encoder": "trilinear_fd"},
    "hashed differences": {"encoder": "trilinear_fd", "table_size": 16, "epsilon": 0.3},
    "cosine": {"encoder": "smooth"},
    "smoothstep": {"encoder": "smooth", "weights": "smoothstep"},
    "cubic": {"encoder": "cubic"},
    "fourier": {"encoder": "fourier", "frequencies": 5, "bandwidth": 0.7},
    "coordinates": {"encoder": "coordinates"},
    "appended": {"encoder": "hermite", "aux": ("y",)},
    "appended differences": {"encoder": "trilinear_fd", "aux": ("x", "y")},
}
CHANNELS = Channels.jet(2, 2) + Channels.laplacian(2)


def field_of(kind, head, box=BOX, periodic=None, names=("u", "v")):
    """A field whose parameters are all random."""
    spec = hp.Field(head=head, width=5, depth=1, omega=1.5, **SPECS[kind])
    field = spec.build(box, names, periodic or (False,) * box.dim, 2, seed=3)
    generator = torch.Generator().manual_seed(1)
    return field.with_tensors(
        {k: v + 0.3 * torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in field.tensors().items()}
    )


def scattered(count=7, box=BOX, seed=2):
    """Random points, the first near a corner."""
    unit = torch.rand(box.dim, count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    unit[:, 0] = 0.01
    lower, upper = (torch.tensor(b, dtype=torch.float64)[:, None] for b in (box.lower, box.upper))
    return lower + (upper - lower) * unit


NETWORKS = {"coordinates", "appended"}  # of which no sum can be made
COMBINED = [
    (kind, head)
    for kind in SPECS
    for head in ("linear", "siren")
    if head == "siren" or not NETWORKS & set(kind.split())
]


@pytest.mark.slow_but("cubic-siren", "hashed", "coordinates", "fourier")
@pytest.mark.parametrize(("kind", "head"), COMBINED)
def test_products_with_the_jacobian_are_those_of_automatic_differentiation(kind, head):
    field, x = field_of(kind, head), scattered()
    generator = torch.Generator().manual_seed(4)
    weights = [torch.randn(2, len(CHANNELS), 7, generator=generator, dtype=torch.float64) for _ in range(2)]
    linear = field.linearized(x, CHANNELS)
    assert torch.allclose(linear.jets, field.jets(x, CHANNELS), rtol=1e-12, atol=1e-12)
    rows = linear.rows(weights)
    tensors = {k: v.clone().requires_grad_() for k, v in field.tensors().items()}
    jets = field.with_tensors(tensors).jets(x, CHANNELS)
    matrix = {k: [] for k in tensors}
    for w in weights:
        for q in range(7):
            grads = torch.autograd.grad((w * jets)[..., q].sum(), list(tensors.values()), retain_graph=True)
            for k, g in zip(tensors, grads, strict=True):
                matrix[k].append(g.ravel())
    matrix = {k: torch.stack(v).view(2, 7, -1) for k, v in matrix.items()}
    direction = {k: torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in tensors.items()}
    r = torch.randn(2, 7, generator=generator, dtype=torch.float64)
    forward = sum(torch.einsum("tqj,j->tq", matrix[k], direction[k].ravel()) for k in matrix)
    assert torch.allclose(rows.forward(direction), forward, rtol=1e-9, atol=1e-9)
    back, squares = ({k: torch.zeros_like(v) for k, v in direction.items()} for _ in range(2))
    rows.adjoint(r, back)
    rows.squares(squares)
    for k, m in matrix.items():
        scale = float(m.abs().max()) or 1.0
        assert torch.allclose(back[k].ravel(), torch.einsum("tqj,tq->j", m, r), rtol=1e-9, atol=1e-10 * scale), k
        assert torch.allclose(squares[k].ravel(), m.square().sum((0, 1)), rtol=1e-9, atol=1e-10 * scale**2), k
        for t, dense in enumerate(rows.dense(k, slice(2, 6, 2))):
            assert torch.allclose(dense, m[t, 2:6:2], rtol=1e-9, atol=1e-10 * scale), k


@pytest.mark.slow_but("cubic", "cosine-siren", "coordinates", "fourier")
@pytest.mark.parametrize(("kind", "head"), [c for c in COMBINED if "differences" not in c[0]])
def test_derivatives_are_those_of_the_values(kind, head):
    field, x = field_of(kind, head), scattered().requires_grad_()
    value = field.jets(x, Channels.value(2))[:, 0]
    jets = field.jets(x, Channels.of(2, [(1, 0), (0, 1), (2, 0), (1, 1)]))
    for f in range(2):
        first = torch.autograd.grad(value[f].sum(), x, create_graph=True)[0]
        assert torch.allclose(jets[f, :2], first, rtol=1e-8, atol=1e-8)
        second = torch.autograd.grad(jets[f, 0].sum(), x, retain_graph=True)[0]
        assert torch.allclose(jets[f, 2:], second, rtol=1e-8, atol=1e-7)


def test_differences_of_a_quadratic_are_its_derivatives_also_at_faces():
    """Values between vertices are off by what is periodic with the cells, which differences over one cell cancel."""
    spec = hp.Field(encoder="trilinear_fd")
    box = hp.Box(x=(0, 2), y=(-1, 1))
    field = spec.build(box, ["u"], (False, False), [(8, 6)], seed=0)
    ax, ay = torch.linspace(0, 2, 9, dtype=torch.float64), torch.linspace(-1, 1, 7, dtype=torch.float64)
    X, Y = torch.meshgrid(ax, ay, indexing="ij")
    table = torch.zeros_like(field.table)
    table[:63] = (X**2 - 3 * X * Y + 2 * Y**2 + X).ravel()
    field = field.with_tensors({"encoder/table": table})
    corners = torch.tensor([[0.0, 2.0, 0.0, 2.0], [-1.0, -1.0, 1.0, 1.0]], dtype=torch.float64)
    x = torch.cat([scattered(40), corners], 1)
    jets = field.jets(x, Channels.of(2, [(2, 0), (0, 2), (1, 1)]) + Channels.laplacian(2))[0]
    expected = torch.tensor([2.0, 4.0, -3.0, 6.0], dtype=torch.float64)[:, None].expand(-1, x.shape[1])
    assert torch.allclose(jets, expected, rtol=0, atol=1e-10)
    at_vertices = torch.stack([X.ravel(), Y.ravel()])
    slopes = field.jets(at_vertices, Channels.of(2, [(1, 0), (0, 1)]))[0]
    exact = torch.stack([2 * X - 3 * Y + 1, -3 * X + 4 * Y]).flatten(1)
    assert torch.allclose(slopes, exact, rtol=0, atol=1e-12)


def test_value_gradient_and_laplacian_take_two_taps_per_axis_and_one():
    x = scattered(5, hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)))
    steps = Steps((0.0,) * 3, (1.0,) * 3, (0.1,) * 3, (False,) * 3)
    channels = Channels.jet(3, 1) + Channels.laplacian(3)
    assert DIFFERENCES["central"](x, channels, steps).taps == 7
    assert DIFFERENCES["tetrahedral"](x, Channels.of(3, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]), steps).taps == 4


@pytest.mark.parametrize(("kind", "gradient", "laplacian"), [("central", 2, 2), ("tetrahedral", 1, 1)])
def test_orders_of_the_differences(kind, gradient, laplacian):
    """Of a smooth function in the middle of the box; the mixed third derivative of the exponential is not zero."""
    x = 0.4 + 0.2 * scattered(20, hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)))
    rate = torch.tensor([1.0, 1.5, -0.7], dtype=torch.float64)[:, None]
    channels, errors = Channels.of(3, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]) + Channels.laplacian(3), []
    for size in (0.04, 0.02, 0.01):
        stencil = DIFFERENCES[kind](x, channels, Steps((0.0,) * 3, (1.0,) * 3, (size,) * 3, (False,) * 3))
        values = torch.exp((rate * stencil.points).sum(0))[None, None]
        exact = torch.exp((rate * x).sum(0)) * torch.cat([rate, rate.square().sum(0, keepdim=True)])
        off = (stencil.combine(values)[0] - exact).abs().amax(1)
        errors.append((float(off[:3].max()), float(off[3])))
    observed = [math.log2(errors[1][k] / errors[2][k]) for k in (0, 1)]
    assert observed == pytest.approx([gradient, laplacian], abs=0.15)


def test_four_taps_are_exact_for_linear_functions_and_the_laplacian_of_quadratics():
    x = scattered(30, hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)))
    steps = Steps((0.0,) * 3, (1.0,) * 3, (0.1,) * 3, (False,) * 3)
    stencil = DIFFERENCES["tetrahedral"](x, Channels.jet(3, 1) + Channels.laplacian(3), steps)
    assert float(stencil.points.min()) >= 0, "taps stay in the box"
    assert float(stencil.points.max()) <= 1
    a, b, c = stencil.points
    linear = stencil.combine((a - 2 * b + 3 * c)[None, None])[0]
    assert torch.allclose(linear[1:], torch.tensor([1.0, -2.0, 3.0, 0.0]).double()[:, None].expand(-1, 30), atol=1e-11)
    quadratic = stencil.combine((a**2 + 5 * b * c - 3 * c**2)[None, None])[0]
    assert torch.allclose(quadratic[4], torch.full((30,), -4.0, dtype=torch.float64), atol=1e-10)
    with pytest.raises(InvalidArgumentError, match="use differences='central'"):
        DIFFERENCES["tetrahedral"](x, Channels.of(3, [(2, 0, 0)]), steps)


def test_the_distance_of_the_taps_follows_the_level():
    field = hp.Field(encoder="trilinear_fd", base=4).build(BOX, ["u"], (False, False), 3)
    x = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    reach = [float((g.stencil(x, CHANNELS).points[0] - 1).max()) for g in (field.encoder, field.encoder.at_level(1))]
    assert reach == pytest.approx([2 / 16, 2 / 8])
    given = hp.Field(encoder="trilinear_fd", base=4, epsilon=0.01).build(BOX, ["u"], (False, False), 3).encoder
    stencil = given.at_level(0).stencil(x, CHANNELS)
    assert float((stencil.points[0] - 1).max()) == pytest.approx(0.01), "what the user gave stays"
    with pytest.raises(InvalidArgumentError, match="levels are 0 to 2"):
        field.encoder.at_level(3)


@pytest.mark.parametrize("kind", ["fourier", "coordinates"])
def test_fields_on_periodic_axes_are_periodic(kind):
    field = field_of(kind, "siren", periodic=(True, False))
    x = scattered()
    moved = x + torch.tensor([[2.0], [0.0]], dtype=torch.float64)
    assert torch.allclose(field.jets(moved, CHANNELS), field.jets(x, CHANNELS), rtol=1e-9, atol=1e-9)


def test_random_frequencies_follow_seed_and_bandwidth():
    def waves(seed, **options):
        spec = hp.Field(encoder="fourier", head="siren", **options)
        return torch.tensor(spec.build(BOX, ["u"], (False, False), 1, seed=seed).encoder.waves)

    assert torch.equal(waves(1), waves(1))
    assert not torch.equal(waves(1), waves(2))
    assert torch.allclose(waves(1, bandwidth=4.0), 2 * waves(1, bandwidth=2.0))
    assert float(waves(1, frequencies=4000, bandwidth=3.0).std()) == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(("kind", "head"), COMBINED)
def test_fields_come_back_from_their_description(kind, head):
    field, x = field_of(kind, head), scattered()
    again = GridField.from_description(field.describe(), field.tensors())
    assert torch.equal(again.jets(x, CHANNELS), field.jets(x, CHANNELS))
    assert again.encoder.name == field.encoder.name
    assert again.encoder.summary == field.encoder.summary


@pytest.mark.parametrize(
    ("kind", "entry", "value"),
    [
        ("differences", "differences", "forward"),
        ("differences", "epsilon", 5.0),
        ("fourier", "waves", [[1.0]]),
        ("fourier", "upper", [0.0, -1.0]),
        ("fourier", "features", 3),
    ],
)
def test_damaged_descriptions_are_refused(kind, entry, value):
    field = field_of(kind, "linear")
    described = field.describe()
    described["encoder"][entry] = value
    with pytest.raises(CorruptFileError):
        GridField.from_description(described, field.tensors())


OSCILLATION = hp.Problem(
    hp.Box(x=(0, 1), y=(0, 1)),
    "u",
    lambda u, x, y: u.laplacian + 5 * hp.pi**2 * hp.sin(hp.pi * x) * hp.sin(2 * hp.pi * y),
    [hp.Dirichlet(u=0.0)],
    exact={"u": lambda x, y: hp.sin(hp.pi * x) * hp.sin(2 * hp.pi * y)},
)


@pytest.mark.parametrize(
    ("options", "most"),
    [({"encoder": "trilinear_fd", "base": 8}, 0.02), ({"encoder": "fourier", "bandwidth": 1.0}, 1e-3)],
)
def test_gauss_newton_solves_for_what_is_affine(options, most, tmp_path):
    solution = hp.solve(OSCILLATION, field=hp.Field(**options), levels=3, progress=False)
    assert solution.error()["u"]["relative_l2"] < most
    assert solution.status is not hp.Status.CONVERGED
    solution.save(tmp_path / "u.h5")
    again = hp.Solution.load(tmp_path / "u.h5")
    assert float(again.u.xx(0.3, 0.4)) == float(solution.u.xx(0.3, 0.4))
    assert str(again.field.encoder.name) == options["encoder"]


@pytest.mark.slow_but("cubic-adam", "hashed", "coordinates", "fourier", "appended")
@pytest.mark.parametrize("method", [hp.Adam(steps=3), hp.LBFGS(steps=3)], ids=["adam", "lbfgs"])
@pytest.mark.parametrize("kind", SPECS)
def test_training_takes_every_encoder_by_name(kind, method, tmp_path):
    spec = hp.Field(head="siren", width=8, depth=1, **SPECS[kind])
    solution = hp.solve(OSCILLATION, field=spec, method=method, levels=2, progress=False)
    assert math.isfinite(solution.error()["u"]["relative_l2"])
    assert ("appended" if "aux" in SPECS[kind] else SPECS[kind]["encoder"]) == solution.field.encoder.name
    assert "parameters" in str(solution)
    solution.save(tmp_path / "u.h5")
    assert float(hp.Solution.load(tmp_path / "u.h5").u(0.3, 0.4)) == float(solution.u(0.3, 0.4))


def test_a_second_order_problem_is_refused_where_there_are_no_second_derivatives():
    with pytest.raises(
        InvalidArgumentError, match="up to order 1 only; encoders with derivatives of order 2 are 'hermite'"
    ):
        hp.solve(OSCILLATION, field=hp.Field(basis="linear"), method="adam", progress=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encoder": "coordinates"}, "head='siren'"),
        ({"encoder": "fourier", "head": "siren+linear"}, "head='linear' or 'siren'"),
        ({"encoder": "fourier", "basis": "quintic"}, "has no basis"),
        ({"epsilon": 0.1}, "'trilinear_fd'"),
        ({"encoder": "smooth", "weights": "cosin"}, "did you mean 'cosine'"),
        ({"encoder": "trilinear_fd", "epsilon": -1.0}, "epsilon must be"),
        ({"encoder": "coordinate"}, "did you mean 'coordinates'"),
        ({"encoder": "straight_through", "blend": 1.5}, "blend must be"),
        ({"encoder": "smooth", "blend": 0.5}, "'straight_through'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, said):
    with pytest.raises(InvalidArgumentError, match=said):
        hp.Field(**options)


def test_differences_need_room():
    with pytest.raises(InvalidArgumentError, match="three cells or more"):
        hp.Field(encoder="trilinear_fd", base=2).build(BOX, ["u"], (False, False), 1)
    with pytest.raises(InvalidArgumentError, match="three axes"):
        hp.Field(encoder="trilinear_fd", differences="tetrahedral").build(BOX, ["u"], (False, False), 2)


def test_derivatives_beyond_those_of_the_encoder_are_refused():
    solution = hp.solve(OSCILLATION, field=hp.Field(encoder="trilinear_fd"), levels=1, progress=False)
    with pytest.raises(InvalidArgumentError, match="'trilinear_fd'"):
        solution.u.xxx(0.3, 0.4)


def test_auxiliary_inputs_are_read_beside_the_features():
    """A network whose first layer reads nothing else knows them, and a periodic one is periodic."""
    spec = hp.Field(head="siren", aux=("y",), width=3, depth=1)
    field = spec.build(BOX, ["u"], (True, True), 2)
    assert field.encoder.features == 2 * 2 + 2
    first = torch.zeros_like(field.tensors()["head/layers/0/weight"])
    first[:, -1] = 1.0  # the sine of the angle of y
    field = field.with_tensors(field.tensors() | {"head/layers/0/weight": first})
    x = scattered()
    values = field.jets(x, Channels.value(2))
    assert torch.allclose(field.jets(x + torch.tensor([[0.3], [2.0]]).double(), Channels.value(2)), values, atol=1e-12)
    assert not torch.allclose(field.jets(x + torch.tensor([[0.0], [0.3]]).double(), Channels.value(2)), values)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"aux": ("z",), "head": "siren"}, "'z'.*x, y"),
        ({"aux": ("x",), "head": "linear"}, "head='siren'"),
        ({"aux": ("x", "x"), "head": "siren"}, "once"),
        ({"aux": (1,), "head": "siren"}, "by name"),
    ],
)
def test_auxiliary_inputs_that_there_are_not_are_refused(options, said):
    with pytest.raises(InvalidArgumentError, match=said):
        hp.Field(**options).build(BOX, ["u"], (False, False), 2)


def test_every_name_is_that_of_its_encoder():
    assert all(ENCODERS[name].name == name for name in ENCODERS)
