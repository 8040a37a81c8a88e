"""Entries of files are taken by their type; every other is refused with what was found and what was expected."""

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.schema import Entry, Saved, intact

VALUES = [None, True, 3, -1, 0.5, math.nan, math.inf, 10**400, "a", [], [1], {}, {"a": 1}, torch.zeros(2)]


def accepted(take):
    """Which of some values a method takes."""
    taken, messages = [], []
    for value in VALUES:
        try:
            take(Entry(value, "u.h5", "here"))
            taken.append(repr(value))
        except hp.CorruptFileError as error:
            messages.append(str(error))
    assert all(m.startswith("u.h5 is damaged: ") and "here" in m and len(m) < 300 for m in messages)
    return taken


@pytest.mark.parametrize(
    ("take", "kinds"),
    [
        (lambda e: e.number(), ["3", "-1", "0.5"]),
        (lambda e: e.number(0.0), ["3", "0.5"]),
        (lambda e: e.number(finite=False), ["3", "-1", "0.5", "nan", "inf"]),
        (lambda e: e.integer(), ["3", "-1"]),
        (lambda e: e.integer(0, 2), []),
        (lambda e: e.flag(), ["True"]),
        (lambda e: e.text(), ["'a'"]),
        (lambda e: e.text(("b",)), []),
        (lambda e: e.items(), ["[]", "[1]"]),
        (lambda e: e.items(1), ["[1]"]),
        (lambda e: e.items(least=2), []),
        (lambda e: e.entries(), ["{}", "{'a': 1}"]),
        (lambda e: e.at("a"), ["{'a': 1}"]),
        (lambda e: e.named_numbers(["a"]), ["{'a': 1}"]),
        (lambda e: e.named_numbers(), ["{}", "{'a': 1}"]),
        (lambda e: e.tensor((2,), (torch.float32,)), ["tensor([0., 0.])"]),
        (lambda e: e.tensor((None,), (torch.float32,), 0.0), ["tensor([0., 0.])"]),
        (lambda e: e.tensor((2,)), []),
        (lambda e: e.tensor((2, None), (torch.float32,)), []),
        (lambda e: e.tensor((2,), (torch.float32,), 1.0), []),
    ],
)
def test_what_is_taken(take, kinds):
    assert accepted(take) == kinds


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_tensors_are_finite(bad):
    values = torch.full((100,), 1e308, dtype=torch.float64)
    assert Entry(values, "u.h5").tensor((100,)) is values  # their sum is not finite
    values[7] = bad
    with pytest.raises(hp.CorruptFileError, match=r"1 of the 100 numbers of a/b are NaN or infinite"):
        Entry(values, "u.h5", "a/b").tensor((100,))


def test_tensors_without_numbers_are_looked_at_by_their_shape():
    empty = torch.empty(3, device="meta")
    assert Entry(empty, "u.h5").tensor((3,), (torch.float32,)) is empty
    with pytest.raises(
        hp.CorruptFileError, match=r"float32 numbers of shape \(3,\); expected float64 numbers of shape \(4\)"
    ):
        Entry(empty, "u.h5").tensor((4,))


def test_messages_name_the_file_and_the_place():
    whole = Entry.of(Saved({"a": {"b": [1, "x"]}}, "run.h5"), "another name")
    with pytest.raises(
        hp.CorruptFileError, match=r"^run.h5 is damaged: a/b/1 is 'x'; expected an integer from 0 to 5$"
    ):
        whole.at("a").at("b").items(2)[1].integer(0, 5)
    with pytest.raises(hp.CorruptFileError, match=r"^run.h5 is damaged: it has no entry a/c$"):
        whole.at("a").at("c")
    assert whole.at("a").get("c") is None


def test_what_goes_wrong_in_the_package_passes_and_the_rest_is_damage():
    with pytest.raises(hp.CorruptFileError, match=r"u\.h5 is damaged: KeyError"), intact("u.h5"):
        {}["a"]
    with pytest.raises(hp.DivergedError), intact("u.h5"):
        raise hp.DivergedError("x")
    with pytest.raises(KeyboardInterrupt), intact("u.h5"):
        raise KeyboardInterrupt
