"""Who imports whom: the contract of ``.importlinter``, on the package as it is installed."""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import hermite_pinn as hp

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The package in one folder, put together as ``pyproject.toml`` says."""
    folder = tmp_path_factory.mktemp("tree")
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-dir"]
    for package, source in folders.items():
        shutil.copytree(
            ROOT / source,
            folder / package.replace(".", "/"),
            ignore=shutil.ignore_patterns("__pycache__"),
            dirs_exist_ok=True,
        )
    return folder


def lint(tree):
    """Run import-linter on a tree; what it says, and whether the contracts are kept."""
    command = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    run = subprocess.run(
        [sys.executable, "-c", command, "--no-cache", str(ROOT / ".importlinter")],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    return run.returncode == 0, run.stdout + run.stderr


def test_a_room_imports_only_from_those_below_it(tree):
    kept, report = lint(tree)
    assert kept, report[report.find("Contracts") :]


@pytest.mark.parametrize(
    "line",
    [
        "from hermite_pinn.verbs.solve import solve",
        "def late() -> None:\n    from hermite_pinn.methods import base",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hermite_pinn.problem.problem import Problem",
    ],
    ids=["module", "function", "types"],
)
def test_an_import_from_above_is_seen_wherever_it_stands(tree, tmp_path, line):
    changed = shutil.copytree(tree, tmp_path / "changed")
    with (changed / "hermite_pinn/geometry/quadrature.py").open("a") as file:
        file.write(f"\n{line}\n")
    kept, report = lint(changed)
    assert not kept
    assert "hermite_pinn.geometry is not allowed to import" in report


def test_no_module_imports_itself_by_way_of_others(tree):
    """The linter compares siblings; this one sees ``__init__`` files that import what imports them as well."""
    script = (
        "import grimp\n"
        "graph = grimp.build_graph('hermite_pinn', cache_dir=None)\n"
        "for module in sorted(graph.modules):\n"
        "    print(module, *graph.find_modules_directly_imported_by(module))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    edges = {line.split()[0]: line.split()[1:] for line in run.stdout.splitlines()}
    assert len(edges) > 100
    TopologicalSorter(edges).prepare()  # raises CycleError, which names the circle


def test_the_command_line_starts_without_libraries_that_only_some_commands_need():
    code = """
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("meshio", "trimesh", "igl", "skimage", "imageio", "matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
from typer.testing import CliRunner
from hermite_pinn.cli import app
for words in (["--help"], ["sdf", "--help"], ["radiance", "fit", "--help"], ["list"]):
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, (words, found.output, found.exception)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


HEAVY = {"scipy", "matplotlib", "rich", "typer", "h5py", "skimage", "meshio", "PIL", "trimesh", "pandas", "xarray"}


def loaded_by(statement):
    """Modules that a statement loads beyond those of PyTorch, in a fresh process."""
    code = f"import sys, torch; before = set(sys.modules); {statement}; print(*(set(sys.modules) - before))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_the_package_loads_no_library_and_no_room_before_it_is_asked_for():
    loaded = loaded_by("import hermite_pinn")
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert {name for name in loaded if name.startswith("hermite_pinn")} == {"hermite_pinn", "hermite_pinn.waiting"}


def test_the_help_of_the_command_line_loads_neither_geometry_nor_methods():
    loaded = loaded_by("import hermite_pinn.cli")
    assert not (HEAVY - {"rich", "typer"}) & {name.partition(".")[0] for name in loaded}
    rooms = ("geometry", "methods", "problems", "validation", "result", "residuals", "workloads")
    assert not {name for name in loaded if name.startswith(tuple(f"hermite_pinn.{room}" for room in rooms))}


def test_every_public_name_is_loaded_from_where_types_see_it():
    """The imports for types and the table of homes say the same, and no name is that of a module beside it."""
    file = ROOT / "hermite_pinn" / "__init__.py"
    typed = {
        alias.name: node.module
        for block in ast.parse(file.read_text()).body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == hp._HOME
    assert set(typed) == set(hp.__all__) <= set(dir(hp))
    beside = {path.stem for path in file.parent.iterdir()}
    assert not beside & set(hp.__all__), "importing such a module would put it in the place of the name"
