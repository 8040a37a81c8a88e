"""The rows of the suite: a domain each, what is solved on it, and what is to be reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.problems.cylinder import COEFFICIENTS, forces
from hermite_pinn.problems.plate_with_hole import exact_hoop_stress, hoop_stress
from hermite_pinn.validation.references.pinnacle import read_table, relative_error, shared_file

from .case import Case, Errors, Measured, Solving, fields_at, inside_points, timed

__all__ = ["CASES"]

MESHES = ("bunny", "armadillo", "fandisk", "spot")
LEVELS = {32: [8, 16, 32], 64: [8, 16, 32, 64]}


# -- exact solutions ---
def _mesh_problem(mesh: str, side: str, solution: str) -> Callable[[], hp.Problem]:
    """A problem about a mesh beside the project, or a part of the project."""

    def made() -> hp.Problem:
        source = str(shared_file("meshes", f"{mesh}.obj")) if mesh in MESHES else mesh
        return problems.poisson_mesh(source, side=side, solution=solution)

    return made


def _manufactured(mesh: str, side: str, cells: int) -> Case:
    error, seconds = {32: (1e-5, 30.0), 64: (1e-6, 120.0)}[cells]
    return Case(
        f"{mesh}-{side}-{cells}",
        f"{side} of {mesh}, manufactured, {cells} cells",
        Solving(_mesh_problem(mesh, side, "manufactured"), options={"levels": LEVELS[cells]}),
        {"error": error},
        seconds,
        needs=(("meshes", f"{mesh}.obj"),) if mesh in MESHES else (),
    )


def _sphere() -> hp.Problem:
    exact: Callable[..., Any] = lambda x, y, z: hp.exp(5 * x - 3) * hp.sin(3 * y) * hp.sin(4 * z)  # noqa: E731
    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)) - hp.Ball((0.5, 0.5, 0.5), 0.25),
        fields=["u"],
        residual=lambda u: u.laplacian,
        conditions=[hp.Dirichlet(u=exact)],
        exact={"u": exact},
        name="a harmonic function outside of a ball",
    )


def _hoop(solution: hp.Solution) -> Errors:
    angle = 2 * np.pi * (np.arange(720) + 0.5) / 720
    problem = solution.problem
    assert problem is not None
    points = inside_points(solution.domain)
    exact = np.stack([np.asarray(problem.exact[name](*points)) for name in ("u", "v")])
    return {
        "stress at the hole": relative_error(hoop_stress(solution, angle), exact_hoop_stress(angle)),
        "displacement": relative_error(fields_at(solution, ("u", "v"), points), exact),
    }


# -- references by multipoles ---
def _four_discs(solution: hp.Solution) -> Errors:
    from hermite_pinn.validation.references.multipoles import four_discs

    return _against(solution, four_discs(), "poisson2d_C_accurate.txt")


def _poisson2d_cg(solution: hp.Solution) -> Errors:
    from hermite_pinn.validation.references.multipoles import poisson2d_cg

    return _against(solution, poisson2d_cg(), "poisson2d_CG_accurate.txt")


def _against(solution: hp.Solution, reference: Callable[..., np.ndarray], table: str) -> Errors:
    """Errors against a boundary fit, and where there is a copy against the benchmark's points."""
    points = inside_points(solution.domain)
    errors = {"error": relative_error(np.asarray(solution.u(*points)), reference(*points))}
    rows = _table(table)
    if rows is not None:
        x, y = _into(solution, rows[:, :2].T)
        errors["at the benchmark's points"] = relative_error(np.asarray(solution.u(x, y)), rows[:, 2])
    return errors


def _table(name: str) -> np.ndarray | None:
    try:
        return read_table(name)
    except hp.InvalidArgumentError:
        return None


def _into(solution: hp.Solution, points: np.ndarray) -> np.ndarray:
    """Points of a table, those that rounding has put outside of the domain moved inside of its box."""
    domain = solution.domain
    lower, upper = (np.array([ends[i] for i in domain.space_axes])[:, None] for ends in (domain.lower, domain.upper))
    moved: np.ndarray = np.clip(points, lower, upper)
    return moved


# -- references by finite elements ---
def _poisson3d_cg(solution: hp.Solution) -> Errors:
    from hermite_pinn.validation.references.poisson3d_cg import reference

    points, values = reference()
    return {"error": relative_error(np.asarray(solution.u(*points)), values)}


def _heat2d_cg(solution: hp.Solution) -> Errors:
    from hermite_pinn.validation.references.finite_elements import heat2d_cg

    times = np.arange(1, 31) / 10
    x, y, _ = inside_points(solution.domain, 4000)
    wanted = np.stack([state(x, y)["u"] for state in heat2d_cg(times.tolist(), 0.25, 60)])
    found = np.stack([np.asarray(solution.u(x, y, np.full_like(x, t))) for t in times])
    return {"error": relative_error(found, wanted)}


def _step(obstacles: int) -> Callable[[hp.Solution], Errors]:
    def compare(solution: hp.Solution) -> Errors:
        from hermite_pinn.validation.references.finite_elements import step_flow

        points = inside_points(solution.domain, 8000)
        flow = step_flow(obstacles, size=0.07, corner=0.015)(*points)
        found = fields_at(solution, ("u", "v", "p"), points)
        errors = {
            "u, v": relative_error(found[:2], np.stack([flow["u"], flow["v"]])),
            "p": relative_error(found[2], flow["p"]),
            "u, v, p": relative_error(found, np.stack([flow[name] for name in ("u", "v", "p")])),
        }
        rows = _table(f"ns_{obstacles}_obstacle.dat.gz")
        if rows is not None:
            inside = solution.inside(*rows[:, :2].T)
            found = fields_at(solution, ("u", "v", "p"), rows[inside, :2].T)
            errors["u, v of the table"] = relative_error(found[:2], rows[inside, 2:4].T)
            errors["u, v, p of the table"] = relative_error(found, rows[inside, 2:5].T)
        return errors

    return compare


def _cylinder(solution: hp.Solution) -> Errors:
    found = forces(solution)
    return {name: abs(found[name] / value - 1) for name, value in COEFFICIENTS.items()}


# -- walks on spheres, distances ---
def _potential(mesh: str, walks: int = 1000) -> Callable[[hp.Solution], Errors]:
    def compare(solution: hp.Solution) -> Errors:
        from hermite_pinn.problems.solids import centred, solid
        from hermite_pinn.validation.references.random_walks import potential_about

        source = str(shared_file("meshes", f"{mesh}.obj")) if mesh in MESHES else mesh
        part = centred(solid("mesh", source)[1], 0.8)
        points = inside_points(solution.domain, 400, 3)
        points = points[:, np.abs(part.signed_distance(points)) >= 0.02][:, :150]
        known = potential_about(part, np.ascontiguousarray(points.T), walks, seed=1)
        away = np.asarray(solution.u(*points)) - known.values
        return {
            "bias": abs(float(away.mean())),
            "rms": float(np.sqrt(np.mean(away**2))),
            "noise of the walks": float(np.sqrt(np.mean(known.noise**2))),
        }

    return compare


def _distances(seed: int, device: str, seconds: float) -> Measured:
    from hermite_pinn.problems.solids import centred

    mesh = centred(hp.Mesh(shared_file("meshes", "bunny.obj")), 0.8)
    points = np.random.default_rng(seed).random((3, 1_000_000))
    distances, taken = timed(lambda: mesh.signed_distance(points))
    return Measured({"share inside": float((distances < 0).mean())}, taken)


_BUNNY = (("meshes", "bunny.obj"),)

#: All rows, the issue's order.
CASES: tuple[Case, ...] = (
    *(_manufactured(mesh, side, cells) for mesh in MESHES for side in ("inside", "outside") for cells in (32, 64)),
    *(
        _manufactured(part, side, 32)
        for part, side in (
            ("gear", "outside"),
            ("bracket", "inside"),
            ("pipe_bend", "inside"),
            ("torus_knot", "outside"),
        )
    ),
    Case("sphere", "sphere in a box", Solving(_sphere, options={"levels": LEVELS[32]}), {"error": 1e-6}, 30.0),
    Case(
        "four-discs",
        "four discs (PINNacle Poisson2d-C)",
        Solving(problems.four_discs, _four_discs),
        {"error": 1e-6},
        20.0,
        1.23e-2,
    ),
    Case(
        "poisson2d-cg",
        "PINNacle Poisson2d-CG",
        Solving(problems.poisson2d_cg, _poisson2d_cg, {"tol": 5e-6}),
        {"error": 1e-5},
        20.0,
        1.43e-2,
    ),
    Case(
        "poisson3d-cg",
        "PINNacle Poisson3d-CG",
        Solving(problems.poisson3d_cg, _poisson3d_cg, {"tol": 1e-3}),
        {"error": 2e-3},
        120.0,
        9.5e-2,
    ),
    Case(
        "heat2d-cg",
        "PINNacle Heat2d-CG",
        Solving(problems.heat2d_cg, _heat2d_cg, {"tol": 5e-4}),
        {"error": 1e-3},
        180.0,
        2.4e-2,
    ),
    *(
        Case(
            f"step-{n}",
            f"PINNacle NS2d-CG, {n or 'no'} obstacles",
            Solving(lambda n=n: problems.step(obstacles=n), _step(n), {"tol": 5e-3}),  # type: ignore[misc]
            {"u, v": 1e-2},
            180.0,
            8.2e-2 if n == 0 else None,
        )
        for n in (0, 4)
    ),
    Case(
        "cylinder",
        "cylinder (2D-1)",
        Solving(problems.cylinder, _cylinder, {"tol": 1e-3}),
        {"drag": 1e-2, "lift": 5e-2},
        180.0,
    ),
    Case("l-shape", "L-shape", Solving(problems.l_shape), {"error": 1e-6}, 20.0),
    Case(
        "plate-with-hole",
        "Kirsch's plate",
        Solving(problems.plate_with_hole, _hoop, {"tol": 1e-5}),
        {"stress at the hole": 1e-4},
        30.0,
    ),
    Case(
        "potential-bunny",
        "the paper's bunny, u = 1 on it and 0 on the box",
        Solving(_mesh_problem("bunny", "outside", "potential"), _potential("bunny"), {"levels": LEVELS[32]}),
        {"bias": 3e-3, "rms": 1.5e-2},
        180.0,
        needs=_BUNNY,
    ),
    Case(
        "potential-gear",
        "a gear, u = 1 on it and 0 on the box",
        Solving(_mesh_problem("gear", "outside", "potential"), _potential("gear"), {"levels": LEVELS[32]}),
        {"bias": 3e-3, "rms": 1.5e-2},
        180.0,
    ),
    Case("distances-bunny", "a million distances with signs, bunny", _distances, {}, 60.0, needs=_BUNNY),
)
