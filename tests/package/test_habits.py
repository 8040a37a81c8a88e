"""The files around the code agree with each other and with the code."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/performance/README.md")])
SOURCES = ("hermite_pinn", "cuda", "geometry", "problems", "validation", "tests", "docs")


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def test_hooks_use_the_tested_versions():
    """The versions of ``.pre-commit-config.yaml`` are those of ``constraints.txt``."""
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    hooks = re.findall(r'additional_dependencies: \["([\w-]+)==([\w.]+)"\]', text)
    assert len(hooks) == text.count("- id:")
    for name, version in hooks:
        assert pins()[name] == version, name


def test_every_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pinned = {name.lower().replace("_", "-") for name in pins()}
    for requirement in [*project["dependencies"], *extras["test"], *extras["dev"]]:
        name = re.split(r"[\[<>=]", requirement)[0].lower().replace("_", "-")
        assert name in pinned | {"hermite-pinn"}, name


def test_every_package_is_installed():
    """Setuptools installs the folders that are listed, and no others."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = settings["package-dir"]
    there = set()
    for package, source in folders.items():
        for file in (ROOT / source).rglob("__init__.py"):
            inner = file.parent.relative_to(ROOT / source).parts
            there.add(".".join([package, *inner]))
    assert there == set(settings["packages"])


def test_make_explains_every_target():
    text = (ROOT / "Makefile").read_text()
    told = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)", text, re.MULTILINE).group(1).split()
    for target in phony:
        assert re.search(rf"^  {target} +\w", told, re.MULTILINE), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: str(d.relative_to(ROOT)))
def test_files_named_in_documents_exist(document):
    """Names of source files in code spans and links; a bare name may lie in any folder."""
    there = {p.relative_to(ROOT).as_posix() for source in SOURCES for p in (ROOT / source).rglob("*.*")}
    there |= {p.name for p in ROOT.iterdir()}
    text = document.read_text()
    named = re.findall(r"`([\w./-]+\.(?:py|cuh|cu|hpp|cpp|toml|txt))`", text)
    for name in named:
        assert any(f"/{path}".endswith(f"/{name}") for path in there), name
    for name in re.findall(r"\]\((?!http|#)([^)#]+)\)", text):
        assert (document.parent / name).exists(), name


def test_rooms_of_the_map_are_those_of_the_contract():
    """The table of ``CONTRIBUTING.md`` has every layer of ``.importlinter``, in its order."""
    contract = (ROOT / ".importlinter").read_text().partition("layers =\n")[2].partition("exhaustive")[0]
    layers = re.findall(r"\w+", contract)
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    rooms = [re.sub(r"\.py$|/$", "", name).split("/")[-1] for row in rows for name in re.findall(r"`([\w./]+)`", row)]
    assert sorted(rooms) == sorted(layers)
    level = {room: i for i, line in enumerate(contract.splitlines()) for room in re.findall(r"\w+", line)}
    assert [level[r] for r in rooms] == sorted(level[r] for r in rooms)
