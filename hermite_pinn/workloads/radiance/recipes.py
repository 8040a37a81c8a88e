"""The recipes by name, and as data."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any

from hermite_pinn.checks import choice, instance, refuse
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.run.identity import plain
from hermite_pinn.schema import Entry

from .instant_ngp import Hermite, InstantNGP
from .model import Recipe
from .octree_recipe import OctreeRecipe
from .zip_nerf.recipe import ZipNeRF

__all__ = ["RECIPES", "chosen_recipe", "described_recipe", "read_recipe"]

#: Every recipe by the name that ``hp.radiance.fit(recipe=...)`` takes; a new one is entered here and nowhere else.
RECIPES: Mapping[str, type[Recipe]] = MappingProxyType({r.name: r for r in (InstantNGP, Hermite, ZipNeRF)})

#: Those of files: what compression makes of a field, too.
STORED: Mapping[str, type[Recipe]] = MappingProxyType({**RECIPES, OctreeRecipe.name: OctreeRecipe})


def chosen_recipe(recipe: Any, encoder: Any = None) -> Recipe:
    """A recipe from its name or from itself, with another encoder where one is given.

    Raises
    ------
    InvalidArgumentError
        If there is no such recipe or encoder.

    Examples
    --------
    >>> chosen_recipe("instant_ngp", "smooth").encoder
    'smooth'
    """
    if isinstance(recipe, str):
        made: Recipe = RECIPES[choice("recipe", recipe, RECIPES)]()
    else:
        hint = f"make an object of it: {recipe.__name__}()" if isinstance(recipe, type) else ""
        made = instance("recipe", recipe, Recipe, f"a recipe, or one of {', '.join(map(repr, RECIPES))}", hint=hint)
    if encoder is None:
        return made
    if "encoder" not in {f.name for f in fields(made)}:  # type: ignore[arg-type]
        refuse("encoder", encoder, "None", hint=f"the recipe {made.name!r} has one of its own")
    return replace(made, encoder=encoder)  # type: ignore[type-var, return-value]


def described_recipe(recipe: Recipe) -> dict[str, Any]:
    """Name and options as plain data."""
    return {"name": recipe.name, "options": plain(asdict(recipe))}  # type: ignore[call-overload]


def read_recipe(entry: Entry) -> Recipe:
    """Inverse of :func:`described_recipe`.

    Raises
    ------
    CorruptFileError
        If it is none.
    """
    kind = STORED[entry.at("name").text(STORED)]
    try:
        found: Recipe = _options(kind, entry.at("options"))
    except (InvalidArgumentError, TypeError) as error:
        raise CorruptFileError(f"{entry.source} is damaged: {entry.path} describes no recipe: {error}") from error
    return found


def _options(kind: Any, entry: Entry) -> Any:
    """A dataclass of options from names with values."""
    hints, known = typing.get_type_hints(kind), {f.name for f in fields(kind)}
    entry.items_named(known)
    return kind(**{name: _value(hints[name], value) for name, value in entry.entries().items()})


def _value(hint: Any, entry: Entry) -> Any:
    """A value, or options within options."""
    if isinstance(entry.value, Mapping):
        several = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        inner = [one for one in several if is_dataclass(one)]
        if len(inner) != 1:
            raise entry.refuse("a value without parts")
        return _options(inner[0], entry)
    if isinstance(entry.value, list):
        return tuple(_value(None, part) for part in entry.items())
    return entry.value
