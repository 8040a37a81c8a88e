"""Complex fields: waves with impedance, Schrödinger's equations, values and integrals that are complex."""

import copy
import math

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

import hermite_pinn as hp
from hermite_pinn import cos, exp, sin
from hermite_pinn.expressions.complex_values import ComplexValue, parts_of
from hermite_pinn.expressions.graph import coordinate
from hermite_pinn.expressions.program import Program

LINE = hp.Box(x=(0, 1))


def solved(problem, within=1e-5, **options):
    solution = hp.solve(problem, progress=False, **options)
    assert solution.status is hp.Status.CONVERGED
    for error in solution.error().values():
        assert error["max"] < within
    return solution


def helmholtz(k=4.0, angle=0.5):
    """A plane wave that enters and leaves the unit square through sides of impedance."""
    a, b = k * math.cos(angle), k * math.sin(angle)

    def wave(x, y):
        return exp(1j * (a * x + b * y))

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        {"u": complex},
        lambda u: u.laplacian + k**2 * u,
        [hp.Robin(u=(-1j * k, 1.0, lambda n, x, y: 1j * (a * n.x + b * n.y - k) * wave(x, y)))],
        exact={"u": wave},
    )


def test_a_plane_wave_through_sides_of_impedance(tmp_path):
    solution = solved(helmholtz())
    x = np.linspace(0, 1, 5)
    a, b = 4 * math.cos(0.5), 4 * math.sin(0.5)
    known = np.exp(1j * (a * x + b * x[:, None]))
    values = solution.u(x, x[:, None])
    assert values.dtype == np.complex128
    assert np.allclose(values, known, atol=1e-6)
    assert np.allclose(solution.u.grad(x, x[:, None])[..., 1], 1j * b * known, atol=1e-4)
    assert np.array_equal(solution.u.real.x(x, x), solution.u_real.x(x, x))
    assert abs(solution.u(0.5, 0.5)) == pytest.approx(1.0, abs=1e-6)
    solution.save(tmp_path / "u.h5")
    assert np.array_equal(hp.Solution.load(tmp_path / "u.h5").u(x, x), solution.u(x, x))
    energy = solution.integrate(lambda u: abs(u) ** 2)
    assert abs(energy - 1) < 1e-5
    exact = (np.exp(1j * a) - 1) / (1j * a) * (np.exp(1j * b) - 1) / (1j * b)
    assert abs(solution.integrate() - exact) < 1e-6
    assert abs(solution.integrate("u", over="y")(1.0) - np.exp(1j * a) * (np.exp(1j * b) - 1) / (1j * b)) < 1e-6
    errors = solution.error(exact={"u": lambda x, y: exp(1j * (a * x + b * y))})
    assert max(e["max"] for e in errors.values()) < 1e-6


def test_the_condition_may_be_a_function_too():
    problem = helmholtz()
    a, b = 4 * math.cos(0.5), 4 * math.sin(0.5)
    side = hp.Condition(lambda u, n, x, y: u.n - 4j * u - 1j * (a * n.x + b * n.y - 4) * exp(1j * (a * x + b * y)))
    solved(problem.replace(conditions=[side]))


def test_schroedinger_with_a_cubic_term():
    def known(x, t):
        return hp.sech(x - 0.5 * t) * exp(1j * (0.5 * x + 0.375 * t))

    soliton = hp.Problem(
        hp.Box(x=(-6, 6), t=(0, 0.5)),
        {"psi": complex},
        lambda psi: 1j * psi.t + psi.xx / 2 + abs(psi) ** 2 * psi,
        [hp.Initial(psi=lambda x: hp.sech(x) * exp(0.5j * x)), hp.Dirichlet(psi=known)],
        exact={"psi": known},
    )

    solution = solved(soliton)
    mass = solution.integrate(lambda psi: (psi * psi.conj).real, over="x")
    assert np.ptp(mass(np.array([0.0, 0.25, 0.5]))) < 1e-4


def test_real_and_complex_fields_together():
    problem = hp.Problem(
        LINE,
        {"u": complex, "p": float},
        lambda u, p: (u.x - 2j * u * p, p.x - abs(u) ** 2 + 1),
        [hp.Dirichlet(u=1.0, p=1.0, on="x-")],
        exact={"u": lambda x: exp(2j * x), "p": 1.0},
    )
    assert problem.fields == ("u_real", "u_imag", "p")
    assert list(problem.residuals) == ["pde1 real", "pde1 imag", "pde2"]
    solved(problem)


def test_values_at_the_start_and_on_faces_are_complex():
    oscillation = hp.Problem(
        hp.Box(t=(0, 2)),
        {"z": complex},
        lambda z: z.tt + 9 * z,
        [hp.Initial(z=1.0 + 2.0j, z_t=-3j)],
        exact={"z": lambda t: (1 + 2j) * cos(3 * t) - 1j * sin(3 * t)},
    )
    solved(oscillation)
    line = hp.Problem(LINE, {"z": complex}, lambda z: z.xx, [hp.Dirichlet(z=1j, on="x-"), hp.Neumann(z=2.0, on="x+")])
    assert abs(hp.solve(line, progress=False).z(0.5) - (1j + 1.0)) < 1e-12


@pytest.mark.slow
def test_training_and_copies_know_complex_fields():
    problem = helmholtz()
    assert problem.replace(name="wave").fields == copy.deepcopy(problem).fields == ("u_real", "u_imag")
    assert problem.identity == helmholtz().identity
    solution = hp.solve(problem, method=hp.Adam(steps=2, points=16), levels=2, progress=False)
    assert isinstance(solution.u(0.5, 0.5), complex)


@pytest.mark.parametrize(
    "function",
    [
        lambda z, x: z * (2 - 1j) / (z + 3) - z**3 + z**-2,
        lambda z, x: exp(z) * sin(z) - hp.cosh(z) / cos(z) + hp.sinh(2j * z),
        lambda z, x: 2.0**z + np.float64(3) * z - (1j + 1) ** 2 * x,
        lambda z, x: abs(z) * z.conj + z.real * 1j - z.imag + z.conjugate(),
        lambda z, x: hp.where(x < 0.5, z, 2j * x) - (+z) + (1 - z) / x,
    ],
)
def test_complex_expressions_are_what_they_are_of_numbers(function):
    at = np.array([0.3, 0.8])
    traced = function(ComplexValue(coordinate("x") + 1, 2 * coordinate("x")), ComplexValue(coordinate("x"), 0.0))
    real, imag = Program(list(parts_of(traced))).run({("coordinate", "x"): __import__("torch").tensor(at)})

    class Number(complex):
        """A complex number with the conjugate as an attribute."""

        @property
        def conj(self):
            return self.conjugate()

    for k, x in enumerate(at):
        z = Number(x + 1 + 2j * x)
        known = _plain(function)(z, x)
        assert abs(complex(real[k], imag[k]) - known) < 1e-12 * max(1, abs(known))


def _plain(function):
    """The function with NumPy's functions in the place of the package's."""

    class Functions:
        sinh, cosh, where = np.sinh, np.cosh, staticmethod(lambda c, a, b: a if c else b)

    names = {"exp": np.exp, "sin": np.sin, "cos": np.cos, "hp": Functions, "np": np, "abs": abs}
    return type(function)(function.__code__, names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hp.Problem(LINE, {"u": int}, lambda u: u.xx), "float for a real field or complex"),
        (lambda: hp.Problem(LINE, {"u": complex, "u_real": float}, lambda u: u.xx), "u_real"),
        (lambda: hp.Problem(LINE, {"u": complex}, lambda u: u.xx, exact={"v": 1.0}), "no field; the fields are u"),
        (lambda: hp.Problem(LINE, {"x": complex}, lambda x: x), "used for a coordinate"),
        (lambda: hp.Problem(LINE, {"u": complex}, lambda u: hp.log(u)), "takes real values"),
        (lambda: hp.Problem(LINE, {"u": complex}, lambda u: u**0.5), "integer powers"),
        (lambda: hp.Problem(LINE, {"u": complex}, lambda u: hp.where(u < 1, u, 0)), "cannot be compared"),
        (lambda: hp.Problem(LINE, {"u": complex}, lambda u: u.z), "there is no axis z"),
        (lambda: hp.Problem(LINE, "u", lambda u: u.xx, [hp.Dirichlet(u=1j)]), "complex value"),
        (
            lambda: hp.Problem(LINE, {"u": complex, "p": float}, lambda u, p: (u.xx, p.xx), [hp.Dirichlet(p=1j)]),
            "complex value",
        ),
        (lambda: hp.Problem(LINE, {"u": complex}, lambda u: u.xx, [hp.Dirichlet(u=complex("nan"))]), "finite number"),
        (lambda: hp.Problem(LINE, {"u": complex}, lambda u: u.xx, [hp.Dirichlet(v=1.0)]), "no field 'v'"),
    ],
)
def test_complex_statements_that_are_none_are_refused(make, message):
    with pytest.raises(hp.InvalidProblemError, match=message):
        make()


def test_memories_are_complex_too():
    problem = hp.Problem(
        hp.Box(x=(0, 2)),
        {"z": complex},
        lambda z, x: z - 1 - 1j * hp.Integral(z, "x", upper=x),
        exact={"z": lambda x: exp(1j * x)},
    )
    assert problem.fields == ("z_real", "z_imag", "integral", "integral2")
    solved(problem)


def test_sources_and_choices_work_in_complex_problems():
    source = hp.Source(0.5, 1.0, width=0.05)
    problem = hp.Problem(
        LINE,
        {"z": complex},
        lambda z, x: z.x - 1j * source(x) - hp.where(x < 0.3, 0.0, 1.0),
        [hp.Dirichlet(z=0.0, on="x-")],
    )
    solution = hp.solve(problem, progress=False)
    assert abs(solution.z(1.0) - (0.7 + 1j)) < 1e-5


def test_tabulated_functions_are_coefficients_of_complex_fields():
    places = np.linspace(0, 1, 30)
    wave = hp.tabulated(CubicSpline(places, 2 + places**2), name="wave")
    loss = hp.tabulated(CubicSpline(places, 0.5 * places), name="loss")

    def solved(coefficient):
        problem = hp.Problem(
            hp.Box(x=(0, 1)),
            {"u": complex},
            lambda u, x: u.xx + coefficient(x) * u,
            [hp.Dirichlet(u=lambda x: 1 + 1j * x)],
        )
        return hp.solve(problem, tol=1e-8, progress=False)

    by_table, by_formula = solved(lambda x: wave(x) + 1j * loss(x)), solved(lambda x: 2 + x**2 + 0.5j * x)
    x = np.linspace(0, 1, 11)
    np.testing.assert_allclose(by_table.u(x), by_formula.u(x), atol=1e-7)


@pytest.mark.parametrize(
    ("residual", "told"),
    [
        (lambda u, x, table: u.xx + table(1j * x) * u, "take abs"),
        (
            lambda u, x, table: u.xx + hp.tabulated(lambda x: np.exp(1j * x), name="phase")(x) * u,
            r"a\(x\) \+ 1j \* b\(x\)",
        ),
    ],
)
def test_tabulated_functions_with_complex_arguments_or_values_are_refused(residual, told):
    table = hp.tabulated(CubicSpline([0.0, 0.5, 1.0], [1.0, 2.0, 1.0]))

    def solved_with():
        problem = hp.Problem(LINE, {"u": complex}, lambda u, x: residual(u, x, table), [hp.Dirichlet(u=1.0)])
        return hp.solve(problem, progress=False)

    with pytest.raises(hp.HermitePinnError, match=told):
        solved_with()
