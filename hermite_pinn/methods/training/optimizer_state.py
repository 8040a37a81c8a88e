"""The state of a PyTorch optimiser as plain data and named tensors, so that it can be saved without pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["packed", "unpacked"]


def packed(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """A nest of dictionaries, lists, numbers and tensors with the tensors moved to ``tensors``.

    Parameters
    ----------
    value
        The nest; keys of dictionaries are strings or integers.
    name
        Beginning of the names of the tensors.
    tensors
        Receives the tensors.

    Returns
    -------
    Any
        What JSON can express, to be given to :func:`unpacked`.

    Notes
    -----
    The order of the axes in memory is kept, since matrix products of the same numbers in another order may differ in
    their last bits.

    Examples
    --------
    >>> tensors = {}
    >>> plain = packed({0: [torch.ones(2), 3]}, "state", tensors)
    >>> list(tensors), unpacked(plain, tensors)
    (['state.0.0'], {0: [tensor([1., 1.]), 3]})
    """
    if isinstance(value, torch.Tensor):
        order = sorted(range(value.dim()), key=lambda i: value.stride()[i], reverse=True)
        tensors[name] = value.permute(order)
        return {"tensor": name, "order": order}
    if isinstance(value, Mapping):
        return {"items": [[k, packed(v, f"{name}.{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [packed(v, f"{name}.{i}", tensors) for i, v in enumerate(value)]}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{name} is a {type(value).__name__}, which cannot be saved")


def unpacked(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Inverse of :func:`packed`, except that tuples become lists."""
    if isinstance(value, dict):
        if "tensor" in value:
            order = value["order"]
            return tensors[value["tensor"]].permute([order.index(i) for i in range(len(order))])
        if "items" in value:
            return {k: unpacked(v, tensors) for k, v in value["items"]}
        return [unpacked(v, tensors) for v in value["list"]]
    return value
