"""Pictures as fields: fitted to values, gradients or Laplacians of pixels."""

from __future__ import annotations

from .drawing import draw
from .fit import fit
from .made import made_picture
from .measures import psnr, sample

__all__ = ["draw", "fit", "made_picture", "psnr", "sample"]
