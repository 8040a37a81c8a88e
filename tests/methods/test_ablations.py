"""The suite of ablations: variants differ in what they say, ways to derivatives agree, and rows are kept once."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import hermite_pinn as hp
from hermite_pinn.cli import app
from hermite_pinn.errors import CorruptFileError, HermitePinnError
from hermite_pinn.validation import ablations
from hermite_pinn.validation.ablations import ABLATIONS, Ablation, Column, Measure, Row, Variant
from hermite_pinn.validation.ablations.cycles import CycledAdam, even_plan
from hermite_pinn.validation.ablations.derivative_ways import WAYS, loss_gradient
from hermite_pinn.validation.ablations.exact_boundary import ExactBoundary
from hermite_pinn.validation.ablations.point_rules import RULES, AdamAt, RowsAt
from hermite_pinn.validation.ablations.report import ratios, spread, table
from hermite_pinn.validation.ablations.scaled_recipe import network, recipe
from hermite_pinn.validation.ablations.solves import Solve, off_lattice
from hermite_pinn.validation.ablations.step_cost import StepCost, step_cost

ERROR = (Column("error", "relative L2", ".1e"),)


@dataclass(frozen=True)
class Told(Measure):
    """Gives a number, and counts how often."""

    number: float
    runs: list[float]

    @property
    def asked(self):
        return {"number": self.number}

    def run(self):
        self.runs.append(self.number)
        if self.number < 0:
            raise ValueError("a | negative\nnumber")
        return {"error": self.number}


def told(*numbers, runs=None, **more):
    """An ablation of one group whose variants give these numbers."""
    runs = [] if runs is None else runs
    variants = tuple(Variant(f"v{k}", "g", Told(n, runs)) for k, n in enumerate(numbers))
    return Ablation("any", "Any", "Which?", variants, ERROR, **more)


def unit_square():
    return hp.Box(x=(0, 1), y=(0, 1))


# -- the ablations ---
def test_variants_of_an_ablation_have_different_names_and_measure_different_things():
    for name, ablation in ABLATIONS.items():
        assert ablation.name == name
        for group in ablation.groups:
            own = [v for v in ablation.variants if v.group == group]
            assert len({v.name for v in own}) == len(own) > 1, (name, group)
            assert len({json.dumps(v.measure.asked, sort_keys=True) for v in own}) == len(own), (name, group)


def test_compared_fields_can_be_built():
    """Tables, encoders and networks of every variant fit their problem; nothing is trained."""
    for ablation in ABLATIONS.values():
        for solve in (v.measure for v in ablation.variants if isinstance(v.measure, Solve)):
            problem = hp.problems.make(solve.problem, **solve.settings)
            solve.field.check_derivatives(problem.order, problem.domain.dim)
            solve.field.outline(problem.domain, problem.fields, problem.periodic, solve.levels)


def test_rivals_of_the_hermite_grid_have_no_fewer_parameters():
    """Or at most two percent fewer, since cells are whole numbers."""
    for ablation in (ABLATIONS["straight"], ABLATIONS["derivatives"]):
        for group in ablation.groups:
            counts = {}
            for v in (v for v in ablation.variants if v.group == group):
                p = hp.problems.make(v.measure.problem, **v.measure.settings)
                field = v.measure.field.build(p.domain, p.fields, p.periodic, v.measure.levels)
                counts[v.name] = field.parameter_count
            most = max(n for name, n in counts.items() if name.startswith("Hermite"))
            assert all(n > 0.98 * most for name, n in counts.items() if not name.startswith("Hermite")), counts


# -- ways to derivatives ---
@pytest.mark.parametrize("way", list(WAYS))
def test_all_ways_to_second_derivatives_give_the_same_loss_and_gradient(way):
    spec = hp.Field(head="siren", features=2, table_size=2**5, width=8, fused=False)
    field = spec.build(unit_square(), ["u"], [False] * 2, 3)
    generator = torch.Generator().manual_seed(1)
    noise = {k: 0.1 * torch.randn(v.shape, generator=generator, dtype=v.dtype) for k, v in field.tensors().items()}
    field = field.with_tensors({k: v + noise[k] for k, v in field.tensors().items()})
    x = torch.rand(2, 40, generator=generator, dtype=torch.float64)
    loss, gradient = loss_gradient(way, field, x, x[0])
    expected, by = loss_gradient("analytic", field, x, x[0])
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradient, by)


def test_time_and_memory_of_a_step_are_positive():
    cost = step_cost(StepCost("analytic", points=500, steps=1))
    assert cost["milliseconds"] > 0
    assert cost["memory"] >= 0


@pytest.mark.slow
def test_a_step_is_measured_in_a_process_of_its_own():
    assert StepCost("analytic", points=500, steps=1).run().keys() == {"milliseconds", "memory"}
    with pytest.raises(HermitePinnError, match="no way"):
        StepCost("no way", points=500, steps=1).run()


# -- points, levels and boundaries ---
@pytest.mark.parametrize("rule", list(RULES))
def test_points_of_a_rule_lie_inside_and_their_weights_have_the_measure_as_sum(rule):
    box = hp.Box(x=(0, 2), y=(-1, 0))
    samples = RULES[rule](box, 256, 3)
    x = np.asarray(samples.x)
    assert x.shape[1] == 256
    assert ((x > [[0.0], [-1.0]]) & (x < [[2.0], [0.0]])).all()
    assert math.isclose(float(torch.as_tensor(samples.weights).expand(256).sum()), 2.0, rel_tol=1e-9)


@pytest.mark.parametrize(("rule", "pool", "same"), [("random", 0, False), ("sobol", 0, False), ("gauss", 64, True)])
def test_points_are_new_in_every_step_or_always_the_same(rule, pool, same):
    drawn = []

    class Watched(AdamAt):
        def objective(self, task):
            made = super().objective(task)
            draw = made.draw
            made.draw = lambda generator: drawn.append(draw(generator)) or drawn[-1]
            return made

    method = Watched(rule=rule, pool=pool, steps=2, points=64, face_points=4)
    hp.solve(hp.problems.helmholtz2d(a=1), field=network(width=8), levels=2, method=method, progress=False)
    inside = [next(b.x for g, b in step if g.interior) for step in drawn[-2:]]
    assert bool((inside[0] == inside[1]).all()) == same
    assert inside[0].shape[1] == 64


def test_rows_at_gauss_points_solve_an_affine_problem():
    solve = Solve(RowsAt("gauss", 32**2), hp.Field(), (8,), settings={"a": 1})
    assert solve.run()["error"] < 1e-3


def test_a_cycle_trains_the_levels_of_its_plan():
    plan = even_plan(30, (3, 1, 3))
    method = CycledAdam(plan=plan, steps=30, points=16, face_points=4, ema=0.0, check_every=5)
    solution = hp.solve(hp.problems.helmholtz2d(a=1), field=network(width=8), levels=3, method=method, progress=False)
    assert {row["level"] for row in solution.history} == {1, 3}


def test_a_boundary_factor_stays_while_a_network_is_trained():
    method = ExactBoundary() >> recipe(steps=5, points=32, face_points=4, weight=0.0, balance_every=0)
    solution = hp.solve(hp.problems.helmholtz2d(a=1), field=network(width=8), levels=3, method=method, progress=False)
    along = np.linspace(0, 1, 7)
    assert np.abs(solution.u(along, 0 * along)).max() == 0.0
    assert np.abs(solution.u(along, 0 * along + 0.3)).max() > 0.0


@pytest.mark.slow
def test_a_run_takes_the_cpu_seconds_it_is_given():
    """The number of steps follows from the time that some steps take."""
    short, long = (Solve(recipe(points=64, face_points=8), network(width=8), 2, settings={"a": 1}, seconds=s).run() for s in (0.2, 0.6))  # fmt: skip
    assert long["steps"] > short["steps"] >= 1


def test_errors_are_taken_off_the_lattice():
    for cells in (4, 64, 512, 257):
        distance = np.abs(off_lattice(2) * cells - np.round(off_lattice(2) * cells)).min()
        assert distance > 1e-6


# -- what is kept, told and drawn ---
def test_what_is_kept_is_not_run_again_whatever_it_is_called(tmp_path):
    runs = []
    first, other = told(0.5, runs=runs).variants[0], Variant("another name", "h", Told(0.5, runs))
    assert ablations.run_variant(first, tmp_path).numbers == {"error": 0.5}
    assert ablations.run_variant(other, tmp_path) == Row("another name", "h", {"error": 0.5})
    assert runs == [0.5]
    ablations.run_variant(told(0.25, runs=runs).variants[0], tmp_path)
    assert runs == [0.5, 0.25]


def test_what_failed_is_told_and_run_again(tmp_path):
    runs = []
    ablation = told(0.5, -1.0, runs=runs)
    for _ in range(2):
        rows = [ablations.run_variant(v, tmp_path) for v in ablation.variants]
    assert runs == [0.5, -1.0, -1.0]
    assert "| g | v1 | ValueError: a / negative number |  |" in table(ablation, rows)


def test_a_damaged_row_is_an_error(tmp_path):
    variant = told(0.5).variants[0]
    ablations.run_variant(variant, tmp_path)
    (kept,) = tmp_path.glob("row-*.json")
    kept.write_text("{}")
    with pytest.raises(CorruptFileError):
        ablations.run_variant(variant, tmp_path)


def test_tables_have_every_variant_with_its_ratio_and_repetitions_their_spread():
    ablation = told(0.2, 0.4, 0.1, spread=True)
    rows = [ablations.run_variant(v) for v in ablation.variants]
    assert ratios(ablation, rows)[("g", "v1")] == pytest.approx(2.0)
    assert spread(ablation, rows) == {"g": (0.1, 0.2, 0.4)}
    text = ablations.to_markdown([ablation], {"any": rows}, "pictures")
    assert "| g | v1 | 4.0e-01 | 2 |" in text
    assert "a factor 4." in text
    assert "![Any: all variants](pictures/any.png)" in text
    assert ablations.to_json([ablation], {"any": rows})[0]["rows"][2]["numbers"] == {"error": 0.1}


def test_a_picture_leaves_out_what_has_no_number(tmp_path):
    ablation = told(0.2, -1.0, math.nan, math.inf)
    ablations.draw_ablation(ablation, [ablations.run_variant(v) for v in ablation.variants], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    ablations.draw_ablation(ablation, [], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_the_command_writes_tables_and_pictures_and_goes_on_where_it_was(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(ablations, "ABLATIONS", {"any": told(0.2, 0.4, runs=runs)})
    for _ in range(2):
        result = CliRunner().invoke(app, ["validate", "--suite", "ablations", "--out", str(tmp_path)])
        assert result.exit_code == 0, result.output
        assert "v1" in result.output
    assert runs == [0.2, 0.4]
    assert json.loads((tmp_path / "ablations.json").read_text())["results"][0]["name"] == "any"
    assert "## Any" in (tmp_path / "ablations.md").read_text()
    assert (tmp_path / "any.png").read_bytes().startswith(b"\x89PNG")
    assert CliRunner().invoke(app, ["validate", "--suite", "ablations", "--only", "nothing"]).exit_code == 2
    assert CliRunner().invoke(app, ["validate", "--suite", "ablations", "--device", "cuda"]).exit_code == 2
