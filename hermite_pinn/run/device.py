"""Choose where to run."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil

import torch

from hermite_pinn.checks import instance
from hermite_pinn.cuda.runtime.failures import recognized
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError

from .distributed import launched

__all__ = ["choose_device", "why_no_gpu"]

logger = logging.getLogger(__name__)


def why_no_gpu() -> str:
    """Why PyTorch cannot use a GPU, and what to do about it."""
    if torch.version.cuda is None:
        return "this PyTorch was built without CUDA; install one with it (see pytorch.org)"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        known = recognized(error, "starting CUDA")
        return str(known) if known else f"{str(error).splitlines()[0]} (check the driver with nvidia-smi)"
    return "no GPU is visible; check CUDA_VISIBLE_DEVICES and nvidia-smi"


def choose_device(device: str | torch.device) -> torch.device:
    """A device from the argument of ``solve``.

    Raises
    ------
    InvalidArgumentError
        For a name that is no device.
    BackendUnavailableError
        If a GPU is asked for that is not there, or CuPy is missing.
    """
    instance("device", device, (str, torch.device), "'cpu', 'cuda', 'cuda:1' or 'auto'", otherwise="a torch.device")
    if device == "auto":
        if not torch.cuda.is_available():
            if torch.version.cuda is not None and shutil.which("nvidia-smi"):
                logger.warning("a GPU driver is there but this runs on the CPU: %s", why_no_gpu())
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
        return torch.device("cpu")
    if chosen.type != "cuda":
        raise InvalidArgumentError(f"device {device!r} is not supported; use 'cpu', 'cuda', 'cuda:1' or 'auto'")
    if not torch.cuda.is_available():
        raise BackendUnavailableError(
            f"device {device!r} was asked for but PyTorch sees no GPU: {why_no_gpu()}; or use device='cpu' "
            "(hermite-pinn doctor tells more)"
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
