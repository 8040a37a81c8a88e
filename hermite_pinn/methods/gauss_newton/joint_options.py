"""What a user may choose of Gauss-Newton on hashed tables and networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from hermite_pinn.calls import with_options_named
from hermite_pinn.checks import Check, check_options, choice, either, flag, instance, integer, items, number
from hermite_pinn.field.field import GridField
from hermite_pinn.field.tree import ENCODER, HEAD, within

__all__ = ["JOINT", "JointStage"]

TRAINED = ("readout", "network", "table", "linear", "all")

at_least_one = partial(integer, least=1)

STAGE_CHECKS: Mapping[str, Check] = MappingProxyType(
    {"train": partial(choice, options=TRAINED), "steps": at_least_one, "cells": either(at_least_one, None)}
)


@with_options_named
@dataclass(frozen=True)
class JointStage:
    """One part of a joint solve.

    Parameters
    ----------
    train
        ``"readout"`` (the last layer: variable projection), ``"network"`` (all layers), ``"table"``, ``"linear"``
        (table and last layer) or ``"all"``.
    steps
        Most Levenberg-Marquardt steps; an affine problem takes one.
    cells
        Cells of Gauss points per axis; ``None`` takes ``oversampling`` rows per unknown.

    Examples
    --------
    >>> JointStage("readout", steps=1), JointStage("all").steps
    (JointStage(train='readout', steps=1, cells=None), 20)
    """

    train: str
    steps: int = 20
    cells: int | None = None

    def __post_init__(self) -> None:
        check_options(self, STAGE_CHECKS)

    def names(self, field: GridField) -> list[str]:
        """Tensors of the field that are trained."""
        known, readout = field.unknowns, set(field.readout)
        encoder = {k for k in known if within(k, ENCODER)}
        chosen = {
            "readout": readout,
            "network": {k for k in known if within(k, HEAD)},
            "table": encoder,
            "linear": encoder | readout,
            "all": set(known),
        }[self.train]
        return [k for k in known if k in chosen]


def _stages(name: str, value: Any, **words: Any) -> tuple[JointStage, ...]:
    """Parts of a joint solve."""
    accepted = "a sequence of hermite_pinn.JointStage"
    stages = items(name, value, accepted, least=1, **words)
    return tuple(instance(f"a part of {name}", part, JointStage, "a hermite_pinn.JointStage") for part in stages)


def _frequencies(name: str, value: Any) -> tuple[float, ...]:
    """Positive numbers."""
    return tuple(number(name, f, above=0) for f in items(name, value, "a sequence of positive numbers", least=1))


JOINT: Mapping[str, Check] = MappingProxyType(
    {
        "stages": either(_stages, None),
        "gauss": partial(integer, least=1, most=16),
        "oversampling": partial(number, above=1, most=1000, hint="a least-squares fit needs more rows than unknowns"),
        "frequencies": _frequencies,
        "start": partial(choice, options=("coordinates", "random")),
        "hard": flag,
        "face_weight": partial(number, above=0),
        "inner_tol": partial(number, above=0, below=1),
        "inner_steps": at_least_one,
        "damping": partial(number, least=0),
        "patience": at_least_one,
        "dense_limit": partial(integer, least=0),
        "held_out": at_least_one,
    }
)
