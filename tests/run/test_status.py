"""What a status advises."""

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
