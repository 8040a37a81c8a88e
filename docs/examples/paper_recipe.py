"""The recipe of the Hermite-NGP paper (hashed tables, SIREN, Adam) and the default method beside it."""

from pathlib import Path

import hermite_pinn as hp
from hermite_pinn import problems


def main(out: Path, steps: int = 2000) -> float:
    """Train for ``steps`` steps, solve with the default method, and return the ratio of the errors."""
    problem = problems.helmholtz2d(a=10)
    trained = hp.solve(problem, method=hp.Adam.paper(steps=steps, curriculum=()))
    print(trained)
    solved = hp.solve(problem)
    print(solved)
    trained.plot_history(out / "paper_recipe_history.png")
    return trained.error()["u"]["relative_l2"] / solved.error()["u"]["relative_l2"]


if __name__ == "__main__":
    main(Path.cwd())
