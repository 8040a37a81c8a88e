"""Public callables for radiance fields with arguments that are good, to be replaced one by one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp

from .case import Bench

__all__ = ["RADIANCE"]

RECIPE: dict[str, Any] = {"levels": 2, "table_size": 64, "samples": 256, "cells": 8, "march_steps": 16, "warmup": 1}
SCENE: dict[str, Any] = {"train": 4, "test": 1, "supersampling": 1}
COLORS = np.full((12, 12, 3), 0.5)
#: Where a call takes the folder of a good scene.
FOLDER = "a good scene"


@cache
def _scene() -> Any:
    return hp.radiance.Scene.render_synthetic(12, **SCENE)


@cache
def _field() -> Any:
    recipe = hp.radiance.InstantNGP(**RECIPE)
    return hp.radiance.fit(_scene(), recipe=recipe, steps=2, progress=False, device="cpu")


def _folder(bench: Bench) -> Path:
    """A scene in files, written when it is first needed."""
    from hermite_pinn.workloads.radiance.picture_files import write_png

    place = bench.shared / "radiance-scene"
    target = place / "transforms.json"
    if target.is_file():
        return place
    place.mkdir(parents=True, exist_ok=True)
    frames = []
    for view in _scene().views:
        write_png(place / f"{view.name}.png", view.image)
        matrix = np.vstack([view.camera.pose.numpy(), [0, 0, 0, 1]]).tolist()
        frames.append({"file_path": f"{view.name}.png", "transform_matrix": matrix})
    target.write_text(json.dumps({"fl_x": _scene().cameras.kinds[0].fl_x, "frames": frames}), encoding="utf-8")
    return place


def _load(bench: Bench, **arguments: Any) -> Any:
    folder = _folder(bench)
    given = {k: folder if isinstance(v, str) and v == FOLDER else v for k, v in arguments.items()}
    return hp.radiance.Scene.load(**given)


#: What stands for an object that is made when it is needed.
MADE: dict[str, Callable[[], Any]] = {
    "the scene": lambda: _scene(),
    "the recipe": lambda: hp.radiance.InstantNGP(**RECIPE),
    "the camera": lambda: _scene().test[0].camera,
    "the cameras": lambda: _scene().cameras,
    "the views": lambda: _scene().test,
}


def _given(arguments: dict[str, Any]) -> dict[str, Any]:
    return {k: MADE[v]() if isinstance(v, str) and v in MADE else v for k, v in arguments.items()}


def _fit(bench: Bench, **arguments: Any) -> Any:
    return hp.radiance.fit(**_given(arguments), progress=False)


def _recipe(kind: Callable[..., Any]) -> Callable[..., Any]:
    """What makes a recipe, and fits with it as long as that takes a moment."""

    def call(bench: Bench, **arguments: Any) -> Any:
        recipe = kind(**arguments)
        small = dataclasses.replace(recipe, **{k: v for k, v in RECIPE.items() if k not in arguments})
        return hp.radiance.fit(_scene(), recipe=small, steps=1, progress=False, device="cpu")

    return call


def _of_field(name: str) -> Callable[..., Any]:
    return lambda bench, **arguments: getattr(_field(), name)(**_given(arguments))


def _plain(name: str) -> Callable[..., Any]:
    return lambda bench, **arguments: getattr(hp.radiance, name)(**_given(arguments))


def _surface(bench: Bench, **arguments: Any) -> Any:
    """Of a density that has one, which a field after two steps has not."""
    from hermite_pinn.workloads.radiance.export import density_surface

    return density_surface(lambda x: torch.exp(4 - 8 * x.norm(dim=0)), (-1, -1, -1), (1, 1, 1), **arguments)


def _saved(bench: Bench) -> Path:
    path = bench.place / "good.h5"
    _field().save(path)
    return path


def _synthetic(bench: Bench, **arguments: Any) -> Any:
    return hp.radiance.Scene.render_synthetic(**({"size": 6} | SCENE | arguments))


#: By name, the callable and arguments that work.
RADIANCE: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "radiance.Scene.load": (
        _load,
        {
            "source": FOLDER, "downscale": 1.0, "images": FOLDER, "background": "white", "placement": "auto",
            "test_every": 4, "splits": ("train", "test"),
        },
    ),
    "radiance.Scene.render_synthetic": (
        _synthetic,
        {"size": 6, "world": None, "seed": 0, "radius": 3.2, "background": "white", "poses": None},
    ),
    "radiance.fit": (
        _fit,
        {
            "scene": "the scene", "recipe": "the recipe", "encoder": None, "poses": "fixed", "max_time": 2.0, "steps": 2, "seed": 0, "device": "cpu",
            "callbacks": (), "checkpoint": None, "resume": None, "throw": True,
        },
    ),
    "radiance.InstantNGP": (
        _recipe(lambda **options: hp.radiance.InstantNGP(**options)),
        {"encoder": "linear", "coarsest": 4, "features": 2, "width": 16, "hidden": 16, "rate": 1e-2, "background": None},
    ),
    "radiance.PoseRefinement": (
        lambda bench, **options: hp.radiance.PoseRefinement(**options),
        {"rate": 3e-3, "decay": 0.01, "curriculum": (0.1, 0.5), "side": "world", "fix_first": False},
    ),
    "radiance.Radiance.render": (_of_field("render"), {"camera": "the camera", "background": None, "normals": False, "cones": 3}),
    "radiance.Radiance.evaluate": (_of_field("evaluate"), {"views": "the views", "cones": 3}),
    "radiance.Radiance.density": (_of_field("density"), {"points": torch.zeros(3, 2)}),
    "radiance.Radiance.save": (_of_field("save"), {"path": "{place}/f.h5"}),
    "radiance.Radiance.load": (
        lambda bench, path: hp.radiance.Radiance.load(_saved(bench) if isinstance(path, str) and path == FOLDER else path), {"path": FOLDER}
    ),
    "radiance.Radiance.to_vtk": (_of_field("to_vtk"), {"path": "{place}/f.vti", "resolution": 4}),
    "radiance.Radiance.surface": (_surface, {"resolution": 4, "level": 1.0}),
    "radiance.Radiance.to_video": (
        _of_field("to_video"),
        {"path": "{place}/f.mp4", "cameras": None, "count": 2, "rate": 24.0, "background": None},
    ),
    "radiance.orbit": (_plain("orbit"), {"cameras": "the cameras", "count": 3, "width": 8, "height": 8}),
    "radiance.psnr": (_plain("psnr"), {"found": COLORS, "true": COLORS}),
    "radiance.ssim": (_plain("ssim"), {"found": COLORS, "true": COLORS}),
    "radiance.look_at": (_plain("look_at"), {"eye": (1, 2, 3), "target": (0, 0, 0), "up": (0, 0, 1)}),
    "radiance.scattered_poses": (_plain("scattered_poses"), {"count": 3, "radius": 2.0, "seed": 0}),
    "radiance.surrounding_poses": (_plain("surrounding_poses"), {"count": 3, "radius": 2.0, "elevation": 30.0}),
    "radiance.contract": (_plain("contract"), {"points": torch.ones(2, 3)}),
}  # fmt: skip
