"""explain: what the ensemble leans on. Shuffles columns (Breiman 2001), shares answers out among them (`shap_values`) and
lets the most important ones take other values (`dependence`). Each part has its share of the time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.execution.time_shares import TimeShares
from automl_assets.explanation.partial_dependence import Answer, Dependence, Feeds, dependence
from automl_assets.explanation.promise import by_promise
from automl_assets.model_records import Contributions, Explanation, Importance, Picture
from automl_assets.onnx.session import open_session, packed
from automl_assets.pictures import contributions_picture, dependence_picture, importance_picture
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps.build_ensemble import sample
from automl_assets.steps.combine import check_columns
from automl_assets.steps.explained_outputs import output_codes, output_names
from automl_assets.tabular.steps.featurize import N_BACKGROUND
from automl_assets.tabular.steps.pipeline_onnx import CODES, engineered_onnx_bytes
from automl_assets.tabular.steps.shap_values import Asked, answer_in_parts, shap_values

N_ROWS, FEWEST_ROWS = 1_000, 100  # rows on which columns are shuffled
N_REPEATS = 3
CERTAIN_COLUMNS = 50  # are shuffled once whatever the time; of more, as many as it allows
EXPLAINED_ROWS = (20, 200)  # at least and at most so many get contributions of their own
MOST_CONTRIBUTIONS = 200_000  # rows x columns x outputs
N_COMPARISONS = 16  # rows of the background that the time for contributions should suffice for
DEPENDENT_COLUMNS, DEPENDENCE_ROWS = 6, 150
ENDS = {"importances": 0.35, "contributions": 0.75, "engineered": 0.9, "dependence": 1.0}  # of the time, by when


@dataclass(frozen=True)
class _Judged:
    """Rows whose truth is known, and who answers them."""

    answer: Answer
    feeds: dict[str, np.ndarray]
    truth: np.ndarray
    problem: Problem

    def goodness(self, feeds: Feeds) -> float | None:
        """The metric, greater is better; None where these rows give it no value (one class only, say)."""
        metric = self.problem.metric
        scores = metrics.scores_of([metric], self.truth, self.answer(feeds), None, self.problem)
        return metrics.oriented(metric, scores[metric]) if metric in scores else None

    def seconds(self) -> float:
        """For one answer about all rows."""
        started = time.monotonic()
        self.answer(self.feeds)
        return time.monotonic() - started

    def fewer(self, n_rows: int, random: np.random.Generator) -> "_Judged":
        rows = sample(self.truth, n_rows, self.problem, random)
        return replace(self, feeds={name: v[rows] for name, v in self.feeds.items()}, truth=self.truth[rows])


def explain(ensemble: Ensemble, dataset: Dataset, features: Features, seed: int, seconds: float) -> Explanation:
    """Importances, contributions and dependence on rows that nobody has learnt from, where there are any.

    In no time, 50 raw columns are shuffled once, on 100 rows, and 20 rows are compared with one other; the rest is left out.
    """
    problem, random, pace = ensemble.problem, np.random.default_rng(seed), TimeShares(seconds, ENDS)
    shown = np.flatnonzero(features.truth.split.is_shown)
    rows = random.permutation(shown[sample(features.truth.y[shown], N_ROWS, problem, random)])
    asked, table = Asked.open(ensemble), dataset.table[rows]
    judged = _Judged(asked.answer, asked.feeds(table), features.truth.y[rows], problem)
    importances = _raw_importances(judged, random, pace)
    leading = list(dict.fromkeys([*(one.column for one in importances), *judged.feeds]))
    n_explained = _n_explained(judged, pace)
    contributions = shap_values(
        asked, table[:n_explained], _background(ensemble, table), leading, pace.seconds_for("contributions")
    )
    contributions = _numbered(contributions, rows)
    engineered = _engineered_importances(ensemble, features, rows, importances, pace)
    curves = _dependences(judged, leading, pace)
    return Explanation(
        problem.metric,
        importances,
        engineered,
        contributions,
        _dependence_table(curves, output_names(problem)),
        _pictures(problem, importances, engineered, contributions, curves),
    )


def explain_rows(
    ensemble: Ensemble, dataset: Dataset, features: Features, table: pl.DataFrame, seconds: float
) -> pl.DataFrame:
    """Contributions to the answer for each row of `table`: row, output, base, column, value, contribution, and its
    standard error.

    Raises DataError when a column the model looks at is not there.
    """
    check_columns(ensemble.featurizer.raw_columns, table)
    background = _background(ensemble, dataset.table.filter(features.truth.split.is_shown))
    made = shap_values(Asked.open(ensemble), table, background, ensemble.featurizer.raw_columns, seconds)
    base = pl.DataFrame({"output": made.outputs, "base": made.base})
    columns = ("row", "output", "base", "column", "value", "contribution", "standard_error")
    return made.table.join(base, on="output", how="left", maintain_order="left").select(columns)


def _background(ensemble: Ensemble, shown: pl.DataFrame) -> pl.DataFrame:
    """The model's own; models of earlier versions have none, and take the first of the rows shown."""
    return shown.head(N_BACKGROUND) if ensemble.background is None else ensemble.background


def _pictures(
    problem: Problem,
    importances: tuple[Importance, ...],
    engineered: tuple[Importance, ...],
    contributions: Contributions,
    curves: Sequence[Dependence],
) -> tuple[Picture, ...]:
    drawn = [importance_picture(importances, problem.metric), contributions_picture(contributions)]
    if len(engineered) > 0 and engineered != importances:
        title = "Importance of engineered columns"
        drawn.append(importance_picture(engineered, problem.metric, "engineered_importance", title))
    if curves:
        drawn.append(dependence_picture(curves, output_names(problem), is_share=bool(problem.classes)))
    return tuple(drawn)


# Shuffling


def _raw_importances(judged: _Judged, random: np.random.Generator, pace: TimeShares) -> tuple[Importance, ...]:
    """Of every raw column, on as many rows as can be answered for all columns in time; where that is not enough, of those
    that go with the answers most."""
    once, wanted = judged.seconds() * len(judged.feeds), max(pace.seconds_for("importances"), 0.0)
    if once > wanted:
        judged = judged.fewer(max(FEWEST_ROWS, int(len(judged.truth) * wanted / once)), random)
    names = list(judged.feeds) if len(judged.feeds) <= CERTAIN_COLUMNS else by_promise(judged.feeds, judged.answer)
    n_certain = min(CERTAIN_COLUMNS, len(names))
    losses = _losses(judged, names, random, pace.end_of("importances"), n_certain)
    return _sorted_importances(losses)


def _engineered_importances(
    ensemble: Ensemble, features: Features, rows: np.ndarray, importances: tuple[Importance, ...], pace: TimeShares
) -> tuple[Importance, ...]:
    """Of the columns the algorithms look at, those made of the most important raw columns first, while there is time."""
    columns = ensemble.featurizer.columns
    if all(column.name == column.source for column in columns):
        return importances  # nothing was made of several columns or into several: the same shuffles
    session = open_session(engineered_onnx_bytes(ensemble))
    codes = {str(i): features.inputs.codes[rows, i : i + 1] for i in range(len(columns))}
    matrix = {CODES: tuple(codes)}
    judged = _Judged(
        lambda feeds: answer_in_parts(session, packed(feeds, matrix)), codes, features.truth.y[rows], ensemble.problem
    )
    place = {one.column: i for i, one in enumerate(importances)}
    order = sorted(range(len(columns)), key=lambda i: place.get(columns[i].source, len(place)))
    names, random = [str(i) for i in order], np.random.default_rng(0)
    losses = _losses(judged, names, random, pace.end_of("engineered"), n_certain=0)
    return _sorted_importances({columns[int(name)].name: lost for name, lost in losses.items()})


def _losses(
    judged: _Judged, names: Sequence[str], random: np.random.Generator, deadline: float, n_certain: int
) -> dict[str, list[float]]:
    """Column -> how much the metric lost each time it was shuffled. The first `n_certain` shuffles wait for no clock."""
    base = judged.goodness(judged.feeds)
    losses: dict[str, list[float]] = {}
    if base is None:
        return losses
    for shuffle, name in enumerate([*names] * N_REPEATS):
        if shuffle >= n_certain and time.monotonic() > deadline:
            break
        given = judged.feeds[name]
        found = judged.goodness({**judged.feeds, name: given[random.permutation(len(given))]})
        losses.setdefault(name, []).append(base - (found or 0.0))
    return losses


def _sorted_importances(losses: dict[str, list[float]]) -> tuple[Importance, ...]:
    found = [Importance(name, float(np.mean(lost)), _spread(lost)) for name, lost in losses.items()]
    return tuple(sorted(found, key=lambda one: -one.mean))


def _spread(lost: Sequence[float]) -> float:
    return float(np.std(lost, ddof=1)) if len(lost) > 1 else float("nan")


# Contributions and dependence


def _n_explained(judged: _Judged, pace: TimeShares) -> int:
    """How many rows can be compared with enough others in time."""
    low, high = EXPLAINED_ROWS
    n_columns, n_outputs = len(judged.feeds), len(output_names(judged.problem))
    seconds_per_row = judged.seconds() / len(judged.truth) * 2 * n_columns * N_COMPARISONS
    in_time = max(pace.seconds_for("contributions"), 0.0) / max(seconds_per_row, 1e-9)
    return int(max(low, min(high, in_time, MOST_CONTRIBUTIONS / (n_columns * n_outputs))))


def _numbered(contributions: Contributions, rows: np.ndarray) -> Contributions:
    """With the rows' numbers in the data set, in their order."""
    numbers = pl.Series("row", rows[contributions.table["row"].to_numpy()])
    return replace(contributions, table=contributions.table.with_columns(numbers).sort("row", maintain_order=True))


def _dependences(judged: _Judged, leading: Sequence[str], pace: TimeShares) -> list[Dependence]:
    feeds = {name: values[:DEPENDENCE_ROWS] for name, values in judged.feeds.items()}
    codes = output_codes(judged.problem)
    found: list[Dependence] = []
    for name in leading:
        if len(found) == DEPENDENT_COLUMNS or time.monotonic() > pace.end_of("dependence"):
            break
        made = dependence(lambda given: judged.answer(given)[:, codes], feeds, name)
        found += [made] if made else []
    return found


def _dependence_table(curves: Sequence[Dependence], outputs: tuple[str, ...]) -> pl.DataFrame:
    """A line per column, value and output."""
    lines = [
        (curve.column, curve.text(value), output, float(mean))
        for curve in curves
        for value, means in zip(curve.values, curve.mean, strict=True)
        for output, mean in zip(outputs, means, strict=True)
    ]
    schema = {"column": pl.String, "value": pl.String, "output": pl.String, "mean": pl.Float64}
    return pl.DataFrame(lines, schema=schema, orient="row")
