"""The ablations of arXiv 2605.24774, scaled to what one thread finishes, under Adam and under Gauss-Newton."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import hermite_pinn as hp
from hermite_pinn import JointGaussNewton, JointStage

from .ablation import COST, Ablation, Measure, Variant
from .cycles import CycledAdam, even_plan
from .exact_boundary import ExactBoundary
from .head_to_head import STRAIGHT
from .point_rules import AdamAt, RowsAt
from .scaled_recipe import ADAM, GAUSS_NEWTON, STEPS, network, recipe, trained
from .solves import Solve
from .step_cost import StepCost

__all__ = ["ABLATIONS"]


#: Most steps of conjugate gradients, on several levels and on one.
INNER, MANY = 600, 3000

#: Cells of the levels that are summed.
LEVELS = (4, 8, 16, 32, 64)


def _affine(levels: tuple[int, ...], method: str | hp.Method | None = None, **changes: Any) -> Solve:
    """The sum of the levels by Gauss-Newton, matrix-free where nothing else is said."""
    chosen = JointGaussNewton(hard=False, inner_steps=INNER if len(levels) > 1 else MANY) if method is None else method
    return Solve(chosen, hp.Field(**changes), levels, settings={"a": 4})


def _readout(frequency: float = 16.0, width: int = 256, depth: int = 1, seed: int = 0) -> Solve:
    """The last layer of a network solved for; the others are random."""
    method = JointGaussNewton(stages=(JointStage("readout", 1, 28),), frequencies=(frequency,))
    return Solve(
        method, replace(network(width=width, depth=depth), head="siren+linear"), 6, settings={"a": 4}, seed=seed
    )


def _pairs(adam: dict[str, Measure], gauss_newton: dict[str, Measure]) -> tuple[Variant, ...]:
    """Variants of both methods."""
    groups = {ADAM: adam, GAUSS_NEWTON: gauss_newton}
    return tuple(Variant(name, group, m) for group, named in groups.items() for name, m in named.items())


def _rival(encoder: str, **more: Any) -> Solve:
    """An encoder that stores values only, with some more parameters than the Hermite grid of the recipe has."""
    return trained(network(encoder=encoder, table_size=2**14, features=4, **more))


DERIVATIVES = Ablation(
    "derivatives",
    "Stored derivatives or not",
    "Do derivatives in the tables pay, or do smoother functions of stored values do as well?",
    _pairs(
        {
            "Hermite: values and derivatives": trained(),
            "Catmull-Rom cubics of values (4 x 4)": _rival("cubic"),
            "smooth weights (cosine)": _rival("smooth"),
            "smooth weights (smoothstep)": _rival("smooth", weights="smoothstep"),
            "multilinear, finite differences": _rival("trilinear_fd"),
        },
        {
            "Hermite: values and derivatives": _affine((64,), "gauss_newton"),
            "Catmull-Rom cubics of values (4 x 4)": _affine((128,), encoder="cubic"),
            "smooth weights (cosine)": _affine((128,), encoder="smooth"),
            "smooth weights (smoothstep)": _affine((128,), encoder="smooth", weights="smoothstep"),
            "multilinear, finite differences": _affine((128,), encoder="trilinear_fd"),
            "Hermite, the solver of the others": _affine((64,)),
        },
    ),
)


def _sizes(*powers: int) -> tuple[str, tuple[int, ...]]:
    return "-".join(map(str, powers)), tuple(2**p for p in powers)


TABLES = Ablation(
    "tables",
    "Table sizes by order of the derivative",
    "Which table may be small: that of values, of first derivatives, or of mixed ones (powers of two in this order)?",
    _pairs(
        {
            name: trained(network(table_size=size), levels=8)
            for name, size in (
                _sizes(14, 14, 14),
                _sizes(14, 14, 10),
                _sizes(12, 12, 12),
                _sizes(14, 10, 14),
                _sizes(10, 14, 14),
            )
        },
        {
            name: _affine(LEVELS, table_size=size)
            for name, size in (
                _sizes(10, 10, 10),
                _sizes(10, 10, 6),
                _sizes(8, 8, 8),
                _sizes(10, 6, 10),
                _sizes(6, 10, 10),
            )
        },
    ),
)


def _cycled(*visits: int) -> Solve:
    return trained(method=CycledAdam(**asdict(recipe()), plan=even_plan(STEPS, visits)))


CURRICULUM = Ablation(
    "curriculum",
    "Order of the levels",
    "Does it help to train coarse levels first, or to go through the levels in V- or W-cycles?",
    _pairs(
        {
            "off: all levels from the start": trained(),
            "staged: 2, 4, then 6 levels": trained(curriculum=((STEPS // 6, 2), (STEPS // 3, 4))),
            "V-cycle": _cycled(6, 5, 4, 3, 2, 3, 4, 5, 6),
            "W-cycle": _cycled(6, 4, 2, 4, 6, 4, 2, 4, 6),
        },
        {
            "off: all levels in one system": _affine(LEVELS),
            "staged: nested iteration": _affine(LEVELS, "gauss_newton"),
            "off: the finest level alone": _affine((64,), "gauss_newton"),
        },
    ),
)


def _costs(dim: int, points: int) -> tuple[Variant, ...]:
    group = f"{dim}D, {points:,} points"
    named = {
        "analytic": "analytic chain rule, layers",
        "analytic encoding, autograd network": "analytic encoding, autograd network",
        "analytic, encoder in PyTorch": "analytic, encoder in PyTorch operations",
        "autograd, encoder in PyTorch": "full autograd, encoder in PyTorch operations",
    }
    rows = [Variant(title, group, StepCost(way, dim, points)) for way, title in named.items()]
    fused = Variant("analytic chain rule, one kernel", group, StepCost("analytic", dim, points, fused=True))
    return (rows[0], fused, *rows[1:])


DERIVATIVE_COST = Ablation(
    "cost",
    "Ways to second derivatives",
    "What does a training step cost with derivatives by the chain rule, partly, and fully by automatic differentiation?",
    (*_costs(2, 4_000), *_costs(3, 2_000)),
    columns=COST,
)

DEPTH = Ablation(
    "depth",
    "Depth of the network",
    "Do more hidden layers help?",
    _pairs(
        {f"{n} hidden layers" if n > 1 else "1 hidden layer": trained(network(depth=n)) for n in (2, 1, 3, 4)},
        {f"{n} hidden layers" if n > 1 else "1 hidden layer": _readout(depth=n) for n in (2, 1, 3)},
    ),
)

WIDTH = Ablation(
    "width",
    "Width of the network",
    "Do more units per layer help?",
    _pairs(
        {f"{n} units": trained(network(width=n)) for n in (64, 16, 32, 128)},
        {f"{n} units": _readout(width=n) for n in (64, 128, 256, 512)},
    ),
)

OMEGA = Ablation(
    "omega",
    "Frequency of the network",
    "Which omega, and is it more than a unit? (Gauss-Newton: the largest frequency of the random layer.)",
    _pairs(
        {f"omega {w:g}": trained(network(omega=w)) for w in (0.5, 0.1, 2.0, 8.0, 30.0)},
        {f"largest frequency {f:g}": _readout(f) for f in (16.0, 4.0, 8.0, 32.0)},
    ),
)

HASHING = Ablation(
    "hashing",
    "Dense or hashed levels",
    "What do hash collisions cost?",
    _pairs(
        {
            ("dense" if p is None else f"2^{p} slots"): trained(network(table_size=None if p is None else 2**p))
            for p in (None, 12, 10, 8)
        },
        {
            ("dense" if p is None else f"2^{p} slots"): _affine(LEVELS, table_size=None if p is None else 2**p)
            for p in (None, 10, 8)
        },
    ),
)


def _at(rule: str, pool: int) -> Solve:
    return trained(method=AdamAt(**asdict(recipe()), rule=rule, pool=pool))


POINTS = Ablation(
    "points",
    "Points",
    "Random, Sobol or Gauss points inside?",
    _pairs(
        {
            "random, new in every step": _at("random", 0),
            "Sobol, new in every step": _at("sobol", 0),
            "Sobol, 1,000 of 16,384 in every step": _at("sobol", 2**14),
            "Gauss, 1,000 of 16,384 in every step": _at("gauss", 2**14),
            "random, always the same 1,000": _at("random", 1_000),
            "Sobol, always the same 1,000": _at("sobol", 1_000),
            "Gauss, always the same 1,024": _at("gauss", 1_024),
        },
        {
            f"{rule}, {count / 4356:.2g} rows per unknown": _affine((32,), RowsAt(rule.lower(), count))
            for count in (64**2, 72**2, 128**2)
            for rule in ("Gauss", "Sobol", "random")
        },
    ),
)

CONDITIONS = Ablation(
    "conditions",
    "Hard or soft conditions",
    "Should zero boundary values be a term of the loss, or be built into the field?",
    _pairs(
        {
            "soft, balanced weight": trained(),
            "soft, fixed weight 10": trained(weight=10.0, balance_every=0),
            "soft, fixed weight 1,000": trained(balance_every=0),
            "hard, boundary factor": trained(method=ExactBoundary() >> recipe(weight=0.0, balance_every=0)),
        },
        {
            "soft, weighted rows": _affine((32,)),
            "hard, boundary factor": _affine((32,), JointGaussNewton(hard=True, inner_steps=MANY)),
            "the default call": _affine((32,), "gauss_newton"),
        },
    ),
)

PRECISION = Ablation(
    "precision",
    "Precision",
    "Is float32 enough?",
    _pairs(
        {"float32": trained(), "float64": replace(trained(), dtype="float64")},
        {
            "float64": _affine((128,), "gauss_newton"),
            "float32 inner steps, float64 residuals": _affine((128,), hp.GaussNewton(precision="mixed")),
        },
    ),
)

SEEDS = Ablation(
    "seeds",
    "Seeds",
    "How far do five seeds of the same recipe lie apart?",
    _pairs(
        {f"seed {n}": replace(trained(), seed=n) for n in range(5)},
        {f"seed {n}": _readout(seed=n) for n in range(5)},
    ),
    spread=True,
)

ABLATIONS: dict[str, Ablation] = {
    a.name: a
    for a in (
        STRAIGHT, DERIVATIVES, TABLES, CURRICULUM, DERIVATIVE_COST, DEPTH, WIDTH, OMEGA, HASHING, POINTS, CONDITIONS,
        PRECISION, SEEDS,
    )
}  # fmt: skip
