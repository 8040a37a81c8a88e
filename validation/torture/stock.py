"""Good problems, solutions and checkpoints, to be damaged."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

import hermite_pinn as hp

from .alterations import Content

__all__ = [
    "CHECKPOINTS", "CODES", "JOINT", "SIREN", "SMALL", "SOLUTIONS", "Recipe", "Stop", "checkpoint", "continued", "poisson", "solution", "uninterrupted",
]  # fmt: skip

SHORT: dict[str, Any] = {"points": 64, "face_points": 16, "check_every": 5}
NETWORK: dict[str, Any] = {"width": 8, "depth": 2}
#: Options of a small field with learned codes.
CODES: dict[str, Any] = {
    "method": "vqad", "bits": 2, "levels": 2, "coarsest": (32, 32), "features": 2, "width": 4, "depth": 1, "basis": "linear",
    "steps": 2, "code_steps": 1, "max_time": 60.0, "points": 16, "temperature": (1.0, 0.5), "revive": 1, "random_levels": True, "start": "kmeans", "seed": 0,
}  # fmt: skip


def line() -> hp.Problem:
    """Poisson in one dimension."""
    return hp.Problem(
        hp.Box(x=(0, 1)),
        ["u"],
        lambda u, x: u.xx + 9 * hp.pi**2 * hp.sin(3 * hp.pi * x),
        [hp.Dirichlet(u=0.0)],
        exact={"u": lambda x: hp.sin(3 * hp.pi * x)},
    )


def poisson() -> hp.Problem:
    """Poisson in two dimensions."""
    return hp.problems.poisson2d()


def reaction() -> hp.Problem:
    """Nonlinear, in two dimensions."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: u.laplacian - u**3 - 10 * hp.sin(3 * x * y) - 20,
        [hp.Dirichlet(u=0.0)],
    )


def identified() -> hp.Problem:
    """A conductivity from data."""
    points = [[0.1 * i, 0.1 * j] for i in range(1, 10) for j in range(1, 10)]
    values = [float(hp.sin(hp.pi * x) * hp.sin(hp.pi * y)) for x, y in points]
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y, k: k * u.laplacian + 4 * hp.pi**2 * hp.sin(hp.pi * x) * hp.sin(hp.pi * y),
        [hp.Dirichlet(u=0.0), hp.Data(points, u=values)],
        parameters=[hp.Parameter("k", init=1.0, bounds=(0.1, 10.0))],
    )


def nonlinear() -> hp.Problem:
    """Two coupled fields, periodic, in time."""
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u", "v"],
        lambda u, v: (u.t - 0.1 * u.xx + u * v, v.t - 0.1 * v.xx - u * v),
        [
            hp.Periodic("x"),
            hp.Initial(u=lambda x: 1 + 0.5 * hp.sin(2 * hp.pi * x), v=lambda x: 1 + 0.5 * hp.cos(2 * hp.pi * x)),
        ],
    )


def notched() -> hp.Problem:
    """Poisson around a mesh in space."""
    corners = [(0.2, 0.2, 0.2), (0.8, 0.2, 0.2), (0.2, 0.8, 0.2), (0.2, 0.2, 0.8)]
    hole = hp.Mesh((corners, [(0, 2, 1), (0, 1, 3), (1, 2, 3), (2, 0, 3)]))
    domain = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)) - hole
    return hp.Problem(domain, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)])


def bent() -> hp.Problem:
    """Poisson in an L, whose solution is more than a singular function."""
    domain = hp.Box(x=(-1, 1), y=(-1, 1)) - hp.Rectangle((0, -1), (1, 0))
    return hp.Problem(domain, "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)])


@dataclass(frozen=True)
class Recipe:
    """A run that takes a moment: the problem, and what else :func:`hermite_pinn.solve` is told."""

    problem: Callable[[], hp.Problem]
    options: Mapping[str, Any] = field(default_factory=dict)
    exact: bool = False  # whether a resumed run ends bit for bit as one that was not interrupted

    def solve(self, **more: Any) -> hp.Solution:
        """Run it."""
        torch.set_num_threads(1)
        return hp.solve(self.problem(), **({"progress": False} | dict(self.options) | more))


def _adam(**more: Any) -> hp.Adam:
    return hp.Adam(**({"steps": 40} | SHORT | more))


def _lbfgs(**more: Any) -> hp.LBFGS:
    return hp.LBFGS(**({"steps": 20} | SHORT | more))


def _joint(*trained: str, **more: Any) -> hp.JointGaussNewton:
    stages = tuple(hp.JointStage(part, steps=3) for part in trained)
    few: dict[str, Any] = {"frequencies": (2.0,), "gauss": 2, "held_out": 200, "inner_steps": 20, "oversampling": 2}
    return hp.JointGaussNewton(stages=stages, **few, **more)


SMALL = hp.Field(head="siren+linear", table_size=64, **NETWORK)
SIREN = hp.Field(head="siren", table_size=64, **NETWORK)
JOINT = hp.Field(head="siren+linear", features=2, table_size=32, width=8, depth=1)  # the third level is hashed
FACTOR = hp.Field(head="siren+linear", features=2, width=8, depth=1)

#: Solutions by name; ``samples`` are saved with the last.
SOLUTIONS: dict[str, Recipe] = {
    "linear-1d": Recipe(line, {"levels": 3}),
    "linear-2d": Recipe(poisson, {"levels": 2}),
    "linear-3d": Recipe(lambda: hp.problems.poisson3d(), {"levels": 1}),
    "quintic": Recipe(line, {"levels": 3, "field": hp.Field(basis="quintic")}),
    "septic": Recipe(line, {"levels": 2, "field": hp.Field(basis="septic")}),
    "siren": Recipe(poisson, {"levels": 2, "field": SIREN, "method": _adam()}),
    "siren+linear": Recipe(poisson, {"levels": 2, "field": SMALL, "method": _adam()}),
    "hashed": Recipe(poisson, {"levels": 3, "field": hp.Field(table_size=32), "method": _adam()}),
    "factor": Recipe(reaction, {"levels": 2, "field": FACTOR, "method": _joint("readout", "network")}),
    "parameters": Recipe(identified, {"levels": 2}),
    "coupled": Recipe(nonlinear, {"levels": 2}),
    "moving": Recipe(lambda: hp.problems.heat(dim=2), {"levels": 1}),
    "samples": Recipe(poisson, {"levels": 1}),
    "corner": Recipe(bent, {"levels": 2}),
    "mesh": Recipe(notched, {"levels": 1}),
}

#: Runs that can be continued, by name.
CHECKPOINTS: dict[str, Recipe] = {
    "at-once": Recipe(poisson, {"levels": 3}),
    "nonlinear": Recipe(nonlinear, {"levels": 2, "method": hp.GaussNewton(slabs=1)}),
    "slabs": Recipe(lambda: hp.problems.heat(), {"levels": 2, "method": hp.GaussNewton(slabs=3)}),
    "parameters": Recipe(identified, {"levels": 3}),
    "corner": Recipe(bent, {"levels": 3}),
    "joint": Recipe(reaction, {"levels": 3, "field": JOINT, "method": _joint("readout", "all", start="random")}),
    "adam": Recipe(poisson, {"levels": 2, "field": SIREN, "method": _adam()}, exact=True),
    "adaptive": Recipe(poisson, {"levels": 2, "field": SIREN, "method": _adam(adaptive=hp.RAD(every=10))}, exact=True),
    "soap": Recipe(poisson, {"levels": 2, "field": SIREN, "method": hp.SOAP(steps=40, **SHORT)}, exact=True),
    "lbfgs": Recipe(poisson, {"levels": 2, "method": _lbfgs(check_every=2)}, exact=True),
    "chain": Recipe(
        poisson,
        {"levels": 2, "dtype": "float64", "method": _adam(steps=20) >> _lbfgs(steps=10)},
        exact=True,
    ),
}


class Stop(hp.Callback):
    """Ends a run after some rows of its history."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def on_step(self, state: hp.RunState) -> str | None:
        """Count."""
        self.rows -= 1
        return "enough" if self.rows <= 0 else None


def solution(shared: Path, name: str) -> Path:
    """File of a good solution."""

    def make(path: Path) -> None:
        SOLUTIONS[name].solve().save(path, samples=5 if name == "samples" else None)

    return _made(shared / f"{name}.h5", make)


def checkpoint(shared: Path, name: str) -> Path:
    """File of a run that was stopped in its middle."""

    def make(path: Path) -> None:
        rows = 2
        while not (path.exists() and Content(path).arrays):  # some methods save after a few rows only, and begin empty
            CHECKPOINTS[name].solve(checkpoint=hp.Checkpoint(path, seconds=0), callbacks=[Stop(rows)])
            rows *= 2

    return _made(shared / f"{name}.run.h5", make)


def continued(shared: Path, name: str) -> dict[str, torch.Tensor]:
    """Tensors at the end of the run continued from the good checkpoint."""
    return _tensors(shared / f"{name}.continued.pt", lambda: CHECKPOINTS[name].solve(resume=checkpoint(shared, name)))


def uninterrupted(shared: Path, name: str) -> dict[str, torch.Tensor]:
    """Tensors at the end of the run that nothing disturbs."""
    return _tensors(shared / f"{name}.end.pt", CHECKPOINTS[name].solve)


def _tensors(path: Path, solve: Callable[[], hp.Solution]) -> dict[str, torch.Tensor]:
    kept: dict[str, torch.Tensor] = torch.load(_made(path, lambda draft: torch.save(solve().field.tensors(), draft)))
    return kept


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    """The file, made by the first who asks for it."""
    with FileLock(f"{path}.lock"):
        if not path.exists():
            draft = path.with_name(f"{os.getpid()}-{path.name}")
            make(draft)
            os.replace(draft, path)
    return path
