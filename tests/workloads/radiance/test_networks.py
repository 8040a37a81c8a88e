"""Networks of radiance fields."""

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.network.activation import ACTIVATIONS
from hermite_pinn.cuda.runtime import host
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.workloads.radiance.networks import Network

F64 = torch.float64


def network(*sizes, **options):
    return Network(*sizes, generator=torch.Generator().manual_seed(3), dtype=F64, **options)


def plain(network, features):
    *hidden, last = network.weights
    for weight in hidden:
        features = torch.relu(weight @ features)
    return last @ features


@pytest.mark.parametrize("sizes", [(16, 64, 1, 16), (32, 64, 2, 3), (4, 200, 1, 2)])
def test_values_are_those_of_its_layers(sizes):
    made = network(*sizes)
    x = torch.randn(sizes[0], 50, dtype=F64)
    assert torch.allclose(made(x), plain(made, x), rtol=1e-13, atol=1e-14)


def test_without_a_compiler_the_values_are_the_same(monkeypatch):
    made, x = network(4, 8, 2, 2), torch.randn(4, 9, dtype=F64)
    expected = made(x)
    monkeypatch.setattr(host, "available", lambda: False)
    assert torch.allclose(made(x), expected, rtol=1e-13)


@pytest.mark.parametrize("activation", ["relu", *ACTIVATIONS])
def test_gradients_of_every_activation(activation):
    made = network(3, 6, 1, 2, activation=activation)
    x = torch.randn(3, 4, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *given: made(given[0]), (x, *made.weights))


def test_weights_are_drawn_by_the_generator_alone():
    first, again = network(8, 64, 1, 4), network(8, 64, 1, 4)
    for a, b in zip(first.weights, again.weights, strict=True):
        assert torch.equal(a, b)
    widest = first.weights[0].detach()
    assert float(widest.abs().max()) <= (6 / 72) ** 0.5
    assert float(widest.var()) == pytest.approx(2 / 72, rel=0.1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 0}, "width must be an integer of at least 1"),
        ({"hidden": 0}, "hidden must be"),
        ({"activation": "rleu"}, "did you mean 'relu'"),
        ({"dtype": torch.float16}, "float32 or torch.float64"),
    ],
)
def test_sizes_that_make_no_network(given, words):
    with pytest.raises(InvalidArgumentError, match=words):
        Network(**({"inputs": 2, "width": 4, "hidden": 1, "outputs": 1} | given))


@pytest.mark.parametrize("features", [torch.zeros(3, 5), torch.zeros(2), torch.zeros(2, 5, dtype=F64)])
def test_features_that_do_not_fit(features):
    with pytest.raises(InvalidArgumentError, match="a network of 2 inputs"):
        Network(2, 4, 1, 1)(features)


def test_a_field_of_differential_equations_has_no_rectified_units():
    with pytest.raises(InvalidArgumentError, match="second derivatives of a rectified unit vanish"):
        hp.Field(head="siren", activation="relu")
