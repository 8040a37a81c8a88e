"""A file with one entry altered, the checksum made right again, is refused or gives finite answers: nothing else."""

import altered_files
import pytest


def held(pairs):
    """Every file was used as it is, or refused by an error of the package; nothing died or waited."""
    outcomes = [outcome.partition(" ")[0] for _, outcome in pairs]
    wrong = [
        pair for pair, outcome in zip(pairs, outcomes, strict=True) if outcome not in ("fine", "refused", "package")
    ]
    assert not wrong
    assert [outcome for (what, outcome) in pairs if what.endswith("the good file")] == ["fine"] * len(NAMES)
    assert outcomes.count("refused") > len(pairs) // 4


NAMES = list(altered_files.subjects())


@pytest.mark.slow
def test_an_altered_file_is_refused_or_gives_finite_answers():
    held(altered_files.run(NAMES, seed=0, count=5, seconds=60.0))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_many_altered_files_are_refused_or_give_finite_answers(seed):
    held(altered_files.run(NAMES, seed=seed, count=100, seconds=60.0))
