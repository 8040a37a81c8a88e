"""The state of a PyTorch optimiser as plain data and named tensors, so that it can be saved without pickles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from hermite_pinn.schema import Entry

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
    """Inverse of :func:`packed`, except that tuples become lists.

    Raises
    ------
    CorruptFileError
        If ``value``, which may be an entry of a file, is nothing that was packed, or a tensor is missing.
    """
    entry = Entry.of(value, "the checkpoint")
    if not isinstance(entry.value, dict):
        return entry.value
    if "tensor" in entry.value:
        name, order = entry.at("tensor").text(), entry.at("order").items()
        axes = [axis.integer(0) for axis in order]
        if name not in tensors or not isinstance(tensors[name], torch.Tensor) or tensors[name].dim() != len(axes):
            raise entry.refuse(f"one of the tensors {', '.join(tensors)}, with the order of its axes")
        if sorted(axes) != list(range(len(axes))):
            raise entry.at("order").refuse("the order of the axes of a tensor")
        return tensors[name].permute([axes.index(i) for i in range(len(axes))])
    if "items" in entry.value:
        pairs = [pair.items(2) for pair in entry.at("items").items()]
        if not all(isinstance(key.value, str | int) for key, _ in pairs):
            raise entry.at("items").refuse("pairs of a name and a value")
        return {key.value: unpacked(inner, tensors) for key, inner in pairs}
    return [unpacked(inner, tensors) for inner in entry.at("list").items()]
