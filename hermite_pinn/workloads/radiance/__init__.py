"""Radiance fields: scenes of pictures and cameras, and rays through them."""

from __future__ import annotations

from .camera import Camera, Cameras
from .contraction import contract, contraction_scale, expand
from .fit import fit
from .instant_ngp import Hermite, InstantNGP
from .intrinsics import Intrinsics
from .lens import FisheyeLens, Lens, PerspectiveLens
from .loading import Skipped
from .model import ParameterGroup, RadianceModel, Recipe, Sight
from .poses import look_at, scattered_poses, surrounding_poses
from .rays import Rays
from .reduction import reduced
from .scene import Scene
from .solution import Picture, Radiance
from .solids import Block, Body, Disc, Finish, Solid, Sphere
from .views import Draw, View, Views
from .world import World
from .zip_nerf.options import Antialiasing, GridLevels, Proposal, ProposalGuard, ZipLosses
from .zip_nerf.recipe import ZipNeRF

__all__ = [
    "Antialiasing",
    "Block",
    "Body",
    "Camera",
    "Cameras",
    "Disc",
    "Draw",
    "Finish",
    "FisheyeLens",
    "GridLevels",
    "Hermite",
    "InstantNGP",
    "Intrinsics",
    "Lens",
    "ParameterGroup",
    "PerspectiveLens",
    "Picture",
    "Proposal",
    "ProposalGuard",
    "Radiance",
    "RadianceModel",
    "Rays",
    "Recipe",
    "Scene",
    "Sight",
    "Skipped",
    "Solid",
    "Sphere",
    "View",
    "Views",
    "World",
    "ZipLosses",
    "ZipNeRF",
    "contract",
    "contraction_scale",
    "expand",
    "fit",
    "look_at",
    "reduced",
    "scattered_poses",
    "surrounding_poses",
]
