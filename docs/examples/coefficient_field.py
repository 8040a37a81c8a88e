"""An unknown coefficient field from noisy data: the diffusivity of a rod from temperatures.

    u_t = (a(x) u_x)_x,    u = sin 6 t left,  u = 0 right,  u = 0 at the start

The measurements are made here: the rod is solved with a known diffusivity, read at random places and times, and noise
is added.  Then the diffusivity is taken for unknown.  It is written as exp(b), which is positive whatever b is.
"""

from pathlib import Path

import numpy as np

import hermite_pinn as hp
from hermite_pinn import exp, log, sin


def diffusivity(x):
    """The truth, with which the measurements are made."""
    return 0.3 + 0.2 * exp(-30 * (x - 0.4) ** 2)


def slope(x):
    """Its derivative."""
    return -60 * (x - 0.4) * (diffusivity(x) - 0.3)


def main(out: Path, count: int = 500, noise: float = 0.01, levels: int = 3) -> float:
    """Solve, write files to ``out``, and return the largest error of the diffusivity where there is heat."""
    rod = hp.Box(x=(0, 1), t=(0, 1))
    ends = [hp.Dirichlet(u=lambda t: sin(6 * t), on="x-"), hp.Dirichlet(u=0.0, on="x+"), hp.Initial(u=0.0)]

    known = hp.Problem(rod, "u", lambda u, x: u.t - diffusivity(x) * u.xx - slope(x) * u.x, ends)
    truth = hp.solve(known, tol=1e-4)
    random = np.random.default_rng(0)
    places = random.random((count, 2))
    measured = truth.u(*places.T) + noise * random.standard_normal(count)

    problem = hp.Problem(
        rod,
        ["u", "b"],
        lambda u, b: {"heat": u.t - exp(b) * (u.xx + b.x * u.x), "steady": b.t},
        [*ends, hp.Data(places, u=measured, noise=noise), hp.Smoothness("b")],
        exact={"b": lambda x: log(diffusivity(x))},
        name="coefficient_field",
    )
    solution = hp.solve(problem, levels=levels)
    print(solution)
    x = np.linspace(0.0, 1.0, 101)
    error = float(np.max(np.abs(np.exp(solution.b(x, 0.5 + 0 * x)) - diffusivity(x))))
    print(f"largest error of the diffusivity: {error:.3f} of 0.3 to 0.5")
    solution.plot(out / "coefficient_field.png")
    return error


if __name__ == "__main__":
    main(Path.cwd())
