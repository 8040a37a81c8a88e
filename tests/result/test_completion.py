"""The tab key: fields, derivatives and names, through IPython's completer."""

import pytest

import hermite_pinn as hp
from hermite_pinn.immutable import ReadOnly

pytest.importorskip("IPython")

BY_JEDI = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def flow():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        {"u": float, "w": complex},
        lambda u, w: (u.laplacian + 1, w.laplacian + 1j),
        [hp.Dirichlet(u=0.0, w=0.0)],
    )
    return hp.solve(problem, levels=1, progress=False)


def completions(text, **names):
    from IPython.core.completer import IPCompleter, provisionalcompleter

    completer = IPCompleter(namespace=names)
    with provisionalcompleter():
        return [c.text.lstrip(".") for c in completer.completions(text, len(text))]


def test_a_solution_lists_its_fields(flow):
    assert {"u", "w", "w_real", "to_xarray", "view"} <= set(dir(flow))


def test_a_field_lists_the_derivatives_of_the_order_of_the_problem(flow):
    made = {name for name in dir(flow.u) if not name.startswith("_")}
    assert made == {"x", "y", "xx", "xy", "yy", "grad", "laplacian"}
    assert {name for name in dir(flow.u.x) if not name.startswith("_")} == {"x", "y", "grad"}
    assert {"x", "xy", "laplacian", "real", "imag"} <= set(dir(flow.w))


def test_what_is_listed_can_be_asked_for(flow):
    for name in [name for name in dir(flow.u) if not name.startswith("_")]:
        assert getattr(flow.u, name)(0.3, 0.4) is not None
    for name in [name for name in dir(flow.u.grad) if not name.startswith("_")]:
        getattr(flow.u.grad, name)


def test_derivatives_that_a_basis_does_not_have_are_not_listed():
    problem = hp.Problem(
        hp.Box(x=(0, 1)), "u", lambda u: u.xxxx - 1, [hp.Dirichlet(u=0.0), hp.Neumann(u=0.0)], max_order=4
    )
    u = hp.solve(problem, levels=1, progress=False).u
    assert {"x", "xx", "xxx", "xxxx"} <= set(dir(u))
    assert "xxxxx" not in dir(u)
    assert "xxxx" not in dir(u.x)


@BY_JEDI
def test_ipython_completes_fields_and_derivatives(flow):
    pytest.importorskip("jedi")
    assert {"u", "w", "w_real"} <= set(completions("flow.", flow=flow))
    assert {"x", "xx", "laplacian"} <= set(completions("flow.u.", flow=flow))
    assert "x" in completions("flow.u.x.", flow=flow)


@BY_JEDI
def test_ipython_completes_names_in_brackets(flow):
    history, values = flow.history, ReadOnly({"alpha": 1.0})
    assert {"step", "error"} <= {c.strip("\"'[]") for c in completions('history["', history=history)}
    assert [c.strip("\"'[]") for c in completions('values["', values=values)] == ["alpha"]
