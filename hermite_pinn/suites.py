"""The suites of ``hermite-pinn validate``: each runs its cases, tells every one, and writes its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from hermite_pinn import validation
from hermite_pinn.validation import ablations, antialiasing, examples, geometry, images, pinnacle, radiance, rivals
from hermite_pinn.validation.ablations import compact
from hermite_pinn.validation.rivals import networks
from hermite_pinn.validation.workloads import compression_suite, contest_report
from hermite_pinn.validation.workloads.contest import Entry, pair_name, pairs_of
from hermite_pinn.validation.workloads.contest_picture import draw_surfaces
from hermite_pinn.validation.workloads.contest_suite import known_entries, run_pairs
from hermite_pinn.validation.workloads.contest_surfaces import SUBJECTS

from .checks import choice
from .command_arguments import chosen_method, output_folder
from .errors import InvalidArgumentError
from .reports import write_report
from .streams import print_json, reported

__all__ = [
    "compare_compact",
    "compare_compression",
    "compare_distances",
    "compare_scales",
    "compare_variants",
    "fit_images",
    "fit_scenes",
    "race_networks",
    "race_rivals",
    "solve_examples",
    "solve_geometry",
    "solve_pinnacle",
    "solve_suite",
    "train",
]

Row = TypeVar("Row")


def solve_suite(suite: str, seed: int, device: str, out: Path | None, as_json: bool) -> None:
    """Run a suite of cases with exact solutions by the default method, and write its tables and picture."""

    def tell(r: validation.Result) -> None:
        if not as_json:
            mark = "reached" if r.reached else "MISSED"
            typer.echo(
                f"{r.case.label:<40} error {r.error:.2e} (<= {r.case.error:.0e})  {r.seconds:6.2f} s (<= {r.case.seconds:g})  {mark}"
            )

    with reported(as_json):
        cases = _suite(suite)
        folder = output_folder(out)
        results = validation.run_suite(cases, seed, device, tell)
        report = {"suite": suite, "machine": validation.machine(), "results": validation.to_json(results)}
        if folder is not None:
            tables = [validation.to_markdown(results), validation.cost_markdown(results)]
            write_report(folder, suite, report, "\n\n".join(tables))
            validation.draw_results(results, folder / f"{suite}.png")
        if as_json:
            print_json(report)
    if not all(r.reached for r in results):
        raise typer.Exit(1)


def train(
    suite: str, method: str, time: float, seeds: Sequence[int], device: str, out: Path | None, as_json: bool
) -> None:
    """Train the problems of a suite by another method for a given time, and write its table."""

    def tell(r: validation.Training) -> None:
        if not as_json:
            typer.echo(f"{r.case.name:<40} error {r.error:.2e}  {r.seconds:6.1f} s  {r.rate:7.1f} steps/s")

    with reported(as_json):
        cases = _suite(suite)
        folder = output_folder(out)
        results = validation.train_suite(cases, chosen_method(method, None), time, seeds, device, tell)
        report = {"suite": suite, "machine": validation.machine(), "results": validation.training_json(results)}
        if folder is not None:
            write_report(folder, f"{suite}-{method}", report, validation.training_markdown(results))
        if as_json:
            print_json(report)


def _suite(name: str) -> Sequence[validation.Case]:
    if name not in validation.SUITES:
        raise InvalidArgumentError(
            f"unknown suite {name!r}; known: {', '.join(validation.SUITES)}, ablations, antialiasing, compact, compression, distances, examples, geometry, images, networks, pinnacle, radiance, rivals"
        )
    return validation.SUITES[name]


def _chosen(suite: str, what: str, named: Mapping[str, Row], only: str) -> list[Row]:
    """The rows of a suite whose names contain a text, in capitals or small letters."""
    chosen = [row for name, row in named.items() if only.casefold() in name.casefold()]
    if not chosen:
        raise InvalidArgumentError(f"no {what} of the suite {suite} contains {only!r}; there are: {'; '.join(named)}")
    return chosen


def compare_compact(only: str, seed: int, out: Path | None, as_json: bool) -> None:
    """Run the ways of the compact comparison, and write their table."""
    with reported(as_json):
        chosen = _chosen("compact", "way", {v.name: v for v in compact.VARIANTS}, only)
        folder, results = output_folder(out), []
        for variant in chosen:
            r = compact.run_variant(variant, seed)
            results.append(r)
            if not as_json:
                typer.echo(f"{variant.name:<60} error {r.error:.2e}  held out {r.held_out:.1e}  {r.seconds:6.2f} s")
        rows = [{"name": r.variant.name} | {k: getattr(r, k) for k in compact.MEASURED} for r in results]
        report = {"suite": "compact", "machine": validation.machine(), "results": rows}
        if folder is not None:
            write_report(folder, "compact", report, compact.compact_markdown(results))
        if as_json:
            print_json(report)


def compare_compression(only: str, out: Path | None, as_json: bool) -> None:
    """Compress solutions and fields in all ways, and write tables and pictures of all that the folder knows."""
    with reported(as_json):
        chosen = _chosen("compression", "row", {name: name for name in compression_suite.NAMES}, only)
        folder, found = output_folder(out), compression_suite.Told()
        report: dict[str, Any] = {"suite": "compression", "machine": validation.machine() | {"threads": 1}}
        for line, told in compression_suite.run(chosen, folder):
            found += told
            if not as_json:
                typer.echo(line)
            if folder is not None:
                known = compression_suite.known(folder)
                results = report | {"results": known.to_json(), "missed": known.missed}
                write_report(folder, "compression", results, known.to_markdown())
        if folder is not None:
            compression_suite.draw(compression_suite.known(folder), folder)
        if as_json:
            print_json(report | {"results": found.to_json(), "missed": found.missed})
        else:
            for words in found.missed:
                typer.echo(f"MISSED {words}")
    if found.missed:
        raise typer.Exit(1)


def solve_geometry(only: str, seed: int, device: str, out: Path | None, as_json: bool) -> None:
    """Run the cases of the geometry suite, and write their table and pictures."""
    with reported(as_json):
        chosen = _chosen("geometry", "case", {c.name: c for c in geometry.CASES}, only)
        folder, outcomes = output_folder(out), []
        for case in chosen:
            outcomes.append(geometry.run_case(case, seed, device, folder))
            if not as_json:
                typer.echo(outcomes[-1].line)
        report = {"suite": "geometry", "machine": validation.machine(), "results": geometry.to_json(outcomes)}
        if folder is not None:
            write_report(folder, "geometry", report, geometry.to_markdown(outcomes, "."))
        if as_json:
            print_json(report)
    if not all(o.reached or o.skipped for o in outcomes):
        raise typer.Exit(1)


def solve_examples(only: str, device: str, out: Path | None, as_json: bool) -> None:
    """Run the examples of another package, and write the table of all that the folder knows after every one."""
    with reported(as_json):
        choice("--device of the suite examples", device, ["auto", "cpu"], hint="it tells CPU seconds")
        chosen = _chosen("examples", "example", examples.EXAMPLES, only)
        folder, found = output_folder(out), {}
        report: dict[str, Any] = {"suite": "examples", "machine": validation.machine() | {"threads": 1}}
        for example in chosen:
            found[example.name] = examples.run_example(example, folder)
            if not as_json:
                typer.echo(found[example.name].line)
            if folder is not None:
                every = [found.get(e.name) or examples.kept_row(e, folder) for e in examples.EXAMPLES.values()]
                known = [row for row in every if row is not None]
                results = report | {"results": examples.to_json(known)}
                write_report(folder, "examples", results, examples.to_markdown(known))
        if as_json:
            print_json(report | {"results": examples.to_json(list(found.values()))})
    if not all(row.is_right for row in found.values()):
        raise typer.Exit(1)


def solve_pinnacle(only: str, seed: int, device: str, out: Path | None, as_json: bool) -> None:
    """Run the rows of the benchmark PINNacle, and write the table of all that the folder knows after every one."""
    with reported(as_json):
        chosen = _chosen("pinnacle", "case", {t.case.name: t for t in pinnacle.ROWS}, only)
        folder, found = output_folder(out), {}
        report: dict[str, Any] = {"suite": "pinnacle", "machine": validation.machine()}
        for task in chosen:
            found[task] = pinnacle.run_row(task, seed, device, folder)
            if not as_json:
                typer.echo(found[task].line)
            if folder is not None:
                rows = [found.get(t) or pinnacle.kept_row(t, folder, seed, device) for t in pinnacle.ROWS]
                known = [r for r in rows if r is not None]
                table = pinnacle.to_markdown(known)
                write_report(folder, "pinnacle", report | {"results": pinnacle.to_json(known)}, table)
        if as_json:
            print_json(report | {"results": pinnacle.to_json(list(found.values()))})
    if not all(r.reached or r.mark == "skipped" for r in found.values()):
        raise typer.Exit(1)


def fit_images(only: str, seed: int, out: Path | None, as_json: bool) -> None:
    """Fit the pictures of the suite images, and write tables and pictures of all that the folder knows after each."""
    with reported(as_json):
        chosen = _chosen("images", "case", images.CASES, only)
        folder, rows, found = output_folder(out), [], {}
        report: dict[str, Any] = {"suite": "images", "machine": validation.machine() | {"threads": 1}}
        for case in chosen:
            row, found[case.name] = images.run_case(case, seed, folder)
            rows.append(row)
            if not as_json:
                typer.echo(row.line)
        if folder is not None:
            for case in images.CASES.values():
                kept = None if case in chosen else images.kept_row(case, seed, folder)
                if kept is not None:
                    rows.append(kept[0])
                    found[case.name] = kept[1]
            order = list(images.CASES)
            rows.sort(key=lambda r: order.index(r.name))
            write_report(folder, "images", report | {"results": images.to_json(rows)}, images.to_markdown(rows))
            images.draw_rows({name: found[name] for name in order if name in found}, folder)
        if as_json:
            print_json(report | {"results": images.to_json(rows)})
    if not all(r.reached for r in rows):
        raise typer.Exit(1)


def compare_scales(only: str, out: Path | None, as_json: bool) -> None:
    """Run the cases of the suite antialiasing, and write the table of all that the folder knows after every one."""
    with reported(as_json):
        chosen = _chosen("antialiasing", "case", antialiasing.CASES, only)
        folder, found = output_folder(out), {}
        report: dict[str, Any] = {"suite": "antialiasing", "machine": validation.machine() | {"threads": 1}}
        for case in chosen:
            found[case.name] = antialiasing.run_case(case, folder)
            if not as_json:
                typer.echo(found[case.name].line)
            if folder is not None:
                known = [found.get(c.name) or antialiasing.kept_row(c, folder) for c in antialiasing.CASES.values()]
                rows = [row for row in known if row is not None]
                results = {"results": antialiasing.to_json(rows)}
                write_report(folder, "antialiasing", report | results, antialiasing.to_markdown(rows))
        if as_json:
            print_json(report | {"results": antialiasing.to_json(list(found.values()))})


def fit_scenes(only: str, out: Path | None, as_json: bool) -> None:
    """Run the cases of the suite radiance, and write the tables of all that the folder knows after every one."""

    def tell(line: str) -> None:
        if not as_json:
            typer.echo(line)

    with reported(as_json):
        chosen = _chosen("radiance", "case", {name: name for name in (*radiance.CASES, *radiance.OTHERS)}, only)
        folder, found, others = output_folder(out), [], []
        report: dict[str, Any] = {"suite": "radiance", "machine": validation.machine()}
        for name in chosen:
            if name in radiance.OTHERS:
                others.append(radiance.OTHERS[name].run(folder, tell))
            else:
                case = radiance.CASES[name]
                row = radiance.run_case(case, folder)
                found += [] if row is None else [row]
                tell(f"{name}: skipped, the files of {case.scene} are not there" if row is None else row.line)
            if folder is not None:
                _write_scenes(folder, report)
        missed = [*radiance.missed(found), *(words for told in others for words in told.missed)]
        for words in missed:
            tell(f"MISSED {words}")
        if as_json:
            results = radiance.to_json(found) + [dict(told.measured) for told in others]
            print_json(report | {"results": results, "missed": missed})
    if missed:
        raise typer.Exit(1)


def _write_scenes(folder: Path, report: Mapping[str, Any]) -> None:
    kept = [radiance.kept_row(case, folder) for case in radiance.CASES.values()]
    rows = [row for row in kept if row is not None]
    others = [told for other in radiance.OTHERS.values() if (told := other.known(folder)) is not None]
    results = radiance.to_json(rows) + [dict(told.measured) for told in others]
    tables = [radiance.to_markdown(rows), *(told.table for told in others)]
    write_report(folder, "radiance", {**report, "results": results}, "\n\n".join(table for table in tables if table))
    radiance.draw_rows(rows, folder)


def race_rivals(only: str, device: str, out: Path | None, as_json: bool) -> None:
    """Run all codes on the contests, and write tables and picture of all that the folder knows after every one."""
    with reported(as_json):
        choice("--device of the suite rivals", device, ["auto", "cpu"], hint="it compares CPU seconds")
        chosen = [make() for make in _chosen("rivals", "contest", rivals.CONTESTS, only)]
        folder = output_folder(out)
        report: dict[str, Any] = {"suite": "rivals", "machine": validation.machine() | {"threads": 1}}
        found: dict[str, list[rivals.Curve]] = {}
        for contest in chosen:
            found[contest.name] = []
            for entrant in contest.entrants:
                found[contest.name].append(rivals.run_curve(contest, entrant, folder))
                if not as_json:
                    typer.echo(found[contest.name][-1].line)
                if folder is not None:
                    _write_rivals(folder, found, report)
        if as_json:
            print_json(report | {"results": rivals.to_json(chosen, found)})


def _write_rivals(folder: Path, found: Mapping[str, Sequence[rivals.Curve]], report: Mapping[str, Any]) -> None:
    contests = [make() for make in rivals.CONTESTS.values()]
    known: dict[str, Sequence[rivals.Curve]] = {}
    for contest in contests:
        curves = {curve.code: curve for curve in found.get(contest.name, ())}
        kept = [curves.get(e.code) or rivals.kept_curve(contest, e, folder) for e in contest.entrants]
        known[contest.name] = [curve for curve in kept if curve is not None]
    results = {**report, "results": rivals.to_json(contests, known)}
    write_report(folder, "rivals", results, rivals.to_markdown(contests, known))
    rivals.draw_curves(contests, known, folder / "rivals.png")


def race_networks(
    only: str, environments: Path | None, quick: bool, seed: int, device: str, out: Path | None, as_json: bool
) -> None:
    """Run codes of networks beside this package, and write tables and picture of all that the folder knows."""

    def tell(line: str) -> None:
        if not as_json:
            typer.echo(line)

    with reported(as_json):
        choice("--device of the suite networks", device, ["auto", "cpu"], hint="it compares CPU seconds")
        chosen = _chosen("networks", "problem", networks.CASES, only)
        report = networks.race(chosen, environments, output_folder(out), quick, seed, tell)
        if as_json:
            print_json(report)


def compare_variants(only: str, device: str, out: Path | None, as_json: bool) -> None:
    """Run the ablations, and write tables and pictures of all that the folder knows after every variant."""
    with reported(as_json):
        choice("--device of the suite ablations", device, ["auto", "cpu"], hint="it compares CPU seconds")
        chosen = _chosen("ablations", "ablation", ablations.ABLATIONS, only)
        folder = output_folder(out)
        report: dict[str, Any] = {"suite": "ablations", "machine": validation.machine() | {"threads": 1}}
        found: dict[str, list[ablations.Row]] = {a.name: [] for a in chosen}
        for ablation in chosen:
            for variant in ablation.variants:
                row = ablations.run_variant(variant, folder)
                found[ablation.name].append(row)
                if not as_json:
                    typer.echo(f"{ablation.name:<12} {row.line(ablation.columns)}")
            if folder is not None:
                _write_ablations(folder, ablation, found, report)
        if as_json:
            print_json(report | {"results": ablations.to_json(chosen, found)})


def _write_ablations(
    folder: Path,
    ablation: ablations.Ablation,
    found: Mapping[str, Sequence[ablations.Row]],
    report: Mapping[str, Any],
) -> None:
    every, known = list(ablations.ABLATIONS.values()), dict(found)
    for a in every:
        if not known.get(a.name):
            kept = [ablations.kept_row(v, folder) for v in a.variants]
            known[a.name] = [row for row in kept if row is not None]
    results = {**report, "results": ablations.to_json(every, known)}
    write_report(folder, "ablations", results, ablations.to_markdown(every, known))
    ablations.draw_ablation(ablation, known[ablation.name], folder / f"{ablation.name}.png")


def compare_distances(only: str, device: str, out: Path | None, as_json: bool) -> None:
    """Fit surfaces in all ways, and write tables and pictures of all that the folder knows after every one."""
    with reported(as_json):
        choice("--device of the suite distances", device, ["auto", "cpu"], hint="it compares CPU seconds")
        pairs = {pair_name(*pair): pair for pair in pairs_of(list(SUBJECTS.values()))}
        chosen = _chosen("distances", "entry", pairs, only)
        folder = output_folder(out)
        report: dict[str, Any] = {"suite": "distances", "machine": validation.machine() | {"threads": 1}}
        found: list[Entry] = []
        for entry in run_pairs(chosen, folder):
            found.append(entry)
            if not as_json:
                typer.echo(entry.line)
            if folder is not None:
                known = known_entries(folder, found)
                results = report | {"results": contest_report.to_json(known)}
                write_report(folder, "distances", results, contest_report.to_markdown(known))
        if folder is not None:
            draw_surfaces(known_entries(folder, found), folder)
        if as_json:
            print_json(report | {"results": contest_report.to_json(found)})
