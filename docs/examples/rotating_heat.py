"""Two space dimensions and time: a warm spot that is carried around and diffuses, as a series for ParaView.

u_t + v . grad u = D Delta u,    v = (-(y - 1/2), x - 1/2) 2 pi,    u = 0 on the boundary
"""

from pathlib import Path

import hermite_pinn as hp
from hermite_pinn import exp, pi


def main(out: Path, levels: int = 3) -> float:
    """Solve, write a series to ``out``, and return the estimated error."""
    problem = hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.5)),
        fields=["u"],
        residual=lambda u, x, y: u.t + 2 * pi * ((x - 0.5) * u.y - (y - 0.5) * u.x) - 0.02 * u.laplacian,
        conditions=[
            hp.Dirichlet(u=0.0),
            hp.Initial(u=lambda x, y: exp(-60 * ((x - 0.5) ** 2 + (y - 0.3) ** 2)) * 16 * x * (1 - x) * y * (1 - y)),
        ],
        name="rotating heat",
    )
    solution = hp.solve(problem, levels=levels)
    print(solution)
    for file in solution.to_vtk(out / "rotating_heat.pvd", times=11, resolution=48)[:1]:
        print("open in ParaView:", file)
    solution.plot(out / "rotating_heat.png", residual=False)
    return solution.estimated_error


if __name__ == "__main__":
    main(Path.cwd())
