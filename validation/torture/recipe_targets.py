"""Options of recipes of radiance fields with arguments that are good."""

from __future__ import annotations

from typing import Any

import hermite_pinn as hp

from .case import Bench

__all__ = ["RECIPES"]

Made = tuple[str, Any, dict[str, Any]]


def _made(name: str) -> Any:
    return lambda bench, **options: repr(getattr(hp.radiance, name)(**options))


def _reduced(bench: Bench, **arguments: Any) -> Any:
    views = hp.radiance.Scene.render_synthetic(8, train=1, test=0, supersampling=1).views
    return hp.radiance.reduced(**({"views": views} | arguments))


def _fitted(bench: Bench, **arguments: Any) -> Any:
    scene = hp.radiance.Scene.render_synthetic(8, train=1, test=0, supersampling=1)
    return hp.radiance.fitted_levels(**({"scene": scene} | arguments))


LEVELS: dict[str, Any] = {"coarsest": 4, "finest": 8, "count": 2, "features": 2, "table_size": 64}
ZIP: dict[str, Any] = {
    "encoder": "linear", "levels": None, "width": 16, "samples": 4, "rays": 32, "scales": (1, 2), "first": None, "second": None,
    "density": 1.0, "anneal": 10.0, "progressive": 0.5, "guard": None, "background": "constant", "rate": 1e-2,
    "rate_end": 0.1,
}  # fmt: skip

#: Name, call and good arguments of each.
RECIPES: tuple[Made, ...] = (
    ("radiance.ZipNeRF", _made("ZipNeRF"), ZIP),
    ("radiance.GridLevels", _made("GridLevels"), LEVELS),
    ("radiance.Antialiasing", _made("Antialiasing"), {"samples": 6, "weights": "erf", "scale_features": False}),
    ("radiance.Proposal", _made("Proposal"), {"samples": 8, "width": 8, "blur": 0.03, "points": 1}),
    (
        "radiance.ZipLosses",
        _made("ZipLosses"),
        {
            "knee": 1e-3, "interlevel": 0.01, "interlevel_kind": "spline", "distortion": 0.01, "distortion_power": 1.0,
            "distortion_factor": 1.0, "decay": 0.1,
        },
    ),
    ("radiance.ProposalGuard", _made("ProposalGuard"), {"limit": 0.1, "growth": 1.1, "most": 10.0}),
    ("radiance.fitted_levels", _fitted, {"levels": None, "cells_per_pixel": 2.0}),
    ("radiance.reduced", _reduced, {"factor": 2}),
)  # fmt: skip
