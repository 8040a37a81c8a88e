"""An equation of your own: nonlinear diffusion and reaction with a heated, an insulated and a cooled side.

    -div((1 + u) grad u) + u^3 = 20 exp(-40 |x - c|^2),    u = 1 left,  u.n = 0 below and above,  u.n + 2 u = 0 right

The residual is written as the mathematics; derivatives of products follow by hand or from fields of their own.
"""

from pathlib import Path

import hermite_pinn as hp
from hermite_pinn import exp


def main(out: Path, tol: float = 1e-6) -> float:
    """Solve, write files to ``out``, and return the estimated error."""

    def residual(u, x, y):
        source = 20 * exp(-40 * ((x - 0.6) ** 2 + (y - 0.4) ** 2))
        return -(1 + u) * u.laplacian - u.grad.dot(u.grad) + u**3 - source

    problem = hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=residual,
        conditions=[
            hp.Dirichlet(u=1.0, on="x-"),
            hp.Neumann(u=0.0, on=["y-", "y+"]),
            hp.Robin(u=(2.0, 1.0, 0.0), on="x+"),
        ],
        name="reaction",
    )
    solution = hp.solve(problem, tol=tol)
    print(solution)
    print("heat flux at the middle of the cooled side:", -(1 + solution.u(1.0, 0.5)) * solution.u.x(1.0, 0.5))
    solution.to_vtk(out / "reaction.vti")
    solution.plot(out / "reaction.png")
    return solution.estimated_error


if __name__ == "__main__":
    main(Path.cwd())
