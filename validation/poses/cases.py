"""What is fitted: scenes, draws of noise, rates of poses, and ways to differentiate an encoder."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

from hermite_pinn.checks import choice
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import Field
from hermite_pinn.workloads.radiance import InstantNGP, PoseRefinement, Scene, World

__all__ = ["SCALES", "WAYS", "Case", "Scale", "Way", "cases_of"]

#: Numbers of a cubic Hermite record in space, where the others have one.
RECORD = 8
#: Density at the start, in units of half the box: gradients of poses through a fog mislead.
DENSITY = 0.2
LINEAR = Field(basis="linear", head="siren")
AS_USUAL = PoseRefinement(curriculum=None)


WINDOW = (0.1, 0.5)  # of the run, in which finer levels begin to move: BARF's


@dataclass(frozen=True)
class Way:
    """How poses are refined.

    Attributes
    ----------
    title
        For tables.
    encoder
        With its weights.
    refinement
        Its options; the rate is that of the case.
    record
        Numbers per vertex and feature, by which the table is divided.
    poses
        ``"refined"``, ``"noisy"`` (they stay where the noise has put them) or ``"known"``.
    """

    title: str
    encoder: Field = LINEAR
    refinement: PoseRefinement = AS_USUAL
    record: int = 1
    poses: str = "refined"


def _ways() -> dict[str, Way]:
    encoders = {
        "linear": ("linear", LINEAR, 1),
        "axis": ("cosine per axis", Field(encoder="smooth", weights="cosine", head="siren"), 1),
        "product": ("cosine of the product", Field(encoder="smooth", weights="cosine_product", head="siren"), 1),
        "through": ("straight-through", Field(encoder="straight_through", blend=1.0, head="siren"), 1),
        "hermite": ("cubic Hermite", Field(encoder="hermite", head="siren"), RECORD),
    }
    found = {
        "known": Way("linear, known poses", poses="known"),
        "noisy": Way("linear, noisy poses kept", poses="noisy"),
    }
    for name, (title, encoder, record) in encoders.items():
        found[name] = Way(title, encoder, record=record)
        found[f"{name}-levels"] = Way(f"{title}, levels wait", encoder, PoseRefinement(curriculum=WINDOW), record)
    without = {
        "hold": ("poses move from the start", replace(AS_USUAL, hold=0.0)),
        "dark": ("colours depend on directions from the start", replace(AS_USUAL, directions=0.0)),
        "search": ("no view is looked for again", replace(AS_USUAL, searches=())),
    }
    for name, (title, refinement) in without.items():
        found[f"linear-no-{name}"] = Way(f"linear, {title}", refinement=refinement)
    return found


WAYS: Mapping[str, Way] = MappingProxyType(_ways())


@dataclass(frozen=True)
class Scale:
    """How large all is.

    Attributes
    ----------
    size, train, test
        Pixels along a side, and numbers of views.
    levels, coarsest, finest, table_size
        Of the encoder; the same resolutions for all, and as many parameters but for what dense levels make.
    samples, march_steps, cells
        Of the recipe.
    rate
        Of tables and networks.
    steps
        Of a run.
    hold
        Part of a run in which poses stay, at most: some hundred steps.
    rays
        Per test view and step of registration.
    check
        By which the checks of the worlds are larger than usual, so that small pictures resolve them.
    """

    size: int
    train: int
    test: int
    levels: int
    coarsest: int
    finest: int
    table_size: int
    samples: int
    march_steps: int
    cells: int
    rate: float
    steps: int
    hold: float
    rays: int
    check: float


SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "small": Scale(48, 24, 4, 5, 4, 48, 2**13, 2**12, 64, 32, 2e-2, 600, 0.2, 64, 2.0),
        "target": Scale(100, 40, 8, 8, 4, 128, 2**15, 2**14, 128, 64, 2e-2, 2000, 0.1, 256, 1.0),
    }
)


@dataclass(frozen=True)
class Case:
    """One fit.

    Attributes
    ----------
    scene
        Number of a random world and of the places of its cameras; 0: the standard one.
    draw
        Seed of the noise.
    rate
        Learning rate of poses at the start.
    way
        A key of :data:`WAYS`.
    scale
        A key of :data:`SCALES`.
    sigma
        Of the noise.
    """

    scene: int
    draw: int
    rate: float
    way: str
    scale: str = "small"
    sigma: float = 0.15

    @property
    def name(self) -> str:
        """Short, for files."""
        return f"{self.scale}-{self.sigma:g}-s{self.scene}-n{self.draw}-r{self.rate:g}-{self.way}"

    def pictures(self) -> Scene:
        """The scene with its true poses."""
        return _rendered(self.scene, SCALES[self.scale])

    @property
    def recipe(self) -> InstantNGP:
        """That of Instant-NGP with the encoder of the way."""
        scale, way = SCALES[self.scale], WAYS[self.way]
        return InstantNGP(
            encoder=way.encoder,
            levels=scale.levels,
            coarsest=scale.coarsest,
            finest=scale.finest,
            table_size=scale.table_size // way.record,
            samples=scale.samples,
            march_steps=scale.march_steps,
            cells=scale.cells,
            rate=scale.rate,
            density=DENSITY,
        )

    @property
    def refinement(self) -> PoseRefinement:
        """That of the way, at the rate of the case."""
        chosen = WAYS[self.way].refinement
        return replace(chosen, rate=self.rate, hold=min(chosen.hold, SCALES[self.scale].hold))


@lru_cache(maxsize=2)
def _rendered(number: int, scale: Scale) -> Scene:
    world = _coarser(World.random(number) if number else World.standard(), scale.check)
    return Scene.render_synthetic(scale.size, train=scale.train, test=scale.test, world=world, seed=number)


def _coarser(world: World, factor: float) -> World:
    """The same with larger checks."""
    solids = [replace(s, finish=replace(s.look, check=factor * s.look.check)) for s in world.solids]  # type: ignore[call-arg, type-var]
    return replace(world, solids=solids)


def cases_of(
    scenes: Iterable[int],
    draws: Iterable[int],
    rates: Iterable[float],
    ways: Iterable[str],
    scale: str = "small",
    sigma: float = 0.15,
) -> list[Case]:
    """All combinations; poses that stay have no rate, and known ones no draw, so that these come once.

    Raises
    ------
    InvalidArgumentError
        If a way or a scale is unknown, or nothing is chosen.
    """
    choice("scale", scale, SCALES)
    chosen = [choice("way", way, WAYS) for way in ways]
    first_draw, first_rate = next(iter(draws := list(draws)), 0), next(iter(rates := list(rates)), 0.0)
    found = [
        Case(
            scene,
            first_draw if WAYS[way].poses == "known" else draw,
            first_rate if WAYS[way].poses != "refined" else rate,
            way,
            scale,
            sigma,
        )
        for scene, draw, rate, way in itertools.product(scenes, draws, rates, chosen)
    ]
    if not found:
        raise InvalidArgumentError("there is no case without a scene, a draw, a rate and a way; give one of each")
    return list(dict.fromkeys(found))
