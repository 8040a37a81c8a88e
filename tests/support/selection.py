"""Cases of kernel tests that take long to compile are marked slow; only what was selected is compiled beforehand."""

import pytest

from hermite_pinn.cuda.runtime import nvrtc

#: Basis and axes: hundreds of coefficients per cell, seconds to compile each; and bases that differ from the linear one
#: along an axis only, which one and two axes show.
LONG = {("cubic", 4), ("quintic", 3), ("cosine", 3), ("cosine", 4), ("smoothstep", 3), ("smoothstep", 4)}


def marked(cases):
    """Cases ``(basis, axes, tables)`` as parameters."""
    return [pytest.param(*c, marks=[pytest.mark.slow] if c[:2] in LONG else []) for c in cases]


def architectures():
    """Every architecture of GPUs as a parameter; the oldest and Hopper are not slow."""
    quick = {nvrtc.ARCHITECTURES[0], "90"}
    return [pytest.param(a, marks=[] if a in quick else [pytest.mark.slow]) for a in nvrtc.ARCHITECTURES]


def selected(request):
    """The cases ``(basis, axes, tables)`` of the tests that will run in the module that asks."""
    names = ("basis", "dim", "tables")
    of_module = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    given = [item.callspec.params for item in of_module if set(names) <= set(item.callspec.params)]
    return sorted({tuple(p[n] for n in names) for p in given})
