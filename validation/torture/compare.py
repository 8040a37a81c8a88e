"""Whether what was written is what is read, and whether it is of use."""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import hermite_pinn as hp
from hermite_pinn.run.store import read_store

from .case import Bench, Fault, Kind

__all__ = ["close_tensors", "partial_files", "same_solution", "same_tensors", "used", "whole"]


def _zero() -> float:
    """The known solution of nothing."""
    return 0.0


def used(loaded: hp.Solution, bench: Bench) -> None:
    """Ask a solution for all that it offers."""
    lower, upper = np.array(list(loaded.domain.bounds.values()), dtype=float).T
    points = lower + (upper - lower) * np.random.default_rng(1).random((100, len(lower)))
    points = points[np.asarray(loaded.inside(*points.T))][:7]
    for name in loaded.fields:
        function = getattr(loaded, name)
        for value in (function, function.grad, function.laplacian) if loaded.domain.space_axes else (function,):
            value(*points.T)
    loaded.at_points(points)
    loaded.error(points, exact=dict.fromkeys(loaded.fields, _zero))
    str(loaded), repr(loaded), [loaded.history[column] for column in loaded.history.columns if column != "method"]
    again = bench.place / "again.h5"
    loaded.save(again, samples=3)
    same_solution(loaded, hp.Solution.load(again))
    if loaded.domain.dim <= 3:
        loaded.to_vtk(bench.place / "u.vti", resolution=3)
    if bench.random.random() < 0.05:
        loaded.plot(bench.place / "u.png")
        loaded.plot_history(bench.place / "history.png")


def same_solution(one: hp.Solution, other: hp.Solution) -> None:
    """Raise a fault if two solutions differ in anything that is kept in files."""
    told = []
    for s in (one, other):
        facts = [
            s.fields,
            list(s.domain.bounds.items()),
            s.periodic,
            s.status.name,
            s.message,
            s.parameters,
            s.residuals,
        ]
        told.append(json.dumps([*facts, s.estimated_error, s.title, list(s.history), s.stats, s.settings], default=str))
    if told[0] != told[1]:
        raise Fault(Kind.LOSS, "the text of the file read is another one than that written")
    same_tensors(one.field.tensors(), other.field.tensors())


def same_tensors(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    """Raise a fault if two trees of tensors differ in a bit."""
    if list(one) != list(other):
        raise Fault(Kind.LOSS, f"the tensors are {', '.join(other)} instead of {', '.join(one)}")
    for name, tensor in one.items():
        if tensor.dtype != other[name].dtype or not np.array_equal(tensor.numpy(), other[name].numpy(), equal_nan=True):
            raise Fault(Kind.LOSS, f"{name} has other numbers than were written")


def close_tensors(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], tolerance: float) -> None:
    """Raise a fault if two trees of tensors differ by more than rounding may."""
    for name, tensor in one.items():
        scale = float(tensor.abs().max()) + 1e-300
        difference = float((tensor - other[name]).abs().max()) / scale
        if not difference <= tolerance:
            raise Fault(Kind.LOSS, f"{name} ends with other numbers than without the interruption, by {difference:.1e}")


def whole(path: Path) -> None:
    """Raise a fault if a file is not one that its readers can read to its end."""
    try:
        _read(path)
    except Fault:
        raise
    except Exception as error:
        raise Fault(Kind.LOSS, f"{path.name} is not whole: {type(error).__name__}: {error}") from error


def _read(path: Path) -> None:
    suffix = path.suffix
    if suffix == ".h5":
        try:
            hp.Solution.load(path)
        except hp.CorruptFileError:
            read_store(path, "checkpoint")
    elif suffix in (".vti", ".vtu", ".pvd", ".svg"):
        xml.etree.ElementTree.parse(path)
    elif suffix == ".png":
        with Image.open(path) as picture:
            picture.load()
    elif suffix == ".pdf":
        if not path.read_bytes().rstrip().endswith(b"%%EOF"):
            raise Fault(Kind.LOSS, f"{path.name} has no end")
    elif suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            lengths = {len(row) for row in csv.reader(file)}
        if len(lengths) > 1:
            raise Fault(Kind.LOSS, f"{path.name} has rows of lengths {lengths}")


def partial_files(folder: Path) -> list[str]:
    """Names of drafts that were left in a folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if ".partial" in p.name)
