"""What a status advises."""

import logging

import pytest

import hermite_pinn as hp


@pytest.mark.parametrize("status", [hp.Status.MAX_TIME, hp.Status.MAX_SIZE])
@pytest.mark.parametrize("error", [None, 1.0, 5.0])
def test_a_result_without_a_correct_digit_is_not_advised_to_be_accepted(status, error):
    assert "accept" in status.advice_at(1e-3)
    assert "accept" not in status.advice_at(error)
    assert "error" in status.advice_at(error)


@pytest.mark.parametrize("status", [s for s in hp.Status if "accept" not in s.advice])
def test_other_advice_is_the_same_for_all_results(status):
    assert status.advice_at(None) == status.advice_at(5.0) == status.advice_at(1e-3) == status.advice


def test_every_level_is_logged_with_its_estimate(caplog):
    with caplog.at_level(logging.INFO, logger="hermite_pinn"):
        hp.solve(hp.problems.poisson2d(), levels=3, progress=False)
    lines = [r.message for r in caplog.records if r.message.startswith("level ")]
    assert [line.split(",")[0] for line in lines] == ["level 1", "level 2", "level 3"]
    assert lines[0].endswith("unknown")
    assert "e-" in lines[2]
