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


@pytest.mark.slow_but("helmholtz", "reaction", "rotating_heat", "radiance")
@pytest.mark.parametrize(
    ("name", "options", "bounds", "files"),
    [
        ("helmholtz", {"tol": 1e-3}, (0, 1e-3), {"helmholtz.h5", "helmholtz.vti", "helmholtz.png"}),
        ("reaction", {"tol": 1e-4}, (0, 1e-4), {"reaction.vti", "reaction.png"}),
        ("rotating_heat", {"levels": 2}, (0, 1.0), {"rotating_heat.pvd", "rotating_heat", "rotating_heat.png"}),
        ("natural_convection", {"tol": 1e-2}, (0, 5e-3), {"natural_convection.png"}),
        ("coefficient_field", {"count": 200, "levels": 2}, (0, 0.1), {"coefficient_field.png"}),
        ("radiance", {"size": 12, "steps": 5}, (5, 60), {"radiance.h5", "radiance.vti"}),
        ("paper_recipe", {"steps": 3}, (1e4, 1e11), set()),
    ],
)
def test_examples_run(name, options, bounds, files, tmp_path):
    lower, upper = bounds
    assert lower < load(name).main(tmp_path, **options) <= upper
    assert files <= {f.name for f in tmp_path.iterdir()}


def test_every_example_is_tested():
    assert {f.stem for f in FOLDER.glob("*.py")} == {
        "helmholtz", "reaction", "rotating_heat", "natural_convection", "coefficient_field", "paper_recipe", "radiance",
    }  # fmt: skip
