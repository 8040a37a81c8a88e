"""In which precision the steps of an inner solve are taken."""

from __future__ import annotations

import torch

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.methods.least_squares.cgls import Products
from hermite_pinn.methods.systems.grid_system import GridSystem

__all__ = ["PRECISIONS", "chosen_precision", "float64_is_slow", "single_products"]

PRECISIONS = ("auto", "float64", "mixed")

# Compute capabilities that do float64 arithmetic at half the rate of float32: P100, V100, A100, H100 and H200, B200.
_FAST = frozenset({(6, 0), (7, 0), (8, 0), (9, 0), (10, 0)})


def float64_is_slow(capability: tuple[int, int]) -> bool:
    """Whether a GPU of this compute capability does float64 arithmetic at 1/32 or 1/64 of the rate of float32.

    Examples
    --------
    >>> float64_is_slow((9, 0)), float64_is_slow((8, 9))
    (False, True)
    """
    return tuple(capability) not in _FAST


def chosen_precision(choice: str, device: torch.device) -> str:
    """``"float64"`` or ``"mixed"``; ``"auto"`` is mixed on GPUs whose float64 is slow, and float64 elsewhere.

    Raises
    ------
    InvalidArgumentError
        For another choice.
    """
    if choice not in PRECISIONS:
        raise InvalidArgumentError(f"precision must be one of {', '.join(PRECISIONS)}, got {choice!r}")
    if choice != "auto":
        return choice
    slow = device.type == "cuda" and float64_is_slow(torch.cuda.get_device_capability(device))
    return "mixed" if slow else "float64"


def single_products(system: GridSystem, columns: torch.Tensor) -> Products:
    """Products of a linearised system with scaled columns, in float32."""
    single, scale = system.in_single(), columns.to(torch.float32)
    return Products(lambda y: single.forward(y * scale), lambda r: single.adjoint(r).mul_(scale))
