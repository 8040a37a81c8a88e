"""Published reference data."""

from .ghia import GHIA_RE100, centre_line_error

__all__ = ["GHIA_RE100", "centre_line_error"]
