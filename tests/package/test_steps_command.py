"""The command that counts the steps of linear problems."""

import logging

import pytest

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.performance.steps import Row, main, markdown, measured, observed


def test_it_counts_what_a_run_counts():
    with observed() as solves:
        solution = hp.solve(hp.problems.burgers(nu=0.5), levels=2, progress=False)
    assert len(solves) > 2
    assert sum(s.steps for s in solves) == solution.stats["inner_steps"]
    with observed() as others:
        pass
    assert not others


def test_what_listens_to_a_run_elsewhere_is_left_as_it_was():
    source = logging.getLogger("hermite_pinn.methods.least_squares.levenberg_marquardt")
    before = source.level, list(source.handlers)
    with pytest.raises(RuntimeError, match="inside"), observed():
        raise RuntimeError("inside")
    assert (source.level, source.handlers) == before


def test_a_row_tells_the_worst_level():
    row = measured("poisson2d", hp.problems.poisson2d, 60.0)
    assert row.status == "converged"
    assert 0 < row.most < 150
    assert "cells" in row.where
    assert row.solves >= 3


def test_the_table_is_written(tmp_path, capsys):
    out = tmp_path / "new" / "steps.md"
    main(["--only", "poisson3d", "--seconds", "0.5", "--out", str(out)])
    assert "| poisson3d |" in out.read_text()
    assert "| poisson3d |" in capsys.readouterr().out
    with pytest.raises(InvalidArgumentError, match="helmholtz2d"):
        main(["--only", "no such problem"])


def test_what_is_not_known_is_left_out():
    assert "| a | stopped | 0.0 |  | 0 | 0 |  |" in markdown([Row("a", "stopped", 0.0, None, 0, 0, "")])
