"""Meshes from files: all formats, with names of bodies and groups; damaged and strange files are refused."""

import os
import resource
import zipfile

import meshio
import numpy as np
import pytest
import trimesh

import hermite_pinn as hp
from hermite_pinn.errors import (
    BackendUnavailableError,
    CorruptFileError,
    HermitePinnError,
    InvalidArgumentError,
    OutOfMemoryError,
    OutputError,
)
from hermite_pinn.geometry.mesh import parts

GEAR = parts.gear(5)
CUBE = parts.cube().triangles
WRITTEN = (".stl", ".obj", ".ply", ".off", ".msh", ".vtu")


def plain(triangles):
    return trimesh.Trimesh(triangles.vertices, triangles.faces, process=False)


def write_file(path, content):
    if isinstance(content, str):
        path.write_text(content)
    else:
        path.write_bytes(content)
    return path


def alike(mesh, other, precision=1e-6):
    x = np.random.default_rng(0).uniform(-1.2, 1.2, (3, 300))
    assert np.abs(mesh.signed_distance(x) - other.signed_distance(x)).max() < precision
    assert mesh.triangles.count == other.triangles.count


# -- formats ---
@pytest.mark.parametrize("ending", WRITTEN)
def test_what_is_saved_is_read_again(ending, tmp_path):
    path = GEAR.save(tmp_path / f"gear{ending}")
    again = hp.Mesh(path)
    alike(GEAR, again, 1e-6 if ending in (".stl", ".ply") else 1e-13)
    assert again.notes == ()


def test_gmsh_files_keep_the_groups(tmp_path):
    again = hp.Mesh(GEAR.save(tmp_path / "gear.msh"))
    measures = {piece.label: piece.measure for piece in GEAR.pieces}
    assert {piece.label: piece.measure for piece in again.pieces} == pytest.approx(measures)


@pytest.mark.parametrize("ending", ["", ".png", ".blend", ".glb"])
def test_only_known_endings_are_written(ending, tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"files that end in \.stl, \.obj"):
        GEAR.save(tmp_path / f"gear{ending}")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_into_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OutputError):
        GEAR.save(tmp_path / "none" / "gear.stl")


def test_ascii_stl_and_capital_endings_are_read(tmp_path):
    text = plain(GEAR.triangles).export(file_type="stl_ascii")
    alike(GEAR, hp.Mesh(write_file(tmp_path / "PART.STL", text)))


def test_a_binary_stl_that_begins_with_solid_is_binary(tmp_path):
    content = bytearray(plain(GEAR.triangles).export(file_type="stl"))
    content[:5] = b"solid"
    alike(GEAR, hp.Mesh(write_file(tmp_path / "part.stl", bytes(content))))


def test_polygons_of_obj_and_off_are_divided(tmp_path):
    corners = "".join(f"v {x} {y} {z}\n" for x in (0, 1) for y in (0, 1) for z in (0, 1))
    sides = [(1, 2, 4, 3), (5, 7, 8, 6), (1, 5, 6, 2), (3, 4, 8, 7), (1, 3, 7, 5), (2, 6, 8, 4)]
    text = corners + "".join(f"f {a} {b} {c} {d}\n" for a, b, c, d in sides)
    assert hp.Mesh(write_file(tmp_path / "cube.obj", text)).measure == pytest.approx(1)
    rows = corners.replace("v ", "") + "".join(f"4 {a - 1} {b - 1} {c - 1} {d - 1}\n" for a, b, c, d in sides)
    assert hp.Mesh(write_file(tmp_path / "cube.off", f"OFF\n8 6 0\n{rows}")).measure == pytest.approx(1)


def test_the_groups_and_objects_of_an_obj_file_are_pieces(tmp_path):
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
    path = write_file(tmp_path / "a.obj", corners + "g base\nf 1 3 2\ng sides\nf 1 2 4\nf 1 4 3\nf 2 3 4\n")
    mesh = hp.Mesh(path)
    assert [piece.label for piece in mesh.pieces] == [":base", ":sides"]
    assert mesh.pieces[0].measure == pytest.approx(0.5)
    assert mesh.notes == ()


def test_materials_and_other_files_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "trap.mtl")  # whoever opens it waits for ever
    corners = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\n"
    text = f"mtllib trap.mtl\n{corners}usemtl red\nf 1 3 2\nf 1 2 4\nusemtl blue\nf 1 4 3\nf 2 3 4\n"
    assert hp.Mesh(write_file(tmp_path / "a.obj", text)).measure == pytest.approx(1 / 6)


def test_the_solids_of_an_ascii_stl_are_pieces(tmp_path):
    parts_of = [("left", (0, 0, 0)), ("right", (3, 0, 0))]
    texts = [
        plain(parts.cube(at).triangles).export(file_type="stl_ascii").replace("solid", f"solid {name}", 1)
        for name, at in parts_of
    ]
    mesh = hp.Mesh(write_file(tmp_path / "two.stl", "\n".join(texts)))
    assert {piece.label: round(piece.measure, 9) for piece in mesh.pieces} == {":left": 6.0, ":right": 6.0}
    assert mesh.measure == pytest.approx(2)


def test_bodies_of_3mf_files_are_placed_named_and_their_unit_told(tmp_path):
    pytest.importorskip("lxml")
    pytest.importorskip("networkx")
    scene = trimesh.Scene()
    scene.add_geometry(plain(CUBE), node_name="left", geom_name="left")
    matrix = trimesh.transformations.translation_matrix((3, 0, 0))
    scene.add_geometry(plain(CUBE), node_name="right", geom_name="right", transform=matrix)
    path = write_file(tmp_path / "two.3mf", scene.export(file_type="3mf"))
    mesh = hp.Mesh(path)
    assert [piece.label for piece in mesh.pieces] == [":left", ":right"]
    assert np.allclose(mesh.bounds, [(0, 0, 0), (4, 1, 1)])
    assert "are in millimeter, and were taken as they are; units='millimeter' makes them metres" in mesh.notes[0]
    scaled = hp.Mesh(path, units="millimeter")
    assert scaled.measure == pytest.approx(2e-9)
    assert hp.Mesh(scene).measure == pytest.approx(2)


def test_a_trimesh_is_taken_as_it_is():
    mesh = hp.Mesh(plain(GEAR.triangles), name="wheel")
    alike(GEAR, mesh, 1e-14)
    assert mesh.name == "wheel"


# -- volume meshes ---
def tetrahedra():
    ticks = np.linspace(0, 1, 4)
    x = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), 3).reshape(-1, 3)
    number = np.arange(64).reshape(4, 4, 4)
    c = [number[i : i + 3, j : j + 3, k : k + 3].reshape(-1) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    paths = [(4, 6), (4, 5), (2, 6), (2, 3), (1, 5), (1, 3)]
    return x, np.concatenate([np.stack([c[0], c[a], c[b], c[7]], 1) for a, b in paths]), np.stack(c, 1)


def hexahedra():
    x, _, c = tetrahedra()
    return x, c[:, [0, 4, 6, 2, 1, 5, 7, 3]]


@pytest.mark.parametrize("ending", [".vtu", ".vtk", ".msh"])
@pytest.mark.parametrize("kind", ["tetra", "hexahedron", "wedge"])
def test_volume_meshes_give_their_outer_surface(ending, kind, tmp_path):
    if kind == "tetra":
        x, cells, _ = tetrahedra()
    else:
        x, cells = hexahedra()
    if kind == "wedge":
        cells = np.concatenate([cells[:, [0, 1, 2, 4, 5, 6]], cells[:, [0, 2, 3, 4, 6, 7]]])
    writer = {".vtu": meshio.vtu.write, ".vtk": meshio.vtk.write, ".msh": meshio.gmsh.write}[ending]
    writer(tmp_path / f"a{ending}", meshio.Mesh(x, [(kind, cells)]))
    mesh = hp.Mesh(tmp_path / f"a{ending}")
    assert mesh.measure == pytest.approx(1)
    assert mesh.triangles.count == 108
    assert mesh.triangles.areas.sum() == pytest.approx(6)
    assert mesh.notes == ()


def msh41(x, blocks, names):
    """A file of version 4.1, one entity per block of ``(dim, group, type, cells)``."""
    lines = ["$MeshFormat", "4.1 0 8", "$EndMeshFormat", "$PhysicalNames", str(len(names))]
    lines += [f'{dim} {tag} "{name}"' for name, (tag, dim) in names.items()]
    flat = [k for k, block in enumerate(blocks) if block[0] == 2]
    solid = [k for k, block in enumerate(blocks) if block[0] == 3]
    lines += ["$EndPhysicalNames", "$Entities", f"0 0 {len(flat)} {len(solid)}"]
    lines += [f"{k + 1} 0 0 0 1 1 1 1 {blocks[k][1]} 0" for k in flat + solid]
    lines += ["$EndEntities", "$Nodes", f"1 {len(x)} 1 {len(x)}", f"2 1 0 {len(x)}", *map(str, range(1, len(x) + 1))]
    lines += [" ".join(map(repr, map(float, point))) for point in x]
    count = sum(len(block[3]) for block in blocks)
    lines += ["$EndNodes", "$Elements", f"{len(blocks)} {count} 1 {count}"]
    number = 0
    for k, (dim, _, kind, cells) in enumerate(blocks):
        lines.append(f"{dim} {k + 1} {kind} {len(cells)}")
        for cell in cells:
            number += 1
            lines.append(" ".join(map(str, [number, *(cell + 1)])))
    return "\n".join([*lines, "$EndElements", ""])


@pytest.mark.parametrize("version", ["2.2", "2.2 binary", "4.1"])
@pytest.mark.parametrize("solid", ["tetra", "hexahedron", None])
def test_physical_groups_of_gmsh_are_pieces(version, solid, tmp_path):
    x, tets, _ = tetrahedra()
    box = hp.Mesh(written(tmp_path / "a.vtu", x, [("tetra", tets)])).triangles
    inlet = np.abs(box.centroids[:, 0]) < 1e-12
    number = np.array([int(np.flatnonzero(np.abs(x - v).max(1) < 1e-12)[0]) for v in box.vertices])
    faces = number[box.faces]
    blocks = [(2, 7, 2, faces[inlet]), (2, 8, 2, faces[~inlet])]
    if solid == "tetra":
        blocks.append((3, 1, 4, tets))
    elif solid:
        cells = hexahedra()[1]
        sides = cells[:, [0, 3, 7, 4]]
        quads = sides[np.abs(x[sides][:, :, 0]).max(1) < 1e-12]
        blocks = [(2, 7, 3, np.roll(quads, 1, axis=1)), (3, 1, 5, cells)]
    named = {"inlet": (7, 2), "wall": (8, 2), "steel": (1, 3)}
    if version == "4.1":
        write_file(tmp_path / "b.msh", msh41(x, blocks, named))
    else:
        kinds = {2: "triangle", 3: "quad", 4: "tetra", 5: "hexahedron"}
        tags = [np.full(len(cells), group) for _, group, _, cells in blocks]
        data = {"gmsh:physical": tags, "gmsh:geometrical": tags}
        fields = {name: np.array(entry) for name, entry in named.items()}
        mesh = meshio.Mesh(x, [(kinds[kind], c) for _, _, kind, c in blocks], cell_data=data, field_data=fields)
        meshio.gmsh.write(tmp_path / "b.msh", mesh, "2.2", version.endswith("binary"))
    read = hp.Mesh(tmp_path / "b.msh")
    assert read.measure == pytest.approx(1)
    assert read.notes == ()
    found = {piece.label: round(piece.measure, 9) for piece in read.pieces}
    assert found == {":inlet": 1.0, ":rest" if solid == "hexahedron" else ":wall": 5.0}


def test_groups_on_some_parts_only_are_refused_with_what_works(tmp_path):
    gmsh = pytest.importorskip("gmsh")
    gmsh.initialize(interruptible=False)  # it would leave Ctrl-C to the system
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.model.occ.addBox(0, 0, 0, 1, 1, 1)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(2, [1, 2], name="inlet")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.5)
        gmsh.option.setNumber("Mesh.SaveAll", 1)
        gmsh.model.mesh.generate(3)
        gmsh.write(str(tmp_path / "a.msh"))
        gmsh.option.setNumber("Mesh.SaveAll", 0)
        gmsh.model.addPhysicalGroup(2, [3, 4, 5, 6])
        gmsh.write(str(tmp_path / "b.msh"))
    finally:
        gmsh.finalize()
    with pytest.raises(CorruptFileError, match=r"physical groups on some of its parts only.*Mesh.SaveAll = 0"):
        hp.Mesh(tmp_path / "a.msh")
    assert {piece.label: piece.measure for piece in hp.Mesh(tmp_path / "b.msh").pieces} == pytest.approx(
        {":inlet": 2, ":rest": 4}
    )


def written(path, x, blocks):
    meshio.vtu.write(path, meshio.Mesh(x, blocks))
    return path


def test_second_order_surfaces_keep_their_middle_nodes(tmp_path):
    ball = parts.sphere(subdivisions=1).triangles
    edges = np.sort(np.stack([ball.faces, np.roll(ball.faces, -1, axis=1)], 2).reshape(-1, 2), axis=1)
    present, number = np.unique(edges, axis=0, return_inverse=True)
    middle = ball.vertices[present].mean(1)
    x = np.concatenate([ball.vertices, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
    cells = np.concatenate([ball.faces, len(ball.vertices) + number.reshape(-1, 3)], 1)
    mesh = hp.Mesh(written(tmp_path / "ball.vtu", x, [("triangle6", cells)]))
    assert mesh.measure == pytest.approx(parts.sphere(subdivisions=2).measure)


def test_cells_without_a_surface_are_refused(tmp_path):
    path = written(tmp_path / "a.vtu", np.random.default_rng(0).random((6, 3)), [("line", np.array([(0, 1), (2, 3)]))])
    with pytest.raises(HermitePinnError, match="6 points and no triangles"):
        hp.Mesh(path)


# -- what is no mesh ---
@pytest.mark.parametrize(
    "name", ["part.step", "part.iges", "part.blend", "part", "part.glb", "part.pkl", "part.stl.gz"]
)
def test_unknown_formats_are_refused_with_those_that_are_known(name, tmp_path):
    write_file(tmp_path / name, b"anything")
    with pytest.raises(InvalidArgumentError, match=r"\.stl, \.obj, \.ply, \.off, \.3mf, \.msh, \.vtu, \.vtk: convert"):
        hp.Mesh(tmp_path / name)


def test_missing_files_folders_pipes_and_empty_files_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="cannot be read: No such file"):
        hp.Mesh(tmp_path / "none.stl")
    (tmp_path / "folder.stl").mkdir()
    with pytest.raises(InvalidArgumentError, match="no regular file"):
        hp.Mesh(tmp_path / "folder.stl")
    os.mkfifo(tmp_path / "pipe.stl")
    with pytest.raises(InvalidArgumentError, match="no regular file"):
        hp.Mesh(tmp_path / "pipe.stl")
    with pytest.raises(CorruptFileError, match="empty file"):
        hp.Mesh(write_file(tmp_path / "empty.stl", b""))
    (tmp_path / "zero.stl").symlink_to("/dev/zero")
    with pytest.raises(InvalidArgumentError, match="no regular file"):
        hp.Mesh(tmp_path / "zero.stl")


@pytest.mark.parametrize("ending", [*WRITTEN, ".3mf", ".vtk"])
@pytest.mark.parametrize("content", [b"not a mesh at all\n" * 20, bytes(range(256)) * 8, b"\0" * 500, b"OFF", b"ply\n"])
def test_files_of_something_else_are_refused(ending, content, tmp_path):
    with pytest.raises(HermitePinnError, match=f"part{ending}"):
        hp.Mesh(write_file(tmp_path / f"part{ending}", content))


@pytest.mark.parametrize("ending", [*WRITTEN, ".vtk", "ascii.stl", "ascii.ply"])
def test_files_that_end_too_early_are_refused(ending, tmp_path):
    path = tmp_path / f"ball{ending}"
    ball = parts.sphere(subdivisions=1)
    if ending == ".vtk":
        meshio.vtk.write(path, meshio.Mesh(ball.triangles.vertices, [("triangle", ball.triangles.faces)]))
    elif ending == "ascii.stl":
        write_file(path, plain(ball.triangles).export(file_type="stl_ascii"))
    elif ending == "ascii.ply":
        write_file(path, plain(ball.triangles).export(file_type="ply", encoding="ascii"))
    else:
        ball.save(path)
    whole = path.read_bytes()
    for share in np.linspace(0.02, 0.98, 25):
        write_file(path, whole[: int(share * len(whole))])
        with pytest.raises(HermitePinnError, match="ball"):
            hp.Mesh(path)


def test_counts_that_promise_more_than_the_file_has_take_no_memory(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stl = bytearray(plain(CUBE).export(file_type="stl"))
    stl[80:84] = (4_000_000_000).to_bytes(4, "little")
    header = b"ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nproperty float x\nproperty float y\n"
    ply = (
        header + b"property float z\nelement face 1\nproperty list uchar int vertex_indices\nend_header\n" + bytes(200)
    )
    for name, content in (("a.stl", bytes(stl)), ("a.ply", ply), ("a.off", "OFF\n4000000000 4000000000 0\n0 0 0\n")):
        with pytest.raises(HermitePinnError, match=name):
            hp.Mesh(write_file(tmp_path / name, content))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


@pytest.mark.parametrize("ending", [".ply", ".vtk", ".off", ".obj", ".vtu"])
def test_triangles_of_vertices_that_are_not_there_are_refused(ending, tmp_path):
    path = tmp_path / f"part{ending}"
    if ending in (".vtk", ".vtu"):
        writer = meshio.vtk.write if ending == ".vtk" else meshio.vtu.write
        writer(path, meshio.Mesh(CUBE.vertices, [("triangle", CUBE.faces + 90)]))
    elif ending == ".obj":
        write_file(path, "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 99\n")
    else:
        content = plain(CUBE).export(file_type=ending[1:], **({"encoding": "ascii"} if ending == ".ply" else {}))
        text = content.decode() if isinstance(content, bytes) else content
        write_file(path, text.rstrip()[:-1] + "99\n")
    with pytest.raises(CorruptFileError, match=f"part{ending}"):
        hp.Mesh(path)


def test_a_vtk_file_that_announces_too_many_points_is_refused(tmp_path):
    path = tmp_path / "part.vtk"
    meshio.vtk.write(path, meshio.Mesh(CUBE.vertices, [("triangle", CUBE.faces)]))
    write_file(path, path.read_bytes().replace(b"POINTS 8 ", b"POINTS 999999999999 "))
    with pytest.raises(CorruptFileError, match=r"part\.vtk"):
        hp.Mesh(path)


def test_a_3mf_file_with_a_damaged_directory_is_refused(tmp_path):
    path = tmp_path / "part.3mf"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("3D/3dmodel.model", "<model/>")
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02")] = 0
    with pytest.raises(CorruptFileError, match=r"part\.3mf"):
        hp.Mesh(write_file(path, bytes(content)))


def test_ten_million_triangles_are_refused_before_they_are_read_where_they_do_not_fit(tmp_path, monkeypatch):
    monkeypatch.setattr("hermite_pinn.memory.available_memory", lambda device: 4 * 2**30)
    path = tmp_path / "large.stl"
    with path.open("wb") as file:
        file.write(bytes(80) + (10**7).to_bytes(4, "little"))
        file.truncate(84 + 50 * 10**7)  # takes no room on the disk
    with pytest.raises(OutOfMemoryError, match=r"the mesh in .*large\.stl.*simplify"):
        hp.Mesh(path)


def test_packed_files_are_measured_unpacked(tmp_path, monkeypatch):
    pytest.importorskip("lxml")
    monkeypatch.setattr("hermite_pinn.memory.available_memory", lambda device: 2**30)
    path = tmp_path / "bomb.3mf"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("3D/3dmodel.model", bytes(10**8))
    assert path.stat().st_size < 200_000
    with pytest.raises(OutOfMemoryError):
        hp.Mesh(path)


@pytest.mark.parametrize("name", ["part.stl", "part.3mf"])
def test_without_trimesh_the_message_says_what_to_install(name, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "trimesh", None)
    write_file(tmp_path / name, b"anything")
    with pytest.raises(BackendUnavailableError, match=r"pip install \"hermite_pinn\[mesh\]\""):
        hp.Mesh(tmp_path / name)
    with pytest.raises(BackendUnavailableError, match=r"pip install \"hermite_pinn\[mesh\]\""):
        GEAR.save(tmp_path / "gear.stl")
    assert hp.Mesh((CUBE.vertices, CUBE.faces)).measure == pytest.approx(1)
    assert hp.Mesh(GEAR.save(tmp_path / "gear.vtu")).measure == pytest.approx(GEAR.measure)


def test_open_files_say_that_they_may_be_cut_off(tmp_path):
    cube = plain(CUBE)
    cube.faces = cube.faces[:-2]
    with pytest.raises(
        HermitePinnError, match=r"cube\.obj is not closed: 4 edges.*if the file is whole.*repair='holes'"
    ):
        hp.Mesh(write_file(tmp_path / "cube.obj", cube.export(file_type="obj")))
    assert hp.Mesh(tmp_path / "cube.obj", repair="holes").measure == pytest.approx(1)
