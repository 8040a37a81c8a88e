"""A bounded part of `make torture`: what is attacked stays whole, alive and honest."""

import pytest

from hermite_pinn.validation.torture.__main__ import main
from hermite_pinn.validation.torture.attacks import ATTACKS


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_fault_is_found(attack, capsys):
    """A seeded selection of each class; the report names the command that repeats what fails."""
    assert main(["--class", attack, "--quick", "--jobs", "1", "--patience", "4"]) == 0, capsys.readouterr().out
