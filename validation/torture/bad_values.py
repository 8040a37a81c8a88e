"""Values that somebody passes by mistake, and what each kind of argument must not take."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

__all__ = ["VALUES", "never"]


def _raising(*args: Any, **kwargs: Any) -> Any:
    return None


#: Makes a value, by name.
VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "true": lambda: True,
    "text": lambda: "text",
    "empty text": lambda: "",
    "number as text": lambda: "1e-3",
    "minus one": lambda: -1,
    "zero": lambda: 0,
    "fraction": lambda: 2.5,
    "nan": lambda: math.nan,
    "infinity": lambda: math.inf,
    "minus infinity": lambda: -math.inf,
    "2**31": lambda: 2**31,
    "2**64": lambda: 2**64,
    "10**400": lambda: 10**400,
    "complex": lambda: 1 + 2j,
    "object": object,
    "class": lambda: int,
    "function": lambda: _raising,
    "list": list,
    "mapping": dict,
    "set": lambda: {1, 2},
    "triple": lambda: (0, 1, 2),
    "nested": lambda: [[0, 1], [2]],
    "texts": lambda: ["a", "b"],
    "generator": lambda: (k for k in range(2)),
    "array": lambda: np.array([[0.0, math.nan], [1.0, 2.0]]),
    "empty array": lambda: np.zeros((0, 2)),
    "array of objects": lambda: np.array([object(), None], dtype=object),
    "tensor": lambda: torch.full((2, 2), math.nan),
    "meta tensor": lambda: torch.empty(2, 2, device="meta"),
    "bytes": lambda: b"x-",
}

NO_NUMBER = {
    "text", "empty text", "number as text", "nan", "complex", "object", "class", "function", "mapping", "set", "texts",
    "generator", "array of objects", "bytes", "minus infinity",
}  # fmt: skip
NO_COUNT = NO_NUMBER | {"fraction", "minus one", "true", "infinity"}
NO_TEXT = {"object", "class", "function", "complex", "fraction", "nan", "mapping", "minus one"}

COUNTS = {
    "base", "check_every", "depth", "every", "face_points", "features", "gauss", "held_out", "inner_steps", "levels", "lr_every",
    "max_levels", "max_order", "max_unknowns", "memory", "order", "outer_steps", "patience", "points per step", "pool",
    "precondition_every", "probes", "resolution", "rounds", "samples", "search_steps", "seed", "steps", "table_size", "warmup", "width",
    "balance_every", "cells",
}  # fmt: skip
NUMBERS = {
    "c", "damping", "ema", "face_weight", "ftol", "gtol", "init", "inner_tol", "k", "lr", "lr_end", "max_time", "network_lr", "omega",
    "oversampling", "ratio", "seconds", "table_std", "tol", "weight", "weight_cap",
}  # fmt: skip
TEXTS = {"activation", "basis", "encoder", "head", "method", "schedule", "start", "train", "inner", "precision"}


def never(parameter: str) -> set[str]:
    """Names of the values that an argument of this name must not take; others may have a meaning."""
    if parameter == "seed":
        return NO_COUNT - {"minus one", "true"} | {"none", "2**64"}
    if parameter in COUNTS:
        return NO_COUNT
    if parameter in NUMBERS:
        return NO_NUMBER
    if parameter in TEXTS:
        return NO_TEXT
    return {"object"}
