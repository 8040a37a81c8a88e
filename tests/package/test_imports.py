"""Who imports whom: the contract of ``.importlinter``, on the package as it is installed."""

import os
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

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
