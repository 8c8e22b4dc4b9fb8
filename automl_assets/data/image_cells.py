"""Cells of tables that say where an image lies, or hold it themselves."""

import base64
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import polars as pl

from automl_assets.data.locations import called, location_of, read_bytes
from automl_assets.data.pixels import HELD, SHOWN, Thumbnail, held_content, pixels_of, thumbnail_of
from automl_assets.errors import DataError, SourceError, listed

SMALL_SIDE = 96  # pixels of the longer side of a small copy
MOST_NAMED = 5  # images that cannot be read

Made = TypeVar("Made")


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


def image_cells(column: pl.Series) -> list[str]:
    """The cells of a column of images. Raises DataError that names the rows without one."""
    cells = column.cast(pl.String)
    if cells.null_count():
        rows = listed([number + 1 for number in np.flatnonzero(cells.is_null().to_numpy())], most=MOST_NAMED)
        raise DataError(f'"{column.name}" names no image in row {rows}; remove what has none')
    return cells.to_list()


def each_image(cells: list[str], make: Callable[[np.ndarray], Made], n_threads: int) -> list[Made]:
    """What `make` makes of the pixels of each image. Raises DataError that names the images that cannot be read."""

    def attempt(cell: str) -> Made | DataError:
        try:
            return make(pixels_at(cell))
        except DataError as error:
            return error

    with ThreadPoolExecutor(n_threads) as pool:
        found = list(pool.map(attempt, cells))
    broken = [str(one) for one in found if isinstance(one, DataError)]
    if broken:
        raise DataError(f"{len(broken)} of {len(cells)} images cannot be read: {'; '.join(broken[:MOST_NAMED])}")
    return [one for one in found if not isinstance(one, DataError)]
