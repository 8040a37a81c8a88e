"""Fields on a box: tables, heads, sampling, and factors that vanish on faces."""

from .field import Field, GridField

__all__ = ["Field", "GridField"]
