"""Pictures of images: small copies side by side, each with what is to be said of it below."""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np

from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import BLUE, INK, MOST_BYTES, ORANGE, SOFT, readable

COLUMNS, SIDE, GAP = 6, 108, 8  # tiles in a row; pixels of a tile, and between tiles
LINE, LETTERS = 14, 17  # pixels of a line of text; letters that a tile has room for
TOP = 40  # pixels for title and note
QUALITIES = (80, 60, 40, 20)  # of JPEG, the first that keeps the picture small
STRENGTH = 0.65  # of the colour of what says most
COLOURS = tuple(np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) for colour in (BLUE, ORANGE))


@dataclass(frozen=True)
class Tile:
    """An image, and lines of text below it."""

    pixels: np.ndarray  # uint8 [height, width, 3]
    lines: tuple[str, ...]


def images_picture(name: str, title: str, note: str, tiles: Sequence[Tile]) -> Picture:
    """Tiles from left to right, and from the top to the bottom, as SVG that holds its images."""
    drawn = (_drawn(title, note, tiles, quality) for quality in QUALITIES)
    return Picture(name, title, next((image for image in drawn if len(image) < MOST_BYTES), _drawn(title, note, (), 0)))


def highlighted(pixels: np.ndarray, says: np.ndarray) -> np.ndarray:
    """The image in pale grey, with blue where its regions speak for the answer and orange where against it.

    `says` is float [n_rows, n_columns]: regions of equal size.
    """
    from PIL import Image

    size = (pixels.shape[1], pixels.shape[0])
    strongest = float(np.abs(says).max(initial=0.0)) or 1.0
    share = np.asarray(Image.fromarray((says / strongest).astype(np.float32)).resize(size, Image.Resampling.NEAREST))
    grey = np.repeat(96 + pixels.mean(axis=2, keepdims=True) * 0.6, 3, axis=2)
    colour = np.where(share[..., None] > 0, *COLOURS)
    weight = STRENGTH * np.abs(share)[..., None]
    return np.asarray(grey * (1 - weight) + colour * weight).clip(0, 255).astype(np.uint8)


def _drawn(title: str, note: str, tiles: Sequence[Tile], quality: int) -> bytes:
    n_lines = max((len(tile.lines) for tile in tiles), default=0)
    step = SIDE + n_lines * LINE + GAP
    width, height = COLUMNS * (SIDE + GAP) + GAP, TOP + -(-len(tiles) // COLUMNS) * step + GAP
    elements = [_text(GAP, 16, title, INK, ' font-weight="bold"'), _text(GAP, 32, note, SOFT)]
    for place, tile in enumerate(tiles):
        left, top = GAP + place % COLUMNS * (SIDE + GAP), TOP + place // COLUMNS * step
        box = f'x="{left}" y="{top}" width="{SIDE}" height="{SIDE}"'
        elements.append(f'<image {box} href="data:image/jpeg;base64,{_jpeg(tile.pixels, quality)}"/>')
        below = enumerate(tile.lines, start=1)
        elements += [_text(left, top + SIDE + line * LINE, readable(text, LETTERS), INK) for line, text in below]
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    style = '<style>text{font:11px "DejaVu Sans",Verdana,sans-serif}</style>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{style}{"".join(elements)}</svg>'.encode()


def _text(left: int, base: int, text: str, colour: str, look: str = "") -> str:
    return f'<text x="{left}" y="{base}" fill="{colour}"{look}>{escape(text)}</text>'


def _jpeg(pixels: np.ndarray, quality: int) -> str:
    from PIL import Image

    image, stream = Image.fromarray(pixels), io.BytesIO()
    image.thumbnail((SIDE, SIDE))
    image.save(stream, "JPEG", quality=quality)
    return b64encode(stream.getvalue()).decode()
