"""Images as files hold them: grey, wide, transparent, turned, animated, cut off, enormous."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl_assets.data import pixels
from automl_assets.data.image_cells import pixels_at
from automl_assets.data.pixels import pixels_of
from automl_assets.errors import DataError

RED, BLUE = (255, 0, 0), (0, 0, 255)


def stored(image: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def two_colours(mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", (16, 8), RED)
    image.paste(BLUE, (8, 0, 16, 8))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("png", "RGB"), ("png", "P"), ("png", "RGBA"), ("bmp", "RGB"), ("tiff", "CMYK"), ("gif", "P"), ("webp", "RGBA")],
)
def test_colours_are_those_that_people_see(kind: str, mode: str) -> None:
    options = {"lossless": True} if kind == "webp" else {}
    found = pixels_of(stored(two_colours(mode), kind, **options), "x")
    assert (found.shape, found.dtype) == ((8, 16, 3), np.uint8)
    assert np.abs(found[4, 2].astype(int) - RED).max() <= 2 and np.abs(found[4, 13].astype(int) - BLUE).max() <= 2


def test_a_cmyk_jpeg_has_its_colours() -> None:
    found = pixels_of(stored(two_colours("CMYK"), "jpeg", quality=95), "x").astype(int)
    assert found[4, 2, 0] > 200 and found[4, 2, 2] < 60
    assert found[4, 13, 2] > 200 and found[4, 13, 0] < 60


def test_grey_has_three_equal_channels() -> None:
    for image in (Image.new("L", (4, 4), 77), Image.new("LA", (4, 4), (77, 255)), Image.new("1", (4, 4), 1)):
        found = pixels_of(stored(image, "png"), "x")
        assert found.shape == (4, 4, 3) and (found == found[0, 0, 0]).all()


def test_sixteen_bits_keep_their_upper_eight() -> None:
    ramp = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    found = pixels_of(stored(Image.fromarray(ramp), "png"), "x")
    assert np.abs(found[..., 0].ravel().astype(int) - np.arange(256)).max() <= 1
    dark = pixels_of(stored(Image.fromarray((ramp // 64).astype(np.uint16)), "png"), "x")
    assert dark.max() == 4, "a dark image stays dark"


def test_what_is_transparent_is_white() -> None:
    assert (pixels_of(stored(Image.new("RGBA", (2, 2), (0, 0, 0, 0)), "png"), "x") == 255).all()


def test_a_turned_camera_is_turned_back() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    found = pixels_of(stored(two_colours(), "png", exif=exif), "x")
    assert found.shape == (16, 8, 3)
    assert found[2, 4].tolist() == [*RED] and found[13, 4].tolist() == [*BLUE]


def test_of_an_animation_the_first_picture() -> None:
    frames = [Image.new("RGB", (4, 4), BLUE)]
    content = stored(Image.new("RGB", (4, 4), RED), "gif", save_all=True, append_images=frames)
    assert pixels_of(content, "x")[0, 0].tolist() == [*RED]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", r"^a\.jpg cannot be read as an image: the file is empty$"),
        (b"<html>", r"^a\.jpg cannot be read as an image: cannot identify image file$"),
        (stored(Image.effect_noise((64, 64), 50), "jpeg")[:900], r"^a\.jpg cannot be read as an image: .*truncated"),
        (stored(Image.effect_noise((64, 64), 50), "png")[:900], r"^a\.jpg cannot be read as an image: .*truncated"),
    ],
)
def test_what_is_no_image_is_told(content: bytes, told: str) -> None:
    with pytest.raises(DataError, match=told):
        pixels_of(content, "a.jpg")


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "MOST_PIXELS", 100)
    with pytest.raises(DataError, match=r"^a\.png: 20 x 30 pixels are more than 100; store a smaller copy"):
        pixels_of(stored(Image.new("1", (20, 30)), "png"), "a.png")


def test_a_large_photograph_is_read_at_a_part_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "LARGE_SIDE", 40)
    found = pixels_of(stored(two_colours().resize((320, 160)), "jpeg"), "x")
    assert found.shape == (40, 80, 3)


def test_a_cell_names_a_file_or_a_url_or_holds_its_image(tmp_path: Path) -> None:
    import fsspec

    content = stored(two_colours(), "PNG")
    (tmp_path / "1.png").write_bytes(content)
    fsspec.filesystem("memory").pipe_file("/pixels/1.png", content)
    cells = [
        str(tmp_path / "1.png"),
        "memory://pixels/1.png",
        f"data:image/png;base64,{base64.b64encode(content).decode()}",
    ]
    for cell in cells:
        np.testing.assert_array_equal(pixels_at(cell), np.asarray(two_colours()))


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("data:image/png,abc", "base64"),
        ("data:image/png;base64,***", "not base64"),
        ("data:image/png;base64,AAAA", "cannot be read as an image"),
        ("/no/such/image.png", "/no/such/image.png"),
    ],
)
def test_what_a_cell_lacks_is_told(cell: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        pixels_at(cell)
