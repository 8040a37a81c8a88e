"""An inverse problem: two material constants from noisy measurements, with standard errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.result.picture_file import write_figure

from .example import Example, Shown
from .sheet import sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXAMPLE", "measured", "problem"]

#: With these the measurements are made.
TRUTH: Mapping[str, float] = {"a": 0.05, "k": 0.4}
NOISE = 0.02


def start(x: Any) -> Any:
    """The temperature at the start."""
    return hp.sin(hp.pi * x) + 0.5 * hp.sin(3 * hp.pi * x)


def measured(count: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Places and instants (count, 2), and what is measured there: the solution for the true constants, with noise.

    Examples
    --------
    >>> places, values = measured(5)
    >>> places.shape, values.shape
    ((5, 2), (5,))
    """
    random = np.random.default_rng(seed)
    places = random.random((count, 2))
    x, t = places.T
    rates = [TRUTH["a"] * (n * np.pi) ** 2 + TRUTH["k"] for n in (1, 3)]
    values = np.exp(-rates[0] * t) * np.sin(np.pi * x) + 0.5 * np.exp(-rates[1] * t) * np.sin(3 * np.pi * x)
    return places, values + NOISE * random.standard_normal(count)


def problem(places: np.ndarray, values: np.ndarray) -> hp.Problem:
    """A rod that cools, with its diffusivity a and the rate k at which the air takes heat unknown.

    Examples
    --------
    >>> [p.name for p in problem(*measured(5)).parameters]
    ['a', 'k']
    """
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u, a, k: u.t - a * u.xx + k * u,
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=start), hp.Data(places, u=values, noise=NOISE)],
        parameters=[hp.Parameter("a", init=1.0), hp.Parameter("k", init=0.0)],
        name="cooling",
    )


def _show(folder: Path, quick: bool) -> Shown:
    places, values = measured()
    asked = {"levels": 5} if quick else {"tol": 1e-2}
    solution = hp.solve(problem(places, values), progress=False, throw=False, **asked)
    files = (folder / "cooling.png", folder / "cooling.h5", folder / "cooling.vti")
    deviations = {name: float(value) for name, value in solution.stats.get("standard_errors", {}).items()}
    write_figure(_picture(solution, deviations, places, values), files[0])
    solution.save(files[1])
    solution.to_vtk(files[2])
    facts = {name: _told(solution.parameters[name], true, deviations.get(name)) for name, true in TRUTH.items()}
    return Shown(solution, facts, files[0], files)


def _told(found: float, true: float, deviation: float | None) -> str:
    """A constant with its standard error, where the run came to one."""
    if deviation is None:
        return f"{found:.4f}, without a standard error; made with {true:g}"
    away = abs(found - true) / deviation
    return f"{found:.4f} ± {deviation:.4f} (standard error); made with {true:g}, {away:.1f} standard errors away"


def _picture(solution: hp.Solution, deviations: Mapping[str, float], places: np.ndarray, values: np.ndarray) -> Figure:
    """The field with the measurements in it, beside the constants with their standard errors."""
    figure, axes = sheet(9.6, 4.0, columns=3, width_ratios=[2.4, 1, 1])
    x, t = np.linspace(0, 1, 161), np.linspace(0, 1, 161)
    (u,) = solution.on_grid([x, t])[:, 0]
    bounds = {"vmin": float(min(u.min(), values.min())), "vmax": float(max(u.max(), values.max())), "cmap": "inferno"}
    shown = axes[0].pcolormesh(t, x, u, shading="gouraud", **bounds)
    axes[0].scatter(places[:, 1], places[:, 0], c=values, s=16, edgecolors="white", linewidths=0.5, **bounds)
    axes[0].set(xlabel="t", ylabel="x", xlim=(0, 1), ylim=(0, 1))
    axes[0].set_title("temperature; circles: what was measured", fontsize=10)
    figure.colorbar(shown, ax=axes[0], pad=0.01)
    for panel, (name, true) in zip(axes[1:], TRUTH.items(), strict=True):
        found, deviation = solution.parameters[name], deviations.get(name, 0.0)
        panel.axhline(true, color="C1", linewidth=1.2, label="made with")
        panel.errorbar(
            [0], [found], yerr=[2 * deviation], fmt="o", color="C0", capsize=6, label="found ± 2 std. errors"
        )
        reach = max(1.4 * max(2 * deviation, abs(found - true)), 1e-3 * abs(true))
        panel.set(xlim=(-1, 1), ylim=(found - reach, found + reach), xticks=[])
        panel.set_title(name, fontsize=10)
        panel.tick_params(labelsize=8)
    axes[1].legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.9, -0.14), ncols=1, frameon=False)
    return figure


EXAMPLE = Example(
    name="cooling",
    title="Two constants from noisy measurements",
    about="A rod cools through its ends and into the air. Its diffusivity a and the rate k are unknown; 200 temperatures "
    "are measured at scattered places and instants, with a noise of 0.02. The field and the constants are found "
    "together, with standard errors.",
    equations="u_t = a u_xx - k u,  u = 0 at both ends,  u(x, 0) = sin pi x + sin(3 pi x) / 2",
    code="""\
problem = hp.Problem(
    domain=hp.Box(x=(0, 1), t=(0, 1)),
    fields=["u"],
    residual=lambda u, a, k: u.t - a * u.xx + k * u,
    conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=start), hp.Data(places, u=values, noise=0.02)],
    parameters=[hp.Parameter("a", init=1.0), hp.Parameter("k", init=0.0)],
)
solution = hp.solve(problem, tol=1e-2)
solution.parameters, solution.stats["standard_errors"]""",
    show=_show,
)
