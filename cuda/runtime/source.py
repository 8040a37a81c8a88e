"""Self-contained source texts: constants from Python, then the shared headers."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch

from hermite_pinn.errors import BackendUnavailableError

from .failures import MEND

__all__ = ["BLOCK", "REALS", "assembled"]

#: A choice by one of our own constants; they are not nested.
_CONDITIONAL = re.compile(
    r"^#if (HP_[A-Z]+) (==|!=) (\d+)\n(.*?)(?:^#else\n(.*?))?^#endif // \1\n", re.MULTILINE | re.DOTALL
)

BLOCK = 128  # threads per CUDA block

#: How the kernels call a number.
REALS = {torch.float32: "float", torch.float64: "double"}


@lru_cache(maxsize=32)
def _read(name: str) -> str:
    path = Path(__file__).parents[1] / name
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BackendUnavailableError(f"the source of a kernel cannot be read: {error}; {MEND}") from error


def assembled(name: str, constants: Mapping[str, str | int], after_lanes: str = "") -> str:
    """What is compiled: definitions of constants, then the text of a file.

    Our own includes are pasted in, each once, and ``after_lanes`` behind ``lanes.cuh``; system includes stay.  One text
    makes the cache key of a kernel depend on every header it uses.  Of ``#if HP_NAME == number`` (or ``!=``) up to
    ``#endif // HP_NAME`` only what applies is in the text, 0 standing for a constant that is not there: what other
    kernels need does not change it.
    """
    seen: set[str] = set()

    def paste(file: str) -> str:
        seen.add(file)

        def include(match: re.Match[str]) -> str:
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(file), match.group(1)))
            return "" if inner in seen else paste(inner)

        chosen = _resolved(_read(file), constants)
        text = re.sub(r'^#include "([^"]+)"\n', include, chosen.replace("#pragma once\n", ""), flags=re.MULTILINE)
        return text + (after_lanes if file == "runtime/lanes.cuh" else "")

    return "".join(f"#define {k} {v}\n" for k, v in constants.items()) + paste(name)


def _resolved(text: str, constants: Mapping[str, str | int]) -> str:
    """A text without the parts that belong to other values of constants."""

    def choose(match: re.Match[str]) -> str:
        name, relation, number, then, otherwise = match.groups()
        return then if (constants.get(name, 0) == int(number)) == (relation == "==") else otherwise or ""

    return _CONDITIONAL.sub(choose, text)
