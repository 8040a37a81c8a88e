"""A user's script that solves several problems; run on one or several processes by test_distributed.py."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import hermite_pinn as hp
from hermite_pinn import problems

torch.set_num_threads(1)


def measured():
    """-k u'' = sin x with k unknown, and noisy data of u: a parameter, soft conditions, scattered points."""
    x = np.linspace(0.1, 3.0, 9)[:, None]
    noise = 1e-4 * np.cos(40 * x[:, 0])
    return hp.Problem(
        hp.Box(x=(0, np.pi)), "u", lambda u, x, k: -k * u.xx - hp.sin(x), [hp.Dirichlet(u=0.0), hp.Data(x, u=np.sin(x[:, 0]) / 2 + noise)],
        parameters=[hp.Parameter("k", init=1.0, bounds=(0.1, 10.0))],
    )  # fmt: skip


def mixed_conditions():
    """A face of Neumann and one of Robin type, and one whose condition holds on a part only."""
    exact = lambda x, y: hp.sin(2 * x + y) * hp.exp(y / 2)
    u_x = lambda x, y: 2 * hp.cos(2 * x + y) * hp.exp(y / 2)
    laplacian = lambda x, y: hp.exp(y / 2) * (-4.75 * hp.sin(2 * x + y) + hp.cos(2 * x + y))
    conditions = [
        hp.Dirichlet(u=exact, on=["x-", "y-"]),
        hp.Robin(u=(2.0, 1.0, lambda x, y: 2 * exact(x, y) + u_x(x, y)), on="x+"),
        hp.Dirichlet(u=exact, on="y+", where=lambda x, y: x > 0.5),
    ]
    return hp.Problem(
        hp.Box(x=(0, 2), y=(-1, 1)), "u", lambda u, x, y: -u.laplacian + laplacian(x, y), conditions, exact={"u": exact}
    )


READOUT = (hp.JointStage("readout", 1, 12), hp.JointStage("linear", 1, 16))
NETWORK = hp.Field(head="siren+linear", features=2, table_size=128, width=12, depth=1)
#: Several processes have no fast diagonalisation, whose coefficients are others for the same field.
CONJUGATE = hp.GaussNewton(inner="cg")
CASES = {
    "elliptic": lambda: (problems.helmholtz2d(a=2), {"levels": 4, "method": CONJUGATE}),
    "mixed precision": lambda: (problems.helmholtz2d(a=2), {"levels": 4, "method": hp.GaussNewton(precision="mixed", inner="cg")}),
    "refined until tol": lambda: (problems.helmholtz2d(a=2), {"tol": 1e-4}),
    "conditions": lambda: (mixed_conditions(), {"levels": 4}),
    "nonlinear": lambda: (problems.burgers(nu=0.1), {"levels": 3, "method": hp.GaussNewton(slabs=1)}),
    "slabs": lambda: (problems.burgers(nu=0.1), {"levels": 3, "method": hp.GaussNewton(slabs=2)}),
    "banded": lambda: (problems.convection(c=5), {"levels": 3, "method": hp.GaussNewton(inner="banded")}),
    "parameters and data": lambda: (measured(), {"levels": 3}),
    "network": lambda: (
        problems.helmholtz2d(a=1),
        {"field": NETWORK, "levels": 3, "method": hp.JointGaussNewton(stages=READOUT, frequencies=(2.0, 4.0), held_out=200)},
    ),
    "adam": lambda: (
        problems.helmholtz2d(a=1),
        {"levels": 3, "field": hp.Field(head="siren", features=2, width=8), "method": hp.Adam(steps=30, points=101, face_points=21, balance_every=10, check_every=10)},
    ),
    "adam at residuals": lambda: (
        measured(),
        {"levels": 2, "method": hp.Adam(steps=12, points=50, face_points=1, check_every=4, adaptive=hp.RAD(every=5, pool=80))},
    ),
}  # fmt: skip


def main(out, names):
    found = {}
    for name in names:
        problem, options = CASES[name]()
        solution = hp.solve(problem, dtype="float64", progress=False, **options)
        found[name] = {
            "tensors": torch.cat([v.reshape(-1) for v in solution.field.tensors().values()]).tolist(),
            "parameters": solution.parameters,
            "status": solution.status.label,
            "points": solution.stats.get("points"),
            "loss": solution.history["loss"].tolist(),
            "errors": solution.stats.get("standard_errors"),
            "estimate": solution.estimated_error,
        }
        solution.save(out / f"{name}.h5")
    rank = solution.stats["rank"]
    (out / f"rank{rank}.json").write_text(json.dumps({"ranks": solution.stats["ranks"], "found": found}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] or list(CASES))
