"""A file of blocks by level of detail, of which a prefix is enough: each level follows the coarser ones.

::

    offset  bytes
    0       8      89 48 50 43 0D 0A 1A 0A: no text, and what a transfer as text alters
    8       4      version of this format, 2 (all numbers little-endian and without a sign)
    12      4      bytes of the text as stored, n
    16      4      bytes of the text
    20      8      BLAKE2b, 8 bytes long, of bytes 0 to 19 and of the stored text
    28      n      the text: JSON in UTF-8, deflated (zlib) with the dictionary of :mod:`.words`; in version 1 without
    28 + n         the blocks, one behind the other, in the order of the text

The text is ``{"kind": ..., "meta": {...}, "blocks": [[name, level, bytes, BLAKE2b in hexadecimal digits], ...]}``, the
levels of its blocks from 0 on without a gap, ascending.  What a block holds is for those to know who read its kind of
file.  Nothing is executed, and nothing is allocated that the size of the file does not cover, but for the text.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hermite_pinn.checks import integer
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.output import write_file
from hermite_pinn.run.regular_file import file_path, opened
from hermite_pinn.run.stored_text import parsed
from hermite_pinn.schema import Entry

from .words import WORDS

__all__ = ["Block", "Contents", "encode", "look", "read_blocks", "write_container"]

MAGIC = b"\x89HPC\r\n\x1a\n"
VERSION = 2
HEAD = struct.Struct("<8sIII")
DIGEST = 8  # bytes
MOST_TEXT = 1 << 26  # bytes
MOST_BLOCKS = 1 << 14
INFLATED = 1040  # most bytes that deflate makes of one


@dataclass(frozen=True)
class Block:
    """Bytes that belong to a level of detail.

    Attributes
    ----------
    name
        Different for every block of a file.
    level
        From 0, the coarsest, on; what all levels need belongs to level 0.
    payload
        The bytes.
    """

    name: str
    level: int
    payload: bytes


@dataclass(frozen=True)
class _Place:
    """A block that has not been read."""

    name: str
    level: int
    start: int
    size: int
    digest: str


@dataclass(frozen=True)
class Contents:
    """What a file says before a block of it is read.

    Attributes
    ----------
    source
        The file.
    kind
        What it holds.
    meta
        The text of those who wrote it, checked for nothing but its form.
    sizes
        By level, bytes of the file up to its end: what ``levels=1``, ``2``, ... read.
    names
        By level, names of its blocks in their order.
    whole
        Number of levels whose blocks lie within the file; fewer than there are where the file was cut off.
    """

    source: Path
    kind: str
    meta: dict[str, Any]
    sizes: tuple[int, ...]
    names: tuple[tuple[str, ...], ...]
    whole: int
    _places: tuple[_Place, ...] = field(repr=False)

    @property
    def levels(self) -> int:
        """Number of levels that were written."""
        return len(self.sizes)

    def chosen(self, levels: int | None) -> int:
        """How many levels to read; None: all that are whole.

        Raises
        ------
        InvalidArgumentError
            If the file never had so many.
        CorruptFileError
            If it was cut off before their end.
        """
        if levels is None:
            return self.whole
        count = integer("levels", levels, least=1, otherwise="None")
        if count > self.levels:
            raise InvalidArgumentError(f"{self.source} has {self.levels} levels, got levels={count}; ask for fewer")
        if count > self.whole:
            raise CorruptFileError(
                f"{self.source} was cut off: {self.whole} of its {self.levels} levels are whole, got levels={count}; "
                "ask for fewer, or fetch it again"
            )
        return count


def encode(kind: str, meta: Mapping[str, Any], blocks: Sequence[Block]) -> tuple[list[bytes], tuple[int, ...]]:
    """The pieces of a file, to be written one after the other, and by level how many bytes end with it.

    Parameters
    ----------
    kind
        What the file holds; who reads it asks for this.
    meta
        Anything JSON can express.
    blocks
        In any order of levels; within a level their order is kept.

    Raises
    ------
    InvalidArgumentError
        If names come twice, or a level has no block.

    Examples
    --------
    >>> pieces, sizes = encode("numbers", {}, [Block("b", 1, b"678"), Block("a", 0, b"12345")])
    >>> pieces[1:], sizes[1] - sizes[0], sum(map(len, pieces)) == sizes[1]
    ([b'12345', b'678'], 3, True)
    """
    ordered = sorted(blocks, key=lambda b: b.level)
    levels = sorted({b.level for b in ordered})
    if levels != list(range(len(levels))) or not levels or len({b.name for b in ordered}) < len(ordered):
        raise InvalidArgumentError(
            f"blocks need names of their own and levels from 0 on without a gap, got {[(b.name, b.level) for b in ordered]}"
        )
    listed = [[b.name, b.level, len(b.payload), _digest(b.payload)] for b in ordered]
    text = json.dumps({"kind": kind, "meta": dict(meta), "blocks": listed}, separators=(",", ":")).encode()
    deflate = zlib.compressobj(9, zdict=WORDS)
    stored = deflate.compress(text) + deflate.flush()
    if max(len(text), len(stored)) > MOST_TEXT or len(ordered) > MOST_BLOCKS:
        raise InvalidArgumentError(
            f"a file has up to {MOST_TEXT:,} bytes of text and {MOST_BLOCKS:,} blocks, got {len(text):,} and {len(ordered):,}"
        )
    head = HEAD.pack(MAGIC, VERSION, len(stored), len(text))
    front = head + bytes.fromhex(_digest(head + stored)) + stored
    ends = list(itertools.accumulate((len(b.payload) for b in ordered), initial=len(front)))[1:]
    sizes = {b.level: end for b, end in zip(ordered, ends, strict=True)}
    return [front, *(b.payload for b in ordered)], tuple(sizes[k] for k in levels)


def write_container(path: str | Path, kind: str, meta: Mapping[str, Any], blocks: Sequence[Block]) -> tuple[int, ...]:
    """Write a file, all of it or nothing; returns the sizes of :func:`encode`.

    Raises
    ------
    InvalidArgumentError, OutputError
        As :func:`encode` and :func:`hermite_pinn.output.write_file`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     blocks = [Block("a", 0, b"12"), Block("b", 1, b"3")]
    ...     sizes = write_container(f"{folder}/n.hpc", "numbers", {"unit": "m"}, blocks)
    ...     contents = look(f"{folder}/n.hpc", ["numbers"])
    ...     contents.meta, contents.levels, contents.sizes == sizes, read_blocks(contents, 1)
    ({'unit': 'm'}, 2, True, {'a': b'12'})
    """
    pieces, sizes = encode(kind, meta, blocks)
    write_file(path, *pieces)
    return sizes


def look(path: str | Path, kinds: Sequence[str]) -> Contents:
    """Read what a file says about its blocks, and see which levels are whole.

    Parameters
    ----------
    path
        A regular file, or a link to one.
    kinds
        What it may hold.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If the file is not one of ours, is damaged before its blocks, is newer than this package, has bytes behind its
        last block, or not one level is whole.
    """
    source = file_path(path)
    with opened(source) as (descriptor, size):
        front = _read(descriptor, 0, HEAD.size + DIGEST)
        if len(front) < HEAD.size + DIGEST or not front.startswith(MAGIC):
            raise CorruptFileError(f"{source} is no compressed field, or is damaged: it does not begin like one")
        _, version, stored, length = HEAD.unpack(front[: HEAD.size])
        if not 1 <= version <= VERSION:
            raise CorruptFileError(
                f"{source} has format version {version}, this package reads up to {VERSION}; update hermite_pinn"
            )
        start = HEAD.size + DIGEST + stored
        if start > size or not 0 < length <= min(MOST_TEXT, INFLATED * stored):
            raise CorruptFileError(
                f"{source} is damaged or was cut off: {stored:,} bytes of text, {length:,} inflated, in {size:,} bytes"
            )
        packed = _read(descriptor, HEAD.size + DIGEST, stored)
        if _digest(front[: HEAD.size] + packed) != front[HEAD.size :].hex():
            raise CorruptFileError(f"{source} is damaged: its text does not match its checksum")
        text = _inflated(packed, length, version, source)
    entry = Entry.of(text, str(source))
    kind = entry.at("kind").text()
    if kind not in kinds:
        raise CorruptFileError(f"{source} holds {kind[:40]!r}; expected {' or '.join(kinds)}")
    places = _places(entry.at("blocks"), start)
    levels = places[-1].level + 1
    ends = tuple(max(p.start + p.size for p in places if p.level == k) for k in range(levels))
    if size > ends[-1]:
        raise CorruptFileError(f"{source} is damaged: {size - ends[-1]:,} bytes follow its last block")
    whole = sum(end <= size for end in ends)
    if not whole:
        raise CorruptFileError(
            f"{source} was cut off before the end of its first level: it has {size:,} of {ends[0]:,} bytes; fetch it again"
        )
    names = tuple(tuple(p.name for p in places if p.level == k) for k in range(levels))
    meta = {name: e.value for name, e in entry.at("meta").entries().items()}
    return Contents(source, kind, meta, ends, names, whole, places)


def read_blocks(contents: Contents, levels: int | None = None) -> dict[str, bytes]:
    """The blocks of the coarsest levels by name, in their order; nothing behind them is read.

    Parameters
    ----------
    contents
        What :func:`look` found.
    levels
        How many; default: all that are whole.

    Raises
    ------
    InvalidArgumentError, CorruptFileError
        If there are not so many, the file changed, or a block does not match its checksum; the message tells how many
        levels before it are sound.
    """
    count = contents.chosen(levels)
    blocks: dict[str, bytes] = {}
    with opened(contents.source) as (descriptor, _):
        for place in contents._places:
            if place.level >= count:
                break
            payload = _read(descriptor, place.start, place.size)
            if len(payload) != place.size or _digest(payload) != place.digest:
                sound = f"; levels={place.level} reads those before it" if place.level else ""
                raise CorruptFileError(
                    f"{contents.source} is damaged: block {place.name} of level {place.level + 1} does not match its "
                    f"checksum{sound}"
                )
            blocks[place.name] = payload
    return blocks


def _places(listed: Entry, start: int) -> tuple[_Place, ...]:
    """The list of blocks, which lie one behind the other."""
    places: list[_Place] = []
    for item in listed.items(least=1, most=MOST_BLOCKS):
        name, level, size, digest = item.items(4)
        before = places[-1].level if places else -1
        least = max(before, 0)
        place = _Place(
            name.text(),
            level.integer(least, before + 1),
            places[-1].start + places[-1].size if places else start,
            size.integer(0),
            digest.text(),
        )
        if len(place.digest) != 2 * DIGEST:
            raise digest.refuse(f"{2 * DIGEST} hexadecimal digits")
        places.append(place)
    if len({p.name for p in places}) < len(places):
        raise listed.refuse("blocks with names of their own")
    return tuple(places)


def _inflated(packed: bytes, length: int, version: int, source: Path) -> dict[str, Any]:
    """The text, of which never more than its declared length is made."""
    inflate = zlib.decompressobj(zdict=WORDS) if version > 1 else zlib.decompressobj()
    try:
        text = inflate.decompress(packed, length + 1)  # room to see the end
        if len(text) != length or not inflate.eof or inflate.unconsumed_tail or inflate.unused_data:
            raise ValueError("its text has another length than declared")
        return parsed(text.decode())
    except (zlib.error, ValueError) as error:
        raise CorruptFileError(f"{source} is damaged: {error}") from error


def _digest(piece: bytes) -> str:
    return hashlib.blake2b(piece, digest_size=DIGEST).hexdigest()


def _read(descriptor: int, offset: int, size: int) -> bytes:
    """Bytes of a file, fewer where it ends; no more is allocated than it has."""
    size = min(size, max(0, os.fstat(descriptor).st_size - offset))
    parts = []
    while size > 0:
        part = os.pread(descriptor, size, offset)
        if not part:
            break
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)
