"""Combinations of good arguments that cannot work together, and statements that are no problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import hermite_pinn as hp

from .case import Bench, Fault, Kind
from .stock import SIREN, poisson, solution
from .targets import SHORT, early

__all__ = ["LATE", "OWN", "STATEMENTS"]


def _adam(**more: Any) -> Any:
    return hp.Adam(**(SHORT | more))


def _solve(options: Callable[[], dict[str, Any]]) -> Callable[[Bench], Any]:
    def action(bench: Bench) -> Any:
        return early(poisson(), **({"levels": 2} | options()))

    return action


def _deferred(method: Callable[[], Any], **more: Any) -> Callable[[Bench], Any]:
    return _solve(lambda: {"method": method()} | more)


def _sampled(use: Callable[[hp.Solution, Bench], Any]) -> Callable[[Bench], Any]:
    return lambda bench: use(hp.Solution.load(solution(bench.shared, "linear-2d")), bench)


#: Runs that must be refused before their first step, and samples that no memory holds.
LATE: dict[str, Callable[[Bench], Any]] = {
    "a chain with tol": _deferred(lambda: _adam() >> hp.LBFGS(steps=2), tol=1e-3),
    "adam with tol": _deferred(_adam, tol=1e-3),
    "lbfgs with tol": _deferred(lambda: hp.LBFGS(steps=2), tol=1e-3),
    "a chain with a number": _deferred(lambda: _adam() >> 3),
    "a chain with a name": _deferred(lambda: _adam() >> "lbfgs"),
    "a chain with a class": _deferred(lambda: _adam() >> hp.LBFGS),
    "a chain with None": _deferred(lambda: _adam() >> None),
    "a number before a chain": _deferred(lambda: 3 >> _adam()),
    "float32 before lbfgs": _deferred(lambda: _adam() >> hp.LBFGS(steps=2), dtype="float32"),
    "float32 in the middle": _deferred(lambda: _adam() >> _adam() >> hp.LBFGS(steps=2), dtype="float32"),
    "levels that do not nest before gauss_newton": _deferred(
        lambda: _adam() >> hp.GaussNewton(), field=hp.Field(ratio=1.5), levels=3
    ),
    "levels that do not nest": _deferred(hp.GaussNewton, field=hp.Field(ratio=1.5), levels=3),
    "resolutions that do not nest": _deferred(hp.GaussNewton, levels=[4, 6, 9]),
    "resolutions that shrink": _deferred(hp.GaussNewton, levels=[8, 4]),
    "resolutions for another dimension": _deferred(hp.GaussNewton, levels=[(4, 4, 4), (8, 8, 8)]),
    "soap without a network": _deferred(lambda: hp.SOAP(**SHORT), field="linear"),
    "soap without a network at the end of a chain": _deferred(lambda: _adam() >> hp.SOAP(**SHORT), field="linear"),
    "half precision before lbfgs": _deferred(
        lambda: _adam() >> hp.LBFGS(steps=2), field=hp.Field(half=True, head="siren")
    ),
    "half precision with derivatives": _deferred(_adam, field=hp.Field(half=True, head="siren")),
    "a basis that is not smooth enough": _deferred(hp.GaussNewton, field=hp.Field(basis="linear")),
    "adaptive points without their number": _deferred(lambda: _adam() >> hp.LBFGS(steps=2, adaptive=hp.RAD())),
    "a curriculum of no levels": _deferred(lambda: _adam(curriculum=((1, 0),))),
    "a base for another dimension": _deferred(hp.GaussNewton, field=hp.Field(base=(4, 4, 4))),
    "more memory than there is": _deferred(hp.GaussNewton, levels=14),
    "more memory than there is, trained": _deferred(_adam, levels=16, field=hp.Field(head="linear")),
    "a network without end": _deferred(_adam, field=hp.Field(head="siren", width=2**20, table_size=64)),
    "features without end": _deferred(_adam, field=hp.Field(head="siren", features=20_000, table_size=64)),
    "a batch without end": _deferred(lambda: _adam(points=2**40), field=SIREN),
    "a callback that is a number": _deferred(_adam, callbacks=[3]),
    "a callback that is a class": _deferred(_adam, callbacks=[hp.CSVLog]),
    "an unknown device": _deferred(hp.GaussNewton, device="tpu"),
    "a device that is not there": _deferred(hp.GaussNewton, device="cuda:99"),
    "the meta device": _deferred(hp.GaussNewton, device="meta"),
    "a checkpoint in no folder": _deferred(_adam, checkpoint="/proc/nowhere/run.h5"),
    "a checkpoint that is a folder": _deferred(_adam, checkpoint="/tmp"),
    "a resumed file that is not there": _deferred(_adam, resume="/proc/nothing.h5"),
    "an image without end": _sampled(lambda s, bench: s.to_vtk(bench.place / "u.vti", resolution=10**6)),
    "a mesh without end": _sampled(lambda s, bench: s.to_vtk(bench.place / "u.vtu", resolution=10**6)),
    "samples without end": _sampled(lambda s, bench: s.save(bench.place / "u.h5", samples=10**6)),
    "a picture without end": _sampled(lambda s, bench: s.plot(bench.place / "u.png", resolution=10**6)),
    "a grid without end": _sampled(lambda s, bench: s.on_grid([np.linspace(0, 1, 10**6)] * 2)),
    "a log in no folder": lambda bench: early(poisson(), callbacks=[hp.CSVLog("/proc/nowhere/run.csv")]),
}


def _statement(domain: dict[str, Any], residual: Any, *conditions: Any, **more: Any) -> Callable[[Bench], Any]:
    def action(bench: Bench) -> Any:
        made = [c() for c in conditions]
        return early(hp.Problem(hp.Box(**domain), more.pop("fields", ["u"]), residual, made, **more))

    return action


def _zero() -> Any:
    return hp.Dirichlet(u=0.0)


X, XY, XT = {"x": (0, 1)}, {"x": (0, 1), "y": (0, 1)}, {"x": (0, 1), "t": (0, 1)}

#: Statements that must be refused before the first step.
STATEMENTS: dict[str, Callable[[Bench], Any]] = {
    "an equation with ==": _statement(X, lambda u: u.xx == 0, _zero),
    "an equation with <": _statement(X, lambda u: u.xx < 0, _zero),
    "a choice by if": _statement(X, lambda u, x: u.xx if x > 0.5 else u.x, _zero),
    "a choice by and": _statement(X, lambda u, x: u.xx and u.x, _zero),
    "the largest by max": _statement(X, lambda u, x: max(u.xx, x), _zero),
    "nothing returned": _statement(X, lambda u: None, _zero),
    "a number returned": _statement(X, lambda u: 3.0, _zero),
    "text returned": _statement(X, lambda u: "u.xx", _zero),
    "an array returned": _statement(X, lambda u: np.zeros(3), _zero),
    "a list of numbers": _statement(X, lambda u: [1.0, 2.0], _zero),
    "an empty tuple": _statement(X, lambda u: (), _zero),
    "a complex equation": _statement(X, lambda u: 1j * u.xx, _zero),
    "a nan in the equation": _statement(X, lambda u: u.xx + float("nan"), _zero),
    "an infinity in the equation": _statement(X, lambda u: u.xx + float("inf"), _zero),
    "an array in the equation": _statement(X, lambda u: u.xx + np.ones(3), _zero),
    "float of a symbol": _statement(X, lambda u, x: u.xx + float(x), _zero),
    "an unknown name": _statement(X, lambda u, z: u.xx + z, _zero),
    "no arguments": _statement(X, lambda: 0.0, _zero),
    "arguments without names": _statement(X, lambda *arguments: arguments[0].xx, _zero),
    "too many derivatives": _statement(X, lambda u: u.xxxxx, _zero),
    "a derivative along no axis": _statement(X, lambda u: u.yy, _zero),
    "a residual that is a class": _statement(X, int, _zero),
    "no fields": _statement(X, lambda u: u.xx, _zero, fields=[]),
    "a field twice": _statement(X, lambda u: u.xx, _zero, fields=["u", "u"]),
    "a field that is an axis": _statement(X, lambda x: x.xx, _zero, fields=["x"]),
    "a field with a space": _statement(X, lambda u: u.xx, _zero, fields=["u v"]),
    "a field that is a keyword": _statement(X, lambda u: u.xx, _zero, fields=["lambda"]),
    "a field that is not used": _statement(X, lambda u: u.xx, _zero, fields=["u", "v"]),
    "a condition on a field that is not there": _statement(X, lambda u: u.xx, lambda: hp.Dirichlet(v=0.0)),
    "a condition on a face that is not there": _statement(X, lambda u: u.xx, lambda: hp.Dirichlet(u=0.0, on="y-")),
    "a condition of infinite value": _statement(X, lambda u: u.xx, lambda: hp.Dirichlet(u=float("inf"))),
    "a condition of no value": _statement(X, lambda u: u.xx, lambda: hp.Dirichlet(u=float("nan"))),
    "a condition that is nan somewhere": _statement(
        XY, lambda u: u.laplacian, lambda: hp.Dirichlet(u=lambda x, y: hp.sqrt(x - 0.5))
    ),
    "a condition nowhere": _statement(X, lambda u: u.xx, lambda: hp.Dirichlet(u=0.0, where=lambda x: x > 2)),
    "a condition that is a class": _statement(X, lambda u: u.xx, lambda: hp.Dirichlet),
    "a weight that is negative": _statement(X, lambda u: u.xx, lambda: hp.Dirichlet(u=0.0, weight=-1.0)),
    "an initial value without time": _statement(X, lambda u: u.xx, lambda: hp.Initial(u=0.0)),
    "periodic and a value": _statement(
        X, lambda u: u.xx, lambda: hp.Periodic("x"), lambda: hp.Dirichlet(u=0.0, on="x-")
    ),
    "two values on one face": _statement(XY, lambda u: u.laplacian, _zero, lambda: hp.Dirichlet(u=1.0, on="x-")),
    "a value and a slope on one face": _statement(X, lambda u: u.xx, _zero, lambda: hp.Neumann(u=1.0, on="x+")),
    "two slopes on one face": _statement(
        XY, lambda u: u.laplacian, lambda: hp.Neumann(u=0.0), lambda: hp.Neumann(u=1.0, on="y-")
    ),
    "two initial values": _statement(
        XT, lambda u: u.t - u.xx, _zero, lambda: hp.Initial(u=0.0), lambda: hp.Initial(u=1.0)
    ),
    "data outside": _statement(X, lambda u: u.xx, _zero, lambda: hp.Data([[2.0]], u=1.0)),
    "data that are nan": _statement(X, lambda u: u.xx, _zero, lambda: hp.Data([[0.5]], u=float("nan"))),
    "data of text": _statement(X, lambda u: u.xx, _zero, lambda: hp.Data([["a"]], u="b")),
    "data of another dimension": _statement(X, lambda u: u.xx, _zero, lambda: hp.Data([[0.5, 0.5]], u=1.0)),
    "data of unequal lengths": _statement(X, lambda u: u.xx, _zero, lambda: hp.Data([[0.5], [0.6]], u=[1.0])),
    "noise that is zero": _statement(X, lambda u: u.xx, _zero, lambda: hp.Data([[0.5]], u=1.0, noise=0.0)),
    "a box without axes": _statement({}, lambda u: u.xx, _zero),
    "a box of five axes": _statement(dict.fromkeys("abcde", (0, 1)), lambda u: u.aa, _zero),
    "a box that is empty": _statement({"x": (1, 1)}, lambda u: u.xx, _zero),
    "a box turned around": _statement({"x": (1, 0)}, lambda u: u.xx, _zero),
    "a box without end": _statement({"x": (0, float("inf"))}, lambda u: u.xx, _zero),
    "a box as thin as rounding": _statement({"x": (1, 1 + 1e-15)}, lambda u: u.xx, _zero),
    "a box of text": _statement({"x": ("a", "b")}, lambda u: u.xx, _zero),
    "a box of complex numbers": _statement({"x": (0, 1j)}, lambda u: u.xx, _zero),
    "an exact solution that is a number": _statement(X, lambda u: u.xx, _zero, exact={"u": "0"}),
    "an exact solution of another field": _statement(X, lambda u: u.xx, _zero, exact={"v": lambda x: x}),
    "a parameter that is a number": _statement(X, lambda u, k: u.xx + k, _zero, parameters=[3.0]),
    "a parameter twice": _statement(X, lambda u, k: u.xx + k, _zero, parameters=[hp.Parameter("k"), hp.Parameter("k")]),
    "a parameter that is a field": _statement(X, lambda u: u.xx, _zero, parameters=[hp.Parameter("u")]),
}


class Mine(Exception):  # noqa: N818
    """Raised by a function of the user."""


def _raises(*arguments: Any) -> Any:
    raise Mine("of the user")


class _Raises(hp.Callback):
    def __init__(self, moment: str) -> None:
        setattr(self, moment, _raises)


def _own(work: Callable[[Bench], Any]) -> Callable[[Bench], None]:
    """What a function of the user raises comes out as it is, or as the cause of an error of the package."""

    def action(bench: Bench) -> None:
        try:
            work(bench)
        except Mine:
            return
        except hp.HermitePinnError as error:
            if isinstance(error.__cause__, Mine):
                return
        raise Fault(Kind.LOSS, "the error of the user's function is gone")

    return action


#: Functions of the user that raise.
OWN: dict[str, Callable[[Bench], None]] = {
    "a residual": _own(lambda bench: hp.Problem(hp.Box(**X), ["u"], lambda u: _raises(u), [_zero()])),
    "a condition": _own(_statement(X, lambda u: u.xx, lambda: hp.Dirichlet(u=lambda x: _raises(x)))),
    "an exact solution": _own(lambda bench: str(early(poisson().replace(exact={"u": lambda x, y: _raises(x)})))),
    "a tabulated function": _own(_statement(X, lambda u, x: u.xx + hp.tabulated(_raises)(x), _zero)),
    "the start of a callback": _own(lambda bench: early(poisson(), callbacks=[_Raises("on_start")])),
    "a step of a callback": _own(lambda bench: early(poisson(), callbacks=[_Raises("on_step")])),
    "the end of a callback": _own(lambda bench: early(poisson(), callbacks=[_Raises("on_end")])),
}
