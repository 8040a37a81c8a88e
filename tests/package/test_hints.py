"""What people meant: near names, methods in place of optimisers, and files of another kind."""

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.doctor import OPTIONAL
from hermite_pinn.geometry.mesh import distance
from hermite_pinn.workloads.sdf.course import Course

LINE = hp.Box(x=(0, 1))


def poisson():
    return hp.Problem(LINE, "u", lambda u: u.xx - 1, [hp.Dirichlet(u=0.0)])


@pytest.mark.parametrize(("given", "meant"), [(torch.optim.Adam, "hp.Adam()"), (torch.optim.LBFGS, "hp.LBFGS()")])
def test_an_optimiser_of_pytorch_is_answered_by_the_method_of_that_name(given, meant):
    with pytest.raises(hp.InvalidArgumentError) as caught:
        hp.solve(poisson(), method=given)
    assert meant in str(caught.value)


def test_a_class_of_a_method_is_answered_by_its_object():
    with pytest.raises(hp.InvalidArgumentError, match=r"give SOAP\(\), not the class"):
        hp.solve(poisson(), method=hp.SOAP)


def test_a_problem_that_is_misspelled_is_answered_by_the_nearest():
    with pytest.raises(hp.InvalidArgumentError, match="did you mean 'convection'"):
        hp.problems.make("convektion")
    with pytest.raises(hp.InvalidArgumentError, match="there are helmholtz2d"):
        hp.problems.make("zzzz")


def test_files_of_the_other_kind_say_who_reads_them(tmp_path):
    state, file = tmp_path / "state.h5", tmp_path / "u.h5"
    hp.solve(poisson(), levels=2, progress=False, checkpoint=state).save(file)
    with pytest.raises(hp.CorruptFileError, match="resume="):
        hp.Solution.load(state)
    with pytest.raises(hp.CorruptFileError, match=r"Solution\.load"):
        hp.solve(poisson(), levels=2, progress=False, resume=file)


def test_the_package_lists_its_own_names_only():
    listed = set(dir(hp))
    assert listed >= {*hp.__all__, "sdf", "problems", "__version__"}
    assert not listed & {"Any", "TYPE_CHECKING", "annotations", "import_module"}


def test_the_doctor_knows_every_library_of_the_tables():
    assert {"xarray", "pandas"} <= set(OPTIONAL)


def test_a_fit_without_libigl_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(distance, "libigl", lambda: None)
    corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]
    with pytest.warns(hp.HermitePinnWarning, match=r"hermite_pinn\[mesh\]"):
        solution = hp.sdf.fit((corners, faces), levels=1, progress=False)
    assert any("libigl" in note for note in solution.stats["notes"])


def test_a_fit_without_time_for_the_next_level_does_not_begin_it(monkeypatch):
    """The first level is always fitted; on the second a clock that runs fast leaves no time."""
    begun = []
    whole = Course._check_time

    def slow(self, level, points, every):
        self.pace = 1e3
        begun.append(level)
        whole(self, level, points, every)

    monkeypatch.setattr(Course, "_check_time", slow)
    corners = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]
    solution = hp.sdf.fit((corners, faces), levels=3, max_time=1000, progress=False)
    assert solution.status is hp.Status.MAX_TIME
    assert "level 2 would take about" in solution.message
    assert begun == [0, 1]
