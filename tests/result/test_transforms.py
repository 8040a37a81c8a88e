"""Fields inside transforms of torch.func, and the derivatives that take their place."""

import pytest
import torch

import hermite_pinn as hp


@pytest.fixture(scope="module")
def solution():
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x, [hp.Dirichlet(u=0.0)])
    return hp.solve(problem, levels=1, progress=False)


@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.vmap, torch.func.jacrev, torch.func.jacfwd])
def test_transforms_are_refused_with_what_to_do_instead(solution, transform):
    x = torch.linspace(0.1, 0.9, 3, dtype=torch.float64)
    with pytest.raises(hp.InvalidArgumentError, match=r"torch\.func.*torch\.autograd"):
        transform(solution.u)(x[0] if transform is torch.func.grad else x)


def test_what_takes_their_place_agrees(solution):
    x = torch.linspace(0.1, 0.9, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(solution.u, x)
    assert torch.allclose(jacobian, torch.diag(solution.u.x(x)))
    assert torch.allclose(solution.u.x(x), 3 * x**2 - 1)
