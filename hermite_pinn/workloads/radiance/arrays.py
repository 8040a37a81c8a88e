"""Numbers of users as arrays on the host."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

__all__ = ["host_array"]


def host_array(given: Any) -> np.ndarray:
    """A tensor on any device, an array or nested lists as an array; nothing of its type or shape is changed.

    Examples
    --------
    >>> host_array(torch.ones(2, requires_grad=True)), host_array([[1, 2]])
    (array([1., 1.], dtype=float32), array([[1, 2]]))
    """
    return np.asarray(given.detach().cpu() if isinstance(given, torch.Tensor) else given)
