"""The package as a whole: imports, documentation that runs, caches shared by processes."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import metadata
from pathlib import Path

import pytest

import hermite_pinn as hp
from hermite_pinn.cuda.runtime import cache, host
from hermite_pinn.errors import BackendUnavailableError

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    {"hermite_pinn"} | {m.name for m in pkgutil.walk_packages(hp.__path__, "hermite_pinn.")}
    | {m.name for p in ("cuda", "geometry", "problems", "validation")
       for m in pkgutil.walk_packages(importlib.import_module(f"hermite_pinn.{p}").__path__, f"hermite_pinn.{p}.")}
)  # fmt: skip


def test_import_touches_neither_cupy_nor_cuda():
    code = (
        "import sys, torch, hermite_pinn, hermite_pinn.problems, hermite_pinn.cli\n"
        "assert 'cupy' not in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
        "assert not torch.cuda.is_initialized()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_solve_does_not_import_the_compiler_of_pytorch():
    """It takes longer than the solve; ``torch.library.custom_op`` imports it at the first call."""
    code = (
        "import sys, hermite_pinn as hp\n"
        "problem = hp.problems.helmholtz2d(a=1)\n"
        "for method in ('gauss_newton', hp.Adam(steps=2, points=16)):\n"
        "    hp.solve(problem, method=method, levels=2, progress=False)\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_that_of_the_installed_package():
    assert hp.__version__ == metadata.version("hermite_pinn")
    with pytest.raises(AttributeError, match="no attribute 'verzion'"):
        hp.verzion  # noqa: B018


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for holder in vars(module).values():  # the finder passes over cached properties
        if isinstance(holder, type) and holder.__module__ == name:
            for attribute in vars(holder).values():
                if isinstance(attribute, cached_property):
                    for example in finder.find(attribute.func, globs=dict(vars(module))):
                        assert runner.run(example).failed == 0


@pytest.mark.slow
def test_pytest_runs_the_examples_of_a_module_that_is_called_like_its_function():
    module = Path(hp.__file__).parent / "verbs" / "solve.py"
    command = [sys.executable, "-m", "pytest", "--doctest-modules", "-p", "no:cacheprovider", str(module)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", [name for name in hp.__all__ if callable(getattr(hp, name))])
def test_every_public_name_has_an_example(name):
    """Examples are run with their module."""
    thing = getattr(hp, name)
    assert ">>>" in (thing.__doc__ or "")
    assert thing.__module__ in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist(name):
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public), public


def test_kernels_are_compiled_once_by_many_processes(tmp_path, monkeypatch):
    """Several processes ask for the same kernel at once: all get it, the cache holds one, and nothing half-made."""
    code = (
        "from hermite_pinn.cuda.runtime import host\n"
        "print(host.compile_source('extern \"C\" int hp_answer() { return 42; }'))\n"
    )
    environment = {"HERMITE_PINN_CACHE": str(tmp_path), "PATH": __import__("os").environ["PATH"]}
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(subprocess.run, [sys.executable, "-c", code], env=environment, capture_output=True, text=True)
            for _ in range(2)
        ]
        outputs = {r.result().stdout.strip() for r in runs}
    assert len(outputs) == 1
    assert sorted(f.suffix for f in tmp_path.iterdir() if f.suffix != ".lock") == [".sha256", ".so"]


def test_a_compile_error_shows_the_compilers_log():
    with pytest.raises(BackendUnavailableError, match="error"):
        host.compile_source("this is no C++")


def test_a_failed_compilation_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("HERMITE_PINN_CACHE", str(tmp_path))
    with pytest.raises(BackendUnavailableError):
        host.compile_source("neither is this")
    assert [f for f in tmp_path.iterdir() if f.suffix != ".lock"] == []


def test_a_cache_that_cannot_be_written_says_so(tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("HERMITE_PINN_CACHE", str(blocker / "cache"))
    with pytest.raises(BackendUnavailableError, match="HERMITE_PINN_CACHE"):
        cache.cache_folder()


def test_skips_are_asked_not_assumed():
    """The fixture that skips devices calls its test of availability: on this machine CPU kernels are not skipped."""
    from conftest import why_unavailable

    assert (why_unavailable("cpu") is None) == host.available()
    assert why_unavailable("cuda") is None or isinstance(why_unavailable("cuda"), str)
