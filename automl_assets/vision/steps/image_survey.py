"""image_survey: every image looked at once in small: whether it can be read, how large it is, and which others it is like.

Not here: what a person is told of that (`image_guardrails`).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.data.image_cells import thumbnail_at
from automl_assets.data.pixels import HELD, Thumbnail
from automl_assets.errors import DataError
from automl_assets.onnx.session import threads_for
from automl_assets.vision.features.descriptors import GREY

ROWS, COLUMNS = 8, 9  # areas of a thumbnail: eight differences between neighbours in each row
N_BANDS, BAND_BITS = 4, 16  # of a hash; images that differ in fewer bits than there are bands have one band in common
MOST_BITS = 3  # that near-duplicates differ in
MOST_APART = 8.0  # mean difference of their areas, of 255: shapes alike in other colours are no duplicates
MOST_COMPARED = 8  # images that each is compared with in a band
NO_IMAGE = "names no image"


@dataclass(frozen=True)
class ImageSurvey:
    """What is seen of the images of all rows."""

    cells: tuple[str, ...]  # [n_rows], where each lies; empty where none is named
    reasons: tuple[str, ...]  # [n_rows], why an image cannot be read; empty for one that can
    sizes: np.ndarray  # int64 [n_rows, 2], width and height in pixels; 0 where there is none
    thumbnails: np.ndarray  # uint8 [n_rows, ROWS, COLUMNS, 3]

    @property
    def is_readable(self) -> np.ndarray:
        """bool [n_rows]"""
        return np.array([not reason for reason in self.reasons], bool)

    def told(self, row: int) -> str:
        """How a person finds an image."""
        cell = self.cells[row]
        return f"row {row}" if not cell or cell.startswith(HELD) else cell


def survey_images(images: pl.Series) -> ImageSurvey:
    """Of the column that says where images lie."""
    cells = images.cast(pl.String).fill_null("").to_list()
    with ThreadPoolExecutor(threads_for(len(cells))) as pool:
        found = list(pool.map(_seen, cells))
    none = Thumbnail(0, 0, np.zeros((ROWS, COLUMNS, 3), np.uint8))
    seen = [none if isinstance(one, str) else one for one in found]
    return ImageSurvey(
        tuple(cells),
        tuple(one if isinstance(one, str) else "" for one in found),
        np.array([(one.width, one.height) for one in seen], np.int64).reshape(-1, 2),
        np.stack([none.pixels, *(one.pixels for one in seen)])[1:],
    )


def _seen(cell: str) -> Thumbnail | str:
    """The image in small, or why there is none."""
    if not cell.strip():
        return NO_IMAGE
    try:
        return thumbnail_at(cell, ROWS, COLUMNS)
    except DataError as error:
        return str(error)


def first_alike(survey: ImageSurvey) -> np.ndarray:
    """The number of an earlier row with nearly the same image, int64 [n_rows]; the row itself where there is none.

    By difference hashes (Krawetz 2013): whether each of 8 x 8 areas is brighter than the one to its right.
    """
    found = np.arange(len(survey.cells))
    readable = np.flatnonzero(survey.is_readable)
    bits = _difference_bits(survey.thumbnails[readable])
    areas = survey.thumbnails[readable].reshape(len(readable), -1).astype(np.int16)
    hashes = np.packbits(bits, axis=1)
    for band in np.split(hashes, N_BANDS, axis=1):
        order = np.lexsort((*hashes.T, *band.T))
        for step in range(1, min(MOST_COMPARED + 1, len(order))):
            one, other = order[:-step], order[step:]
            is_alike = (band[one] == band[other]).all(axis=1)
            one, other = one[is_alike], other[is_alike]
            is_alike = (bits[one] != bits[other]).sum(axis=1) <= MOST_BITS
            is_alike &= np.abs(areas[one] - areas[other]).mean(axis=1) <= MOST_APART
            earlier, later = (readable[pick(one, other)[is_alike]] for pick in (np.minimum, np.maximum))
            np.minimum.at(found, later, earlier)
    return found


def _difference_bits(thumbnails: np.ndarray) -> np.ndarray:
    """bool [n_images, 64]"""
    grey = thumbnails @ GREY
    return (grey[:, :, :-1] > grey[:, :, 1:]).reshape(len(grey), N_BANDS * BAND_BITS)
