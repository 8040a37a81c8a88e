"""The course of a fit as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.result.picture_file import write_figure
from hermite_pinn.run.history import History

__all__ = ["draw_history"]


def draw_history(path: str | Path, history: History) -> Path:
    """Draw the loss and the PSNR of the view that is held out over the seconds of a fit.

    Parameters
    ----------
    path
        File to write: PNG, PDF or SVG.
    history
        Of a radiance field; without ``psnr`` the loss stands alone.

    Raises
    ------
    InvalidArgumentError
        If there are no rows.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> rows = [{"step": 100, "time": 1.0, "loss": 0.1, "psnr": 20.0}, {"step": 200, "time": 2.0, "loss": 0.05}]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     draw_history(Path(folder) / "history.png", History(rows)).name
    'history.png'
    """
    if not len(history):
        raise InvalidArgumentError("the history has no rows; fit for 100 steps or more")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.semilogy(history["time"], np.maximum(history["loss"], 1e-12), color="0.5", linewidth=1)
    axes.set_xlabel("seconds")
    axes.set_ylabel("loss of the rays of a step", color="0.4")
    if "psnr" in history.columns:
        known = np.isfinite(history["psnr"])
        other = axes.twinx()
        other.plot(history["time"][known], history["psnr"][known], "o-", color="tab:blue", markersize=3)
        other.set_ylabel("PSNR of a view that is held out, dB", color="tab:blue")
    return write_figure(figure, path)
