"""How near pictures are to the true ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.libraries import loading

from .arrays import host_array

__all__ = ["compare", "psnr", "ssim"]

#: Width of the Gaussian window in pixels, its side, and the constants of SSIM.
SIGMA, SIDE, K1, K2 = 1.5, 11, 0.01, 0.03


def psnr(found: Any, true: Any) -> float:
    """Return the peak signal-to-noise ratio of a picture in decibels, ``-10 log10(mean square error)``.

    Parameters
    ----------
    found, true
        Colours (h, w, 3) between 0 and 1, tensors or arrays; ``found`` is clipped to that range.

    Returns
    -------
    float
        Infinity where there is no difference.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or are not those of pictures.

    Examples
    --------
    >>> import torch
    >>> round(psnr(torch.full((4, 4, 3), 0.6), torch.full((4, 4, 3), 0.5)), 4)
    20.0
    """
    mine, other = _pair(found, true)
    error = float(np.square(mine - other).mean())
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(found: Any, true: Any) -> float:
    """Return the structural similarity of a picture (Wang et al., 2004), 1 where there is no difference.

    The window is a Gaussian of 1.5 pixels, 11 wide, with K1 = 0.01 and K2 = 0.03.  Variances are not corrected for the
    mean, and channels are averaged.  scikit-image computes it.

    Parameters
    ----------
    found, true
        As for :func:`psnr`, at least 11 pixels high and wide.

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or a picture is too small.
    BackendUnavailableError
        If scikit-image is not installed.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, *Image quality assessment: from error visibility to structural
    similarity*, IEEE Trans. Image Processing 13 (2004).

    Examples
    --------
    >>> import torch
    >>> picture = torch.rand(16, 16, 3, generator=torch.Generator().manual_seed(0))
    >>> round(ssim(picture, picture), 12), ssim(picture * 0.5, picture) < 0.9
    (1.0, True)
    """
    mine, other = _pair(found, true)
    height, width = other.shape[:2]
    if min(height, width) < SIDE:
        raise InvalidArgumentError(
            f"pictures must be at least {SIDE} pixels high and wide for SSIM, got {height} x {width} pixels"
        )
    try:
        with loading("scikit-image"):
            from skimage.metrics import structural_similarity
    except ModuleNotFoundError as error:
        raise BackendUnavailableError("SSIM needs scikit-image; install it: pip install scikit-image") from error
    found_similarity = structural_similarity(
        mine,
        other,
        channel_axis=2,
        data_range=1.0,
        gaussian_weights=True,
        sigma=SIGMA,
        use_sample_covariance=False,
        K1=K1,
        K2=K2,
    )
    return float(found_similarity)


def compare(found: Any, true: Any) -> dict[str, float]:
    """Both measures of a picture by name; SSIM is NaN where a side has less than 11 pixels.

    Raises
    ------
    InvalidArgumentError
        As of :func:`psnr`.
    BackendUnavailableError
        As of :func:`ssim`.

    Examples
    --------
    >>> import torch
    >>> list(compare(torch.zeros(4, 4, 3), torch.ones(4, 4, 3)).items())
    [('psnr', -0.0), ('ssim', nan)]
    """
    small = min(tuple(np.shape(true))[:2], default=0) < SIDE
    return {"psnr": psnr(found, true), "ssim": math.nan if small else ssim(found, true)}


def _pair(found: Any, true: Any) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures, float64, the first one clipped."""
    mine, other = _colors("found", found), _colors("true", true)
    if mine.shape != other.shape:
        raise InvalidArgumentError(
            f"found and true must be of one shape, got {mine.shape} and {other.shape}; render with the camera of the picture"
        )
    return np.clip(mine, 0, 1), other


def _colors(name: str, given: Any) -> np.ndarray:
    accepted = "colours of shape (height, width, 3)"
    try:
        array = host_array(given).astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InvalidArgumentError(f"{name} must be {accepted}, got {type(given).__name__}") from error
    if array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise InvalidArgumentError(
            f"{name} must be {accepted}, got the shape {array.shape}; put pictures with alpha in front of a background first"
        )
    if not np.isfinite(array).all():
        raise InvalidArgumentError(f"{name} must be finite, got pixels that are not")
    return array
