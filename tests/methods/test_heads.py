"""Jets of the heads against automatic differentiation, and their adjoints."""

import itertools
import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.network.activation import (
    ACTIVATIONS,
    JetPlan,
    activate,
    activate_adjoint,
    reference_forward,
)
from hermite_pinn.errors import InvalidArgumentError

CHANNELS = [Channels.value(2), Channels.jet(2, 1), Channels.jet(2, 2) + Channels.laplacian(2), Channels.laplacian(3)]


@pytest.mark.parametrize(("name", "channels"), list(itertools.product(ACTIVATIONS, CHANNELS)))
def test_activation_jets_and_adjoint(name, channels, device):
    plan, omega = JetPlan.of(channels), 1.7
    z = 3 * torch.randn(5, len(plan.carried), 37, dtype=torch.float64)
    bias, weights = torch.randn(5, dtype=torch.float64), torch.randn_like(z)
    function = lambda v: reference_forward(v, bias, omega, name, plan.key)
    expected, pulled = torch.func.vjp(function, z)
    there = [t.to(device) for t in (z, bias, weights)]
    found = activate(there[0], there[1], omega, name, plan).cpu()
    adjoint = activate_adjoint(*there, omega, name, plan).cpu()
    for a, b in ((found, expected), (adjoint, pulled(weights)[0])):
        assert float((a - b).abs().max() / b.abs().max()) < 1e-13


def test_the_vectorised_sine_is_accurate_everywhere():
    """Against the C library in both precisions, through the range where the reduction ends and beyond."""
    plan = JetPlan.of(Channels.value(1))
    for dtype, tol in ((torch.float64, 4e-16), (torch.float32, 2e-7)):
        for size in (1e-3, 1.0, 50.0, 7e3, 4e5, 1e7):
            z = ((torch.rand(1, 1, 4096, dtype=torch.float64) - 0.5) * 2 * size).to(dtype)
            found = activate(z, torch.zeros(1, dtype=dtype), 1.0, "sine", plan).double()
            assert float((found - torch.sin(z.double())).abs().max()) < tol


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_of_activations(name):
    z = torch.linspace(-4, 4, 33, dtype=torch.float64, requires_grad=True)
    values = ACTIVATIONS[name][0](z)
    for lower, higher in itertools.pairwise(values):
        slope = torch.autograd.grad(lower.sum(), z, retain_graph=True)[0]
        assert torch.allclose(slope, higher, rtol=0, atol=1e-13)


def build(head, fields, **options):
    """A field with three levels and random tables, also in the derivatives."""
    spec = hp.Field(head=head, features=3, width=7, depth=2, omega=0.7, **options)
    field = spec.build(hp.Box(x=(0, 1), y=(-1, 1)), fields, (False, True), 3, seed=3)
    tensors = {k: v + 0.3 * torch.randn_like(v) for k, v in field.tensors().items()}
    return field.with_tensors(tensors)


@pytest.mark.parametrize("activation", ["sine", "tanh"])
@pytest.mark.parametrize("fields", [("u",), ("u", "v")])
@pytest.mark.parametrize("head", ["linear", "siren", "siren+linear"])
def test_jets_of_a_field_are_its_derivatives(head, fields, activation):
    """Gradient and second derivatives against automatic differentiation of the value with respect to the points."""
    field = build(head, fields, activation=activation)
    x = torch.rand(2, 6, dtype=torch.float64) * torch.tensor([[1.0], [2.0]]) + torch.tensor([[0.0], [-1.0]])
    x = x.requires_grad_()
    channels = Channels.jet(2, 2) + Channels.laplacian(2)
    jets = field.jets(x, channels).detach()
    for o in range(len(fields)):
        value = field.jets(x, Channels.value(2))[o, 0]
        assert torch.allclose(jets[o, 0], value)
        first = torch.autograd.grad(value.sum(), x, create_graph=True)[0]
        assert torch.allclose(jets[o, 1:3], first, rtol=1e-9, atol=1e-9)
        slopes = field.jets(x, Channels.jet(2, 1))[o]
        rows = [torch.autograd.grad(slopes[1 + i].sum(), x, retain_graph=True)[0] for i in range(2)]
        expected = torch.stack([rows[0][0], rows[0][1], rows[1][1], rows[0][0] + rows[1][1]])
        assert torch.allclose(jets[o, 3:], expected, rtol=1e-8, atol=1e-7)


@pytest.mark.slow_but("linear")
@pytest.mark.parametrize("head", ["siren", "siren+linear"])
def test_gradients_of_a_loss_on_derivatives_taken_by_autograd(head):
    """Two derivatives with respect to the points and one with respect to the weights, all by autograd."""
    field = build(head, ("u",), activation="tanh")
    points = torch.rand(2, 5, dtype=torch.float64).requires_grad_()

    def loss(tensors):
        value = field.with_tensors(tensors).jets(points, Channels.value(2))[0, 0]
        first = torch.autograd.grad(value.sum(), points, create_graph=True)[0]
        second = torch.autograd.grad(first[0].sum(), points, create_graph=True)[0]
        return second.square().sum()

    tensors = {k: v.clone().requires_grad_() for k, v in field.tensors().items()}
    names = [k for k in tensors if k != "encoder/table"]
    found = dict(
        zip(names, torch.autograd.grad(loss(tensors), [tensors[k] for k in names], allow_unused=True), strict=True)
    )
    h = 1e-5
    for name in names:
        direction = torch.randn_like(tensors[name])
        ends = [
            float(loss(field.tensors() | {name: field.tensors()[name] + s * h * direction}).detach()) for s in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * h)
        expected = 0.0 if found[name] is None else float((found[name] * direction).sum())
        assert expected == pytest.approx(slope, rel=1e-5, abs=1e-6), name


@pytest.mark.parametrize("head", ["linear", "siren", "siren+linear"])
def test_gradients_of_a_second_order_loss_by_differences(head):
    """The adjoint of value, gradient and Laplacian with respect to tables, network and gate."""
    field = build(head, ("u", "v"))
    x = torch.rand(2, 5, dtype=torch.float64)
    channels = Channels.jet(2, 1) + Channels.laplacian(2)
    weights = torch.randn(2, len(channels), 5, dtype=torch.float64)
    loss = lambda tensors: (field.with_tensors(tensors).jets(x, channels) * weights).sum()
    tensors = {k: v.clone().requires_grad_() for k, v in field.tensors().items()}
    found = dict(zip(tensors, torch.autograd.grad(loss(tensors), list(tensors.values())), strict=True))
    for name, value in field.tensors().items():
        direction = torch.randn_like(value)
        h = 1e-5
        ends = [float(loss(field.tensors() | {name: value + s * h * direction})) for s in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * h)
        assert float((found[name] * direction).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-6), name


def test_initial_tables_and_weights_follow_the_paper():
    spec = hp.Field(head="siren", features=2, table_size=2**10, width=64, depth=2, omega=0.5)
    field = spec.build(hp.Box(x=(0, 1), y=(0, 1)), ("u",), (False, False), 6, seed=0, dtype=torch.float32)
    group = field.layout.groups[5][0]
    record = field.table[group.offset : group.offset + group.slots * 8].view(-1, 4, 2)
    assert float(record[:, 0].std()) == pytest.approx(0.01, rel=0.1)
    assert float(record[:, 1:].abs().max()) == 0.0
    bounds = [1 / 12, math.sqrt(6 / 64) / 0.5, math.sqrt(6 / 64) / 0.5]
    for weight, bound in zip(field.siren.weights, bounds, strict=True):
        assert 0.9 * bound < float(weight.abs().max()) <= bound
    assert float(field.siren.biases[-1].abs().max()) == 0.0


def test_the_gate_starts_closed_and_the_linear_head_at_zero():
    box = hp.Box(x=(0, 1))
    linear = hp.Field().build(box, ("u",), (False,), 3)
    assert float(linear.table.abs().max()) == 0.0
    gated = hp.Field(head="siren+linear", width=8).build(box, ("u",), (False,), 3)
    x = torch.rand(1, 9, dtype=torch.float64)
    plain = (
        hp.Field(head="linear", features=2).build(box, ("u",), (False,), 3).with_tensors({"encoder/table": gated.table})
    )
    assert torch.equal(gated.jets(x, Channels.value(1)), plain.jets(x, Channels.value(1)))


def test_collapsing_levels_changes_nothing():
    field = build("linear", ("u", "v"))
    x = torch.rand(2, 40, dtype=torch.float64)
    channels = Channels.jet(2, 2)
    single = field.collapsed()
    assert single.layout.levels == 1
    assert torch.allclose(single.jets(x, channels), field.jets(x, channels), rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"head": "mlp"}, "head must be one of"),
        ({"basis": "spline"}, "basis must be one of"),
        ({"ratio": 1.0}, "ratio must be a finite number above 1"),
        ({"width": 0}, "width"),
        ({"omega": -1.0}, "omega"),
    ],
)
def test_bad_options_of_a_field(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        hp.Field(**options)


def test_networks_carry_no_third_derivatives():
    with pytest.raises(InvalidArgumentError, match="up to the second"):
        JetPlan.of(Channels.of(1, [(3,)]))
