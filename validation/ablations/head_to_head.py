"""Hermite against multilinear interpolation with finite differences: as many parameters, as many seconds."""

from __future__ import annotations

import hermite_pinn as hp
from hermite_pinn import JointGaussNewton

from .ablation import Ablation, Variant
from .scaled_recipe import network, recipe
from .solves import Solve

__all__ = ["STRAIGHT"]

SECONDS = 20.0
LINEAR = JointGaussNewton(inner_steps=2000)  # the rival's: it ends by itself before


def _linear(problem: str, a: int, cells: int, encoder: str = "hermite", basis: str = "cubic") -> Solve:
    """The sum of the levels, each encoder by the solver that is best for it."""
    field = hp.Field(encoder=encoder) if encoder != "hermite" else hp.Field(basis=basis)
    method: str | hp.Method = "gauss_newton" if encoder == "hermite" else LINEAR
    return Solve(method, field, (cells,), problem, {"a": a})


def _network(problem: str, a: int, encoder: str) -> Solve:
    plane = problem == "helmholtz2d"
    ratio, levels = (2.0, 6) if plane else (1.5, 6)
    table, features = (2**12, 2) if encoder == "hermite" else (2**14, 4) if plane else (2**15, 5)
    field = network(encoder=encoder, table_size=table, features=features, ratio=ratio)
    return Solve(recipe(), field, levels, problem, {"a": a}, seconds=SECONDS)


def _variants() -> list[Variant]:
    found = []
    for problem, a, title, cells in (
        ("helmholtz2d", 10, "2D, a = 10", (128, 85, 257)),
        ("helmholtz3d", 3, "3D, a = 3", (24, 16, 50)),
    ):
        cubic, quintic, rival = cells
        linear = f"{title}, Gauss-Newton, linear head"
        found += [
            Variant("multilinear, finite differences", linear, _linear(problem, a, rival, "trilinear_fd")),
            Variant("Hermite, cubic", linear, _linear(problem, a, cubic)),
            Variant("Hermite, quintic", linear, _linear(problem, a, quintic, basis="quintic")),
            Variant(
                "Hermite, cubic, the rival's solver", linear, Solve(LINEAR, hp.Field(), (cubic,), problem, {"a": a})
            ),
        ]
        trained = f"{title}, Adam, SIREN"
        found += [
            Variant("multilinear, finite differences", trained, _network(problem, a, "trilinear_fd")),
            Variant("Hermite, cubic", trained, _network(problem, a, "hermite")),
        ]
    return found


STRAIGHT = Ablation(
    "straight",
    "Hermite against multilinear interpolation",
    "With as many parameters, and about as many CPU seconds for the networks, how much more accurate is the Hermite grid?",
    tuple(_variants()),
)
