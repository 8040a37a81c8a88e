"""What makes fields of pictures and of distances, with arguments that are good."""

from __future__ import annotations

from typing import Any

import numpy as np

import hermite_pinn as hp

from .case import Bench
from .stock import CODES, solution
from .target import Target, of_solution

__all__ = ["workload_targets"]

SPHERE = np.stack(np.meshgrid(*[np.linspace(-1, 1, 4)] * 3), -1).reshape(-1, 3)
SPHERE = SPHERE / np.linalg.norm(SPHERE, axis=1, keepdims=True)

PICTURE = np.linspace(0, 1, 20).reshape(4, 5)


def _fit_picture(bench: Bench, **arguments: Any) -> hp.Solution:
    return hp.images.fit(**arguments, max_time=2.0, progress=False)


def _image_targets() -> list[Target]:
    picture = {
        "picture": PICTURE, "from_": "gradients", "derivatives": "pixels", "known": "mean", "slopes": None, "levels": 1, "field": None,
        "method": "gauss_newton", "seed": 0, "device": "cpu", "dtype": None, "callbacks": (),
        "checkpoint": None, "resume": None, "throw": True,
    }  # fmt: skip
    measured = {"gradients": (PICTURE, PICTURE), "border": PICTURE, "mean": None}
    return [
        Target("images.fit", _fit_picture, picture),
        Target("images.fit gradients", _fit_picture, measured),
        Target("images.fit laplacian", _fit_picture, {"laplacian": PICTURE, "mean": 0.5}),
        Target(
            "images.draw",
            lambda bench, **arguments: hp.images.draw(**arguments),
            {"path": "{place}/u.png", "picture": PICTURE, "found": {"itself": PICTURE}, "peak_error": 0.1},
        ),
        Target(
            "images.psnr",
            lambda bench, **arguments: hp.images.psnr(**arguments),
            {"found": PICTURE, "picture": PICTURE, "peak": 1.0},
        ),
        Target("images.sample", of_solution(lambda s, shape: hp.images.sample(s, shape)), {"shape": (4, 5)}),
        Target(
            "images.made_picture",
            lambda bench, **arguments: hp.images.made_picture(**arguments),
            {"rows": 4, "columns": 5},
        ),
    ]


CORNERS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
CUBE = CORNERS, np.array([(a, *pair) for a, b, c, d in QUADS for pair in ((b, c), (c, d))])
BALL = hp.sdf.FunctionField(lambda x, y, z: (x * x + y * y + z * z) ** 0.5 - 0.5, (-1, -1, -1), (1, 1, 1))


def _fit_distance(bench: Bench, **arguments: Any) -> hp.Solution:
    return hp.sdf.fit(**({"levels": 1, "max_time": 2.0, "progress": False} | arguments))


def _train_distance(bench: Bench, **arguments: Any) -> hp.Solution:
    small = {"field": hp.Field(encoder="coordinates", head="siren", width=8, depth=1), "levels": 1}
    short = hp.Adam(steps=2, points=16, check_every=1)
    return hp.sdf.fit(CUBE, **({"method": short, "progress": False} | small | arguments))


def _distance_targets() -> list[Target]:
    fitted = {
        "surface": CUBE, "levels": 1, "box": hp.Box(x=(-2, 2), y=(-2, 2), z=(-2, 2)), "sign": "signed", "field": None,
        "method": "gauss_newton", "value_weight": 1.0, "normal_weight": 1.0, "eikonal_weight": 0.0, "max_time": 2.0, "seed": 0,
        "device": "cpu", "dtype": None, "callbacks": (), "progress": False, "checkpoint": None, "resume": None, "throw": True,
    }  # fmt: skip
    drawn = {
        "shape": BALL, "width": 8, "height": 8, "color": "none", "azimuth": 35.0, "elevation": 25.0, "up": "z",
        "limits": (-1.0, 1.0), "field": None, "scale": None,
    }  # fmt: skip
    return [
        Target("sdf.fit", _fit_distance, fitted),
        Target(
            "sdf.fit by training", _train_distance, {"value_weight": 1.0, "dtype": "float32", "seed": 0, "throw": True}
        ),
        Target(
            "sdf.PointCloud",
            lambda bench, **arrays: str(hp.sdf.PointCloud(**arrays)),
            {"points": SPHERE, "normals": SPHERE},
        ),
        Target(
            "sdf.extract",
            lambda bench, **arguments: hp.sdf.extract(**arguments),
            {"shape": BALL, "resolution": 8, "field": None, "level": 0.0, "scale": 0.2},
        ),
        Target("sdf.render", lambda bench, **arguments: hp.sdf.render(**arguments), drawn),
        Target("sdf.iou", lambda bench, **arguments: hp.sdf.iou(**arguments), {"predicted": PICTURE, "true": PICTURE}),
    ]


def workload_targets() -> list[Target]:
    """All of them."""
    return [*_image_targets(), *_distance_targets(), *_compression_targets()]


def _opened(bench: Bench, path: Any, levels: Any) -> hp.Solution:
    """A compressed solution, made where the case has its files."""
    good = hp.Solution.load(solution(bench.shared, "linear-2d"))
    hp.compression.compress(good, tol=1e-2).save(bench.place / "u.hpc")
    found: hp.Solution = hp.compression.load(path, levels)
    return found


def _compression_targets() -> list[Target]:
    return [
        Target(
            "compression.compress",
            of_solution(lambda s, **options: hp.compression.compress(s, **options)),
            {"method": "levels", "tol": 1e-3, "gradient_tol": 1e-2},
        ),
        Target(
            "compression.compress by codes",
            of_solution(lambda s, **options: hp.compression.compress(s, **options)),
            CODES,
        ),
        Target("compression.load", _opened, {"path": "{place}/u.hpc", "levels": 1}),
    ]
