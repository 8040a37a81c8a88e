"""The ten lines of the README: Helmholtz' equation in a square."""

from pathlib import Path

import hermite_pinn as hp
from hermite_pinn import pi, sin


def main(out: Path, tol: float = 1e-6) -> float:
    """Solve, write files to ``out``, and return the relative error."""
    a, k = 10, 1.0
    exact = lambda x, y: sin(a * pi * x) * sin(a * pi * y)  # noqa: E731
    problem = hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=lambda u, x, y: u.xx + u.yy + k**2 * u - (k**2 - 2 * (a * pi) ** 2) * exact(x, y),
        conditions=[hp.Dirichlet(u=0.0)],
        exact={"u": exact},  # only ever used to report errors
    )
    solution = hp.solve(problem, tol=tol)
    print(solution)
    print("u, u_x and the Laplacian at (0.05, 0.05):")
    print(solution.u(0.05, 0.05), solution.u.x(0.05, 0.05), solution.u.laplacian(0.05, 0.05))
    solution.save(out / "helmholtz.h5")
    solution.to_vtk(out / "helmholtz.vti")
    solution.plot(out / "helmholtz.png")
    return solution.error()["u"]["relative_l2"]


if __name__ == "__main__":
    main(Path.cwd())
