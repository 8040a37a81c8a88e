"""Which version is installed."""

from __future__ import annotations

from importlib import metadata

__all__ = ["installed_version"]


def installed_version() -> str:
    """Version of the installed package; ``"unknown"`` where it runs from a folder that was never installed."""
    try:
        return metadata.version("hermite_pinn")
    except metadata.PackageNotFoundError:
        return "unknown"
