"""SOAP for the network, Adam for the tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch

from hermite_pinn.calls import with_options_named
from hermite_pinn.checks import check_options, integer, items, number
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.field.outline import Outline
from hermite_pinn.libraries import loading
from hermite_pinn.methods.base import Task

from .method import FirstOrder
from .quasi_newton import COMPILER
from .updates import AdamUpdate, LibraryUpdate, Trained, Update

__all__ = ["SOAP"]


@with_options_named
@dataclass(frozen=True)
class SOAP(FirstOrder):
    """Training with SOAP (arXiv 2409.11321): Adam in the eigenbasis of Shampoo's preconditioner.

    The preconditioner is made of one small matrix per side of every weight matrix, so it serves the weights and biases
    of the network.  The tables of the grid have no such structure; they, the gate and unknown parameters keep Adam.
    Needs the package ``pytorch_optimizer``.

    Parameters
    ----------
    steps, lr, ...
        As for :class:`hermite_pinn.Adam`; ``lr`` belongs to the tables.
    network_lr
        First learning rate of the network; it decays in proportion to that of the tables.
    betas
        Decay rates of SOAP's first and second moments; the second is also that of the preconditioner.
    precondition_every
        Steps between two updates of the eigenbases.

    Raises
    ------
    BackendUnavailableError
        When a run starts without ``pytorch_optimizer``.
    InvalidArgumentError
        For a field without a network.

    References
    ----------
    N. Vyas et al., "SOAP: Improving and stabilizing Shampoo using Adam", 2024; for physics-informed networks
    S. Wang et al., "Gradient alignment in physics-informed neural networks: a second-order optimization perspective",
    arXiv 2502.00604.

    Examples
    --------
    >>> SOAP(steps=500).precondition_every
    10
    """

    network_lr: float = 3e-3
    betas: tuple[float, float] = (0.95, 0.95)
    precondition_every: int = 10

    name = "soap"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_options(
            self,
            {
                "network_lr": partial(number, above=0),
                "betas": _betas,
                "precondition_every": partial(integer, least=1),
            },
        )

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """See :meth:`Method.check`."""
        _library()
        outline = super().check(task, before)
        _check_network(not outline.linear)
        _load()
        return outline

    def updates(self, trained: Trained) -> list[Update]:
        """Adam for the tables and the rest, SOAP for the network."""
        network = [k for k in trained.tensors if k in trained.networks]
        _check_network(bool(network))
        mine, rest = trained.only(network), trained.only(trained.tensors.keys() - network)
        soap = _library()(
            list(mine.tensors.values()),
            lr=self.network_lr,
            betas=self.betas,
            weight_decay=0.0,
            precondition_frequency=self.precondition_every,
        )
        plan = self.numbers()
        return [AdamUpdate(rest, plan.ema), LibraryUpdate(soap, plan.lr, "SOAP", mine, plan.ema)]


def _check_network(there: bool) -> None:
    if not there:
        raise InvalidArgumentError(
            "soap preconditions the matrices of a network and the linear head has none; use method='adam', or a "
            "field with head='siren' or 'siren+linear'"
        )


def _betas(name: str, value: Any) -> tuple[float, float]:
    """Two decay rates."""
    first, second = items(name, value, "two numbers in [0, 1)", least=2, most=2)
    rate = partial(number, f"each of {name}", least=0, below=1)
    return rate(first), rate(second)


def _library() -> Callable[..., torch.optim.Optimizer]:
    """The optimiser's class, imported when first needed."""
    try:
        with loading("the package pytorch_optimizer", COMPILER):
            from pytorch_optimizer import SOAP as Soap  # noqa: N811
    except ModuleNotFoundError as error:
        raise BackendUnavailableError(
            "method='soap' needs the package pytorch_optimizer, which is not installed; install it with "
            "pip install 'hermite_pinn[optimizers]' (or pip install pytorch_optimizer), or use method='adam'"
        ) from error
    return Soap


@cache
def _load() -> None:
    """Take two steps, with which all of the library and of PyTorch's optimisers is loaded."""
    with loading("the package pytorch_optimizer", COMPILER):
        p = torch.zeros((2, 2), dtype=torch.float64, requires_grad=True)
        optimizer = _library()([p])
        for _ in range(2):
            p.grad = torch.ones_like(p)
            optimizer.step()
