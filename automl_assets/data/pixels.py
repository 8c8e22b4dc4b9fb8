"""Pixels of an image as people see it: turned as the camera was held, in red, green and blue, whatever the file holds.

Not here: where files lie (`data.locations`), and which sizes models want.
"""

import base64
import binascii
import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from automl_assets.errors import DataError

HELD = "data:"  # how a cell begins that holds its image itself
SHOWN = 40  # characters of a cell in a message
MOST_PIXELS = 200_000_000  # that are decoded; a file of few bytes may hold many more
LARGE_SIDE = 4_096  # pixels; JPEG files whose shorter side is twice as long are read at a part of their size
DRAFT_SIDE = 64  # pixels, of thumbnails before they are made
ORIENTATION, LYING = 0x0112, (5, 6, 7, 8)  # tag of Exif, and what it says of images that stand on their side
WHITE = (255, 255, 255)  # behind what is transparent
WIDE = ("I", "I;16", "I;16B", "I;16L", "F")  # one channel of more than 8 bits


def held_pixels(cell: str) -> np.ndarray:
    """The image that a cell holds itself as a data URI (RFC 2397) in base64, as `pixels_of` gives it.

    Raises DataError for what is no such URI, or no image.
    """
    return pixels_of(held_content(cell), f"{cell[:SHOWN]}…")


def held_content(cell: str) -> bytes:
    """The bytes of the file that a data URI holds. Raises DataError for what is no such URI."""
    start, comma, content = cell.partition(",")
    if not cell.startswith(HELD) or not comma or not start.endswith(";base64"):
        raise DataError(f"{cell[:SHOWN]!r}… holds no image; write it as a data URI: data:image/png;base64,…")
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise DataError(f"{cell[:SHOWN]}…: what follows is not base64: {error}") from None


def pixels_of(content: bytes, name: str) -> np.ndarray:
    """Red, green and blue, uint8 [height, width, 3]. Of an animation the first picture.

    Raises DataError for what is no image, is cut off, or holds more than MOST_PIXELS.
    """
    return np.asarray(_decoded(content, name, LARGE_SIDE)[0])


@dataclass(frozen=True)
class Thumbnail:
    """An image in small, and how large it is itself."""

    width: int  # pixels
    height: int
    pixels: np.ndarray  # uint8 [rows, columns, 3]


def thumbnail_of(content: bytes, name: str, rows: int, columns: int) -> Thumbnail:
    """The means of so many areas. JPEG files are decoded at a part of their size, which takes a part of the time.

    Raises DataError as `pixels_of` does.
    """
    from PIL import Image

    image, (width, height) = _decoded(content, name, DRAFT_SIDE)
    return Thumbnail(width, height, np.asarray(image.resize((columns, rows), Image.Resampling.BOX)))


def _decoded(content: bytes, name: str, side: int) -> tuple[Any, tuple[int, int]]:
    """An image in red, green and blue, where its file allows that no larger than `side` asks for; and its own size."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow, about sizes that are judged here
            image = Image.open(io.BytesIO(content))
            _check_size(image, name)
            width, height = image.size
            image.draft("RGB", (side, side))
            image.load()
            is_lying = image.getexif().get(ORIENTATION, 1) in LYING
            size = (height, width) if is_lying else (width, height)
            return _coloured(ImageOps.exif_transpose(image)), size
    except DataError:
        raise
    except Exception as error:  # each format has its own
        raise DataError(f"{name} cannot be read as an image: {_reason(content, error)}") from None


def _check_size(image: Any, name: str) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(
            f"{name}: {width:,} x {height:,} pixels are more than {MOST_PIXELS:,}; store a smaller copy, or cut it into tiles"
        )


def _coloured(image: Any) -> Any:
    """In red, green and blue of 8 bits; wide channels from their darkest value to their brightest."""
    from PIL import Image

    if image.mode in WIDE:
        return Image.fromarray(_stretched(np.asarray(image, np.float64))).convert("RGB")
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode != "RGBA":
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, WHITE)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _stretched(values: np.ndarray) -> np.ndarray:
    """As 8 bits: of 16 bits the upper 8; other ranges from end to end.

    >>> _stretched(np.array([[0.0, 65535.0]])), _stretched(np.array([[-1.0, 1.0]]))
    (array([[  0, 255]], dtype=uint8), array([[  0, 255]], dtype=uint8))
    """
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high > 255:
        low, high = 0.0, max(65_535.0, high)
    elif low >= 0:
        low, high = 0.0, 255.0 if high > 1 else 1.0
    return np.round((values - low) / max(high - low, 1e-12) * 255).astype(np.uint8)


def _reason(content: bytes, error: Exception) -> str:
    if not content:
        return "the file is empty"
    return str(error).partition(" <_io")[0] or type(error).__name__
