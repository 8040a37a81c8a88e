"""Natural convection between a warm and a cold wall: four coupled nonlinear equations, one with a large coefficient.

u . grad u + grad p = Pr Delta u + Ra Pr theta e_y,    div u = 0,    u . grad theta = Delta theta

with u = 0 on all walls, theta = 1 and 0 at the side walls and no heat flux through the others.

The benchmark is G. de Vahl Davis, Int. J. Numer. Methods Fluids 3, 249 (1983): at Ra = 10^4 the mean heat flux through
a side wall, the Nusselt number, is 2.243.
"""

from pathlib import Path

import numpy as np

import hermite_pinn as hp

RAYLEIGH, PRANDTL, NUSSELT = 1e4, 0.71, 2.243


def main(out: Path, tol: float = 1e-4) -> float:
    """Solve, draw the temperature, and return the error of the Nusselt number."""
    problem = hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u", "v", "p", "theta"],
        residual=lambda u, v, p, theta: {
            "momentum x": u * u.x + v * u.y + p.x - PRANDTL * u.laplacian,
            "momentum y": u * v.x + v * v.y + p.y - PRANDTL * v.laplacian - RAYLEIGH * PRANDTL * theta,
            "continuity": u.x + v.y,
            "heat": u * theta.x + v * theta.y - theta.laplacian,
        },
        conditions=[
            hp.Dirichlet(u=0.0, v=0.0),
            hp.Dirichlet(theta=1.0, on="x-"),
            hp.Dirichlet(theta=0.0, on="x+"),
            hp.Neumann(theta=0.0, on=["y-", "y+"]),
            hp.Gauge("p"),
        ],
        name="natural convection",
    )
    solution = hp.solve(problem, tol=tol)
    print(solution)
    nodes, weights = np.polynomial.legendre.leggauss(64)
    nusselt = -float(np.sum(weights / 2 * solution.theta.x(np.zeros(64), (nodes + 1) / 2)))
    print(f"Nusselt number {nusselt:.4f}, benchmark {NUSSELT}")
    solution.plot(out / "natural_convection.png", residual=False)
    return abs(nusselt - NUSSELT)


if __name__ == "__main__":
    main(Path.cwd())
