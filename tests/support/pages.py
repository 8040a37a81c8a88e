"""Pages of the documentation: their code blocks, headings, pictures and links, as Markdown has them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)(`{3,})\{?([\w-]*)\}?[^\n]*\n(.*?)^\1\2`*[ \t]*$", re.DOTALL | re.MULTILINE)
EXCUSE = re.compile(r"<!-- not run: (.+?) -->\s*\Z", re.DOTALL)
CODE, WORDS = {"python", "code-cell"}, {"console", "bash"}


@dataclass(frozen=True)
class Block:
    """A block between fences: where it begins, its language, its text, and why it is not run (empty: it is)."""

    page: Path
    line: int
    language: str
    text: str
    excuse: str

    @property
    def place(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def padded(self):
        """The text on the lines where the page has it, so that a traceback names them."""
        return "\n" * self.line + self.text


def every_page():
    """Pages that people write: of the site, of the repository's root, and no generated ones."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
    return found + sorted(p for p in DOCS.rglob("*.md") if "generated" not in p.parts)


def name_of(page):
    """Its path from the root, without ``docs/`` and suffix."""
    return page.relative_to(DOCS if page.is_relative_to(DOCS) else ROOT).with_suffix("").as_posix()


def blocks_of(page):
    """All blocks between fences, directives of the generator too."""
    text, found = page.read_text(), []
    for match in FENCE.finditer(text):
        indent, _, language, inner = match.groups()
        excuse = EXCUSE.search(text[: match.start()])
        lines = [line.removeprefix(indent) for line in inner.splitlines()]
        while language == "code-cell" and lines and re.match(r":[\w-]+:", lines[0]):
            lines.pop(0)
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, language, "\n".join(lines), excuse[1] if excuse else ""))
    return found


def prose_of(page):
    """The text without blocks between fences and without comments, on the same lines."""

    def emptied(match):
        return "\n" * match[0].count("\n")

    return re.sub(r"<!--.*?-->", emptied, FENCE.sub(emptied, page.read_text()), flags=re.DOTALL)


def headings_of(page):
    """Level and text of every heading."""
    return [(len(marks), text.strip()) for marks, text in re.findall(r"^(#+) (.+)$", prose_of(page), re.MULTILINE)]


def fragments_of(page):
    """What may stand after ``#`` in a link to the page: slugs of headings as on GitHub, and named places."""
    counted, found = {}, set()
    for _, text in headings_of(page):
        shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
        slug = re.sub(r"[^\w\- ]", "", shown.lower().replace("`", "")).replace(" ", "-")
        counted[slug] = counted.get(slug, -1) + 1
        found.add(f"{slug}-{counted[slug]}" if counted[slug] else slug)
    return found | set(re.findall(r"^\(([\w-]+)\)=$", page.read_text(), re.MULTILINE))


def links_of(page):
    """Line, text, target and whether it is a picture, of every link of the form ``[text](target)``."""
    text = prose_of(page)
    bare = re.sub(r"(`+)[^`].*?\1", lambda m: re.sub(r"[^\n]", "x", m[0]), text, flags=re.DOTALL)
    for match in re.finditer(r"(!?)\[([^\]]*)\]\(<?([^()\s>]+)>?(?: \"[^\"]*\")?\)", bare):
        yield text.count("\n", 0, match.start()) + 1, text[slice(*match.span(2))], match[3], bool(match[1])
