"""A problem with a known solution under every kind of condition, and the error of what is found."""

import numpy as np

import hermite_pinn as hp
from hermite_pinn import cos, exp, sin


def error(solution, field="u"):
    return solution.error()[field]["relative_l2"]


def manufactured(conditions, dim=2):
    """-Delta u + x u = f with u = sin(2 x + y) exp(y / 2) (or its 1-D version), any conditions."""
    if dim == 1:
        exact = lambda x: sin(2 * x) * exp(x)
        f = lambda x: -(4 * cos(2 * x) - 3 * sin(2 * x)) * exp(x) + x * exact(x)
        residual = lambda u, x: -u.xx + x * u - f(x)
        return hp.Problem(hp.Box(x=(0, 2)), "u", residual, conditions(exact), exact={"u": exact})
    exact = lambda x, y: sin(2 * x + y) * exp(y / 2)
    laplacian = lambda x, y: exp(y / 2) * (-4.75 * sin(2 * x + y) + cos(2 * x + y))
    residual = lambda u, x, y: -u.laplacian + x * u - (x * exact(x, y) - laplacian(x, y))
    return hp.Problem(hp.Box(x=(0, 2), y=(-1, 1)), "u", residual, conditions(exact), exact={"u": exact})


U_X = lambda x, y: 2 * cos(2 * x + y) * exp(y / 2)
U_Y = lambda x, y: (cos(2 * x + y) + 0.5 * sin(2 * x + y)) * exp(y / 2)
CONDITIONS = {
    "dirichlet": lambda u: [hp.Dirichlet(u=u)],
    "dirichlet and neumann": lambda u: [
        hp.Dirichlet(u=u, on=["x-", "y-"]),
        hp.Neumann(u=U_X, on="x+"),
        hp.Neumann(u=U_Y, on="y+"),
    ],
    "robin": lambda u: [
        hp.Dirichlet(u=u, on=["x-", "y-", "y+"]),
        hp.Robin(u=(2.0, 1.0, lambda x, y: 2 * u(x, y) + U_X(x, y)), on="x+"),
    ],
    "weak dirichlet": lambda u: [hp.Dirichlet(u=u, where=lambda x, y: x > -1)],
    "operator": lambda u: [
        hp.Dirichlet(u=u, on=["x-", "y-", "y+"]),
        hp.Condition(lambda u, x, y: u.n + 0.3 * u.y - (U_X(x, y) + 0.3 * U_Y(x, y)), on="x+"),
    ],
    "tabulated dirichlet": lambda u: [
        hp.Dirichlet(u=lambda x, y: np.sin(np.asarray(2 * x + y)) * np.exp(np.asarray(y / 2)))
    ],
}
