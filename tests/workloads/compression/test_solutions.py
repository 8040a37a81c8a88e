"""Compressed solutions of all kinds: errors are bounded, files are read by levels, and damage is found."""

import json
import warnings

import numpy as np
import pytest
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.field.sampling import off_lattice_axes
from hermite_pinn.workloads.compression.container import look


def poisson(**options):
    return hp.solve(hp.problems.poisson2d(), progress=False, **options)


def trained(**options):
    return poisson(field=hp.Field(**options), method=hp.Adam(steps=20, points=200), levels=3, throw=False)


def piecewise():
    problem = hp.Problem(
        hp.Box(x=(0, 1), breaks={"x": [0.3]}),
        "u",
        lambda u, x: u.xx - hp.where(x < 0.3, 1.0, 5.0),
        [hp.Dirichlet(u=0.0)],
    )
    return hp.solve(problem, levels=3, progress=False)


def periodic():
    problem = hp.Problem(
        hp.Box(x=(0, 2), t=(0, 1)),
        ["u", "v"],
        lambda u, v: {"a": u.t + u.x, "b": v.t - 3 * v.x},
        [
            hp.Periodic("x"),
            hp.Initial(u=lambda x: hp.sin(hp.pi * x)),
            hp.Initial(v=lambda x: 1e-6 * hp.cos(hp.pi * x)),
        ],
    )
    return hp.solve(problem, levels=4, progress=False)


def cut():
    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1)) - hp.Disk((0.1, 0.0), 0.4),
        "u",
        lambda u: u.laplacian + 1,
        [hp.Dirichlet(u=0.0)],
    )
    return hp.solve(problem, levels=3, progress=False)


def inverse():
    return hp.solve(hp.problems.inverse_poisson(), levels=3, progress=False, throw=False)


KINDS = {
    "levels": lambda: poisson(levels=5),
    "cubic": lambda: poisson(field=hp.Field(basis="cubic"), levels=5),
    "smooth": lambda: trained(encoder="smooth", head="linear"),
    "solid": lambda: hp.solve(hp.problems.poisson3d(), levels=2, progress=False),
    "line": lambda: hp.solve(
        hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - hp.exp(x), [hp.Dirichlet(u=0.0)]), levels=4, progress=False
    ),
    "breaks": piecewise,
    "fields": periodic,
    "cut": cut,
    "parameters": inverse,
    "corner": lambda: hp.solve(hp.problems.cavity(), levels=3, progress=False, throw=False),
    "hashed": lambda: trained(table_size=32, head="linear"),
    "network": lambda: trained(table_size=64, head="siren", width=8, depth=1),
    "hard": lambda: trained(table_size=64, head="siren+linear", width=8, depth=1),
    "differences": lambda: trained(encoder="trilinear_fd"),
    "fourier": lambda: trained(encoder="fourier"),
    "coordinates": lambda: trained(encoder="coordinates", head="siren", width=8, depth=1),
}  # fmt: skip
LONG = ("parameters", "corner")  # solved for more than some seconds
MADE: dict[str, hp.Solution] = {}


def made(kind):
    """A solution of a kind, solved once."""
    if kind not in MADE:
        MADE[kind] = KINDS[kind]()
    return MADE[kind]


def points_of(solution, count=20_000):
    """Random points of the domain that nobody measured errors at."""
    generator = np.random.default_rng(3)
    lower, upper = np.array(solution.domain.lower), np.array(solution.domain.upper)
    x = lower + (upper - lower) * generator.uniform(size=(count, len(lower)))
    inside = solution.inside(x) if solution.domain.dim > 1 else np.ones(count, dtype=bool)
    return x[inside]


def relative(found, wanted):
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("tol", [1e-2, 1e-4])
@pytest.mark.parametrize("kind", [pytest.param(k, marks=[pytest.mark.slow] * (k in LONG)) for k in KINDS])
def test_the_error_of_every_field_is_bounded(kind, tol, tmp_path):
    solution = made(kind)
    small = hp.compression.compress(solution, tol=tol)
    small.save(tmp_path / "u.hpc")
    again = hp.compression.load(tmp_path / "u.hpc")
    x = points_of(solution)
    for wanted, found, name in zip(solution.at_points(x)[:, 0], again.at_points(x)[:, 0], solution.fields, strict=True):
        assert small.error[name] <= tol
        assert np.linalg.norm(wanted) == 0 or relative(found, wanted) < 1.15 * tol  # other points, and fewer
    assert (tmp_path / "u.hpc").stat().st_size == small.bytes == small.sizes[-1]
    assert small.fields == solution.fields


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=[pytest.mark.slow] * (k in LONG)) for k in ("levels", "fields", "cut", "network", *LONG)],
)
def test_all_but_the_numbers_of_fields_comes_back(kind, tmp_path):
    solution = made(kind)
    hp.compression.compress(solution, tol=1e-3).save(tmp_path / "u.hpc")
    solution.save(tmp_path / "u.h5")
    again, plain = hp.compression.load(tmp_path / "u.hpc"), hp.Solution.load(tmp_path / "u.h5")
    for name in ("periodic", "status", "message", "parameters", "residuals", "estimated_error", "title", "settings"):
        assert repr(getattr(again, name)) == repr(getattr(plain, name)), name
    assert repr(list(again.history)) == repr(list(plain.history))
    assert {k: v for k, v in again.stats.items() if k != "compression"} == plain.stats
    assert again.stats["compression"]["tol"] == 1e-3
    assert again.domain.bounds == plain.domain.bounds
    assert again.domain.is_cut == plain.domain.is_cut
    assert again.field.dtype is solution.field.dtype


def test_a_loaded_solution_is_saved_and_compressed_again(tmp_path):
    hp.compression.compress(made("levels"), tol=1e-5).save(tmp_path / "u.hpc")
    again = hp.compression.load(tmp_path / "u.hpc")
    again.save(tmp_path / "u.h5")
    x = points_of(again)
    assert relative(hp.Solution.load(tmp_path / "u.h5").at_points(x), again.at_points(x)) < 1e-14
    twice = hp.compression.compress(again, tol=1e-5)
    assert twice.error["u"] <= 1e-5


@pytest.mark.parametrize("kind", ["levels", "solid", "fields", "hashed", "network"])
def test_smaller_errors_cost_more_bytes(kind):
    sizes = [hp.compression.compress(made(kind), tol=tol).bytes for tol in (1e-1, 1e-3, 1e-5)]
    assert sizes[0] < sizes[1] < sizes[2]


def test_gradients_are_bounded_where_it_is_asked_for():
    solution = made("levels")
    small = hp.compression.compress(solution, tol=1e-2, gradient_tol=1e-4)
    assert small.error["u"] <= 1e-2
    assert small.gradient_error["u"] <= 1e-4
    x, y = points_of(solution).T
    assert relative(small.solution.u.grad(x, y), solution.u.grad(x, y)) < 1.15e-4
    assert hp.compression.compress(solution, tol=1e-2).bytes < small.bytes


def test_derivatives_are_those_of_the_decoded_field():
    u, h = hp.compression.compress(made("levels"), tol=1e-4).solution.u, 1e-4
    x, y = points_of(made("levels"), 200).T * 0.98 + 0.01
    np.testing.assert_allclose(u.x(x, y), (u(x + h, y) - u(x - h, y)) / (2 * h), atol=1e-4)
    cross = (u.x(x + h, y) - u.x(x - h, y) + u.y(x, y + h) - u.y(x, y - h)) / (2 * h)
    assert np.median(np.abs(u.laplacian(x, y) - cross)) < 1e-4  # some of the differences reach across vertices


@pytest.mark.parametrize("kind", ["levels", "solid", "fields", "hashed"])
def test_errors_fall_from_level_to_level(kind, tmp_path):
    small = hp.compression.compress(made(kind), tol=1e-6 if kind != "hashed" else 1e-5)
    assert small.levels > 1
    assert len(small.level_errors) == len(small.sizes) == small.levels
    assert list(small.sizes) == sorted(small.sizes)
    last = small.level_errors[-3:]
    assert list(last) == sorted(last, reverse=True)
    small.save(tmp_path / "u.hpc")
    axes = off_lattice_axes(small.solution.field, small.solution.domain, 10_000)
    wanted = small.solution.on_grid(axes)
    errors = []
    for levels in range(1, small.levels + 1):
        found = hp.compression.load(tmp_path / "u.hpc", levels=levels).on_grid(axes)
        errors.append(max(relative(f, w) for f, w in zip(found, wanted, strict=True)))
    assert errors[-1] < 1e-12
    assert errors[-2] < max(errors)


@pytest.mark.parametrize("kind", ["levels", "cut", "hashed"])
def test_a_file_cut_off_is_read_up_to_there(kind, tmp_path):
    small = hp.compression.compress(made(kind), tol=1e-3)
    path, cut_off = tmp_path / "u.hpc", tmp_path / "cut.hpc"
    small.save(path)
    for level, size in enumerate(small.sizes[:-1], 1):
        cut_off.write_bytes(path.read_bytes()[: size + 1])
        with pytest.warns(hp.HermitePinnWarning, match=f"{level} of its {small.levels} levels are whole"):
            found = hp.compression.load(cut_off)
        wanted = hp.compression.load(path, levels=level)
        x = points_of(wanted, 50)
        np.testing.assert_array_equal(found.at_points(x), wanted.at_points(x))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            hp.compression.load(cut_off, levels=level)
        with pytest.raises(CorruptFileError, match="was cut off"):
            hp.compression.load(cut_off, levels=level + 1)
    cut_off.write_bytes(path.read_bytes()[: small.sizes[0] - 1])
    with pytest.raises(CorruptFileError, match="was cut off"):
        hp.compression.load(cut_off)


def test_damage_is_found_wherever_it_is(tmp_path):
    path = tmp_path / "u.hpc"
    hp.compression.compress(made("cut"), tol=1e-2).save(path)
    whole = path.read_bytes()
    for place in np.unique(np.linspace(0, len(whole) - 1, 300).astype(int)):
        changed = bytearray(whole)
        changed[place] ^= 0x40
        path.write_bytes(changed)
        with pytest.raises(CorruptFileError):
            hp.compression.load(path)


def rewritten(path, change):
    """The file with another text, whose checksums are right."""
    from hermite_pinn.workloads.compression.container import Block, read_blocks, write_container

    contents = look(path, ["solution"])
    blocks = read_blocks(contents)
    levels = {name: k for k, names in enumerate(contents.names) for name in names}
    change(contents.meta, blocks)
    write_container(path, "solution", contents.meta, [Block(n, levels.get(n, 0), b) for n, b in blocks.items()])


def larger(meta, blocks):
    layout = json.loads(meta["field"]["encoder"]["layout"])
    layout[2][0] = [64 * n for n in layout[2][0]]
    meta["field"]["encoder"]["layout"] = json.dumps(layout)


CHANGES = {
    "no scales": lambda meta, blocks: meta["coding"].update(scales=[]),
    "a negative scale": lambda meta, blocks: meta["coding"].update(scales=[-1.0]),
    "another coding": lambda meta, blocks: meta["coding"].update(name="pickle"),
    "a coding that does not fit": lambda meta, blocks: meta["coding"].update(name="grouped"),
    "another type": lambda meta, blocks: meta.update(dtype="object"),
    "a larger table": lambda meta, blocks: meta["tensors"].update({"encoder/table": [2**39]}),
    "a larger grid": larger,
    "no field": lambda meta, blocks: meta.pop("field"),
    "no status": lambda meta, blocks: meta.update(status="FINE"),
    "a foreign block": lambda meta, blocks: blocks.update(more=b""),
    "no history": lambda meta, blocks: blocks.pop("history"),
    "a longer history": lambda meta, blocks: meta.update(history=10),
    "an empty level": lambda meta, blocks: blocks.update({"level 2": b""}),
    "a level of zeros of another length": lambda meta, blocks: blocks.update({"level 2": b"\x01"}),
    "an array that no shape has": lambda meta, blocks: meta.update(arrays={"shapes/0": ["|O", [1]]}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_not_fit_together_is_refused(change, tmp_path):
    path = tmp_path / "u.hpc"
    hp.compression.compress(made("cubic"), tol=1e-3).save(path)
    rewritten(path, CHANGES[change])
    with pytest.raises(CorruptFileError):
        hp.compression.load(path)


def test_more_than_the_memory_is_not_asked_for(tmp_path, monkeypatch):
    path = tmp_path / "u.hpc"
    hp.compression.compress(made("cubic"), tol=1e-3).save(path)
    monkeypatch.setattr("hermite_pinn.memory.available_memory", lambda device: 1000)
    with pytest.raises(hp.OutOfMemoryError, match="read fewer levels"):
        hp.compression.load(path)
    with pytest.raises(hp.OutOfMemoryError, match="compressing"):
        hp.compression.compress(made("cubic"))


def test_a_field_that_vanishes_stays_so():
    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian, [hp.Dirichlet(u=0.0)])
    solution = hp.solve(problem, levels=2, progress=False)
    small = hp.compression.compress(solution, tol=1e-3)
    assert float(np.abs(small.solution.at_points(points_of(solution))).max()) <= 1e-3


@pytest.mark.parametrize("tol", [0.0, 1.0, -1e-3, float("nan"), "small", True, None])
def test_bounds_are_checked(tol):
    with pytest.raises(InvalidArgumentError, match="tol"):
        hp.compression.compress(made("levels"), tol=tol)


def test_what_is_no_solution_is_refused():
    for wrong in (None, 3, "u.h5", np.ones(3)):
        with pytest.raises(InvalidArgumentError, match="Solution"):
            hp.compression.compress(wrong)
    with pytest.raises(InvalidArgumentError, match="method"):
        hp.compression.compress(made("levels"), method="zip")


def test_more_accuracy_than_the_numbers_have_is_refused():
    with pytest.raises(InvalidArgumentError, match="finer than the numbers of this field"):
        hp.compression.compress(made("levels"), tol=1e-25)


def test_single_precision_comes_back_exactly_where_that_is_asked_for():
    small = hp.compression.compress(made("network"), tol=1e-12)
    assert small.error["u"] <= 1e-12


def test_the_bound_holds_down_to_rounding():
    small = hp.compression.compress(made("levels"), tol=1e-12)
    assert small.error["u"] <= 1e-12


def test_options_of_another_method_are_refused():
    with pytest.raises(InvalidArgumentError, match="the option of method='levels' must be 'tol' or 'gradient_tol'"):
        hp.compression.compress(made("levels"), method="levels", bits=6)


def test_the_command_writes_a_file_and_tells_its_levels(tmp_path):
    made("levels").save(tmp_path / "u.h5")
    words = ["compress", str(tmp_path / "u.h5"), "--tol", "1e-4", "--gradient-tol", "1e-2"]
    found = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "small.hpc"), "--json"])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["bytes"] == report["sizes"][-1] == (tmp_path / "small.hpc").stat().st_size
    assert report["errors"]["u"] <= 1e-4
    assert hp.compression.load(tmp_path / "small.hpc", levels=1).fields == ("u",)
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert f"wrote {tmp_path / 'u.hpc'}" in told.stdout
    assert len(told.stdout.splitlines()) == 2 + len(report["sizes"])
    for wrong in (["--tol", "0"], ["--tol", "2"], ["--gradient-tol", "nan"]):
        assert CliRunner().invoke(app, ["compress", str(tmp_path / "u.h5"), *wrong]).exit_code == 2
