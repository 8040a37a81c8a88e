"""Problems and what they are made of do not change."""

import copy
import pickle

import numpy as np
import pytest

import hermite_pinn as hp

POINTS, VALUES, NOISE = np.array([[0.2, 0.3], [0.4, 0.5]]), np.array([1.0, 2.0]), np.array([0.1, 0.2])
DATA = hp.Data(POINTS, u=VALUES, noise=NOISE)
BOX = hp.Box(x=(0, 1), t=(0, 1))
PROBLEM = hp.Problem(
    BOX, ["u"], lambda u: u.t - u.xx, [hp.Dirichlet(u=0.0), hp.Initial(u=1.0), DATA], exact={"u": lambda x: x}
)
OBJECTS = [
    BOX, PROBLEM, DATA, hp.Dirichlet(u=0.0, on=["x-"]), hp.Neumann(u=0.0), hp.Robin(u=(1.0, 1.0, 0.0)), hp.Initial(u=0.0),
    hp.Periodic("x"), hp.Gauge("u"), hp.Smoothness(u=1.0), hp.Condition(lambda u: u), hp.Parameter("k"),
]  # fmt: skip


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda thing: type(thing).__name__)
def test_no_attribute_can_be_assigned_added_or_deleted(thing):
    for name in [n for n in vars(thing) if not n.startswith("_")]:
        before = getattr(thing, name)
        with pytest.raises(AttributeError):
            setattr(thing, name, None)
        with pytest.raises(AttributeError):
            delattr(thing, name)
        assert getattr(thing, name) is before
    with pytest.raises(AttributeError):
        thing.another = 1


def test_the_error_says_what_to_do_instead():
    with pytest.raises(hp.HermitePinnError, match=r"domain of a Problem cannot be changed; .* problem\.replace"):
        PROBLEM.domain = BOX
    with pytest.raises(hp.HermitePinnError, match="upper of a Box cannot be changed; make another one"):
        BOX.upper = (1.0,)


def test_mappings_are_read_only():
    for mapping in (PROBLEM.exact, PROBLEM.residuals, DATA.values, DATA.noise):
        with pytest.raises(TypeError):
            mapping["u"] = None
        with pytest.raises(AttributeError):
            mapping.clear()


def test_arrays_are_read_only():
    for array in (DATA.points, DATA.values["u"], DATA.noise["u"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_what_a_problem_was_made_of_may_change_afterwards():
    points, values, on, exact = POINTS.copy(), VALUES.copy(), ["x-"], {"u": lambda x: x}
    conditions = [hp.Data(points, u=values), hp.Dirichlet(u=0.0, on=on), hp.Initial(u=0.0)]
    problem = hp.Problem(BOX, ["u"], lambda u: u.t - u.xx + u, conditions, exact=exact)
    before = dict(problem.identity)
    points[:], values[:] = 0.0, 0.0
    on.append("x+")
    exact.clear()
    conditions.clear()
    assert problem.replace().identity == before
    assert list(problem.exact) == ["u"]


def test_a_subclass_may_set_attributes_of_its_own():
    class Named(hp.Box):
        def __init__(self, label, **axes):
            super().__init__(**axes)
            self.label = label

    named = Named("here", x=(0, 1))
    assert named.label == "here"
    with pytest.raises(AttributeError):
        named.label = "there"


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_are_equal_and_do_not_change_either(again):
    box, data = again(BOX), again(DATA)
    assert box == BOX
    assert np.array_equal(data.points, POINTS)
    assert np.array_equal(data.values["u"], VALUES)
    with pytest.raises(AttributeError):
        box.names = ()


def residual(u):
    return u.t - u.xx


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_of_problems_have_plans_of_their_own(again):
    problem = hp.Problem(BOX, ["u"], residual, [hp.Dirichlet(u=0.0), hp.Initial(u=1.0)], name="heat")
    made = again(problem)
    assert made.identity == problem.identity
    assert made.name == "heat"
    assert made.plan is not problem.plan


def test_warnings_point_at_the_statement_of_the_problem():
    with pytest.warns(hp.HermitePinnWarning) as caught:
        hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: u.xx - 1)
    assert caught[0].filename == __file__
