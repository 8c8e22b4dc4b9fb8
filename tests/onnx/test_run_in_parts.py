"""A model that is asked a few rows at a time says what it says of all together."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets.entities.features.tokens_onnx import add_tokens
from automl_assets.onnx import images
from automl_assets.onnx import session as sessions
from automl_assets.onnx.graph import DOUBLE, Graph
from automl_assets.onnx.session import ROWS_TOGETHER, feed, open_session, run_in_parts

TEXTS = np.array([["Ann met Bo"], [""], ["in Oslo"], ["nobody"], ["a b c d e"]], object)


def _model(**properties: str) -> bytes:
    graph = Graph()
    found = add_tokens(graph, graph.input("text", str, [None, 1]), True)
    graph.properties |= properties
    graph.output("tokens", found.tokens, str, [None])
    graph.output("row", found.text, np.int64, [None])
    return graph.build().SerializeToString()


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_numbers_of_rows_count_from_the_first(most: int) -> None:
    found = run_in_parts(open_session(_model(**{ROWS_TOGETHER: str(most)})), {"text": TEXTS})
    tokens, row = open_session(_model()).run(None, {"text": TEXTS})
    assert found["tokens"].tolist() == tokens.tolist() and found["row"].tolist() == row.tolist()


def test_long_texts_are_asked_for_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_CHARACTERS", 20)
    assert [*sessions._parts({"text": TEXTS}, 100)] == [slice(0, 2), slice(2, 4), slice(4, 6)]


def test_cells_of_images_become_their_pixels(tmp_path: Path) -> None:
    """Images of different sizes, one at a time."""
    from PIL import Image

    graph = Graph()
    image = graph.input("image", np.uint8, [None, None, None, 3])
    numbers = graph.node("Cast", image, to=DOUBLE)
    axes = graph.constant(np.array([1, 2, 3], np.int64))
    graph.output("sum", graph.node("ReduceSum", numbers, axes, keepdims=0), np.float64, [None])
    graph.properties[ROWS_TOGETHER] = "1"
    for number, size in enumerate([(4, 3), (5, 6)]):
        Image.new("RGB", size, (number + 1, 0, 0)).save(tmp_path / f"{number}.png")
    cells = pl.Series([str(tmp_path / "1.png"), str(tmp_path / "0.png")])
    session = open_session(graph.build().SerializeToString())
    answers = images.run(session, {"image": feed(cells, "image")})
    np.testing.assert_array_equal(answers["sum"], [2 * 30, 12])
