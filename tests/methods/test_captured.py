"""A step never waits for the device, and recorded steps are the steps: proved without a GPU."""

import contextlib
import gc
import itertools
import logging
import re
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.cuda.runtime.cuda_graph import CapturedStep, TorchRecorder
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.training import first_order, updates
from hermite_pinn.methods.training.batches import term_groups
from hermite_pinn.methods.training.random_objective import RandomObjective
from hermite_pinn.methods.training.step import TrainingStep, Variant
from hermite_pinn.run.monitor import Monitor

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = {"levels": 4, "field": hp.Field(head="siren", features=2, table_size=2**6, width=8, omega=1.0)}
OPTIONS = {
    "steps": 40,
    "points": 60,
    "face_points": 20,
    "check_every": 20,
    "ema": 0.9,
    "lr": 1e-2,
    "lr_end": 1e-5,
    "march": 0.0,
}

WAITS = re.compile(
    r"aten\.(_local_scalar_dense|item|is_nonzero|nonzero|masked_select|unique|equal|lift_fresh|repeat_interleave|_linalg_check)"
)


class NeverWait(TorchDispatchMode):
    """Fails on what would make the host wait for a GPU: values read back, shapes that depend on data, host tensors."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = str(function)
        assert not WAITS.match(name), f"{name} makes the host wait"
        if name.startswith("aten.index"):
            indices = args[1] if isinstance(args[1], (list, tuple)) else []
            assert not any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in indices), name
        self.seen.add(name)
        return function(*args, **(kwargs or {}))


def oblique():
    """Everything that looks at values: a restricted face, data, a bounded parameter, branches in the residual."""
    points = torch.rand(9, 2, dtype=torch.float64).numpy()
    return hp.Problem(
        hp.Box(x=(-1, 1), y=(0, 1)),
        ["u", "v"],
        lambda u, v, x, y, k: (
            u.xx + hp.where(x > 0, 1.0, 0.0) * hp.maximum(x, 0.5) + hp.where(y > 0.5, u, 2.0),
            v.xy + k * v.y - hp.minimum(u, v),
        ),
        [
            hp.Dirichlet(u=0.0, on=["x-", "x+"]),
            hp.Neumann(v=0.0, on="y+", where=lambda x: x > 0),
            hp.Data(points, v=0.5),
        ],
        parameters=[hp.Parameter("k", init=1.0, bounds=(0.5, 1.5))],
    )


RUNS = {
    "the paper's": (
        lambda: problems.helmholtz2d(a=1),
        {"shared_weight": True, "curriculum": ((10, 2), (20, 3))},
        "siren",
    ),
    "all that looks at values": (oblique, {"normalize": False}, "siren+linear"),
    "adaptive": (lambda: problems.helmholtz2d(a=1), {"adaptive": hp.RAD(every=15)}, "siren"),
    "linear": (lambda: problems.convection(c=1), {"schedule": "step", "lr_every": 7}, "linear"),
}


def solved(name, **changes):
    problem, options, head = RUNS[name]
    field = hp.Field(head=head, features=2, table_size=2**6, width=8, omega=1.0)
    method = hp.Adam(**(OPTIONS | {"balance_every": 7, "warmup": 3} | options | changes))
    torch.manual_seed(0)
    return hp.solve(problem(), method=method, levels=4, field=field, seed=2)


def same(a, b):
    return all(torch.equal(t, b.field.tensors()[k]) for k, t in a.field.tensors().items())


@pytest.mark.slow_but("paper", "linear")
@pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning")
@pytest.mark.parametrize("name", RUNS)
def test_a_step_never_waits_for_the_device(name, monkeypatch):
    original, seen = TrainingStep.__call__, set()

    def watched(self, variant):
        with NeverWait() as watch:
            original(self, variant)
        seen.update(watch.seen)

    plain = solved(name)
    monkeypatch.setattr(TrainingStep, "__call__", watched)
    assert same(plain, solved(name))
    assert "hermite_pinn.jets.default" in seen  # the mode does see what runs inside


@pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning")
@pytest.mark.parametrize("name", RUNS)
def test_a_step_runs_on_tensors_without_values(name, monkeypatch):
    """PyTorch's meta device: reading a value is an error there, and so is a tensor left behind on the host."""
    problem, options, head = RUNS[name]
    there, moved = torch.device("meta"), []
    rand = torch.rand
    monkeypatch.setattr(torch, "rand", lambda *size, generator=None, **given: rand(*size, **given))

    def adam_step(parameter, gradient, moments, average, scalars, *rest):
        assert {t.device for t in (parameter, gradient, *moments, average, scalars)} == {there}
        assert parameter.shape == gradient.shape
        moved.append(parameter)

    monkeypatch.setattr(updates, "adam_step", adam_step)
    method = hp.Adam(**(OPTIONS | options))
    field = hp.Field(head=head, features=2, table_size=2**6, width=8, omega=1.0)
    task = Task(problem(), field, 4, None, 0, there, torch.float32, Monitor())
    objective = RandomObjective(task, method, torch.float32, 4, method.numbers(), method.adaptive, False)
    tensors = {k: v.requires_grad_() for k, v in objective.tensors().items()}
    average = {k: v.detach().clone() for k, v in tensors.items()}
    step = TrainingStep(
        objective, method, SimpleNamespace(device=there), tensors, method.updates(updates.Trained(tensors, average))
    )
    assert step.obstacles == []
    if method.adaptive is not None:
        objective.renew(tensors, step.generator)
    for balance in (False, True):
        step.prepare(0, 0)
        step(Variant(4, 4, balance))
    assert len(moved) == 2 * len(tensors)
    with pytest.raises(RuntimeError):
        float(step.total)


@pytest.mark.parametrize(
    "wait",
    [
        lambda x: float(x[0]),
        lambda x: x[x > 0],
        lambda x: bool((x > 0).all()),
        lambda x: torch.tensor(1.0) + x,
        lambda x: x[[0, 1]],
        lambda x: x.nonzero(),
    ],
)
def test_the_watch_sees_what_waits(wait):
    with pytest.raises(AssertionError), NeverWait():
        wait(torch.ones(3))


class FakeRecorder:
    """Graphs as they behave: recording does nothing, each start does the work; what happened is written down."""

    def __init__(self, *given):
        self.events = []

    def warm(self, work):
        self.events.append("warm")
        work()

    def record(self, work):
        number = sum(e.startswith("record") for e in self.events)
        self.events.append(f"record {number}")

        def replay():
            self.events.append(f"start {number}")
            work()

        return replay

    def forget(self):
        self.events.append("forget")


@pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning")
@pytest.mark.parametrize("name", RUNS)
def test_recorded_steps_are_the_steps(name, monkeypatch):
    plain, recorder = solved(name), FakeRecorder()
    monkeypatch.setattr(first_order, "CapturedStep", lambda step, _, obstacles: CapturedStep(step, recorder, obstacles))
    assert same(plain, solved(name))
    starts = sum(e.startswith("start") for e in recorder.events)
    assert starts + recorder.events.count("warm") == OPTIONS["steps"] + 3
    assert starts > 20


def test_graphs_are_recorded_after_warming_and_anew_when_a_level_comes_alive():
    recorder, done = FakeRecorder(), []
    step = CapturedStep(done.append, recorder)
    for variant in ("a", "a", "a", "a", "b", "a"):
        step(variant)
    assert recorder.events == ["warm", "warm", "warm", "record 0", "start 0", "warm", "start 0"]
    assert done == ["a", "a", "a", "a", "b", "a"]
    step.forget()
    assert not step.recorded
    step("a")
    assert recorder.events[-2:] == ["forget", "warm"]
    step.forget()
    assert recorder.events[-1] == "warm"


def test_what_cannot_be_recorded_runs_as_it_is_and_says_so_once(caplog):
    class Refuses(FakeRecorder):
        def record(self, work):
            raise RuntimeError("operation not permitted when stream is capturing\nand more")

    done = []
    step = CapturedStep(done.append, Refuses())
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            step("a")
    assert done == ["a"] * 6
    assert [r.getMessage() for r in caplog.records] == [
        "steps are not recorded as a CUDA graph, so each starts its kernels one by one: operation not permitted when "
        "stream is capturing"
    ]


def test_a_recording_that_fails_leaves_stream_and_random_numbers_as_they_were(monkeypatch):
    """PyTorch leaves a failed recording with its stream current and the generator moved."""
    current, pools = ["outside"], itertools.count()
    generator = SimpleNamespace(state="before")
    generator.clone_state = lambda: generator.state
    generator.graphsafe_set_state = lambda state: setattr(generator, "state", state)

    class FailingGraph:
        def __init__(self, graph, pool, stream):
            self.stream = stream

        def __enter__(self):
            current[0] = self.stream

        def __exit__(self, *args):
            raise RuntimeError("operation failed due to a previous error during capture")

    fakes = {
        "CUDAGraph": lambda: SimpleNamespace(register_generator_state=lambda generator: None),
        "Stream": lambda device: "inside",
        "current_stream": lambda device: current[0],
        "device": lambda device: contextlib.nullcontext(),
        "graph": FailingGraph,
        "graph_pool_handle": lambda: next(pools),
        "set_stream": lambda stream: current.__setitem__(0, stream),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    recorder = TorchRecorder(torch.device("cuda", 0), generator)
    with pytest.raises(RuntimeError, match="previous error"):
        recorder.record(lambda: setattr(generator, "state", "moved"))
    assert current == ["outside"]
    assert recorder.pool == 1
    assert generator.state == "before"


class Counts(TorchDispatchMode):
    """Operations that are kernels on a GPU: all but views."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += not (function.is_view or "_unsafe_view" in str(function) or "detach" in str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.slow_but("2d")
@pytest.mark.parametrize(("name", "most"), [("helmholtz2d", 90), ("helmholtz3d", 100)])
def test_a_step_of_the_papers_model_is_few_operations(name, most, monkeypatch):
    """Each is a node of the graph; points are not sorted here."""
    counted, original = [], TrainingStep.__call__

    def spy(self, variant):
        with Counts() as counts:
            original(self, variant)
        counted.append(counts.count)

    monkeypatch.setattr(TrainingStep, "__call__", spy)
    method = hp.Adam.paper(steps=2, points=100, face_points=20, warmup=0, curriculum=())
    hp.solve(problems.make(name), method=method, levels=4, progress=False)
    logging.getLogger(__name__).info("%s: %d operations", name, counted[-1])
    assert 0 < counted[-1] <= most


def test_functions_on_the_host_are_an_obstacle(caplog, monkeypatch):
    speed = hp.tabulated(lambda x: x + 1.0, name="speed")
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.x - speed(x), [hp.Dirichlet(u=0.0, on="x-")])
    monkeypatch.setattr(
        first_order, "CapturedStep", lambda step, _, obstacles: CapturedStep(step, FakeRecorder(), obstacles)
    )
    with caplog.at_level(logging.WARNING):
        hp.solve(problem, method=hp.Adam(**(OPTIONS | {"steps": 5})), **SMALL)
    assert "the problem calls functions on the host (speed)" in caplog.text


def test_rates_are_those_of_the_plan(monkeypatch):
    """Sent ahead in windows, chosen by a counter on the device: across windows, warm-up and a resumed run."""
    from hermite_pinn.methods.training import step as training
    from hermite_pinn.methods.training.updates import AdamUpdate

    monkeypatch.setattr(training, "WINDOW", 6)
    seen = []
    original = AdamUpdate.apply

    def spy(self, gradients, scalars, spans):
        seen.append(scalars.tolist())
        original(self, gradients, scalars, spans)

    monkeypatch.setattr(AdamUpdate, "apply", spy)
    method = hp.Adam(**(OPTIONS | {"steps": 20, "warmup": 3, "schedule": "step", "lr_every": 4}))
    hp.solve(problems.helmholtz2d(a=1), method=method, **SMALL)
    rates = [r * (1 - 0.9 ** (t + 1)) for t, (r, _) in enumerate(seen)]
    assert rates == pytest.approx([method.rate(s) for s in range(-3, 20)], rel=1e-12)
    assert [root for _, root in seen] == pytest.approx([(1 - 0.999 ** (t + 1)) ** 0.5 for t in range(23)], rel=1e-12)


def test_levels_that_wait_for_their_turn_cost_nothing(monkeypatch):
    """Until a level has had a gradient its part of the table is not touched; after that it moves by its momentum."""
    from hermite_pinn.methods.training.updates import AdamUpdate

    spans = []
    original = AdamUpdate.apply

    def spy(self, gradients, scalars, given):
        spans.append(given["encoder/table"])
        original(self, gradients, scalars, given)

    monkeypatch.setattr(AdamUpdate, "apply", spy)
    for warmup in (0, 1):
        spans.clear()
        method = hp.Adam(**(OPTIONS | {"steps": 12, "warmup": warmup, "curriculum": ((5, 2), (10, 3))}))
        solution = hp.solve(problems.helmholtz2d(a=1), method=method, **SMALL)
        layout = solution.field.layout
        two, three = layout.level_slices[2].start, layout.level_slices[3].start
        live = [two] * 5 + [three] * 5 + [layout.size] * 2
        expected = [(n, layout.size if warmup else n) for n in live]
        assert spans[warmup:] == expected


def test_optimisers_of_libraries_run_as_they_are():
    p, average = torch.ones(2, requires_grad=True), torch.zeros(2)
    update = updates.LibraryUpdate(
        torch.optim.SGD([p], lr=0.2), 0.1, "SOAP", updates.Trained({"p": p}, {"p": average}), 0.75
    )
    assert update.obstacle == "SOAP decides on the host"
    update.announce(0.05)  # half of the rate it was made for: half of its own
    update.apply({"p": torch.tensor([1.0, -1.0])}, torch.zeros(0), {})
    assert torch.allclose(p.detach(), torch.tensor([0.9, 1.1]))
    assert torch.allclose(average, 0.25 * p.detach())


@pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning")
def test_a_restriction_that_keeps_no_point_is_found_before_the_first_step():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u: u.xx + u.yy,
        [hp.Dirichlet(u=0.0, on="x-"), hp.Neumann(u=1.0, on="y+", where=lambda x: x > 2)],
    )
    with pytest.raises(InvalidProblemError, match="applies to none of 20 points"):
        hp.solve(problem, method=hp.Adam(**OPTIONS), **SMALL)


def test_draws_on_a_restricted_face_estimate_the_mean_over_its_part():
    """The points outside count for nothing, and their values are never asked for."""
    problem = oblique()
    group = next(g for g in term_groups(problem, torch.device("cpu"), torch.float64) if g.terms[0].where is not None)
    batch = group.random(4000, torch.Generator().manual_seed(0))
    assert batch.x.shape == (2, 4000)
    assert float(batch.x[0].min()) > 0
    used = batch.x[0][batch.weights > 0]
    assert len(used) == len(used.unique())
    assert float(batch.mean_square(batch.x[0])) == pytest.approx(float(used.square().mean()))
    assert float(batch.mean_square(batch.x[0])) == pytest.approx(1 / 3, abs=0.03)


def test_the_recorder_calls_pytorch_in_the_right_order(monkeypatch):
    """Side stream and current stream wait for each other; the generator is registered before recording begins."""
    events, generator = [], torch.Generator()

    class Stream:
        def __init__(self, name):
            self.name = name

        def wait_stream(self, other):
            events.append(f"{self.name} waits for {other.name}")

    class Graph:
        def register_generator_state(self, given):
            assert given is generator
            events.append("register")

        def replay(self):
            events.append("replay")

    @contextlib.contextmanager
    def entered(name):
        events.append(f"enter {name}")
        yield
        events.append(f"leave {name}")

    def graph(made, pool, stream):
        assert isinstance(made, Graph)
        return entered(f"graph in pool {pool} on {stream.name}")

    fakes = {
        "Stream": lambda device: Stream("side"),
        "current_stream": lambda device: Stream("current"),
        "stream": lambda s: entered(s.name),
        "graph_pool_handle": lambda: 7,
        "CUDAGraph": Graph,
        "graph": graph,
        "device": lambda d: entered(f"device {d.index}"),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    recorder = TorchRecorder(torch.device("cuda", 1), generator)
    recorder.warm(lambda: events.append("work"))
    assert events == ["side waits for current", "enter side", "work", "leave side", "current waits for side"]
    events.clear()
    start = recorder.record(lambda: events.append("work"))
    inner = "graph in pool 7 on side"
    assert events == ["register", "enter device 1", f"enter {inner}", "work", f"leave {inner}", "leave device 1"]
    start()
    assert events[-1] == "replay"


def test_runs_with_and_without_recording_agree(device):
    """On a GPU this is the real thing: sums by atomic additions differ in the last bits, random numbers do not."""
    options = OPTIONS | {"steps": 20, "balance_every": 2}
    recorded, plain = (
        hp.solve(
            problems.helmholtz2d(a=1), method=hp.Adam(**options, cuda_graph=choice), seed=1, device=device, **SMALL
        )
        for choice in (True, False)
    )
    gpu = device.type == "cuda"
    for name, tensor in plain.field.tensors().items():
        close = {"rtol": 1e-3, "atol": 1e-5} if gpu else {"rtol": 0.0, "atol": 0.0}
        assert torch.allclose(recorded.field.tensors()[name], tensor, **close), name
    assert recorded.stats.get("cuda_graph") == (True if gpu else None)


def test_nothing_is_collected_while_a_graph_is_recorded(monkeypatch):
    """A graph that is freed then would end the recording; afterwards all is as it was, also after a failure."""
    seen = []
    for name, fake in {
        "Stream": lambda device: SimpleNamespace(),
        "current_stream": lambda device: SimpleNamespace(),
        "set_stream": lambda stream: None,
        "graph_pool_handle": lambda: 7,
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None),
        "graph": lambda made, pool, stream: contextlib.nullcontext(),
        "device": lambda place: contextlib.nullcontext(),
    }.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    recorder = TorchRecorder(torch.device("cuda", 0))
    recorder.record(lambda: seen.append(gc.isenabled()))
    assert (seen, gc.isenabled()) == ([False], True)
    with pytest.raises(ZeroDivisionError):
        recorder.record(lambda: 1 / 0)
    assert gc.isenabled()
