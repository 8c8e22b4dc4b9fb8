"""challenge: champion and challenger on the same stamps of the same series, and how sure it is that one is better.

Series are drawn again and again; where there is one, its origins; where there is one origin, its stamps. Not here: who
answers then (`steps.promote`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from automl_assets.data.row_ids import identities, kinds, shuffled
from automl_assets.errors import DataError
from automl_assets.forecasting.metrics import ForecastTruth, score
from automl_assets.forecasting.records import ForecastEnsemble, ForecastProblem, Group, Panel
from automl_assets.forecasting.steps import backtest
from automl_assets.forecasting.steps.evaluate import backtest_quantiles, tested
from automl_assets.forecasting.steps.export import raw_rows
from automl_assets.model_records import Comparison, TrainingData
from automl_assets.steps.challenge import MOST_RESAMPLES, paired

if TYPE_CHECKING:
    import pandas as pd

MOST_SERIES = 300  # of each group, a seeded sample: the champion is asked about one after the other
LEAST_STAMPS = 10  # that the champion has not learnt from; with fewer all are taken, though that flatters it

Ask = Callable[[pl.DataFrame], "pd.DataFrame"]  # raw rows -> what the served model answers


@dataclass(frozen=True)
class Heads:
    """Forecasts of one model: point [n_windows, n_series, horizon], quantiles [n_windows, n_series, horizon, n_levels]."""

    point: np.ndarray
    quantiles: np.ndarray


@dataclass(frozen=True)
class Match:
    """What both models said about one group, and what came."""

    truth: ForecastTruth
    is_fresh: np.ndarray  # bool [n_windows, n_series, horizon], the champion has not learnt from the stamp
    ours: Heads
    theirs: Heads
    is_test: bool


def learnt_from(groups: Iterable[Group]) -> TrainingData:
    """What the models of these groups answer, and from which stamps of which series."""
    groups = tuple(groups)
    problem, rows = groups[0].problem, [_stamps(group.panel.names, group.panel) for group in groups]
    every = pl.concat(rows)
    return TrainingData(problem.problem, problem.target, kinds(every), identities(every))


def _stamps(names: Sequence[str], panel: Panel) -> pl.DataFrame:
    """Series and stamp of each row."""
    return pl.DataFrame({"series": np.repeat(np.array(names, object), panel.lengths), "stamp": panel.stamps},
                        schema_overrides={"series": pl.String})  # fmt: skip


def has_met(champion: TrainingData, group: Group) -> bool:
    """Whether a champion has learnt from any stamp of a group's series."""
    return bool(np.isin(identities(_stamps(group.panel.names, group.panel)), champion.rows).any())


def match(group: Group, ensemble: ForecastEnsemble, champion: TrainingData, ask: Ask, seed: int) -> Match:
    """Both models on the stamps of a group that are kept for the test, or on its backtest. Raises what `ask` raises."""
    truth, ours, is_test = _ours(group, ensemble)
    chosen = np.sort(np.argsort(shuffled(identities(pl.DataFrame({"series": truth.whole.names})), seed))[:MOST_SERIES])
    every = np.arange(len(truth.ends))
    some = truth.part(every, chosen)
    said = Heads(ours.point[:, chosen], ours.quantiles[:, chosen])
    return Match(some, _is_fresh(some, champion), said, _asked(some, group.problem, ask), is_test)


def _ours(group: Group, ensemble: ForecastEnsemble) -> tuple[ForecastTruth, Heads, bool]:
    if group.test is None or not len(group.test.y):
        truth = backtest.truth(group.panel, group.problem)
        return truth, Heads(ensemble.predictions, backtest_quantiles(ensemble, truth)), False
    truth, rolled = tested(ensemble, group.panel, group.test)
    return truth, Heads(rolled.point, rolled.quantiles), True


def _is_fresh(truth: ForecastTruth, champion: TrainingData) -> np.ndarray:
    """Whether the champion has not learnt from each stamp to be forecast."""
    whole = truth.whole
    is_new = ~np.isin(identities(_stamps(whole.names, whole)), champion.rows)
    rows = whole.offsets[:-1, None] + truth.ends[:, :, None] + np.arange(truth.horizon)
    return is_new[np.where(truth.is_known, rows, 0)] & truth.is_known


def _asked(truth: ForecastTruth, problem: ForecastProblem, ask: Ask) -> Heads:
    """What the served champion says at each origin."""
    point = np.full(truth.y.shape, np.nan)
    quantiles = np.full((*truth.y.shape, len(truth.levels)), np.nan)
    for window, ends in enumerate(truth.ends):
        n_ahead = np.where(ends >= 0, np.clip(truth.whole.lengths - ends, 0, truth.horizon), 0)
        series = np.flatnonzero(n_ahead)
        if not len(series):
            continue
        answer = ask(pl.concat([_rows(truth.whole, int(one), ends, n_ahead, problem) for one in series]))
        places = np.arange(truth.horizon) < n_ahead[series, None]
        point[window, series] = _filled(answer.iloc[:, 1 + len(problem.series)].to_numpy(), places)
        for place, level in enumerate(truth.levels):
            name = f"quantile_{level:g}"
            values = answer[name].to_numpy() if name in answer else np.full(len(answer), np.nan)
            quantiles[window, series, :, place] = _filled(values, places)
    return Heads(point, quantiles)


def _rows(whole: Panel, number: int, ends: np.ndarray, n_ahead: np.ndarray, problem: ForecastProblem) -> pl.DataFrame:
    """Raw rows of one series up to an origin, and those to be forecast."""
    one, end = whole.of(np.array([number])), int(ends[number])
    history, future = one.between(0, end), one.between(end, end + int(n_ahead[number])).hidden(problem)
    return pl.DataFrame(raw_rows(history, future, 0, problem), infer_schema_length=None)


def _filled(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values one after the other at their places, NaN elsewhere."""
    found = np.full(places.shape, np.nan)
    found[places] = values
    return found


def challenge(metric: str, matches: Sequence[Match], seed: int) -> Comparison:
    """Which model forecasts better, by the mean of the metric over what is drawn. Raises DataError where it has none."""
    n_fresh, n_all = (sum(int(kept.sum()) for kept in every) for every in (
        [one.is_fresh for one in matches], [one.truth.is_known for one in matches]))  # fmt: skip
    if n_fresh >= LEAST_STAMPS:
        kept = [one.is_fresh for one in matches]
        words = (
            "from which neither learnt" if all(one.is_test for one in matches) else "which the champion has not seen"
        )
    else:
        kept = [one.truth.is_known for one in matches]
        words = f"of which the champion learnt from {n_all - n_fresh}, which flatters it"
    what, pairs = _pairs(metric, matches, kept)
    found = _drawn(metric, pairs, seed)
    return replace(found, rows=f"{what} ({sum(int(one.sum()) for one in kept)} stamps, {words})")


def _pairs(metric: str, matches: Sequence[Match], kept: Sequence[np.ndarray]) -> tuple[str, np.ndarray]:
    """The metric of both models, float64 [n_units, 2], over series, origins or stamps, whichever there are two of."""
    found = np.empty((0, 2))
    for what, cut in (("series", _by_series), ("origins", _by_origin), ("stamps ahead", _by_stamp)):
        values = [_pair(metric, one, part) for one, keep in zip(matches, kept, strict=True) for part in cut(keep)]
        found = np.array([pair for pair in values if np.isfinite(pair).all()]).reshape(-1, 2)
        if len(found) > 1:
            return what, found
    raise DataError(f"{metric} has a value for {len(found)} stamps, which is too few to compare")


def _by_series(keep: np.ndarray) -> Iterator[np.ndarray]:
    for number in np.flatnonzero(keep.any(axis=(0, 2))):
        yield keep & (np.arange(keep.shape[1])[:, None] == number)


def _by_origin(keep: np.ndarray) -> Iterator[np.ndarray]:
    for window in np.flatnonzero(keep.any(axis=(1, 2))):
        yield keep & (np.arange(len(keep))[:, None, None] == window)


def _by_stamp(keep: np.ndarray) -> Iterator[np.ndarray]:
    for place in np.argwhere(keep):
        only = np.zeros_like(keep)
        only[tuple(place)] = True
        yield only


def _pair(metric: str, one: Match, keep: np.ndarray) -> tuple[float, float]:
    series = np.flatnonzero(keep.any(axis=(0, 2)))
    truth = one.truth.part(np.arange(len(keep)), series).only(keep[:, series])
    ours, theirs = (
        score(metric, truth, heads.point[:, series], heads.quantiles[:, series]) for heads in (one.ours, one.theirs)
    )
    return ours, theirs


def _drawn(metric: str, pairs: np.ndarray, seed: int) -> Comparison:
    random, n = np.random.default_rng(seed), len(pairs)
    draws = (random.integers(0, n, n) for _ in range(MOST_RESAMPLES))
    ours, theirs = (lambda rows: float(pairs[rows, 0].mean())), (lambda rows: float(pairs[rows, 1].mean()))
    return paired(metric, np.arange(n), draws, ours, theirs)
