"""Fixtures shared by all tests."""

import importlib.util
import signal
from types import SimpleNamespace

import pytest
import safe_path  # noqa: F401 - before PyTorch
import torch

from hermite_pinn.cuda.runtime import host


def why_unavailable(backend: str) -> str | None:
    """Why tests cannot run on a backend, or None if they can."""
    if backend == "cpu":
        return None if host.available() else "no C++ compiler"
    if not torch.cuda.is_available():
        return "PyTorch sees no GPU"
    return None if importlib.util.find_spec("cupy") else "CuPy is not installed"


def pytest_collection_finish(session):
    """PyTorch counts the devices when it first differentiates, in whatever test that is."""
    if any(
        item.path.name in ("test_emulated_gpu.py", "test_emulated_runs.py", "test_perceptron.py", "test_rays_device.py")
        for item in session.items
    ):
        import emulated_gpu

        if emulated_gpu.why_not() is None:
            emulated_gpu.prepare()


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Every device kernels run on; skipped with the reason where there is none."""
    reason = why_unavailable(request.param)
    if reason:
        pytest.skip(reason)
    return torch.device(request.param)


def shares(item):
    """Whether a test takes what its module makes once for all of its tests."""
    known = getattr(item, "_fixtureinfo", None)
    return known is not None and any(found[-1].scope == "module" for found in known.name2fixturedefs.values())


def is_slow(item):
    """Whether a case is none of those that :code:`slow_but` leaves to the fast tests."""
    marker = item.get_closest_marker("slow_but")
    return marker is not None and not any(words in item.name for words in marker.args)


def pytest_collection_modifyitems(items):
    """Say which tests are slow or need a GPU, and which are of one worker: nothing that they share is made twice."""
    for item in items:
        if is_slow(item):
            item.add_marker(pytest.mark.slow)
        if shares(item) and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}-{item.path.stem}"))
        if "cuda" in getattr(item, "callspec", SimpleNamespace(params={})).params.values():
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def keyboard():
    """Ctrl-C and the end of a terminal are heard, also where tests run in the background of one who ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in zip((signal.SIGINT, signal.SIGHUP), before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def one_thread():
    """Small vectors gain nothing from threads, and lose much on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
