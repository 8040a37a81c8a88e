"""Files of blocks by level."""

import hashlib
import zlib

import numpy as np
import pytest

from hermite_pinn.errors import CorruptFileError, InvalidArgumentError
from hermite_pinn.workloads.compression.container import (
    HEAD,
    MAGIC,
    Block,
    encode,
    look,
    read_blocks,
    write_container,
)
from hermite_pinn.workloads.compression.integers import pack_bytes, pack_integers, unpack_bytes, unpack_integers
from hermite_pinn.workloads.compression.words import WORDS

BLOCKS = [Block("base", 0, b"abcdef"), Block("one", 0, b""), Block("two", 1, b"0123456789"), Block("three", 2, b"xyz")]


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "f.hpc"
    return path, write_container(path, "thing", {"unit": "m", "nan": float("nan")}, BLOCKS)


def test_levels_come_back_with_sizes_and_text(written):
    path, sizes = written
    contents = look(path, ["thing"])
    assert (contents.levels, contents.whole, contents.sizes) == (3, 3, sizes)
    assert contents.names == (("base", "one"), ("two",), ("three",))
    assert contents.meta["unit"] == "m"
    assert sizes[-1] == path.stat().st_size
    assert read_blocks(contents) == {b.name: b.payload for b in BLOCKS}


def test_a_prefix_does_not_touch_what_follows(written):
    path, sizes = written
    whole = path.read_bytes()
    path.write_bytes(whole[: sizes[0]] + bytes(len(whole) - sizes[0]))
    assert list(read_blocks(look(path, ["thing"]), 1)) == ["base", "one"]
    with pytest.raises(CorruptFileError, match="levels=1 reads those before it"):
        read_blocks(look(path, ["thing"]))


def test_a_file_cut_off_anywhere_opens_at_the_levels_that_are_whole(written):
    path, sizes = written
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        levels = sum(size <= length for size in sizes)
        if levels:
            contents = look(path, ["thing"])
            assert contents.whole == levels
            assert len(read_blocks(contents)) == (2, 3, 4)[levels - 1]
            with pytest.raises(CorruptFileError, match="was cut off"):
                read_blocks(contents, levels + 1)
        else:
            with pytest.raises(CorruptFileError):
                look(path, ["thing"])


def test_every_changed_byte_is_found(written):
    path, _ = written
    whole = path.read_bytes()
    for place in range(len(whole)):
        for flip in (1, 0x80, 0xFF):
            changed = bytearray(whole)
            changed[place] ^= flip
            path.write_bytes(changed)
            with pytest.raises(CorruptFileError):
                read_blocks(look(path, ["thing"]))


def test_foreign_and_longer_files_are_refused(written, tmp_path):
    path, _ = written
    with pytest.raises(CorruptFileError, match="holds 'thing'; expected other"):
        look(path, ["other"])
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(CorruptFileError, match="1 bytes follow"):
        look(path, ["thing"])
    with pytest.raises(CorruptFileError, match="folder"):
        look(tmp_path, ["thing"])
    with pytest.raises(FileNotFoundError):
        look(tmp_path / "none", ["thing"])


def test_levels_that_were_never_there_are_refused(written):
    contents = look(written[0], ["thing"])
    for levels in (0, 4, 1.5, "2", True):
        with pytest.raises(InvalidArgumentError):
            contents.chosen(levels)


@pytest.mark.parametrize("blocks", [[], [Block("a", 1, b"")], [Block("a", 0, b""), Block("a", 1, b"")]])
def test_blocks_need_names_and_levels(blocks):
    with pytest.raises(InvalidArgumentError, match="blocks need names"):
        encode("thing", {}, blocks)


def test_integers_come_back_from_fewer_bytes():
    generator = np.random.default_rng(0)
    for top in (0, 1, 100, 2**20, 2**52):
        numbers = generator.integers(-top, top, size=1000, endpoint=True)
        packed = pack_integers(numbers)
        np.testing.assert_array_equal(unpack_integers(packed, 1000, "here"), numbers)
        assert len(packed) < 1.01 * 1000 * (2 * top).bit_length() / 8 + 500 * (top > 100) + 400


def test_a_frame_of_another_size_is_refused_before_it_is_inflated():
    bomb = pack_bytes(bytes(1 << 26))
    assert len(bomb) < 1 << 14
    with pytest.raises(CorruptFileError, match="holds 67,108,864 bytes; expected 8"):
        unpack_bytes(bomb, 8, "here")
    for damaged in (b"", b"\x09abc", b"\x02", b"\x00a", b"\x01" + bomb):
        with pytest.raises(CorruptFileError):
            unpack_integers(damaged, 4, "here")


def test_a_file_of_the_first_version_is_read_without_the_dictionary(written):
    path, _ = written
    pieces, _ = encode("thing", {"unit": "m"}, BLOCKS)
    front, blocks = pieces[0], b"".join(pieces[1:])
    text = zlib.decompressobj(zdict=WORDS).decompress(front[28:])
    stored = zlib.compress(text, 9)
    head = HEAD.pack(MAGIC, 1, len(stored), len(text))
    digest = hashlib.blake2b(head + stored, digest_size=8).digest()
    path.write_bytes(head + digest + stored + blocks)
    assert look(path, ["thing"]).meta == {"unit": "m"}
    assert read_blocks(look(path, ["thing"])) == {b.name: b.payload for b in BLOCKS}


def test_the_dictionary_of_the_second_version_is_what_it_was():
    assert hashlib.sha256(WORDS).hexdigest() == "848422f7dc2826491fdff854207a02dc41329a32c28ecc03837144fa18972c21"


def test_few_integers_take_no_more_bytes_than_by_zstandard_and_damage_is_told():
    generator = np.random.default_rng(0)  # kinds of different sizes, as coefficients are
    numbers = np.concatenate([generator.normal(0, size, 100) for size in (0.3, 20.0) * 25]).astype(np.int64)
    packed = pack_integers(numbers)
    assert packed[0] & 0x80
    assert len(packed) <= len(pack_bytes((numbers << 1 ^ numbers >> 63).astype(np.uint8).tobytes())) + 1
    np.testing.assert_array_equal(unpack_integers(packed, 5000, "here"), numbers)
    for damaged in (packed[:-20], packed + b"0", packed[:1] + packed[3:], b"\x80" + packed[1:]):
        with pytest.raises(CorruptFileError, match="here"):
            unpack_integers(damaged, 5000, "here")
    with pytest.raises(CorruptFileError, match="here"):
        unpack_integers(packed, 4999, "here")
    with pytest.raises(CorruptFileError, match="LZMA is for up to"):
        unpack_integers(packed, 1 << 23, "here")
