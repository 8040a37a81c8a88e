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

__all__ = ["identity_of", "part", "plain", "run_identity"]


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
    parts = {name: asdict(part) for name, part in problem.identity.items()}
    return _identity(str(problem), parts, method.name, _options(method), field, levels, seed, dtype)


def identity_of(
    made: str,
    parts: Mapping[str, Mapping[str, Any]],
    *,
    method: str,
    seed: int,
    options: Mapping[str, Any] | None = None,
    field: Field | None = None,
    levels: Levels | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Any]:
    """The same of a run that solves no problem.

    Parameters
    ----------
    made
        What it makes, in words.
    parts
        What it is made from: by name, what tells one from another.
    method, options
        How it is made, by name and with which numbers.
    field, levels, seed, dtype
        As in :func:`hermite_pinn.solve`.

    Examples
    --------
    >>> identity = identity_of("numbers", {"first": {"value": 1}}, method="counting", seed=0)
    >>> identity["parts"]["first"]["text"]
    '{"value": 1}'
    """
    described = {name: part(value) for name, value in parts.items()}
    return _identity(made, described, method, dict(options or {}), field, levels, seed, dtype)


def _identity(
    made: str,
    parts: dict[str, Any],
    method: str,
    options: dict[str, Any],
    field: Field | None,
    levels: Levels | None,
    seed: int,
    dtype: torch.dtype | None,
) -> dict[str, Any]:
    return {
        "problem": made,
        "parts": parts,
        "method": method,
        "options": plain(options),
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
