"""VTK files for ParaView: images (.vti) for boxes, meshes (.vtu) for anything, collections (.pvd) for time series."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import meshio
import numpy as np

from hermite_pinn.errors import OutputError
from hermite_pinn.output import check_writable, staged, write_text

__all__ = ["write_image", "write_mesh", "write_series"]

_TYPES = {"f8": "Float64", "f4": "Float32", "i8": "Int64", "i4": "Int32"}
_BLOCK = 1 << 20


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


def write_image(path: str | Path, axes: Sequence[np.ndarray], data: Mapping[str, np.ndarray]) -> Path:
    """Write point data on an equidistant grid of one to three axes as ``.vti``.

    Parameters
    ----------
    axes
        Equidistant positions along x, y and z.
    data
        By name: scalars of shape (n_1, ..., n_d), or vectors of shape (n_1, ..., n_d, 3).
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
        f'<ImageData WholeExtent="{extent}" Origin="{origin}" Spacing="{spacing}">\n<Piece Extent="{extent}">\n'
        f"<PointData>\n{chr(10).join(arrays)}\n</PointData>\n</Piece>\n</ImageData>\n</VTKFile>\n"
    )
    return write_text(target, text)


def write_mesh(
    path: str | Path, points: np.ndarray, data: Mapping[str, np.ndarray], axes: Sequence[np.ndarray] | None = None
) -> Path:
    """Write points (n, dim) as ``.vtu``: a structured mesh if ``axes`` are given, else a cloud of vertices.

    Parameters
    ----------
    data
        By name: (n,) scalars or (n, 3) vectors.
    axes
        Axes of the tensor grid whose row-major points are ``points``.
    """
    target = check_writable(path)
    padded = np.zeros((len(points), 3))
    padded[:, : points.shape[1]] = points
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
    mesh = meshio.Mesh(padded, cells, point_data={k: np.ascontiguousarray(v) for k, v in data.items()})
    with staged(target) as stage:
        try:
            mesh.write(stage / target.name)
        except (meshio.WriteError, KeyError) as error:
            raise OutputError(f"{target} cannot be written: {error}; use .vti, .vtu or .pvd") from error
    return target


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
