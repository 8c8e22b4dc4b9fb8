"""challenge: champion and challenger on the same rows, and how sure it is that one is better.

Here belong the rows that are fair to both and the paired bootstrap (Efron and Tibshirani 1993) of rows, whole groups or
stretches of time. Not here: who answers then (`promote`), and how the champion is asked.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from automl_assets import registry
from automl_assets.answer_kinds import answers_of
from automl_assets.boxes import read_answers, recoded
from automl_assets.data.row_ids import identities, kinds
from automl_assets.errors import DataError, nearest
from automl_assets.experiment.experiment import Experiment
from automl_assets.metrics import oriented, score
from automl_assets.model_records import Comparison, TrainingData
from automl_assets.records import Dataset, Label, Problem, Split
from automl_assets.steps.evaluate import MOST_CELLS, Answers, most_rows
from automl_assets.steps.resample import ROWS, sampled_rows, tail_of

if TYPE_CHECKING:
    import pandas as pd

MOST_RESAMPLES, FEWEST_RESAMPLES = 1000, 200
LEAST_ROWS = 20  # that the champion has not learnt from; with fewer all rows are taken, though that flatters it

Score = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Ground:
    """The rows that are compared on."""

    rows: np.ndarray  # int64 [n_rows], numbers in the data set
    words: str


def learnt_from(dataset: Dataset, split: Split, problem: Problem) -> TrainingData:
    """What a model of this split answers, and from which rows."""
    features = dataset.table.select(dataset.roles.features)
    return TrainingData(problem, dataset.roles.target, kinds(features), identities(features)[split.is_training])


def ground(
    judged: np.ndarray, dataset: Dataset, split: Split, champion: TrainingData, experiment: Experiment
) -> Ground:
    """Of the rows that the challenger is judged on, bool [n_rows], those that the champion has not learnt from."""
    chosen = np.flatnonzero(judged)
    seen = _is_seen(dataset, champion)
    name = f"{chosen_by(experiment)} rows" if (judged & split.is_test).any() else "out-of-fold rows"
    if seen is None:
        return Ground(chosen, f"{name}, of which the champion may have learnt: its columns are gone or of other types")
    fresh = chosen[~seen[chosen]]
    if len(fresh) == len(chosen):
        return Ground(chosen, f"{name}, from which neither learnt")
    n_seen = len(chosen) - len(fresh)
    if len(fresh) < LEAST_ROWS:
        return Ground(chosen, f"{name}; the champion learnt from {n_seen} of them, which flatters it")
    return Ground(fresh, f"{name}, from which neither learnt; {n_seen} more are left out because the champion did")


def chosen_by(experiment: Experiment) -> str:
    """How test rows were chosen."""
    if experiment.test.source is not None:
        return "test (of the test file)"
    if experiment.time_column:
        return "test (the newest)"
    return "test (whole groups by hash)" if experiment.group_column else "test (by hash of their features)"


def _is_seen(dataset: Dataset, champion: TrainingData) -> np.ndarray | None:
    """Whether the champion learnt from each row, bool [n_rows]; None where that cannot be told."""
    names = [name for name in champion.columns if name in dataset.table.columns]
    rows = dataset.table.select(names)
    return np.isin(identities(rows), champion.rows) if kinds(rows) == champion.columns else None


def check_question(champion: TrainingData, task: str, target: str) -> None:
    """Raises DataError where the champion was asked something else."""
    if champion.problem.task != task:
        raise DataError(f"it answers a {champion.problem.task}, and a {task} is asked")
    if champion.target != target:
        raise DataError(f'it predicts "{champion.target}", and "{target}" is asked')


def check_columns(needed: Iterable[str], dataset: Dataset) -> None:
    """Raises DataError where a champion looks at a column that is gone."""
    for name in needed:
        if name not in dataset.table.columns:
            raise DataError(f'its column "{name}" is gone.{nearest(name, dataset.table.columns)}')


def prediction_of(answer: "pd.DataFrame", problem: Problem) -> np.ndarray:
    """Probabilities [n_rows, n_classes], packed objects or values [n_rows] out of what a served model answers."""
    if problem.answers == "boxes":
        return read_answers(answer.iloc[:, 1].to_list(), problem.classes, problem.most_objects)
    if registry.tasks()[problem.task].parts:
        return np.array([part for parts in answer.iloc[:, 1] for part in parts]).reshape(-1, problem.n_classes)
    return np.stack(answer.iloc[:, 1].to_list()) if problem.classes else answer.iloc[:, 0].to_numpy()


def challenge(answers: Answers, theirs: np.ndarray, problem: Problem, champion: Problem, seed: int) -> Comparison:
    """The challenger's answers against the champion's for the same rows; each decides by its own threshold.

    A class that the champion does not know has no probability with it; what it gives to one that is no more is lost.
    Raises DataError when the metric has no value on these rows.

    >>> problem, truth = Problem("regression", "mean_absolute_error"), np.arange(50.0)
    >>> found = challenge(Answers("test", truth, truth + 1), truth - 3, problem, problem, seed=0)
    >>> found.difference, found.interval, found.share
    (2.0, (2.0, 2.0), 1.0)
    """
    random, units = np.random.default_rng(seed), answers.units
    if len(theirs) != answers.n_rows:
        raise DataError("it parts texts into other tokens, so that their answers cannot be compared")
    if units.n_units < 2:
        raise DataError(f"the rows are a single one of the {units.name}, which shows no spread")
    strata = answers_of(problem).strata(answers.truth)
    rows, _ = sampled_rows(units, strata, most_rows(problem), random)
    some = units.take(rows)
    n = int(np.clip(MOST_CELLS // (2 * len(rows) * problem.n_outputs), FEWEST_RESAMPLES, MOST_RESAMPLES))
    draws = (rows[some.draw(random)] for _ in range(n))
    known = replace(answers, prediction=_under(problem, theirs, champion.classes))
    incumbent = _score_of(known, problem.deciding_as(champion))
    scores, n_units = (_score_of(answers, problem), incumbent), (some.n_units, units.n_units)
    is_single = units.name == ROWS
    found = paired(problem.metric, np.arange(answers.n_rows), draws, *scores, None if is_single else n_units)
    met = {str(label) for label in champion.classes}
    occurs = answers_of(problem).totals(answers.truth, None, problem.n_classes) > 0
    present = [str(problem.classes[code]) for code in np.flatnonzero(occurs)]
    return replace(
        found, unit="" if is_single else units.name, unknown=tuple(label for label in present if label not in met)
    )


def paired(
    metric: str,
    everything: np.ndarray,
    draws: Iterable[np.ndarray],
    challenger: Score,
    champion: Score,
    n_units: tuple[int, int] | None = None,
) -> Comparison:
    """Both scores of `everything` (numbers of rows, or of series), and their difference in each draw of as many or fewer.

    `n_units` are those drawn from and those of everything, where several numbers are drawn as one. Of a sample, the spread
    around the middle is scaled to all (Politis and Romano 1994).
    """
    ours, theirs = challenger(everything), champion(everything)
    point, found, n_drawn = oriented(metric, ours) - oriented(metric, theirs), list[float](), len(everything)
    for draw in draws:
        n_drawn = len(draw)
        found += _difference(metric, draw, challenger, champion)
    spread, is_part = np.array(found or [point]), n_units is not None or n_drawn < len(everything)
    n_drawn, n_all = n_units or (n_drawn, len(everything))
    if is_part:
        spread = point + np.sqrt(n_drawn / n_all) * (spread - np.median(spread))
    tail = tail_of(n_all)
    low, high = np.quantile(spread, (tail, 1 - tail))
    return Comparison(
        champion="",
        rows="",
        n_rows=len(everything),
        champion_score=theirs,
        challenger_score=ours,
        difference=float(point),
        interval=(float(low), float(high)),
        share=float((spread > 0).mean()),
        n_units=n_all,
        confidence=min(float((spread > 0).mean()), confidence(float(point), spread, n_all)),
    )


def confidence(point: float, spread: np.ndarray, n_units: int) -> float:
    """That a difference is above 0, by Student's distribution: it tells few units and very small chances from none, which
    a share of some hundred resamples cannot."""
    from scipy.special import stdtr

    error = float(spread.std()) * np.sqrt(n_units / max(1, n_units - 1))
    if error == 0:
        return float(point > 0)
    return float(stdtr(max(1, n_units - 1), point / error))


def _difference(metric: str, draw: np.ndarray, challenger: Score, champion: Score) -> list[float]:
    """How much better the challenger is in one draw; nothing where the metric has no value there."""
    try:
        return [oriented(metric, challenger(draw)) - oriented(metric, champion(draw))]
    except DataError:
        return []


def _score_of(answers: Answers, problem: Problem) -> Score:
    def of(rows: np.ndarray) -> float:
        some = answers.take(rows)
        return score(problem.metric, some.truth, some.prediction, some.weight, problem)

    return of


def _under(problem: Problem, prediction: np.ndarray, known: tuple[Label, ...]) -> np.ndarray:
    """Probabilities of `known` classes as those of the problem [n_rows, n_classes], objects likewise; values as they are."""
    classes = problem.classes
    if not classes:
        return prediction
    if problem.answers == "boxes":
        return recoded(prediction, known, classes)
    places = {str(label): place for place, label in enumerate(known)}
    found = np.zeros((len(prediction), len(classes)))
    for code, label in enumerate(classes):
        if str(label) in places:
            found[:, code] = prediction[:, places[str(label)]]
    return found
