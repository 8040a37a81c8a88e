"""The arguments of ``solve`` that belong to no other part, as what a run works with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from hermite_pinn.checks import choice, instance, integer, items, number, refuse

from .callbacks import Callback

if TYPE_CHECKING:  # who only checks a number does not wait for them
    from hermite_pinn.field.field import Field
    from hermite_pinn.problem.problem import Problem

__all__ = ["MOST_SEED", "checked_seed", "chosen_dtype", "chosen_field", "limit", "listeners"]

#: Largest seed: methods add to it, and generators take less than 2**64.
MOST_SEED = 2**62

HOOKS = ("on_start", "on_step", "on_end")


def checked_seed(seed: Any) -> int:
    """A seed of everything random."""
    return integer("seed", seed, least=0, most=MOST_SEED)


def limit(name: str, value: Any, *, infinite: bool = False) -> float | None:
    """A positive number, or None; infinity counts as None where it is accepted."""
    if value is None:
        return None
    bound = number(name, value, above=0, infinite=infinite, otherwise="None")
    return None if bound == float("inf") else bound


def chosen_field(field: Any) -> Field | None:
    """A kind of field from a :class:`hermite_pinn.Field`, the name of a head, or None."""
    from hermite_pinn.field.field import Field

    if field is None:
        return None
    if isinstance(field, str):
        return Field(head=field)
    hint = "give hp.Field(), not the class" if field is Field else ""
    return instance("field", field, Field, "a hermite_pinn.Field or the name of a head", otherwise="None", hint=hint)


def chosen_dtype(dtype: Any) -> torch.dtype | None:
    """A precision from its name or PyTorch's; None is the method's own."""
    if dtype is None or dtype is torch.float32 or dtype is torch.float64:
        return dtype
    name = choice("dtype", dtype, ("float32", "float64"), otherwise="None")
    return {"float32": torch.float32, "float64": torch.float64}[name]


def listeners(callbacks: Any, problem: Problem | None) -> list[Callback]:
    """Callbacks from one or several, objects with ``on_start``, ``on_step`` and ``on_end``, after their own checks.

    Without a problem, in a run that solves none, those that prepare for one are refused.
    """
    several = [callbacks] if _listens(callbacks) else items("callbacks", callbacks, "a callback or a list of callbacks")
    for listener in several:
        if not _listens(listener):
            made = isinstance(listener, type) and issubclass(listener, Callback)
            advice = f"make an object of it: {listener.__name__}()" if made else "derive a class from hp.Callback"
            accepted = "an object with on_start, on_step and on_end"
            refuse("each callback", listener, accepted, hint=advice)
        if isinstance(listener, Callback):
            listener.check()
            if problem is not None:
                listener.prepare(problem)
            elif type(listener).prepare is not Callback.prepare:
                accepted = "a callback that needs no problem, such as hp.CSVLog"
                refuse("each callback", listener, accepted, hint="this run solves no equation")
    return several


def _listens(value: Any) -> bool:
    return not isinstance(value, type) and all(callable(getattr(value, hook, None)) for hook in HOOKS)
