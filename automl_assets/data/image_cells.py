"""Cells of tables that say where an image lies, or hold it themselves."""

import base64
import io

import numpy as np

from automl_assets.data.locations import called, location_of, read_bytes
from automl_assets.data.pixels import HELD, SHOWN, Thumbnail, held_content, pixels_of, thumbnail_of
from automl_assets.errors import DataError, SourceError

SMALL_SIDE = 96  # pixels of the longer side of a small copy


def pixels_at(cell: str) -> np.ndarray:
    """The image that a cell names by its path or URL, or holds itself as a data URI, uint8 [height, width, 3].

    Raises DataError for what is no image, also for what cannot be found.
    """
    return pixels_of(*_content_at(cell))


def thumbnail_at(cell: str, rows: int, columns: int) -> Thumbnail:
    """The same image in small. Raises as `pixels_at` does."""
    return thumbnail_of(*_content_at(cell), rows, columns)


def _content_at(cell: str) -> tuple[bytes, str]:
    """The bytes of the file, and how a person knows it."""
    if cell.startswith(HELD):
        return held_content(cell), f"{cell[:SHOWN]}…"
    try:
        location = location_of(cell)
        return read_bytes(location), called(location)
    except SourceError as error:
        raise DataError(str(error)) from None


def small_copy(cell: str) -> str:
    """A small copy of an image, as a cell that holds it itself. Raises as `pixels_at` does."""
    from PIL import Image

    image, stream = Image.fromarray(pixels_at(cell)), io.BytesIO()
    image.thumbnail((SMALL_SIDE, SMALL_SIDE))
    image.save(stream, "PNG")
    return f"{HELD}image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
