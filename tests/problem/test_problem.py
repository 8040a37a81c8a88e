"""Problems are checked when they are made; every mistake has its message."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError

SQUARE = hp.Box(x=(0, 1), y=(0, 1))
STRIP = hp.Box(x=(0, 1), t=(0, 1))
LAPLACE = lambda u: u.laplacian


def problem(**changes):
    given = {"domain": SQUARE, "fields": ["u"], "residual": LAPLACE, "conditions": [hp.Dirichlet(u=0.0)]} | changes
    return hp.Problem(**given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hp.Box(), "one to 16"),
        (lambda: hp.Box(**{f"x{i}": (0, 1) for i in range(17)}), "one to 16"),
        (lambda: hp.Box(x=(1, 1)), "axis x has no extent"),
        (lambda: hp.Box(x=(1, 0)), "axis x is reversed"),
        (lambda: hp.Box(x=(0, np.inf)), "finite"),
        (lambda: hp.Box(x=3), "bounds"),
        (lambda: hp.Box(x=(0, 1j)), "upper bound of axis x must be a finite number, got 1j"),
        (lambda: hp.Box(grad=(0, 1)), "choose another"),
        (lambda: problem(domain="square"), "must be a Box"),
        (lambda: problem(fields=[]), "at least one field"),
        (lambda: problem(fields=["x"]), "used for a coordinate and a field"),
        (lambda: problem(fields=["u u"]), "usable as an argument"),
        (lambda: problem(fields=["error"], residual=lambda error: error.xx), "a Solution has an attribute"),
        (lambda: problem(residual=3), "must be a function"),
        (lambda: problem(residual=lambda v: v.xx), "unknown argument 'v'; known here are u, x, y"),
        (lambda: problem(residual=lambda u, z: u.xx), "unknown argument 'z'"),
        (lambda: problem(residual=lambda *args: args[0]), "bound by name"),
        (lambda: problem(residual=max), "cannot be read"),
        (lambda: problem(residual=lambda u: None), "returned nothing"),
        (lambda: problem(residual=lambda u: ()), "returned nothing|no component"),
        (lambda: problem(residual=lambda x: x), "contains no field"),
        (lambda: problem(residual=lambda u: u.xxx), "auxiliary field"),
        (lambda: problem(residual=lambda u: u.z), "coordinates are x, y"),
        (lambda: problem(residual=lambda u: u.n), "boundaries only"),
        (lambda: problem(residual=lambda u: u.xx + 1j), "complex"),
        (lambda: problem(residual=lambda u: u.xx + {}), "failed when it was traced|cannot enter"),
        (lambda: problem(fields=["u", "v"]), "'v' occurs in no residual"),
        (lambda: problem(exact={"v": lambda x: x}), "no field"),
        (lambda: problem(conditions=["u=0"]), "no condition"),
        (lambda: problem(conditions=[hp.Dirichlet(v=0.0)]), "no field 'v'; the fields are u"),
        (lambda: problem(conditions=[hp.Dirichlet()]), "at least one field"),
        (lambda: problem(conditions=[hp.Dirichlet(u=0.0, on="z-")]), "no face 'z-'; the faces of"),
        (lambda: problem(conditions=[hp.Dirichlet(u=0.0, on=3)]), "face name"),
        (lambda: problem(conditions=[hp.Dirichlet(u=[1, 2, 3])]), "hp.Data"),
        (lambda: problem(conditions=[hp.Dirichlet(u=1j)]), "complex"),
        (lambda: problem(conditions=[hp.Dirichlet(u=lambda z: z)]), "unknown argument 'z'"),
        (lambda: problem(conditions=[hp.Dirichlet(u=0.0, weight=-1)]), "positive"),
        (lambda: problem(conditions=[hp.Periodic("x", "y"), hp.Dirichlet(u=0.0)]), "applies to no point"),
        (lambda: problem(conditions=[hp.Periodic("z")]), "no axis 'z'"),
        (lambda: problem(conditions=[hp.Periodic()]), "names of axes"),
        (lambda: problem(conditions=[hp.Robin(u=1.0)]), "three entries"),
        (lambda: problem(conditions=[hp.Initial(u=0.0)]), "time axis called t"),
        (lambda: problem(conditions=[hp.Condition(lambda x: x)]), "contains no field"),
        (lambda: problem(conditions=[hp.Condition(3)]), "takes a function"),
        (lambda: hp.Data([[0.5, 0.5]]), "at least one field"),
        (lambda: hp.Data([[0.5, 0.5]], u=[1.0, 2.0]), r"shape \(2,\)"),
        (lambda: hp.Data([[0.5, np.nan]], u=1.0), "finite"),
        (lambda: hp.Data([[0.5, 0.5]], u=np.nan), "finite"),
        (lambda: hp.Data([[0.5, 0.5]], u=1j), "complex"),
        (lambda: hp.Data(np.zeros((0, 2)), u=1.0), "n > 0"),
        (lambda: problem(conditions=[hp.Data([[0.5]], u=1.0)]), "1 coordinates, the domain has 2"),
        (lambda: problem(conditions=[hp.Data([[0.5, 3.0]], u=1.0)]), "lie outside"),
        (lambda: problem(parameters=[hp.Parameter("u")]), "used for a field and a parameter"),
        (lambda: hp.Parameter("nu", init=2.0, bounds=(0, 1)), "within bounds"),
        (lambda: hp.Parameter("nu", bounds=(1, 1)), "within bounds"),
        (lambda: problem(max_order=7), "max_order"),
        (lambda: problem().replace(colour="red"), "has no 'colour'"),
    ],
)
def test_mistakes_are_reported_with_their_cure(make, message):
    with pytest.raises(InvalidProblemError, match=message):
        make()


def test_errors_inherit_the_matching_builtin():
    assert issubclass(hp.InvalidProblemError, ValueError)
    assert issubclass(hp.DivergedError, ArithmeticError)
    assert issubclass(hp.BackendUnavailableError, RuntimeError)
    assert issubclass(hp.CorruptFileError, ValueError)
    assert issubclass(hp.OutOfMemoryError, MemoryError)
    assert issubclass(hp.OutputError, OSError)
    for error in (hp.InvalidProblemError, hp.DivergedError, hp.BackendUnavailableError, hp.CorruptFileError):
        assert issubclass(error, hp.HermitePinnError)


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
def test_residuals_are_named():
    pair = lambda u, v: (u.xx + v, v.yy - u)
    assert list(problem(fields=["u", "v"], residual=pair, conditions=[]).residuals) == ["pde1", "pde2"]
    named = lambda u: {"balance": u.laplacian}
    assert list(problem(residual=named).residuals) == ["balance"]
    assert list(problem().residuals) == ["pde"]


def test_faces_of_a_condition_share_its_name():
    terms = [t for t in problem(conditions=[hp.Dirichlet(u=0.0)]).terms if not t.region.is_interior]
    assert [t.region.name for t in terms] == ["x-", "x+", "y-", "y+"]
    assert {t.name for t in terms} == {"u on boundary"}
    wrapped = problem(conditions=[hp.Periodic("x"), hp.Dirichlet(u=0.0)])
    assert [t.region.name for t in wrapped.terms if not t.region.is_interior] == ["y-", "y+"]


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
def test_normals_point_outwards():
    made = problem(conditions=[hp.Condition(lambda u, y: u.n - y, on=["x-", "y+"])])
    texts = {t.region.name: repr(t.residual) for t in made.terms if not t.region.is_interior}
    assert texts == {"x-": "-1*u.x - y", "y+": "u.y - y"}


def test_missing_initial_conditions_are_warned_about():
    wave = lambda u: u.tt - u.xx
    with pytest.warns(hp.HermitePinnWarning, match="u_t"):
        hp.Problem(STRIP, "u", wave, [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)])
    with pytest.warns(hp.HermitePinnWarning, match="no initial condition"):
        hp.Problem(STRIP, "u", lambda u: u.t - u.xx, [hp.Dirichlet(u=0.0)])


def test_functions_that_cannot_be_traced_serve_as_values():
    """Interpolants and other plain array functions are evaluated at points instead."""
    made = problem(conditions=[hp.Dirichlet(u=lambda x, y: np.interp(x, [0, 1], [0, 1]))])
    assert "value of u" in repr(made.terms[1].residual)


def test_a_problem_is_never_changed():
    first = problem()
    second = first.replace(conditions=[hp.Dirichlet(u=1.0)], name="other")
    assert first.name is None
    assert len(first.terms) == len(second.terms)
    assert second.name == "other"


def test_bound_defaults_and_keywords():
    made = problem(residual=lambda u, *, x, scale=2.0: scale * u.laplacian - x)
    assert "2*" in repr(made.residuals["pde"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "newton"}, "method must be one of"),
        ({"field": "mlp"}, "head must be one of"),
        ({"field": 3}, "hermite_pinn.Field"),
        ({"dtype": "float16"}, "dtype"),
        ({"dtype": "float32"}, "works in float64"),
        ({"tol": -1.0}, "tol must be a positive"),
        ({"max_time": 0}, "max_time must be a positive"),
        ({"device": "tpu9"}, "unknown device"),
        ({"device": "meta"}, "not supported"),
        ({"levels": 0}, "levels must be an integer between 1"),
        ({"levels": [4, 6]}, "nested"),
        ({"levels": "many"}, "levels"),
        ({"field": hp.Field(basis="cosine")}, "nested levels"),
        ({"field": hp.Field(basis="linear")}, "derivatives of order 2"),
        ({"method": "adam", "tol": 1e-3}, "no estimate"),
    ],
)
def test_solve_refuses_what_cannot_work(arguments, message):
    with pytest.raises((InvalidArgumentError, hp.HermitePinnError), match=message):
        hp.solve(problem(), **arguments)


def test_a_gpu_that_is_not_there():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(hp.BackendUnavailableError, match="no GPU"):
        hp.solve(problem(), device="cuda")


def test_names_of_fields_do_not_hide_what_a_solution_offers():
    from hermite_pinn.problem.names import RESERVED

    solution = hp.solve(hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx, [hp.Dirichlet(u=0.0)]), levels=1)
    public = {name for name in [*dir(hp.Solution), *vars(solution)] if not name.startswith("_")}
    assert public <= RESERVED


def test_tables_that_do_not_fit_are_refused():
    with pytest.raises(hp.OutOfMemoryError, match=r"coefficients and need .* are free"):
        hp.solve(problem(), method="adam", levels=[2**14, 2**15], field=hp.Field(head="siren"))


def test_options_of_methods_are_checked():
    for make in (
        lambda: hp.GaussNewton(gauss=0),
        lambda: hp.GaussNewton(inner="lu"),
        lambda: hp.GaussNewton(inner_tol=2.0),
        lambda: hp.GaussNewton(outer_steps=0),
        lambda: hp.Adam(steps=0),
        lambda: hp.Adam(schedule="warm"),
        lambda: hp.Adam(ema=1.0),
        lambda: hp.Adam(lr=-1.0),
        lambda: hp.Adam(curriculum=((1, 0),)),
    ):
        with pytest.raises(InvalidArgumentError):
            make()


def test_a_new_kind_of_condition_needs_no_place_in_the_problem():
    from hermite_pinn.problem.statement import Statement

    class Ring(Statement):
        @property
        def wraps(self):
            return ("x",)

        @property
        def gauged(self):
            return ("u",)

    ring = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx + hp.cos(2 * hp.pi * x), [Ring()])
    assert (ring.periodic, ring.gauges) == ((True,), ("u",))
    assert ring.faces == ()
