"""What is installed, which kernels compile, and what to do about what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata

import torch

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.collisions import collisions
from hermite_pinn.cuda.encoder.launch import prepare
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.specialization import OPERATIONS, Specialization
from hermite_pinn.cuda.runtime import cache, host, nvrtc

from .errors import HermitePinnError
from .field.hermite_grid import resolutions_of
from .torch_state import isolated

__all__ = ["Finding", "examine"]


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``state`` is ``"ok"``, ``"absent"`` (optional) or ``"broken"``."""

    subject: str
    state: str
    detail: str
    advice: str = ""


REQUIRED = (
    "hermite_pinn", "torch", "numpy", "scipy", "h5py", "meshio", "scikit-image", "matplotlib", "rich", "typer",
)  # fmt: skip
#: What only some uses need, by package: the extra that brings it, and what it is for.
OPTIONAL = {
    "trimesh": ("mesh", "needed to read triangle meshes only"),
    "libigl": ("mesh", "distances to triangle meshes are slow without it"),
    "rtree": ("mesh", "needed for distances to triangle meshes without libigl only"),
    "lxml": ("mesh", "needed to read 3MF files only"),
    "networkx": ("mesh", "needed to read 3MF files and to mend meshes only"),
    "pyvista": ("viz", "needed for pictures of surfaces in three dimensions by VTK only"),
    "imageio-ffmpeg": ("video", "needed for videos of radiance fields only"),
    "xarray": ("xarray", "needed by solution.to_xarray() only"),
    "pandas": ("pandas", "needed by solution.to_pandas() only"),
    "pytorch_optimizer": ("optimizers", "needed by method='soap' only"),
}


def _package(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> list[Finding]:
    findings = [Finding("python", "ok", f"{platform.python_version()} ({sys.executable})")]
    for name in REQUIRED:
        version = _package(name)
        if version:
            findings.append(Finding(name, "ok", version))
        else:
            findings.append(Finding(name, "broken", "not installed", f"pip install {name}"))
    for name, (extra, purpose) in OPTIONAL.items():
        version = _package(name)
        if version:
            findings.append(Finding(name, "ok", version))
        else:
            findings.append(Finding(name, "absent", purpose, f"pip install 'hermite_pinn[{extra}]'"))
    return findings


def _compiler() -> Finding:
    try:
        command = host.compiler()
        version = host.version(command)
    except HermitePinnError as error:
        return Finding(
            "C++ compiler", "broken", "not found; encoders run in plain PyTorch, about 30 times slower", str(error)
        )
    return Finding("C++ compiler", "ok", f"{version} ({shlex.join(command)})")


def _cache() -> Finding:
    try:
        folder = cache.cache_folder()
    except HermitePinnError as error:
        return Finding("kernel cache", "broken", "not usable", str(error))
    count = len(list(folder.glob("*.so")))
    if not os.access(folder, os.W_OK):
        return Finding(
            "kernel cache",
            "broken",
            f"{folder} ({count} kernels) cannot be written, so each process compiles what is not there",
            "set HERMITE_PINN_CACHE to a folder that can be written",
        )
    return Finding("kernel cache", "ok", f"{folder} ({count} kernels)")


def _host_kernels() -> Finding:
    if not host.available():
        return Finding("CPU kernels", "absent", "no compiler")
    layout = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4),), "cubic")
    channels = Channels.value(2) + Channels.laplacian(2)
    try:
        began = time.perf_counter()
        prepare([Specialization.of(o, layout, channels, "float64") for o in OPERATIONS])
        seconds = time.perf_counter() - began
        numbers = torch.Generator().manual_seed(0)
        x = torch.rand(2, 64, dtype=torch.float64, generator=numbers)
        table = torch.randn(layout.size, dtype=torch.float64, generator=numbers)
        from hermite_pinn.cuda.encoder import reference

        error = float((ops.jets(x, table, layout, channels) - reference.jets(x, table, layout, channels)).abs().max())
    except HermitePinnError as problem:
        return Finding("CPU kernels", "broken", "do not compile", str(problem))
    if error > 1e-9:
        return Finding(
            "CPU kernels",
            "broken",
            f"differ from the reference by {error:.1e}",
            "update the compiler, or set CXX to another one",
        )
    return Finding(
        "CPU kernels",
        "ok",
        f"{len(OPERATIONS)} operations, {seconds:.1f} s to compile or load, equal to the reference to {error:.0e}",
    )


def _hashing() -> Finding:
    """Of the levels that training methods take by default in the plane."""
    shares = collisions(GridLayout((0.0, 0.0), (1.0, 1.0), resolutions_of(8, 4, 2.0, 2), table_sizes=(2**14,)))
    text = ", ".join(f"{100 * share:.0f}" for share in shares)
    return Finding(
        "hashed levels",
        "ok",
        f"of 2**14 slots {text} % have more than one vertex, on 8 levels of 4 to 512 cells in the plane; those of a run are in "
        'solution.stats["hash_collisions"]',
    )


def _cuda_kernels() -> Finding:
    try:
        version = nvrtc.version()
    except HermitePinnError as error:
        return Finding("CUDA kernels", "absent", "NVRTC is not installed, so they cannot be checked", str(error))
    channels = Channels.value(3) + Channels.laplacian(3)
    failed = []
    for architecture in nvrtc.ARCHITECTURES:
        spec = Specialization("jets", 3, "cubic", 2, False, channels, "float32")
        try:
            nvrtc.compile_for(spec.source("cu"), architecture)
        except HermitePinnError as error:
            failed.append(f"sm_{architecture}: {str(error).splitlines()[-1][:80]}")
    if failed:
        return Finding(
            "CUDA kernels", "broken", f"NVRTC {version}: " + "; ".join(failed), "install an NVRTC that knows these GPUs"
        )
    return Finding("CUDA kernels", "ok", f"NVRTC {version} compiles them for sm_{', sm_'.join(nvrtc.ARCHITECTURES)}")


def _gpu() -> list[Finding]:
    driver = shutil.which("nvidia-smi")
    if not torch.cuda.is_available():
        if driver is None:
            return [Finding("GPU", "absent", "no NVIDIA driver; everything runs on the CPU")]
        advice = (
            "install a PyTorch built with CUDA (see pytorch.org), and check the driver with nvidia-smi"
            if torch.version.cuda is None
            else "check the driver with nvidia-smi; it may be too old for CUDA " + torch.version.cuda
        )
        return [Finding("GPU", "broken", "a driver is there but PyTorch sees no GPU", advice)]
    names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
    findings = [Finding("GPU", "ok", f"{names}, CUDA {torch.version.cuda}")]
    major = (torch.version.cuda or "12").split(".")[0]
    if importlib.util.find_spec("cupy") is None:
        findings.append(
            Finding(
                "CuPy", "broken", "not installed, so the GPU is not used", f"pip install 'hermite_pinn[cuda{major}]'"
            )
        )
        return findings
    try:
        layout = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4),), "cubic")
        numbers = torch.Generator().manual_seed(0)
        x = torch.rand(2, 64, dtype=torch.float64, generator=numbers)
        table = torch.randn(layout.size, dtype=torch.float64, generator=numbers)
        channels = Channels.jet(2, 2)
        there = ops.jets(x.cuda(), table.cuda(), layout, channels).cpu()
        error = float((there - ops.jets(x, table, layout, channels)).abs().max())
        findings.append(
            Finding(
                "CuPy",
                "ok" if error < 1e-9 else "broken",
                f"{_package('cupy-cuda' + major + 'x') or ''} kernels equal to the CPU's to {error:.0e}",
            )
        )
    except HermitePinnError as problem:
        findings.append(Finding("CuPy", "broken", "kernels do not run", str(problem)))
    return findings


@isolated()
def examine() -> list[Finding]:
    """All findings, in the order of a report."""
    checks: list[Callable[[], Finding | list[Finding]]] = [
        _packages,
        _compiler,
        _cache,
        _host_kernels,
        _hashing,
        _gpu,
        _cuda_kernels,
    ]
    findings: list[Finding] = []
    for check in checks:
        result = check()
        findings += result if isinstance(result, list) else [result]
    return findings
