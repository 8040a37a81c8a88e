"""Files that are no good HDF5 files: links, bombs, strange types, and paths that are no files at all."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from .alterations import Content, digest
from .case import Bench, Skipped

__all__ = ["PATHS", "STRUCTURES"]

Change = Callable[[Path, Path, Bench], None]


def _edited(edit: Callable[[h5py.File, Content, Bench], None]) -> Change:
    """A copy of a good file in which HDF5 objects are replaced; the checksum is that of the content meant."""

    def change(good: Path, path: Path, bench: Bench) -> None:
        content = Content(good)
        content.write(path)
        with h5py.File(path, "a") as file:
            edit(file, content, bench)

    return change


def _array(content: Content, bench: Bench) -> str:
    return bench.random.choice(list(content.arrays))


def _bomb(shape: tuple[int, ...], dtype: str = "f8") -> Change:
    """Declares many bytes and stores none: chunks that were never written are zeros."""

    def edit(file: h5py.File, content: Content, bench: Bench) -> None:
        name = _array(content, bench)
        del file[name]
        chunks = tuple(min(n, 64) for n in shape)
        file.create_dataset(name, shape=shape, dtype=dtype, chunks=chunks, compression="gzip", fillvalue=0)

    return _edited(edit)


def _meta_bomb(file: h5py.File, content: Content, bench: Bench) -> None:
    del file["meta"]
    file.create_dataset("meta", shape=(2**33,), dtype="u1", chunks=(2**16,), compression="gzip", fillvalue=32)


def _stored_bomb(file: h5py.File, content: Content, bench: Bench) -> None:
    """Zeros that shrink a thousandfold."""
    name = _array(content, bench)
    del file[name]
    file.create_dataset(name, data=np.zeros(3 * 2**24), chunks=(2**20,), compression="gzip")


def _external_link(file: h5py.File, content: Content, bench: Bench) -> None:
    other, name = bench.place / "other.h5", _array(content, bench)
    with h5py.File(other, "w") as target:
        target["array"] = content.arrays[name]
    del file[name]
    file[name] = h5py.ExternalLink(str(other), "/array")


def _external_file(file: h5py.File, content: Content, bench: Bench) -> None:
    """An array whose bytes are those of another file."""
    name = _array(content, bench)
    a = content.arrays[name]
    del file[name]
    space = h5py.h5s.create_simple(a.shape or (1,))
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_external(b"/etc/passwd", 0, max(a.nbytes, 8))
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(a.dtype), space, plan, _groups())


def _groups() -> Any:
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    return links


def _virtual(file: h5py.File, content: Content, bench: Bench) -> None:
    name = _array(content, bench)
    a = content.arrays[name]
    other = bench.place / "other.h5"
    with h5py.File(other, "w") as target:
        target["array"] = a
    shape = a.shape or (1,)
    layout = h5py.VirtualLayout(shape=shape, dtype=a.dtype)
    layout[...] = h5py.VirtualSource(str(other), "array", shape=shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def _soft(target: str) -> Change:
    def edit(file: h5py.File, content: Content, bench: Bench) -> None:
        name = _array(content, bench)
        del file[name]
        file[name] = h5py.SoftLink(target)

    return _edited(edit)


def _soft_moved(file: h5py.File, content: Content, bench: Bench) -> None:
    name = _array(content, bench)
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink("/elsewhere")


def _replaced(data: Callable[[np.ndarray], Any], **options: Any) -> Change:
    def edit(file: h5py.File, content: Content, bench: Bench) -> None:
        name = _array(content, bench)
        del file[name]
        file.create_dataset(name, data=data(content.arrays[name]), **options)

    return _edited(edit)


def _meta(data: Any, **options: Any) -> Change:
    def edit(file: h5py.File, content: Content, bench: Bench) -> None:
        del file["meta"]
        file.create_dataset("meta", data=data, **options)

    return _edited(edit)


def _attribute(name: str, value: Any) -> Change:
    def edit(file: h5py.File, content: Content, bench: Bench) -> None:
        if value is None:
            del file.attrs[name]
        else:
            file.attrs[name] = value

    return _edited(edit)


def _text(words: str | bytes) -> Change:
    """Metadata that are another text, with its right checksum."""

    def change(good: Path, path: Path, bench: Bench) -> None:
        content = Content(good)
        text = words if isinstance(words, str) else words.decode("latin1")
        content.write(path, text)
        if isinstance(words, bytes):
            with h5py.File(path, "a") as file:
                del file["meta"]
                file.create_dataset("meta", data=np.frombuffer(words, dtype=np.uint8))
                file.attrs["digest"] = digest(text, content.arrays)

    return change


def _many_groups(file: h5py.File, content: Content, bench: Bench) -> None:
    for number in range(3000):
        file.create_group(f"group{number}")


def _many_arrays(file: h5py.File, content: Content, bench: Bench) -> None:
    for number in range(3000):
        file[f"field/more{number}"] = number


def _deep(file: h5py.File, content: Content, bench: Bench) -> None:
    file.create_group("/".join(["a"] * 2000))


def _cycle(file: h5py.File, content: Content, bench: Bench) -> None:
    group = file.create_group("round")
    group["again"] = group
    group["top"] = file["/"]


def _array_is_group(file: h5py.File, content: Content, bench: Bench) -> None:
    name = _array(content, bench)
    del file[name]
    file.create_group(name)


def _long_text(file: h5py.File, content: Content, bench: Bench) -> None:
    file.attrs["note"] = "x" * 60_000


#: Changes of the structure of a good file by name.
STRUCTURES: dict[str, Change] = {
    "unaltered": _edited(lambda file, content, bench: None),
    "bomb 1d": _bomb((2**31,)),
    "bomb 2d": _bomb((2**16, 2**16)),
    "bomb float32": _bomb((3 * 2**30,), "f4"),
    "bomb beyond addresses": _bomb((2**40, 2**20)),
    "bomb of text": _edited(_meta_bomb),
    "bomb stored": _edited(_stored_bomb),
    "external link": _edited(_external_link),
    "external storage": _edited(_external_file),
    "virtual": _edited(_virtual),
    "soft link": _edited(_soft_moved),
    "soft link to nothing": _soft("/nowhere"),
    "soft link to itself": _soft("/field"),
    "objects": _replaced(lambda a: ["a", "b"], dtype=h5py.string_dtype()),
    "vectors of any length": _replaced(
        lambda a: np.array([np.zeros(2), np.zeros(3)], dtype=object), dtype=h5py.vlen_dtype(np.float64)
    ),
    "references": _replaced(lambda a: None, shape=(3,), dtype=h5py.ref_dtype),
    "opaque": _replaced(lambda a: np.void(b"\x00\x01\x02")),
    "enumeration": _replaced(lambda a: np.zeros(3, "i4"), dtype=h5py.enum_dtype({"A": 0, "B": 1}, basetype="i4")),
    "null space": _replaced(lambda a: h5py.Empty("f8")),
    "array type": _replaced(lambda a: None, shape=(2,), dtype=np.dtype((np.float64, (3, 4)))),
    "float128": _replaced(lambda a: np.zeros(np.shape(a), np.longdouble)),
    "text as words": _meta("{}", dtype=h5py.string_dtype()),
    "text as floats": _meta(np.full(10, 1e300)),
    "text as matrix": _meta(np.full((3, 3), 32, np.uint8)),
    "text empty": _meta(np.zeros(0, np.uint8)),
    "text is none": _meta(h5py.Empty("u1")),
    "text is no JSON": _text("{"),
    "text is a list": _text("[1, 2, 3]"),
    "text is a number": _text("3"),
    "text is null": _text("null"),
    "text deeply nested": _text("[" * 100_000 + "]" * 100_000),
    "text long number": _text('{"a": ' + "9" * 10_000 + "}"),
    "text no unicode": _text(b'{"a": "\xff\xfe"}'),
    "text surrogate": _text('{"title": "\\ud800"}'),
    "version newer": _attribute("version", 999),
    "version zero": _attribute("version", 0),
    "version negative": _attribute("version", -3),
    "version as text": _attribute("version", "two"),
    "version as list": _attribute("version", [1, 2]),
    "version nan": _attribute("version", float("nan")),
    "version missing": _attribute("version", None),
    "format missing": _attribute("format", None),
    "format as bytes": _attribute("format", np.bytes_(b"hermite_pinn solution")),
    "format as list": _attribute("format", ["hermite_pinn solution"]),
    "format of another": _attribute("format", "hermite_pinn mesh"),
    "digest missing": _attribute("digest", None),
    "digest as list": _attribute("digest", [1, 2, 3]),
    "digest empty": _attribute("digest", ""),
    "digest none": _attribute("digest", h5py.Empty("f8")),
    "many groups": _edited(_many_groups),
    "many arrays": _edited(_many_arrays),
    "deep groups": _edited(_deep),
    "groups in a circle": _edited(_cycle),
    "array is a group": _edited(_array_is_group),
    "long attribute": _edited(_long_text),
}


def _fifo(good: Path, bench: Bench) -> Path:
    path = bench.place / "fifo.h5"
    os.mkfifo(path)
    return path


def _socket(good: Path, bench: Bench) -> Path:
    path = Path(os.path.relpath(bench.place / "s"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    return path


def _folder(good: Path, bench: Bench) -> Path:
    path = bench.place / "folder.h5"
    path.mkdir()
    return path


def _written(data: bytes) -> Callable[[Path, Bench], Path]:
    def make(good: Path, bench: Bench) -> Path:
        path = bench.place / "u.h5"
        path.write_bytes(data)
        return path

    return make


def _link(target: str) -> Callable[[Path, Bench], Path]:
    def make(good: Path, bench: Bench) -> Path:
        path = bench.place / "link.h5"
        path.symlink_to(target.format(good=good))
        return path

    return make


def _forbidden(good: Path, bench: Bench) -> Path:
    if os.geteuid() == 0:
        raise Skipped("root may read every file")
    path = bench.place / "u.h5"
    path.write_bytes(good.read_bytes())
    path.chmod(0)
    return path


def _sparse(good: Path, bench: Bench) -> Path:
    path = bench.place / "u.h5"
    path.write_bytes(good.read_bytes())
    os.truncate(path, 2**36)
    return path


def _foreign(good: Path, bench: Bench) -> Path:
    path = bench.place / "u.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.arange(3)
    return path


#: Paths that hold no good file, or one behind a link, by name.
PATHS: dict[str, Callable[[Path, Bench], Any]] = {
    "fifo": _fifo,
    "socket": _socket,
    "folder": _folder,
    "empty": _written(b""),
    "one byte": _written(b"\x89"),
    "signature only": _written(b"\x89HDF\r\n\x1a\n"),
    "text": _written(b"not HDF5\n" * 100),
    "pickle": _written(b"\x80\x04\x95cos\nsystem\n(S'true'\ntR."),
    "zip": _written(b"PK\x03\x04" + bytes(100)),
    "forbidden": _forbidden,
    "sparse": _sparse,
    "foreign": _foreign,
    "link": _link("{good}"),
    "link to itself": _link("link.h5"),
    "link to nothing": _link("nothing.h5"),
    "link to a folder": _link("/tmp"),
    "link to zeros": _link("/dev/zero"),
    "zeros": lambda good, bench: "/dev/zero",
    "null": lambda good, bench: "/dev/null",
    "random": lambda good, bench: "/dev/urandom",
    "full": lambda good, bench: "/dev/full",
    "memory": lambda good, bench: "/proc/self/mem",
    "nothing": lambda good, bench: bench.place / "nothing.h5",
    "no name": lambda good, bench: "",
    "point": lambda good, bench: ".",
    "zero byte": lambda good, bench: "a\0b",
    "long name": lambda good, bench: "x" * 5000,
    "below a file": lambda good, bench: good / "u.h5",
    "bytes": lambda good, bench: os.fsencode(good),
    "none": lambda good, bench: None,
    "number": lambda good, bench: 0,
    "list": lambda good, bench: [good],
    "web": lambda good, bench: "https://example.org/u.h5",
}
