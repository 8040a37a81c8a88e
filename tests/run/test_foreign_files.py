"""Files from anywhere: what ours never hold is refused before it is read; none makes the reader wait or fills RAM."""

import os
import resource
import socket
from pathlib import Path

import h5py
import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.run.store import read_store, write_store
from hermite_pinn.run.store_format import ORDER, SEAL_SIZE, digest

META = {"title": "heat"}
ARRAYS = {"field/a": np.arange(6.0).reshape(2, 3), "field/b": np.zeros((300, 40)), "c": np.array(True)}


@pytest.fixture
def path(tmp_path):
    """A file without the seal of its bytes, which would be the first to object to what is done to it."""
    write_store(tmp_path / "u.h5", "solution", META, ARRAYS)
    (tmp_path / "u.h5").write_bytes((tmp_path / "u.h5").read_bytes()[SEAL_SIZE:])
    return tmp_path / "u.h5"


def refused(path, message, kind="solution"):
    with pytest.raises(hp.CorruptFileError, match=message) as caught:
        read_store(path, kind)
    assert path.name in str(caught.value)


def test_what_is_kept_is_chosen_before_it_is_read_and_the_rest_is_compared_with_the_checksum(path):
    seen = {}

    def plan(meta, declared):
        seen.update({name: d.shape for name, d in declared.items()}, title=meta["title"])
        return ["field/a"]

    _, arrays = read_store(path, "solution", plan)
    assert seen == {name: a.shape for name, a in ARRAYS.items()} | META
    assert list(arrays) == ["field/a"]
    assert np.array_equal(arrays["field/a"], ARRAYS["field/a"])
    with h5py.File(path, "r+") as file:
        file["field/b"][299, 39] = 1.0
    with pytest.raises(hp.CorruptFileError, match="checksum"):
        read_store(path, "solution", plan)


@pytest.mark.parametrize("shape", [(3, 5, 7), (1, 100), (100,), (2, 0, 3), ()])
def test_pieces_of_an_array_have_its_checksum(tmp_path, monkeypatch, shape):
    monkeypatch.setattr("hermite_pinn.run.store_reading.PIECE", 100)
    write_store(tmp_path / "u.h5", "solution", META, {"a": np.random.default_rng(0).random(shape)})
    assert read_store(tmp_path / "u.h5", "solution", lambda meta, declared: ()) == (META, {})


def test_numbers_of_the_other_byte_order_are_read(tmp_path):
    write_store(tmp_path / "u.h5", "solution", META, {"a": np.arange(3.0).astype(">f8")})
    assert read_store(tmp_path / "u.h5", "solution")[1]["a"].dtype == np.dtype("=f8")


# -- what is no file ---
def test_pipes_sockets_devices_and_folders_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "it is a pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "socket"))
        refused(tmp_path / "socket", "it is a socket")
    refused(tmp_path, "it is a folder")
    device = tmp_path / "zero"
    device.symlink_to("/dev/zero")
    refused(device, "it is a device")


def test_links_to_files_are_followed_and_loops_are_not(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    assert read_store(tmp_path / "link", "solution")[0] == META
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "cannot be read")
    with pytest.raises(FileNotFoundError, match="nothing"):
        read_store(tmp_path / "nothing", "solution")


@pytest.mark.parametrize("name", [None, 3, "", "a\0b", b"u.h5"])
def test_what_is_no_name_of_a_file_is_refused(name):
    with pytest.raises(hp.InvalidArgumentError, match="name of a file"):
        read_store(name, "solution")


# -- what no file of ours has ---
def virtual(file):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(".", "field/a", (2, 3))[0]
    file.create_virtual_dataset("x", layout)


def external(file):
    file.create_dataset("x", (2,), "u1", external=[("/etc/hostname", 0, 2)])


def named_type(file):
    file["t"] = np.dtype("f8")


def of_named_type(file):
    file["field/t"] = np.dtype("f8")
    file.create_dataset("x", (3,), dtype=file["field/t"])[:] = 1.0
    del file["field/t"]


def loop(file):
    file["field/x"] = file["field"]


def twice(file):
    file["x"] = file["field/a"]


def deep(file):
    file.create_group("/".join("x" * 40))


HOSTILE = {
    "soft link": lambda file: file.__setitem__("x", h5py.SoftLink("/field/a")),
    "external link": lambda file: file.__setitem__("x", h5py.ExternalLink("/etc/passwd", "/")),
    "loop": loop,
    "two names": twice,
    "virtual": virtual,
    "external storage": external,
    "named type": named_type,
    "of a named type": of_named_type,
    "text": lambda file: file.create_dataset("x", data="import os"),
    "texts of any length": lambda file: file.create_dataset("x", data=["a"], dtype=h5py.string_dtype()),
    "references": lambda file: file.create_dataset("x", data=[file.ref], dtype=h5py.ref_dtype),
    "compound": lambda file: file.create_dataset("x", data=np.zeros(2, "f8,i4")),
    "complex": lambda file: file.create_dataset("x", data=np.zeros(2, complex)),
    "opaque": lambda file: file.create_dataset("x", data=np.zeros(2, "V9")),
    "array of arrays": lambda file: file.create_dataset("x", (2,), np.dtype(("f8", (3,)))),
    "empty": lambda file: file.create_dataset("x", data=h5py.Empty("f8")),
    "lossy filter": lambda file: file.create_dataset("x", data=np.arange(9), scaleoffset=2),
    "other filter": lambda file: file.create_dataset("x", data=np.zeros(9), chunks=(9,), compression="lzf"),
    "deep": deep,
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_is_never_written_is_refused(path, how):
    with h5py.File(path, "r+") as file:
        HOSTILE[how](file)
    refused(path, "damaged")


def test_very_many_entries_are_refused(path, monkeypatch):
    monkeypatch.setattr("hermite_pinn.run.store_reading.MOST_OBJECTS", 100)
    with h5py.File(path, "r+") as file:
        for k in range(101):
            file.create_group(f"g{k}")
    refused(path, "more than")


@pytest.mark.parametrize("chunks", [None, (1 << 20,), (1 << 10,)], ids=str)
def test_an_array_larger_than_its_bytes_is_refused_without_being_read(path, chunks):
    """1.5 TB of numbers that are not there."""
    with h5py.File(path, "r+") as file:
        file.create_dataset("x", (1 << 37,), "f8", chunks=chunks, compression=chunks and "gzip", fillvalue=0.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, "shape")
    assert path.stat().st_size < 100_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_one_missing_chunk_is_noticed(path):
    with h5py.File(path, "r+") as file:
        x = file.create_dataset("x", (100, 100), "f8", chunks=(10, 100), compression="gzip")
        x[:90] = 1.0
    refused(path, "shape")


@pytest.mark.parametrize("name", ["format", "version", "digest"])
@pytest.mark.parametrize("kind", ["none", "numbers", "many", "texts", "empty", "negative", "text"])
def test_attributes_of_another_kind_are_refused(path, name, kind):
    values = {"none": None, "numbers": np.zeros(5), "many": np.zeros(60_000, "u1"), "texts": [b"a"] * 9}
    value = (values | {"empty": h5py.Empty("f8"), "negative": -1, "text": "x" * 99})[kind]
    with h5py.File(path, "r+") as file:
        file.attrs.pop(name)
        if value is not None:
            file.attrs.create(name, value)
    with pytest.raises(hp.CorruptFileError, match=r"u\.h5"):
        read_store(path, "solution")


# -- the text ---
def write_text(path, text, **options):
    with h5py.File(path, "w") as file:
        file.attrs["format"], file.attrs["version"] = "hermite_pinn solution", 2
        file.attrs["digest"] = digest(text, {})
        file.create_dataset("meta", data=np.frombuffer(text.encode(), np.uint8), **options)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"a": ' + "[" * 90 + "]" * 90 + "}",
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 1}}',
        "[]",
        "3",
        "",
        '{"a": ' + "9" * 5000 + "}",
        f'{{"{ORDER}": 1}}',
        f'{{"{ORDER}": ["a"]}}',
        f'{{"{ORDER}": [["a"]]}}',
        f'{{"{ORDER}": [1, "a"]}}',
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_texts_that_are_none_of_ours_are_refused(tmp_path, text):
    write_text(tmp_path / "u.h5", text)
    refused(tmp_path / "u.h5", "damaged")


def test_a_compressed_text_is_refused(tmp_path):
    write_text(tmp_path / "u.h5", "{}" + " " * 10_000, compression="gzip")
    refused(tmp_path / "u.h5", "not a text")


@pytest.mark.parametrize("kind", ["floats", "matrix", "number", "no text"])
def test_a_text_of_another_type_is_refused(path, kind):
    data = {"floats": np.zeros(3), "matrix": np.zeros((2, 2), "u1"), "number": np.uint8(3)}.get(
        kind, np.full(2, 255, "u1")
    )
    with h5py.File(path, "r+") as file:
        del file["meta"]
        file["meta"] = data
    refused(path, "damaged")


def test_a_list_of_arrays_must_be_that_of_the_file(path):
    with h5py.File(path, "r+") as file:
        file["x"] = np.zeros(2)
    refused(path, "x is in the list of its arrays or in the file, not in both")


def test_any_changed_byte_is_found_before_hdf5_sees_the_file(tmp_path, monkeypatch):
    path, random = tmp_path / "u.h5", np.random.default_rng(5)
    write_store(path, "solution", {"title": "heat"}, {"table": np.arange(9.0)})
    good = path.read_bytes()
    assert read_store(path, "solution")[0] == {"title": "heat"}
    path.write_bytes(good[SEAL_SIZE:])
    assert read_store(path, "solution")[0] == {"title": "heat"}, "files of earlier versions have no seal"
    monkeypatch.setattr(h5py, "File", None)
    for at in random.integers(len(good), size=50):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << random.integers(8)]) + good[at + 1 :])
        with pytest.raises(hp.CorruptFileError, match="damaged"):
            read_store(path, "solution")
    for size in (*random.integers(len(good), size=9), len(good) + 1):
        path.write_bytes((good + b"\0")[:size])
        with pytest.raises(hp.CorruptFileError, match="damaged"):
            read_store(path, "solution")


def test_a_file_that_the_system_does_not_read_is_refused():
    path = Path("/proc/self/mem")
    if not path.exists():
        pytest.skip("needs the files of processes that Linux has")
    refused(path, "cannot be read")
