"""Asking an ONNX model whose inputs are images: cells become pixels as late as can be, since many would fill the memory."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from automl_assets.data.image_cells import pixels_at
from automl_assets.data.pixels import held_pixels
from automl_assets.onnx.session import run_in_parts

PIXELS = "tensor(uint8)"  # type of an input that takes images, [n_rows, height, width, 3]


def ask(session: Any, names: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[Any]:
    """The outputs of these names, or all, for rows that are asked together: their images must be of one size. Raises
    DataError for what is no image."""
    answers: list[Any] = session.run(names, with_pixels(session, feeds, pixels_at))
    return answers


def run(session: Any, feeds: Mapping[str, np.ndarray], asked: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """As `session.run_in_parts`, for any model."""
    return run_in_parts(session, feeds, asked, ask)


def onnx_answer(session: Any, feeds: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities [n_rows, n_classes] or values [n_rows, 1]."""
    names = [output.name for output in session.get_outputs()]
    asked = names[1] if names[0].startswith("label") else names[0]
    return run(session, feeds, (asked,))[asked].astype(np.float64)


def ask_held(session: Any, names: Sequence[str] | None, feeds: Mapping[str, np.ndarray]) -> list[Any]:
    """The same where cells hold their images themselves: whoever asks a server names no file and no address of it."""
    answers: list[Any] = session.run(names, with_pixels(session, feeds, held_pixels))
    return answers


def run_held(session: Any, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As `session.run_in_parts`, where cells hold their images themselves."""
    return run_in_parts(session, feeds, (), ask_held)


def with_pixels(
    session: Any, feeds: Mapping[str, np.ndarray], read: Callable[[str], np.ndarray]
) -> dict[str, np.ndarray]:
    """Cells of images read, and stacked."""
    images = {one.name for one in session.get_inputs() if one.type == PIXELS and feeds[one.name].dtype == object}
    return {**feeds, **{name: np.stack([read(str(cell)) for cell in feeds[name].flat]) for name in images}}
