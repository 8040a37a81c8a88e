"""A bounded part of `make torture`: what is attacked stays whole, alive and honest."""

import pytest

from hermite_pinn.validation.torture.__main__ import main
from hermite_pinn.validation.torture.attacks import ATTACKS

#: What fast tests attack too: tests/package/test_command_lines.py, tests/run/test_output.py, test_surroundings.py and
#: test_altered_files.py.
ELSEWHERE = {"command_lines", "disks", "environments", "altered_files"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack", [pytest.param(a, marks=[pytest.mark.slow] if a in ELSEWHERE else []) for a in ATTACKS]
)
def test_no_fault_is_found(attack, capsys):
    """A seeded selection of each class; the report names the command that repeats what fails."""
    assert main(["--class", attack, "--quick", "--jobs", "1", "--patience", "4"]) == 0, capsys.readouterr().out
