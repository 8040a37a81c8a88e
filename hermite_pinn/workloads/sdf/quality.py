"""How good a fitted distance is, at points that were not fitted."""

from __future__ import annotations

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.geometry import Box

from .target import Target

__all__ = ["BAND", "POINTS", "quality"]

#: Half the width of the band in which errors are measured, relative to the longest edge of the surface.
BAND = 0.01 / 0.72
NEAR = 20_000
FAR = 10_000
POINTS = NEAR + FAR
JET = Channels.jet(3, 1)


def quality(target: Target, box: Box, field: GridField, seed: int) -> dict[str, float]:
    """Errors at random points.

    Returns
    -------
    dict
        ``band``, half the width of the band; in it ``value_rms``, ``gradient_mae`` and ``gradient_rms`` (mean absolute
        error and RMS error of the components), and ``eikonal_rms`` (of the length of the gradient, less 1);
        ``box_value_rms`` in the whole box; and ``wrong_sign``, the largest distance from the surface at which a sign
        was found wrong, 0 where none was.
    """
    generator = np.random.default_rng((seed, 1))
    half = BAND * target.extent
    drawn = target.surface(NEAR, generator)
    near = drawn.x + drawn.normals * generator.uniform(-half, half, drawn.x.shape[1])
    lower, upper = np.asarray(box.lower)[:, None], np.asarray(box.upper)[:, None]
    near = near[:, ((near >= lower) & (near <= upper)).all(0)]
    x = np.concatenate([near, generator.uniform(lower, upper, (3, FAR))], axis=1)
    true = target.nearest(x)
    with torch.no_grad():
        found = field.jets(torch.from_numpy(x).to(field.dtype), JET)[0].double().numpy()
    error = found[0] - true.distance
    far = np.arange(x.shape[1]) >= near.shape[1]
    band = ~far & (np.abs(true.distance) < half)
    known = band & true.known
    wrong = np.sign(found[0]) * true.distance < 0
    lengths = np.linalg.norm(found[1:, known], axis=0)
    turned = found[1:, known] - true.gradient[:, known]
    return {
        "band": half,
        "value_rms": _rms(error[band]),
        "gradient_mae": float(np.abs(turned).mean()),
        "gradient_rms": _rms(turned),
        "eikonal_rms": _rms(lengths - 1),
        "box_value_rms": _rms(error[far]),
        "wrong_sign": float(np.abs(true.distance[wrong]).max(initial=0.0)),
    }


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))
