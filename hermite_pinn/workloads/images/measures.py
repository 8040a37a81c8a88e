"""Fields as pixels again, and how far two pictures are apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hermite_pinn.checks import instance, integer, items, number
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.result.evaluable import Evaluable

from .pixels import LEAST, MOST, picture_array

__all__ = ["psnr", "sample"]


def sample(solution: Any, shape: Any) -> np.ndarray:
    """Sample a field at equidistant pixels, the borders of its box included.

    Parameters
    ----------
    solution
        Of :func:`fit`, or any other with fields on a plane box.
    shape
        Rows and columns.  Those of the fitted picture give its pixels; more interpolate between them.

    Returns
    -------
    ndarray
        (rows, columns) for one field, else (rows, columns, fields), float64; not clipped.

    Raises
    ------
    InvalidArgumentError
        If the fields are not those of a picture, or the shape is none.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> picture = hp.images.made_picture(8, 12)
    >>> fitted = hp.images.fit(picture, progress=False)
    >>> hp.images.sample(fitted, (8, 12)).shape, bool(abs(hp.images.sample(fitted, (8, 12)) - picture).max() < 1e-12)
    ((8, 12), True)
    """
    owner: Evaluable = instance("solution", solution, Evaluable, "a Solution, such as hp.images.fit returns")
    if owner.domain.dim != 2 or owner.domain.time_axis is not None or owner.domain.is_cut:
        raise InvalidArgumentError(f"a picture is a field on a rectangle, got one on {owner.domain!r}")
    size = items("shape", shape, "the numbers of rows and columns", least=2, most=2)
    rows, columns = (integer("each number of shape", n, least=LEAST, most=MOST) for n in size)
    (left, right), (top, bottom) = owner.domain.bounds.values()
    values = owner.on_grid([np.linspace(left, right, columns), np.linspace(top, bottom, rows)])[:, 0]
    pixels = np.moveaxis(np.asarray(values), 0, 2).swapaxes(0, 1)
    return np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def psnr(found: Any, picture: Any, *, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in decibels, ``10 log10(peak^2 / mean square error)``, without clipping.

    Parameters
    ----------
    found
        A solution, which is sampled at the pixels of the picture, or a picture of the same shape.
    picture
        The true one, (H, W) or (H, W, C); integers are divided by the largest number of their type.
    peak
        Difference between white and black.

    Returns
    -------
    float
        Infinity where there is no difference.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or these are no pictures.

    Examples
    --------
    >>> psnr(np.full((4, 4), 0.6), np.full((4, 4), 0.5))
    20.0
    """
    white = number("peak", peak, above=0)
    true = picture_array("picture", picture)
    other = sample(found, true.shape[1:]) if hasattr(found, "domain") else found
    mine = picture_array("found", other)
    if mine.shape != true.shape:
        raise InvalidArgumentError(
            f"found must have the shape of the picture, {true.shape[0]} channels of {true.shape[1:]} pixels, got "
            f"{mine.shape[0]} of {mine.shape[1:]}"
        )
    error = float(np.square(mine - true).mean())
    return math.inf if error == 0 else round(10 * math.log10(white**2 / error), 12)
