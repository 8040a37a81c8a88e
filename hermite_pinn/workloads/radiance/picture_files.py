"""Colours, depths and normals as pictures in files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hermite_pinn.checks import number
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.output import output_path, write_file

from .arrays import host_array

__all__ = ["depth_colors", "eight_bits", "normal_colors", "write_png"]


def eight_bits(colors: Any) -> np.ndarray:
    """Colours (h, w, 3), clipped to 0 and 1, as integers from 0 to 255, uint8.

    Raises
    ------
    InvalidArgumentError
        If they have another shape or are not finite.

    Examples
    --------
    >>> eight_bits(np.full((1, 1, 3), 0.5)).tolist()
    [[[128, 128, 128]]]
    """
    array = host_array(colors)
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype.kind not in "fiu":
        raise InvalidArgumentError(f"colours must be of shape (height, width, 3), got the shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidArgumentError("colours must be finite, got pixels that are not")
    return np.rint(np.clip(array, 0, 1) * 255).astype(np.uint8)


def write_png(path: str | Path, colors: Any) -> Path:
    """Write colours (h, w, 3) between 0 and 1 as a picture of eight bits a channel, all of it or nothing.

    Raises
    ------
    InvalidArgumentError
        If they are no colours, or the name does not end in ``.png``.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import torch
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = write_png(Path(folder) / "a.png", torch.rand(2, 4, 3))
    ...     with Image.open(file) as image:
    ...         image.size
    (4, 2)
    """
    target, data = output_path(path), io.BytesIO()
    if target.suffix.lower() != ".png":
        raise InvalidArgumentError(f"pictures are written as PNG, got the name {target.name!r}; end it in .png")
    Image.fromarray(eight_bits(colors)).save(data, "PNG")
    return write_file(target, data.getbuffer())


def depth_colors(depth: Any, near: float | None = None, far: float | None = None) -> np.ndarray:
    """Depths (h, w) as colours (h, w, 3): bright is near, dark is far, white is where there is nothing.

    Parameters
    ----------
    depth
        Lengths along rays; infinite or NaN where there is nothing.
    near, far
        Of the colour scale; default: what all but one in a hundred finite depths lie between at each end.

    Examples
    --------
    >>> colors = depth_colors([[1.0, 2.0, np.inf]])
    >>> colors.shape, colors[0, 2].tolist(), bool(colors[0, 0].sum() > colors[0, 1].sum())
    ((1, 3, 3), [1.0, 1.0, 1.0], True)
    """
    from matplotlib import colormaps

    lengths = host_array(depth).astype(np.float64)
    if lengths.ndim != 2:
        raise InvalidArgumentError(f"depths must be of shape (height, width), got the shape {lengths.shape}")
    there = np.isfinite(lengths)
    if not there.any():
        return np.ones((*lengths.shape, 3))
    ends = np.quantile(lengths[there], (0.01, 0.99))
    low = float(ends[0]) if near is None else number("near", near)
    high = float(ends[1]) if far is None else number("far", far)
    share = (lengths[there] - low) / max(high - low, 1e-300)
    colors = np.ones((*lengths.shape, 3))
    colors[there] = colormaps["magma"](1 - np.clip(share, 0, 1))[:, :3]
    return colors


def normal_colors(normals: Any) -> np.ndarray:
    """Unit normals (h, w, 3) as colours: red, green and blue are x, y and z; white is where there is none.

    Examples
    --------
    >>> normal_colors([[[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]]).tolist()
    [[[0.5, 0.5, 1.0], [1.0, 1.0, 1.0]]]
    """
    units = host_array(normals).astype(np.float64)
    if units.ndim != 3 or units.shape[2] != 3:
        raise InvalidArgumentError(f"normals must be of shape (height, width, 3), got the shape {units.shape}")
    there = (np.linalg.norm(units, axis=2) > 0) & np.isfinite(units).all(2)
    return np.where(there[..., None], np.clip((units + 1) / 2, 0, 1), 1.0)
