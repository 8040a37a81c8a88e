"""A radiance field of a scene that is rendered here: pictures, a surface and a volume of it."""

from pathlib import Path

import hermite_pinn as hp


def main(out: Path, size: int = 64, steps: int = 600) -> float:
    """Fit, write files to ``out``, and return the PSNR of the views that were held out."""
    scene = hp.radiance.Scene.render_synthetic(size, train=20, test=4)
    found = hp.radiance.fit(scene, steps=steps)
    print(found)
    print(found.evaluate(scene.test))
    seen = found.render(scene.test[0].camera, normals=True)
    print(seen.image.shape, seen.depth.shape, seen.normals.shape)
    found.save(out / "radiance.h5")
    found.to_vtk(out / "radiance.vti", resolution=64)
    return found.evaluate(scene.test)["psnr"]


if __name__ == "__main__":
    main(Path.cwd())
