"""A GPU that is not there (``emulated_gpu.py``): its rules, launches, and what is run on a real one."""

import importlib.util

import numpy as np
import pytest
import torch
from emulated_gpu import emulated, why_not
from emulated_kernels import Kernel, LaunchError
from grids import some_vertices

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.cuda.encoder import half, launch, ops, resources
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.specialization import Specialization
from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step
from hermite_pinn.cuda.runtime import source
from hermite_pinn.cuda.tensor_grid.axis import evaluation_matrix
from hermite_pinn.doctor import examine
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError, OutOfMemoryError
from hermite_pinn.validation.performance import gpu_check
from hermite_pinn.validation.performance.correctness import operator_rows
from hermite_pinn.validation.performance.roofline import Roof, axis_rows

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning"),
]

NETWORK = hp.Field(head="siren", features=2, table_size=2**6, width=8, omega=1.0)


@pytest.fixture
def gpu():
    """An emulated GPU."""
    with emulated() as found:
        yield found


# -- the rules ---
REFUSED = {
    "both devices": lambda g, c: g + c,
    "both devices in a product": lambda g, c: g @ c,
    "a host tensor changed by the GPU's": lambda g, c: c.add_(g),
    "both devices in a list": lambda g, c: torch.cat([g, c]),
    "a scalar of the host in a list": lambda g, c: torch.stack([g[0], c[0]]),
    "a host tensor indexed by the GPU's": lambda g, c: c[g.long()],
    "values of the host": lambda g, c: g.index_put_((torch.tensor([0, 1], device="cuda"),), c[:2]),
    "NumPy": lambda g, c: g.numpy(),
    "a NumPy array": lambda g, c: np.asarray(g),
    "random numbers of the host": lambda g, c: torch.rand(3, generator=torch.Generator(), device="cuda"),
    "random numbers of the GPU": lambda g, c: torch.rand(3, generator=torch.Generator("cuda")),
    "products of integers": lambda g, c: g.long() @ g.long(),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_gpu_refuses_is_refused(gpu, what):
    with pytest.raises((RuntimeError, TypeError)):
        REFUSED[what](torch.arange(3.0, device="cuda"), torch.arange(3.0))


ALLOWED = {
    "a scalar of the host": lambda g, c: g + c[1],
    "a copy": lambda g, c: g.copy_(c),
    "a number": lambda g, c: torch.where(g > 1, 0.5, g),
    "gradients": lambda g, c: torch.autograd.grad((g.requires_grad_() ** 2).sum(), g)[0],
    "a mask": lambda g, c: g[g > 1],
    "indices of the host": lambda g, c: g[[0, 2]],
    "views": lambda g, c: g.view(3, 1).T.clone(),
    "random numbers": lambda g, c: torch.rand(3, generator=torch.Generator("cuda").manual_seed(0), device="cuda"),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_what_a_gpu_does_is_done(gpu, what):
    found = ALLOWED[what](torch.arange(3.0, device="cuda"), torch.arange(3.0))
    assert found.is_cuda
    assert found.cpu().device.type == "cpu"


WAITS = {
    "a number": lambda g: float(g[0]),
    "a branch": lambda g: bool((g > 0).all()),
    "a list": lambda g: g.tolist(),
    "a copy to the host": lambda g: g.cpu(),
    "a list of the host": lambda g: torch.tensor([1.0, 2.0], device="cuda"),
    "a mask": lambda g: g[g > 1],
    "indices of the host": lambda g: g[[0, 1]],
    "places": lambda g: (g > 1).nonzero(),
}


@pytest.mark.parametrize("what", WAITS)
def test_waits_are_counted_and_stop_a_recording(gpu, what):
    g = torch.arange(3.0, device="cuda")
    before = len(gpu.waits)
    WAITS[what](g)
    assert len(gpu.waits) > before
    with pytest.raises(AssertionError), gpu.hurry():
        WAITS[what](g)
    with pytest.raises(RuntimeError, match="capturing"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        WAITS[what](g)


def test_pinned_memory_is_sent_without_waiting(gpu):
    g, sent = torch.zeros(2, device="cuda"), torch.ones(2).pin_memory()
    with gpu.hurry():
        g.copy_(sent, non_blocking=True)
    assert g.tolist() == [1.0, 1.0]


def test_a_graph_repeats_what_was_recorded_on_the_same_memory(gpu):
    """Recording does nothing; a start draws new random numbers, and knows of no Python."""
    generator = torch.Generator("cuda").manual_seed(0)
    x, seen, graph = torch.zeros(3, device="cuda"), [], torch.cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="generator"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        torch.rand(3, generator=generator, device="cuda")
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        seen.append(1)
        x += torch.rand(3, generator=generator, device="cuda")
    assert x.tolist() == [0.0] * 3
    graph.replay()
    graph.replay()
    expected = torch.rand(2, 3, generator=torch.Generator().manual_seed(0))
    assert x.tolist() == pytest.approx((expected[0] + expected[1]).tolist())
    assert seen == [1]


# -- launches ---
def encoder(order=0, indexed=False):
    layout = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (8, 8)), "cubic", 2)
    if indexed:
        layout = layout.with_levels(layout.resolutions, (None, some_vertices(layout, 1)))
    return layout, Channels.jet(2, order), torch.randn(layout.size), torch.rand(2, 50)


MISTAKES = {
    "no argument missing": (lambda a: a[:-1], "14 parameters and was given 13"),
    "sizes of 64 bits": (lambda a: [np.int32(a[0]), *a[1:]], "int32 for a integer of 8 bytes"),
    "order": (lambda a: [*a[:6], a[7], a[6], *a[8:]], "float64 for a pointer to a floating-point number of 4 bytes"),
    "kind": (lambda a: [*a[:8], np.int64(1), *a[9:]], "int64 for a floating-point number"),
    "numbers of Python": (lambda a: [40, *a[1:]], "CuPy takes numbers of NumPy"),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_arguments_that_do_not_fit_a_kernel_are_refused(gpu, what):
    change, message = MISTAKES[what]
    kernel = Kernel(gpu, source.assembled("optimizer/adam.cu", {"HP_REAL": "float", "HP_BLOCK": 128}), "hp_adam")
    held = [torch.zeros(40, device="cuda") for _ in range(5)] + [torch.zeros(2, dtype=torch.float64, device="cuda")]
    places = [np.uint64(t.data_ptr()) for t in held]
    given = [np.int64(40), np.int64(40), *places, *[np.float64(0.1)] * 6]
    kernel((1, 1), (128,), given)
    with pytest.raises(LaunchError, match=message):
        kernel((1, 1), (128,), change(given))
    with pytest.raises(LaunchError, match="illegal"):
        kernel((1, 1), (128,), [*given[:2], np.uint64(torch.zeros(40).data_ptr()), *given[3:]])
    for grid, threads in (((0, 1), 128), ((1, 70000), 128), ((1, 1), 256)):
        with pytest.raises(LaunchError, match="invalid value"):
            kernel(grid, (threads,), given)


def test_kernels_refuse_tensors_of_the_other_side(gpu):
    layout, channels, table, x = encoder()
    there = x.cuda()
    with pytest.raises(BackendUnavailableError, match="illegal"):
        launch.on_device(
            Specialization.of("jets", layout, channels, "float32"),
            layout, there, table, None, torch.empty(2, 2, 1, 50, device="cuda"),
        )  # fmt: skip
    matrix = evaluation_matrix("cubic", 2, (0.0, 1.0), False, np.array([0.25]), orders=(0,))
    with pytest.raises(InvalidArgumentError, match=r"on cpu was applied .* on cuda"):
        matrix.apply([(0, torch.ones(6, dtype=torch.float64, device="cuda"))], 0, torch.ones(1, dtype=torch.float64))
    p = torch.zeros(3, device="cuda")
    with pytest.raises(InvalidArgumentError, match=r"scalars must be .* on cuda"):
        adam_step(p, torch.ones_like(p), (p.clone(), p.clone()), None, torch.zeros(2, dtype=torch.float64), AdamRule())


@pytest.mark.parametrize("indexed", [False, True])
def test_records_begin_where_vector_loads_can_read_them(gpu, indexed):
    """A part of a larger tensor begins anywhere: it is copied first."""
    layout, channels, table, x = encoder(indexed=indexed)
    whole = torch.cat([torch.zeros(1), table]).cuda()
    spec = Specialization.of("jets", layout, channels, "float32")
    with pytest.raises(BackendUnavailableError, match="misaligned"):
        launch.on_device(spec, layout, x.cuda(), whole[1:], None, torch.empty(2, 2, 1, 50, device="cuda"))
    found = ops.jets(x.cuda(), whole[1:], layout, channels)
    assert torch.equal(found.cpu(), ops.jets(x.cuda(), table.cuda(), layout, channels).cpu())
    assert torch.allclose(found.cpu(), ops.jets(x, table, layout, channels), atol=1e-5)
    copied = ops.jets(x.cuda(), table.cuda(), layout, channels, copy=half.half_copy(table.cuda()))
    assert torch.allclose(found.cpu(), copied.cpu(), atol=1e-2)


def test_what_finds_no_memory_is_explained(gpu, monkeypatch):
    gpu.total_memory = 2**20
    with pytest.raises(OutOfMemoryError, match="MiB"):
        hp.solve(problems.helmholtz2d(), levels=[64, 128, 256], device="cuda")


# -- what is run on a real one ---
def test_the_checks_for_real_gpus_pass(gpu):
    place = torch.device("cuda", 0)
    assert [r.label for r in operator_rows(place) if r.verdict != "met"] == []


@pytest.mark.slow
def test_the_measurements_for_real_gpus_run(gpu):
    sizes = gpu_check.Sizes(2**16, 2**8, 2**6, 50, 2, ((8, 8),), "small")
    report = gpu_check.run(torch.device("cuda", 0), 100.0, sizes, tests=False, only=["Memory", "Encoder"])
    assert [s.failure for s in report.sections] == [""] * 2
    assert report.machine["gpu"] == "Emulated GPU"
    assert all(r.value for r in axis_rows(torch.device("cuda", 0), (8, 8), Roof(1.0, 1.0)) if r.target is not None)
    assert resources.loaded(resources.standard()[:1])[0].registers == 64


def test_the_doctor_finds_the_gpu(gpu, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *given: name == "cupy" or find(name, *given))
    found = {f.subject: f.state for f in examine()}
    assert (found["GPU"], found["CuPy"]) == ("ok", "ok")
