"""Choose where to run."""

from __future__ import annotations

import importlib.util
import logging
import os

import torch

from .distributed import launched
from .errors import BackendUnavailableError, InvalidArgumentError

__all__ = ["choose_device"]

logger = logging.getLogger(__name__)


def choose_device(device: str | torch.device) -> torch.device:
    """A device from the argument of ``solve``.

    Raises
    ------
    InvalidArgumentError
        For a name that is no device.
    BackendUnavailableError
        If a GPU is asked for that is not there, or CuPy is missing.
    """
    if device == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        if importlib.util.find_spec("cupy") is None:
            major = (torch.version.cuda or "12").split(".")[0]
            logger.warning(
                "a GPU is there but CuPy is not, so this runs on the CPU; pip install 'hermite_pinn[cuda%s]' to use the GPU",
                major,
            )
            return torch.device("cpu")
        return torch.device("cuda", _own_gpu())
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InvalidArgumentError(f"unknown device {device!r}; use 'cpu', 'cuda', 'cuda:1' or 'auto'") from error
    if chosen.type == "cpu":
        return chosen
    if chosen.type != "cuda":
        raise InvalidArgumentError(f"device {device!r} is not supported; use 'cpu', 'cuda', 'cuda:1' or 'auto'")
    if not torch.cuda.is_available():
        raise BackendUnavailableError(
            f"device {device!r} was asked for but PyTorch sees no GPU; check the driver with nvidia-smi and that PyTorch was built with "
            "CUDA, or use device='cpu' (hermite-pinn doctor tells more)"
        )
    index = _own_gpu() if chosen.index is None else chosen.index
    if index >= torch.cuda.device_count():
        raise BackendUnavailableError(
            f"device {device!r} does not exist; PyTorch sees {torch.cuda.device_count()} GPU(s)"
        )
    return torch.device("cuda", index)


def _own_gpu() -> int:
    """The current GPU, or under torchrun the one with the number of the process on its machine."""
    local = os.environ.get("LOCAL_RANK")
    if not launched() or local is None:
        return torch.cuda.current_device()
    count = torch.cuda.device_count()
    if int(local) >= count:
        raise BackendUnavailableError(
            f"process {local} of this machine finds {count} GPU(s); start at most as many processes as there are GPUs "
            f"(torchrun --nproc-per-node={count}), or use device='cpu'"
        )
    return int(local)
