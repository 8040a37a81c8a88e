"""The frame around a run: what it checks, keeps, continues and adds, whatever the run makes."""

from types import SimpleNamespace

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.errors import DivergedError, InvalidArgumentError, OutOfMemoryError, OutputError
from hermite_pinn.run import checkpoint as checkpoints
from hermite_pinn.run.ending import Ending, keep_result
from hermite_pinn.run.identity import identity_of
from hermite_pinn.run.status import Status
from hermite_pinn.run.workload import Frame, Workload


class Sum(Workload):
    """Adds the first numbers, or fails at one of them."""

    title, method, kind, device = "a sum", "adding", Ending, torch.device("cpu")

    def __init__(self, frame, most=5, failure=None, kept=True):
        self.monitor, self.most, self.failure, self.kept = frame.monitor, most, failure, kept
        self.identity = identity_of("sum", {"numbers": {"first": 1}}, method=self.method, seed=0)
        self.step, self.total, self.began = 0, 0.0, None

    def run(self, save, saved):
        if saved:
            self.step, self.total = saved["step"], float(saved["total"])
        self.began = self.step
        while self.step < self.most:
            self.step += 1
            self.total += self.step
            self.monitor.record(step=self.step, loss=1 / self.total, terms={}, level=0, unknowns=1)
            save(lambda: {"step": self.step, "total": torch.tensor(self.total)}, True)
        if self.failure is not None:
            if self.kept:
                keep_result(self.failure, lambda: Ending(Status.DIVERGED, str(self.failure)))
            raise self.failure
        return Ending(Status.COMPLETED, "added")

    def result(self, done):
        stats = done.stats(self.method, 0, self.monitor.history)
        return SimpleNamespace(status=done.found.status, message=done.found.message, stats=stats, total=self.total)


class Ear(hp.Callback):
    def __init__(self):
        self.told = []

    def on_end(self, solution):
        self.told.append(solution)


def summed(most=5, failure=None, kept=True, **options):
    frame = Frame(**{"progress": False} | options)
    work = Sum(frame, most, failure, kept)
    return frame.run(work), work


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_time": -1}, "max_time"),
        ({"callbacks": [3]}, "callback"),
        ({"progress": "loud"}, "progress"),
        ({"checkpoint": 3}, "checkpoint"),
        ({"resume": 3}, "resume"),
        ({"throw": "no"}, "throw"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_arguments_are_refused_before_the_work(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Frame(**options)


def test_a_run_is_continued_from_its_file_with_its_history(tmp_path):
    file = tmp_path / "sum.h5"
    summed(3, checkpoint=file)
    made, work = summed(5, resume=file)
    assert (work.began, made.total) == (3, 15.0)
    assert list(work.monitor.history["step"]) == [1, 2, 3, 4, 5]
    assert made.stats["steps"] == 5


def test_a_file_is_there_before_the_first_step(tmp_path):
    file = tmp_path / "sum.h5"
    with pytest.raises(ValueError, match="at once"):
        summed(0, ValueError("at once"), kept=False, checkpoint=file)
    _, work = summed(2, resume=file)
    assert work.began == 0


def test_an_error_has_the_result_of_the_state_it_left():
    with pytest.raises(ValueError, match="at five") as caught:
        summed(failure=ValueError("at five"))
    assert caught.value.solution.total == 15.0


def test_an_error_that_left_nothing_is_told_to_nobody():
    ear = Ear()
    with pytest.raises(ValueError, match="at five") as caught:
        summed(failure=ValueError("at five"), kept=False, callbacks=ear)
    assert not hasattr(caught.value, "solution")
    assert ear.told == []


def test_divergence_is_returned_where_it_is_not_to_be_thrown():
    ear = Ear()
    made, _ = summed(failure=DivergedError("too far"), throw=False, callbacks=ear)
    assert made.status is Status.DIVERGED
    assert ear.told == [made]
    with pytest.raises(DivergedError) as caught:
        summed(failure=DivergedError("too far"))
    assert caught.value.solution.total == 15.0


def test_other_errors_are_thrown_in_any_case():
    with pytest.raises(ValueError, match="at five"):
        summed(failure=ValueError("at five"), throw=False)


def test_what_pytorch_says_of_memory_is_told_as_such():
    said = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8000000000 bytes. Error code 12"
    with pytest.raises(OutOfMemoryError) as caught:
        summed(failure=RuntimeError(said))
    assert caught.value.solution.total == 15.0
    with pytest.raises(OutOfMemoryError):
        summed(failure=RuntimeError(said), kept=False)


def test_what_a_callback_says_of_memory_is_its_own():
    class Full(hp.Callback):
        def on_step(self, state):
            raise RuntimeError("CUDA out of memory")

    with pytest.raises(RuntimeError, match="CUDA out of memory") as caught:
        summed(callbacks=Full())
    assert type(caught.value) is RuntimeError


def test_a_file_that_can_no_longer_be_written_is_said_at_the_end(tmp_path, monkeypatch):
    frame = Frame(progress=False, checkpoint=tmp_path / "sum.h5")
    work, write = Sum(frame), checkpoints.write_store

    def full(path, kind, meta, arrays):
        if meta["state"].get("step", 0) > 2:
            raise OutputError("the disk is full")
        write(path, kind, meta, arrays)

    monkeypatch.setattr(checkpoints, "write_store", full)
    made = frame.run(work)
    assert made.message == "added; the checkpoint is not that of the end: the disk is full"
    assert made.stats["checkpoint_failed"] == "the disk is full"


def test_a_state_without_a_field_says_so():
    class Look(hp.Callback):
        def on_step(self, state):
            return str(state.field)

    with pytest.raises(InvalidArgumentError, match="without a field"):
        summed(callbacks=Look())


def test_a_note_is_shown_with_the_progress():
    class Meter:
        def __init__(self):
            self.texts = []

        def start(self, title):
            self.title = title

        def update(self, done, text, left):
            self.texts.append(text)

        def close(self):
            pass

    meter = Meter()
    frame = Frame(progress=meter)
    frame.monitor.note = "held out 28.1 dB"
    frame.run(Sum(frame, 1))
    assert meter.title == "a sum"
    assert meter.texts == ["step 1, loss 1.0e+00, held out 28.1 dB"]
