"""What is fitted: pictures, what is told of them, and the fields that are trained in equal time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.workloads.images import made_picture

__all__ = ["CASES", "ENTRANTS", "Case", "Entrant", "picture"]


@dataclass(frozen=True)
class Entrant:
    """A field that is trained.

    Attributes
    ----------
    title
        For tables.
    field, levels
        As of :func:`hermite_pinn.images.fit`.
    rate
        Of Adam, at the start.
    points
        Of every derivative in a step: fewer for networks all of whose parameters work at every point.
    """

    title: str
    field: hp.Field
    levels: Any
    rate: float
    points: int = 8192


#: Levels that together have about as many parameters: Hermite stores four numbers where the others store one.
COARSE, FINE = (8, 16, 32, 64, 128), (8, 16, 32, 64, 128, 256)
NETWORK: Mapping[str, Any] = MappingProxyType({"head": "siren", "width": 64, "depth": 2, "omega": 2.0})
ENTRANTS: Mapping[str, Entrant] = MappingProxyType(
    {
        "hermite": Entrant("Hermite, SIREN", hp.Field(**NETWORK), COARSE, 1e-2),
        "trilinear_fd": Entrant("linear interpolation, SIREN", hp.Field(encoder="trilinear_fd", **NETWORK), FINE, 1e-2),
        "smooth": Entrant("cosine weights, SIREN", hp.Field(encoder="smooth", **NETWORK), FINE, 1e-2),
        "fourier": Entrant(
            "Fourier features, SIREN",
            hp.Field(encoder="fourier", frequencies=224, bandwidth=20.0, head="siren", width=256, depth=2, omega=1.0),
            1,
            1e-3,
            1024,
        ),
        "coordinates": Entrant(
            "coordinates, SIREN",
            hp.Field(encoder="coordinates", head="siren", width=296, depth=3, omega=30.0),
            1,
            1e-4,
            1024,
        ),
    }
)
#: CPU seconds of a training.
BUDGET = 20.0


@dataclass(frozen=True)
class Case:
    """A picture and what is told of it.

    Attributes
    ----------
    name
        Short, for files and the option ``--only``.
    source
        ``"camera"`` (of scikit-image, resized by Pillow's bicubic filter) or ``"made"``.
    size
        Rows and columns.
    told
        Arguments ``from_``, ``known``, ``derivatives`` and perhaps ``slopes``.
    noise
        Standard deviation of noise in what is told, relative to its root mean square.
    goal
        PSNR to be reached, in decibels; None for none.
    entrant
        What is trained, a key of :data:`ENTRANTS`; "" for the direct solution.
    """

    name: str
    source: str
    size: int
    told: Mapping[str, str] = field(default_factory=dict)
    noise: float = 0.0
    goal: float | None = None
    entrant: str = ""

    @property
    def words(self) -> str:
        """What is told, in words."""
        what = {
            "gradients": "differences of neighbours",
            "laplacians": "Laplacian by five points",
            "sobel": "Sobel",
        }[self.told["from_"]]
        way = ", against the field's own derivatives" if self.told.get("derivatives") == "field" else ""
        way += f", slopes {self.told['slopes']}" if "slopes" in self.told else ""
        noise = f", {100 * self.noise:g} % noise" if self.noise else ""
        return f"{what} and {self.told.get('known', 'border')}{way}{noise}"


def picture(source: str, size: int) -> np.ndarray:
    """The true picture, (size, size): grey values of 0 to 1, or 0 to 255."""
    if source == "made":
        return made_picture(size)
    from PIL import Image
    from skimage.data import camera

    return np.asarray(Image.fromarray(camera()).resize((size, size), Image.Resampling.BICUBIC))


def _told(from_: str, known: str = "border", derivatives: str = "pixels") -> Mapping[str, str]:
    return MappingProxyType({"from_": from_, "known": known, "derivatives": derivatives})


def _cases() -> list[Case]:
    cases = []
    for source, size in (("camera", 256), ("camera", 512), ("made", 256)):
        for from_, known, goal in (
            ("gradients", "mean", 60.0),
            ("laplacians", "mean", 45.0),
            ("laplacians", "border", 45.0),
            ("sobel", "border", 36.0),
        ):
            name = f"{source}-{size}-{from_}-{known}"
            cases.append(Case(name, source, size, _told(from_, known), goal=goal))
            if size == 256 and known == ("mean" if from_ == "gradients" else "border"):
                cases.append(Case(f"{name}-noise", source, size, _told(from_, known), 0.01))
        name = f"{source}-{size}-sobel-field"
        cases.append(Case(name, source, size, _told("sobel", "border", "field")))
        central = {**_told("sobel", "border", "field"), "slopes": "central"}
        cases.append(
            Case(
                f"{name}-central",
                source,
                size,
                MappingProxyType(central),
                goal=36.0 if name.startswith("camera-256") else None,
            )
        )
        if size == 256:
            cases.append(Case(f"{name}-noise", source, size, _told("sobel", "border", "field"), 0.01))
    for from_ in ("gradients", "laplacians"):
        cases += [
            Case(f"train-{from_}-{entrant}", "camera", 256, _told(from_), entrant=entrant) for entrant in ENTRANTS
        ]
    return cases


#: All cases by name.
CASES: Mapping[str, Case] = MappingProxyType({case.name: case for case in _cases()})
