"""What checkpoints of trainings have in common: random numbers, and the state of an optimiser of a library."""

from __future__ import annotations

import copy
from typing import Any

import torch

from hermite_pinn.geometry import Domain
from hermite_pinn.schema import Entry

__all__ = ["check_optimizer", "points_inside", "restore_generator"]


def restore_generator(generator: torch.Generator, saved: Entry) -> None:
    """Continue random numbers where a checkpoint left them.

    Raises
    ------
    CorruptFileError
        If that is no state of a generator on this device.
    """
    state = saved.tensor(tuple(generator.get_state().shape), (torch.uint8,))
    try:
        generator.set_state(state)
    except RuntimeError as error:
        raise saved.refuse(f"the state of a generator on {generator.device}") from error


def points_inside(saved: Entry, domain: Domain, count: int | None, dtype: torch.dtype) -> torch.Tensor:
    """Points (dim, count) of a domain's box from a checkpoint.

    Raises
    ------
    CorruptFileError
        If one lies outside, or there are others than those.
    """
    x = saved.tensor((domain.dim, count), (dtype,))
    for axis, (lower, upper) in enumerate(zip(domain.lower, domain.upper, strict=True)):
        slack = 1e-6 * (upper - lower)
        if not (float(x[axis].min()) >= lower - slack and float(x[axis].max()) <= upper + slack):
            raise saved.refuse(f"points with {domain.names[axis]} from {lower:g} to {upper:g}")
    return x


def check_optimizer(optimizer: torch.optim.Optimizer, state: Entry) -> None:
    """Refuse a saved state of an optimiser that has other parts than this one has after some steps.

    Parameters
    ----------
    optimizer
        A fresh one, which takes two steps that show what it remembers.  Its tensors are as before afterwards, and its
        state is to be loaded.
    state
        Its ``state_dict()["state"]``.

    Raises
    ------
    CorruptFileError
        If a part is missing, has another shape or type, or is not finite.
    """
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    before, seen = [p.detach().clone() for p in trained], []
    for _ in range(2):
        for p in trained:
            p.grad = torch.ones_like(p)
        optimizer.step()
        seen.append(copy.deepcopy(optimizer.state_dict()["state"]))
    with torch.no_grad():
        for p, value in zip(trained, before, strict=True):
            p.copy_(value)
            p.grad = None
    optimizer.state.clear()
    _check_like(state, *seen)


def _check_like(entry: Entry, first: Any, second: Any) -> None:
    """Refuse what differs in kind from what was seen twice; numbers that did not change must be the same."""
    if isinstance(second, torch.Tensor):
        entry.tensor(tuple(second.shape), (second.dtype,), 0.0 if entry.path.endswith("_sq") else -torch.inf)
    elif isinstance(second, dict):
        parts = {str(key): value for key, value in entry.value.items()} if isinstance(entry.value, dict) else {}
        if set(parts) != set(map(str, second)):
            raise entry.refuse(f"entries called {', '.join(map(str, second))}")
        for key, value in second.items():
            _check_like(Entry(parts, entry.source, entry.path).at(str(key)), first[key], value)
    elif isinstance(second, list | tuple):
        for part, a, b in zip(entry.items(len(second)), first, second, strict=True):
            _check_like(part, a, b)
    elif first != second and isinstance(second, int):
        entry.integer(0)
    elif first != second and isinstance(second, float):
        entry.number()
    elif type(entry.value) is not type(second) or entry.value != second:
        raise entry.refuse(repr(second))
