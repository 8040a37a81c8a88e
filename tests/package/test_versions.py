"""Two versions of the package side by side: each runs its own code, in turn, and the table says what differs."""

import pytest

from hermite_pinn.errors import HermitePinnError, InvalidArgumentError
from hermite_pinn.validation.performance.versions import ROOMS, Pair, assembled, compared_cases, markdown

FAKE = """
from types import SimpleNamespace
SUITES = {{"tiny": ["a", "b"]}}
def run_case(case):
    assert case != {fails!r}
    return SimpleNamespace(error={error}, seconds={seconds}, status="converged", inner={inner})
"""


def checkout(folder, **numbers):
    """A checkout whose validation returns fixed numbers."""
    for name in ("hermite_pinn", *ROOMS):
        (folder / name).mkdir(parents=True)
    (folder / "hermite_pinn" / "__init__.py").write_text("")
    (folder / "validation" / "__init__.py").write_text(FAKE.format(**({"fails": None, "inner": 3} | numbers)))
    return folder


def test_each_version_runs_its_own_code(tmp_path):
    before = checkout(tmp_path / "old", error=1e-6, seconds=2.0)
    after = checkout(tmp_path / "new", error=2e-6, seconds=1.0, inner=4)
    trees = (assembled(before, tmp_path / "one"), assembled(after, tmp_path / "two"))
    pairs = list(compared_cases(trees, "tiny", ["first", "second"], repeats=1))
    assert [p.label for p in pairs] == ["first", "second"]
    assert [p.label for p in compared_cases(trees, "tiny", ["first", "second"], 1, only="sec")] == ["second"]
    assert pairs[0].ratio == 0.5
    assert (pairs[0].error_before, pairs[0].error_after) == (1e-6, 2e-6)
    assert pairs[0].note == "converged, 3 -> converged, 4"
    assert "| first | 1e-06 | 2e-06 | 2.00 | 1.00 | 0.50 |" in markdown(pairs, [])


def test_a_failing_version_is_named_with_its_error(tmp_path):
    trees = (assembled(checkout(tmp_path / "old", error=1, seconds=1, fails="a"), tmp_path / "one"),) * 2
    with pytest.raises(HermitePinnError, match="AssertionError"):
        list(compared_cases(trees, "tiny", ["first"], repeats=1))


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="no checkout"):
        assembled(tmp_path, tmp_path / "tree")


def test_kernels_have_times_without_errors():
    assert "| jets: ns | 10.0 | 5.0 | 0.50 |" in markdown([], [Pair("jets: ns", 10.0, 5.0)])
