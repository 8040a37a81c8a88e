"""Solutions are functions, report what they are, and survive on disk; damaged files are recognised."""

import itertools
import math

import h5py
import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import pi, problems, sin
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError, OutputError
from hermite_pinn.problem.names import RESERVED
from hermite_pinn.run.store_format import SEAL_SIZE


@pytest.fixture(scope="module")
def solution():
    return hp.solve(problems.helmholtz2d(a=2), levels=4)


@pytest.fixture(scope="module")
def network():
    options = hp.Adam(steps=3, points=50, face_points=10)
    return hp.solve(problems.helmholtz2d(a=1), method=options, levels=3, field=hp.Field(head="siren", width=8))


def test_fields_are_functions_of_the_coordinates(solution):
    x, y = np.random.default_rng(0).random((2, 30))
    exact = np.sin(2 * np.pi * x) * np.sin(2 * np.pi * y)
    assert np.abs(solution.u(x, y) - exact).max() < 1e-3
    assert np.abs(solution.u.laplacian(x, y) + 8 * np.pi**2 * exact).max() < 2
    assert np.abs(solution.u.xy(x, y) - 4 * np.pi**2 * np.cos(2 * np.pi * x) * np.cos(2 * np.pi * y)).max() < 1
    assert np.allclose(solution.u.laplacian(x, y), solution.u.xx(x, y) + solution.u.yy(x, y))
    assert np.allclose(solution.u.grad(x, y), np.stack([solution.u.x(x, y), solution.u.y(x, y)], -1))


def test_shapes_and_types_follow_the_arguments(solution):
    assert isinstance(solution.u(0.3, 0.4), float)
    assert solution.u(np.zeros((3, 1)), np.zeros(4)).shape == (3, 4)
    assert solution.u.grad(np.zeros((3, 1)), np.zeros(4)).shape == (3, 4, 2)
    assert solution.u([0.1, 0.2], 0.3).dtype == np.float64
    out = solution.u(torch.zeros(5), torch.zeros(5))
    assert isinstance(out, torch.Tensor)
    assert out.dtype == torch.float64
    assert solution.u(y=0.3, x=0.1) == solution.u(0.1, 0.3) == solution.u(0.1, y=0.3)
    assert solution.u(np.zeros(0), np.zeros(0)).shape == (0,)


def test_fields_are_differentiable_in_the_coordinates(solution, network):
    for s in (solution, network):
        x = torch.tensor([0.31, 0.77], dtype=torch.float64, requires_grad=True)
        y = torch.tensor([0.13, 0.58], dtype=torch.float64)
        slope = torch.autograd.grad(s.u(x, y).sum(), x)[0]
        assert torch.allclose(slope, s.u.x(x.detach(), y), rtol=1e-5, atol=1e-6)
        curvature = torch.autograd.grad(s.u.x(x, y).sum(), x)[0]
        assert torch.allclose(curvature, s.u.xx(x.detach(), y), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.u(0.5), "takes the coordinates x, y"),
        (lambda s: s.u(0.5, 0.5, 0.5), "takes the coordinates"),
        (lambda s: s.u(0.5, z=0.5), "takes the coordinates"),
        (lambda s: s.u(1.5, 0.5), "x = 1.5 lies outside"),
        (lambda s: s.u(0.5, np.nan), "must be finite"),
        (lambda s: s.u(0.5, 1j), "complex"),
        (lambda s: s.u("a", 0.5), "number"),
        (lambda s: s.residual(np.zeros((3, 3))), r"shape \(n, 2\)"),
        (lambda s: s.error(exact={"u": lambda z: z}), "unknown argument"),
    ],
)
def test_wrong_arguments(solution, call, message):
    with pytest.raises((InvalidArgumentError, hp.InvalidProblemError), match=message):
        call(solution)


def test_unknown_attributes(solution):
    with pytest.raises(AttributeError, match="its fields are u"):
        _ = solution.v
    with pytest.raises(AttributeError, match="coordinates are x, y"):
        _ = solution.u.z
    assert not hasattr(solution, "v")


def test_errors_and_residuals(solution):
    standard = solution.error()["u"]
    points = np.random.default_rng(1).random((5000, 2))
    sampled = solution.error(points)["u"]
    assert standard["relative_l2"] == pytest.approx(sampled["relative_l2"], rel=0.2)
    assert sampled["max"] <= standard["max"] * 1.5
    assert solution.error(exact={"u": lambda x, y: 0.0 * x})["u"]["max"] == pytest.approx(1.0, rel=1e-3)
    residual = solution.residual(points)["pde"]
    assert np.sqrt(np.mean(residual**2)) == pytest.approx(solution.residuals["pde"], rel=0.2)


def test_the_error_grid_meets_no_vertex(solution):
    from hermite_pinn.field.sampling import off_lattice_axes

    for axis in off_lattice_axes(solution.field, solution.domain):
        cells = axis * solution.field.layout.resolutions[-1][0]
        assert np.abs(cells - np.round(cells)).min() > 1e-3
        assert len(axis) / solution.field.layout.resolutions[-1][0] > 2


def test_the_report_says_what_matters(solution):
    text = str(solution)
    for part in (
        "completed",
        "estimate",
        "error u",
        "residual",
        "pde",
        "32x32 cells",
        "gauss_newton",
        "float64",
        "seed 0",
    ):
        assert part in text
    assert len(text.splitlines()) <= 12
    unfinished = hp.solve(problems.helmholtz2d(a=9), method=hp.GaussNewton(max_unknowns=500))
    assert unfinished.status is hp.Status.MAX_SIZE
    assert unfinished.status.advice_at(unfinished.estimated_error) in str(unfinished)


def test_stats(solution):
    for key in (
        "seconds",
        "compile_seconds",
        "steps",
        "peak_memory",
        "parameters",
        "reachable",
        "device",
        "versions",
        "seed",
    ):
        assert key in solution.stats
    assert solution.stats["parameters"] == sum((n + 1) ** 2 * 4 for n in (4, 8, 16, 32))


@pytest.mark.parametrize("which", ["solution", "network"])
def test_saving_and_loading(which, request, tmp_path):
    saved = request.getfixturevalue(which)
    path = tmp_path / "u.h5"
    saved.save(path, samples=8)
    loaded = hp.Solution.load(path)
    x, y = np.random.default_rng(0).random((2, 20))
    assert np.array_equal(saved.u(x, y), loaded.u(x, y))
    assert np.array_equal(saved.u.laplacian(x, y), loaded.u.laplacian(x, y))
    assert (loaded.status, loaded.message, loaded.stats) == (saved.status, saved.message, saved.stats)
    assert loaded.residuals == saved.residuals
    assert loaded.settings == saved.settings
    assert np.array_equal(loaded.history["loss"], saved.history["loss"])
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InvalidArgumentError, match="no equations"):
        loaded.residual(np.zeros((1, 2)) + 0.5)
    with pytest.raises(InvalidArgumentError, match="no exact solution"):
        loaded.error()
    assert loaded.error(exact={"u": lambda x, y: sin(2 * pi * x) * sin(2 * pi * y)})["u"]["relative_l2"] < 2


def test_the_file_describes_itself(solution, tmp_path):
    path = tmp_path / "u.h5"
    solution.save(path, samples=4)
    with h5py.File(path) as file:
        assert file.attrs["format"] == "hermite_pinn solution"
        assert set(file) == {"field", "history", "meta", "samples"}
        assert file["samples/u"].shape == (5, 5)
        assert file["samples/axes/x"].shape == (5,)
        text = bytes(file["meta"][()]).decode()
    for part in ("helmholtz2d", "u.xx", "gauss_newton", "versions"):
        assert part in text


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how not in ("cut", "empty", "text"):
        path.write_bytes(data[SEAL_SIZE:])  # without the checksum of the bytes, which would be the first to object
    if how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("not a file of ours")
    elif how == "foreign":
        with h5py.File(path, "w") as file:
            file["x"] = [1, 2, 3]
    elif how == "checkpoint":
        with h5py.File(path, "a") as file:
            file.attrs["format"] = "hermite_pinn checkpoint"
    elif how == "future":
        with h5py.File(path, "a") as file:
            file.attrs["version"] = 99
    elif how == "missing table":
        with h5py.File(path, "a") as file:
            del file["field/encoder/table"]
    elif how == "changed number":
        with h5py.File(path, "a") as file:
            table = file["field/encoder/table"][()]
            table[3] += 1.0
            del file["field/encoder/table"]
            file["field/encoder/table"] = table
    elif how == "objects":
        with h5py.File(path, "a") as file:
            file["field/code"] = "import os"


@pytest.mark.parametrize(
    "how",
    ["cut", "empty", "text", "foreign", "checkpoint", "future", "missing table", "changed number", "objects"],
)
def test_damaged_and_foreign_files(solution, tmp_path, how):
    path = tmp_path / "u.h5"
    solution.save(path)
    damage(path, how)
    with pytest.raises(CorruptFileError, match=r"u\.h5"):
        hp.Solution.load(path)


def test_single_flipped_bytes_are_noticed(solution, tmp_path):
    """Whatever byte of the stored numbers changes, loading fails or gives the same numbers (padding)."""
    path = tmp_path / "u.h5"
    solution.save(path)
    data = path.read_bytes()
    reference = solution.field.table
    for position in range(0, len(data), max(1, len(data) // 60)):
        broken = bytearray(data)
        broken[position] ^= 0x40
        path.write_bytes(broken)
        try:
            loaded = hp.Solution.load(path)
        except CorruptFileError:
            continue
        assert torch.equal(loaded.field.table, reference)


def test_missing_files_and_folders(solution, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.h5"):
        hp.Solution.load(tmp_path / "nothing.h5")
    with pytest.raises(OutputError, match="does not exist"):
        solution.save(tmp_path / "no" / "u.h5")
    with pytest.raises(OutputError, match="is a folder"):
        solution.save(tmp_path)
    with pytest.raises(OutputError, match="does not exist"):
        hp.solve(problems.helmholtz2d(a=1), levels=2, checkpoint=tmp_path / "no" / "state.h5")


def test_a_failed_write_leaves_the_old_file(solution, tmp_path, monkeypatch):
    path = tmp_path / "u.h5"
    solution.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(h5py.File, "create_dataset", lambda *a, **k: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OutputError, match="disk full"):
        solution.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_statuses_carry_advice():
    for status, other in itertools.pairwise(hp.Status):
        assert status.advice.endswith(".")
        assert status.label != other.label
    assert [s for s in hp.Status if s.success] == [hp.Status.CONVERGED, hp.Status.COMPLETED]


def test_history_columns(solution):
    assert len(solution.history) == 4
    assert solution.history[0]["level"] == 1
    with pytest.raises(KeyError, match="no column 'nothing'"):
        solution.history["nothing"]


def test_the_scales_of_residuals_are_reported():
    """The RMS of the source, or for equations without source the largest term of half a wave over the box."""
    source = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u, x, y: u.laplacian + 3.0 * x, [hp.Dirichlet(u=0.0)])
    solution = hp.solve(source, levels=1)
    assert solution.stats["residual_scales"]["pde"] == pytest.approx(3 / 3**0.5, rel=1e-2)
    assert "of its scale" in str(solution)
    none = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian, [hp.Dirichlet(u=1.0)])
    assert hp.solve(none, levels=1).stats["residual_scales"]["pde"] == pytest.approx(math.pi**2)


def test_no_field_can_take_the_name_of_an_attribute(solution):
    public = {name for name in {*dir(hp.Solution), *vars(solution)} if not name.startswith("_")}
    assert public == RESERVED
