"""The pages: every code block runs, and pictures, headings and links are whole."""

import doctest
import re
import urllib.parse
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pages
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.validation.references import centre_line_error

SLOW = {
    "antialiasing", "images", "method/checkpoints", "poses", "problems", "radiance", "results", "starts", "surfaces", "tutorials/compression",
    "tutorials/distance", "tutorials/encoder", "tutorials/inverse", "tutorials/part", "tutorials/scene", "tutorials/system", "vqad",
}  # fmt: skip
# What takes minutes is done with smaller numbers, and what a reader has at hand is made.
SQUARE = "solution, y = hp.solve(hp.problems.poisson2d(), levels=3), 0.5"
CHANGED = {
    "antialiasing": {"max_time=240": "steps=10", "render_synthetic(100)": "render_synthetic(24)"},
    "encoders": {'method="adam"': "method=hp.Adam(steps=20)", "hp.Adam(steps=20)": "hp.Adam(steps=5)"},
    "images": {"gradients=(gx, gy), border": "gradients=(gx[:, 1:], gy[1:]), border", "steps=2000": "steps=20"},
    "method/checkpoints": {
        "steps=2000": "steps=20",
        "Adam(steps=200)": "Adam(steps=20)",
        "hp.LBFGS()": "hp.LBFGS(steps=5)",
    },
    "poses": {"steps=500": "steps=20"},
    "problems": {"solution.integrate(lambda u, x": f"{SQUARE}; solution.integrate(lambda u, x"},
    "radiance": {"steps=600": "steps=200"},
    "scenes": {"render_synthetic(100": "render_synthetic(24"},
    "surfaces": {"resolution=128": "resolution=24"},
    "vqad": {"bits=6": "bits=6, steps=5"},
}


def package():
    return {"hp": hp, "problems": hp.problems}


def posed():
    return package() | {"problem": hp.problems.poisson2d()}


def solved():
    return posed() | {"solution": hp.solve(hp.problems.poisson2d(), levels=3, progress=False)}


def measured():
    side = np.linspace(0, 1, 16)
    return package() | {
        "gx": np.ones((16, 16)),
        "gy": np.ones((16, 16)),
        "l": np.zeros((16, 16)),
        "frame": side + side[:, None],
    }


def ball():
    hp.sdf.extract(hp.sdf.FunctionField(sphere, (-1, -1, -1), (1, 1, 1)), resolution=12).save("bunny.obj")
    return package() | {"shape": hp.sdf.fit("bunny.obj", levels=3, progress=False)}


def sphere(x, y, z):
    return hp.sqrt(x**2 + y**2 + z**2) - 0.6


def scene():
    seen = hp.radiance.Scene.render_synthetic(16, train=8, test=2)
    Path("out").mkdir()
    hp.radiance.fit(seen, steps=5, progress=False).save("out/synthetic.h5")
    return package() | {"camera": seen.test[0].camera}


# What a page takes for granted.
GIVEN = {
    "breaks": package,
    "compression": solved,
    "images": measured,
    "method/checkpoints": posed,
    "problems": package,
    "results": lambda: package() | {"centre_line_error": centre_line_error},
    "surfaces": ball,
    "tutorials/gpu": posed,
    "vqad": scene,
}

WITH_CODE = [p for p in pages.every_page() if any(b.language in pages.CODE for b in pages.blocks_of(p))]


def run(block, names):
    """Run a block as it would be typed, with the names that the blocks before it left."""
    if re.match(r"\s*>>> ", block.text):
        example = doctest.DocTestParser().get_doctest(block.text, names, block.place, str(block.page), block.line)
        result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, clear_globs=False)
        assert result.attempted > 0
        assert result.failed == 0, block.place
        names.update(example.globs)
        return
    code = block.padded
    for whole, small in CHANGED.get(pages.name_of(block.page), {}).items():
        code = code.replace(whole, small)
    if not torch.cuda.is_available():
        code = code.replace('device="cuda"', 'device="cpu"')
    exec(compile(code, str(block.page), "exec"), names)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, id=pages.name_of(p), marks=pytest.mark.slow if pages.name_of(p) in SLOW else ())
        for p in WITH_CODE
    ],
)
def test_blocks_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch):
    plt.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    name = pages.name_of(page)
    names = GIVEN.get(name, dict)() | {"__name__": name}
    for block in pages.blocks_of(page):
        if block.language not in pages.CODE:
            continue
        if block.excuse:
            compile(block.padded, str(page), "exec")
        else:
            run(block, names)
    plt.close("all")


def test_what_is_changed_stands_in_the_pages():
    for name, changes in CHANGED.items():
        text = "".join(b.text for b in pages.blocks_of(pages.DOCS / f"{name}.md") if b.language in pages.CODE)
        assert any(before in text for before in changes), name
    assert SLOW | set(CHANGED) | set(GIVEN) <= {pages.name_of(p) for p in WITH_CODE}


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_blocks_have_a_language_that_is_run_or_an_excuse(page):
    """Words between fences without a language are no code; directives of the generator are its own."""
    for block in pages.blocks_of(page):
        directive = re.match(r" *`{3,}\{", page.read_text().splitlines()[block.line - 1])
        known = block.language in pages.CODE | pages.WORDS | {"text"}
        assert known or directive or block.excuse, f"{block.place}: who runs {block.language!r}?"


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_headings_begin_with_one_title_and_do_not_jump(page):
    levels = [level for level, _ in pages.headings_of(page)]
    if levels:
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def targets(page):
    """Links of a page that stay here: line, text, file, fragment."""
    base = pages.ROOT if page.parent == pages.ROOT else page.parent
    for line, text, target, picture in pages.links_of(page):
        if not re.match(r"[a-z]+:", target):
            path, _, fragment = urllib.parse.unquote(target).partition("#")
            yield line, text, (base / path).resolve() if path else page, fragment, picture


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_links_lead_to_files_and_headings_that_exist(page):
    for line, text, file, fragment, _ in targets(page):
        assert file.exists(), f"{page.name}:{line}: {text}"
        assert file.is_relative_to(pages.ROOT), f"{page.name}:{line}: {text}"
        if fragment:
            assert fragment in pages.fragments_of(file), f"{page.name}:{line}: {text} #{fragment}"


@pytest.mark.parametrize("page", pages.every_page(), ids=pages.name_of)
def test_pictures_say_what_they_show(page):
    for line, text, file, _, picture in targets(page):
        if picture:
            assert len(text) > 10, f"{page.name}:{line}: {file.name}"


def test_every_picture_of_the_documents_is_shown():
    shown = {file for page in pages.every_page() for _, _, file, _, _ in targets(page)}
    kept = {path for path in pages.DOCS.rglob("*.png") if "_build" not in path.parts}
    assert sorted(path.relative_to(pages.DOCS).as_posix() for path in kept - shown) == []
