"""Command lines, right and wrong: a message or a result, never a traceback."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from hermite_pinn.problems import PROBLEMS

from .case import Bench, Case, Fault, Kind
from .program import run_program
from .stock import checkpoint, solution

__all__ = ["cases"]

ATTACK = "command_lines"

#: Must end with a message and an exit code; {good} is a solution, {run} a checkpoint, {place} an empty folder.
BAD = """
nonsense
solve
solve nothing
solve poisson2d extra
solve ''
solve poisson2d --set
solve poisson2d --set modes
solve poisson2d --set =3
solve poisson2d --set nonsense=3
solve poisson2d --set modes=text
solve poisson2d --set modes=-1
solve poisson2d --set modes=2.5
solve poisson2d --set modes=None
solve poisson2d --set modes=[1,2]
solve poisson2d --set width=0
solve poisson2d --set width=nan
solve poisson2d --set x=1
solve poisson2d --set x=1,0
solve poisson2d --set x=0,1,2
solve poisson2d --set x=a,b
solve poisson2d --set x=0,1e400
solve poisson2d --set seed=1.5
solve poisson2d --set seed=-1
solve helmholtz2d --set a=1,2,3
solve helmholtz2d --set a=()
solve helmholtz2d --set a=1j
solve helmholtz2d --set a={}
solve helmholtz2d --set k=text
solve helmholtz2d --set a=__import__('os')
solve heat --set dim=0
solve heat --set dim=9
solve heat --set dim=1.5
solve heat --set condition=unknown
solve heat --set time=-1
solve heat --set time=0
solve burgers --set nu=0
solve burgers --set nu=-1
solve burgers --set nu=text
solve kdv --set form=unknown
solve kdv --set initial=3
solve cavity --set lid=steel
solve cavity --set reynolds=-5
solve plate --set support=none
solve kuramoto_sivashinsky --set form=3
solve taylor_green --set waves=1.5
solve convection --set length=0
solve inverse_poisson --set points=0
solve inverse_poisson --set noise=-1
solve wave --set waves=1,2 --set amplitudes=1
solve poisson2d --levels 0
solve poisson2d --levels -1
solve poisson2d --levels 2.5
solve poisson2d --levels text
solve poisson2d --levels 40
solve poisson2d --levels 99999999999999999999
solve poisson2d --tol 0
solve poisson2d --tol -1
solve poisson2d --tol nan
solve poisson2d --tol text
solve poisson2d --tol
solve poisson2d --time 0
solve poisson2d --time -1
solve poisson2d --time nan
solve poisson2d --seed 1.5
solve poisson2d --seed 99999999999999999999 --levels 1
solve poisson2d --method unknown
solve poisson2d --method ''
solve poisson2d --steps 10
solve poisson2d --method adam --steps 0
solve poisson2d --method adam --steps -1
solve poisson2d --method adam --steps text
solve poisson2d --method adam --tol 1e-3 --steps 5
solve poisson2d --method soap --basis nonsense
solve poisson2d --basis nonsense
solve poisson2d --basis linear
solve poisson2d --device tpu
solve poisson2d --device cuda:99
solve poisson2d --device meta
solve poisson2d --dtype float16
solve poisson2d --dtype float32 --method lbfgs --steps 2
solve poisson2d --dtype ''
solve poisson2d --levels 1 --checkpoint {place}/nowhere/run.h5
solve poisson2d --levels 1 --checkpoint {place}
solve poisson2d --levels 1 --resume {place}/nothing.h5
solve poisson2d --levels 1 --resume {good}
solve poisson2d --levels 1 --resume {place}
solve poisson2d --levels 2 --resume {run}
solve poisson2d --levels 1 --out /proc/nothing
solve poisson2d --levels 1 --out {good}
solve poisson2d --levels 1 --out {good}/out
solve poisson2d --nonsense
solve poisson2d --json --levels 0
solve nothing --json
solve poisson2d --json --set modes=text
solve poisson2d --json --levels 1 --out {good}
export
export {good}
export {place}/nothing.h5 {place}/u.vti
export {run} {place}/u.vti
export {place} {place}/u.vti
export {good} {place}/u.png
export {good} {place}/u
export {good} {place}
export {good} {place}/nowhere/u.vti
export {good} {place}/u.pvd
export {good} {place}/u.vti --resolution 0
export {good} {place}/u.vti --resolution -1
export {good} {place}/u.vti --resolution text
export {good} {place}/u.vti --resolution 100000
export {good} {place}/u.pvd --times 0
export {good} {place}/u.vti --times -1
plot
plot {good}
plot {place}/nothing.h5 {place}/u.png
plot {run} {place}/u.png
plot {good} {place}/u.xyz
plot {good} {place}
plot {good} {place}/nowhere/u.png
plot {good} {place}/u.png --time 3
plot {good} {place}/u.png --time text
plot {good} {place}/u.xyz --history
view
view {place}/nothing.h5 --no-open
view {run} --no-open
view {place} --no-open
view {good} --no-open --out {place}/nowhere/u.html
view {good} --no-open --out {place}/u.html --fields v
view {good} --no-open --out {place}/u.html --fields u.grad
view {good} --no-open --out {place}/u.html --resolution 0
validate --suite nonsense
validate --suite quick --method nonsense
validate --suite quick --method adam --time -1
validate --suite quick --method adam --seeds -1
validate --suite compact --only nonsense
validate --suite quick --device tpu
validate --suite quick --out {good}
bench --suite nonsense
bench --device tpu --suite none
bench --device cuda:99 --suite none
gpu-check --device tpu
gpu-check --device cpu --time -1 --out {good}
demo --only nonsense
demo --out {good}
list --nonsense
list extra
doctor extra
""".strip().splitlines()

#: Must end with exit code 0.
GOOD = """
--help
list
list --json
list --help
solve --help
export --help
plot --help
view --help
validate --help
bench --help
doctor
doctor --json
solve poisson2d --levels 1
solve poisson2d --levels 1 --json
solve poisson2d --levels 1 --json --out {place}/out
solve poisson2d --levels 1 --out {place}/a/b/c
solve poisson2d --levels 2 --checkpoint {place}/run.h5
solve poisson2d --levels 3 --resume {run} --json
solve helmholtz2d --set a=2,3 --levels 2 --json
solve helmholtz2d --set a=2 --set k=2.5 --levels 2
solve heat --levels 1 --json --out {place}/out
solve heat --set dim=2 --levels 1 --out {place}/out
solve poisson2d --method adam --steps 5 --levels 2 --json
solve poisson2d --method lbfgs --steps 5 --levels 2 --json
solve poisson2d --method soap --steps 3 --levels 2
solve poisson2d --method adam --steps 5 --levels 2 --dtype float64 --seed 3
solve poisson2d --basis quintic --levels 1 --json
solve poisson2d --time 1 --levels 1
solve poisson2d --tol 0.5 --json
solve inverse_poisson --set points=5 --levels 1 --json
solve stokes --levels 1 --json
export {good} {place}/u.vti
export {good} {place}/u.vtu --resolution 3
export {good} {place}/u.VTI
plot {good} {place}/u.png
plot {good} {place}/u.pdf
plot {good} {place}/h.svg --history
view {good} --no-open --out {place}/u.html
view {good} --no-open --out {place}/u.html --fields u,u.x --resolution 8
""".strip().splitlines()


def cases(seed: int) -> list[Case]:
    """Bad lines, good lines, and a wrong setting for every problem of the library."""
    made = [Case(ATTACK, line, seed, _bad(line)) for line in BAD]
    for name in PROBLEMS:
        line = f"solve {name} --json --set nonsense=1"
        made.append(Case(ATTACK, line, seed, _bad(line)))
    made += [Case(ATTACK, f"good: {line}", seed, _good(line), limit=30.0) for line in GOOD]
    return made


def _words(line: str, bench: Bench) -> list[str]:
    paths: dict[str, Path] = {"place": bench.place / "folder"}
    paths["place"].mkdir(exist_ok=True)
    if "{good}" in line:
        paths["good"] = solution(bench.shared, "linear-2d")
    if "{run}" in line:
        paths["run"] = checkpoint(bench.shared, "at-once")
    return ["" if word == "''" else _filled(word, paths) for word in line.split()]


def _filled(word: str, paths: dict[str, Path]) -> str:
    for name, path in paths.items():
        word = word.replace("{" + name + "}", str(path))
    return word


def _bad(line: str) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        done = run_program(_words(line, bench), bench)
        done.check()
        if not done.code:
            raise Fault(Kind.ACCEPTED, f"exit code 0; {done.output[:200]}")
        if len(done.errors.strip()) < 10:
            raise Fault(Kind.RAW, f"exit code {done.code} without a message")

    return action


def _good(line: str) -> Callable[[Bench], None]:
    def action(bench: Bench) -> None:
        words = _words(line, bench)
        done = run_program(words, bench)
        done.check()
        if done.code:
            raise Fault(Kind.RAW, f"exit code {done.code}: {done.errors[-300:]}")
        if "--json" in words:
            _told(words, json.loads(done.output))

    return action


def _told(words: Sequence[str], report: object) -> None:
    """What a solve tells by JSON, and the files it names."""
    if words[0] != "solve" or not isinstance(report, dict):
        return
    missing = {"problem", "settings", "method", "status", "seconds", "errors", "residuals", "files"} - set(report)
    absent = [f for f in report.get("files", ()) if not Path(f).is_file()]
    if missing or absent:
        raise Fault(Kind.LOSS, f"the report lacks {', '.join(sorted(missing))}, or the files {', '.join(absent)}")
