"""Cases of kernel tests that take long to compile are marked slow; only what was selected is compiled beforehand."""

import pytest

from hermite_pinn.cuda.runtime import nvrtc

#: Basis and axes that are fast beside all of one axis: the linear and the cubic basis as users have them, and a case of
#: each other basis.  Others have hundreds of coefficients per cell, seconds to compile each, or repeat what these show.
FAST = {("linear", 2), ("linear", 3), ("smoothstep", 2), ("cosine", 2), ("cubic", 2), ("quintic", 2)}


def marked(cases):
    """Cases ``(basis, axes, tables)`` as parameters."""
    cases = list(cases)
    fast = [c[1] == 1 or c[:2] in FAST or c == ("cubic", 3, "dense") for c in cases]
    return [pytest.param(*c, marks=[] if f else [pytest.mark.slow]) for c, f in zip(cases, fast, strict=True)]


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
