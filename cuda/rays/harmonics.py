"""Spherical harmonics: smooth functions of directions."""

from __future__ import annotations

import math

import torch

from hermite_pinn.errors import InvalidArgumentError

from .launch import real

__all__ = ["MOST_BANDS", "spherical_harmonics"]

MOST_BANDS = 8


def _scale(band: int, order: int) -> float:
    share = math.factorial(band - order) / math.factorial(band + order)
    return math.sqrt((2 * band + 1) / (4.0 * math.pi) * share * (1 if order == 0 else 2))


def spherical_harmonics(directions: torch.Tensor, bands: int = 4) -> torch.Tensor:
    """Real spherical harmonics, orthonormal on the unit sphere, as polynomials of the direction.

    Row ``l^2 + l + m`` is the harmonic of band ``l`` and order ``m`` from ``-l`` to ``l``, without the sign
    ``(-1)^m``.  With the associated Legendre functions divided by ``sin^m`` and ``(x + i y)^m`` instead of angles
    nothing is singular at the poles.  Differentiable any number of times.

    Parameters
    ----------
    directions
        (3, n), float32 or float64, of length 1.
    bands
        Number of bands, 1 to 8; 4 bands are the 16 functions that Instant-NGP calls degree 4.

    Returns
    -------
    torch.Tensor
        (bands^2, n).

    Raises
    ------
    InvalidArgumentError
        If shape, type or the number of bands do not fit.

    Examples
    --------
    >>> spherical_harmonics(torch.tensor([[0.0], [0.0], [1.0]]), 2)[:, 0]
    tensor([0.2821, 0.0000, 0.4886, 0.0000])
    """
    real("directions", directions)
    if directions.ndim != 2 or len(directions) != 3:
        raise InvalidArgumentError(f"directions must be (3, n), got {tuple(directions.shape)}")
    if not 1 <= bands <= MOST_BANDS:
        raise InvalidArgumentError(f"bands must be 1 to {MOST_BANDS}, got {bands!r}")
    x, y, z = directions
    rows = [x] * bands**2
    even, odd, first = (
        torch.ones_like(z),
        torch.zeros_like(z),
        1.0,
    )  # real and imaginary part of (x + i y)^m, (2 m - 1)!!
    for m in range(bands):
        before, legendre = torch.zeros_like(z), torch.full_like(z, first)
        for band in range(m, bands):
            scaled, middle = _scale(band, m) * legendre, band * band + band
            rows[middle + m] = scaled * even
            if m:
                rows[middle - m] = scaled * odd
            step = (2 * band + 1) * z * legendre - (band + m) * before
            before, legendre = legendre, step / (band + 1 - m)
        even, odd, first = x * even - y * odd, x * odd + y * even, first * (2 * m + 1)
    return torch.stack(rows)
