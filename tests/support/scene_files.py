"""Small scenes in the files of every format, written independently of what reads them."""

import json
import struct

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

MODELS = {
    "SIMPLE_PINHOLE": 0,
    "PINHOLE": 1,
    "SIMPLE_RADIAL": 2,
    "RADIAL": 3,
    "OPENCV": 4,
    "OPENCV_FISHEYE": 5,
    "SIMPLE_RADIAL_FISHEYE": 8,
    "RADIAL_FISHEYE": 9,
}


def poses(count=6, radius=3.0, seed=0):
    """Camera-to-world matrices (count, 4, 4) with the axes of OpenGL, that look at the origin."""
    generator = np.random.default_rng(seed)
    made = []
    for eye in generator.normal(size=(count, 3)):
        back = eye / np.linalg.norm(eye)
        right = np.cross([0.3, 0.1, 1.0], back)
        right /= np.linalg.norm(right)
        matrix = np.eye(4)
        matrix[:3] = np.stack([right, np.cross(back, right), back, radius * back], 1)
        made.append(matrix)
    return np.array(made)


def write_picture(path, width=12, height=8, color=(200, 100, 50), alpha=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    mode, full = ("RGB", color) if alpha is None else ("RGBA", (*color, alpha))
    Image.new(mode, (width, height), full).save(path)


def write_transforms(folder, name="transforms.json", count=6, pictures="images", shared=None, frame=None, picture=True):
    """A file of cameras with its pictures; ``shared`` and ``frame(k)`` are more entries, of all and of each."""
    frames = []
    for k, matrix in enumerate(poses(count)):
        file = f"{pictures}/{k:03d}.png"
        if picture:
            write_picture(folder / file)
        frames.append({"file_path": file, "transform_matrix": matrix.tolist()} | (frame(k) if frame else {}))
    content = ({"fl_x": 15.0, "fl_y": 14.0} if shared is None else shared) | {"frames": frames}
    (folder / name).write_text(json.dumps(content))
    return content


def write_colmap(folder, kind, model="PINHOLE", parameters=(15.0, 14.0, 6.0, 4.0), points=20, count=6, sub="sparse/0"):
    """A model of COLMAP, ``text`` or ``binary``; returns its poses (OpenGL) and points."""
    place = folder / sub
    place.mkdir(parents=True, exist_ok=True)
    cloud = np.random.default_rng(1).uniform(-0.5, 0.5, (points, 3))
    cameras = poses(count)
    images = []
    for k, matrix in enumerate(cameras):
        write_picture(folder / "images" / f"{k:03d}.png")
        inward = np.linalg.inv(matrix @ np.diag([1.0, -1.0, -1.0, 1.0]))
        x, y, z, w = Rotation.from_matrix(inward[:3, :3]).as_quat()
        images.append((k + 1, (w, x, y, z, *inward[:3, 3]), 7, f"{k:03d}.png"))
    write = {"text": _text, "binary": _binary}[kind]
    write(place, (7, model, 12, 8, parameters), images[::-1], cloud)
    return cameras, cloud


def _text(place, camera, images, cloud):
    number, model, width, height, parameters = camera
    (place / "cameras.txt").write_text(
        f"# cameras\n{number} {model} {width} {height} {' '.join(map(repr, parameters))}\n"
    )
    lines = ["# images", "#   two lines each"]
    for k, (one, pose, of, name) in enumerate(images):
        seen = "" if k % 2 else "1.0 2.0 -1 3.0 4.0 5"  # without image points a line is empty
        lines += [f"{one} {' '.join(repr(float(v)) for v in pose)} {of} {name}", seen]
    (place / "images.txt").write_text("\n".join(lines) + "\n")
    rows = [f"{k} {p[0]!r} {p[1]!r} {p[2]!r} {k % 256} 10 255 0.5 1 2 3 4".replace("np.float64(", "").replace(")", "") for k, p in enumerate(cloud)]  # fmt: skip
    (place / "points3D.txt").write_text("# points\n" + "\n".join(rows) + "\n")


def _binary(place, camera, images, cloud):
    number, model, width, height, parameters = camera
    head = struct.pack("<QiiQQ", 1, number, MODELS.get(model, model), width, height)
    (place / "cameras.bin").write_bytes(head + struct.pack(f"<{len(parameters)}d", *parameters))
    with (place / "images.bin").open("wb") as file:
        file.write(struct.pack("<Q", len(images)))
        for k, (one, pose, of, name) in enumerate(images):
            file.write(struct.pack("<i7di", one, *pose, of) + name.encode() + b"\0")
            file.write(struct.pack("<Q", k) + struct.pack("<ddq", 1.0, 2.0, -1) * k)
    with (place / "points3D.bin").open("wb") as file:
        file.write(struct.pack("<Q", len(cloud)))
        for k, point in enumerate(cloud):
            file.write(struct.pack("<Q3d3BdQ", k, *point, k % 256, 10, 255, 0.5, 2) + struct.pack("<4i", 1, 2, 3, 4))
