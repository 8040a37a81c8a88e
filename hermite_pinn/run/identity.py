"""What a run is, in words and numbers: what a checkpoint must agree in, and what a file tells about its making."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Protocol

import torch

from hermite_pinn.field.field import Field, Levels
from hermite_pinn.problem.problem import Problem

__all__ = ["part", "plain", "run_identity"]


class Named(Protocol):
    """A method; its options are the fields of a dataclass."""

    @property
    def name(self) -> str:
        """What it is called."""


def run_identity(
    problem: Problem,
    method: Named,
    field: Field | None,
    levels: Levels | None,
    seed: int,
    dtype: torch.dtype | None,
) -> dict[str, Any]:
    """What must agree for a checkpoint to be continued, and what a file tells about its making."""
    return {
        "problem": str(problem),
        "parts": {name: asdict(part) for name, part in problem.identity.items()},
        "method": method.name,
        "options": plain(_options(method)),
        "field": None if field is None else plain(asdict(field)),
        "levels": plain(levels),
        "seed": seed,
        "dtype": None if dtype is None else str(dtype).removeprefix("torch."),
    }


def _options(method: Named) -> dict[str, Any]:
    """Options of a method by name; those of a chain's members in order, with the members' names."""
    if not is_dataclass(method):
        return {}
    options = asdict(method)
    for k, member in enumerate(getattr(method, "methods", ()), 1):
        options.pop("methods", None)
        options[f"method {k}"] = member.name
        options |= {f"{name} of method {k}": value for name, value in _options(member).items()}
    return options


def part(described: Mapping[str, Any]) -> dict[str, str]:
    """What is described, as text with its digest: a part of an identity."""
    text = json.dumps(plain(dict(described)), sort_keys=True)
    return {"digest": hashlib.sha256(text.encode()).hexdigest(), "text": text}


def plain(value: Any) -> Any:
    """JSON's idea of a value."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return repr(value)
