"""Paths of parameters: groups, vectors and the names of earlier files."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.earlier import modern_description, modern_path
from hermite_pinn.field.encoders import ENCODERS
from hermite_pinn.field.heads import HEADS
from hermite_pinn.field.tree import branch, flatten, joined, restore, rooted, within

NAMES = st.text("abcxyz", min_size=1, max_size=3)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: joined(*parts))
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@given(st.dictionaries(PATHS, SHAPES, min_size=1, max_size=5))
def test_a_tree_comes_back_from_its_vector(shapes):
    tree = {path: torch.randn(shape) for path, shape in shapes.items()}
    vector = flatten(tree)
    again = restore(vector, tree)
    assert list(again) == list(tree)
    assert all(torch.equal(again[path], leaf) for path, leaf in tree.items())
    assert len(vector) == sum(leaf.numel() for leaf in tree.values())
    for leaf in again.values():
        leaf.zero_()
    assert not vector.any(), "leaves are views of the vector"


@given(st.dictionaries(PATHS, st.integers(), max_size=5), st.dictionaries(PATHS, st.integers(), max_size=5))
def test_groups_come_apart_as_they_were_put_together(one, other):
    whole = rooted(one, "encoder") | rooted(other, "encoders")
    assert branch(whole, "encoder") == one
    assert branch(whole, "encoders") == other
    assert sum(within(path, "encoder") for path in whole) == len(one)


@given(st.integers(0, 99))
def test_names_of_earlier_files_have_one_path_each(layer):
    names = ["table", "gate", f"weight{layer}", f"bias{layer}"]
    paths = [modern_path(name) for name in names]
    assert len(set(paths)) == len(names)
    assert paths[2:4] == [f"head/layers/{layer}/weight", f"head/layers/{layer}/bias"]
    assert [modern_path(path) for path in paths] == paths, "paths of now stay"


def test_descriptions_of_now_stay():
    described = {"axes": ["x"], "names": ["u"], "encoder": {"name": "hermite"}, "head": {"name": "linear"}}
    assert modern_description(described) == described


@pytest.mark.parametrize("registry", [HEADS, ENCODERS], ids=["heads", "encoders"])
def test_an_unknown_name_lists_the_known_ones(registry):
    with pytest.raises(InvalidArgumentError) as error:
        registry["mlp"]
    assert "'mlp'" in str(error.value)
    assert all(name in str(error.value) for name in registry)
    assert all(registry[name].name == name for name in registry)
    assert "mlp" not in registry
