"""word_contributions: what each word of a text, and each column beside it, adds to the answer (SHAP values, Lundberg and
Lee 2017). An absent word is cut out; an absent column has the value of a row of the background.

Works in log-odds, for any ensemble. A row's contributions add up to its log-odds less those of the background without words.
"""

import time
from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets.explanation.shapley import Feeds, Shapley, shapley
from automl_assets.steps.explained_outputs import log_odds, output_names
from automl_assets.text.features.pieces import MOST_PIECES, Pieces, cut
from automl_assets.text.steps.paced_model import PacedModel

MOST_PASSES = 16  # rows of the background, each with an order of its own
FEWEST_PIECES = 8  # that a text is cut into, where there is time for no more
SCHEMA = {
    **{"row": pl.Int64, "output": pl.String, "base": pl.Float64, "column": pl.String, "value": pl.String},
    **{"start": pl.Int64, "stop": pl.Int64, "contribution": pl.Float64, "standard_error": pl.Float64},
}


@dataclass(frozen=True)
class Explained:
    """Contributions of one row, and what they are of."""

    columns: tuple[str, ...]  # [n_players]
    values: tuple[str | None, ...]  # words, or what stands in another column
    starts: tuple[int | None, ...]  # offsets of words in their column
    stops: tuple[int | None, ...]
    found: Shapley

    def lines(self, row: int, outputs: tuple[str, ...]) -> list[tuple]:
        """One per output and player, as in SCHEMA."""
        players = list(zip(self.columns, self.values, self.starts, self.stops, strict=True))
        mean, errors, base = self.found.contributions[0], self.found.errors[0], self.found.base
        return [
            (row, output, float(base[o]), *player[:4], float(mean[p, o]), float(errors[p, o]))
            for o, output in enumerate(outputs)
            for p, player in enumerate(players)
        ]


class _Row:
    """One row whose words come and go."""

    def __init__(self, model: PacedModel, row: pl.DataFrame, background: pl.DataFrame, most_pieces: int):
        self.model, self.row, self.background = model, row, background
        self.pieces = {name: cut(str(row[name][0] or ""), most_pieces) for name in model.texts}
        self.others = [name for name in model.ensemble.featurizer.raw_columns if name not in model.texts]
        self.places = [(name, place) for name, cuts in self.pieces.items() for place in range(len(cuts))]

    def explained(self, deadline: float) -> Explained:
        mine = {_key(*place): [self.pieces[place[0]].names[place[1]]] for place in self.places}
        mine |= {name: self.row[name].to_list() for name in self.others}
        absent = {_key(*place): [""] * self.background.height for place in self.places}
        absent |= {name: self.background[name].to_list() for name in self.others}
        rows, background = ({name: _cells(values) for name, values in given.items()} for given in (mine, absent))
        begun_by = deadline - self.model.seconds_for(2 * len(rows))  # a further pass
        found = shapley(self._scores, rows, background, [(name,) for name in rows], np.random.default_rng(0), begun_by)
        cuts = [(self.pieces[name], place) for name, place in self.places]
        none = (None,) * len(self.others)
        return Explained(
            (*(name for name, _ in self.places), *self.others),
            (*(cut.names[place] for cut, place in cuts), *(_told(self.row[name][0]) for name in self.others)),
            (*(cut.starts[place] for cut, place in cuts), *none),
            (*(cut.stops[place] for cut, place in cuts), *none),
            found,
        )

    def _scores(self, feeds: Feeds) -> np.ndarray:
        n_rows = len(next(iter(feeds.values())))
        columns = {name: self._texts(name, cuts, feeds, n_rows) for name, cuts in self.pieces.items()}
        columns |= {name: pl.Series(feeds[name][:, 0].tolist(), dtype=self.row.schema[name]) for name in self.others}
        return log_odds(self.model.answers(pl.DataFrame(columns)), self.model.problem)

    def _texts(self, name: str, cuts: Pieces, feeds: Feeds, n_rows: int) -> list[str]:
        if not len(cuts):
            return [cuts.text] * n_rows
        return list(cuts.texts([feeds[_key(name, place)][:, 0] for place in range(len(cuts))]))


def _key(column: str, place: int) -> str:
    """A player's name that no column has: columns come without line ends."""
    return f"{place}\n{column}"


def _cells(values: list) -> np.ndarray:
    cells = np.empty((len(values), 1), object)
    cells[:, 0] = values
    return cells


def _told(value: object) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True)
class WordContributions:
    """A line per row, output and word or column, as in SCHEMA."""

    table: pl.DataFrame
    n_rows: int  # from the first on, that there was time for
    n_passes: int  # that each of them had at least


def word_contributions(
    model: PacedModel, table: pl.DataFrame, background: pl.DataFrame, seconds: float, least_rows: int
) -> WordContributions:
    """What each word and each column of rows adds.

    Each row has an equal share of the time, and one pass at least, which has no standard error; texts are cut into as many
    pieces as there is time for. When it is up no row is begun but the first `least_rows`.
    """
    outputs, started = output_names(model.problem), time.monotonic()
    lines: list[tuple] = []
    n_passes, n_rows, background = MOST_PASSES, 0, background.head(MOST_PASSES)
    for place in range(table.height):
        if place >= least_rows and time.monotonic() > started + seconds:
            break
        n_rows, deadline = place + 1, started + seconds * (place + 1) / table.height
        most = _affordable_pieces(model, background.height, deadline)
        row = _Row(model, table[place : place + 1], background, most)
        if not row.places and not row.others:
            continue
        explained = row.explained(deadline)
        n_passes = min(n_passes, explained.found.n_passes)
        lines += explained.lines(place, outputs)
    return WordContributions(pl.DataFrame(lines, schema=SCHEMA, orient="row"), n_rows, n_passes)


def _affordable_pieces(model: PacedModel, n_background: int, deadline: float) -> int:
    """Of a text that is asked about twice for each piece, beside the background."""
    n_twice = (model.rows_until(deadline) - n_background) // 2
    return int(np.clip(n_twice // max(1, len(model.texts)), FEWEST_PIECES, MOST_PIECES))
