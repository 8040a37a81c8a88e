"""NVRTC compiles every kernel for every architecture, with no GPU present; launch logic with a recording backend."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sparse
import torch
from assembly import ptx
from emulated_kernels import Entered
from grids import combinations, layout
from on_device import OnDevice
from selection import architectures, marked

from hermite_pinn.cuda.encoder import launch, resources
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.specialization import OPERATIONS, TO_TABLE, Specialization
from hermite_pinn.cuda.network.activation import ACTIVATIONS, JetPlan, _source
from hermite_pinn.cuda.runtime import device as cuda_device
from hermite_pinn.cuda.runtime import nvrtc
from hermite_pinn.cuda.tensor_grid.axis import MAX_TERMS_DEVICE, AxisMatrix
from hermite_pinn.cuda.tensor_grid.axis import _source as axis_source
from hermite_pinn.errors import BackendUnavailableError


@pytest.fixture(scope="module", autouse=True)
def installed():
    try:
        nvrtc.version()
    except BackendUnavailableError as error:
        pytest.skip(str(error))


def specialisations():
    for basis, dim, tables in combinations():
        if tables == "hashed":
            continue  # hashing is run-time data: the same kernel as dense
        yield basis, dim, tables


def every_specialisation():
    """All operations of all grids; a third of them, in which every operation and every grid is, are not slow."""
    for number, (case, operation) in enumerate(itertools.product(marked(specialisations()), OPERATIONS)):
        slow = [] if number % 3 == 0 else [pytest.mark.slow]
        yield pytest.param(*case.values, operation, marks=[*case.marks, *slow])


@pytest.mark.slow_but("linear-1", "cubic-2")
@pytest.mark.parametrize(("basis", "dim", "tables", "operation"), list(every_specialisation()))
def test_every_specialisation_compiles(basis, dim, tables, operation):
    grid = layout(basis, dim, tables)
    channels = Channels.jet(dim, 1)
    if operation != "input_gradient":
        channels = channels + Channels.laplacian(dim)
    # every architecture and both precisions are reached by every operation: not the full product, which takes minutes
    turn = OPERATIONS.index(operation) + dim + list(BASES).index(basis)
    spec = Specialization.of(operation, grid, channels, ("float32", "float64")[turn % 2])
    assert nvrtc.compile_for(spec.source("cu"), nvrtc.ARCHITECTURES[turn % len(nvrtc.ARCHITECTURES)]).size > 0


@pytest.mark.slow_but("jets")
@pytest.mark.parametrize("tables", ["dense", pytest.param("indexed", marks=pytest.mark.slow)])
@pytest.mark.parametrize("architecture", architectures())
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_architecture_compiles_without_spilling(architecture, operation, tables):
    """The common case, value and Laplacian of a cubic field in two and three dimensions, stays in registers."""
    for dim in (2, 3):
        channels = Channels.value(dim)
        if operation != "input_gradient":
            channels = channels + Channels.laplacian(dim)
        spec = Specialization.of(operation, layout("cubic", dim, tables), channels, "float32")
        found = nvrtc.compile_for(spec.source("cu"), architecture)
        assert found.spilled == 0
        assert found.registers <= 168


@pytest.mark.slow
def test_standard_kernels_stay_in_registers():
    """On Hopper, what most runs use spills nothing and has no array in local memory; the table names every kernel."""
    rows = resources.compiled(architecture="90")
    for row in rows:
        assert (row.spilled, row.local) == (0, 0), row.kernel
        assert row.warps >= 8, row.kernel
    text = resources.table(rows)
    assert all(row.kernel in text for row in rows)
    assert len(text.splitlines()) == len(rows) + 1


@pytest.mark.parametrize(
    ("features", "split", "dtype", "stored", "load"),
    [
        (2, False, "float32", "", "ld.global.v4.f32"),
        (2, True, "float32", "", "ld.global.v2.f32"),
        (2, False, "float64", "", "ld.global.v2.f64"),
        (2, False, "float32", "float16", "ld.global.v4.u32"),
    ],
)
@pytest.mark.parametrize("indexed", [False, True])
def test_records_are_read_by_vector_loads(features, split, dtype, stored, load, indexed):
    spec = Specialization("jets", 3, "cubic", features, split, Channels.value(3), dtype, 1, stored, 0, indexed)
    text = ptx(spec.source("cu"), "90")
    assert load in text
    single = {"float32": "ld.global.f32", "float64": "ld.global.f64"}[dtype]
    assert text.count(single) <= 9  # coordinates and the box, no coefficient
    assert ("popc" in text) == indexed
    assert ("ld.global.v2.u64" in text) or not indexed  # nodes of a map


@pytest.mark.parametrize(("architecture", "split", "expected"), [("80", False, "add.f32"), ("90", False, "red.global.add.v4.f32"), ("120", True, "red.global.add.v2.f32")])  # fmt: skip
def test_records_are_added_by_vectors_where_the_hardware_can(architecture, split, expected):
    spec = Specialization("adjoint", 3, "cubic", 2, split, Channels.value(3), "float32")
    text = ptx(spec.source("cu"), architecture)
    assert expected in text
    assert (".global.add.f32" in text) == (expected == "add.f32")


@pytest.mark.parametrize("limbs", [1, 2])
@pytest.mark.parametrize("operation", TO_TABLE)
def test_integer_sums_compile(operation, limbs):
    dtype = "float32" if limbs == 1 else "float64"
    spec = Specialization(operation, 2, "cubic", 2, False, Channels.value(2), dtype, 2, "", limbs)
    assert ".global.add.u64" in ptx(spec.source("cu"), "75")


def test_resources_of_a_loaded_kernel(monkeypatch):
    class Kernel:
        binary_version, num_regs, local_size_bytes, shared_size_bytes = 90, 40, 16, 0

    monkeypatch.setattr(cuda_device, "module", lambda source, index: RecordingModule(Kernel()))
    (row,) = resources.loaded(resources.standard()[:1], 0)
    assert (row.architecture, row.registers, row.local, row.spilled, row.warps) == ("90", 40, 16, None, 48)


@pytest.mark.parametrize("architecture", architectures())
def test_activation_and_axis_kernels_compile(architecture):
    plan = JetPlan.of(Channels.laplacian(3))
    for name in ACTIVATIONS:
        for operation in ("forward", "adjoint"):
            source = _source(operation, name, plan.key, torch.float32, "cu")
            assert nvrtc.compile_for(source, architecture).spilled == 0
    for dtype in (torch.float32, torch.float64):
        for terms in (1, MAX_TERMS_DEVICE):
            found = nvrtc.compile_for(axis_source(dtype, "cu", terms), architecture)
            assert (found.spilled, found.stack) == (0, 0)


def test_a_compile_error_shows_the_log():
    with pytest.raises(BackendUnavailableError, match=r"kernel\.cu\(1\)"):
        nvrtc.compile_for("this is no C++", "80")


class RecordingKernel:
    def __init__(self):
        self.calls = []

    def __call__(self, grid, block, arguments):
        self.calls.append((grid, block, arguments))


class RecordingModule:
    def __init__(self, kernel, name="hp_run"):
        self.kernel, self.name = kernel, name

    def get_function(self, name):
        assert name == self.name
        return self.kernel


class FakeCuPy:
    uint64, int32, int64 = np.uint64, np.int32, np.int64

    class cuda:  # noqa: N801
        Device = Entered


def test_launch_geometry_and_arguments(monkeypatch):
    """grid = (samples, levels), the tensor's device, PyTorch's stream, and pointers in the order of kernels.cu."""
    kernel, seen = RecordingKernel(), []
    monkeypatch.setattr(cuda_device, "cupy", lambda: FakeCuPy)
    monkeypatch.setattr(cuda_device, "module", lambda source, index: seen.append(index) or RecordingModule(kernel))
    monkeypatch.setattr(cuda_device, "stream", lambda index: seen.append(("stream", index)) or Entered())
    grid = layout("cubic", 2)
    words, frame = torch.as_tensor(grid.words), torch.as_tensor(grid.frames["float32"])
    monkeypatch.setattr(launch, "_constants", lambda g, dtype, index: (words, frame))
    x = torch.zeros(2, 1000).as_subclass(OnDevice)
    table, out = torch.zeros(grid.size), torch.zeros(grid.levels, 2, 1, 1000)
    spec = Specialization.of("jets", grid, Channels.value(2), "float32")
    launch.on_device(spec, grid, x, table, None, out, 0)
    (blocks, threads, arguments) = kernel.calls[0]
    assert blocks == (8, grid.levels)
    assert threads == (128,)
    assert seen == [3, ("stream", 3)]
    expected = [
        1000,
        x.data_ptr(),
        table.data_ptr(),
        0,
        0,
        out.data_ptr(),
        words.data_ptr(),
        grid.levels,
        0,
        frame.data_ptr(),
        0,
    ]
    assert [int(a) for a in arguments] == [*expected, grid.periodic_bits]
    assert [np.dtype(type(a)).itemsize for a in arguments] == [8, 8, 8, 8, 8, 8, 8, 4, 8, 8, 8, 4]


def test_text_and_function_of_a_kernel_are_looked_up_once(monkeypatch):
    """A launch costs microseconds; building the text of a kernel would cost hundreds."""
    kernel, found, texts = RecordingKernel(), [], []

    class Raw:
        def __init__(self, code, **options):
            texts.append((code, options["options"]))

        def compile(self):
            pass

        def get_function(self, name):
            found.append(name)
            return kernel

    class CuPy(FakeCuPy):
        RawModule = Raw

    class cuda:  # noqa: N801
        Device = Entered
        compiler = SimpleNamespace(CompileException=OSError)

    CuPy.cuda = cuda
    monkeypatch.setattr(cuda_device, "cupy", lambda: CuPy)
    monkeypatch.setattr(cuda_device, "stream", lambda index: Entered())
    grid = layout("cubic", 2)
    monkeypatch.setattr(launch, "_constants", lambda g, dtype, index: (torch.zeros(1), torch.zeros(1)))
    x, table, out = torch.zeros(2, 10).as_subclass(OnDevice), torch.zeros(grid.size), torch.zeros(8, 2, 1, 10)
    spec = Specialization.of("jets", grid, Channels.value(2), "float32")
    cuda_device.module.cache_clear()
    built = []
    original = Specialization.source
    monkeypatch.setattr(Specialization, "source", lambda self, language: built.append(1) or original(self, language))
    launch._device_source.cache_clear()
    for _ in range(3):
        launch.on_device(spec, grid, x, table, None, out, 0)
    cuda_device.module.cache_clear()
    assert len(kernel.calls) == 3
    assert found == ["hp_run"]
    assert len(texts) == len(built) == 1


def test_options_are_not_given_twice():
    """CuPy adds options of its own, and NVRTC up to CUDA 12.8 refuses one that comes twice."""
    assert not any("device" in option or "ftz" in option for option in cuda_device.OPTIONS)
    assert set(cuda_device.OPTIONS) < set(nvrtc.OPTIONS)


@pytest.mark.parametrize("count", [1, 3, 6])
def test_axis_launch_passes_every_pointer_by_value(monkeypatch, count):
    """No list of addresses is copied to the device: a copy would wait for it, and could not be captured in a graph."""
    kernel, sources = RecordingKernel(), []
    monkeypatch.setattr(cuda_device, "cupy", lambda: FakeCuPy)
    monkeypatch.setattr(cuda_device, "stream", lambda index: Entered())

    def module(source, index):
        sources.append(source)
        return RecordingModule(kernel, "hp_axis")

    monkeypatch.setattr(cuda_device, "module", module)
    host = AxisMatrix({k: sparse.random(30, 20, 0.2, "csr", random_state=0) for k in range(count)})
    matrix = AxisMatrix(host.matrices, device=OnDevice.device)
    vars(matrix).update(_pattern=host._pattern, _values=host._values)
    tensors = [torch.zeros(5, 20, 7, dtype=torch.float64).as_subclass(OnDevice) for _ in range(count)]
    out = torch.zeros(5, 30, 7, dtype=torch.float64).as_subclass(OnDevice)
    matrix.apply(list(enumerate(tensors)), 1, out)
    assert len(kernel.calls) == -(-count // MAX_TERMS_DEVICE)
    seen, flags = [], []
    for source, (blocks, _, arguments) in zip(sources, kernel.calls, strict=True):
        pairs = [int(a) for a in arguments[8:]]
        assert f"#define HP_TERMS {len(pairs) // 2}\n" in source
        assert blocks == (-(-5 * 30 * 7 // 128), 1)
        assert [int(a) for a in arguments[:4]] == [5, 30, 20, 7]
        assert int(arguments[6]) == out.data_ptr()
        seen += pairs[1::2]
        flags.append(int(arguments[7]))
    assert seen == [t.data_ptr() for t in tensors]
    assert flags == [0] + [1] * (len(flags) - 1)
