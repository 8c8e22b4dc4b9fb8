"""shap_values: what each raw column adds to the answer for each row (SHAP values), over the ONNX graph of any ensemble.

Works in log-odds for classes, where the effects of columns add up, and in values for a regression.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from automl_assets.explanation.shapley import Feeds, Shapley, shapley
from automl_assets.model_records import Contributions
from automl_assets.onnx.images import onnx_answer
from automl_assets.onnx.session import open_session, packed
from automl_assets.records import Ensemble
from automl_assets.steps.explained_outputs import log_odds, output_names
from automl_assets.tabular.steps.pipeline_onnx import matrix_onnx, onnx_bytes, onnx_feeds

MOST_PLAYERS = 50  # columns that are told apart; the contributions of all others are one sum
OTHERS = "(all other columns)"
ROWS_PER_CALL = 5_000  # keeps small what a graph holds in between


@dataclass(frozen=True)
class Asked:
    """An ensemble in ONNX Runtime, which answers many rows much faster than the libraries its members come from."""

    ensemble: Ensemble
    session: Any
    matrices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of a wide table: inputs of many columns

    @classmethod
    def open(cls, ensemble: Ensemble) -> "Asked":
        content, matrices = matrix_onnx(ensemble) or (onnx_bytes(ensemble), {})
        return cls(ensemble, open_session(content), matrices)

    def feeds(self, table: pl.DataFrame) -> dict[str, np.ndarray]:
        return onnx_feeds(self.ensemble, table)

    def answer(self, feeds: Feeds) -> np.ndarray:
        """Probabilities [n_rows, n_classes] or values [n_rows, 1]."""
        return answer_in_parts(self.session, packed(feeds, self.matrices))

    def scores(self, feeds: Feeds) -> np.ndarray:
        """Answers in the space in which contributions add up, [n_rows, n_outputs]."""
        return log_odds(self.answer(feeds), self.ensemble.problem)


def answer_in_parts(session: Any, feeds: Feeds) -> np.ndarray:
    """What a session answers to any number of rows."""
    n_rows = len(next(iter(feeds.values())))
    parts = [
        {name: values[first : first + ROWS_PER_CALL] for name, values in feeds.items()}
        for first in range(0, n_rows, ROWS_PER_CALL)
    ]
    return np.concatenate([onnx_answer(session, part) for part in parts])


def shap_values(
    asked: Asked, table: pl.DataFrame, background: pl.DataFrame, leading: Sequence[str], seconds: float
) -> Contributions:
    """SHAP values of every row of `table`, against rows of `background`; of `leading` columns first when there are many.

    At least one row of the background is compared with, and all of them while `seconds` last.
    """
    players, end = _players(leading), time.monotonic() + seconds
    feeds = asked.feeds(table), asked.feeds(background)
    found = shapley(asked.scores, *feeds, list(players.values()), np.random.default_rng(0), end)
    outputs = output_names(asked.ensemble.problem)
    rows = _long_table(table, list(players), outputs, found)
    return Contributions(outputs, tuple(found.base.tolist()), rows, found.n_passes, background.height)


def _players(columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if len(columns) <= MOST_PLAYERS:
        return {name: (name,) for name in columns}
    first, rest = columns[: MOST_PLAYERS - 1], columns[MOST_PLAYERS - 1 :]
    return {**{name: (name,) for name in first}, OTHERS: tuple(rest)}


def _long_table(table: pl.DataFrame, names: list[str], outputs: tuple[str, ...], found: Shapley) -> pl.DataFrame:
    """A line per row, output and column."""
    n_rows, n_columns, n_outputs = found.contributions.shape
    texts = [table[name].cast(pl.String).to_list() if name in table.columns else [None] * n_rows for name in names]
    each_row = list(zip(*texts, strict=True))  # [n_rows][n_columns]
    return pl.DataFrame(
        {
            "row": np.repeat(np.arange(n_rows), n_columns * n_outputs),
            "output": [output for _ in range(n_rows) for output in outputs for _ in names],
            "column": names * (n_rows * n_outputs),
            "value": pl.Series([v for row in each_row for _ in outputs for v in row], dtype=pl.String),
            "contribution": found.contributions.transpose(0, 2, 1).ravel(),
            "standard_error": found.errors.transpose(0, 2, 1).ravel(),
        }
    )
