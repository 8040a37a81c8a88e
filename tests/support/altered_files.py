"""Files with one entry altered and the checksum made right again, and what becomes of a program that reads them.

Run as a program it takes ``[names of subjects, seed, count, seconds]`` and prints a line before and after every file,
so that a crash or a hang is known by the last line.
"""

import copy
import importlib.util
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.run.callbacks import Callback
from hermite_pinn.run.store import read_store, write_store

VALUES = (
    None, True, False, 0, 1, -1, 7, 2**31, -(2**63), 2**64, 10**400, 0.5, -1.5, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf, "", "x",
    "__class__", [], [1], [None], [[1, 2], [3, 4]], ["a", "b"], {}, {"a": 1}, {"tensor": "a", "order": [0]},
)  # fmt: skip


# -- altering ---
def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a nest of mappings and lists; of long lists the ends."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list):
        for k in sorted({0, len(value) - 1} & set(range(len(value)))):
            yield from places(value[k], (*path, k))


def altered_text(meta: dict[str, Any], choose: random.Random) -> tuple[str, dict[str, Any]]:
    """The text with one entry dropped, renamed, doubled or replaced."""
    meta = copy.deepcopy(meta)
    *path, last = choose.choice(list(places(meta)))
    holder: Any = meta
    for key in path:
        holder = holder[key]
    label = "/".join(map(str, (*path, last)))
    value, how = holder[last], choose.choice(["drop", "rename", "double"] + ["replace"] * 7)
    if how == "drop":
        del holder[last]
    elif how == "rename" and isinstance(holder, dict):
        holder[f"{last}_"] = holder.pop(last)
    elif how == "double" and isinstance(value, list | str):
        holder[last] = value + value
    elif isinstance(value, int | float) and not isinstance(value, bool) and choose.random() < 0.3:
        holder[last] = how = choose.choice(
            [-value, value + 1, 2 * value, value * 10**6, float(value), str(value), [value]]
        )
    elif isinstance(value, str) and value.startswith("[") and choose.random() < 0.8:  # a text in the text: a layout
        inner = {"layout": json.loads(value)}
        more, inner = altered_text(inner, choose)
        holder[last], how = json.dumps(inner.get("layout")), more
    else:
        holder[last] = how = choose.choice(VALUES)
    return f"{label}: {str(how)[:60]}", meta


def altered_arrays(arrays: dict[str, np.ndarray], choose: random.Random) -> tuple[str, dict[str, np.ndarray]]:
    """The arrays with one dropped, renamed, doubled, or of another shape, type or contents."""
    arrays = dict(arrays)
    name = choose.choice(list(arrays))
    array = np.array(arrays[name])
    number = array.dtype.kind in "fiu" and array.size > 0
    at = tuple(choose.randrange(n) for n in array.shape) if number else ()

    def with_number(value: float) -> np.ndarray:
        changed = array.copy()
        with np.errstate(all="ignore"):
            changed[at] = np.array(value).astype(array.dtype)
        return changed

    ways: dict[str, Any] = {
        "float32": lambda: array.astype(np.float32),
        "float64": lambda: array.astype(np.float64),
        "float16": lambda: array.astype(np.float16),
        "int64": lambda: array.astype(np.int64),
        "bool": lambda: array.astype(bool),
        "longer": lambda: np.concatenate([array, array]) if array.ndim else np.stack([array, array]),
        "shorter": lambda: array[: len(array) // 2] if array.ndim else array.reshape(1, 1),
        "empty": lambda: array[:0] if array.ndim else np.zeros(0),
        "flat": lambda: array.reshape(-1),
        "turned": lambda: np.ascontiguousarray(array.T) if array.ndim > 1 else array[None],
        "wider": lambda: np.repeat(array, 21, axis=-1) if array.ndim else np.zeros((3, 3)),
        "zero": lambda: np.zeros_like(array),
        "negative": lambda: -array if array.dtype.kind == "f" else ~array,
        "nan": lambda: with_number(math.nan),
        "inf": lambda: with_number(math.inf),
        "huge": lambda: with_number(1e300),
        "all huge": lambda: np.full_like(array, 1e300 if array.dtype == float else 1),
        "all one": lambda: np.ones_like(array),
    }
    how = choose.choice(["drop", "rename", "more", *ways, *ways])
    if how == "drop":
        del arrays[name]
    elif how == "rename":
        arrays[name + "_"] = arrays.pop(name)
    elif how == "more":
        arrays[name + "_"] = array
    else:
        with np.errstate(all="ignore"):
            arrays[name] = ways[how]()
    return f"{name}: {how}", arrays


def alterations(
    meta: dict[str, Any], arrays: dict[str, np.ndarray], seed: int, count: int
) -> Iterator[tuple[str, Any, Any]]:
    """Pairs of a text and arrays with one alteration each, and what was altered."""
    choose = random.Random(seed)
    for _ in range(count):
        if arrays and choose.random() < 0.4:
            label, other = altered_arrays(arrays, choose)
            yield label, meta, other
        else:
            label, text = altered_text(meta, choose)
            yield label, text, arrays


# -- files to alter ---
def bvp(parameter: bool = False, data: bool = False) -> hp.Problem:
    """A boundary value problem in one dimension, with an unknown coefficient or noisy data where asked for."""
    x = np.linspace(0.1, 0.9, 9)
    u = np.sin(3 * x) / 9
    measured = [hp.Data(x[:, None], u=u, noise=1e-3)] if data else [hp.Data(x[:, None], u=u)] if parameter else []
    if parameter:
        k = hp.Parameter("k", init=0.7, bounds=(0, 5))
        return hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u, x, k: u.xx + k * hp.sin(3 * x), [hp.Dirichlet(u=0.0), *measured], parameters=[k])  # fmt: skip
    smooth = [hp.Smoothness(u="auto")] if data else []
    ends = [hp.Dirichlet(u=0.0)]
    return hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u, x: u.xx + u**2 + hp.sin(3 * x), [*ends, *measured, *smooth])


def heat() -> hp.Problem:
    """An evolution problem."""
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)), ["u"], lambda u: u.t - 0.1 * u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: hp.sin(hp.pi * x))],
    )  # fmt: skip


NETWORK = {"features": 2, "width": 8, "depth": 2, "base": 2}
STEPS = {"points": 32, "face_points": 8, "check_every": 2, "warmup": 1}
LBFGS = hp.LBFGS(steps=30, points=40, face_points=4, memory=4, probes=2, check_every=5, ftol=0.0, gtol=0.0)


@dataclass(frozen=True)
class Subject:
    """A run whose file is altered: its solution, or its checkpoint after so many ``steps``, to be continued."""

    problem: hp.Problem
    options: dict[str, Any]
    steps: int | None = None
    older: bool = False

    def write(self, path: Path) -> None:
        """The good file."""
        options = self.options | {"progress": False, "throw": False}
        if self.steps is None:
            hp.solve(self.problem, **options).save(path, samples=3)
        else:
            hp.solve(
                self.problem, checkpoint=hp.Checkpoint(path, seconds=0), callbacks=[Stop(path, self.steps)], **options
            )

    @property
    def kind(self) -> str:
        """What the file holds."""
        return "solution" if self.steps is None else "checkpoint"

    def use(self, path: Path) -> None:
        """Load the solution and do everything with it, or continue the run."""
        if self.steps is None:
            solution = hp.Solution.load(path)
            again = path.with_suffix(".again.h5")
            solution.save(again, samples=2)
            assert hp.Solution.load(again).field.names == solution.field.names
        else:
            solution = hp.solve(self.problem, resume=path, progress=False, **self.options)
            assert solution.status is not hp.Status.DIVERGED
        assert len(str(solution)) > 100
        assert len(repr(solution.history)) > 0
        points = np.random.default_rng(0).uniform(
            solution.domain.lower, solution.domain.upper, (5, solution.domain.dim)
        )
        for name in solution.fields:
            u = getattr(solution, name)
            for values in (u(*points.T), getattr(u, solution.domain.names[0])(*points.T), u(*map(float, points[0]))):
                assert np.asarray(values).dtype == np.float64
                assert np.isfinite(values).all(), "an answer that is not finite"
        assert np.isfinite(solution.on_grid([np.linspace(a, b, 4) for a, b in solution.domain.bounds.values()])).all()
        for row in solution.history:
            json.dumps(row)
        assert all(isinstance(v, float) and math.isfinite(v) for v in solution.parameters.values())


class Stop(Callback):
    """Ends a run so many rows of the history after its first checkpoint."""

    def __init__(self, path: Path, rows: int) -> None:
        self.path, self.left = path, rows

    def on_step(self, state: Any) -> bool:
        """Whether it is enough."""
        self.left -= self.path.exists()
        return self.left <= 0


def subjects() -> dict[str, Subject]:
    """All files to alter."""
    joint = hp.JointGaussNewton(
        stages=(hp.JointStage("readout", 1, 8), hp.JointStage("linear", 2, 8)), frequencies=(4.0,), held_out=50
    )
    siren, both = hp.Field(head="siren", **NETWORK), hp.Field(head="siren+linear", **NETWORK)
    hashed = hp.Field(table_size=4, base=2)
    gated = hp.Field(head="siren+linear", features=3, width=8, depth=1, base=2, table_size=64)
    adam = hp.Adam(steps=8, ema=0.5, **STEPS)
    with_rad = hp.Adam(steps=8, adaptive=hp.RAD(every=3, pool=50), **STEPS)
    files = {
        "linear": Subject(bvp(), {"levels": 2}),
        "siren": Subject(bvp(), {"field": siren, "levels": 2, "method": adam}),
        "hashed": Subject(bvp(), {"field": hashed, "levels": 3, "method": adam}),
        "parameter": Subject(bvp(parameter=True), {"levels": 2}),
        "time": Subject(heat(), {"levels": 2}),
        "gauss_newton": Subject(bvp(), {"levels": 3}, 1),
        "gauss_newton data": Subject(bvp(data=True), {"levels": 3}, 1),
        "gauss_newton parameter": Subject(bvp(parameter=True), {"levels": 3}, 1),
        "slabs": Subject(heat(), {"levels": 3, "method": hp.GaussNewton(slabs=2)}, 1),
        "adam": Subject(bvp(parameter=True), {"field": both, "levels": 2, "method": adam}, 2),
        "adam adaptive": Subject(bvp(), {"field": siren, "levels": 2, "method": with_rad}, 2),
        "lbfgs": Subject(bvp(parameter=True), {"levels": 2, "method": LBFGS}, 4),
        "chain": Subject(bvp(), {"levels": 2, "field": siren, "method": adam >> LBFGS}, 7),
        "joint": Subject(hp.problems.poisson2d(), {"field": gated, "levels": 3, "method": joint}, 2),
        "boundary factor": Subject(hp.problems.poisson2d(), {"field": gated, "levels": 3, "method": joint}),
        "version 1": Subject(hp.problems.poisson2d(), {"field": gated, "levels": 3, "method": joint}, older=True),
    }
    if importlib.util.find_spec("pytorch_optimizer") is not None:
        soap = hp.SOAP(steps=8, precondition_every=2, ema=0.5, **STEPS)
        files["soap"] = Subject(bvp(), {"field": siren, "levels": 2, "method": soap}, 2)
    return files


def of_version_1(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The file of a solution as version 1 wrote it."""
    field, names = meta["field"], {"encoder/table": "table", "head/gate": "gate"}
    names |= {f"head/layers/{k}/{kind}": f"{kind}{k}" for k in range(9) for kind in ("weight", "bias")}
    flat = {k: field[k] for k in ("axes", "names")} | {
        "layout": field["encoder"]["layout"],
        "head": field["head"]["name"],
    }
    flat |= {k: v for k, v in field["head"].items() if k != "name"}
    if "boundary_factor" in field:
        flat["envelope"] = field["boundary_factor"]
    older = {f"field/{new}": f"field/{old}" for new, old in names.items()}
    return meta | {"field": flat}, {older.get(k, k): v for k, v in arrays.items()}


# -- running ---
def outcome(subject: Subject, path: Path) -> str:
    """What using a file leads to: ``fine``, the name of an error of the package, or ``RAW`` with the error."""
    try:
        subject.use(path)
    except (hp.CorruptFileError, hp.InvalidArgumentError) as error:
        return f"refused {error}"
    except hp.HermitePinnError as error:
        return f"package {type(error).__name__} {error}"
    except Exception:
        return "RAW " + " | ".join(traceback.format_exc().strip().splitlines()[-3:])
    return "fine"


def say(line: str) -> None:
    """Tell the other process at once."""
    sys.stdout.write(line.replace("\n", " ") + "\n")
    sys.stdout.flush()


def worker(names: list[str], seed: int, count: int, seconds: float) -> None:
    """Alter the files of some subjects so many times each, and print what happens."""
    known = subjects()
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            subject, good, path = known[name], Path(folder) / f"{name}.h5", Path(folder) / "altered.h5"
            say(f"begin {name}: the good file")
            subject.write(good)
            subject.use(good)
            say("end fine")
            meta, arrays = read_store(good, subject.kind)
            if subject.older:
                meta, arrays = of_version_1(meta, arrays)
            for label, text, other in alterations(meta, arrays, seed, count):
                say(f"begin {name}: {label}")
                write_store(path, subject.kind, text, other)
                signal.setitimer(signal.ITIMER_REAL, seconds)
                say("end " + outcome(subject, path))
                signal.setitimer(signal.ITIMER_REAL, 0)


def run(names: list[str], seed: int, count: int, seconds: float = 15.0) -> list[tuple[str, str]]:
    """Pairs of an alteration and its outcome, from a process of their own; ``died`` or ``hung`` ends the list."""
    command = [sys.executable, __file__, json.dumps([names, seed, count, seconds])]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    lines = done.stdout.splitlines()
    pairs = [(a[6:], b[4:]) for a, b in zip(lines[::2], lines[1::2], strict=False)]
    if done.returncode:
        ended = "hung" if done.returncode == -signal.SIGALRM else f"died with {done.returncode}"
        last = lines[-1][6:] if len(lines) % 2 else "the end"
        pairs.append((last, f"{ended}: {done.stderr[-2000:]}"))
    return pairs


if __name__ == "__main__":
    worker(*json.loads(sys.argv[1]))
