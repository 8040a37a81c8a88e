"""What is known already is not computed again, and has the gradients of what would be."""

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.network.perceptron import perceptron, recalled_perceptron
from hermite_pinn.cuda.runtime import host
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.encoders import ENCODERS

F64 = torch.float64
VALUE = Channels.value(3)


def drawn(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def gradients(out, leaves):
    return torch.autograd.grad((out * drawn(*out.shape, seed=7)).sum(), leaves)


@pytest.fixture(params=["kernels", "plain"])
def either(request, monkeypatch):
    """With a compiler, and without."""
    if request.param == "plain":
        monkeypatch.setattr(host, "available", lambda: False)
    elif not host.available():
        pytest.skip("no C++ compiler")


@pytest.mark.parametrize("basis", ["linear", "cubic"])
def test_recalled_jets_are_jets_with_their_gradients(either, basis):
    layout = GridLayout((0.0,) * 3, (1.0,) * 3, ((4,) * 3, (8,) * 3), basis, features=2)
    table = drawn(layout.size).requires_grad_()
    points, index = torch.rand(3, 50, dtype=F64), torch.tensor([3, 49, 0, 7])
    known = ops.jets(points, table.detach(), layout, VALUE)
    chosen = points[:, index].requires_grad_()
    expected = ops.jets(chosen, table, layout, VALUE)
    found = ops.recalled_jets(chosen, table, known, index, layout, VALUE)
    assert torch.allclose(found, expected, rtol=1e-14)
    for a, b in zip(gradients(found, [table, chosen]), gradients(expected, [table, chosen]), strict=True):
        assert torch.allclose(a, b, rtol=1e-13, atol=1e-13)


def test_nothing_is_computed_for_recalled_jets():
    layout = GridLayout((0.0,) * 3, (1.0,) * 3, ((4,) * 3,), "linear", features=2)
    known = drawn(1, 2, 1, 5)
    found = ops.recalled_jets(
        torch.rand(3, 2, dtype=F64), drawn(layout.size), known, torch.tensor([4, 1]), layout, VALUE
    )
    assert torch.equal(found, known[..., [4, 1]])


def test_a_recalled_perceptron_is_one_with_its_gradients_of_two_orders():
    if not host.available():
        pytest.skip("no C++ compiler")
    weights = [drawn(16, 5).requires_grad_(), drawn(3, 16, seed=1).requires_grad_()]
    features, index = drawn(5, 40, seed=2), torch.tensor([39, 1, 17])
    known, chosen = perceptron(features, weights).detach(), features[:, index].requires_grad_()
    leaves, second = [chosen, *weights], []
    for out in (perceptron(chosen, weights), recalled_perceptron(chosen, weights, known, index)):
        first = torch.autograd.grad((out * drawn(3, 3, seed=7)).sum(), leaves, create_graph=True)
        second.append([out, *first, *torch.autograd.grad(sum(g.square().sum() for g in first), leaves)])
    for a, b in zip(*second, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_what_does_not_fit_is_refused():
    layout = GridLayout((0.0,) * 3, (1.0,) * 3, ((4,) * 3,), "linear", features=2)
    table, x, index = drawn(layout.size), torch.rand(3, 2, dtype=F64), torch.tensor([0, 1])
    weights = [drawn(16, 5), drawn(3, 16)]
    for known, chosen in ((drawn(1, 3, 1, 5), index), (drawn(1, 2, 1, 5), index[:1]), (drawn(1, 2, 1, 5), index.int())):
        with pytest.raises(InvalidArgumentError):
            ops.recalled_jets(x, table, known, chosen, layout, VALUE)
    for known, chosen in ((drawn(4, 9), index), (drawn(3, 9), index[:1])):
        with pytest.raises(InvalidArgumentError):
            recalled_perceptron(drawn(5, 2), weights, known, chosen)


@pytest.mark.parametrize("name", [name for name, kind in ENCODERS.items() if "siren" in (kind.heads or {"siren"})])
def test_every_encoder_recalls(name):
    options = hp.Field(encoder=name, head="siren")
    box = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))
    generator = torch.Generator().manual_seed(0)
    made = ENCODERS[name].build(options, box, (False,) * 3, [4, 8], 2, generator, F64, torch.device("cpu"), 0)
    points, index = torch.rand(3, 20, dtype=F64), torch.tensor([5, 2])
    known = made.jets(points, VALUE)
    assert torch.allclose(made.recalled_jets(points[:, index], VALUE, known, index), known[..., index])
