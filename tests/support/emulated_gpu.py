"""A GPU that is not there: tensors that claim to be on ``cuda:0``, and the rules of a real one.

An :class:`OnGpu` holds a CPU tensor that only this file reads.  Operations of PyTorch run on it if all tensors are on
the GPU, or where PyTorch itself allows a CPU tensor; others are refused with PyTorch's words.  Kernels run by fibers
(``emulated_kernels.py``), recorded graphs by repeating what was recorded (``emulated_graphs.py``).  What would make the
host wait is written down in :attr:`Gpu.waits`.
"""

import ctypes
import platform
import weakref
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from emulated_graphs import Graph, capture
from emulated_kernels import TAG, Entered, cupy
from torch._C import DispatchKey
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

from hermite_pinn.cuda.encoder import launch, reproducible
from hermite_pinn.cuda.runtime import device as cuda_device
from hermite_pinn.cuda.runtime import host

PLACE = torch.device("cuda", 0)
CPU = torch.device("cpu")
MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"

#: Operations after which the host knows something that only the device knew, or that PyTorch checks on the host.
WAITS = {
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "bincount", "_linalg_check_errors", "multinomial"),
    *("_unique2", "unique_dim", "unique_consecutive", "repeat_interleave", "histc"),
}
COPIES = {"copy_", "_to_copy"}
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}
#: CPU only: products of integers, and shapes that change in place (which a wrapper cannot follow).
PRODUCTS = {"mm", "bmm", "addmm", "addmm_", "mv", "addmv", "dot", "vdot", "baddbmm"}
RESHAPES = {"resize_", "set_"}


class OnGpu(torch.Tensor):
    """A tensor on the emulated GPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held):
        """Wrap a CPU tensor."""
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=PLACE,
        )
        made.held = held
        return made

    def __init__(self, *given):
        pass

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return Gpu.current.compute(function, args, kwargs or {})

    def data_ptr(self):
        """An address that nothing on the host can read."""
        address = self.held.data_ptr() + TAG
        Gpu.current.pointers[address] = self.held
        return address

    def numpy(self, *given, **options):
        """Refused, as on a GPU."""
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first."
        )

    def tolist(self):
        """The values, by one transfer."""
        return self.detach().cpu().tolist()

    def __deepcopy__(self, memo):
        return self.detach().clone().requires_grad_(self.requires_grad)

    def __reduce_ex__(self, protocol):
        raise NotImplementedError("tensors of the emulated GPU cannot be pickled")

    def __repr__(self):
        return f"{self.held!r} on {PLACE}"


@cache
def composite(function):
    """Whether an operation is made of others; within kernels automatic differentiation does not take it apart."""
    return torch._C._dispatch_has_kernel_for_dispatch_key(function.name(), DispatchKey.CompositeImplicitAutograd)


def leaves(value):
    """Everything within nested lists, tuples and dictionaries."""
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from leaves(v)
    elif isinstance(value, dict):
        for v in value.values():
            yield from leaves(v)
    else:
        yield value


def mapped(change, value):
    """The same nesting with every tensor changed."""
    if isinstance(value, (list, tuple)):
        return type(value)(mapped(change, v) for v in value)
    if isinstance(value, dict):
        return {k: mapped(change, v) for k, v in value.items()}
    return change(value) if isinstance(value, torch.Tensor) else value


HostGenerator = torch.Generator


class Generator(HostGenerator):
    """``torch.Generator``: on the emulated GPU with the numbers of a CPU, so that results can be compared."""

    def __new__(cls, device="cpu"):
        """A plain generator for the CPU."""
        if torch.device(device).type == "cpu":
            return HostGenerator()
        made = super().__new__(cls)
        Gpu.current.generators[made._cdata] = made
        return made

    def __init__(self, *given):
        pass

    @property
    def device(self):
        """Where its numbers are."""
        return PLACE

    def set_state(self, state):
        """Refuses a state on the device, as PyTorch does."""
        if not isinstance(state, torch.Tensor) or state.dtype != torch.uint8 or state.device != CPU:
            raise TypeError("RNG state must be a torch.ByteTensor")
        return super().set_state(state)


class Mode(TorchDispatchMode):
    """Sends what asks for the GPU there; everything else is the CPU's."""

    def __init__(self, gpu):
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if composite(function):
            with self:
                return function.decompose(*args, **kwargs)
        place = kwargs.get("device")
        if any(issubclass(t, OnGpu) for t in types) or (place is not None and place.type == "cuda"):
            return self.gpu.compute(function, args, kwargs)
        if function._schema.name == "aten::_pin_memory":
            return self.gpu.pin(args[0].clone())
        if function._schema.name == "aten::is_pinned":
            return getattr(args[0], "pinned", False)
        self.gpu.check_generator(kwargs, CPU)
        return function(*args, **kwargs)


class Gpu:
    """What happened on the emulated GPU, and what it holds.

    Attributes
    ----------
    waits, launches
        Names of operations that made the host wait, and of kernels that were started.
    patient
        Whether waiting is allowed now.
    graph
        The graph that is being recorded.
    """

    current = None
    total_memory = 8 * 2**30

    def __init__(self):
        self.waits, self.launches, self.patient, self.graph = [], [], True, None
        self.pointers = weakref.WeakValueDictionary()
        self.generators = weakref.WeakValueDictionary()
        self.mode = Mode(self)

    @contextmanager
    def hurry(self):
        """Within, waiting is an error."""
        self.patient = False
        try:
            yield
        finally:
            self.patient = True

    def wait(self, name):
        """Note that the host waits."""
        if self.graph is not None:
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({name})")
        if not self.patient:
            raise AssertionError(f"{name} makes the host wait")
        self.waits.append(name)

    def pin(self, tensor):
        """Memory of the host that the GPU reads by itself."""
        tensor.pinned = True
        return tensor

    def at(self, address):
        """The CPU tensor behind an address of the GPU, or None."""
        return self.pointers.get(address)

    def launched(self, name, work, tensors):
        """Start a kernel that reads and writes some tensors."""
        self.launches.append(name)
        if self.graph is None:
            work()
        else:
            self.graph.add_launch(work, tensors)

    # -- operations ---
    def compute(self, function, args, kwargs):
        """Do an operation with at least one tensor of the GPU, or that makes one."""
        if composite(function):
            with self.mode:
                return function.decompose(*args, **kwargs)
        name = function._schema.name.removeprefix("aten::")
        if not function._schema.name.startswith("aten::"):
            torch._C._set_only_lift_cpu_tensors(True)  # every thread has its own, and gradients are made by another
            with self.mode:
                return function._op_dk(DispatchKey.CompositeExplicitAutograd, *args, **kwargs)
        place = kwargs.get("device")
        tensors = [t for t in leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        ours = [t for t in tensors if isinstance(t, OnGpu)]
        target = torch.device(place) if place is not None else PLACE
        if len(ours) < len(tensors):
            self._check_mixed(function, name, args, tensors)
        self._check_supported(name, tensors)
        self._note_waits(name, args, kwargs, target)
        if target.type == "cuda":
            self.check_generator(kwargs, PLACE)
        held = {id(t.held): t for t in ours}
        plain = {k: v for k, v in kwargs.items() if k not in ("device", "pin_memory")}
        if place is not None:
            plain["device"] = CPU
        inner = mapped(lambda t: t.held if isinstance(t, OnGpu) else t, args)
        options = mapped(lambda t: t.held if isinstance(t, OnGpu) else t, plain)
        work = function if self.graph is None else partial(self.graph.add, function)
        result = work(*inner, **options)
        if torch.Tag.inplace_view in function.tags:
            with no_dispatch():
                function(*args, **kwargs)  # the wrapper's shape follows
        own = {id(t): t for t in tensors if not isinstance(t, OnGpu)}  # a tensor of the CPU that was written to

        def returned(t):
            if id(t) in held:
                return held[id(t)]
            return t if target.type == "cpu" or id(t) in own else OnGpu(t)

        return mapped(returned, result)

    def _check_mixed(self, function, name, args, tensors):
        if name in COPIES:
            return
        strangers = [t for t in tensors if not isinstance(t, OnGpu)]
        if name in INDEXED:
            if not isinstance(args[0], OnGpu):
                raise RuntimeError("indices should be either on cpu or on the same device as the indexed tensor (cpu)")
            strangers = [t for t in leaves(args[2:]) if isinstance(t, torch.Tensor) and not isinstance(t, OnGpu)]
        elif function._schema.is_mutable and not isinstance(args[0], OnGpu):
            raise RuntimeError(MIXED)
        elif not (torch.Tag.pointwise in function.tags or name in ("fill_", "fill")):
            raise RuntimeError(f"{MIXED} (in {name})")
        if any(t.ndim for t in strangers):
            raise RuntimeError(f"{MIXED} (in {name})")

    def _check_supported(self, name, tensors):
        if name in RESHAPES:
            raise NotImplementedError(f"{name} on the emulated GPU")
        if name in PRODUCTS and any(not t.dtype.is_floating_point for t in tensors):
            raise RuntimeError(f'"{name}_cuda" not implemented for {tensors[0].dtype}')

    def _note_waits(self, name, args, kwargs, target):
        if name in WAITS and not (name == "repeat_interleave" and kwargs.get("output_size") is not None):
            self.wait(name)
        elif name in INDEXED:
            for t in leaves(args[1]):
                if isinstance(t, torch.Tensor) and (t.dtype in (torch.bool, torch.uint8) or not isinstance(t, OnGpu)):
                    self.wait(f"{name} by {'a mask' if isinstance(t, OnGpu) else 'a tensor of the host'}")
        elif name in COPIES:
            ends = list(args[:2]) if name == "copy_" else [args[0]]
            there = [isinstance(t, OnGpu) for t in ends] + ([target.type == "cuda"] if name == "_to_copy" else [])
            quick = kwargs.get("non_blocking", args[2] if name == "copy_" and len(args) > 2 else False)
            if len(set(there)) > 1 and not (quick and any(getattr(t, "pinned", False) for t in ends)):
                self.wait("a copy between host and device")

    def check_generator(self, kwargs, place):
        """Refuse the random numbers of another device, and in a graph those that it does not know."""
        generator = kwargs.get("generator")
        if generator is None:
            return
        found = self.generators.get(generator._cdata)
        if (found is None) != (place == CPU):
            there = "cpu" if found is None else "cuda"
            raise RuntimeError(f"Expected a '{place.type}' device type for generator but found '{there}'")
        if self.graph is not None and found is not None and all(g is not found for g in self.graph.generators):
            raise RuntimeError("Attempt to increase offset for a CUDA generator not in capture mode.")


class Stream:
    """``torch.cuda.Stream``."""

    cuda_stream = 0

    def __init__(self, device=None):
        pass

    def wait_stream(self, other):
        """Everything happens at once here."""


class Event:
    """``torch.cuda.Event``."""

    def __init__(self, **options):
        pass

    def record(self, stream=None):
        """Nothing."""

    def synchronize(self):
        """Wait."""
        Gpu.current.wait("Event.synchronize")

    def elapsed_time(self, other):
        """Milliseconds."""
        return 1.0


PROPERTIES = SimpleNamespace(
    name="Emulated GPU", major=9, minor=0, multi_processor_count=4, total_memory=Gpu.total_memory
)


def torch_cuda(gpu):
    """What replaces functions and classes of ``torch.cuda``."""
    return {
        "_lazy_init": lambda: None,
        "init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "set_device": lambda device: None,
        "device": Entered,
        "get_device_name": lambda device=None: PROPERTIES.name,
        "get_device_properties": lambda device=None: PROPERTIES,
        "get_device_capability": lambda device=None: (PROPERTIES.major, PROPERTIES.minor),
        "mem_get_info": lambda device=None: (gpu.total_memory, gpu.total_memory),
        "max_memory_allocated": lambda device=None: 2**20,
        "reset_peak_memory_stats": lambda device=None: None,
        "empty_cache": lambda: None,
        "synchronize": lambda device=None: gpu.wait("torch.cuda.synchronize"),
        "Stream": Stream,
        "Event": Event,
        "stream": Entered,
        "current_stream": Stream,
        "graph_pool_handle": lambda: (0, 1),
        "CUDAGraph": lambda: Graph(gpu),
        "graph": lambda graph, pool=None, stream=None: capture(gpu, graph),
    }


CACHES = (
    cuda_device.module, cuda_device._external, cuda_device.cupy, host.function, launch._constants, launch._host_function,
    reproducible._axes,
)  # fmt: skip


@lru_cache(maxsize=1)
def prepare():
    """Tell PyTorch's automatic differentiation that there is a GPU; must come before anything is differentiated."""
    root = Path(torch.__file__).parent
    text = (Path(__file__).parent / "emulated_torch.cpp").read_text()
    flags = ("-std=c++20", "-O1", "-w", "-fPIC", "-shared", f"-I{root}/include", f"-L{root}/lib")
    flags += ("-Wl,--no-as-needed", "-lc10", "-ltorch_cpu")
    return ctypes.CDLL(str(host.compile_source(text, flags)))


def on_the_host(function):
    """``host.function``, but its kernels refuse addresses of the GPU."""

    def checked(source, name, arguments):
        call = function(source, name, arguments)

        def guarded(*given):
            flat = [
                int(v or 0)
                for a in given
                for v in (a if isinstance(a, ctypes.Array) else [a])
                if not isinstance(v, float)
            ]
            assert all(v < TAG for v in flat), f"{name} on the host was given an address of the GPU"
            return call(*given)

        return guarded

    return checked


def why_not():
    """Why nothing can be emulated here, or None."""
    if not host.available() or platform.system() != "Linux":
        return "needs a C++ compiler and ucontext"
    return None if torch.version.cuda is None else "this PyTorch is made for real GPUs"


@contextmanager
def emulated():
    """An emulated GPU for as long as the context lasts."""
    library, gpu, monkeypatch = prepare(), Gpu(), pytest.MonkeyPatch()
    Gpu.current = gpu
    for name, fake in torch_cuda(gpu).items():
        monkeypatch.setattr(torch.cuda, name, fake)
    original = host.function
    fakes = cupy(gpu)
    for cached in CACHES:
        cached.cache_clear()
    monkeypatch.setattr(torch, "Generator", Generator)
    monkeypatch.setattr(cuda_device, "cupy", lambda: fakes)
    monkeypatch.setattr(host, "function", on_the_host(original))
    torch._C._set_only_lift_cpu_tensors(True)  # lists become tensors of the host first, which are then copied
    library.exchange_hooks()
    try:
        with gpu.mode:
            yield gpu
    finally:
        library.exchange_hooks()
        torch._C._set_only_lift_cpu_tensors(False)
        Gpu.current = None
        monkeypatch.undo()
        for cached in CACHES:
            cached.cache_clear()
