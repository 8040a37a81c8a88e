"""Runs that divide cells are continued from their last stage, and refuse files that are not of one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.run.store import read_store, write_store
from hermite_pinn.validation.accuracy.sharp_problems import layer, narrow_sources

LOCAL = {"method": hp.GaussNewton(refine="local"), "progress": False}
TOLERANCE = {"layer": 1e-3, "source": 1e-4}


class Killed(BaseException):
    """What nobody catches."""


class KillAt(hp.Callback):
    """Ends a run at one of its stages, as a signal that cannot be caught would."""

    def __init__(self, stage: int) -> None:
        self.stage, self.seen = stage, 0

    def on_step(self, state: Any) -> None:
        self.seen += 1
        if self.seen == self.stage:
            raise Killed


class Count(hp.Callback):
    """Counts the stages of a run."""

    def __init__(self) -> None:
        self.seen = 0

    def on_step(self, state: Any) -> None:
        self.seen += 1


def problem(name: str) -> hp.Problem:
    return layer(0.02) if name == "layer" else narrow_sources((0.3, 0.6, 0.02, 1.0))


def killed(name: str, stage: int, path: Any) -> None:
    with pytest.raises(Killed):
        hp.solve(problem(name), tol=TOLERANCE[name], checkpoint=path, callbacks=KillAt(stage), **LOCAL)


@pytest.mark.parametrize("name", ["layer", "source"])
def test_a_killed_run_goes_on_at_its_last_stage_and_ends_with_the_same_bits(name, tmp_path) -> None:
    path, stage = tmp_path / "state.h5", 5
    whole = hp.solve(problem(name), tol=TOLERANCE[name], **LOCAL)
    killed(name, stage, path)
    count = Count()
    resumed = hp.solve(problem(name), tol=TOLERANCE[name], resume=path, callbacks=count, **LOCAL)
    assert count.seen == len(whole.history) - (stage - 1)  # those before are not repeated
    assert torch.equal(resumed.field.tensors()["encoder/table"], whole.field.tensors()["encoder/table"])
    assert resumed.message == whole.message
    assert resumed.estimated_error == whole.estimated_error
    assert resumed.stats["inner_steps"] == whole.stats["inner_steps"]


def test_a_finished_run_is_not_begun_again(tmp_path) -> None:
    path, count = tmp_path / "state.h5", Count()
    whole = hp.solve(problem("source"), tol=1e-4, checkpoint=path, **LOCAL)
    again = hp.solve(problem("source"), tol=1e-4, resume=path, callbacks=count, **LOCAL)
    assert count.seen == 0
    assert again.status is whole.status
    assert again.estimated_error == whole.estimated_error


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        (("local", "basis"), "sines"),
        (("local", "resolutions"), [[8, 8], [16, 24]]),
        (("local", "course"), {"halvings": -1.0, "tried": 0, "inner_total": 1}),
        (("local", "error"), "small"),
        (("local", "moved"), []),
        (("local", "convergence", "unknowns"), []),
        (("local", "convergence", "resolved"), [1]),
    ],
    ids=lambda v: "/".join(v) if isinstance(v, tuple) else "",
)
def test_a_file_that_is_not_of_such_a_run_is_refused(entry, value, kept, tmp_path) -> None:
    meta, arrays = read_store(kept, "checkpoint")
    place = meta["state"]
    for key in entry[:-1]:
        place = place[key]
    place[entry[-1]] = value
    refused(meta, arrays, tmp_path / "altered.h5")


@pytest.mark.parametrize(
    "change", [lambda r: r[::-1], lambda r: r + 10**9, lambda r: r[:-1]], ids=["order", "range", "count"]
)
def test_cells_that_are_none_are_refused(change, kept, tmp_path) -> None:
    meta, arrays = read_store(kept, "checkpoint")
    arrays["local_cells/refined"] = np.ascontiguousarray(change(arrays["local_cells/refined"]))
    refused(meta, arrays, tmp_path / "altered.h5")


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Any:
    """A checkpoint of a run that was killed while it divided cells."""
    path = tmp_path_factory.mktemp("local") / "state.h5"
    killed("source", 4, path)
    return path


def refused(meta: dict[str, Any], arrays: dict[str, np.ndarray], path: Any) -> None:
    write_store(path, "checkpoint", meta, arrays)
    with pytest.raises(hp.CorruptFileError, match="damaged"):
        hp.solve(problem("source"), tol=1e-4, resume=path, **LOCAL)
