"""What went wrong while compiling, allocating or launching, said so that it can be mended."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import torch

from hermite_pinn.errors import BackendUnavailableError, HermitePinnError, OutOfMemoryError
from hermite_pinn.memory import spelled_size

__all__ = ["MEND", "allocate", "compile_failure", "cupy_missing", "device_failure", "recognized"]

#: What to do where a file of the package cannot be read.
MEND = "close files or raise their limit (ulimit -n) if too many are open, or install the package anew"
LESS = "use fewer points at a time, fewer levels, fewer derivatives or a smaller table_size"

#: What the driver reports, and what to do about it; searched in this order.
DEVICE_FAILURES = (
    (
        ("INSUFFICIENT_DRIVER", "insufficientdriver", "driver version is insufficient", "UNSUPPORTED_PTX_VERSION",
         "driver on your system is too old"),
        "the NVIDIA driver is older than this CUDA version needs; update the driver (nvidia-smi shows its version), or "
        "install PyTorch and CuPy for an older CUDA",
    ),
    (
        ("NO_DEVICE", "no CUDA-capable device", "no NVIDIA driver", "nodevice"),
        "no GPU or no NVIDIA driver is there; check with nvidia-smi, or use device='cpu'",
    ),
    (
        ("NO_BINARY_FOR_GPU", "INVALID_ARCH", "invalid value for --gpu-architecture", "no kernel image"),
        "this CUDA version does not know the GPU's architecture; install PyTorch and CuPy for a newer CUDA",
    ),
    (
        ("ILLEGAL_ADDRESS", "illegal memory access", "MISALIGNED_ADDRESS", "misaligned address",
         "device-side assert", "CUDA_ERROR_ASSERT"),
        "a kernel read or wrote memory that is not its own, and this process can no longer use the GPU; restart it, run "
        "`compute-sanitizer python ...` to find the kernel, and report what it prints",
    ),
    (
        ("LAUNCH_TIMEOUT", "launch timed out"),
        "a kernel ran longer than the display driver allows; use fewer points per step or a GPU without a display",
    ),
    (
        ("DEVICE_LOST", "ECC_UNCORRECTABLE", "uncorrectable ECC", "HARDWARE_STACK_ERROR", "fallen off the bus",
         "unspecified launch failure", "LAUNCH_FAILED", "UNKNOWN: unknown error", "DEVICE_UNAVAILABLE"),
        "the GPU stopped answering; restart the process and continue from the last checkpoint (resume=...); if it happens "
        "again, look for Xid messages in `dmesg` and at the GPU's temperature",
    ),
    (
        ("OUT_OF_MEMORY", "out of memory"),
        f"the GPU has no memory left; {LESS}, or close other programs on this GPU",
    ),
)  # fmt: skip


def compile_failure(what: str, log: str, source: str) -> BackendUnavailableError:
    """The error of a compiler: its first message with the lines of the source around it, then its log.

    Parameters
    ----------
    what
        Who failed at what, as ``"NVRTC could not compile for sm_90"``.
    log
        The compiler's output, of the forms ``file(12): error`` or ``file:12:3: error``.
    source
        The text that was compiled.
    """
    lines, excerpt = source.splitlines(), ""
    match = re.search(r"(?:\((\d+)\)|:(\d+):\d+): (?:catastrophic |fatal )?error", log)
    if match:
        number = int(match.group(1) or match.group(2))
        around = range(max(1, number - 2), min(len(lines), number + 2) + 1)
        excerpt = "".join(f"{'>' if k == number else ' '} {k:4d} | {lines[k - 1][:160]}\n" for k in around)
    return BackendUnavailableError(f"{what}:\n{excerpt}{log.strip()[:4000]}")


def cupy_missing(error: BaseException) -> BackendUnavailableError:
    """The error when CuPy cannot be imported: not there, or built for another CUDA."""
    version = torch.version.cuda or "12"
    wanted = f"pip install 'hermite_pinn[cuda{version.split('.')[0]}]'"
    shadow = _shadow() if str(getattr(error, "name", "")).split(".")[0] == "cuda" else None
    missing = re.search(r"lib(?:nvrtc|cudart|cublas|cuda)[\w.-]*\.so[.\d]*", str(error))
    if shadow is not None:
        advice = (
            f"the folder {shadow} of this package is found in place of the package cuda, which CuPy imports, because Python looks for "
            "modules in the folder above it; start Python in another folder, or with -P (PYTHONSAFEPATH=1), as in `python -P -m pytest`"
        )
    elif isinstance(error, ModuleNotFoundError):
        advice = f"it is not installed; {wanted}"
    elif missing:
        advice = (
            f"it was built for another CUDA than PyTorch's {version} ({missing.group(0)} is not here); remove it "
            f"(pip uninstall cupy-cuda11x cupy-cuda12x cupy-cuda13x) and {wanted}"
        )
    else:
        advice = f"its import failed; reinstall it: {wanted}"
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return BackendUnavailableError(
        f"CUDA tensors need CuPy, which cannot be imported: {advice}, or use device='cpu' ({first})"
    )


def _shadow() -> Path | None:
    """The folder ``cuda`` of this package where Python takes it for the package of that name, as in a checkout."""
    own = Path(__file__).resolve().parents[1]
    try:
        found = importlib.util.find_spec("cuda")
    except (ImportError, ValueError):
        return None
    places = () if found is None else found.submodule_search_locations or ()
    return own if any(Path(place).resolve() == own for place in places) else None


def recognized(error: BaseException, what: str) -> HermitePinnError | None:
    """A known error of PyTorch, CuPy or the driver in our words, the original text at the end; None for others."""
    if isinstance(error, HermitePinnError):
        return None
    text = f"{type(error).__name__}: {error}"
    folded = text.lower()
    if isinstance(error, MemoryError) or "defaultcpuallocator" in folded:
        return OutOfMemoryError(f"{what} ran out of memory: {LESS} ({text[:300]})")
    if not any(name in folded for name in ("cuda", "nvidia", "cupy", "cu_", "nvrtc")):
        return None
    for marks, advice in DEVICE_FAILURES:
        if any(m.lower() in folded for m in marks):
            kind = OutOfMemoryError if "out of memory" in marks else BackendUnavailableError
            return kind(f"{what} failed: {advice} ({text[:300]})")
    return None


def device_failure(error: BaseException, what: str) -> HermitePinnError:
    """An error of CuPy or the driver in our words, known or not."""
    text = f"{type(error).__name__}: {error}"
    return recognized(error, what) or BackendUnavailableError(
        f"{what} failed; `hermite-pinn doctor` examines the installation ({text[:300]})"
    )


def allocate(
    what: str, shape: tuple[int, ...], like: torch.Tensor, dtype: torch.dtype | None = None, zero: bool = False
) -> torch.Tensor:
    """A new tensor on the device of ``like``.

    Raises
    ------
    OutOfMemoryError
        If it does not fit; the message says who asked for how much, and what to lower.
    """
    try:
        return (like.new_zeros if zero else like.new_empty)(shape, dtype=dtype or like.dtype)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        count = 1
        for n in shape:
            count *= n
        need = count * torch.empty(0, dtype=dtype or like.dtype).element_size()
        raise OutOfMemoryError(
            f"{what} asked for {spelled_size(need)} on {like.device}{_free(like.device)}; {LESS}"
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return (
        isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in text or "out of memory" in text
    )


def _free(device: torch.device) -> str:
    if device.type != "cuda" or not torch.cuda.is_available():
        return ""
    free, total = torch.cuda.mem_get_info(device)
    return f", where {spelled_size(free)} of {spelled_size(total)} are free"
