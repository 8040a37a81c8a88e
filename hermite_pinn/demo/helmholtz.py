"""A first equation: waves in a square, with a solution that is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hermite_pinn as hp

from .example import Example, Shown

__all__ = ["EXAMPLE", "problem"]


def problem(a: int = 10) -> hp.Problem:
    """The Helmholtz equation with ``a`` half waves along both axes.

    Examples
    --------
    >>> problem(2).fields
    ('u',)
    """

    def exact(x: Any, y: Any) -> Any:
        return hp.sin(a * hp.pi * x) * hp.sin(a * hp.pi * y)

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=lambda u, x, y: u.xx + u.yy + u - (1 - 2 * (a * hp.pi) ** 2) * exact(x, y),
        conditions=[hp.Dirichlet(u=0.0)],
        exact={"u": exact},
        name="helmholtz",
    )


def _show(folder: Path, quick: bool) -> Shown:
    solution = hp.solve(problem(3 if quick else 10), tol=1e-3 if quick else 1e-6, progress=False, throw=False)
    files = (folder / "helmholtz.png", folder / "helmholtz.h5", folder / "helmholtz.vti")
    solution.plot(files[0], residual=False)
    solution.save(files[1])
    solution.to_vtk(files[2])
    error = solution.error()["u"]["relative_l2"]
    return Shown(solution, {"error against the known solution": f"{error:.1e}, relative L2"}, files[0], files)


EXAMPLE = Example(
    name="helmholtz",
    title="The Helmholtz equation in a square",
    about="Ten half waves along both axes. The solution is known, so the error is, too; it is only used to report it. "
    "The picture shows the field and its error.",
    equations="u_xx + u_yy + u = f in the unit square,  u = 0 on its boundary",
    code="""\
problem = hp.Problem(
    domain=hp.Box(x=(0, 1), y=(0, 1)),
    fields=["u"],
    residual=lambda u, x, y: u.xx + u.yy + u - (1 - 2 * (10 * pi) ** 2) * exact(x, y),
    conditions=[hp.Dirichlet(u=0.0)],
    exact={"u": exact},
)
solution = hp.solve(problem)""",
    show=_show,
)
