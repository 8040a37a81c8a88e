"""Tables of the benchmark PINNacle, where a copy of them is at hand, and its metric.

The project ships none of them.  They are read from the folder that the environment variable ``HERMITE_PINN_SHARED``
names, by default ``shared`` beside the checkout, in ``data/pinnacle``.

Source: Z. Hao et al., PINNacle, arXiv 2306.08827.  Its tables come from COMSOL and are off by 2.8e-5 (Poisson2d-C) and
9e-5 (Poisson2d-CG); the files called ``accurate`` hold better values at the same points.
"""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import numpy as np

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["read_table", "relative_error", "shared_file"]

FOLDER = "HERMITE_PINN_SHARED"


def shared_file(*parts: str) -> Path:
    """A file of the data beside the project.

    Raises
    ------
    InvalidArgumentError
        If it is not there; the message says where it was looked for and how to name another folder.

    Examples
    --------
    >>> shared_file("data", "nothing.dat")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: nothing.dat is needed and is not there: ...
    """
    places = [Path(os.environ[FOLDER])] if os.environ.get(FOLDER) else [Path("../shared"), Path("shared")]
    for place in places:
        if (path := place.joinpath(*parts)).exists():
            return path
    looked = ", ".join(str(p.joinpath(*parts)) for p in places)
    raise InvalidArgumentError(
        f"{parts[-1]} is needed and is not there: looked for {looked}; set {FOLDER} to the folder that holds {parts[0]}"
    )


def read_table(name: str) -> np.ndarray:
    """A table of numbers, one row a point; ``.gz`` files are unpacked, comments skipped, rows with NaN left out.

    Raises
    ------
    InvalidArgumentError
        If the file is not there.
    """
    path = shared_file("data", "pinnacle", name)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = np.loadtxt(io.StringIO(data.decode("utf-8")), comments=("%", "#"), ndmin=2)
    table: np.ndarray = rows[np.isfinite(rows).all(1)]
    return table


def relative_error(found: np.ndarray, reference: np.ndarray) -> float:
    """The metric of the benchmark: root mean squares of deviation and reference, all fields in one sum.

    Examples
    --------
    >>> relative_error(np.array([1.0, 2.1]), np.array([1.0, 2.0])) < 0.05
    True
    """
    return float(np.linalg.norm(found - reference) / np.linalg.norm(reference))
