"""Errors of compilers, allocators and devices: the message says what happened and what to do, whoever raised it."""

import os
import subprocess
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.runtime import device as cuda_device
from hermite_pinn.cuda.runtime import failures, host, nvrtc
from hermite_pinn.errors import BackendUnavailableError, OutOfMemoryError
from hermite_pinn.methods import Adam
from hermite_pinn.run.device import choose_device

BROKEN = "int a;\nint b;\nint c = undeclared_name;\nint d;\n"


def test_a_host_compile_error_shows_the_line_and_the_log(tmp_path, monkeypatch):
    if not host.available():
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("HERMITE_PINN_CACHE", str(tmp_path))
    with pytest.raises(BackendUnavailableError) as caught:
        host.compile_source(BROKEN)
    assert ">    3 | int c = undeclared_name;" in str(caught.value)
    assert "error" in str(caught.value)
    assert "     2 | int b;" in str(caught.value)


def test_an_nvrtc_compile_error_shows_the_line_and_the_log():
    try:
        nvrtc.version()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    with pytest.raises(BackendUnavailableError, match="sm_90") as caught:
        nvrtc.compile_for(BROKEN, "90")
    assert ">    3 | int c = undeclared_name;" in str(caught.value)
    assert "kernel.cu(3): error" in str(caught.value)


@pytest.mark.parametrize("log", ["", "error without a place", "kernel.cu(99): error: beyond the end"])
def test_logs_without_a_line_are_shown_as_they_are(log):
    assert log in str(failures.compile_failure("it failed", log, "one line"))


def test_a_damaged_library_is_made_again(tmp_path, monkeypatch):
    if not host.available():
        pytest.skip("no C++ compiler")
    monkeypatch.setenv("HERMITE_PINN_CACHE", str(tmp_path))
    source = 'extern "C" int hp_seven() { return 7; }'
    host.compile_source(source).write_bytes(b"cut off")
    assert host.function(source, "hp_seven", "")() == 7


class FakeCompileError(Exception):
    pass


class FakeDriver:
    """A CuPy whose compilation or launch fails with a given error."""

    uint64 = int

    def __init__(self, compiling=None, launching=None):
        error = compiling, launching

        class Module:
            def __init__(self, code, options, backend):
                pass

            def compile(self):
                if error[0] is not None:
                    raise error[0]

            def get_function(self, name):
                def kernel(grid, block, arguments):
                    if error[1] is not None:
                        raise error[1]

                return kernel

        @contextmanager
        def entered(*arguments):
            yield

        self.RawModule = Module
        self.cuda = types.SimpleNamespace(
            Device=entered,
            ExternalStream=entered,
            compiler=types.SimpleNamespace(CompileException=FakeCompileError),
        )


@pytest.fixture
def failing(monkeypatch):
    """Launch a kernel on a device that fails, and return the error the user sees."""

    @contextmanager
    def stream(index):
        yield

    def launch(**errors):
        cuda_device.module.cache_clear()
        monkeypatch.setattr(cuda_device, "cupy", lambda: FakeDriver(**errors))
        monkeypatch.setattr(cuda_device, "stream", stream)
        with pytest.raises((BackendUnavailableError, OutOfMemoryError)) as caught:
            cuda_device.start(BROKEN, "hp_run", 1, (2, 3), ())
        cuda_device.module.cache_clear()
        return caught.value

    return launch


def test_cupys_compile_error_shows_the_line(failing):
    found = failing(compiling=FakeCompileError('kernel.cu(3): error: identifier "undeclared_name" is undefined'))
    assert ">    3 | int c = undeclared_name;" in str(found)
    assert "cuda:1" in str(found)


@pytest.mark.parametrize(
    ("text", "kind", "advice"),
    [
        (
            "cudaErrorInsufficientDriver: CUDA driver version is insufficient",
            BackendUnavailableError,
            "update the driver",
        ),
        ("CUDA_ERROR_UNSUPPORTED_PTX_VERSION: the provided PTX", BackendUnavailableError, "update the driver"),
        ("CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image", BackendUnavailableError, "newer CUDA"),
        (
            "cudaErrorIllegalAddress: an illegal memory access was encountered",
            BackendUnavailableError,
            "compute-sanitizer",
        ),
        ("CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure", BackendUnavailableError, "last checkpoint"),
        ("CUDA_ERROR_OUT_OF_MEMORY: out of memory", OutOfMemoryError, "fewer points"),
        ("cudaErrorNoDevice: no CUDA-capable device is detected", BackendUnavailableError, "nvidia-smi"),
        ("CUDA_ERROR_SOMETHING_NEW: who knows", BackendUnavailableError, "hermite-pinn doctor"),
    ],
)
def test_errors_of_the_driver_are_explained(failing, text, kind, advice):
    for found in (failing(compiling=RuntimeError(text)), failing(launching=RuntimeError(text))):
        assert type(found) is kind
        assert advice in str(found)
        assert text in str(found)
        assert "cuda:1" in str(found)


def test_a_cupy_that_finds_our_folder_in_place_of_the_package_cuda_says_so(tmp_path):
    folder = Path(failures.__file__).resolve().parents[1]
    if folder.name != "cuda" or folder.parent.name == "hermite_pinn":
        pytest.skip("the package is installed: nobody starts Python in its folder")
    (tmp_path / "cupy.py").write_text("import cuda.pathfinder\n")
    code = "from hermite_pinn.cuda.runtime.device import cupy; cupy()"
    for flags, told in (([], "or with -P (PYTHONSAFEPATH=1)"), (["-P"], "it is not installed")):
        done = subprocess.run(
            [sys.executable, *flags, "-c", code],
            cwd=folder.parent, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "cannot be imported" in done.stderr
        assert told in done.stderr
        assert (str(folder) in done.stderr.splitlines()[-1]) == (not flags)


def test_no_module_of_the_tests_is_looked_for_in_the_root_of_the_checkout():
    root = Path(__file__).resolve().parents[2]
    assert root not in [Path(place).resolve() for place in sys.path]
    assert not any(root / "cuda" == Path(place) for place in getattr(sys.modules.get("cuda"), "__path__", ()))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ModuleNotFoundError("No module named 'cupy'"), "not installed"),
        (ImportError("libnvrtc.so.11.2: cannot open shared object file"), "another CUDA"),
        (ImportError("something else"), "reinstall"),
    ],
)
def test_a_cupy_that_cannot_be_imported_says_which_one_to_install(error, advice, monkeypatch):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "cupy":
                raise error

    cuda_device.cupy.cache_clear()
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(BackendUnavailableError, match=advice) as caught:
        cuda_device.cupy()
    assert "pip install 'hermite_pinn[cuda" in str(caught.value)


def test_an_allocation_that_does_not_fit_says_who_asked_for_how_much():
    class Full(torch.Tensor):
        def new_zeros(self, *args, **kwargs):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB.")

    with pytest.raises(OutOfMemoryError, match=r"the adjoint asked for 4\.0 GiB on cpu; use fewer points"):
        failures.allocate("the adjoint", (2**30,), torch.zeros(1).as_subclass(Full), zero=True)


def test_other_errors_of_an_allocation_pass():
    with pytest.raises(RuntimeError, match="negative"):
        failures.allocate("the adjoint", (-1,), torch.zeros(1))


@pytest.mark.parametrize(
    ("error", "kind", "advice"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), OutOfMemoryError, "2.00 GiB"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
            OutOfMemoryError,
            "fewer points",
        ),
        (MemoryError("Unable to allocate 8.00 GiB"), OutOfMemoryError, "8.00 GiB"),
        (RuntimeError("CUDA error: unspecified launch failure"), BackendUnavailableError, "last checkpoint"),
    ],
)
def test_solve_explains_errors_from_anywhere(error, kind, advice, monkeypatch):
    def run(self, task):
        raise error

    monkeypatch.setattr(Adam, "run", run)
    problem = hp.Problem(domain=hp.Box(x=(0, 1)), fields=["u"], residual=lambda u, x: u - x)
    with pytest.raises(kind, match="the method adam") as caught:
        hp.solve(problem, method=Adam(steps=1), progress=False)
    assert advice in str(caught.value)


def test_solve_leaves_other_errors_alone(monkeypatch):
    def run(self, task):
        raise RuntimeError("a mistake in a callback about accuracy")

    monkeypatch.setattr(Adam, "run", run)
    problem = hp.Problem(domain=hp.Box(x=(0, 1)), fields=["u"], residual=lambda u, x: u - x)
    with pytest.raises(RuntimeError, match="a mistake") as caught:
        hp.solve(problem, method=Adam(steps=1), progress=False)
    assert type(caught.value) is RuntimeError


@pytest.mark.parametrize(
    ("built", "text", "advice"),
    [
        (None, "", "built without CUDA"),
        ("12.4", "The NVIDIA driver on your system is too old (found version 11040).", "update the driver"),
        ("12.4", "Found no NVIDIA driver on your system.", "nvidia-smi"),
    ],
)
def test_a_gpu_that_is_not_there_says_why(built, text, advice, monkeypatch):
    def init():
        raise RuntimeError(text)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.version, "cuda", built)
    with pytest.raises(BackendUnavailableError, match=advice):
        choose_device("cuda")
