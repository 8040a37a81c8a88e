"""Kernels of networks without biases against the same layer by layer, on CPUs, GPUs, and a GPU that is not there."""

import itertools

import pytest
import torch
from emulated_gpu import emulated, why_not
from selection import architectures

from hermite_pinn.cuda.network import perceptron as module
from hermite_pinn.cuda.network.perceptron import Sizes, fits, layered, perceptron
from hermite_pinn.cuda.runtime import host, nvrtc
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError

RAW = torch.ops.hermite_pinn
F32, F64, CPU = torch.float32, torch.float64, torch.device("cpu")
SIZES = [Sizes(16, 64, 1, 16), Sizes(32, 64, 2, 3), Sizes(3, 40, 3, 1), Sizes(1, 5, 1, 33), Sizes(20, 128, 1, 7)]


def network(sizes, dtype=F64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    widths = [sizes.inputs, *[sizes.width] * sizes.depth, sizes.outputs]
    return [torch.randn(b, a, generator=generator, dtype=dtype) / a**0.5 for a, b in itertools.pairwise(widths)]


def numbers(*shape, dtype=F64, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def close(found, expected, tol):
    return bool((found - expected).abs().max() <= tol * expected.abs().max())


@pytest.mark.parametrize("count", [1, 64, 333])
@pytest.mark.parametrize("dtype", [F32, F64], ids=["float32", "float64"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_values_and_gradients_equal_those_layer_by_layer(sizes, dtype, count, device):
    weights, x, seed = network(sizes), numbers(sizes.inputs, count), numbers(sizes.outputs, count, seed=2)
    there = [t.to(device, dtype).requires_grad_() for t in (x, *weights)]
    exact = [t.detach().to("cpu", F64).requires_grad_() for t in there]
    found, expected = perceptron(there[0], there[1:]), layered(exact[0], exact[1:])
    tol = 2e-6 if dtype is F32 else 1e-13
    assert close(found.cpu().double(), expected, tol)
    by = torch.autograd.grad(found, there, seed.to(device, dtype))
    for a, b in zip(by, torch.autograd.grad(expected, exact, seed), strict=True):
        assert close(a.cpu().double(), b, 10 * tol)


def test_the_adjoint_is_the_transpose_of_the_derivative(device):
    """<w, J v> = <J^T w, v>, with J v by forward differentiation of the layers, in inputs and weights together."""
    sizes = Sizes(6, 24, 3, 2)
    given = [numbers(6, 77), *network(sizes)]
    along = [numbers(*t.shape, seed=9 + k) for k, t in enumerate(given)]
    seed = numbers(2, 77, seed=5)
    _, forward = torch.func.jvp(lambda x, *w: layered(x, w), tuple(given), tuple(along))
    first, *others = (t.to(device) for t in given)
    by = RAW.perceptron_adjoint(first, others, seed.to(device), True, True)
    back = sum(float((a.cpu() * b).sum()) for a, b in zip(by, along, strict=True))
    assert back == pytest.approx(float((seed * forward).sum()), rel=1e-12)


def test_gradcheck_to_second_order():
    """First derivatives by the kernel, second by the layers: both against differences."""
    given = [t.requires_grad_() for t in (numbers(2, 3), *network(Sizes(2, 5, 2, 2), seed=3))]
    function = lambda x, *w: perceptron(x, w)
    assert torch.autograd.gradcheck(function, given)
    assert torch.autograd.gradgradcheck(function, given)


def test_only_what_is_asked_for_is_differentiated():
    x, weights = numbers(16, 40, dtype=F32), network(SIZES[0], F32)
    seed = numbers(16, 40, dtype=F32, seed=2)
    both = RAW.perceptron_adjoint(x, weights, seed, True, True)
    assert torch.equal(RAW.perceptron_adjoint(x, weights, seed, True, False)[0], both[0])
    for a, b in zip(RAW.perceptron_adjoint(x, weights, seed, False, True), both[1:], strict=True):
        assert torch.equal(a, b)
    (alone,) = torch.autograd.grad(perceptron(x.requires_grad_(), weights), x, seed)
    assert torch.equal(alone, both[0])


def test_what_is_not_a_number_stays():
    x = numbers(16, 70, dtype=F32)
    x[3, 5] = torch.nan
    found = perceptron(x, network(SIZES[0], F32))
    assert found[:, 5].isnan().all()
    assert int(found.isnan().sum()) == 16


def test_registration():
    given = [t.requires_grad_() for t in (numbers(2, 5), *network(Sizes(2, 4, 1, 1)))]
    torch.library.opcheck(RAW.perceptron, (given[0], given[1:]))


def test_the_number_of_threads_changes_nothing():
    given = [numbers(16, 3000, dtype=F32), network(SIZES[0], F32), numbers(16, 3000, dtype=F32, seed=2), True, True]
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(RAW.perceptron_adjoint(*given))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_no_points(device):
    there = [t.to(device).requires_grad_() for t in (torch.zeros(2, 0), *network(Sizes(2, 4, 1, 1), F32))]
    out = perceptron(there[0], there[1:])
    assert out.shape == (1, 0)
    by = torch.autograd.grad(out.sum(), there)
    assert [tuple(g.shape) for g in by] == [(2, 0), (4, 2), (1, 4)]
    assert float(by[1].abs().max()) == 0.0


@pytest.mark.parametrize(
    ("shapes", "features", "words"),
    [
        ([(4, 2)], (2, 5), "no kernel"),
        ([(4, 2), (3, 5)], (2, 5), "no kernel"),
        ([(200, 2), (3, 200)], (2, 5), "1 to 128 units"),
        ([(4, 2), (3, 4)], (3, 5), "features must be contiguous, of shape"),
        ([(4, 2), (3, 4)], (2,), "features must be"),
    ],
)
def test_operands_that_do_not_fit(shapes, features, words):
    with pytest.raises(InvalidArgumentError, match=words):
        perceptron(torch.zeros(features), [torch.zeros(s) for s in shapes])


def test_weights_of_another_precision_are_refused():
    with pytest.raises(InvalidArgumentError, match="the weight of layer 1"):
        perceptron(torch.zeros(2, 5), [torch.zeros(4, 2), torch.zeros(3, 4, dtype=F64)])


def test_without_a_compiler_there_are_no_kernels(monkeypatch):
    monkeypatch.setattr(host, "available", lambda: False)
    assert not fits(Sizes(4, 16, 2, 1), F32, CPU)


# -- CUDA without a GPU ---
def test_tiles_fit_the_shared_memory_that_every_gpu_has():
    for sizes, dtype in itertools.product(SIZES, (F32, F64)):
        points = module._points(sizes, dtype, "cu")
        if points is not None:
            row = sum(module._padded(n) | 1 for n in (sizes.inputs, *[sizes.width] * sizes.depth, sizes.outputs))
            assert row * points * dtype.itemsize <= 48 * 1024
            assert 4 * points % 32 == 0
    assert module._points(Sizes(128, 128, 12, 1), F64, "cu") is None


@pytest.mark.parametrize("architecture", architectures())
def test_cuda_compiles_without_spilling(architecture):
    try:
        nvrtc.version()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    for operation, dtype in (("forward", F32), ("adjoint", F32), ("adjoint", F64)):
        source = module._source(operation, Sizes(32, 64, 2, 3), dtype, "cu")
        assert nvrtc.compile_for(source, architecture).spilled == 0


@pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
@pytest.mark.parametrize("dtype", [F32, F64], ids=["float32", "float64"])
def test_the_cuda_text_on_an_emulated_gpu(dtype):
    """Indices, dealing of work and barriers of the GPU's branch, in several parts and with a tile that is not full."""
    sizes, n = Sizes(5, 20, 2, 3), 150
    weights, x, seed = network(sizes, dtype), numbers(5, n, dtype=dtype), numbers(3, n, dtype=dtype, seed=2)
    with emulated() as gpu:
        there = [t.to("cuda").requires_grad_() for t in (x, *weights)]
        out = perceptron(there[0], there[1:])
        by = torch.autograd.grad(out, there, seed.to("cuda"))
        assert gpu.launches
        found = [t.detach().cpu() for t in (out, *by)]
    here = [t.clone().requires_grad_() for t in (x, *weights)]
    expected = layered(here[0], here[1:])
    tol = 1e-5 if dtype is F32 else 1e-13
    for a, b in zip(found, (expected, *torch.autograd.grad(expected, here, seed)), strict=True):
        assert close(a, b, tol)
