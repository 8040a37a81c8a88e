"""Coding as a run: history, limits, callbacks, checkpoints."""

from pathlib import Path

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.errors import CorruptFileError, DivergedError, InvalidArgumentError
from hermite_pinn.workloads.compression import learning
from hermite_pinn.workloads.compression.compress import compress
from hermite_pinn.workloads.compression.field_teacher import PictureTeacher

SHORT = {"bits": 3, "levels": 3, "steps": 60, "code_steps": 60, "points": 256, "width": 16, "progress": False}


@pytest.fixture
def picture() -> np.ndarray:
    return hp.images.made_picture(32)


class _StopAt(hp.Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, state: object) -> bool:
        return bool(state.step >= self.step)  # type: ignore[attr-defined]


def test_both_stages_have_rows_and_the_same_call_gives_the_same_bytes(picture: np.ndarray, tmp_path: Path) -> None:
    made = compress(picture, **SHORT)
    assert (made.status, made.message) == (hp.Status.COMPLETED, "120 steps")
    assert [(row["step"], row["codes"]) for row in made.history] == [(50, 0), (60, 0), (110, 1), (120, 1)]
    made.save(tmp_path / "a.hpc")
    compress(picture, **SHORT).save(tmp_path / "b.hpc")
    assert (tmp_path / "a.hpc").read_bytes() == (tmp_path / "b.hpc").read_bytes()


@pytest.mark.parametrize("step", [50, 110])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(picture: np.ndarray, tmp_path: Path, step: int) -> None:
    file = tmp_path / "run.h5"
    stopped = compress(picture, checkpoint=file, callbacks=_StopAt(step), **SHORT)
    assert stopped.status is hp.Status.STOPPED
    assert stopped.levels == 3
    resumed, whole = compress(picture, resume=file, **SHORT), compress(picture, **SHORT)
    assert torch.equal(resumed.field().table, whole.field().table)
    assert torch.equal(resumed.network, whole.network)
    assert [row["step"] for row in resumed.history] == [row["step"] for row in whole.history]


def test_a_time_limit_ends_both_stages_and_there_are_codes(picture: np.ndarray) -> None:
    made = compress(picture, **SHORT | {"steps": 100_000, "code_steps": 100_000}, max_time=0.4)
    assert made.status is hp.Status.MAX_TIME
    assert made.message.startswith(f"{made.stats['steps']} steps in")
    early = compress(picture, **SHORT | {"code_steps": 1}, max_time=1e-9)
    assert (early.status, early.stats["steps"]) == (hp.Status.MAX_TIME, 2)
    assert set(made.codes[0].parts()) == {"codebook", "indices"}


def test_a_checkpoint_of_another_picture_or_way_is_refused(picture: np.ndarray, tmp_path: Path) -> None:
    file = tmp_path / "run.h5"
    compress(picture, checkpoint=file, **SHORT)
    with pytest.raises(InvalidArgumentError):
        compress(picture[::-1].copy(), resume=file, **SHORT)
    with pytest.raises(InvalidArgumentError):
        compress(picture, resume=file, **SHORT | {"bits": 4})
    (tmp_path / "bad.h5").write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CorruptFileError):
        compress(picture, resume=tmp_path / "bad.h5", **SHORT)


def test_a_loss_that_is_no_number_leaves_the_last_good_state(
    picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(10**6))
    plain = PictureTeacher.loss

    def breaks(self, field, count, generator):
        found = plain(self, field, count, generator)
        return found * float("nan") if next(calls) > 70 else found

    monkeypatch.setattr(PictureTeacher, "loss", breaks)
    monkeypatch.setattr("hermite_pinn.workloads.compression.metrics.BATCHES", 1)
    with pytest.raises(DivergedError) as caught:
        compress(picture, **SHORT)
    left = caught.value.solution  # type: ignore[attr-defined]
    assert left.status is hp.Status.DIVERGED
    assert bool(torch.isfinite(left.field().table).all())
    assert compress(picture, throw=False, **SHORT).status is hp.Status.DIVERGED


def test_rates_fall_to_a_hundredth_and_temperatures_go_from_the_first_to_the_last() -> None:
    course = learning.Course(temperature=(2.0, 0.5))
    assert [course.heat(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 1.0, 0.5])
    assert course.fall(1.0) == pytest.approx(0.01)
