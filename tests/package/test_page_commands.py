"""Command lines that the pages show: their programs, options, suites, problems, extras and targets exist."""

import argparse
import importlib.util
import inspect
import re
import runpy
import shlex
import sys
import tomllib

import pages
import pytest
import typer

from hermite_pinn.cli import app, validate
from hermite_pinn.problems import PROBLEMS

PROJECT = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())
MAKEFILE = (pages.ROOT / "Makefile").read_text()
INLINE = r"`((?:hermite-pinn|python -m hermite_pinn|make|pip install|torchrun) [^`]+)`"


class ParsedError(Exception):
    """A program has read its options, and does nothing with them."""


def hermite_pinn(words, monkeypatch):
    """As Typer reads it: the command, its options and their values."""
    command, name = typer.main.get_command(app), "hermite-pinn"
    context = command.make_context(name, list(words), resilient_parsing=True)
    while hasattr(command, "commands") and words:
        name, *words = words
        assert name in command.commands, name
        command = command.commands[name]
        if not hasattr(command, "commands"):
            context = command.make_context(name, list(words), parent=context)
    values = context.params
    if name == "validate":
        known = re.findall(r"[a-z]+", inspect.signature(validate).parameters["suite"].annotation)
        assert values["suite"] in known, f"no suite {values['suite']}"
    if name == "solve":
        accepted = inspect.signature(PROBLEMS[values["name"]]).parameters
        assert {pair.split("=")[0] for pair in values["settings"] or ()} <= set(accepted)


def module(words, monkeypatch):
    """``python -m hermite_pinn...``, as its ``argparse`` reads it."""
    (flag, name), rest = words[:2], words[2:]
    assert flag == "-m"
    read = argparse.ArgumentParser.parse_args

    def parse(parser, arguments=None, namespace=None):
        read(parser, arguments, namespace)
        raise ParsedError

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", [name, *rest])
    run = name if importlib.util.find_spec(name).submodule_search_locations is None else f"{name}.__main__"
    monkeypatch.delitem(sys.modules, run, raising=False)  # loaded by another test, which runpy would warn of
    with pytest.raises(ParsedError):
        runpy.run_module(name, run_name="__main__", alter_sys=True)


def make(words, monkeypatch):
    """Targets, and variables that the file reads."""
    for word in words:
        name = word.partition("=")[0]
        known = rf"^{name} \?=|\$\({name}\)" if "=" in word else rf"^{re.escape(name)}:"
        assert re.search(known, MAKEFILE, re.MULTILINE), word


def pip(words, monkeypatch):
    """Extras of this package."""
    for asked in re.findall(r"(?:\.|hermite_pinn)\[([\w,]+)\]", " ".join(words)):
        assert set(asked.split(",")) <= set(PROJECT["project"]["optional-dependencies"]), asked


def pytest_words(words, monkeypatch):
    """Files and marks."""
    marks = [m.split(":")[0] for m in PROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m":
            assert word in marks
        elif "/" in word:
            assert (pages.ROOT / word).exists(), word


def torchrun(words, monkeypatch):
    """As PyTorch reads it."""
    from torch.distributed.run import get_args_parser

    get_args_parser().parse_args(words)


def nothing(words, monkeypatch):
    """Programs of the system."""


PROGRAMS = {
    "hermite-pinn": hermite_pinn,
    "python": module,
    "make": make,
    "pip": pip,
    "pytest": pytest_words,
    "torchrun": torchrun,
    "git": nothing,
    "cd": nothing,
    "pre-commit": nothing,
}


def command_lines(page):
    """Line, words and whether they are whole, of every command in blocks of a console and between backticks."""
    for block in pages.blocks_of(page):
        if block.language in pages.WORDS and not block.excuse:
            joined = block.text.replace("\\\n", " ")
            for number, line in enumerate(joined.splitlines(), block.line + 1):
                yield number, line.removeprefix("$ "), True
    text = pages.prose_of(page)
    for match in re.finditer(INLINE, text):
        yield text.count("\n", 0, match.start()) + 1, match[1].replace("\n", " "), False


def parts(line):
    """The words of each command of a line, without comments and settings of the environment."""
    words = shlex.split(line.replace("\\|", "|"), comments=True)
    part = []
    for word in [*words, "&&"]:
        if word in ("&&", "|", ";"):
            yield part
            part = []
        elif part or not re.match(r"[A-Z_]+=", word):
            part.append(word)


@pytest.mark.parametrize(
    "page", [p for p in pages.every_page() if any(True for _ in command_lines(p))], ids=pages.name_of
)
def test_commands_are_understood(page, monkeypatch):
    for number, line, whole in command_lines(page):
        for words in parts(line):
            if words and not re.search(r" \.\.\.|…", line):
                program = words[0].split("/")[-1]
                assert program in PROGRAMS, f"{page.name}:{number}: who reads {line!r}?"
                try:
                    with monkeypatch.context() as patch:
                        PROGRAMS[program](words[1:], patch)
                except (Exception, SystemExit) as error:
                    if not whole and type(error).__name__ in (
                        "BadOptionUsage",
                        "MissingParameter",
                    ):  # prose names a command by its beginning
                        continue
                    raise AssertionError(f"{page.name}:{number}: {line}: {error!r}") from error
