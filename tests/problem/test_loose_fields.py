"""Fields that neither equations nor smoothness hold between data are told, and end no run as a success."""

import numpy as np
import pytest

import hermite_pinn as hp

AT = np.linspace(0.1, 1.9, 12)


def forced(*conditions, fields=("v", "force"), residual=lambda v, force: v.t + 2 * v - force):
    data = hp.Data(AT[:, None], v=np.sin(AT))
    return hp.Problem(hp.Box(t=(0, 2)), list(fields), residual, [hp.Initial(v=0.0), data, *conditions])


def test_a_field_without_an_equation_is_told_with_what_to_add():
    with pytest.warns(hp.HermitePinnWarning, match=r"1 equation stands against 2 fields.*Smoothness\('force'\)"):
        problem = forced()
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.UNDETERMINED
    assert "Smoothness('force')" in solution.message
    assert solution.stats["resolution"][0] <= 8 * len(AT)


def test_smoothness_or_a_second_equation_settles_it():
    assert not forced(hp.Smoothness("force")).loose
    assert not forced(residual=lambda v, force: (v.t + 2 * v - force, force - v**2)).loose
    assert hp.solve(forced(hp.Smoothness("force")), progress=False).status.success


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
def test_measured_fields_are_named_where_all_are_measured():
    data = hp.Data(AT[:, None], force=np.cos(AT))
    (sentence,) = forced(data).loose
    assert "Smoothness('v', 'force')" in sentence
