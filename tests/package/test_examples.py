"""The scripts of the documentation run and give what they promise."""

import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "options", "bound", "files"),
    [
        ("helmholtz", {"tol": 1e-3}, 1e-3, {"helmholtz.h5", "helmholtz.vti", "helmholtz.png"}),
        ("reaction", {"tol": 1e-4}, 1e-4, {"reaction.vti", "reaction.png"}),
        ("rotating_heat", {"levels": 2}, 1.0, {"rotating_heat.pvd", "rotating_heat", "rotating_heat.png"}),
        ("natural_convection", {"tol": 1e-2}, 5e-3, {"natural_convection.png"}),
        ("coefficient_field", {"count": 200, "levels": 2}, 0.1, {"coefficient_field.png"}),
        ("paper_recipe", {"steps": 3}, 1e9, set()),
    ],
)
def test_examples_run(name, options, bound, files, tmp_path):
    assert 0 < load(name).main(tmp_path, **options) <= bound
    assert files <= {f.name for f in tmp_path.iterdir()}


def test_every_example_is_tested():
    assert {f.stem for f in FOLDER.glob("*.py")} == {
        "helmholtz", "reaction", "rotating_heat", "natural_convection", "coefficient_field", "paper_recipe",
    }  # fmt: skip
