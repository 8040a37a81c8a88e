"""Public callables for poses of cameras with arguments that are good, to be replaced one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import hermite_pinn as hp

from .case import Bench

__all__ = ["POSES"]

POINTS = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])


def _scene() -> hp.radiance.Scene:
    return hp.radiance.Scene.render_synthetic(8, train=5, test=1, supersampling=1)


def _model() -> hp.radiance.RadianceModel:
    recipe = hp.radiance.InstantNGP(levels=2, finest=8, table_size=64, samples=128, cells=8, march_steps=16)
    return hp.radiance.fit(_scene(), recipe=recipe, steps=1, progress=False, device="cpu").model


#: What stands for an object that is made when it is needed.
MADE: dict[str, Callable[[], Any]] = {
    "the cameras": lambda: _scene().train.cameras,
    "the views": lambda: _scene().test,
    "the trail": lambda: _scene().train.cameras.poses[None],
    "the model": _model,
}


def _plain(name: str) -> Callable[..., Any]:
    def call(bench: Bench, **arguments: Any) -> Any:
        given = {k: MADE[v]() if isinstance(v, str) and v in MADE else v for k, v in arguments.items()}
        return getattr(hp.radiance, name)(**given)

    return call


GOOD: dict[str, dict[str, Any]] = {
    "PoseRefinement": {
        "rate": 1e-3, "decay": 0.1, "hold": 0.1, "directions": 0.6, "searches": (0.5,),
        "curriculum": (0.1, 0.5), "side": "world", "fix_first": False, "rotation_penalty": 0.0,
        "translation_penalty": 0.0,
    },
    "align": {"points": POINTS, "reference": 2 * POINTS},
    "exponential": {"twists": torch.zeros(2, 6)},
    "perturbed": {"cameras": "the cameras", "sigma": 0.1, "seed": 0, "side": "world"},
    "pose_errors": {"cameras": "the cameras", "reference": "the cameras", "similarity": None},
    "placed": {"views": "the views", "similarity": hp.radiance.align(POINTS, POINTS)},
    "registered": {"model": "the model", "views": "the views", "refinement": None, "steps": 1, "rays": 2, "seed": 0},
    "draw_poses": {"path": "{place}/poses.png", "trail": "the trail", "reference": "the cameras"},
}  # fmt: skip

#: By name, the callable and arguments that work.
POSES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    f"radiance.{name}": (_plain(name), good) for name, good in GOOD.items()
}
