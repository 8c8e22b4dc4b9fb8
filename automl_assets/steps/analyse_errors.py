"""analyse_errors: on which rows the ensemble does worst. A shallow tree finds cohorts on half of the judged rows (after the error
tree of Nushi 2018, as in Azure's dashboard), and the other half says how bad they are. Rows whose label is likely wrong are
listed, too."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.answer_kinds import answers_of
from automl_assets.execution.time_shares import TimeShares
from automl_assets.explanation.error_cohorts import Leaf, leaves
from automl_assets.explanation.group_rates import GroupMeans
from automl_assets.explanation.groups import Groups, grouped
from automl_assets.model_records import Cohort, ErrorAnalysis, Picture
from automl_assets.pictures import cohorts_picture, heat_picture
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps.evaluate import Answers
from automl_assets.steps.find_label_errors import find_label_errors
from automl_assets.steps.holdout_predictions import CHUNK, holdout_predictions_until, judged_rows
from automl_assets.steps.tabulate_confusions import tabulate_confusions

MOST_ROWS = 50_000  # a seeded sample of more
CELLS_PER_SECOND = 100_000  # of raw columns; an idle core looks at several times as many
ANSWERS_PER_SECOND = 5_000_000  # rows x outputs that are looked through for errors of labels
ENDS = {"answers": 0.4, "columns": 0.5, "cohorts": 0.6, "heat": 0.8, "pictures": 0.9, "label errors": 1.0}
# of the time, by when a part has to begin
LEAST_PROBABILITY = 0.01  # a wrong answer that is surer than this counts no more
MOST_COHORTS = 5
FEWEST_ROWS = 10  # that measure a cohort
SURE = 2.0  # standard errors by which a cohort must be worse than all other rows
HEAT_GROUPS = 6
TOLD_COLUMNS = 8  # whose groups are told, those first that differ most
BY_GROUP = {"column": pl.String, "group": pl.String, "n_rows": pl.Int64, "loss": pl.Float64}


def as_they_are(table: pl.DataFrame, answers: Answers, pace: TimeShares) -> pl.DataFrame:
    """Cohorts of tables are told by the raw columns."""
    return table


@dataclass(frozen=True)
class RowView:
    """How a family shows rows that were answered, each by its raw columns.

    `columns(table, answers, pace)` are those that cohorts are told by; `pictures(table, rows, answers, loss)` show some of the
    rows, whose numbers in the data are `rows`.
    """

    columns: Callable[[pl.DataFrame, Answers, TimeShares], pl.DataFrame] = as_they_are
    pictures: Callable[[pl.DataFrame, np.ndarray, Answers, np.ndarray], tuple[Picture, ...]] | None = None


@dataclass(frozen=True)
class Judged:
    """What was answered, one by one: rows, or what is found in them; and how wrong each answer is."""

    rows: Literal["test", "out_of_fold"]
    table: pl.DataFrame  # columns that cohorts are told by
    loss: np.ndarray  # float64 [n_rows]
    loss_name: str
    place: np.ndarray  # int64 [n_rows], a number for all that err together
    metric: str
    metric_of: Callable[[np.ndarray], float | None]  # of some, by number; None where they give it no value


def analyse_errors(
    dataset: Dataset,
    features: Features,
    ensemble: Ensemble,
    seed: int,
    seconds: float = float("inf"),
    view: RowView = RowView(),
) -> ErrorAnalysis:
    """Cohorts and heat table over what is readable of the raw columns that the ensemble looks at, on as many rows as time
    allows."""
    problem, random, pace = ensemble.problem, np.random.default_rng(seed), TimeShares(seconds, ENDS)
    rows = random.permutation(np.flatnonzero(judged_rows(features, ensemble)))
    names = ensemble.featurizer.raw_columns
    answers, drawn = holdout_predictions_until(
        features, ensemble, rows[: _most_rows(len(names), seconds)], pace.end_of("answers")
    )
    raw, loss = dataset.table[drawn].select(names), losses(answers, problem)
    judged = Judged(
        answers.rows,
        view.columns(raw, answers, pace),
        *loss,
        answers.units.place,
        problem.metric,
        lambda some: _metric(answers.take(some), problem),
    )
    told = told_errors(judged, pace, random)
    shown = view.pictures(raw, drawn, answers, loss[0]) if view.pictures and pace.allows("pictures") else ()
    return replace(
        told,
        pictures=(*shown, *told.pictures),
        confusions=tabulate_confusions(answers.truth, answers.prediction, problem),
        label_errors=_label_errors(features, ensemble, pace) if problem.classes else None,
        left_out=tuple(dict.fromkeys(pace.left_out)),
    )


def told_errors(judged: Judged, pace: TimeShares, random: np.random.Generator) -> ErrorAnalysis:
    """Cohorts, the heat table, and the groups of each column, as far as there is time, and anything to judge."""
    loss, table, name = judged.loss, judged.table, judged.loss_name
    mean_loss = float(loss.mean()) if len(loss) else 0.0
    cohorts = _cohorts(judged, random) if pace.allows("cohorts") and len(loss) > FEWEST_ROWS else ()
    is_told = pace.allows("heat") and len(loss) > 0
    groups = {column.name: grouped(column, HEAT_GROUPS) for column in table} if is_told else {}
    columns, heat = _heat(groups, loss)
    drawings = [cohorts_picture(cohorts, mean_loss, name)] if cohorts and pace.allows("pictures") else []
    drawings += [heat_picture(columns, heat, name)] if columns and pace.allows("pictures") else []
    return ErrorAnalysis(
        rows=judged.rows,
        n_rows=len(loss),
        metric=judged.metric,
        loss=name,
        mean_loss=mean_loss,
        cohorts=cohorts,
        heat_columns=columns,
        heat=heat,
        pictures=tuple(drawings),
        by_group=_by_group(groups, loss),
    )


def _label_errors(features: Features, ensemble: Ensemble, pace: TimeShares) -> pl.DataFrame | None:
    if not pace.allows("label errors", ensemble.predictions.size / ANSWERS_PER_SECOND):
        return None
    return find_label_errors(features.truth.y, ensemble.predictions, ensemble.problem)


def _most_rows(n_columns: int, seconds: float) -> int:
    """Rows whose cells are looked at well within the time."""
    return max(CHUNK, int(min(MOST_ROWS, seconds * CELLS_PER_SECOND / max(1, n_columns))))


def losses(answers: Answers, problem: Problem) -> tuple[np.ndarray, str]:
    """How wrong each answer is [n_rows], and the name of that."""
    kind = answers_of(problem)
    return kind.losses(answers.truth, answers.prediction, LEAST_PROBABILITY), kind.loss


def _cohorts(judged: Judged, random: np.random.Generator) -> tuple[Cohort, ...]:
    is_learning = random.permutation(len(judged.loss)) % 2 == 0
    return _worst(_cohort(leaf, judged, ~is_learning) for leaf in leaves(judged.table, judged.loss, is_learning))


def _cohort(leaf: Leaf, judged: Judged, is_measuring: np.ndarray) -> Cohort | None:
    """None for one that is not surely worse than all other rows."""
    inside, outside = (np.flatnonzero(part & is_measuring) for part in (leaf.is_inside, ~leaf.is_inside))
    if len(inside) < FEWEST_ROWS or len(outside) < FEWEST_ROWS:
        return None
    if not _is_surely_worse(leaf.is_inside[is_measuring], judged.loss[is_measuring], judged.place[is_measuring]):
        return None
    return Cohort(
        conditions=leaf.conditions,
        n_rows=int(leaf.is_inside.sum()),
        share=float(leaf.is_inside.mean()),
        loss=float(judged.loss[inside].mean()),
        rest_loss=float(judged.loss[outside].mean()),
        metric=judged.metric_of(inside),
        rest_metric=judged.metric_of(outside),
    )


def _is_surely_worse(is_inside: np.ndarray, loss: np.ndarray, unit: np.ndarray) -> bool:
    """Whether rows inside lose more than the others, beyond what chance explains; rows of one unit err together."""
    found = GroupMeans.of(loss, (~is_inside).astype(int), np.ones(len(loss)), unit)
    return bool(found.means[0] - found.means[1] > SURE * np.sqrt((found.errors**2).sum()))


def _metric(answers: Answers, problem: Problem) -> float | None:
    return metrics.scores_of([problem.metric], answers.truth, answers.prediction, None, problem).get(problem.metric)


def _worst(found: Iterable[Cohort | None]) -> tuple[Cohort, ...]:
    return tuple(sorted((one for one in found if one), key=lambda one: -one.loss)[:MOST_COHORTS])


# Heat table


def _heat(groups: dict[str, Groups], loss: np.ndarray) -> tuple[tuple[str, ...], pl.DataFrame]:
    """The two columns whose groups differ most in their loss, and the mean loss where the groups meet."""
    chosen: tuple[str, ...] = ()
    first = second = whole = Groups(("",), np.zeros(len(loss), np.int64))
    for _ in range(2):
        gains = {name: _explained(_crossed(first, made), loss) for name, made in groups.items() if name not in chosen}
        best = max(gains, key=lambda name: gains[name], default="")
        if not gains or gains[best] <= _explained(first, loss):
            break
        first, second = (groups[best], whole) if not chosen else (first, groups[best])
        chosen = (*chosen, best)
    return chosen, _heat_table(first, second, loss)


def _crossed(first: Groups, second: Groups) -> Groups:
    """A group for each pair of groups, some of them without rows."""
    names = tuple(f"{one}, {other}" for one in first.names for other in second.names)
    return Groups(names, first.codes * len(second.names) + second.codes)


def _heat_table(first: Groups, second: Groups, loss: np.ndarray) -> pl.DataFrame:
    cells, shape = _crossed(first, second), (len(first.names), len(second.names))
    n_rows = np.bincount(cells.codes, minlength=len(cells.names))
    total = np.bincount(cells.codes, weights=loss, minlength=len(cells.names))
    mean = pl.Series(total / np.maximum(n_rows, 1)).set(pl.Series(n_rows == 0), None)
    names = {"first": np.repeat(first.names, shape[1]), "second": np.tile(second.names, shape[0])}
    return pl.DataFrame({**names, "n_rows": n_rows, "loss": mean})


def _by_group(groups: dict[str, Groups], loss: np.ndarray) -> pl.DataFrame | None:
    """The mean loss of the groups of the columns that tell most of it, as in BY_GROUP."""
    gains = {name: _explained(made, loss) for name, made in groups.items() if len(made.names) > 1}
    leading = sorted((name for name in gains if gains[name] > 0), key=lambda name: -gains[name])[:TOLD_COLUMNS]
    lines = [(name, *line) for name in leading for line in _means(groups[name], loss)]
    return pl.DataFrame(lines, schema=BY_GROUP, orient="row") if groups else None


def _means(groups: Groups, loss: np.ndarray) -> list[tuple[str, int, float]]:
    n_rows = np.bincount(groups.codes, minlength=len(groups.names))
    total = np.bincount(groups.codes, weights=loss, minlength=len(groups.names))
    return [(name, int(n), float(sum_ / n)) for name, n, sum_ in zip(groups.names, n_rows, total, strict=True) if n]


def _explained(groups: Groups, loss: np.ndarray) -> float:
    """Share of the loss's variance between groups, less what chance gives (adjusted coefficient of determination)."""
    counts = np.bincount(groups.codes)
    n_free = len(loss) - np.count_nonzero(counts)
    if n_free <= 0 or loss.var() == 0:
        return 0.0
    means = np.bincount(groups.codes, weights=loss) / np.maximum(counts, 1)
    return float(1.0 - ((loss - means[groups.codes]) ** 2).sum() / n_free / loss.var(ddof=1))
