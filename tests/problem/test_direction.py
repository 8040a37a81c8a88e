"""Diffusion of the wrong sign is told of where the start is given, and nowhere else."""

import warnings

import pytest

import hermite_pinn as hp

ENDS = {
    "start": [hp.Initial(u=lambda x: hp.sin(hp.pi * x))],
    "end": [hp.Dirichlet(u=lambda x: hp.sin(hp.pi * x), on="t+")],
    "both": [hp.Initial(u=0.0), hp.Dirichlet(u=0.0, on="t+")],
    "data": [hp.Initial(u=0.0), hp.Data([[0.5, 0.05]], u=[0.3])],
}


def told(residual, end, fields="u", further=(), max_order=2):
    """The warnings about the direction of time of an equation on an interval."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem = hp.Problem(
            hp.Box(x=(0, 1), t=(0, 0.1)),
            fields,
            residual,
            [hp.Dirichlet(u=0.0), *ENDS[end], *further],
            max_order=max_order,
        )
    found = [str(w.message) for w in caught if "ill-posed" in str(w.message)]
    assert [n for n in problem.notes if "ill-posed" in n] == found
    return found


def backward(u):
    return u.t + 2 * u.xx + u * u.x


def forward(u):
    return u.t - 2 * u.xx + u * u.x


def fourth_backward(u):
    return u.t - u.xxxx + u.xx


def kuramoto(u):
    return u.t + u.xxxx + u.xx + u * u.x


def turned(u):
    return -u.t - u.xx


def varying(u, x):
    return u.t + (x - 0.5) * u.xx


def oscillating(u):
    return u.tt + u.xx


def regularised(u):
    return u.t + u.xx - 0.1 * u.xxt


@pytest.mark.parametrize(("residual", "end"), [(backward, "start"), (turned, "start"), (forward, "end")])
def test_diffusion_against_time_is_told_with_what_to_check(residual, end):
    (sentence,) = told(residual, end)
    assert "check the sign of the diffusion" in sentence
    assert f"or give u at t{'+' if end == 'start' else '-'} instead" in sentence


def test_the_highest_even_derivative_decides():
    assert told(fourth_backward, "start", max_order=4, further=[hp.Neumann(u=0.0)])
    assert not told(kuramoto, "start", max_order=4, further=[hp.Neumann(u=0.0)])


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
@pytest.mark.parametrize(
    ("residual", "end"),
    [
        (forward, "start"),
        (backward, "end"),
        (backward, "both"),
        (backward, "data"),
        (varying, "start"),
        (oscillating, "start"),
    ],
)
def test_other_problems_are_not_told_of(residual, end):
    assert not told(residual, end)


def test_mixed_derivatives_are_not_judged():
    assert not told(regularised, "start", max_order=3)


def test_a_second_field_with_the_derivative_is_not_judged():
    assert not told(lambda u, w: (u.t + u.xx - w, w - 2 * u.xx), "start", ["u", "w"])
    assert not told(lambda u: 1j * u.t + u.xx, "start", {"u": complex})


def test_space_may_have_more_axes():
    with pytest.warns(hp.HermitePinnWarning, match="ill-posed"):
        hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
            "u",
            lambda u: u.t + u.laplacian,
            [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)],
        )


def test_a_reversed_axis_is_answered_with_the_way_to_write_it():
    with pytest.raises(hp.InvalidProblemError, match=r"axis t is reversed.*write t=\(0, 10\)"):
        hp.Box(x=(0, 1), t=(10, 0))
    with pytest.raises(hp.InvalidProblemError, match="no extent"):
        hp.Box(x=(1, 1))
