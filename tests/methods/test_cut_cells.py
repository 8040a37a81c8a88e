"""The cells, levels and rows of a domain cut out of a box, against plain references."""

import numpy as np
import pytest
import torch
from support.cut_domains import dense_jacobian, linearized, points_inside, random_vector, square

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid
from hermite_pinn.field.field import linear_field
from hermite_pinn.methods.systems.cell_channels import CellChannels, CellPoints, PointGroup
from hermite_pinn.methods.systems.compact_field import compact_field
from hermite_pinn.methods.systems.compact_pyramid import CompactPyramid, inner_vertices
from hermite_pinn.methods.systems.cut_block import CutBlock
from hermite_pinn.methods.systems.cut_system import CutSystem
from hermite_pinn.methods.systems.level_gram import LevelGram
from hermite_pinn.methods.systems.vertex_blocks import block_scaling

DISK = hp.Disk((0.42, 0.71), 0.31)


def plane(cut=lambda box: box & DISK, conditions=None, residual=lambda u: u.laplacian, fields="u"):
    return hp.Problem(cut(square()), fields, residual, conditions or [hp.Dirichlet(u=0.0)])


def in_time(axes, periodic=()):
    """A field on a disc at all times, the axes in a given order."""
    bounds = {"x": (-0.1, 0.9), "y": (0.2, 1.2), "t": (0.0, 0.7)}
    box = hp.Box(**{name: bounds[name] for name in axes})
    center = [{"x": 0.42, "y": 0.71}[name] for name in axes if name != "t"]
    domain = box - hp.Disk(center, 0.31)
    return hp.Problem(domain, "u", lambda u: u.t - u.laplacian, [*around(periodic), hp.Initial(u=0.0)])


def around(periodic=()):
    """Conditions on all faces of a box with a disc cut out."""
    sides = [name + end for name in "xy" if name not in periodic for end in "-+"]
    return [*(hp.Periodic(name) for name in periodic), hp.Dirichlet(u=0.0, on=["disk", *sides])]


def solid():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1.3), z=(-1, 0)) - hp.Ball((0.5, 0.6, -0.4), 0.3),
        "u",
        lambda u: u.laplacian,
        [hp.Dirichlet(u=0.0)],
    )


PYRAMIDS = {
    "in a disc": (plane, "cubic", [(4, 4), (8, 8), (16, 16)]),
    "around a disc": (lambda: plane(lambda box: box - DISK), "cubic", [(4, 4), (8, 8), (16, 16)]),
    "one axis refined": (plane, "cubic", [(4, 4), (8, 4), (16, 8)]),
    "quintic": (plane, "quintic", [(4, 4), (8, 8)]),
    "around a ball": (solid, "cubic", [(4, 4, 4), (8, 8, 8)]),
    "time in the middle": (lambda: in_time("xty"), "cubic", [(4, 2, 4), (8, 4, 8)]),
    "time first": (lambda: in_time("txy"), "cubic", [(2, 4, 4), (4, 4, 4), (4, 8, 8)]),
    "time last, periodic": (lambda: in_time("xyt", "x"), "cubic", [(4, 4, 2), (8, 8, 2), (8, 8, 4)]),
    "two fields": (
        lambda: plane(
            conditions=[hp.Dirichlet(u=0.0, v=1.0)],
            fields=["u", "v"],
            residual=lambda u, v: {"a": u.laplacian, "b": v.laplacian},
        ),
        "cubic",
        [(4, 4), (8, 8)],
    ),
}


@pytest.fixture(params=PYRAMIDS)
def pyramid(request):
    made, basis, resolutions = PYRAMIDS[request.param]
    problem = made()
    return problem, CompactPyramid(problem, basis, resolutions)


def wide(problem, pyramid):
    """The dense pyramid on the whole box."""
    return Pyramid(pyramid.basis, pyramid.resolutions, problem.periodic, len(problem.fields))


# -- levels ---
def test_dense_and_compact_coefficients_are_inverse(pyramid):
    _, compact = pyramid
    for k, shape in enumerate(compact.shapes):
        own = torch.randn(shape, dtype=torch.float64)
        dense = compact.dense(k, own)
        assert dense.shape == compact.dense_shapes[k]
        assert torch.equal(compact.compact(k, dense), own)
        assert int((dense != 0).sum()) == own.numel()


def test_prolongation_is_that_of_the_box_on_active_vertices(pyramid):
    problem, compact = pyramid
    dense = wide(problem, compact)
    for k in range(len(compact.shapes) - 1):
        own = torch.randn(compact.shapes[k], dtype=torch.float64)
        expected = compact.compact(k + 1, dense.prolong(k, compact.dense(k, own)))
        assert torch.allclose(compact.prolong(k, own), expected, rtol=1e-13, atol=1e-13)
        started = torch.randn(compact.shapes[k + 1], dtype=torch.float64)
        out = started.clone()
        compact.prolong(k, own, out)
        assert torch.allclose(out, started + expected, rtol=1e-13, atol=1e-13)


def test_restriction_is_the_transpose_of_prolongation(pyramid):
    _, compact = pyramid
    for k in range(len(compact.shapes) - 1):
        coarse = torch.randn(compact.shapes[k], dtype=torch.float64)
        fine = torch.randn(compact.shapes[k + 1], dtype=torch.float64)
        left, right = (compact.prolong(k, coarse) * fine).sum(), (coarse * compact.restrict(k, fine)).sum()
        assert float(left) == pytest.approx(float(right), rel=1e-12)
        out = torch.full_like(coarse, float("nan"))
        compact.restrict(k, fine, out)
        assert torch.allclose(out, compact.restrict(k, fine))


def test_a_coarse_field_is_the_same_on_finer_levels_inside(pyramid):
    problem, compact = pyramid
    x = points_inside(problem.domain, 200)
    channels = Channels.of(problem.domain.dim, [(0,) * problem.domain.dim])
    vector = torch.zeros(compact.size, dtype=torch.float64)
    compact.views(vector)[0].normal_()
    found = []
    for k in range(len(compact.shapes)):
        part = CompactPyramid(problem, compact.basis, compact.resolutions[: k + 1])
        finest = part.accumulate(vector[: part.size].clone())
        field = compact_field(problem, compact.basis, compact.resolutions[k], finest)
        found.append(field.jets(x, channels))
    for other in found[1:]:
        assert torch.allclose(other, found[0], rtol=1e-12, atol=1e-12)


def test_cells_of_finer_levels_lie_in_those_of_coarser_ones(pyramid):
    _, compact = pyramid
    for coarse, fine in zip(compact.levels, compact.levels[1:], strict=False):
        ratio = np.array(fine.counts) // np.array(coarse.counts)
        assert coarse.has(fine.cells // ratio).all()


def test_vertices_inside_are_those_in_the_domain():
    problem = plane()
    inside = inner_vertices(problem, "cubic", (16, 16))
    axes = [torch.linspace(a, b, 17, dtype=torch.float64) for a, b in zip(*bounds(problem), strict=True)]
    x = torch.stack([g.ravel() for g in torch.meshgrid(*axes, indexing="ij")])
    assert torch.equal(inside.ravel(), problem.domain.contains(x))


def bounds(problem):
    return problem.domain.lower, problem.domain.upper


# -- channels ---
ORDERS = {
    "xy": [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)],
    "xyt": [(0, 0, 0), (1, 0, 0), (0, 1, 1), (0, 0, 2), (1, 1, 0), (2, 0, 1), (0, 2, 0)],
}


def channel_problem(axes, periodic):
    if "t" in axes:
        return in_time(axes, periodic), "xyt"
    return plane(lambda box: box - DISK, around(periodic)), "xy"


@pytest.mark.parametrize("basis", ["cubic", "quintic"])
@pytest.mark.parametrize(
    ("axes", "periodic"), [("xy", ""), ("xy", "x"), ("xyt", ""), ("xty", ""), ("txy", ""), ("xty", "y"), ("yxt", "xy")]
)
def test_channels_are_the_derivatives_of_the_field(axes, periodic, basis):
    problem, kind = channel_problem(axes, tuple(periodic))
    domain = problem.domain
    at = [kind.index(name) for name in axes]
    orders = [tuple(o[i] for i in at) for o in ORDERS[kind]]
    resolution = tuple(3 if name == "t" else 6 for name in axes)
    system = CutSystem(problem, basis, [resolution])
    finest = torch.randn(system.pyramid.shapes[0], dtype=torch.float64)
    block = system.interior
    listed = [((1.0, o),) for o in orders] + [((0.5, orders[0]), (-2.0, orders[2]))]
    evaluator = block.evaluator(Channels(domain.dim, tuple(listed)), torch.ones_like(block.root))
    found = torch.stack([c.reshape(-1) for c in evaluator.forward(finest[0])])
    field = compact_field(problem, basis, resolution, finest)
    expected = field.jets(positions(block, domain), Channels(domain.dim, tuple(listed)))[0]
    size = expected.abs().amax(1, keepdim=True)
    assert torch.allclose(found / size, expected / size, atol=1e-11)


def positions(block, domain):
    """The points (dim, n) of a block, times innermost."""
    whole = torch.empty((domain.dim, *block.shape), dtype=torch.float64)
    for k, axis in enumerate(domain.space_axes):
        whole[axis] = torch.as_tensor(block.points.x[k])[:, None]
    if domain.time_axis is not None:
        whole[domain.time_axis] = torch.as_tensor(block.rule.points)[None]
    return whole.reshape(domain.dim, -1)


def test_channels_at_points_of_the_boundary_are_the_derivatives_there():
    problem = solid()
    system = CutSystem(problem, "cubic", [(4, 4, 4)])
    finest = torch.randn(system.pyramid.shapes[0], dtype=torch.float64)
    block = next(b for b in system.blocks if isinstance(b, CutBlock) and b.points.groups[0].own)
    channels = Channels.of(3, [(0, 0, 0), (1, 0, 0), (0, 1, 1)])
    found = block.evaluator(channels, torch.ones_like(block.root)).forward(finest[0])
    x = positions(block, problem.domain)
    field = linear_field(
        problem.domain, ("u",), problem.periodic, "cubic", [(4, 4, 4)], [system.pyramid.dense(0, finest)]
    )
    expected = field.jets(x, channels)[0]
    for k in range(3):
        assert torch.allclose(found[k].reshape(-1), expected[k], rtol=1e-10, atol=1e-9)


@pytest.mark.parametrize("axes", ["xy", "xyt", "txy"])
def test_the_adjoint_of_channels_is_their_transpose(axes):
    problem, kind = channel_problem(axes, ())
    at = [kind.index(name) for name in axes]
    orders = [tuple(o[i] for i in at) for o in ORDERS[kind]]
    system = CutSystem(problem, "cubic", [tuple(2 if name == "t" else 6 for name in axes)])
    block = system.interior
    evaluator = block.evaluator(Channels.of(problem.domain.dim, orders), block.root)
    u = torch.randn(system.pyramid.shapes[0][1:], dtype=torch.float64)
    rows = [torch.randn(block.shape, dtype=torch.float64) for _ in orders]
    left = sum(float((a * b).sum()) for a, b in zip(evaluator.forward(u), rows, strict=True))
    transposed = evaluator.adjoint(rows)
    assert left == pytest.approx(float((u * transposed).sum()), rel=1e-11)
    started = torch.randn(transposed.shape, dtype=torch.float64)
    out = started.clone()
    evaluator.adjoint(rows, out, add=True)
    assert torch.allclose(out, started + transposed, rtol=1e-11, atol=1e-9)
    out = started.clone()
    evaluator.adjoint(rows, out)
    assert torch.allclose(out, transposed, rtol=1e-11, atol=1e-9)


def test_points_of_their_own_in_cells_and_the_matrix_of_their_values():
    system = CutSystem(plane(), "cubic", [(8, 8)])
    level = system.pyramid.levels[0]
    points = CellPoints(level, (PointGroup(level.cells, np.random.default_rng(0).random(level.cells.shape), own=True),))
    evaluator = CellChannels(
        points, Channels.of(2, [(1, 1)]), (0, 1), None, None, torch.ones(points.count, 1, dtype=torch.float64)
    )
    u = torch.randn(system.pyramid.shapes[0][1:], dtype=torch.float64)
    assert torch.allclose(evaluator.forward(u)[0][:, 0], torch.as_tensor(points.matrix((1, 1)) @ u[:, 0].numpy()))


# -- systems ---
SYSTEMS = {
    "dirichlet": lambda: plane(),
    "robin outside": lambda: plane(
        lambda box: box - DISK,
        [
            hp.Robin(u=(1.0, 0.3, 0.0), on="disk"),
            hp.Dirichlet(u=1.0, on="x-"),
            hp.Neumann(u=0.0, on=["x+", "y-", "y+"]),
        ],
    ),
    "variable coefficients": lambda: plane(residual=lambda u, x, y: (1 + x) * u.laplacian + y * u.x - x * y),
    "nonlinear with a parameter": lambda: hp.Problem(
        square() - DISK,
        ["u", "v"],
        lambda u, v, x, c: {"a": u.laplacian - u * v.x, "b": v.laplacian - c * u * v},
        [
            hp.Dirichlet(u=1.0, v=0.0),
            hp.Data([[0.05, 0.3], [0.9, 1.1]], v=[1.0, 2.0]),
        ],
        parameters=[hp.Parameter("c", init=0.3)],
    ),
    "first order with derived rows": lambda: hp.Problem(
        square() & DISK,
        ["u", "v", "p"],
        lambda u, v, p: {"a": u.laplacian - p.x, "b": v.laplacian - p.y, "div": u.x + v.y},
        [hp.Dirichlet(u=1.0, v=0.0), hp.Gauge("p")],
    ),
    "heat": lambda: in_time("xty"),
    "nonlinear in time": lambda: hp.Problem(
        hp.Box(t=(0, 1), x=(-0.1, 0.9), y=(0.2, 1.2)) - DISK,
        "u",
        lambda u, t: u.t - u.laplacian + u * u.x - t,
        [hp.Initial(u=1.0), hp.Dirichlet(u=0.0, on="disk"), hp.Neumann(u=0.0, on=["x-", "x+", "y-", "y+"])],
    ),
}
LEVELS = {2: [(2, 2), (4, 4)], 3: [(4, 2, 4)]}


@pytest.fixture(params=SYSTEMS)
def system(request):
    problem = SYSTEMS[request.param]()
    resolutions = LEVELS[problem.domain.dim]
    if problem.domain.time_axis is not None:
        resolutions = [tuple(2 if i == problem.domain.time_axis else 4 for i in range(problem.domain.dim))]
    return linearized(problem, resolutions)


def test_products_with_the_jacobian_are_differences_of_the_residual(system):
    vector = random_vector(system)
    residual = lambda v: torch.cat([r.reshape(-1) for r in system.linearize(v)])
    direction = torch.randn(system.size, dtype=torch.float64)
    h = 1e-5
    expected = (residual(vector + h * direction) - residual(vector - h * direction)) / (2 * h)
    base = residual(vector)
    found = torch.cat([r.reshape(-1).clone() for r in system.forward(direction.clone())])
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-7 * float(base.norm()))


def test_the_adjoint_of_a_system_is_its_transpose(system):
    direction = torch.randn(system.size, dtype=torch.float64)
    forward = [r.clone() for r in system.forward(direction.clone())]
    rows = [torch.randn(r.shape, dtype=torch.float64) for r in forward]
    left = sum(float((a * b).sum()) for a, b in zip(forward, rows, strict=True))
    assert left == pytest.approx(float(system.adjoint(rows) @ direction), rel=1e-9)


def test_dense_pieces_are_the_products(system):
    """Where sensitivities vary in time, pieces have their means: then only their columns can be compared."""
    if system.problem.domain.time_axis is not None and not system.affine:
        pytest.skip("sensitivities that vary in time are taken at their mean")
    level, grid = len(system.pyramid.shapes) - 1, system.pyramid
    finest = torch.randn(grid.shapes[level], dtype=torch.float64)
    none = torch.zeros(len(system.parameter_names), dtype=torch.float64)
    for block in system.blocks:
        if not isinstance(block, CutBlock):
            continue
        expected = sum(float(r.square().sum()) for r in block.forward(finest, none))
        flat = finest.reshape(-1)
        pieces = list(block.elements())
        found = sum(float(torch.einsum("cra,ca->cr", rows, flat[columns]).square().sum()) for columns, rows in pieces)
        assert found == pytest.approx(expected, rel=1e-11)


def test_column_norms_and_blocks_of_the_finest_level_are_exact(system):
    if system.problem.domain.time_axis is not None and not system.affine:
        pytest.skip("sensitivities that vary in time are taken at their mean")
    level, gram = system.pyramid.levels[-1], system._grams[-1]
    part = system.pyramid.slices[-1]
    normal = dense_jacobian(system)[:, part]
    normal = normal.T @ normal
    assert torch.allclose(gram.squares.reshape(-1), normal.diagonal(), rtol=1e-10, atol=1e-12 * float(normal.max()))
    scattered = [b for b in system.blocks if not isinstance(b, CutBlock)]
    if scattered:
        return  # measured values are in the norms only
    fields, times = gram.fields, gram.times
    for slot, vertex in enumerate(gram.vertices):
        for time in range(times):
            at = [
                (f * level.count * level.record + vertex * level.record + r) * times + time
                for f in range(fields)
                for r in range(level.record)
            ]
            expected = normal[at][:, at]
            size = float(expected.abs().max())
            assert torch.allclose(gram.blocks[slot, time], expected, rtol=1e-9, atol=1e-11 * size)


def test_blocks_of_coarser_levels_are_close_to_the_exact_ones():
    system = linearized(plane(), [(4, 4), (8, 8), (16, 16)])
    jacobian = dense_jacobian(system)
    for k, gram in enumerate(system._grams[:-1]):
        level = gram.level
        exact = jacobian[:, system.pyramid.slices[k]].square().sum(0).reshape(level.count, -1)
        ratio = gram.squares.reshape(level.count, -1) / exact
        inside = inner_vertices(system.problem, "cubic", level.counts)[tuple(level.vertices.T)]
        assert float(ratio.min()) > 0.3
        assert float(ratio[inside].max()) < 3.0


def test_scaled_columns_have_unit_norm_and_blocks_are_orthonormal():
    system = linearized(plane(), [(8, 8)])
    scaling = system.preconditioner(system.column_scale(), 0.0)
    jacobian = dense_jacobian(system)
    unit = torch.eye(system.size, dtype=torch.float64)
    scaled = jacobian @ torch.stack([scaling.apply(e.clone()) for e in unit], 1)
    assert torch.allclose(scaled.square().sum(0), torch.ones(system.size, dtype=torch.float64), atol=1e-6)
    for places in scaling.places[::5]:
        block = scaled[:, places].T @ scaled[:, places]
        assert torch.allclose(block, torch.eye(len(places), dtype=torch.float64), atol=1e-5)


def test_the_scaling_and_its_transpose_agree():
    system = linearized(SYSTEMS["first order with derived rows"](), [(2, 2), (4, 4)])
    scaling = system.preconditioner(system.column_scale(), 0.0)
    y, g = (torch.randn(system.size, dtype=torch.float64) for _ in range(2))
    assert float(scaling.apply(y.clone()) @ g) == pytest.approx(float(y @ scaling.transposed(g.clone())), rel=1e-11)


def test_fixed_unknowns_stay_fixed_under_the_scaling():
    system = linearized(plane(lambda box: box - DISK), [(4, 4), (8, 8)])
    columns = system.column_scale()
    assert (columns == 0).any()
    found = system.preconditioner(columns, 0.0).apply(torch.randn(system.size, dtype=torch.float64))
    assert (found[columns == 0] == 0).all()


def test_levels_without_cut_cells_have_no_blocks():
    system = linearized(plane(), [(8, 8)])
    gram = LevelGram(system.pyramid.levels[0], 1, 1)
    gram.vertices = gram.vertices[:0]
    scaling = block_scaling([gram], [0], system.column_scale(), 0.0)
    y = torch.randn(system.size, dtype=torch.float64)
    assert torch.equal(scaling.apply(y), y * scaling.columns)


def test_the_norm_of_fields_is_that_over_the_domain():
    problem = plane()
    system = CutSystem(problem, "cubic", [(32, 32)])
    one = torch.zeros(system.pyramid.dense_shapes[0], dtype=torch.float64)
    one[:, ::2, ::2] = 1.0
    assert system.norms(one)[0] ** 2 == pytest.approx(problem.domain.interior.measure, rel=3e-3)
    compact = system.pyramid.compact(0, one).reshape(-1).numpy()
    assert compact @ (system.mass() @ compact) == pytest.approx(system.norms(one)[0] ** 2, rel=1e-4)


def test_means_over_the_domain_are_taken_off():
    system = CutSystem(SYSTEMS["first order with derived rows"](), "cubic", [(8, 8)])
    finest = system.pyramid.dense(0, torch.randn(system.pyramid.shapes[0], dtype=torch.float64))
    without = system.without_means(finest)
    weights = system._value.root
    mean = lambda c: float((system._value.forward(c)[0] * weights).sum())
    values = system._compacted(without)
    assert abs(mean(values[2])) < 1e-10
    assert torch.equal(values[:2], system._compacted(finest)[:2])
