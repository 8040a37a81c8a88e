"""What is released: one version, archives that hold the package and nothing else, and files for other services."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = SETTINGS["project"]
FOLDERS = SETTINGS["tool"]["setuptools"]["package-dir"]
DATA = {".cu", ".cuh", ".cpp", ".html", ".hpp", ".npz", ".typed"}


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """The source archive and the wheel that is made from it."""
    folder = tmp_path_factory.mktemp("dist")
    copied = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no checkout of git, so which files belong to it is not known")
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (copied / name).parent.mkdir(parents=True, exist_ok=True)
            (copied / name).write_bytes((ROOT / name).read_bytes())
    built = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(copied)],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(archives):
    with zipfile.ZipFile(archives[1]) as file:
        return {name for name in file.namelist() if not name.endswith("/")}


def sources():
    """Files of the package in the repository, by their path in a wheel."""
    found = set()
    for package, folder in FOLDERS.items():
        inner = package.replace(".", "/")
        for path in (ROOT / folder).rglob("*"):
            if (
                path.suffix == ".py" or path.suffix in DATA or path.name == "py.typed"
            ) and "__pycache__" not in path.parts:
                found.add(f"{inner}/{path.relative_to(ROOT / folder).as_posix()}")
    return found


@pytest.mark.slow
def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(wheel):
    inside = {name for name in wheel if ".dist-info/" not in name}
    assert inside == sources()
    assert {PurePosixPath(name).suffix for name in inside} >= {".cuh", ".cu", ".cpp", ".hpp", ".npz"}
    assert "hermite_pinn/py.typed" in inside


@pytest.mark.slow
def test_the_wheel_has_the_command_and_the_licence(archives, wheel):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)
    with zipfile.ZipFile(archives[1]) as file:
        entry = next(name for name in wheel if name.endswith("entry_points.txt"))
        assert "hermite-pinn = hermite_pinn.cli:main" in file.read(entry).decode()
        data = file.read(next(name for name in wheel if name.endswith("METADATA"))).decode()
    assert f"\nVersion: {PROJECT['version']}\n" in data


@pytest.mark.slow
def test_the_source_archive_holds_no_tests_and_no_pictures(archives):
    """The wheel is built from it, so that whatever the wheel needs is in there."""
    with tarfile.open(archives[0]) as file:
        top = {PurePosixPath(name).parts[1] for name in file.getnames() if len(PurePosixPath(name).parts) > 1}
    assert top == {
        *FOLDERS.values(),
        "hermite_pinn.egg-info",
        "pyproject.toml",
        "setup.cfg",
        "README.md",
        "LICENSE",
        "PKG-INFO",
    }


def test_there_is_one_version():
    """That of ``pyproject.toml``; the citation, the recipe and the newest release of the changelog repeat it."""
    version = PROJECT["version"]
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1) == version
    assert re.search(r'set version = "(.*)"', (ROOT / "recipe" / "meta.yaml").read_text()).group(1) == version
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(h.strip("[]") for h in headings if h.strip("[]").lower() != "unreleased") == version
    released = re.search(r"^date-released: (.*)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1)
    assert f"## {version} ({released})" in (ROOT / "CHANGELOG.md").read_text()


def test_the_recipe_asks_for_what_the_package_needs():
    """The names of conda differ for two."""
    text = (ROOT / "recipe" / "meta.yaml").read_text().partition("  run:\n")[2].partition("\ntest:")[0]
    asked = {line.split("#")[0].strip(" -").replace(" ", "") for line in text.splitlines()}
    other = {"matplotlib": "matplotlib-base", "torch": "pytorch"}
    for requirement in [*PROJECT["dependencies"], f"python{PROJECT['requires-python']}"]:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", requirement).groups()
        assert f"{other.get(name, name)}{bound}" in asked, requirement


def test_workflows_run_targets_that_exist_on_versions_that_are_supported():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = {path.name: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
    assert set(texts) >= {"tests.yml", "release.yml"}
    for name, text in texts.items():
        for target in re.findall(r"run: make ([\w-]+)", text):
            assert target in targets, (name, target)
    told = set(re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"])))
    assert set(re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", texts["tests.yml"]).group(1))) == told
