"""Products with the Jacobian of a field: of the parts that are here, and of an encoder made in this file."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.boundary_factor import BoundaryFactor
from hermite_pinn.field.encoder import Encoder
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.field.heads import HEADS
from hermite_pinn.field.linearization import RowProducts

BOX, NAMES, POINTS = hp.Box(x=(0, 1), y=(-1, 1)), ("u", "v"), 6
CHANNELS = Channels.of(2, [(0, 1), (0, 0)]) + Channels.laplacian(2)


@dataclass(frozen=True, eq=False)
class Waves(Encoder):
    """Features ``c_f sin(f x) exp(y / f)`` on one level: what an encoder needs, and no more."""

    coefficients: torch.Tensor

    name: ClassVar[str] = "waves"
    affine: ClassVar[bool] = True
    lower, upper, levels, cells = (0.0, -1.0), (1.0, 1.0), 1, (4, 4)

    @classmethod
    def build(cls, options, domain, periodic, levels, features, generator, dtype, device):
        return cls(torch.ones(features, dtype=dtype))

    @property
    def features(self):
        return len(self.coefficients)

    def parameters(self):
        return {"coefficients": self.coefficients}

    def with_parameters(self, tree):
        return Waves(tree["coefficients"])

    def _basis(self, x, channels):
        f = torch.arange(1, self.features + 1, dtype=x.dtype)[:, None]
        derivatives = [
            sum(
                w * f**i * torch.sin(f * x[0] + i * torch.pi / 2) * f**-j * torch.exp(x[1] / f) for w, (i, j) in channel
            )
            for channel in channels.channels
        ]
        return torch.stack(derivatives, 1)

    def jets(self, x, channels):
        return (self.coefficients[:, None, None] * self._basis(x, channels))[None]

    def linearized(self, x, channels, weights):
        return WaveRows((weights.sum(1) * self._basis(x, channels)).sum(2))

    def describe(self):
        return {"name": self.name}

    @classmethod
    def from_description(cls, described, tree):
        return cls(tree["coefficients"])


@dataclass(frozen=True, eq=False)
class WaveRows(RowProducts):
    """The Jacobian as it is, (terms, features, n)."""

    matrix: torch.Tensor

    def forward(self, direction):
        return torch.einsum("tfn,f->tn", self.matrix, direction["coefficients"]) if direction else None

    def adjoint(self, rows, out):
        if out:
            out["coefficients"].add_(torch.einsum("tfn,tn->f", self.matrix, rows))

    def squares(self, out):
        if out:
            out["coefficients"].add_(self.matrix.square().sum((0, 2)))

    def dense(self, path, points):
        return [m[:, points].T for m in self.matrix]


def build(head, encoder, vanishing):
    """A field whose parameters are all random."""
    spec = hp.Field(head=head, features=3, width=5, depth=2, omega=0.7, table_size=16)
    field = spec.build(BOX, NAMES, (False, False), 2, seed=3)
    if encoder == "waves":
        waves = Waves(torch.ones(3, dtype=torch.float64))
        head = HEADS[head].build(spec, 3, len(NAMES), torch.Generator().manual_seed(0), torch.float64)
        field = GridField(BOX.names, NAMES, waves, head)
    if vanishing:
        factor = BoundaryFactor.of_faces(BOX.lower, BOX.upper, NAMES, {("u", 0, 0), ("v", 1, 1), ("v", 1, 0)})
        field = replace(field, boundary_factor=factor)
    generator = torch.Generator().manual_seed(1)
    return field.with_tensors(
        {k: v + 0.3 * torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in field.tensors().items()}
    )


@pytest.fixture(params=HEADS)
def head(request):
    return request.param


@pytest.fixture(params=["hermite", "waves"])
def encoder(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["free", "vanishing"])
def vanishing(request):
    return request.param


@pytest.fixture
def field(head, encoder, vanishing):
    return build(head, encoder, vanishing)


def sample():
    generator = torch.Generator().manual_seed(5)
    x = BOX.interior.random(POINTS, generator, torch.float64).x
    weights = [torch.randn(2, len(CHANNELS), POINTS, generator=generator, dtype=torch.float64) for _ in range(2)]
    return x, weights, generator


def random_like(tree, generator):
    return {k: torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in tree.items()}


def test_jets_are_those_of_the_function(field):
    x, _, _ = sample()
    torch.testing.assert_close(field.linearized(x, CHANNELS).jets, field.jets(x, CHANNELS), rtol=1e-12, atol=1e-12)


def test_products_are_derivatives_and_their_transposes(field):
    """The derivative by all parameters, the gate included, and <r, J v> = <J^T r, v>."""
    x, weights, generator = sample()
    tree = field.tensors()
    rows = field.linearized(x, CHANNELS).rows(weights)
    direction, h = random_like(tree, generator), 1e-6
    moved = rows.forward(direction)

    def at(s):
        jets = field.with_tensors({k: v + s * h * direction[k] for k, v in tree.items()}).jets(x, CHANNELS)
        return torch.stack([(w * jets).sum((0, 1)) for w in weights])

    torch.testing.assert_close((at(1) - at(-1)) / (2 * h), moved, rtol=1e-6, atol=1e-6 * float(moved.abs().max()))
    dual, pulled = torch.randn(moved.shape, generator=generator, dtype=moved.dtype), {}
    pulled = {k: torch.zeros_like(v) for k, v in tree.items()}
    rows.adjoint(dual, pulled)
    inner = sum(float((pulled[k] * direction[k]).sum()) for k in tree)
    assert inner == pytest.approx(float((dual * moved).sum()), rel=1e-11, abs=1e-11 * float(dual.norm() * moved.norm()))


def test_a_part_of_the_parameters_moves_alone(field):
    x, weights, generator = sample()
    rows = field.linearized(x, CHANNELS).rows(weights)
    direction = random_like(field.tensors(), generator)
    parts = [rows.forward({k: v}) for k, v in direction.items()]
    torch.testing.assert_close(sum(parts), rows.forward(direction), rtol=1e-11, atol=1e-11)
    assert rows.forward({}) is None


def test_squares_and_dense_are_those_of_the_matrix(field):
    x, weights, _ = sample()
    rows = field.linearized(x, CHANNELS).rows(weights)
    squares = {k: torch.zeros_like(v) for k, v in field.tensors().items()}
    rows.squares(squares)
    for path, leaf in field.tensors().items():
        matrix = torch.cat(rows.dense(path, slice(0, 2)) + rows.dense(path, slice(2, None)))
        assert matrix.shape == (2 * POINTS, leaf.numel())
        torch.testing.assert_close(matrix.square().sum(0).view(leaf.shape), squares[path], rtol=1e-10, atol=1e-12)
        some = torch.randn(leaf.shape, dtype=leaf.dtype, generator=torch.Generator().manual_seed(2))
        halves = [*rows.dense(path, slice(0, 2)), *rows.dense(path, slice(2, None))]
        joined = torch.cat([torch.stack(halves[:2], 0), torch.stack(halves[2:], 0)], 1)
        torch.testing.assert_close(joined @ some.reshape(-1), rows.forward({path: some}), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("encoder", ["hermite", "waves"])
@pytest.mark.parametrize("head", HEADS)
def test_affine_means_that_products_do_not_change(head, encoder):
    """Where a field says that it is affine in some parameters, the jets along them lie on a line."""
    field = build(head, encoder, True)
    x, _, generator = sample()
    table = next(path for path in field.tensors() if path.startswith("encoder"))
    for paths in ([table], field.readout, [table, *field.readout], field.unknowns):
        direction = {k: torch.randn(field.tensors()[k].shape, generator=generator, dtype=torch.float64) for k in paths}
        moved = [field.tensors() | {k: field.tensors()[k] + s * v for k, v in direction.items()} for s in (0, 1, 2)]
        start, middle, end = (field.with_tensors(tree).jets(x, CHANNELS) for tree in moved)
        bend = float((end - 2 * middle + start).abs().max())
        assert (bend < 1e-9) == field.affine_in(paths), paths


def test_folding_changes_no_value():
    field = build("siren+linear", "hermite", True)
    x, _, _ = sample()
    folded = field.folded()
    assert float(folded.gate) == 1.0
    torch.testing.assert_close(folded.jets(x, CHANNELS), field.jets(x, CHANNELS), rtol=1e-12, atol=1e-12)
    assert set(field.tensors()) - set(folded.unknowns) == {"head/gate"}


def test_an_encoder_without_a_grid_says_so():
    field = build("siren", "waves", False)
    with pytest.raises(hp.HermitePinnError, match="'waves' has no grid"):
        _ = field.layout


def test_levels_are_the_parameters_that_only_they_read():
    """Moving the coefficients of one level changes the features of this level and of no other."""
    field = hp.Field(head="siren", features=2, width=4, table_size=16).build(BOX, NAMES, (False, False), 3)
    x, _, generator = sample()
    ((path, slices),) = field.level_slices.items()
    assert path in field.tensors()
    assert len(slices) == field.encoder.levels == 3
    before = field.encoder.jets(x, Channels.value(2))
    for level, part in enumerate(slices):
        moved = field.tensors()[path].clone()
        moved[part] += torch.rand(moved[part].shape, generator=generator, dtype=moved.dtype)
        after = field.with_tensors(field.tensors() | {path: moved}).encoder.jets(x, Channels.value(2))
        changed = (after != before).any(dim=3).any(dim=2).any(dim=1)
        assert changed.tolist() == [k == level for k in range(3)]
    assert set(field.layers) == {path for path in field.tensors() if path.endswith(("weight", "bias"))}
