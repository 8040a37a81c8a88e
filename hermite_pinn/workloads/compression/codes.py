"""How the features of a level are stored: as indices into a codebook, as a product of low rank, or as numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.schema import Entry

from .container import Block
from .kmeans import clusters, nearest
from .low_rank import low_rank
from .packing import MOST_BITS, packed, unpacked

__all__ = ["CODES", "Code", "HalfCode", "RankCode", "VectorCode", "half_numbers"]

HALF = np.dtype("<f2")


class Code(ABC):
    """The stored rows of a level.

    Attributes
    ----------
    name
        Of the kind, in files.
    """

    name: ClassVar[str]

    @abstractmethod
    def rows(self) -> torch.Tensor:
        """What is read, float32, (m, w)."""

    @abstractmethod
    def parts(self) -> Mapping[str, bytes]:
        """The bytes by name."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What is needed beside them and the shape of the rows, the same for all levels."""

    @classmethod
    @abstractmethod
    def restored(cls, described: Entry, parts: Mapping[str, bytes], shape: tuple[int, int]) -> Code:
        """Inverse of :meth:`parts`.

        Raises
        ------
        CorruptFileError
            If parts are missing, or have another size than the shape says.
        """

    def blocks(self, level: int) -> list[Block]:
        """The parts as blocks of a file."""
        return [Block(f"{name} {level}", level, payload) for name, payload in self.parts().items()]

    @property
    def bytes(self) -> int:
        """Of all parts."""
        return sum(map(len, self.parts().values()))


@dataclass(frozen=True, eq=False)
class VectorCode(Code):
    """Rows of a codebook.

    Attributes
    ----------
    index
        uint16, (m,).
    codebook
        float16, (2**bits, w).
    """

    index: np.ndarray
    codebook: torch.Tensor

    name: ClassVar[str] = "vectors"

    @property
    def bits(self) -> int:
        """Of an index."""
        return len(self.codebook).bit_length() - 1

    @classmethod
    def clustered(cls, rows: torch.Tensor, bits: int, generator: torch.Generator) -> VectorCode:
        """The clusters of given rows (kmVQ).

        Raises
        ------
        InvalidArgumentError
            If a number is beyond the range of half precision.
        """
        codebook = half_numbers(clusters(rows, 1 << bits, generator))
        index, _ = nearest(rows, codebook.to(rows.dtype))
        return cls(index.numpy().astype(np.uint16), codebook)

    def rows(self) -> torch.Tensor:
        """The entries that the indices name."""
        return self.codebook.float()[torch.from_numpy(self.index.astype(np.int64))]

    def parts(self) -> Mapping[str, bytes]:
        """Codebook and packed indices."""
        return {"codebook": _bytes(self.codebook), "indices": packed(self.index, self.bits).tobytes()}

    def described(self) -> dict[str, Any]:
        """The bits."""
        return {"bits": self.bits}

    @classmethod
    def restored(cls, described: Entry, parts: Mapping[str, bytes], shape: tuple[int, int]) -> VectorCode:
        """See :meth:`Code.restored`."""
        bits = described.at("bits").integer(1, MOST_BITS)
        codebook = _numbers("codebook", parts, (1 << bits, shape[1]))
        return cls(unpacked(np.frombuffer(_part("indices", parts), np.uint8), shape[0], bits), codebook)


@dataclass(frozen=True, eq=False)
class RankCode(Code):
    """Rows that are few numbers times a matrix.

    Attributes
    ----------
    left, right
        float16, (m, r) and (r, w).
    """

    left: torch.Tensor
    right: torch.Tensor

    name: ClassVar[str] = "low rank"

    @classmethod
    def closest(cls, rows: torch.Tensor, columns: int) -> RankCode:
        """The closest product to given rows (LRA)."""
        left, right = low_rank(rows, min(columns, rows.shape[1]))
        return cls(half_numbers(left), half_numbers(right))

    def rows(self) -> torch.Tensor:
        """The product."""
        return self.left.float() @ self.right.float()

    def parts(self) -> Mapping[str, bytes]:
        """Both factors."""
        return {"right": _bytes(self.right), "left": _bytes(self.left)}

    def described(self) -> dict[str, Any]:
        """The rank."""
        return {"columns": len(self.right)}

    @classmethod
    def restored(cls, described: Entry, parts: Mapping[str, bytes], shape: tuple[int, int]) -> RankCode:
        """See :meth:`Code.restored`."""
        columns = described.at("columns").integer(1, shape[1])
        return cls(_numbers("left", parts, (shape[0], columns)), _numbers("right", parts, (columns, shape[1])))


@dataclass(frozen=True, eq=False)
class HalfCode(Code):
    """Rows in half precision, float16, (m, w)."""

    numbers: torch.Tensor

    name: ClassVar[str] = "half"

    @classmethod
    def rounded(cls, rows: torch.Tensor) -> HalfCode:
        """Given rows."""
        return cls(half_numbers(rows))

    def rows(self) -> torch.Tensor:
        """The numbers."""
        return self.numbers.float()

    def parts(self) -> Mapping[str, bytes]:
        """The numbers."""
        return {"rows": _bytes(self.numbers)}

    def described(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @classmethod
    def restored(cls, described: Entry, parts: Mapping[str, bytes], shape: tuple[int, int]) -> HalfCode:
        """See :meth:`Code.restored`."""
        return cls(_numbers("rows", parts, shape))


#: By the name in files.
CODES: Mapping[str, type[Code]] = {kind.name: kind for kind in (VectorCode, RankCode, HalfCode)}


def half_numbers(numbers: torch.Tensor) -> torch.Tensor:
    """In half precision, if nothing overflows."""
    rounded = numbers.detach().to(torch.float16)
    if not bool(torch.isfinite(rounded).all()):
        raise InvalidArgumentError(
            f"features up to {float(numbers.abs().max()):.3g} are beyond half precision, which ends at 65504; train with lower rates"
        )
    return rounded


def _bytes(numbers: torch.Tensor) -> bytes:
    return numbers.numpy().astype(HALF).tobytes()


def _part(name: str, parts: Mapping[str, bytes]) -> bytes:
    if name not in parts:
        raise CorruptFileError(f"a level has no block of {name}; the file is damaged")
    return parts[name]


def _numbers(name: str, parts: Mapping[str, bytes], shape: tuple[int, int]) -> torch.Tensor:
    """float16 of a shape, all finite."""
    data = _part(name, parts)
    if len(data) != 2 * shape[0] * shape[1]:
        raise CorruptFileError(
            f"the block of {name} has {len(data):,} bytes, and {shape[0]:,} x {shape[1]} numbers have {2 * shape[0] * shape[1]:,}"
        )
    numbers = np.frombuffer(data, HALF).astype(np.float16).reshape(shape)
    if not np.isfinite(numbers).all():
        raise CorruptFileError(f"the block of {name} has numbers that are not finite; the file is damaged")
    return torch.from_numpy(numbers)
