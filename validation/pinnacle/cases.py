"""The 22 cases of the benchmark and some variants of them.

One rule for all: what is measured is the default call, ``solve(problem)``, where the goal is 1e-6, and
``solve(problem, tol=...)`` with half of the goal where another error is asked for (at the goal itself for Wave1d-C).
Nothing else is chosen per case.  Runs are ended at twice the time that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.validation import geometry
from hermite_pinn.validation.geometry.case import Case, Errors, Solving, inside_points
from hermite_pinn.validation.references import fourier_planes, pulsed_channel, random_media
from hermite_pinn.validation.references.blocks import spectral_elements
from hermite_pinn.validation.references.pinnacle import read_table, shared_file

from .comparisons import Exact, Known, against_table, at_times, deviation, evolution_rows, lattice
from .row import Task

__all__ = ["ROWS"]

DATA = ("data", "pinnacle")

Reference = tuple[np.ndarray, np.ndarray, float]


def _task(
    name: str,
    title: str,
    statement: tuple[str, dict[str, Any]],
    compare: Callable[[hp.Solution], Errors],
    goal: float,
    seconds: float,
    published: float | None,
    *,
    tol: float | None = None,
    note: str = "",
    given: Callable[[], dict[str, Any]] = dict,
    needs: tuple[str, ...] = (),
    counted: bool = True,
    reference: tuple[Path, str] | None = None,
) -> Task:
    """A task about a problem of the library.

    Parameters
    ----------
    statement
        Name and settings of the problem.
    tol
        For ``solve``; None for the rule of this file.
    given
        Settings that are read from files.
    needs
        Files of the benchmark without which it is skipped.
    reference
        As in :class:`~.row.Task`.
    """
    problem, settings = statement
    tol = goal / 2 if tol is None and goal != 1e-6 else tol
    options = {} if tol is None else {"tol": tol}
    told = ", ".join(f"{k}={v}" for k, v in settings.items())
    case = Case(
        name,
        title,
        Solving(lambda: problems.make(problem, **settings, **given()), compare, options),
        {"error": goal},
        seconds,
        published,
        tuple((*DATA, file) for file in needs),
    )
    return Task(case, f"solve({problem}({told}){'' if tol is None else f', tol={tol:g}'})", note, counted, reference)


def _geometry(name: str, title: str, published: float, call: str, counts: str = "error", note: str = "") -> Task:
    """A case of the geometry suite as a task of this one, with the error that counts here."""
    case = next(c for c in geometry.CASES if c.name == name)
    goal = next(iter(case.limits.values()))
    return Task(Case(case.name, title, case.work, {counts: goal}, case.seconds, published, case.needs), call, note)


# -- what is read ---
def _blocks() -> dict[str, Any]:
    """Tables of the blocks: what the loops of the code make of its file of 5 x 5 x 2 x 2 numbers."""
    factors = read_table("poisson_f_coef.dat").reshape(5, 5, 2, 2)
    return {
        "coefficient": read_table("poisson_a_coef.dat"),
        "constant": factors[:, :, 0, 0],
        "amplitude": factors[:, :, 1, 1],
    }


def _places() -> dict[str, Any]:
    return {"places": read_table("heatinv_points.dat")}


# -- comparisons ---
def _poisson2d_ms(solution: hp.Solution) -> Errors:
    tables = _blocks()
    points = inside_points(solution.domain)
    fine, coarse = (
        spectral_elements(tables["coefficient"], tables["constant"], tables["amplitude"], degree=p)(*points)
        for p in (9, 7)
    )
    own = float(np.linalg.norm(fine - coarse) / np.linalg.norm(fine))
    return {"error": deviation(solution, ["u"], points, fine[None]), "of the reference": own}


def _heat2d_lt(solution: hp.Solution) -> Errors:
    points, times, _ = evolution_rows("heat_longtime.dat.gz", 100.0, 2)
    values = np.load(shared_file(*DATA, "heat_lt_ref.npy"))
    error = deviation(solution, ["u"], at_times(points, times), values.reshape(1, -1))
    return {"error": error, **against_table(solution, ["u"], "heat_longtime.dat.gz", 100.0, 2)}


def _cavity() -> Reference:
    """The table without its two nodes at the upper corners, where the pressure is infinite."""
    rows = read_table("lid_driven_a4.dat.gz")
    rows = rows[~((rows[:, 1] == 1) & ((rows[:, 0] == 0) | (rows[:, 0] == 1)))]
    return rows[:, :2].T.copy(), rows[:, 2:].T.copy(), 3.5e-4


def _fourier(name: str) -> Callable[[], Reference]:
    return lambda: fourier_planes.reference(name)


def _made(file: Path, module: str, name: str) -> tuple[Path, str]:
    return file, f"python -m {module} {name}"


def _random_media(name: str) -> Callable[[], Reference]:
    return lambda: random_media.reference(name)


def _nodes(*axes: tuple[float, float, int]) -> Callable[[], np.ndarray]:
    return lambda: lattice(*(np.linspace(*axis) for axis in axes))


def _multiscale() -> np.ndarray:
    return lattice((np.arange(300) + 0.5) / 300, (np.arange(10) + 0.5) / 10, np.linspace(0, 5, 26))


#: All cases in the order of the benchmark, variants after what they vary.
ROWS: tuple[Task, ...] = (
    _task(
        "burgers1d-c",
        "Burgers1d-C",
        ("burgers", {}),
        Exact(_nodes((-1, 1, 101), (0, 1, 11)), table=("burgers1d.dat", 1.0, 1)),
        1e-6,
        30.0,
        1.45e-2,
        note="the reference is the integral of Cole and Hopf at the nodes of the table, which is 1.3e-2 off",
    ),
    _task(
        "burgers2d-c",
        "Burgers2d-C",
        ("burgers2d", {}),
        Known(("u", "v"), _fourier("burgers2d")),
        3e-2,
        300.0,
        0.26,
        note="the reference is a Fourier series",
        reference=_made(fourier_planes.file_of("burgers2d"), fourier_planes.__name__, "burgers2d"),
    ),
    _geometry("four-discs", "Poisson2d-C", 1.23e-2, "solve(four_discs())"),
    _geometry("poisson2d-cg", "Poisson2d-CG", 1.43e-2, "solve(poisson2d_cg(), tol=5e-06)"),
    _geometry("poisson3d-cg", "Poisson3d-CG", 9.5e-2, "solve(poisson3d_cg(), tol=0.001)"),
    _task(
        "poisson2d-ms",
        "Poisson2d-MS",
        ("poisson_blocks", {}),
        _poisson2d_ms,
        1e-6,
        20.0,
        0.59,
        given=_blocks,
        needs=("poisson_a_coef.dat", "poisson_f_coef.dat"),
        note="a times the Laplacian, as it is coded, with its tables of a and f; the reference is by spectral elements",
    ),
    _task(
        "heat2d-vc",
        "Heat2d-VC",
        ("heat_random", {}),
        Known(("u",), _random_media("heat")),
        1e-3,
        120.0,
        0.21,
        note="the coefficient of the seed, which is not that of the table; the reference is by finite elements",
    ),
    _task(
        "heat2d-ms",
        "Heat2d-MS",
        ("heat_multiscale", {}),
        Exact(_multiscale, table=("heat_multiscale_lesspoints.dat.gz", 5.0, 2)),
        1e-6,
        30.0,
        6.2e-2,
        note="the reference is the exact solution at the nodes of the table, which is 1.3e-2 off",
    ),
    _geometry("heat2d-cg", "Heat2d-CG", 2.4e-2, "solve(heat2d_cg(), tol=0.0005)"),
    _task(
        "heat2d-lt",
        "Heat2d-LT",
        ("heat_pulsed", {}),
        _heat2d_lt,
        1e-3,
        300.0,
        1.0,
        needs=("heat_longtime.dat.gz", "heat_lt_ref.npy"),
        note="the reference is a spectral solution at the nodes of the table, which is 3.5e-2 off",
    ),
    _task(
        "ns2d-c",
        "NS2d-C",
        ("cavity", {"lid": "parabolic"}),
        Known(("u", "v", "p"), _cavity, free=("p",)),
        1e-3,
        60.0,
        3.6e-2,
        needs=("lid_driven_a4.dat.gz",),
        note="the reference is the table itself, which is 3.5e-4 off in u and v; the mean of p is taken away",
    ),
    _geometry(
        "step-0",
        "NS2d-CG",
        8.2e-2,
        "solve(step(), tol=0.005)",
        "u, v, p",
        note="the reference is by finite elements with the same outlet without traction; that of the table suppresses backflow",
    ),
    _task(
        "ns2d-lt",
        "NS2d-LT",
        ("pulsed_channel", {}),
        Known(("u", "v", "p"), pulsed_channel.reference),
        5e-2,
        300.0,
        0.97,
        note="v = 0 beside p = 0 at the outlet, where the code has one condition; the reference is by finite elements",
    ),
    _task(
        "wave1d-c",
        "Wave1d-C",
        ("wave", {}),
        Exact(_nodes((0, 1, 101), (0, 1, 101))),
        1e-10,
        10.0,
        9.8e-2,
        tol=1e-10,
    ),
    _task(
        "wave2d-cg",
        "Wave2d-CG",
        ("wave_random", {}),
        Known(("u",), _random_media("wave")),
        3e-2,
        300.0,
        0.79,
        note="the square without holes, as it is coded; the reference is by finite differences",
        reference=_made(random_media.file_of("wave"), random_media.__name__, "wave"),
    ),
    _task(
        "wave2d-ms",
        "Wave2d-MS",
        ("wave_anisotropic", {}),
        Exact(),
        1e-3,
        300.0,
        0.98,
        note="the solution with m1 and m2, n1 and n2 exchanged; the one that is coded does not satisfy the equation",
    ),
    _task(
        "gs",
        "GS",
        ("gray_scott", {}),
        Known(("u", "v"), _fourier("gray_scott")),
        3e-2,
        600.0,
        8.0e-2,
        note="periodic; the code has no condition on the boundary. The reference is a Fourier series",
    ),
    _task(
        "ks",
        "KS",
        ("kuramoto_sivashinsky", {"time": 1.0}),
        Exact(lambda: lattice(2 * np.pi * np.arange(256) / 256, np.linspace(0, 1, 101))),
        1e-4,
        300.0,
        0.96,
        note="periodic; the code has no condition on the boundary. The reference is a Fourier series",
    ),
    _task(
        "pnd-5",
        "PNd, 5 axes",
        ("poisson_sines", {"dim": 5}),
        Exact(),
        1e-6,
        60.0,
        4.7e-4,
    ),
    _task(
        "pnd-4",
        "PNd, 4 axes",
        ("poisson_sines", {"dim": 4}),
        Exact(),
        1e-6,
        60.0,
        None,
        counted=False,
        note="no case of the benchmark",
    ),
    _task(
        "hnd-5",
        "HNd, 5 axes and time",
        ("heat_ball", {"dim": 5}),
        Exact(),
        1e-4,
        60.0,
        1.2e-4,
    ),
    _task(
        "hnd-2",
        "HNd, 2 axes and time",
        ("heat_ball", {"dim": 2}),
        Exact(),
        1e-4,
        60.0,
        None,
        counted=False,
        note="no case of the benchmark",
    ),
    _task(
        "pinv",
        "PInv",
        ("inverse_poisson", {"known": False}),
        Exact(),
        8e-3,
        20.0,
        2.45e-2,
        note="the source is 2x - 1 where the code has 2x + 1, with which the coefficient is no solution",
    ),
    _task(
        "hinv",
        "HInv",
        ("inverse_heat", {"known": False}),
        Exact(),
        2e-2,
        120.0,
        5.3e-2,
        given=_places,
        needs=("heatinv_points.dat",),
    ),
)
