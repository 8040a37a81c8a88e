"""What kernels take of a GPU: registers, spilled ones, local and shared memory, and the warps that leaves room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hermite_pinn.cuda.runtime import device, nvrtc
from hermite_pinn.cuda.runtime.source import BLOCK

from .channels import Channels
from .specialization import Specialization

__all__ = ["Resources", "compiled", "loaded", "standard", "table"]

REGISTERS = 65536  # of a multiprocessor


@dataclass(frozen=True)
class Resources:
    """One row of the table.

    Attributes
    ----------
    kernel
        What was compiled.
    architecture
        Compute capability, as ``"90"``.
    registers, local
        Per thread: registers, and bytes of local memory (spilled registers and arrays with run-time indices).
    spilled
        Bytes of spilled registers per thread; None where the driver does not tell.
    shared
        Bytes of shared memory per block.
    """

    kernel: str
    architecture: str
    registers: int
    local: int
    spilled: int | None
    shared: int

    @property
    def warps(self) -> int:
        """Warps of a multiprocessor that the registers allow, of at most 64; they come as whole blocks."""
        blocks = REGISTERS // (max(8, -(-self.registers // 8) * 8) * BLOCK)
        return min(64, blocks * (BLOCK // 32))


def standard() -> list[Specialization]:
    """The specialisations that most runs use: cubic fields in two and three dimensions, value, gradient and Laplacian.

    Examples
    --------
    >>> len(standard())
    26
    """
    specs = []
    for dim in (2, 3):
        channels = Channels.jet(dim, 1) + Channels.laplacian(dim)
        for features, dtype in ((2, "float32"), (1, "float64")):
            for operation in ("jets", "summed_jets", "adjoint", "jacobian_vector", "vector_jacobian"):
                specs.append(Specialization(operation, dim, "cubic", features, False, channels, dtype))
        value = Channels.value(dim)
        specs.append(Specialization("input_gradient", dim, "cubic", 2, False, value, "float32"))
        specs.append(Specialization("jets", dim, "cubic", 2, False, value, "float32", stored="float16"))
        specs.append(Specialization("adjoint", dim, "cubic", 2, False, channels, "float32", limbs=1))
    return specs


def label(spec: Specialization) -> str:
    """A specialisation in a few words.

    Examples
    --------
    >>> label(standard()[0])
    'jets 2-D cubic F=2 float32, Channels(value, d0, d1, d00 + d11)'
    """
    extra = f", {spec.stored} tables" if spec.stored else ""
    extra += ", deterministic" if spec.limbs else ""
    extra += ", indexed" if spec.indexed else ""
    extra += f", {spec.terms} rows" if spec.terms > 1 else ""
    return f"{spec.operation} {spec.dim}-D {spec.basis} F={spec.features} {spec.dtype}{extra}, {spec.channels}"


def compiled(specs: Sequence[Specialization] | None = None, architecture: str = "90") -> list[Resources]:
    """What NVRTC reports, without a GPU.

    Parameters
    ----------
    specs
        Kernels; ``None`` takes the :func:`standard` ones.
    architecture
        Compute capability.

    Raises
    ------
    BackendUnavailableError
        If NVRTC is missing or a kernel does not compile.
    """
    rows = []
    for spec in standard() if specs is None else specs:
        kernel = nvrtc.compile_for(spec.source("cu"), architecture)
        rows.append(Resources(label(spec), architecture, kernel.registers, kernel.stack, kernel.spilled, kernel.shared))
    return rows


def loaded(specs: Sequence[Specialization] | None = None, index: int = 0) -> list[Resources]:
    """What the driver reports of the kernels loaded on a GPU; raises as :func:`.device.module`."""
    rows = []
    for spec in standard() if specs is None else specs:
        kernel = device.module(spec.source("cu"), index).get_function("hp_run")
        version, registers = str(kernel.binary_version), int(kernel.num_regs)
        local, shared = int(kernel.local_size_bytes), int(kernel.shared_size_bytes)
        rows.append(Resources(label(spec), version, registers, local, None, shared))
    return rows


def table(rows: Sequence[Resources]) -> str:
    """The rows as text.

    Examples
    --------
    >>> print(table([Resources("jets", "90", 64, 0, 0, 0)]))
    sm  registers  spilled  local  shared  warps  kernel
    90         64        0      0       0     32  jets
    """
    lines = ["sm  registers  spilled  local  shared  warps  kernel"]
    for r in rows:
        spilled = "-" if r.spilled is None else str(r.spilled)
        lines.append(
            f"{r.architecture:3s} {r.registers:9d} {spilled:>8s} {r.local:6d} {r.shared:7d} {r.warps:6d}  {r.kernel}"
        )
    return "\n".join(lines)
