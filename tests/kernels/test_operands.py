"""No kernel is launched with operands that it would read or write beyond their ends."""

import warnings

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import ops, products
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.specialization import OPERATIONS, Specialization
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.cuda.network.activation import JetPlan, activate, activate_adjoint
from hermite_pinn.cuda.network.siren import Shape, flat_parameters, fused_jets, layered
from hermite_pinn.cuda.optimizer.adam import AdamRule, adam_step
from hermite_pinn.cuda.runtime import host
from hermite_pinn.cuda.tensor_grid.axis import evaluation_matrix

GRID = GridLayout((0.0,), (1.0,), ((2,), (4,)), "cubic", 2)
CHANNELS = Channels.value(1)
PLAN = JetPlan.of(CHANNELS)
N, F64 = 5, torch.float64
RAW = torch.ops.hermite_pinn


@pytest.fixture(params=[True, False], ids=["kernels", "plain"], autouse=True)
def kernels(request, monkeypatch):
    """With a compiler, and without."""
    if not request.param:
        monkeypatch.setattr(host, "available", lambda: False)
    elif not host.available():
        pytest.skip("no C++ compiler")


def numbers(*shape, dtype=F64):
    return torch.rand(shape, dtype=dtype)


def altered(tensor):
    """The same with more or fewer numbers along any axis, more axes, in another type."""
    for axis in range(tensor.ndim):
        yield tensor.repeat_interleave(2, axis)
        yield tensor.narrow(axis, 0, tensor.shape[axis] - 1)
    yield tensor[None]
    yield tensor.reshape(-1)[0]
    yield from (tensor.to(dtype) for dtype in (torch.float32, torch.float16, torch.int64, torch.bool))


LAUNCHES = {
    "jets": (ops.jets, {"x": numbers(1, N), "table": numbers(GRID.size)}, (GRID, CHANNELS)),
    "summed": (ops.summed_jets, {"x": numbers(1, N), "table": numbers(GRID.size)}, (GRID, CHANNELS)),
    "adjoint": (ops.adjoint, {"x": numbers(1, N), "weights": numbers(2, 2, 1, N)}, (GRID, CHANNELS)),
    "diagonal": (ops.diagonal, {"x": numbers(1, N), "weights": numbers(2, 2, 1, N)}, (GRID, CHANNELS)),
    "by points": (
        ops.input_gradient,
        {"x": numbers(1, N), "table": numbers(GRID.size), "weights": numbers(2, 2, 1, N)},
        (GRID, CHANNELS),
    ),
    "forward": (
        products.jacobian_vector,
        {"x": numbers(1, N), "table": numbers(GRID.size), "weights": numbers(3, 2, 2, 1, N)},
        (GRID, CHANNELS),
    ),
    "transposed": (
        products.vector_jacobian,
        {"x": numbers(1, N), "rows": numbers(3, N), "weights": numbers(3, 2, 2, 1, N)},
        (GRID, CHANNELS),
    ),
    "activation": (activate, {"z": numbers(4, 1, N), "bias": numbers(4)}, (0.5, "sine", PLAN)),
    "its adjoint": (
        activate_adjoint,
        {"z": numbers(4, 1, N), "bias": numbers(4), "weights": numbers(4, 1, N)},
        (0.5, "sine", PLAN),
    ),
}


@pytest.mark.parametrize("name", LAUNCHES)
def test_an_operand_that_does_not_fit_the_others_is_an_error(name):
    function, operands, options = LAUNCHES[name]
    function(*operands.values(), *options)
    for key, tensor in operands.items():
        for wrong in altered(tensor):
            given = operands | {key: wrong}
            try:
                out = function(*given.values(), *options)
            except hp.InvalidArgumentError:
                continue
            whole = key == "weights" and wrong.ndim == tensor.ndim and wrong.shape[-4] == 1  # one level's stand for all
            points = key in ("x", "z") and len(operands) == 2 and wrong.shape[:-1] == tensor.shape[:-1]
            terms = key == "weights" and name == "forward" and wrong.shape[1:] == tensor.shape[1:]
            assert whole or points or terms, (key, wrong.shape)
            assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", ["sine", "tanh"])
def test_a_network_whose_layers_do_not_follow_each_other_is_an_error(name):
    features = numbers(6, 1, N)
    good = [(numbers(8, 6), numbers(8)), (numbers(1, 8), numbers(1))]
    layered(features, good, 0.5, name, PLAN.key)
    for layer in range(2):
        for weight, bias in zip([*altered(good[layer][0])] + [good[layer][0]] * 9, [good[layer][1]] * 10 + [*altered(good[layer][1])], strict=False):  # fmt: skip
            wrong = [(weight, bias) if k == layer else good[k] for k in range(2)]
            with pytest.raises(hp.InvalidArgumentError):
                layered(features, wrong, 0.5, name, PLAN.key)


def test_the_fused_network_refuses_features_and_parameters_of_another_one():
    if not host.available():
        pytest.skip("needs kernels")
    weights, biases = [numbers(8, 6), numbers(1, 8)], [numbers(8), numbers(1)]
    shape, flat = Shape.of(weights), flat_parameters(weights, biases)
    fused_jets(numbers(6, 1, N), flat, shape, 0.5, "sine", PLAN)
    for wrong in altered(numbers(6, 1, N)):
        if wrong.shape[:2] != (6, 1) or wrong.ndim != 3 or wrong.dtype != F64:
            with pytest.raises(hp.InvalidArgumentError):
                fused_jets(wrong, flat, shape, 0.5, "sine", PLAN)
    for wrong in altered(flat):
        with pytest.raises(hp.InvalidArgumentError):
            fused_jets(numbers(6, 1, N), wrong, shape, 0.5, "sine", PLAN)
    for sizes in ((128, 8, 1, 1), (6, 0, 1, 1), (6, 8, 0, 1), (0, 8, 1, 1), (6, 8, 1, 0), (6, 8, 1, 17), (6, 200, 1, 1), (-6, 8, 1, 1)):  # fmt: skip
        with pytest.raises(hp.InvalidArgumentError):
            fused_jets(numbers(6, 1, N), flat, Shape(*sizes), 0.5, "sine", PLAN)


@pytest.mark.parametrize("name", ["parameter", "gradient", "first", "second", "average", "scalars"])
def test_an_update_with_tensors_of_different_sizes_is_an_error(name):
    good = {key: numbers(6) for key in ("parameter", "gradient", "first", "second", "average")} | {
        "scalars": numbers(2)
    }

    def step(live=None, reach=None, **changed):
        g = good | changed
        moments = g["first"], g["second"]
        adam_step(g["parameter"], g["gradient"], moments, g["average"], g["scalars"], AdamRule(share=0.1), live, reach)

    step()
    for wrong in [*altered(good[name]), *([numbers(6, 2)[:, 0]] if name not in ("gradient", "scalars") else [])]:
        with pytest.raises(hp.InvalidArgumentError):
            step(**{name: wrong})
    for span in ({"reach": 7}, {"reach": -1}, {"live": -1}, {"live": 9, "reach": 8}):
        with pytest.raises(hp.InvalidArgumentError):
            step(**span)


def test_matrices_along_an_axis_refuse_what_is_no_tensor_for_them():
    matrix = evaluation_matrix("cubic", 2, (0.0, 1.0), False, np.array([0.25, 0.5]), orders=(0,))
    warnings.simplefilter("ignore", UserWarning)  # PyTorch's about its sparse matrices, without a compiler
    good = numbers(3, 6)
    assert matrix.apply([(0, good)], 1).shape == (3, 2)
    for tensor, axis in ((good, 0), (good, 2), (good, -1), (good.float(), 1), (numbers(6, 3), 1)):
        with pytest.raises(hp.InvalidArgumentError):
            matrix.apply([(0, tensor)], axis)
    for out in (numbers(3, 3), numbers(2, 3).T, numbers(3, 2).float(), numbers(6)):
        with pytest.raises(hp.InvalidArgumentError):
            matrix.apply([(0, good)], 1, out)


def test_no_points_are_no_work():
    none = evaluation_matrix("cubic", 2, (0.0, 1.0), False, np.zeros(0), orders=(0,))
    assert none.apply([(0, numbers(3, 6, 2))], 1).shape == (3, 0, 2)
    assert none.apply([(0, numbers(3, 6))], 1).shape == (3, 0)
    some = evaluation_matrix("cubic", 2, (0.0, 1.0), False, np.array([0.5]), orders=(0,))
    assert some.apply([(0, numbers(0, 6, 2))], 1).shape == (0, 1, 2)
    assert some.apply([(0, numbers(2, 6, 0))], 1).shape == (2, 1, 0)
    assert ops.jets(numbers(1, 0), numbers(GRID.size), GRID, CHANNELS).shape == (2, 2, 1, 0)


def test_operations_called_by_their_names_look_at_their_operands_too():
    x, table = numbers(1, N), numbers(GRID.size)
    if host.available():
        with pytest.raises(hp.InvalidArgumentError):
            RAW.jets(x, table[:-1], GRID.handle, CHANNELS.key, False)
        with pytest.raises(hp.InvalidArgumentError):
            RAW.adjoint(x, numbers(2, 2, 1, N - 1), GRID.handle, CHANNELS.key)
    with pytest.raises(hp.InvalidArgumentError):
        RAW.activate(numbers(4, 1, N), numbers(3), 0.5, "sine", PLAN.key)
    with pytest.raises(hp.InvalidArgumentError):
        RAW.activate(numbers(4, 1, N), numbers(4), 0.5, "relu", PLAN.key)


# -- numbers of a layout ---
@pytest.mark.parametrize("features", [0, -1, 20_000, 2**40, 2.0, True, "2", None])
def test_features_out_of_range_are_an_error(features):
    with pytest.raises(hp.InvalidArgumentError, match="features"):
        GridLayout((0.0,), (1.0,), ((2,),), "cubic", features)


@pytest.mark.parametrize(
    "resolutions", [((0,),), ((-1,),), ((2.0,),), ((True,),), ((2**31,),), ((2, 2),), (), ((2,),) * 300]
)
def test_resolutions_out_of_range_are_an_error(resolutions):
    with pytest.raises(hp.InvalidArgumentError):
        GridLayout((0.0,), (1.0,), resolutions)


@pytest.mark.parametrize("bounds", [(-1e308, 1e308), (0.0, 5e-324), (1.0, 1.0), (0.0, float("nan"))])
def test_boxes_whose_lengths_are_no_numbers_are_an_error(bounds):
    with pytest.raises(hp.InvalidArgumentError, match="bounds"):
        GridLayout(*((b,) for b in bounds), ((2,),))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_kernel_that_would_overflow_the_stack_is_an_error(operation):
    spec = Specialization(operation, 3, "septic", 4000, False, Channels.jet(3, 2), "float64")
    with pytest.raises(hp.InvalidArgumentError, match="fewer features"):
        spec.source("cpp")


def test_the_largest_vertex_of_a_list_is_found_without_its_vertices():
    choose = np.random.default_rng(0)
    for dim in (1, 2, 3, 4):
        listed = VertexList.of(choose.integers(0, 50, (40, dim)))
        assert listed.largest == tuple(listed.vertices.max(0))


@pytest.mark.parametrize("name", ["sine", "tanh", "silu", "softplus"])
def test_the_adjoint_without_a_compiler_is_the_transpose(name, kernels):
    channels = Channels.jet(2, 2)
    plan = JetPlan.of(channels)
    z, bias, weights = numbers(3, len(plan.carried), N), numbers(3), numbers(3, len(plan.carried), N)
    z.requires_grad_()
    (by_z,) = torch.autograd.grad(activate(z, bias, 0.7, name, plan), z, weights)
    adjoint = activate_adjoint(z.detach(), bias, weights, 0.7, name, plan)
    assert torch.allclose(by_z, adjoint, rtol=1e-12)
    direction = numbers(*z.shape)
    step = 1e-6 * direction
    moved = activate(z.detach() + step, bias, 0.7, name, plan) - activate(z.detach() - step, bias, 0.7, name, plan)
    assert float((moved * weights).sum() / 2e-6) == pytest.approx(float((adjoint * direction).sum()), rel=1e-7)
