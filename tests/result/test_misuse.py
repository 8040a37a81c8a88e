"""A solution that is used almost as it is meant answers with the way to use it."""

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.immutable import ImmutableError


@pytest.fixture(scope="module")
def solution():
    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian + 1, [hp.Dirichlet(u=0.0)])
    return hp.solve(problem, levels=2, progress=False)


@pytest.mark.parametrize("kind", [np.array, list, torch.tensor])
def test_points_in_one_array_are_answered_with_their_columns(solution, kind):
    points = kind([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]])
    with pytest.raises(hp.InvalidArgumentError, match=r"write u\(p\[:, 0\], p\[:, 1\]\)"):
        solution.u(points)
    with pytest.raises(hp.InvalidArgumentError, match=r"write u\.x\(p\[:, 0\], p\[:, 1\]\)"):
        solution.u.x(points)


def test_a_field_cannot_be_replaced_and_other_attributes_can(solution):
    with pytest.raises(ImmutableError, match="u of a Solution"):
        solution.u = 3
    solution.mine = 3
    assert solution.mine == 3
    assert callable(solution.u)


@pytest.mark.parametrize("name", ["a.mat", "a.npz", "a", "a.h5.txt"])
def test_a_file_with_an_ending_of_another_format_is_refused(solution, tmp_path, name):
    with pytest.raises(hp.InvalidArgumentError, match=r"save\(\) writes HDF5"):
        solution.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.hdf", "A.H5"])
def test_the_endings_of_hdf5_are_written(solution, tmp_path, name):
    solution.save(tmp_path / name)
    assert hp.Solution.load(tmp_path / name).fields == ("u",)


def test_success_is_that_of_the_status(solution):
    assert solution.success is solution.status.success is True


def test_success_is_not_a_name_of_a_field():
    with pytest.raises(hp.InvalidProblemError, match="success"):
        hp.Problem(hp.Box(x=(0, 1)), "success", lambda success: success.xx, [hp.Dirichlet(success=0.0)])


def test_the_residuals_of_conditions_and_data_are_told_as_shares_of_their_scale(tmp_path):
    reports = []
    for unit in (1.0, 1e-6):  # the shares do not depend on the unit of the field
        problem = hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)),
            "u",
            lambda u, x, unit=unit: u.laplacian + unit * hp.sin(20 * x),
            [
                hp.Dirichlet(u=lambda y, unit=unit: unit * hp.exp(y), on="x-"),
                hp.Neumann(u=0.0, on=["y-", "y+"]),
                hp.Robin(u=(1.0, 2.0, 3.0 * unit), on="x+"),
            ],
        )
        found = hp.solve(problem, levels=3, progress=False)
        scales = found.stats["condition_scales"]
        assert set(scales) == set(found.residuals) - {"pde"}
        reports.append({name: value / scales[name] for name, value in found.residuals.items() if name != "pde"})
        assert str(found).count("of its scale") == 4
        found.save(tmp_path / "u.h5")
        assert hp.Solution.load(tmp_path / "u.h5").stats["condition_scales"] == scales
    assert reports[0] == pytest.approx(reports[1], rel=1e-2, abs=1e-12)
