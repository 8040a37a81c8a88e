"""The assembly text of CUDA sources."""

import ctypes

from hermite_pinn.cuda.runtime.nvrtc import _program


def ptx(source: str, architecture: str) -> str:
    """For a virtual architecture such as ``"90"``."""
    with _program(source, f"compute_{architecture}") as (library, program, _):
        size = ctypes.c_size_t()
        library.nvrtcGetPTXSize(program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        library.nvrtcGetPTX(program, buffer)
        return buffer.value.decode()
