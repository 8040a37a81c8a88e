"""Checkpoints continue the problem and the method they were made for, and say what differs from those."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.run.store import read_store, write_store

LEVELS = {"levels": 2, "progress": False}
SHORT = {"steps": 4, "points": 32, "face_points": 8, "check_every": 2}


def problem(value=1.0, source=0.0, **changes):
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), ["u"], lambda u: u.xx + u.yy - source, [hp.Dirichlet(u=value)]
    ).replace(**changes)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint of :func:`problem`."""
    path = tmp_path_factory.mktemp("run") / "state.h5"
    hp.solve(problem(), checkpoint=path, **LEVELS)
    return path


def test_the_same_problem_made_anew_is_continued(saved):
    assert hp.solve(problem(), resume=saved, **LEVELS).u(0.3, 0.4) == pytest.approx(1.0)
    assert hp.solve(problem(name="other"), resume=saved, **LEVELS).u(0.3, 0.4) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (problem(5.0), r"its problem differs in the condition 'u on boundary'\.\n  in the file: 0 = u - 1\n  .*: +0 = u - 5"),
        (problem(np.nextafter(1.0, 2)), r"differs in the condition 'u on boundary'\. It reads the same, 0 = u - 1"),
        (problem(source=1.0), r"differs in the equation 'pde'"),
        (problem(domain=hp.Box(x=(0, 1), y=(0, 1.5))), r"differs in the domain"),
        (problem(conditions=[hp.Dirichlet(u=1.0), hp.Periodic("x")]), r"differs in the periodic axes"),
        (
            problem(conditions=[hp.Dirichlet(u=1.0), hp.Data([[0.5, 0.5]], u=1.0)]),
            r"the condition 'data u' is only in the problem asked for",
        ),
    ],
    ids=["value", "digits", "equation", "domain", "periodic", "data"],
)  # fmt: skip
def test_another_problem_is_refused_and_the_part_that_differs_named(saved, asked, message):
    with pytest.raises(hp.InvalidArgumentError, match=message):
        hp.solve(asked, resume=saved, **LEVELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 1}, "its seed differs"),
        ({"levels": 3}, "its levels differs"),
        ({"dtype": "float64"}, "its dtype differs"),
        ({"field": hp.Field(basis="quintic")}, "its field differs"),
        ({"method": "adam"}, "its method differs"),
        ({"method": hp.GaussNewton(damping=1.0)}, "the option damping of gauss_newton differs"),
    ],
    ids=str,
)
def test_another_way_to_solve_is_refused(saved, options, message):
    with pytest.raises(hp.InvalidArgumentError, match=message):
        hp.solve(problem(), resume=saved, **(LEVELS | options))


def test_tolerance_and_limits_may_change(saved):
    solution = hp.solve(problem(), resume=saved, tol=1e-3, max_time=60, method=hp.GaussNewton(max_levels=5), **LEVELS)
    assert solution.u(0.5, 0.5) == pytest.approx(1.0)


def test_the_option_that_differs_is_named(tmp_path):
    path = tmp_path / "state.h5"
    options = {"checkpoint": path, "levels": 2, "progress": False}
    hp.solve(problem(), method=hp.Adam(**SHORT), **options)
    longer = hp.Adam(**(SHORT | {"steps": 6, "check_every": 3}))
    hp.solve(problem(), method=longer, resume=path, levels=2, progress=False)
    with pytest.raises(hp.InvalidArgumentError, match="the option lr of adam differs"):
        hp.solve(problem(), method=hp.Adam(**(SHORT | {"check_every": 3, "lr": 0.5})), resume=path, **options)


def test_a_chain_names_the_member_whose_option_differs(tmp_path):
    path = tmp_path / "state.h5"

    first = hp.Adam(**SHORT)
    hp.solve(problem(), method=first >> hp.Adam(**SHORT), levels=2, checkpoint=path, progress=False)
    with pytest.raises(hp.InvalidArgumentError, match="the option lr of method 2 of chain differs"):
        hp.solve(problem(), method=first >> hp.Adam(**SHORT, lr=0.5), levels=2, resume=path, progress=False)
    with pytest.raises(hp.InvalidArgumentError, match=r"the option method 2 of chain differs.*\n.*adam\n.*lbfgs"):
        hp.solve(problem(), method=first >> hp.LBFGS(), levels=2, resume=path, progress=False)


def test_a_file_that_does_not_record_its_problem_in_full_is_refused(saved, tmp_path):
    meta, arrays = read_store(saved, "checkpoint")
    del meta["identity"]["parts"], meta["identity"]["dtype"]
    path = tmp_path / "old.h5"
    write_store(path, "checkpoint", meta, arrays)
    with pytest.raises(hp.InvalidArgumentError, match=r"written by an earlier version .* start the run anew"):
        hp.solve(problem(), resume=path, **LEVELS)


def test_a_file_without_identity_is_damaged(saved, tmp_path):
    meta, arrays = read_store(saved, "checkpoint")
    del meta["identity"]
    path = tmp_path / "broken.h5"
    write_store(path, "checkpoint", meta, arrays)
    with pytest.raises(hp.CorruptFileError, match="damaged"):
        hp.solve(problem(), resume=path, **LEVELS)
