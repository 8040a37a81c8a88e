"""Every argument of what is public, with values that make no sense: it works, or the package says what is wrong."""

import inspect
import itertools
import math

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.run.progress import NoProgress
from hermite_pinn.validation.torture.shape_targets import SHAPES

VALUES = {
    "None": lambda: None,
    "True": lambda: True,
    "text": lambda: "x",
    "empty text": lambda: "",
    "bytes": lambda: b"x",
    "2.5": lambda: 2.5,
    "-1": lambda: -1,
    "0": lambda: 0,
    "nan": lambda: math.nan,
    "inf": lambda: math.inf,
    "2**70": lambda: 2**70,
    "list": list,
    "list of None": lambda: [None],
    "nested": lambda: [1, [2, 3]],
    "lists": lambda: [[1, [2, 3]], [4]],
    "dict": dict,
    "object": object,
    "class": lambda: float,
    "complex": lambda: 1j,
    "objects": lambda: np.array([None, "x"], dtype=object),
    "two numbers": lambda: np.array([1.0, 2.0]),
    "function": lambda: lambda: 3,
}

#: Public names that are made by the package, or are no callables with arguments of a user.
MADE_HERE = {
    "Branch",
    "Spectrum",
    "Advance",
    "GridField",
    "History",
    "Method",
    "RunState",
    "Solution",
    "Status",
    "Callback",
}

TRAINING = {"steps": 2, "points": 20, "face_points": 10}


def memory(expression, over, kernel, lower, upper, name):
    """A problem with an integral; ``expression`` stands for that of the unknown."""
    options = {"over": over, "kernel": kernel, "lower": lower, "upper": upper, "name": name}
    residual = lambda u: u.x - hp.Integral(u if expression == "u" else expression, **options)
    return hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0, on="x-")])


def jumps(expression, alpha, over, name):
    """A problem with a fractional Laplacian; ``expression`` stands for the unknown."""
    residual = lambda v: hp.FractionalLaplacian(v if expression == "v" else expression, alpha, over, name=name) - v
    return hp.Problem(hp.Box(x=(0, 1)), "v", residual)


#: Callables with arguments that work, and that are cheap.
CALLS = SHAPES | {
    "Field": (hp.Field, {}),
    "GaussNewton": (hp.GaussNewton, {}),
    "JointGaussNewton": (hp.JointGaussNewton, {}),
    "JointStage": (hp.JointStage, {"train": "table"}),
    "Adam": (hp.Adam, TRAINING),
    "SOAP": (hp.SOAP, TRAINING),
    "LBFGS": (hp.LBFGS, TRAINING),
    "RAD": (hp.RAD, {}),
    "CSVLog": (hp.CSVLog, {"path": "run.csv"}),
    "Series": (hp.Series, {"path": "run.pvd"}),
    "Checkpoint": (hp.Checkpoint, {"path": "run.h5"}),
    "Box": (lambda x: hp.Box(x=x), {}),
    "Condition": (hp.Condition, {"function": lambda u: u.x}),
    "Data": (lambda points, u, noise=None: hp.Data(points, u=u, noise=noise), {"points": [[0.5]], "u": [1.0]}),
    "Dirichlet": (lambda u, on: hp.Dirichlet(u=u, on=on), {"u": 0.0, "on": "x-"}),
    "Integral": (memory, {"expression": "u", "over": "x", "kernel": None, "lower": 0.0, "upper": 1.0, "name": "whole"}),
    "FractionalLaplacian": (jumps, {"expression": "v", "alpha": 1.5, "over": "x", "name": "jumps"}),
    "Source": (hp.Source, {"points": [[0.5]], "strengths": [1.0], "width": 0.1}),
    "Gauge": (lambda field: hp.Gauge(field), {}),
    "Initial": (lambda u: hp.Initial(u=u), {}),
    "Neumann": (lambda u, on: hp.Neumann(u=u, on=on), {"u": 0.0, "on": "x-"}),
    "Parameter": (hp.Parameter, {"name": "k", "init": 1.0}),
    "Periodic": (lambda axis: hp.Periodic(axis), {}),
    "Problem": (hp.Problem, {"domain": hp.Box(x=(0, 1)), "fields": "u", "residual": lambda u: u.xx, "conditions": [hp.Dirichlet(u=0.0)]}),
    "Robin": (lambda u, on: hp.Robin(u=u, on=on), {"u": (1, 1, 0), "on": "x-"}),
    "Smoothness": (lambda u: hp.Smoothness(u=u), {}),
}  # fmt: skip


def line():
    """A problem whose first level takes no time."""
    return hp.Problem(
        hp.Box(x=(0, 1)), "u", lambda u, x: u.xx + 6 * x, [hp.Dirichlet(u=0.0)], exact={"u": lambda x: x - x**3}
    )


@pytest.fixture(scope="module")
def solution():
    return hp.solve(line(), levels=1, progress=False)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Files with names such as ``x`` are written into a folder of their own."""
    monkeypatch.chdir(tmp_path)


def attempt(call, arguments, told):
    """Call it; whatever is raised must be an error of the package, which says what was wrong."""
    try:
        return call(**arguments)
    except (hp.HermitePinnError, FileNotFoundError):
        return None
    except Exception as error:
        raise AssertionError(f"{told} ends in {type(error).__name__}: {error}") from error


def parameters(call):
    found = inspect.signature(call).parameters.items()
    return [n for n, p in found if n != "self" and not n.startswith("_") and p.kind is not p.VAR_KEYWORD]


def try_all(name, call, valid, use=None):
    for argument, (value_name, value) in itertools.product(parameters(call), VALUES.items()):
        told = f"{name}({argument}={value_name})"
        made = attempt(call, valid | {argument: value()}, told)
        if use is not None and made is not None:
            attempt(use, {"made": made}, told)


def test_every_public_name_is_tried_somewhere():
    names = {n for n in hp.__all__ if isinstance(getattr(hp, n), type) and not issubclass(getattr(hp, n), Exception)}
    assert names == {n for n in set(CALLS) | MADE_HERE if isinstance(getattr(hp, n), type)}


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
@pytest.mark.parametrize("name", CALLS)
def test_options(name):
    try_all(name, *CALLS[name])


def test_solve():
    valid = {"problem": line(), "levels": 1, "max_time": 2.0, "progress": False}
    try_all("solve", hp.solve, valid)


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("error", {}),
        ("residual", {"points": [[0.5]]}),
        ("at_points", {"points": [[0.5]]}),
        ("on_grid", {"axes": [[0.5]]}),
        ("vertex_axes", {"limit": 3}),
        ("exact_values", {"coordinates": [[0.5]]}),
        ("save", {"path": "u.h5"}),
        ("to_vtk", {"path": "u.vti", "resolution": 2}),
        ("load", {"path": "u.h5"}),
    ],
)
def test_methods_of_a_solution(solution, name, valid):
    solution.save("u.h5")
    try_all(f"Solution.{name}", getattr(solution, name), valid)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "valid"), [("plot", {"resolution": 4}), ("plot_history", {})])
def test_pictures_of_a_solution(solution, name, valid):
    try_all(f"Solution.{name}", getattr(solution, name), valid)


def test_evaluation(solution):
    for function in (solution.u, solution.u.x, solution.u.grad, solution.u.laplacian):
        for value_name, value in VALUES.items():
            attempt(lambda f=function, v=value: f(v()), {}, f"{function}({value_name})")
            attempt(lambda f=function, v=value: f(x=v()), {}, f"{function}(x={value_name})")
            attempt(lambda f=function, v=value: f(0.5, v()), {}, f"{function}(0.5, {value_name})")


def test_chains():
    for value_name, value in VALUES.items():
        attempt(lambda v=value: hp.Adam() >> v(), {}, f"Adam() >> {value_name}")
        attempt(lambda v=value: v() >> hp.Adam(), {}, f"{value_name} >> Adam()")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["Field", "GaussNewton", "JointGaussNewton", "JointStage", "Adam", "SOAP", "LBFGS", "RAD", "CSVLog", "Checkpoint"],
)
def test_options_that_are_accepted_can_be_used(name):
    problem, field = line(), hp.Field(head="siren+linear", features=2, width=4, depth=1)
    used = {
        "Field": lambda made: hp.solve(problem, field=made, levels=1, max_time=1.0, method=hp.Adam(**TRAINING), progress=False),
        "JointStage": lambda made: hp.solve(problem, method=hp.JointGaussNewton(stages=[made]), field=hp.Field(), levels=1, max_time=1.0, progress=False),
        "RAD": lambda made: hp.solve(problem, method=hp.Adam(adaptive=made, **TRAINING), levels=1, max_time=1.0, progress=False),
        "CSVLog": lambda made: hp.solve(problem, callbacks=[made], levels=1, progress=False),
        "Checkpoint": lambda made: hp.solve(problem, checkpoint=made, levels=1, progress=False),
    }  # fmt: skip
    head = field if name in ("SOAP", "JointGaussNewton") else None

    def solve_by(made):
        return hp.solve(problem, method=made, field=head, levels=1, max_time=1.0, progress=False)

    try_all(name, *CALLS[name], use=used.get(name, solve_by))


#: Calls that used to end in something else, a crash among them, or after the work.
REFUSED = {
    "levels of numbers and text": lambda p: hp.solve(p, levels=[4, "8"]),
    "levels beyond all bounds": lambda p: hp.solve(p, levels=10**9),
    "a class for a method": lambda p: hp.solve(p, method=hp.GaussNewton),
    "a dtype that has no hash": lambda p: hp.solve(p, dtype=[]),
    "a device by number": lambda p: hp.solve(p, device=3),
    "a seed beyond 64 bits": lambda p: hp.solve(p, seed=2**64),
    "a bar by name": lambda p: hp.solve(p, progress="bar"),
    "answers for flags": lambda p: hp.solve(p, throw="no"),
    "a negative warm-up": lambda p: hp.Adam(warmup=-1),
    "probes without end": lambda p: hp.LBFGS(probes=2**31),
    "half a step": lambda p: hp.Adam(steps=2.5),
    "more points than memory": lambda p: hp.solve(p, method=hp.Adam(points=10**15)),
    "a network beyond memory": lambda p: hp.solve(p, method="adam", field=hp.Field(head="siren", width=2**20)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    with pytest.raises(hp.HermitePinnError):
        REFUSED[name](line())


NOT_NESTED = {
    "a tolerance for lbfgs": ({"tol": 1e-3}, hp.LBFGS(steps=2)),
    "float32 for lbfgs": ({"dtype": "float32"}, hp.LBFGS(steps=2)),
    "float32 for gauss_newton": ({"dtype": "float32"}, hp.GaussNewton()),
    "levels that are not nested": ({"field": hp.Field(ratio=1.5)}, hp.GaussNewton()),
    "resolutions that are not nested": ({"levels": [4, 6]}, hp.GaussNewton()),
    "a basis that cannot be refined": ({"field": hp.Field(basis="cosine")}, hp.GaussNewton()),
    "no network for soap": ({}, hp.SOAP(steps=2)),
    "more levels than memory": ({"levels": 28}, hp.GaussNewton() >> hp.GaussNewton()),
    "slabs without time": ({}, hp.GaussNewton(slabs=4)),
    "a stage without its tensors": (
        {"field": hp.Field(table_size=2)},
        hp.JointGaussNewton(stages=[hp.JointStage("network")]),
    ),
}


@pytest.mark.parametrize("name", NOT_NESTED)
def test_a_chain_is_checked_before_its_first_method_runs(name, monkeypatch):
    arguments, last = NOT_NESTED[name]
    monkeypatch.setattr(hp.Adam, "run", lambda self, task: pytest.fail("the first method ran"))
    with pytest.raises(hp.HermitePinnError):
        hp.solve(line(), method=hp.Adam(**TRAINING) >> last, **({"field": hp.Field(), "levels": 2} | arguments))


def test_a_chain_that_can_work_runs():
    chain = hp.Adam(**TRAINING) >> (hp.LBFGS(steps=2) >> hp.GaussNewton())
    assert [m.name for m in chain.methods] == ["adam", "lbfgs", "gauss_newton"]
    solution = hp.solve(
        line(), method=chain, field="linear", levels=np.int64(3), seed=np.uint8(3), progress=NoProgress()
    )
    assert solution.error()["u"]["relative_l2"] < 1e-9


class Failing(hp.Callback):
    """Raises at one of its hooks."""

    def __init__(self, hook, error):
        setattr(self, hook, self.fail)
        self.error = error

    def fail(self, _):
        raise self.error


@pytest.mark.parametrize("hook", ["on_start", "on_step", "on_end"])
@pytest.mark.parametrize(
    "error", [RuntimeError("CUDA out of memory"), ZeroDivisionError(), KeyError("x"), MemoryError()]
)
def test_what_a_callback_raises_is_raised_as_it_is(hook, error):
    with pytest.raises(type(error)) as caught:
        hp.solve(line(), levels=1, callbacks=Failing(hook, error), progress=False)
    assert caught.value is error
    assert hook != "on_end" or error.solution.status is hp.Status.COMPLETED


def test_what_does_not_fit_is_refused_with_its_size(solution, tmp_path):
    for call in (
        lambda: solution.to_vtk(tmp_path / "u.vti", resolution=1e14),
        lambda: solution.save(tmp_path / "u.h5", samples=10**14),
        lambda: solution.plot(resolution=10**14),
        lambda: solution.u(np.broadcast_to(0.5, 10**14)),
    ):
        with pytest.raises(hp.OutOfMemoryError, match=r"TiB, but .* free"):
            call()
    assert not list(tmp_path.iterdir())
