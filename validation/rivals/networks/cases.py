"""The problems, and how the examples of the rivals train their networks for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

import hermite_pinn as hp
from hermite_pinn.problems.references import cole_hopf

from . import statements
from .frame import Settings

__all__ = ["CASES", "Case", "Training"]

Array = np.ndarray


@dataclass(frozen=True)
class Training:
    """How a rival trains its network for a problem.

    Attributes
    ----------
    settings
        Network, points, iterations.
    origin
        Where they come from, and what was changed.
    """

    settings: Settings
    origin: str

    @property
    def words(self) -> str:
        """The settings in a line, for the table."""
        s = self.settings
        first = f"{s.inside} + {s.sides} + {s.start} points" if s.start else f"{s.inside} + {s.sides} points"
        then = f", then L-BFGS up to {s.refinement:,}" if s.refinement else ""
        widths = " x ".join(map(str, s.hidden))
        return f"{widths} {s.activation}, {first}, Adam {s.rate:g} for {s.iterations:,}{then}"


@dataclass(frozen=True, eq=False)
class Case:
    """A problem with a known answer.

    Attributes
    ----------
    name
        For ``--only`` and files; the scripts of the rivals know the problem by it.
    title
        For tables.
    equation
        The problem in one line.
    statement
        The problem in this package.
    points
        Where answers are compared, (2, n).
    truth
        The exact values there.
    trainings
        Of the rivals, by their names.
    parameter
        The unknown number that is compared instead of the field, or "".
    """

    name: str
    title: str
    equation: str
    statement: Callable[[], hp.Problem]
    points: Callable[[], Array]
    truth: Callable[[Array], Array]
    trainings: Mapping[str, Training]
    parameter: str = ""


def _box(lower: tuple[float, float], upper: tuple[float, float]) -> Callable[[], Array]:
    """Random points, which no code knows."""
    return lambda: np.random.default_rng(7).uniform(lower, upper, (4000, 2)).T


def _outside_the_hole() -> Array:
    points = np.random.default_rng(7).uniform(-0.5, 0.5, (5000, 2)).T
    return points[:, np.hypot(*points) > 0.25]


def _waves(p: Array) -> Array:
    found: Array = np.sin(2 * math.pi * p[0]) * np.sin(2 * math.pi * p[1])
    return found


SMALL = Settings(40, 20, 10, [32, 32, 32], "tanh", 1e-3, 10_000, 0)
LARGE = Settings(2540, 80, 160, [20, 20, 20], "tanh", 1e-3, 5_000, 3_000)
PLAIN = Settings(2540, 80, 160, [20, 20, 20], "tanh", 1e-3, 5_000, 0)
WIDE = Settings(225, 240, 0, [350, 350, 350], "sin", 1e-3, 1_000, 0)
LONG = Settings(40, 20, 10, [32, 32, 32], "tanh", 1e-3, 20_000, 0)
SHORT = Settings(40, 20, 10, [32, 32, 32], "tanh", 1e-3, 5_000, 0)

_ALL = (
    Case(
        "diffusion",
        "Diffusion with a source",
        "$u_t = u_{xx} - (1 - \\pi^2) e^{-t} \\sin \\pi x$",
        statements.diffusion,
        _box((-1, 0), (1, 1)),
        lambda p: np.exp(-p[1]) * np.sin(math.pi * p[0]),
        {
            "deepxde": Training(SMALL, "its example `diffusion_1d`"),
            "pina": Training(SMALL, "those of DeepXDE's example"),
        },
    ),
    Case(
        "heat",
        "Heat",
        "$u_t = 0.4\\, u_{xx}$, $u = \\sin \\pi x$ at first",
        statements.heat,
        _box((0, 0), (1, 1)),
        lambda p: np.exp(-0.4 * math.pi**2 * p[1]) * np.sin(math.pi * p[0]),
        {
            "deepxde": Training(LARGE, "its example `heat`, which takes 20,000 and 15,000 iterations"),
            "pina": Training(PLAIN, "those of DeepXDE's example, with 5,000 of its 20,000 and without L-BFGS"),
        },
    ),
    Case(
        "burgers",
        "Burgers, nu = 0.01/pi",
        "$u_t + u u_x = \\nu u_{xx}$, $u = -\\sin \\pi x$ at first",
        statements.burgers,
        _box((-1, 0), (1, 1)),
        lambda p: np.asarray(cole_hopf(p[0], p[1], 0.01 / math.pi)),
        {
            "deepxde": Training(
                LARGE, "its example `Burgers` up to 1, which takes 15,000 and 15,000 iterations up to 0.99"
            ),
            "pina": Training(PLAIN, "those of DeepXDE's example, with 5,000 of its 15,000 and without L-BFGS"),
        },
    ),
    Case(
        "hole",
        "Helmholtz around a hole",
        "$-\\Delta u - k^2 u = f$ on a square without a disc, $k = 2 \\pi$, normal derivative given at the hole",
        statements.hole,
        _outside_the_hole,
        _waves,
        {
            "deepxde": Training(WIDE, "its example `Helmholtz_Neumann_2d_hole`, which takes 5,000 iterations"),
            "pina": Training(WIDE, "those of DeepXDE's example, with 1,000 of its 5,000 iterations"),
        },
    ),
    Case(
        "coefficient",
        "Diffusion, coefficient unknown",
        "$u_t = c\\, u_{xx} - (1 - \\pi^2) e^{-t} \\sin \\pi x$, $c$ sought from ten exact values, from 2 on",
        statements.coefficient,
        lambda: np.zeros((2, 1)),
        lambda p: np.ones(1),
        {
            "deepxde": Training(LONG, "its example `diffusion_1d_inverse`, which takes 50,000 iterations"),
            "pina": Training(SHORT, "those of DeepXDE's example, with 5,000 of its 50,000 iterations"),
        },
        parameter="c",
    ),
)

#: All problems, in the order of the table.
CASES: dict[str, Case] = {case.name: case for case in _ALL}
