"""A picture made by formulas, for examples and tests."""

from __future__ import annotations

import numpy as np

from hermite_pinn.checks import integer

from .pixels import LEAST, MOST

__all__ = ["made_picture"]


def made_picture(rows: int = 256, columns: int | None = None) -> np.ndarray:
    """Make a grey test picture with soft shades, sharp edges, thin lines, and waves that become shorter.

    Parameters
    ----------
    rows, columns
        Its size, at least 2; as many columns as rows if not given.

    Returns
    -------
    ndarray
        Grey values between 0 and 1, (rows, columns), float64.

    Raises
    ------
    InvalidArgumentError
        If a size is smaller than 2.

    Examples
    --------
    >>> made_picture(3, 4).shape
    (3, 4)
    """
    height = integer("rows", rows, least=LEAST, most=MOST)
    width = height if columns is None else integer("columns", columns, least=LEAST, most=MOST, otherwise="None")
    y, x = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    grey = 0.45 + 0.3 * np.sin(2.2 * x + 1.3 * y) * np.cos(3.1 * y - x)
    ball = 1 - ((x - 0.32) ** 2 + (y - 0.36) ** 2) / 0.05
    grey = np.where(ball > 0, 0.15 + 0.8 * np.sqrt(np.maximum(ball, 0)) * (0.6 + 0.4 * (x - y)), grey)
    grey = np.where((np.abs(x - 0.75) < 0.13) & (np.abs(y - 0.25) < 0.15), np.where(x + y > 1, 0.92, 0.08), grey)
    waves = 0.5 + 0.4 * np.sin(220 * (x - 0.05) ** 2)
    grey = np.where((y > 0.72) & (y < 0.88) & (x > 0.05) & (x < 0.95), waves, grey)
    line = np.abs((y - 0.95) - 0.03 * np.sin(9 * x)) < 0.004
    return np.clip(np.where(line, 0.98, grey), 0.0, 1.0)
