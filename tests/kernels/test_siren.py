"""The fused network kernels against the network layer by layer: on CPUs and GPUs, and as CUDA run by CPU threads."""

import itertools
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from on_device import OnDevice
from selection import architectures

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.network import siren
from hermite_pinn.cuda.network.activation import ACTIVATIONS, JetPlan
from hermite_pinn.cuda.network.siren import Shape, fits, flat_parameters, fused_jets, layered
from hermite_pinn.cuda.runtime import host, nvrtc
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError

VALUE, LAPLACIAN, ALL = Channels.value(2), Channels.value(2) + Channels.laplacian(2), Channels.jet(2, 2)
SHAPES = [Shape(16, 128, 2, 1), Shape(5, 7, 1, 2), Shape(3, 20, 4, 3)]


def network(shape, dtype=torch.float64):
    sizes = [shape.inputs, *[shape.width] * shape.depth, shape.outputs]
    weights = [torch.randn(b, a, dtype=dtype) / a**0.5 for a, b in itertools.pairwise(sizes)]
    return weights, [torch.randn(b, dtype=dtype) for b in sizes[1:]]


def close(found, expected, tol):
    return bool((found - expected).abs().max() <= tol * expected.abs().max())


# -- numbers ---
@pytest.mark.slow_but("-63")
@pytest.mark.parametrize("count", [1, 63, 150])
@pytest.mark.parametrize("channels", [VALUE, LAPLACIAN, ALL], ids=["value", "laplacian", "all"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_jets_and_gradients_equal_those_layer_by_layer(shape, channels, count, device):
    plan, (weights, biases) = JetPlan.of(channels), network(shape)
    x = torch.randn(shape.inputs, len(plan.carried), count, dtype=torch.float64)
    seed = torch.randn(shape.outputs, len(plan.carried), count, dtype=torch.float64)
    there = [t.to(device).requires_grad_() for t in (x, *weights, *biases)]
    mine, theirs = there[0], [t.detach().cpu().requires_grad_() for t in there]
    w, b = there[1 : len(weights) + 1], there[len(weights) + 1 :]
    found = fused_jets(mine, flat_parameters(w, b), shape, 0.7, "sine", plan)
    layers = list(zip(theirs[1 : len(weights) + 1], theirs[len(weights) + 1 :], strict=True))
    expected = layered(theirs[0], layers, 0.7, "sine", plan.key)
    assert close(found.cpu(), expected, 1e-13)
    by = torch.autograd.grad(found, there, seed.to(device))
    for a, g in zip(by, torch.autograd.grad(expected, theirs, seed), strict=True):
        assert close(a.cpu(), g, 1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name, device):
    shape, plan = Shape(4, 12, 2, 1), JetPlan.of(LAPLACIAN)
    weights, biases = network(shape)
    x = torch.randn(4, len(plan.carried), 40, dtype=torch.float64).to(device)
    there = [t.to(device).requires_grad_() for t in (x, *weights, *biases)]
    flat = flat_parameters(there[1:4], there[4:])
    seed = torch.randn(1, len(plan.carried), 40, dtype=torch.float64, device=device)
    results = []
    for out in (
        fused_jets(there[0], flat, shape, 1.3, name, plan),
        layered(there[0], siren._layers(flat, shape), 1.3, name, plan.key),
    ):
        results.append([out, *torch.autograd.grad(out, there, seed, retain_graph=True)])
    for a, b in zip(*results, strict=True):
        assert close(a, b, 1e-12)


def test_single_precision_to_its_rounding(device):
    shape, plan = Shape(16, 128, 2, 1), JetPlan.of(LAPLACIAN)
    weights, biases = network(shape)
    x = torch.randn(16, len(plan.carried), 333, dtype=torch.float64)
    exact = fused_jets(x, flat_parameters(weights, biases), shape, 0.5, "sine", plan)
    single = [t.to(device, torch.float32) for t in (x, flat_parameters(weights, biases))]
    assert close(fused_jets(*single, shape, 0.5, "sine", plan).cpu().double(), exact, 3e-6)


def test_the_adjoint_is_the_transpose_of_the_derivative(device):
    """<w, J v> = <J^T w, v> with J v by differences of the kernel itself, in inputs and parameters together."""
    shape, plan = Shape(6, 24, 3, 2), JetPlan.of(LAPLACIAN)
    x = torch.randn(6, len(plan.carried), 77, dtype=torch.float64, device=device)
    flat = flat_parameters(*network(shape)).to(device)
    mask = flat_parameters(*[[torch.ones_like(t) for t in part] for part in network(shape)]).to(device)
    seed = torch.randn(2, len(plan.carried), 77, dtype=torch.float64, device=device)
    v, u, h = torch.randn_like(x), mask * torch.randn_like(flat), 3e-6
    ends = [fused_jets(x + s * h * v, flat + s * h * u, shape, 0.9, "sine", plan) for s in (1, -1)]
    forward = float((seed * (ends[0] - ends[1])).sum()) / (2 * h)
    by_x, by_flat = torch.ops.hermite_pinn.siren_adjoint(x, flat, seed, [6, 24, 3, 2], 0.9, "sine", plan.key)
    assert float((by_x * v).sum() + (by_flat * u).sum()) == pytest.approx(forward, rel=1e-6)


def test_gradcheck_to_second_order():
    """First derivatives by the kernel, second by the layers: both against differences."""
    shape, plan = Shape(2, 3, 2, 1), JetPlan.of(Channels.laplacian(1))
    x = torch.randn(2, len(plan.carried), 3, dtype=torch.float64, requires_grad=True)
    flat = flat_parameters(*network(shape)).requires_grad_()
    function = lambda a, p: fused_jets(a, p, shape, 0.8, "tanh", plan)
    assert torch.autograd.gradcheck(function, (x, flat))
    assert torch.autograd.gradgradcheck(function, (x, flat))


def test_registration():
    shape, plan = Shape(2, 4, 1, 1), JetPlan.of(VALUE)
    x = torch.randn(2, 1, 5, requires_grad=True)
    flat = flat_parameters(*network(shape, torch.float32)).requires_grad_()
    torch.library.opcheck(torch.ops.hermite_pinn.siren, (x, flat, [2, 4, 1, 1], 0.8, "tanh", plan.key))


def test_threads_change_the_last_bits_at_most_and_repetition_none():
    shape, plan = Shape(4, 16, 2, 1), JetPlan.of(LAPLACIAN)
    x = torch.randn(4, len(plan.carried), 1000, dtype=torch.float64)
    flat, seed = flat_parameters(*network(shape)), torch.randn(1, len(plan.carried), 1000, dtype=torch.float64)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 3, 3):
            torch.set_num_threads(count)
            found.append(torch.ops.hermite_pinn.siren_adjoint(x, flat, seed, [4, 16, 2, 1], 0.9, "sine", plan.key)[1])
    finally:
        torch.set_num_threads(threads)
    assert close(found[1], found[0], 1e-13)
    assert torch.equal(found[1], found[2])


def test_no_points(device):
    shape, plan = Shape(2, 4, 1, 1), JetPlan.of(VALUE)
    x = torch.zeros(2, 1, 0, device=device, requires_grad=True)
    flat = flat_parameters(*network(shape, torch.float32)).to(device).requires_grad_()
    out = fused_jets(x, flat, shape, 1.0, "sine", plan)
    assert out.shape == (1, 1, 0)
    assert float(torch.autograd.grad(out.sum(), flat)[0].abs().max()) == 0.0


# -- the switch ---
def field(width=32, **options):
    spec = hp.Field(head="siren", width=width, omega=0.7, **options)
    return spec.build(hp.Box(x=(0, 1), y=(0, 1)), ("u", "v"), (False, False), 3, seed=1)


def test_the_switch_changes_nothing_beyond_rounding(monkeypatch):
    calls = []
    original = siren._run
    monkeypatch.setattr(siren, "_run", lambda *given: calls.append(given[0]) or original(*given))
    x = torch.rand(2, 50, dtype=torch.float64)
    expected = field(fused=False).jets(x, ALL)
    assert calls == []
    assert close(field(fused=True).jets(x, ALL), expected, 1e-13)
    assert close(field().jets(x, ALL), expected, 1e-13)
    assert calls == ["forward"] * 2
    field(width=8).jets(x, VALUE)
    assert len(calls) == 2  # on a CPU small networks do not repay a compilation
    field(width=8, fused=True).jets(x, VALUE)
    assert len(calls) == 3


def test_networks_the_kernels_do_not_serve():
    plan, cpu = JetPlan.of(VALUE), torch.device("cpu")
    assert not fits(Shape(4, 129, 2, 1), plan, torch.float32, cpu)
    assert Shape.of([torch.zeros(8, 2), torch.zeros(9, 8), torch.zeros(1, 9)]) is None
    wide = hp.Field(head="siren", width=200, fused=True)
    built = wide.build(hp.Box(x=(0, 1)), ("u",), (False,), 2)
    with pytest.raises(InvalidArgumentError, match="one width up to 128"):
        built.jets(torch.rand(1, 3, dtype=torch.float64), Channels.value(1))
    other = hp.Field(head="siren", width=200).build(hp.Box(x=(0, 1)), ("u",), (False,), 2)
    assert other.jets(torch.rand(1, 3, dtype=torch.float64), Channels.value(1)).shape == (1, 1, 3)


def test_without_a_compiler_the_layers_are_used(monkeypatch):
    monkeypatch.setattr(host, "available", lambda: False)
    assert not fits(Shape(4, 16, 2, 1), JetPlan.of(LAPLACIAN), torch.float32, torch.device("cpu"))


# -- CUDA without a GPU ---
def tilings():
    for shape, channels, dtype in itertools.product(SHAPES, [VALUE, LAPLACIAN, ALL], [torch.float32, torch.float64]):
        yield shape, JetPlan.of(channels), dtype


def test_tiles_fit_the_shared_memory_that_every_gpu_has():
    for shape, plan, dtype in tilings():
        tiling = siren._tiling(shape, len(plan.carried), dtype, "cu")
        used = siren._memory(shape, len(plan.carried), tiling) * dtype.itemsize
        assert used <= 48 * 1024
        assert tiling.threads % 32 == 0
    assert siren._tiling(Shape(128, 128, 12, 1), 15, torch.float64, "cu") is None


@pytest.mark.slow
@pytest.mark.parametrize("architecture", architectures())
def test_cuda_compiles_without_spilling(architecture):
    """The compiler itself refuses more shared memory than there is."""
    try:
        nvrtc.version()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    shape = Shape(16, 128, 2, 1)
    for channels, dtype, operation in (
        (LAPLACIAN, torch.float32, "forward"),
        (LAPLACIAN, torch.float32, "adjoint"),
        (VALUE, torch.float32, "adjoint"),
        (LAPLACIAN, torch.float64, "adjoint"),
    ):
        source = siren._source(operation, shape, "sine", JetPlan.of(channels).key, dtype, "cu")
        assert nvrtc.compile_for(source, architecture).spilled == 0


def test_launch_geometry_and_arguments(monkeypatch):
    """A block per tile, for the adjoint at most PARTS with sums of their own; arguments in the order of siren.cu."""
    calls = []
    monkeypatch.setattr(siren.device, "start", lambda *given: calls.append(given))
    shape, plan = Shape(16, 128, 2, 1), JetPlan.of(LAPLACIAN)
    flat = flat_parameters(*network(shape, torch.float32))
    x = torch.zeros(16, len(plan.carried), 10_001).as_subclass(OnDevice)
    out, seed = torch.zeros(1, len(plan.carried), 10_001), torch.zeros(1, len(plan.carried), 10_001)
    siren._run("forward", x, flat, None, out, 0.5, (shape, "sine", plan.key))
    siren._run("adjoint", x, flat, seed, out, 0.5, (shape, "sine", plan.key))
    tiling = siren._tiling(shape, len(plan.carried), torch.float32, "cu")
    assert [c[3] for c in calls] == [(-(-10_001 // tiling.points), 1), (siren.PARTS, 1)]
    for (source, name, index, _, arguments, threads), weights in zip(calls, (None, seed), strict=True):
        assert (name, index, threads) == ("hp_siren", 3, tiling.threads)
        n, features, parameters, turned, given, result, sums, omega = arguments
        assert (n, omega) == (10_001, 0.5)
        assert features is x
        assert parameters is flat
        assert given is weights
        assert result is out
        assert turned.numel() == 128 * (16 + 128)
        assert torch.equal(turned[:4], flat[: 4 * 16 : 16])  # W_1 by columns
        assert (sums is None) == (weights is None)
        assert f"#define HP_POINTS {tiling.points}\n" in source
    assert calls[1][4][6].shape == (siren.PARTS, flat.numel())


MAIN = """
int main() {{
  const auto features = read<real>("features"), parameters = read<real>("parameters"), turned = read<real>("turned"), seed = read<real>("seed");
  std::vector<real> out({out}), sums({blocks} * hp::PARAMETERS);
  launch({blocks}, HP_THREADS, [&] {{
    hp_siren({n}, features.data(), parameters.data(), turned.data(), seed.data(), out.data(), sums.data(), {omega});
  }});
  write("out", out);
  write("sums", sums);
}}
"""


@pytest.mark.slow_but("float64")
@pytest.mark.parametrize("operation", ["forward", "adjoint"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_the_cuda_text_run_by_cpu_threads(dtype, operation, tmp_path):
    """Indices, dealing of work and barriers of the GPU's branch; the thread sanitizer finds missing barriers."""
    shape, n, blocks = Shape(5, 20, 2, 2), 37, 2
    plan = JetPlan.of(LAPLACIAN if operation == "adjoint" else VALUE)
    text = siren._source(operation, shape, "sine", plan.key, dtype, "cu")
    head = (Path(__file__).parents[1] / "support" / "cuda_on_cpu.hpp").read_text()
    x = torch.randn(5, len(plan.carried), n, dtype=dtype)
    flat, seed = flat_parameters(*network(shape, dtype)), torch.randn(2, len(plan.carried), n, dtype=dtype)
    turned = torch.cat([w.t().reshape(-1) for w in siren._stored(flat, shape)[:-1]])
    for name, tensor in (("features", x), ("parameters", flat), ("turned", turned), ("seed", seed)):
        tensor.numpy().tofile(tmp_path / name)
    expected = fused_jets(x, flat, shape, 0.6, "sine", plan)
    by_flat = None
    if operation == "adjoint":
        given = ([5, 20, 2, 2], 0.6, "sine", plan.key)
        expected, by_flat = torch.ops.hermite_pinn.siren_adjoint(x, flat, seed, *given)
    main = MAIN.format(out=expected.numel(), blocks=blocks, n=n, omega=0.6)
    (tmp_path / "kernel.cpp").write_text(head + text + main)
    build = [*host.compiler(), "-std=c++17", "-O1", "-w", "-pthread", "-fsanitize=thread", "-o", "kernel", "kernel.cpp"]
    made = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "tsan" in made.stderr and made.returncode:
        pytest.skip("the compiler has no thread sanitizer")
    assert made.returncode == 0, made.stderr
    run = subprocess.run(["./kernel"], cwd=tmp_path, capture_output=True, text=True, check=False)
    if "FATAL: ThreadSanitizer" in run.stderr:
        pytest.skip(run.stderr.strip())
    assert run.returncode == 0, run.stderr[:3000]
    tol = 1e-5 if dtype == torch.float32 else 1e-13
    read = lambda name: torch.as_tensor(np.fromfile(tmp_path / name, dtype=str(dtype).removeprefix("torch.")))
    assert close(read("out"), expected.reshape(-1), tol)
    if by_flat is not None:
        assert close(read("sums").view(blocks, -1).sum(0), by_flat, tol)


@pytest.mark.parametrize("allow", [True, False])
def test_products_in_solve_keep_their_bits_and_settings_come_back(allow, monkeypatch):
    """A process may allow TensorFloat-32 for other work; a run must not use it, and must not change the choice."""
    seen = []

    class Look(hp.Callback):
        def on_step(self, state):
            products = torch.backends.cuda.matmul
            seen.append(getattr(products, "fp32_precision", None) or torch.get_float32_matmul_precision())

    torch.set_float32_matmul_precision("high" if allow else "highest")
    try:
        options = {"steps": 2, "points": 20, "face_points": 5, "check_every": 1}
        hp.solve(problems.helmholtz2d(a=1), method=hp.Adam(**options), levels=2, callbacks=Look(), dtype="float32")
        assert torch.get_float32_matmul_precision() == ("high" if allow else "highest")
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(seen) <= {"ieee", "highest"} | (set() if allow else {"none"})
