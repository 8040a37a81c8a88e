"""Pictures: means over areas, formats, damage."""

import io

import numpy as np
import pytest
from PIL import Image
from scene_files import write_transforms

import hermite_pinn as hp
from hermite_pinn.workloads.radiance.pictures import averaged, open_picture


def picture(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).random((height, width, channels)).astype(np.float32)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_means_over_whole_pixels_are_exact(factor):
    x = picture(12, 24)
    known = x.reshape(12 // factor, factor, 24 // factor, factor, 3).mean((1, 3))
    assert np.allclose(averaged(x, 24 // factor, 12 // factor), known, atol=1e-6)


def test_pixels_that_are_cut_count_by_their_area():
    x = np.array([0.0, 3.0, 6.0, 9.0, 12.0], dtype=np.float64).reshape(1, 5, 1)
    assert np.allclose(averaged(x, 2, 1).ravel(), [(0 + 3 + 3) / 2.5, (3 + 9 + 12) / 2.5])


def test_the_mean_of_a_picture_stays():
    x = picture(31, 47)
    assert np.allclose(averaged(x, 13, 9).mean((0, 1)), x.mean((0, 1)), atol=1e-6)


def test_colours_count_by_their_alpha():
    x = np.array([[[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]]])
    assert averaged(x, 1, 1).ravel().tolist() == [1, 0, 0, 0.5]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "BMP", "PPM", "TIFF", "WEBP"])
def test_formats_are_read(tmp_path, form):
    path = tmp_path / f"a.{form.lower()}"
    Image.new("RGB", (5, 4), (250, 120, 60)).save(path, form)
    found = open_picture(path)
    assert (found.width, found.height, found.alpha) == (5, 4, False)
    assert np.allclose(found.colors(), np.array([250, 120, 60]) / 255, atol=0.03)


@pytest.mark.parametrize(("mode", "channels"), [("L", 3), ("LA", 4), ("P", 3), ("1", 3), ("CMYK", 3), ("I;16", 3)])
def test_modes_are_read_as_colours(tmp_path, mode, channels):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    Image.new(mode, (3, 2)).save(path)
    colors = open_picture(path).colors()
    assert colors.shape == (2, 3, channels)
    assert colors.dtype == np.float32


def test_sixteen_bits_are_kept(tmp_path):
    Image.fromarray(np.array([[0, 1000, 65535]], dtype=np.uint16)).save(tmp_path / "a.png")
    assert np.allclose(open_picture(tmp_path / "a.png").colors()[0, :, 0], np.array([0, 1000, 65535]) / 65535)


def test_postscript_is_not_run(tmp_path):
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    with pytest.raises(hp.CorruptFileError, match="cannot be read as a picture"):
        open_picture(tmp_path / "a.png")


def test_every_cut_of_a_picture_is_read_or_refused(tmp_path):
    whole = io.BytesIO()
    x = (picture(16, 16) * 255).astype(np.uint8)
    Image.fromarray(x).save(whole, "PNG")
    path = tmp_path / "a.png"
    for length in range(0, len(whole.getvalue()), 7):
        path.write_bytes(whole.getvalue()[:length])
        try:
            found = open_picture(path).colors()
        except hp.CorruptFileError as error:
            assert "a.png" in str(error)  # noqa: PT017
        else:  # all but the end mark was there
            assert length > len(whole.getvalue()) - 20
            assert np.array_equal((255 * found).round(), x)


def test_a_picture_that_announces_more_than_any_memory_is_refused(tmp_path):
    whole = io.BytesIO()
    Image.new("RGB", (4, 4)).save(whole, "BMP")
    header = bytearray(whole.getvalue())
    header[18:26] = (60_000).to_bytes(4, "little") * 2
    (tmp_path / "a.bmp").write_bytes(header)
    with pytest.raises(hp.CorruptFileError, match=r"exceeds limit|pixels"):
        open_picture(tmp_path / "a.bmp")


def write_turned(path, orientation, width=12, height=8):
    """A picture whose upper left pixel is red as it is stored."""
    image = Image.new("RGB", (width, height))
    image.putpixel((0, 0), (255, 0, 0))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)


@pytest.mark.parametrize(("orientation", "row", "column"), [(5, 0, 0), (6, 0, -1), (7, -1, -1), (8, -1, 0)])
def test_a_picture_is_turned_if_its_camera_has_that_shape(tmp_path, orientation, row, column):
    write_turned(tmp_path / "a.png", orientation)
    found = open_picture(tmp_path / "a.png").fitting(16, 24)
    colors = found.colors()
    assert (found.width, found.height, colors.shape) == (8, 12, (12, 8, 3))
    assert colors[row, column].tolist() == [1, 0, 0]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 0, 77])
@pytest.mark.parametrize("shape", [(24, 16), (None, None), (12, 12)])
def test_otherwise_pixels_are_taken_as_they_are_stored(tmp_path, orientation, shape):
    write_turned(tmp_path / "a.png", orientation)
    colors = open_picture(tmp_path / "a.png").fitting(*shape).colors()
    assert colors.shape == (8, 12, 3)
    assert colors[0, 0].tolist() == [1, 0, 0]


def test_an_orientation_that_is_not_followed_is_told(tmp_path, caplog):
    write_transforms(tmp_path)
    write_turned(tmp_path / "images/002.png", 3)
    hp.radiance.Scene.load(tmp_path)
    assert "1 of 6 pictures have an orientation (EXIF), the first is 002.png" in caplog.text
