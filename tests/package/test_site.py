"""The site: its pages are reached, its reference is complete, and its questions quote real messages."""

import ast
import re
import runpy
from pathlib import Path

import pytest

import hermite_pinn as hp

DOCS = Path(__file__).parents[2] / "docs"
TUTORIALS = sorted(path.stem for path in (DOCS / "tutorials").glob("*.md") if path.stem != "index")


def listed(page):
    """Pages named by the tables of contents of a page."""
    found = []
    for block in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(), re.S):
        found += [line for line in block.split("\n") if line and not line.startswith(":")]
    return [(page.parent / f"{name}.md").resolve() for name in found]


def test_every_document_has_a_place_in_the_navigation():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page.resolve())
        waiting += [other for other in listed(page) if other not in reached]
    assert all(page.is_file() for page in reached), sorted(p for p in reached if not p.is_file())
    left_out = {DOCS / "README.md"}
    every = {p for p in DOCS.rglob("*.md") if "generated" not in p.parts} - left_out
    assert every == reached


def test_every_tutorial_is_listed():
    assert sorted(page.stem for page in listed(DOCS / "tutorials" / "index.md")) == TUTORIALS


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials_have_a_picture_a_check_and_a_way_on(name):
    text = (DOCS / "tutorials" / f"{name}.md").read_text()
    drawn = re.findall(r':mystnb: \{"image": \{"alt": "(.+?)"\}\}|!\[(.+?)\]\(', text)
    assert drawn
    assert all(len(a or b) > 20 for a, b in drawn)
    assert "assert " in text
    assert text.rstrip().rpartition("\n## ")[2].startswith("Where to go next\n")


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "api" / "index.md").read_text()
    named = set(re.findall(r"^   (\w+)$", text, re.M))
    functions = {n for n in hp.__all__ if not isinstance(getattr(hp, n), type) and n not in named}
    elementary = {n for n in functions if n in text}
    assert set(hp.__all__) - named - elementary == set()


@pytest.mark.parametrize("room", ["sdf", "images", "radiance", "compression"])
def test_every_public_name_of_a_workload_is_in_the_reference(room):
    named = set(re.findall(rf"^   workloads\.{room}\.(\w+)$", (DOCS / "api" / "index.md").read_text(), re.M))
    assert named == set(getattr(hp, room).__all__)


def literals():
    """Every text of the package, with strings that stand next to each other joined and values of f-strings left out."""
    root, texts = Path(hp.__file__).parent, []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_messages_that_the_questions_quote_are_messages_of_the_package():
    quoted = re.findall(r"^> (.*)$", (DOCS / "faq.md").read_text(), re.M)
    texts = literals()
    assert len(quoted) > 10
    assert [message for message in quoted if message not in texts] == []


def test_the_site_keeps_numbers_in_one_piece_and_marks_cells_by_their_length():
    pytest.importorskip("sphinx")
    from docutils import nodes
    from docutils.utils import new_document

    settings = runpy.run_path(str(DOCS / "conf.py"))
    tree = new_document("page")
    long, short = (nodes.entry("", nodes.paragraph(text, text)) for text in ("an error of 1.5e-06 or " * 3, "2e-7"))
    code = nodes.paragraph("", "", nodes.literal("", "tol=1e-9"))
    tree += [long, short, code]
    before = tree.astext()
    settings["keep_together"](None, tree, "page")
    assert tree.astext() == before
    assert [n.astext() for n in tree.findall(nodes.inline)] == ["1.5e-06"] * 3 + ["2e-7"]
    assert (long["classes"], short["classes"]) == (["sentence"], ["short"])
