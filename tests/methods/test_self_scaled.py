"""Self-scaled Broyden steps: minima, inverse Hessians, saved states, new points, and what L-BFGS chooses them for."""

import itertools
import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.methods.training.defaults import moves_fronts
from hermite_pinn.methods.training.minimizer import Evaluation
from hermite_pinn.methods.training.options import MOST_DENSE
from hermite_pinn.methods.training.self_scaled import SelfScaledBroyden, scaled_update

pytestmark = pytest.mark.usefixtures("one_thread")

WIDE = torch.float64


def rosenbrock(z):
    z = z.clone().requires_grad_()
    value = (100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum()
    return Evaluation(float(value.detach()), torch.autograd.grad(value, z)[0], {})


def quadratic(matrix):
    return lambda z: Evaluation(float(0.5 * z @ matrix @ z), matrix @ z, {})


def evolution(**more):
    """Burgers' equation with much viscosity."""
    given = {
        "domain": hp.Box(x=(-1, 1), t=(0, 0.5)),
        "fields": ["u"],
        "residual": lambda u: u.t + u * u.x - 0.1 * u.xx,
        "conditions": [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: -hp.sin(hp.pi * x))],
    }
    return hp.Problem(**(given | more))


# -- the optimiser ---
def test_steps_reach_the_minimum_of_a_curved_valley():
    solver = SelfScaledBroyden(rosenbrock, torch.full((6,), -1.0, dtype=WIDE), 25, 1.0)
    values = [solver.current.value]
    while solver.step():
        values.append(solver.current.value)
    assert all(b < a for a, b in itertools.pairwise(values))
    assert torch.allclose(solver.z, torch.ones(6, dtype=WIDE), atol=1e-6)
    assert solver.evaluations < 2 * len(values)


def test_badly_scaled_quadratics_need_few_steps():
    """Condition number 1e6: gradient descent would need millions of steps."""
    hessian = torch.diag(torch.logspace(0, 6, 8, dtype=WIDE))
    solver = SelfScaledBroyden(quadratic(hessian), torch.ones(8, dtype=WIDE), 25, 1.0)
    first, steps = solver.current.value, 0
    while solver.current.value > 1e-12 * first and solver.step():
        steps += 1
    assert steps < 60
    found = solver.state()["matrix"]
    assert torch.allclose(found, found.T, rtol=1e-10)
    assert torch.linalg.eigvalsh(found).min() > 0


def test_every_update_satisfies_the_secant_equation_and_stays_positive():
    """For any step with positive curvature: ``H y = s``, and all eigenvalues above zero."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        root = torch.randn(5, 5, generator=generator, dtype=WIDE)
        h = root @ root.T + 0.1 * torch.eye(5, dtype=WIDE)
        s, y = torch.randn(2, 5, generator=generator, dtype=WIDE)
        y = y if float(y @ s) > 0 else -y
        ys, hy = float(y @ s), h @ y
        yhy, b = float(y @ hy), float(s @ torch.linalg.solve(h, s)) / ys
        change = scaled_update(b, yhy / ys, 5)
        ss, sh, hh = change.mixed(ys, yhy)
        after = h / change.tau + ss * torch.outer(s, s) + sh * (torch.outer(s, hy) + torch.outer(hy, s)) + hh * torch.outer(hy, hy)  # fmt: skip
        assert torch.allclose(after @ y, s, rtol=1e-8, atol=1e-8 * float(after.norm() * y.norm()))
        assert torch.linalg.eigvalsh(after).min() > 0


def test_the_factor_changes_nothing():
    start = torch.full((4,), -1.0, dtype=WIDE)
    plain, scaled = (SelfScaledBroyden(rosenbrock, start, 25, c) for c in (1.0, 2.0**60))
    for _ in range(20):
        plain.step(), scaled.step()
    assert torch.equal(plain.z, scaled.z)


def test_small_functions_are_minimised_all_the_same():
    def tiny(z):
        found = rosenbrock(z)
        return Evaluation(found.value * 2.0**-60, found.gradient * 2.0**-60, {})

    solver = SelfScaledBroyden(tiny, torch.full((4,), -1.0, dtype=WIDE), 60, 2.0**60)
    while solver.step():
        pass
    assert torch.allclose(solver.z, torch.ones(4, dtype=WIDE), atol=1e-6)


def test_walls_of_nan_are_not_crossed():
    def half(z):
        value = z.square().sum() - z[0] if z[0] < 0.7 else torch.tensor(math.nan)
        gradient = 2 * z
        gradient[0] -= 1
        return Evaluation(float(value), gradient, {})

    solver = SelfScaledBroyden(half, torch.tensor([-50.0, 30.0], dtype=WIDE), 25, 1.0)
    while solver.step():
        pass
    assert torch.allclose(solver.z, torch.tensor([0.5, 0.0], dtype=WIDE), atol=1e-6)


def test_saved_steps_continue_exactly():
    whole = SelfScaledBroyden(rosenbrock, torch.full((6,), -1.0, dtype=WIDE), 25, 8.0)
    for _ in range(8):
        whole.step()
    other = SelfScaledBroyden(rosenbrock, torch.zeros(6, dtype=WIDE), 25, 8.0)
    other.restore(whole.state())
    for _ in range(12):
        whole.step(), other.step()
        assert torch.equal(whole.z, other.z)
    assert other.evaluations == whole.evaluations


@pytest.mark.parametrize(
    "damage", [{"matrix": torch.eye(5, dtype=WIDE)}, {"point": torch.zeros(2, dtype=WIDE)}, {"factor": 0.0}]
)
def test_a_damaged_state_is_refused(damage):
    solver = SelfScaledBroyden(rosenbrock, torch.full((6,), -1.0, dtype=WIDE), 25, 1.0)
    solver.step()
    with pytest.raises(CorruptFileError):
        solver.restore(solver.state() | damage)


def test_another_function_is_met_with_what_was_learned():
    """After the minimum of a quadratic is found, one step finds that of a shifted one."""
    matrix = torch.diag(torch.tensor([1.0, 10.0, 100.0], dtype=WIDE))
    shift = torch.zeros(3, dtype=WIDE)
    solver = SelfScaledBroyden(lambda z: quadratic(matrix)(z - shift), torch.ones(3, dtype=WIDE), 25, 1.0)
    while solver.current.value > 1e-12 and solver.step():
        pass
    shift += torch.tensor([0.5, -0.2, 0.3], dtype=WIDE)
    assert solver.renew()
    before = solver.current.value
    solver.step()
    assert solver.current.value < 0.05 * before


# -- what L-BFGS does with them ---
def test_small_networks_get_the_full_matrix_and_levels_a_limited_memory():
    options = hp.LBFGS()
    assert options.remembered(MOST_DENSE, network=True) is None
    assert options.remembered(MOST_DENSE + 1, network=True) == 50
    assert options.remembered(10, network=False) == 50
    assert hp.LBFGS(memory=7).remembered(10, network=True) == 7


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (evolution(), True),
        (evolution(residual=lambda u: u.t - 0.1 * u.xx), False),
        (hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], lambda u: u.laplacian - u**3 - 1, [hp.Dirichlet(u=0.0)]), False),
    ],
)
def test_evolutions_that_are_not_linear_get_a_network(problem, expected):
    assert moves_fronts(problem) is expected
    solution = hp.solve(problem, method=hp.LBFGS(steps=2), throw=False)
    assert (solution.stats["defaults"].get("encoder") == "coordinates") is expected
    assert (solution.stats["rounds"], solution.stats["steps"]) == (1, 2)


def test_what_is_given_is_kept():
    given = hp.LBFGS(steps=6, points=100, rounds=3)
    solution = hp.solve(evolution(), method=given, throw=False)
    assert (solution.stats["rounds"], solution.stats["steps"], solution.stats["points"]) == (3, 6, 100)
    levels = hp.solve(evolution(), method=hp.LBFGS(steps=2), levels=2, throw=False)
    assert "encoder" not in levels.stats["defaults"]


@pytest.mark.parametrize("how", [7, 13])
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(tmp_path, how):
    class Stop(hp.Callback):
        def on_step(self, state):
            return state.step == how and "half way"

    path, method = tmp_path / "state.h5", hp.LBFGS(steps=20, points=200, rounds=4, check_every=1)
    whole = hp.solve(evolution(), method=method, seed=3, throw=False)
    hp.solve(evolution(), method=method, seed=3, throw=False, checkpoint=path, callbacks=Stop())
    resumed = hp.solve(evolution(), method=method, seed=3, throw=False, resume=path)
    assert all(torch.equal(t, resumed.field.tensors()[k]) for k, t in whole.field.tensors().items())
    assert list(resumed.history["loss"]) == list(whole.history["loss"])
    assert resumed.stats["evaluations"] == whole.stats["evaluations"]


@pytest.mark.slow
def test_a_smooth_evolution_is_solved_to_four_digits():
    from hermite_pinn.problems.references import cole_hopf

    solution = hp.solve(evolution(), method=hp.LBFGS(steps=800))
    x, t = (v.ravel() for v in np.meshgrid(np.linspace(-1, 1, 41), np.linspace(0, 0.5, 21)))
    truth = cole_hopf(x, t, 0.1)
    assert np.linalg.norm(solution.u(x, t) - truth) < 1e-4 * np.linalg.norm(truth)
    assert solution.status.success


def test_an_equation_that_holds_only_at_its_points_is_no_success():
    """Twenty points tell 181 unknowns little: the residual vanishes there and nowhere else."""
    field = hp.Field(head="siren", encoder="coordinates", width=8, depth=3, omega=1.0, activation="tanh")
    method = hp.LBFGS(steps=400, points=20, hard=True)
    solution = hp.solve(evolution(), method=method, field=field, throw=False)
    assert not solution.status.success
    assert "between the points" in solution.message
