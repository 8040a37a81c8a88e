"""The parameters of a field as a tree: paths with slashes, a tensor at every leaf.

A tree is a mapping from paths such as ``encoder/table`` and ``head/layers/0/weight`` to tensors, in a fixed order.  A
part of a field names its parameters relative to itself; whoever holds the part puts a group before these names.  This
module is the only place that makes or reads a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch

__all__ = [
    "ENCODER", "GATE", "HEAD", "LAYERS", "PARAMETERS", "SINGULAR", "TABLE", "Tree", "bias_path", "branch", "flatten", "joined",
    "restore", "rooted", "weight_path", "within",
]  # fmt: skip

Tree = Mapping[str, torch.Tensor]
V = TypeVar("V")

#: Groups of what a run trains: the encoder's tables, the head's layers, coefficients of singular functions, the unknown
#: parameters of a problem.
ENCODER, HEAD, SINGULAR, PARAMETERS = "encoder", "head", "singular", "parameters"

#: Parts of these groups: the coefficients of a grid, the layers of a network, and the factor of a network beside a sum.
TABLE, LAYERS, GATE = "encoder/table", "head/layers", "head/gate"


def joined(*parts: str | int) -> str:
    """A path from its parts.

    Examples
    --------
    >>> joined("head", "layers", 0, "weight")
    'head/layers/0/weight'
    """
    return "/".join(map(str, parts))


def weight_path(layer: int) -> str:
    """Path of a layer's matrix in a field.

    Examples
    --------
    >>> weight_path(0)
    'head/layers/0/weight'
    """
    return joined(LAYERS, layer, "weight")


def bias_path(layer: int) -> str:
    """Path of a layer's biases in a field."""
    return joined(LAYERS, layer, "bias")


def within(path: str, group: str) -> bool:
    """Whether a path is a group or lies in it.

    Examples
    --------
    >>> within("head/layers/0/weight", "head"), within("header", "head")
    (True, False)
    """
    return path == group or path.startswith(group + "/")


def rooted(tree: Mapping[str, V], group: str) -> dict[str, V]:
    """The tree as a group of a larger one.

    Examples
    --------
    >>> rooted({"table": 1}, "encoder")
    {'encoder/table': 1}
    """
    return {joined(group, path): value for path, value in tree.items()}


def branch(tree: Mapping[str, V], group: str) -> dict[str, V]:
    """What lies in a group, with paths relative to it: the inverse of :func:`rooted`.

    Examples
    --------
    >>> branch({"encoder/table": 1, "head/gate": 2}, "head")
    {'gate': 2}
    """
    return {path[len(group) + 1 :]: value for path, value in tree.items() if path.startswith(group + "/")}


def flatten(tree: Tree) -> torch.Tensor:
    """All leaves of a tree that has some one after another as a vector, in the tree's order; differentiable.

    Examples
    --------
    >>> flatten({"a": torch.ones(1, 2), "b/c": torch.zeros(1)})
    tensor([1., 1., 0.])
    """
    return torch.cat([leaf.reshape(-1) for leaf in tree.values()])


def restore(vector: torch.Tensor, like: Tree) -> dict[str, torch.Tensor]:
    """Views of a vector as the leaves of a tree: the inverse of :func:`flatten`.

    Parameters
    ----------
    vector
        (sum of the sizes,).
    like
        The paths and shapes.

    Raises
    ------
    ValueError, RuntimeError
        If the vector has another length.

    Examples
    --------
    >>> restore(torch.arange(3.0), {"a": torch.ones(1, 2), "b/c": torch.zeros(1)})
    {'a': tensor([[0., 1.]]), 'b/c': tensor([2.])}
    """
    parts = vector.split([leaf.numel() for leaf in like.values()])
    return {path: part.view(leaf.shape) for (path, leaf), part in zip(like.items(), parts, strict=True)}
