"""Symmetric matrices that are diagonal in modes, or chains of small blocks along one axis for every mode."""

from __future__ import annotations

import torch

__all__ = ["Chains", "Diagonal"]

SHIFT = 1e-14  # of the diagonal: what is added to it at least


class Diagonal:
    """A diagonal matrix as a product of a factor and its transpose.

    Parameters
    ----------
    squares
        The diagonal (modes,); where it is zero, so is the result.
    """

    def __init__(self, squares: torch.Tensor) -> None:
        there = squares > 0
        self._roots = torch.where(there, torch.where(there, squares, 1.0).rsqrt(), 0.0)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """The inverse of the transposed factor times y (1, modes)."""
        return y * self._roots

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """The inverse of the factor times y."""
        return y * self._roots


class Chains:
    """Block tridiagonal matrices, one for every mode, by Cholesky's method.

    Parameters
    ----------
    diagonal, below
        Blocks (links, modes, w, w) on the diagonal and (links - 1, modes, w, w) below it.  Rows of the diagonal
        that are zero become those of the unit matrix.

    Raises
    ------
    ArithmeticError
        If a matrix is not positive definite, even with a small shift.

    Examples
    --------
    >>> one = torch.ones(2, 1, 1, 1, dtype=torch.float64)
    >>> chains = Chains(2.0 * one, one[:1])
    >>> y = torch.tensor([[3.0], [3.0]], dtype=torch.float64)
    >>> [round(float(v), 9) for v in chains.forward(chains.adjoint(y))]
    [1.0, 1.0]
    """

    def __init__(self, diagonal: torch.Tensor, below: torch.Tensor) -> None:
        own = diagonal.diagonal(dim1=2, dim2=3)
        unused = own == 0
        shift = SHIFT
        while True:
            shifted = diagonal + torch.diag_embed(own * shift + unused)
            if self._factor(shifted, below):
                return
            shift *= 1000.0
            if shift > 1e-6:
                raise ArithmeticError("the matrix of a mode is not positive definite")

    def _factor(self, diagonal: torch.Tensor, below: torch.Tensor) -> bool:
        links, modes, width, _ = diagonal.shape
        one = torch.eye(width, dtype=diagonal.dtype, device=diagonal.device).expand(modes, width, width)
        inverses: list[torch.Tensor] = []
        steps: list[torch.Tensor] = []
        for k in range(links):
            block = diagonal[k]
            if k > 0:
                step = below[k - 1] @ inverses[-1].mT
                block = block - step @ step.mT
                steps.append(step)
            factor, info = torch.linalg.cholesky_ex(block)
            if bool((info != 0).any()):
                return False
            inverses.append(torch.linalg.solve_triangular(factor, one, upper=False))
        # (links, w, w, modes): products with all modes at once
        self._inverses = torch.stack(inverses).permute(0, 2, 3, 1).contiguous()
        self._steps = torch.stack(steps).permute(0, 2, 3, 1).contiguous() if steps else self._inverses[:0]
        return True

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """The inverse of the transposed factor times y (links w, modes)."""
        inverses, steps = self._inverses, self._steps
        links, width = inverses.shape[:2]
        out = y.reshape(links, width, -1).clone()
        for k in reversed(range(links)):
            own = out[k]
            if k + 1 < links:
                own = own - (steps[k] * out[k + 1][:, None]).sum(0)
            out[k] = (inverses[k] * own[:, None]).sum(0)
        return out.reshape(y.shape)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        """The inverse of the factor times y."""
        inverses, steps = self._inverses, self._steps
        links, width = inverses.shape[:2]
        out = y.reshape(links, width, -1).clone()
        for k in range(links):
            own = out[k]
            if k > 0:
                own = own - (steps[k - 1] * out[k - 1]).sum(1)
            out[k] = (inverses[k] * own).sum(1)
        return out.reshape(y.shape)
