"""Radiance fields: scenes of pictures and cameras, and rays through them."""

from __future__ import annotations

from .alignment import PoseErrors, align, pose_errors
from .camera import Camera, Cameras
from .contraction import contract, contraction_scale, expand
from .fit import fit
from .instant_ngp import Hermite, InstantNGP
from .intrinsics import Intrinsics
from .lens import FisheyeLens, Lens, PerspectiveLens
from .loading import Skipped
from .metrics import psnr, ssim
from .model import ParameterGroup, RadianceModel, Recipe, Sight
from .perturbation import perturbed
from .pose_picture import draw_poses
from .pose_refinement import PoseRefinement
from .poses import look_at, scattered_poses, surrounding_poses
from .rays import Rays
from .reduction import reduced
from .registration import placed, registered
from .scene import Scene
from .se3 import exponential
from .solids import Block, Body, Disc, Finish, Solid, Sphere
from .solution import Picture, Radiance
from .video import orbit
from .views import Draw, View, Views
from .world import World
from .zip_nerf.footprint import fitted_levels
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
    "PoseErrors",
    "PoseRefinement",
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
    "align",
    "contract",
    "contraction_scale",
    "draw_poses",
    "expand",
    "exponential",
    "fit",
    "fitted_levels",
    "look_at",
    "orbit",
    "perturbed",
    "placed",
    "pose_errors",
    "psnr",
    "reduced",
    "registered",
    "scattered_poses",
    "ssim",
    "surrounding_poses",
]
