"""Launch kernels with one thread per ray, cell or byte where their tensors are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch

from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.source import BLOCK, REALS, assembled
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["plain", "real", "run", "source"]


@lru_cache(maxsize=64)
def source(file: str, dtype: torch.dtype, language: str, colours: int = 3) -> str:
    """Text of a file of this room, such as ``"march"``, in a precision and a language (``"cu"`` or ``"cpp"``)."""
    constants: dict[str, str | int] = {"HP_REAL": REALS[dtype], "HP_BLOCK": BLOCK, "HP_COLOURS": colours}
    return assembled(f"rays/{file}.{language}", constants)


def plain(place: torch.device) -> bool:
    """Whether there are no kernels for tensors of a device: on a CPU without a compiler."""
    return place.type != "cuda" and not host.available()


def real(name: str, tensor: torch.Tensor) -> torch.dtype:
    """The type of a tensor that decides about the precision.

    Raises
    ------
    InvalidArgumentError
        If it is neither float32 nor float64.
    """
    if tensor.dtype not in REALS:
        raise InvalidArgumentError(f"{name} must be float32 or float64, got {tensor.dtype}; convert it")
    return tensor.dtype


def run(text: tuple[str, torch.dtype, int], name: str, spelled: str, place: torch.device, given: Sequence[Any]) -> int:
    """Launch an entry point for ``given[0]`` rays, cells or bytes; what it returns on a CPU, else 0.

    Parameters
    ----------
    text
        File, type and colours of :func:`source`.
    name
        The entry point.
    spelled
        Kinds of its arguments as in :func:`.host.function`, without the number of threads.
    place
        The device of all tensors.
    given
        The arguments.
    """
    count = given[0]
    if count == 0:
        return 0
    file, dtype, colours = text
    if place.type == "cuda":
        device.start(source(file, dtype, "cu", colours), name, place.index, (-(-count // BLOCK), 1), given)
        return 0
    call = host.function(source(file, dtype, "cpp", colours), name, spelled + "i")
    words = (host.address(a) if kind == "p" else a for kind, a in zip(spelled, given, strict=True))
    return int(call(*words, torch.get_num_threads()))
