"""VTK files for ParaView: images (.vti), meshes (.vtu), surfaces and curves (.vtp), collections in time (.pvd)."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from hermite_pinn.errors import OutputError
from hermite_pinn.output import check_writable, staged, write_text

from .facts import Fact
from .sampling import three

__all__ = ["write_cells", "write_image", "write_mesh", "write_polygons", "write_series"]

_TYPES = {"f8": "Float64", "f4": "Float32", "i8": "Int64", "i4": "Int32", "u1": "UInt8"}
_BLOCK = 1 << 20
_NOTHING: Mapping[str, Fact] = {}


def _encoded(array: np.ndarray) -> str:
    """An array in VTK's compressed inline form: base64 of a block header, then base64 of the zlib blocks."""
    data = np.ascontiguousarray(array).tobytes()
    blocks = [zlib.compress(data[i : i + _BLOCK], 6) for i in range(0, len(data), _BLOCK)]
    last = len(data) % _BLOCK
    header = struct.pack(f"<{3 + len(blocks)}Q", len(blocks), _BLOCK, last, *(len(b) for b in blocks))
    return base64.b64encode(header).decode() + base64.b64encode(b"".join(blocks)).decode()


def _data_array(name: str, values: np.ndarray) -> str:
    kind = _TYPES.get(values.dtype.str[1:])
    if kind is None:
        values, kind = values.astype(np.float64), "Float64"
    components = 1 if values.ndim == 1 else values.shape[1]
    little = values.astype(values.dtype.newbyteorder("<"))
    return f'<DataArray type="{kind}" Name={quoteattr(name)} NumberOfComponents="{components}" format="binary">{_encoded(little)}</DataArray>'


def write_image(
    path: str | Path,
    axes: Sequence[np.ndarray],
    data: Mapping[str, np.ndarray],
    facts: Mapping[str, Fact] = _NOTHING,
) -> Path:
    """Write point data on an equidistant grid of one to three axes as ``.vti``.

    Parameters
    ----------
    axes
        Equidistant positions along x, y and z.
    data
        By name: scalars of shape (n_1, ..., n_d), or vectors of shape (n_1, ..., n_d, 3).
    facts
        Texts and numbers about the whole, by name.
    """
    target = check_writable(path)
    dim = len(axes)
    if not 1 <= dim <= 3:
        raise OutputError(f"a .vti image has one to three axes, got {dim}; write a time series (.pvd) instead")
    counts = [len(a) for a in axes] + [1] * (3 - dim)
    extent = " ".join(f"0 {n - 1}" for n in counts)
    origin = " ".join(f"{a[0]:.17g}" for a in axes) + " 0" * (3 - dim)
    spacing = " ".join(f"{(a[-1] - a[0]) / max(1, len(a) - 1):.17g}" for a in axes) + " 1" * (3 - dim)
    arrays = []
    for name, values in data.items():
        vector = values.ndim == dim + 1
        moved = values.transpose(*reversed(range(dim)), *([dim] if vector else []))  # VTK counts the first axis fastest
        arrays.append(_data_array(name, moved.reshape(-1, values.shape[-1]) if vector else moved.reshape(-1)))
    text = (
        '<?xml version="1.0"?>\n'
        '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64" compressor="vtkZLibDataCompressor">\n'
        f'<ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n{_field_data(facts)}<Piece Extent="{extent}">\n'
        f"<PointData>\n{chr(10).join(arrays)}\n</PointData>\n</Piece>\n</ImageData>\n</VTKFile>\n"
    )
    return write_text(target, text)


def write_mesh(
    path: str | Path,
    points: np.ndarray,
    data: Mapping[str, np.ndarray],
    axes: Sequence[np.ndarray] | None = None,
    facts: Mapping[str, Fact] = _NOTHING,
) -> Path:
    """Write points (n, dim) as ``.vtu``: a structured mesh if ``axes`` are given, else a cloud of vertices.

    Parameters
    ----------
    data
        By name: (n,) scalars or (n, 3) vectors.
    axes
        Axes of the tensor grid whose row-major points are ``points``.
    facts
        Texts and numbers about the whole, by name; texts as the numbers of their bytes, because meshio reads no others.
    """
    target = check_writable(path)
    padded = three(points)
    if axes is None:
        cells = [("vertex", np.arange(len(points))[:, None])]
    else:
        index = np.arange(len(points)).reshape([len(a) for a in axes])
        if len(axes) == 1:
            cells = [("line", np.stack([index[:-1], index[1:]], 1))]
        elif len(axes) == 2:
            corners = [index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]]
            cells = [("quad", np.stack([c.ravel() for c in corners], 1))]
        else:
            low = [index[:-1, :-1, :-1], index[1:, :-1, :-1], index[1:, 1:, :-1], index[:-1, 1:, :-1]]
            high = [index[:-1, :-1, 1:], index[1:, :-1, 1:], index[1:, 1:, 1:], index[:-1, 1:, 1:]]
            cells = [("hexahedron", np.stack([c.ravel() for c in low + high], 1))]
    return _write_meshio(target, padded, cells, data, facts)


def write_cells(
    path: str | Path,
    points: np.ndarray,
    cells: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    facts: Mapping[str, Fact] = _NOTHING,
) -> Path:
    """Write a mesh as ``.vtu``.

    Parameters
    ----------
    points
        Vertices (n, dim).
    cells
        Numbers of their vertices (m, k), by their kind as meshio calls it.
    data
        By name, at the vertices: (n,) scalars or (n, 3) vectors.
    facts
        As for :func:`write_mesh`.
    """
    return _write_meshio(check_writable(path), three(points), list(cells.items()), data, facts)


def _write_meshio(
    target: Path,
    points: np.ndarray,
    cells: list[tuple[str, np.ndarray]],
    data: Mapping[str, np.ndarray],
    facts: Mapping[str, Fact],
) -> Path:
    import meshio

    mesh = meshio.Mesh(points, cells, point_data={k: np.ascontiguousarray(v) for k, v in data.items()})
    with staged(target) as stage:
        try:
            mesh.write(stage / target.name)
            if facts:  # which meshio reads, but does not write
                start, grid, rest = (stage / target.name).read_text().partition("<UnstructuredGrid>")
                (stage / target.name).write_text(f"{start}{grid}\n{_field_data(facts, coded=True)}{rest}")
        except (meshio.WriteError, KeyError) as error:
            raise OutputError(f"{target} cannot be written: {error}; use .vti, .vtu or .pvd") from error
    return target


def write_polygons(
    path: str | Path,
    points: np.ndarray,
    cells: Sequence[np.ndarray],
    kind: str,
    data: Mapping[str, np.ndarray],
    cell_data: Mapping[str, np.ndarray | Sequence[str]],
    facts: Mapping[str, Fact] = _NOTHING,
) -> Path:
    """Write polygons or lines as ``.vtp``.

    Parameters
    ----------
    points
        Vertices (n, dim).
    cells
        Numbers of the vertices, one array per polygon or line.
    kind
        ``"Polys"`` or ``"Lines"``.
    data
        By name, at the vertices: (n,) scalars or (n, 3) vectors; one called ``Normals`` shades surfaces.
    cell_data
        By name, for every cell: numbers or texts.
    facts
        Texts and numbers about the whole, by name.
    """
    target = check_writable(path)
    corners = np.concatenate([*cells, np.zeros(0, dtype=np.int64)]).astype(np.int64)
    ends = np.cumsum([len(c) for c in cells], dtype=np.int64)
    empty = np.zeros(0, dtype=np.int64)
    counts, groups = [], []
    for group in ("Verts", "Lines", "Strips", "Polys"):
        own = group == kind
        counts.append(f'NumberOf{group}="{len(cells) if own else 0}"')
        arrays = (("connectivity", corners if own else empty), ("offsets", ends if own else empty))
        groups.append(f"<{group}>\n{chr(10).join(_data_array(n, a) for n, a in arrays)}\n</{group}>")
    at_points = "\n".join(_data_array(name, values) for name, values in data.items())
    at_cells = "\n".join(
        _data_array(name, values) if isinstance(values, np.ndarray) else _text_array(name, values)
        for name, values in cell_data.items()
    )
    normals = ' Normals="Normals"' if "Normals" in data else ""
    return write_text(
        target,
        '<?xml version="1.0"?>\n'
        '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64" compressor="vtkZLibDataCompressor">\n'
        f'<PolyData>\n{_field_data(facts)}<Piece NumberOfPoints="{len(points)}" {" ".join(counts)}>\n'
        f"<PointData{normals}>\n{at_points}\n</PointData>\n<CellData>\n{at_cells}\n</CellData>\n"
        f"<Points>\n{_data_array('Points', three(points))}\n</Points>\n{chr(10).join(groups)}\n"
        "</Piece>\n</PolyData>\n</VTKFile>\n",
    )


def _text_array(name: str, values: Sequence[str]) -> str:
    """Texts as VTK has them: the bytes of each in decimal, ended by a zero."""
    coded = " ".join(" ".join(map(str, [*value.encode(), 0])) for value in values)
    return f'<DataArray type="String" Name={quoteattr(name)} NumberOfComponents="1" NumberOfTuples="{len(values)}" format="ascii">{coded}</DataArray>'


def _field_data(facts: Mapping[str, Fact], coded: bool = False) -> str:
    """Texts and numbers about a whole file; coded, texts are the numbers of their bytes in UTF-8."""
    rows = []
    for name, value in facts.items():
        if not isinstance(value, str):
            numbers, kind = f"{value:.17g}", "Float64"
        elif coded:
            numbers, kind = " ".join(map(str, value.encode())), "UInt8"
        else:
            rows.append(_text_array(name, [value]))
            continue
        count = len(numbers.split())
        rows.append(
            f'<DataArray type="{kind}" Name={quoteattr(name)} NumberOfTuples="{count}" format="ascii">{numbers}</DataArray>'
        )
    return f"<FieldData>\n{chr(10).join(rows)}\n</FieldData>\n" if rows else ""


def write_series(path: str | Path, times: Sequence[float], frames: Sequence[str]) -> Path:
    """Write a ``.pvd`` collection of files, one per time, named relative to its folder."""
    rows = "\n".join(
        f'<DataSet timestep="{t:.17g}" group="" part="0" file={quoteattr(frame)}/>'
        for t, frame in zip(times, frames, strict=True)
    )
    return write_text(
        path,
        f'<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1" byte_order="LittleEndian">\n<Collection>\n{rows}\n</Collection>\n</VTKFile>\n',
    )
