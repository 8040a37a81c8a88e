"""The attack itself: cases can be repeated, and every way to fail is noticed."""

import faulthandler
import os
import signal
import time

import pytest

import hermite_pinn as hp
from hermite_pinn.validation.torture import worker
from hermite_pinn.validation.torture.__main__ import SEED, chosen_cases, main
from hermite_pinn.validation.torture.attacks import ATTACKS, cases_of
from hermite_pinn.validation.torture.case import Case, Fault, Kind, Skipped, Verdict
from hermite_pinn.validation.torture.program import Child
from hermite_pinn.validation.torture.report import faults_text, table, write_figures
from hermite_pinn.validation.torture.runner import _Patience

#: Cases of each class at least, of the attack that found the faults this one is for.
COUNTS = {"altered_files": 1706, "kills": 117, "disks": 190, "calls": 395, "command_lines": 108}


@pytest.mark.parametrize("attack", ATTACKS)
def test_cases_have_names_of_their_own_and_are_many(attack):
    cases = cases_of(attack, SEED)
    assert len({c.name for c in cases}) == len(cases) >= COUNTS.get(attack, 40)
    assert [c.name for c in cases_of(attack, SEED + 1)][:100] == [c.name for c in cases][:100] or attack == "calls"


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_quick_selection_is_the_same_every_time(attack):
    names = [[c.name for c in chosen_cases([attack], SEED, None, True, None)] for _ in range(2)]
    assert names[0] == names[1]
    assert 0 < len(names[0]) <= ATTACKS[attack]


def judged(action, tmp_path, **more):
    (tmp_path / "shared").mkdir(exist_ok=True)
    return worker.judged(Case("calls", "a case", 1, action, **more), tmp_path / "shared")


def raises(error):
    def action(bench):
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (lambda bench: None, Kind.OK),
        (raises(hp.InvalidArgumentError("levels must be at least 1")), Kind.REFUSED),
        (raises(hp.InvalidArgumentError()), Kind.RAW),
        (raises(FileNotFoundError("there is no file u.h5")), Kind.REFUSED),
        (lambda bench: os.stat("/no/such/file"), Kind.RAW),
        (raises(TypeError("int() argument")), Kind.RAW),
        (raises(KeyboardInterrupt()), Kind.RAW),
        (raises(MemoryError()), Kind.MEMORY),
        (raises(Fault(Kind.LOSS, "gone")), Kind.LOSS),
        (raises(Skipped("no root")), Kind.SKIPPED),
    ],
)  # fmt: skip
def test_what_a_case_raises_decides(action, kind, tmp_path):
    assert judged(action, tmp_path).kind is kind


def test_what_must_be_refused_and_is_not_is_a_fault(tmp_path):
    assert judged(lambda bench: None, tmp_path, refused=True).kind is Kind.ACCEPTED
    assert judged(raises(hp.OutputError("cannot be written")), tmp_path, refused=True).kind is Kind.REFUSED


def test_memory_is_measured(tmp_path):
    earlier = worker._peak()  # of the tests before, where the system does not forget it
    verdict = judged(lambda bench: bytearray(earlier + 2**26), tmp_path, memory=2**24)
    assert verdict.kind is Kind.MEMORY


def test_random_choices_depend_on_name_and_seed_only(tmp_path):
    numbers = []
    for seed in (1, 1, 2):
        case = Case("calls", "a case", seed, lambda bench: numbers.append(bench.random.random()))
        (tmp_path / "shared").mkdir(exist_ok=True)
        worker.judged(case, tmp_path / "shared")
    assert numbers[0] == numbers[1] != numbers[2]


def dies():
    faulthandler.disable()
    os.kill(os.getpid(), signal.SIGBUS)


def test_a_crash_of_a_child_is_a_fault():
    child = Child(dies)
    with pytest.raises(Fault, match="SIGBUS"):
        child.result()
    assert Child(lambda: 3).result() == 3
    with pytest.raises(Fault, match="ZeroDivisionError"):
        Child(lambda: 1 / 0).result()


def test_waiting_counts_as_time_passed():
    patience = _Patience(os.getpid(), 1e9)
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    assert not patience.ended()
    assert patience.passed > 0


def test_a_case_is_repeated_by_its_command(capsys):
    name = "Parameter(init=text)"
    assert main(["--class", "calls", "--case", name, "--seed", "1", "--jobs", "1", "--list"]) == 0
    assert capsys.readouterr().out == f"calls: {name}\n"


def test_figures_replace_those_of_before(tmp_path):
    path = tmp_path / "figures.md"
    ended = [(Case("calls", "a case", 1, print), Verdict(Kind.CRASH, "SIGSEGV"))]
    assert "--case 'a case' --seed 1" in faults_text(ended)
    write_figures(path, "old")
    path.write_text("# Title\n\n" + path.read_text() + "\nThe end.\n")
    write_figures(path, table(ended))
    text = path.read_text()
    assert text.startswith("# Title")
    assert text.endswith("The end.\n")
    assert "old" not in text
    assert "| calls | 1 | 0 | 0 | 0 | 1 |" in text
