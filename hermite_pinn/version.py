"""Which version is installed."""

from __future__ import annotations

from importlib import metadata

__all__ = ["installed_version"]


def installed_version() -> str:
    """Version of the installed package; ``"unknown"`` where it was never installed, or its data cannot be read."""
    try:
        return metadata.version("hermite_pinn")
    except (metadata.PackageNotFoundError, OSError):
        return "unknown"
