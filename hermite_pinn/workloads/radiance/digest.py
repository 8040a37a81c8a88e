"""What tells one scene from another."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from .scene import Scene

__all__ = ["described_scene"]


def described_scene(scene: Scene) -> dict[str, Any]:
    """The training views of a scene in words and a digest: pictures, cameras and box, bit for bit."""
    digest, views = hashlib.sha256(), scene.train
    for image in views.images:
        digest.update(image.detach().cpu().contiguous().numpy().tobytes())
    digest.update(views.cameras.poses.detach().to("cpu", torch.float64).contiguous().numpy().tobytes())
    digest.update(repr([views.cameras.kinds, views.cameras.kind.tolist()]).encode())
    return {
        "source": scene.source,
        "training views": len(views),
        "lower": scene.lower.tolist(),
        "upper": scene.upper.tolist(),
        "background": None if scene.background is None else list(scene.background),
        "pixels": digest.hexdigest(),
    }
