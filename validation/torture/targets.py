"""Every public callable with arguments that are good, to be replaced one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.problems import PROBLEMS

from .case import Bench, Fault, Kind
from .pose_targets import POSES
from .radiance_targets import RADIANCE
from .recipe_targets import RECIPES
from .shape_targets import SHAPES, cutting
from .start_targets import STARTS
from .stock import FACTOR, SIREN, poisson
from .target import Target, of_solution
from .view_targets import view_targets
from .workload_targets import workload_targets

__all__ = ["early", "targets"]

QUICK: dict[str, Any] = {"levels": 1, "max_time": 2.0, "progress": False}
SHORT: dict[str, Any] = {"steps": 2, "points": 16, "face_points": 4, "check_every": 1}

# arguments that work, by callable
GAUSS_NEWTON: dict[str, Any] = {
    "gauss": 2, "inner_tol": 1e-8, "inner_steps": 100, "outer_steps": 3, "damping": 1e-3, "max_levels": 3,
    "max_unknowns": 1000, "inner": "auto", "slabs": "auto", "precision": "auto", "basis": "auto",
}  # fmt: skip
JOINT_GAUSS_NEWTON: dict[str, Any] = {
    "stages": (hp.JointStage("readout", steps=1),), "gauss": 2, "oversampling": 4.0, "frequencies": (2.0,),
    "start": "coordinates", "hard": True, "face_weight": 1.0, "inner_tol": 1e-6, "inner_steps": 20, "damping": 1e-3,
    "patience": 2, "dense_limit": 100, "held_out": 50,
}  # fmt: skip
QUASI_NEWTON: dict[str, Any] = {
    "steps": 2, "points": 16, "face_points": 4, "rounds": 1, "adaptive": None, "weight": 100.0, "normalize": True,
    "memory": 3, "search_steps": 5, "gtol": 1e-8, "ftol": 1e-6, "probes": 2, "check_every": 1,
}  # fmt: skip
SOLVE: dict[str, Any] = {
    "problem": None, "field": None, "method": "gauss_newton", "levels": 1, "tol": 1e-3, "max_time": 2.0, "seed": 0,
    "device": "cpu", "dtype": None, "callbacks": (), "progress": False, "checkpoint": None, "resume": None,
    "throw": True,
}  # fmt: skip
TABLES: dict[str, Any] = {
    "head": "linear", "basis": "cubic", "base": 4, "ratio": 2.0, "features": None, "table_size": None, "half": False,
    "encoder": "hermite",
}  # fmt: skip
NETWORK: dict[str, Any] = {
    "head": "siren", "base": (4, 4), "ratio": 1.5, "features": 2, "table_size": 64, "width": 8, "depth": 1,
    "omega": 0.5, "activation": "sine", "table_std": 0.01, "fused": None,
}  # fmt: skip
FIRST_ORDER: dict[str, Any] = {
    "steps": 2, "lr": 1e-3, "lr_end": 1e-5, "schedule": "cosine", "lr_every": 1, "points": 16, "face_points": 4, "weight": 1.0,
    "weight_cap": 1e6, "balance_every": 1, "shared_weight": False, "curriculum": ((1, 1),), "ema": 0.9, "warmup": 1,
    "normalize": True, "check_every": 1, "adaptive": None, "cuda_graph": True,
}  # fmt: skip


class _Steps(hp.Callback):
    """Counts the steps of a run."""

    def __init__(self) -> None:
        self.count = 0

    def on_step(self, state: hp.RunState) -> None:
        """Count one."""
        self.count += 1


def early(problem: hp.Problem, **options: Any) -> hp.Solution:
    """Solve; an argument that is refused after the first step is a fault, since the work is lost."""
    steps = _Steps()
    given = options.pop("callbacks", None)
    try:
        return hp.solve(problem, callbacks=[steps] if given is None else given, **(QUICK | options))
    except hp.DivergedError:
        raise
    except hp.HermitePinnError as error:
        if steps.count:
            raise Fault(Kind.RAW, f"refused after {steps.count} steps: {type(error).__name__}: {error}") from error
        raise


def _run(bench: Bench, **options: Any) -> hp.Solution:
    problem = options.pop("problem", None)
    return early(poisson() if problem is None else problem, **options)


def _with_method(kind: Callable[..., hp.Method], **options: Any) -> Callable[..., hp.Solution]:
    return lambda bench, **chosen: early(poisson(), method=kind(**chosen), **options)


def _field(bench: Bench, **chosen: Any) -> hp.Solution:
    field = hp.Field(**chosen)
    plain = field.linear and field.table_size is None and not field.half
    return early(poisson(), field=field, method="gauss_newton" if plain else hp.Adam(**SHORT))


def _box(bench: Bench, **axes: Any) -> hp.Solution:
    problem = hp.Problem(hp.Box(**axes), ["u"], lambda u: u.xx - 1, [hp.Dirichlet(u=0.0)])
    return early(problem)


def _problem(bench: Bench, **arguments: Any) -> hp.Solution:
    return early(hp.Problem(**arguments))


def _condition(kind: Callable[..., Any], *positional: str) -> Callable[..., hp.Solution]:
    def call(bench: Bench, **arguments: Any) -> hp.Solution:
        first = [arguments.pop(name) for name in positional]
        condition = kind(*first, **arguments)
        more: list[Any] = [hp.Dirichlet(u=0.0)] if kind in (hp.Data, hp.Smoothness) else [hp.Dirichlet(u=0.0, on="y-")]
        more += [hp.Data([[0.5, 0.5]], u=0.1)] if kind is hp.Smoothness else []
        residual = (lambda u: u.x + u.y) if kind is hp.Gauge else (lambda u: u.laplacian - 1)
        others = [] if kind is hp.Gauge else more
        return early(hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], residual, [condition, *others]))

    return call


def _initial(bench: Bench, **arguments: Any) -> hp.Solution:
    conditions: list[Any] = [hp.Initial(**arguments), hp.Dirichlet(u=0.0)]
    return early(hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), ["u"], lambda u: u.tt - u.xx, conditions))


def _parameter(bench: Bench, **arguments: Any) -> hp.Solution:
    parameter = hp.Parameter(**arguments)
    data = hp.Data([[0.3], [0.5]], u=[0.1, 0.125])
    return early(
        hp.Problem(
            hp.Box(x=(0, 1)), ["u"], lambda u, k: k * u.xx + 1, [hp.Dirichlet(u=0.0), data], parameters=[parameter]
        )
    )


def _source(bench: Bench, spread: Any, **arguments: Any) -> hp.Solution:
    source = hp.Source(**arguments, width=spread)
    box = hp.Box(x=(0, 1), y=(0, 1))
    return early(hp.Problem(box, "u", lambda u, x, y: u.laplacian + source(x, y), [hp.Dirichlet(u=0.0)]))


def _integral(bench: Bench, **arguments: Any) -> hp.Solution:
    def residual(u: Any, x: Any) -> Any:
        return u.xx - 1 - hp.Integral(u, **arguments)

    return early(hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)]))


def _fractional(bench: Bench, **arguments: Any) -> hp.Solution:
    return early(hp.Problem(hp.Box(x=(0, 1)), "v", lambda v: hp.FractionalLaplacian(v, **arguments) - 1))


def _library(name: str) -> Callable[..., hp.Solution]:
    return lambda bench, **settings: early(hp.problems.make(name, **settings))


def _axes(good: hp.Solution, x: Any, y: Any) -> Any:
    return good.on_grid([x, y])


def _over_axis(good: hp.Solution, over: Any, y: Any) -> Any:
    result = good.integrate(over=over)
    return result if isinstance(result, (float, complex)) else result(y)


POINTS = [[0.1, 0.2], [0.3, 0.4]]


def _solution_targets() -> list[Target]:
    return [
        Target("Solution.save", of_solution(hp.Solution.save), {"path": "{place}/u.h5", "samples": 2}),
        Target("Solution.load", lambda bench, path: hp.Solution.load(path), {"path": "{good}"}),
        Target(
            "Solution.to_vtk",
            of_solution(hp.Solution.to_vtk),
            {
                "path": "{place}/u.vti",
                "resolution": 3,
                "points": None,
                "times": None,
                "boundary": False,
                "gradient": True,
                "exact": True,
                "residual": True,
            },
        ),
        Target("Solution.to_vtk points", of_solution(hp.Solution.to_vtk), {"path": "{place}/u.vtu", "points": POINTS}),
        Target(
            "Solution.plot",
            of_solution(hp.Solution.plot),
            {"path": "{place}/u.png", "resolution": 8, "time": None, "residual": True, "backend": "matplotlib"},
        ),
        Target("Solution.plot_history", of_solution(hp.Solution.plot_history), {"path": "{place}/u.png"}),
        Target("Solution.error", of_solution(hp.Solution.error), {"points": POINTS, "exact": {"u": 1.0}}),
        Target("Solution.residual", of_solution(hp.Solution.residual), {"points": POINTS, "slack": 1e-9}),
        Target(
            "Solution.integrate",
            of_solution(hp.Solution.integrate),
            {"expression": "u", "over": {"x": (0.0, 0.5), "y": None}, "tol": 1e-6},
        ),
        Target(
            "Solution.integrate over an axis",
            of_solution(_over_axis),
            {"over": "x", "y": [0.1, 0.2]},
        ),
        Target("Solution.at_points", of_solution(hp.Solution.at_points), {"points": POINTS, "slack": 1e-9}),
        Target("Solution.inside", of_solution(lambda s, points: s.inside(points)), {"points": POINTS}),
        Target("Solution.on_grid", of_solution(_axes), {"x": np.linspace(0, 1, 3), "y": np.linspace(0, 1, 3)}),
        Target("Solution.u", of_solution(lambda s, x, y: s.u(x, y)), {"x": 0.1, "y": 0.2}),
        Target("Solution.u.x", of_solution(lambda s, x, y: s.u.x(x, y)), {"x": [0.1, 0.2], "y": [0.2, 0.3]}),
        Target("Solution.u.laplacian", of_solution(lambda s, x, y: s.u.laplacian(x=x, y=y)), {"x": 0.1, "y": 0.2}),
        *view_targets(),
    ]


def _method_targets() -> list[Target]:
    stage = {"train": "readout", "steps": 1, "cells": None}
    return [
        Target(
            "GaussNewton",
            _with_method(hp.GaussNewton),
            GAUSS_NEWTON,
        ),
        Target(
            "JointGaussNewton",
            _with_method(hp.JointGaussNewton, field=FACTOR, levels=2),
            JOINT_GAUSS_NEWTON,
        ),
        Target(
            "JointStage",
            lambda bench, **chosen: early(
                poisson(),
                field=FACTOR,
                levels=2,
                method=hp.JointGaussNewton(stages=(hp.JointStage(**chosen),), frequencies=(2.0,)),
            ),
            stage,
        ),
        Target("Adam", _with_method(hp.Adam, field=SIREN), FIRST_ORDER),
        Target(
            "SOAP",
            _with_method(hp.SOAP, field=SIREN),
            SHORT | {"network_lr": 3e-3, "betas": (0.95, 0.95), "precondition_every": 1},
        ),
        Target(
            "LBFGS",
            _with_method(hp.LBFGS),
            QUASI_NEWTON,
        ),
        Target(
            "RAD",
            lambda bench, **chosen: early(poisson(), field=SIREN, method=hp.Adam(adaptive=hp.RAD(**chosen), **SHORT)),
            {"k": 1.0, "c": 1.0, "every": 1, "pool": 100},
        ),
    ]


def _statement_targets() -> list[Target]:
    face = {"u": 0.0, "on": "x-", "weight": None, "where": None}
    whole = {
        "domain": hp.Box(x=(0, 1)), "fields": ["u"], "residual": lambda u: u.xx - 1, "conditions": [hp.Dirichlet(u=0.0)],
        "parameters": (), "exact": {"u": lambda x: x}, "name": "name", "max_order": 2,
    }  # fmt: skip
    return [
        Target("Box", _box, {"x": (0, 1)}),
        Target("Box 2d", _box, {"x": (0, 1), "y": (0, 1)}),
        Target("Problem", _problem, whole),
        Target(
            "Problem of complex fields",
            _problem,
            {
                "domain": hp.Box(x=(0, 1)),
                "fields": {"u": complex},
                "residual": lambda u: u.xx - 1j,
                "conditions": [hp.Dirichlet(u=1j)],
                "exact": {"u": 1j},
            },
        ),
        Target(
            "Problem.replace",
            lambda bench, **changes: early(poisson().replace(**changes)),
            dict(whole) | {"fields": "u"},
        ),
        Target(
            "Problem.restricted",
            lambda bench, **bounds: early(poisson().restricted(**bounds)),
            {"x": (0, 0.5), "y": (0.1, 1)},
        ),
        Target("Dirichlet", _condition(hp.Dirichlet), face),
        Target("Neumann", _condition(hp.Neumann), face),
        Target("Robin", _condition(hp.Robin), face | {"u": (1.0, 1.0, 0.0)}),
        Target(
            "Condition",
            _condition(hp.Condition),
            {"function": lambda u, x: u.x - 1, "on": "x-", "weight": None, "where": None, "name": "oblique"},
        ),
        Target(
            "Condition inside",
            _condition(hp.Condition),
            {"function": lambda u, x: u - x, "on": {"x": 0.5}, "weight": None, "where": None, "name": "support"},
        ),
        Target(
            "Integral",
            _integral,
            {"over": "x", "kernel": lambda x, s: x * s, "lower": 0.0, "upper": 1.0, "name": "memory"},
        ),
        Target("FractionalLaplacian", _fractional, {"alpha": 1.5, "over": "x", "name": "jumps"}),
        Target("Source", _source, {"points": [[0.3, 0.4]], "strengths": [1.0], "spread": 0.1}),
        Target("Periodic", _condition(hp.Periodic, "axis"), {"axis": "x"}),
        Target("Gauge", _condition(hp.Gauge, "name"), {"name": "u"}),
        Target("Data", _condition(hp.Data), {"points": POINTS, "u": [0.1, 0.2], "noise": 0.1, "weight": None}),
        Target("Smoothness", _condition(hp.Smoothness), {"u": 1e-3, "order": 2}),
        Target("Smoothness auto", _condition(hp.Smoothness, "name"), {"name": "u", "order": 2}),
        Target("Initial", _initial, {"u": 0.0, "u_t": 0.0, "weight": None}),
        Target("Parameter", _parameter, {"name": "k", "init": 2.0, "bounds": (0.1, 10.0)}),
    ]


def _string() -> hp.Problem:
    return hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, mu: u.xx + mu * u,
        [hp.Dirichlet(u=0.0)],
        parameters=[hp.Parameter("mu")],
    )


def _run_targets() -> list[Target]:
    return [
        Target(
            "solve",
            _run,
            SOLVE,
        ),
        Target("solve adam", _run, {"method": hp.Adam(**SHORT), "levels": 2, "seed": 0, "dtype": None, "tol": None}),
        Target("solve lbfgs", _run, {"method": hp.LBFGS(steps=2), "levels": 2, "seed": 0, "dtype": None, "tol": None}),
        Target(
            "eigen",
            lambda bench, **chosen: hp.eigen(_string(), **chosen),
            {"count": 2, "near": 0.0, "basis": "septic", "tol": 1e-6, "max_unknowns": 500, "max_time": None, "seed": 0},
        ),
        Target(
            "Checkpoint",
            lambda bench, **chosen: early(poisson(), checkpoint=hp.Checkpoint(**chosen)),
            {"path": "{place}/run.h5", "seconds": 0.0},
        ),
        Target(
            "CSVLog", lambda bench, path: early(poisson(), callbacks=[hp.CSVLog(path)]), {"path": "{place}/run.csv"}
        ),
        Target(
            "Series",
            lambda bench, **chosen: early(hp.problems.heat(), callbacks=[hp.Series(**chosen)]),
            {"path": "{place}/run.pvd", "every": 0.5, "resolution": 4, "gradient": False},
        ),
        Target(
            "Field",
            _field,
            TABLES,
        ),
        Target("Field siren", _field, NETWORK),
        Target(
            "Field products",
            lambda bench, **chosen: early(hp.problems.poisson_sines(dim=5), field=hp.Field(**chosen), levels=None),
            {"encoder": "products", "head": "linear", "rank": 2, "base": 4},
        ),
        Target("tabulated", lambda bench, function: hp.tabulated(function)(np.zeros(3)), {"function": np.sin}),
        *(Target(name, cutting(name), good) for name, (_, good) in SHAPES.items()),
        *(_library_target(name) for name in PROBLEMS),
    ]


def _library_target(name: str) -> Target:
    import inspect

    settings = {k: p.default for k, p in inspect.signature(PROBLEMS[name]).parameters.items()}
    return Target(f"problems.{name}", _library(name), settings)


def _recipe_targets() -> list[Target]:
    return [Target(*one) for one in RECIPES]


def targets() -> list[Target]:
    """All of them."""
    scenes = [Target(name, call, good) for name, (call, good) in (RADIANCE | POSES).items()]
    return [
        *_run_targets(),
        *_method_targets(),
        *_statement_targets(),
        *_solution_targets(),
        *workload_targets(),
        *scenes,
        *_recipe_targets(),
        *STARTS,
    ]
