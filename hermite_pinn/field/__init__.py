"""Fields on a box: encoders and heads as functions with derivatives, sampling, and factors that vanish on faces."""

from .field import Field, GridField

__all__ = ["Field", "GridField"]
