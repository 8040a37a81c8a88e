"""Names and arguments that are written almost as they are meant are answered with what is meant."""

import copy
import dataclasses
import inspect
import pickle

import pytest

import hermite_pinn as hp
from hermite_pinn.calls import CallError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Dirichelt", "Dirichlet"),
        ("neumann", "Neumann"),
        ("DirichletBC", "Dirichlet"),
        ("IC", "Initial"),
        ("PDE", "Problem"),
    ],
)
def test_a_name_that_does_not_exist_is_answered_with_the_nearest_one(written, meant):
    with pytest.raises(AttributeError, match=f"did you mean hp.{meant}\\?") as caught:
        getattr(hp, written)
    assert (caught.value.name, caught.value.obj) == (written, hp)


def test_a_name_like_no_other_has_no_suggestion():
    with pytest.raises(AttributeError, match=r"no attribute 'qqqqq'$"):
        hp.qqqqq  # noqa: B018


@pytest.mark.parametrize(
    ("call", "written"),
    [
        (lambda: hp.Box((0, 1), (0, 1)), r"write Box\(x=\(0, 1\), y=\(0, 1\)\)"),
        (lambda: hp.Dirichlet(0.0), r"write Dirichlet\(u=0.0\)"),
        (lambda: hp.Neumann(0.0), r"write Neumann\(u=0.0\)"),
        (lambda: hp.Robin((1.0, 2.0, 3.0)), r"write Robin\(u=\(alpha, beta, g\)\)"),
        (lambda: hp.Initial(lambda x: x), r"write Initial\(u=lambda x"),
        (lambda: hp.Data([0.0, 0.5], [0.1, 0.2], u=[1.0, 2.0]), r"numpy.column_stack\(\[x, t\]\)"),
        (lambda: hp.Condition(lambda u: u, "x-"), r'on="x-"'),
    ],
)
def test_arguments_without_their_name_are_answered_with_the_way_to_write_them(call, written):
    with pytest.raises(CallError, match=written) as caught:
        call()
    assert isinstance(caught.value, (hp.InvalidArgumentError, TypeError))


@pytest.mark.parametrize(
    ("call", "meant"),
    [
        (lambda: hp.solve(hp.problems.poisson2d(), tolerance=1e-3), "tol"),
        (lambda: hp.eigen(hp.problems.poisson2d(), cuont=3), "count"),
        (lambda: hp.GaussNewton(max_level=3), "max_levels"),
        (lambda: hp.Adam(step=10), "steps"),
        (lambda: hp.Field(widths=10), "width"),
    ],
)
def test_an_option_that_does_not_exist_is_answered_with_the_nearest_one(call, meant):
    with pytest.raises(CallError, match=f"did you mean {meant}\\?"):
        call()


def test_options_keep_their_signature_and_can_be_copied():
    method = hp.GaussNewton(max_levels=3)
    assert pickle.loads(pickle.dumps(method)) == copy.deepcopy(method) == dataclasses.replace(method) == method
    assert "max_levels" in inspect.signature(hp.GaussNewton).parameters
    assert list(inspect.signature(hp.Box).parameters) == ["breaks", "axes"]
