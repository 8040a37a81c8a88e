"""Problems whose truth is known: success is never told of a wrong answer, and told of the right ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp

from .case import Bench, Case, Fault, Kind
from .cut_answers import CUT_ANSWERS, CUT_UNSOLVABLE
from .hard_answers import HARD_ANSWERS
from .known_answers import ANSWERS, Answer
from .stock import Recipe
from .unsolvable import UNSOLVABLE

__all__ = ["cases"]

ATTACK = "statuses"
MEMORY = 6 * 2**30  # bytes, as large problems may need
TRUST = 10.0  # of an estimate: the true error may be so many times as large
FLOOR = 1e-12  # errors below this are rounding
SLOW = {
    "a component that is zero", "a narrow load", "a narrow source", "a quotient that ends", "a root at the boundary", "a root that ends",
    "a thin boundary layer", "a tolerance below rounding", "an initial value at the end", "an oscillator from noisy values",
    "many waves", "stiff material", "two seconds in space", "viscosity and permeability",
}  # fmt: skip
LATE = 1.1  # a run may last so many times as long as it was allowed, and a second more


def cases(seed: int) -> list[Case]:
    """Right answers that must be called so, wrong ones that must not, and problems without an answer."""
    given: dict[str, Any] = {"memory": MEMORY}
    made = [
        Case(ATTACK, name, seed, _answered(answer), limit=answer.limit, long=answer.long or name in SLOW, **given)
        for name, answer in (ANSWERS | HARD_ANSWERS | CUT_ANSWERS).items()
    ]
    made += [
        Case(ATTACK, f"unsolvable: {name}", seed, _unsolvable(recipe), limit=60.0, long=name in SLOW, **given)
        for name, recipe in (UNSOLVABLE | CUT_UNSOLVABLE).items()
    ]
    return made


def _unsolvable(recipe: Recipe) -> Callable[[Bench], str]:
    def action(bench: Bench) -> str:
        found = recipe.solve(**({"max_time": 20.0} | dict(recipe.options)))
        if found.status.success:
            raise Fault(
                Kind.STATUS, f"{found.status.label}: {found.message}; residuals {found.residuals}, {found.parameters}"
            )
        if not found.message:
            raise Fault(Kind.STATUS, f"{found.status.label} without a message")
        return f"{found.status.label}: {found.message}"

    return action


def _answered(answer: Answer) -> Callable[[Bench], str]:
    def action(bench: Bench) -> str:
        allowed = 40.0 if answer.expected == "success" else 20.0
        options = {"max_time": allowed, "progress": False} | dict(answer.options)
        began = time.perf_counter()
        try:
            found = hp.solve(answer.problem(), **options)
        except hp.HermitePinnError as error:
            if answer.expected in ("any", "no success"):
                return f"{type(error).__name__}: {error}"
            raise Fault(Kind.STATUS, f"refused: {type(error).__name__}: {error}") from error
        seconds = time.perf_counter() - began - found.stats["compile_seconds"]
        missed = _told_error(answer, found)
        told = f"{found.status.label}, error {missed:.1e}, estimate {found.estimated_error}, {found.parameters}: {found.message}"
        if found.status.success:
            if answer.expected == "no success":
                raise Fault(Kind.STATUS, told)
            _check_success(answer, found, missed, told)
        elif answer.expected == "success":
            raise Fault(Kind.STATUS, f"no success for a right answer: {told}")
        elif answer.expected == "no stall" and found.status in (hp.Status.STALLED, hp.Status.UNDETERMINED):
            raise Fault(Kind.STATUS, f"given up: {told}")
        if found.status is hp.Status.MAX_TIME and found.estimated_error is None and len(found.history) > 4:
            raise Fault(Kind.STATUS, f"no estimate: {told}")
        _check_time(options["max_time"], seconds, told)
        return told

    return action


def _told_error(answer: Answer, found: hp.Solution) -> float:
    """The true error; what the package says of it must not fail after the work."""
    try:
        str(found)
        return _error(answer, found)
    except hp.HermitePinnError as error:
        raise Fault(Kind.RAW, f"the error cannot be told after the run: {type(error).__name__}: {error}") from error


def _check_success(answer: Answer, found: hp.Solution, error: float, told: str) -> None:
    """Success means that the error is not much larger than told, and that data and parameters are met."""
    estimate = found.estimated_error
    if estimate is None or not math.isfinite(estimate):
        if answer.needs_estimate:
            raise Fault(Kind.STATUS, f"success without an estimate: {told}")
        return
    if error > TRUST * max(estimate, FLOOR, answer.noise):
        raise Fault(Kind.STATUS, f"the error is {error / max(estimate, FLOOR):.0f} times the estimate: {told}")
    if answer.error is not None and error > answer.error:
        raise Fault(Kind.STATUS, f"the error is larger than {answer.error:g}: {told}")
    spread: dict[str, float] = found.stats.get("standard_errors", {})
    for name, true in answer.parameters.items():
        slack = TRUST * max(estimate * abs(true), spread.get(name, 0.0), FLOOR)
        if abs(found.parameters[name] - true) > slack:
            raise Fault(Kind.STATUS, f"{name} should be {true:g}: {told}")
        if spread.get(name, 0.0) > abs(found.parameters[name]):
            raise Fault(Kind.STATUS, f"{name} is not determined, standard error {spread[name]:.1e}: {told}")


def _check_time(allowed: float, seconds: float, told: str) -> None:
    """Processor time of others does not count, so the allowance is generous where the machine is shared."""
    if time.process_time() > 0 and seconds > LATE * allowed + 1.0 + _waited():
        raise Fault(Kind.STATUS, f"{seconds:.1f} s instead of {allowed:g} s: {told}")


def _waited() -> float:
    """Seconds that this process was ready and others had the processor, since its start."""
    try:
        with open("/proc/self/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _error(answer: Answer, found: hp.Solution) -> float:
    """Largest relative error of the fields at random points; a field that is zero counts by the size of the others."""
    assert found.problem is not None
    truth = answer.truth or found.problem.exact
    if not truth:
        return 0.0
    rng = np.random.default_rng(5)
    lower, upper = np.array(list(found.domain.bounds.values()), dtype=float).T
    points = lower + (upper - lower) * rng.random((4000, len(lower)))
    points = points[np.asarray(found.inside(*points.T))]
    values = {f: v[0] for f, v in zip(found.fields, found.at_points(points), strict=True)}
    truths = {f: np.broadcast_to(np.asarray(t(*points.T), dtype=float), len(points)) for f, t in truth.items()}
    for f in set(found.problem.gauges) & set(truths):
        values[f], truths[f] = values[f] - values[f].mean(), truths[f] - truths[f].mean()
    sizes: dict[str, Any] = {f: float(np.sqrt(np.mean(t**2))) for f, t in truths.items()}
    largest = max(sizes.values()) or 1.0
    misses = {f: float(np.sqrt(np.mean((values[f] - t) ** 2))) for f, t in truths.items()}
    return max(miss / (sizes[f] if sizes[f] > 1e-9 * largest else largest) for f, miss in misses.items())
