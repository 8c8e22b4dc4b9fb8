"""challenge: champion and challenger on the same stamps of the same series, and how sure it is that one is better.

Series are drawn again and again, and the metric of the evaluation is taken of all that is drawn; of few series, stretches
of time are drawn. Where the same stamps judge one challenger after another, chance adds up, and `steps.promote` asks for
more each time; stamps that came since then are new evidence. Not here: who answers then.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from automl_assets.data.row_ids import identities, kinds, sample, shuffled
from automl_assets.errors import DataError
from automl_assets.forecasting.metrics import ForecastTruth, by_series, score
from automl_assets.forecasting.pooling import POOLED, pooled
from automl_assets.forecasting.records import ForecastEnsemble, ForecastProblem, Group, Panel
from automl_assets.forecasting.steps import backtest
from automl_assets.forecasting.steps.evaluate import backtest_quantiles, tested
from automl_assets.forecasting.steps.export import raw_rows
from automl_assets.metrics import oriented
from automl_assets.model_records import Comparison, TrainingData
from automl_assets.steps.challenge import confidence

if TYPE_CHECKING:
    import pandas as pd

MOST_SERIES = 300  # of each group, a seeded sample: the champion is asked about one after the other
FEW_SERIES = 10  # below which stretches of time are drawn, where there are more of them
RESAMPLES = 1000
RECOMPUTED = 400  # resamples, where each takes the whole metric anew
SURE = 0.975  # either end of an interval of 95 %
LEAST_STAMPS = 10  # that the champion has not learnt from; with fewer all are taken, though that flatters it

Ask = Callable[[pl.DataFrame], "pd.DataFrame"]  # raw rows -> what the served model answers


@dataclass(frozen=True)
class Heads:
    """Forecasts of one model: point [n_windows, n_series, horizon], quantiles [n_windows, n_series, horizon, n_levels]."""

    point: np.ndarray
    quantiles: np.ndarray

    def part(self, windows: np.ndarray, series: np.ndarray) -> "Heads":
        return Heads(self.point[windows][:, series], self.quantiles[windows][:, series])


@dataclass(frozen=True)
class Match:
    """What both models said about one group, and what came."""

    truth: ForecastTruth
    is_fresh: np.ndarray  # bool [n_windows, n_series, horizon], the champion has not learnt from the stamp
    ours: Heads
    theirs: Heads
    is_test: bool

    def only(self, kept: np.ndarray) -> "Match":
        """As if nothing had come but what is kept, bool [n_windows, n_series, horizon]."""
        return replace(self, truth=self.truth.only(kept))

    def part(self, windows: np.ndarray, series: np.ndarray) -> "Match":
        """The numbered origins and series, each as often as it is named."""
        ours, theirs = self.ours.part(windows, series), self.theirs.part(windows, series)
        fresh = self.is_fresh[windows][:, series]
        return Match(self.truth.part(windows, series), fresh, ours, theirs, self.is_test)

    def at(self, windows: np.ndarray) -> "Match":
        return self.part(windows, np.arange(self.truth.learnt.n_series))

    def of(self, series: np.ndarray) -> "Match":
        return self.part(np.arange(len(self.truth.ends)), series)

    def scores(self, metric: str) -> np.ndarray:
        """Of both models, float64 [2]."""
        return np.array([score(metric, self.truth, heads.point, heads.quantiles) for heads in (self.ours, self.theirs)])


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
    return is_new[_rows_ahead(truth)] & truth.is_known


def _rows_ahead(truth: ForecastTruth) -> np.ndarray:
    """The row of each stamp to be forecast, [n_windows, n_series, horizon]; 0 where nothing is known of it."""
    rows = truth.whole.offsets[:-1, None] + truth.ends[:, :, None] + np.arange(truth.horizon)
    return np.where(truth.is_known, rows, 0)


def _identities(truth: ForecastTruth) -> np.ndarray:
    """Of the stamps to be forecast."""
    return identities(_stamps(truth.whole.names, truth.whole))[_rows_ahead(truth)[truth.is_known]]


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
    """Which model forecasts better, by the metric that an evaluation has of all that is drawn together. Raises DataError
    where it has no value."""
    n_fresh, n_all = (sum(int(kept.sum()) for kept in every) for every in (
        [one.is_fresh for one in matches], [one.truth.is_known for one in matches]))  # fmt: skip
    if n_fresh >= min(LEAST_STAMPS, n_all):
        matches = [one.only(one.is_fresh) for one in matches]
        words = (
            "from which neither learnt" if all(one.is_test for one in matches) else "which the champion has not seen"
        )
    else:
        words = f"of which the champion learnt from {n_all - n_fresh}, which flatters it"
    units = _units(metric, matches)
    found = _drawn(metric, units, np.random.default_rng(seed))
    n_stamps = sum(int(one.truth.is_known.sum()) for one in matches)
    judging = np.unique(np.concatenate([_identities(one.truth) for one in matches]))
    return replace(found, rows=f"{units.words} ({n_stamps} stamps, {words})", sample=sample(judging))


# What is drawn


class Units(Protocol):
    """What is drawn as a whole, because errors within it are alike."""

    @property
    def words(self) -> str: ...

    @property
    def n_units(self) -> int: ...

    def scores(self, counts: np.ndarray) -> np.ndarray:
        """The metric of both models where each unit counts so often, int64 [n_draws, n_units] -> [n_draws, 2]."""
        ...


def _units(metric: str, matches: Sequence[Match]) -> Units:
    """Series; of few series blocks of time, where there are more of them."""
    series = _series(metric, matches)
    if len(matches) == 1 and series.n_units < FEW_SERIES:
        blocks = _blocks(metric, matches[0])
        if blocks.n_units > max(1, series.n_units) and np.isfinite(blocks.scores(np.ones((1, blocks.n_units)))).all():
            return blocks
    if series.n_units < 2:
        n_stamps = sum(int(one.truth.is_known.sum()) for one in matches) if series.n_units else 0
        raise DataError(f"{metric} has a value for {n_stamps} stamps, which is too few to compare")
    return series


@dataclass(frozen=True)
class SeriesUnits:
    """Series of all groups, each with all that is known of it."""

    metric: str
    tables: tuple[pl.DataFrame, pl.DataFrame]  # what is known of each series of ours and of theirs
    words: str = "series"

    @property
    def n_units(self) -> int:
        return self.tables[0].height

    def scores(self, counts: np.ndarray) -> np.ndarray:
        return np.stack([pooled(self.metric, table, counts) for table in self.tables], axis=1)


@dataclass(frozen=True)
class RankedUnits:
    """The same for a metric that needs every stamp: each group's is recomputed, and they count by their stamps."""

    metric: str
    matches: tuple[Match, ...]  # without series that have no stamp
    words: str = "series"

    @property
    def n_units(self) -> int:
        return sum(one.truth.learnt.n_series for one in self.matches)

    def scores(self, counts: np.ndarray) -> np.ndarray:
        ends = np.cumsum([one.truth.learnt.n_series for one in self.matches])[:-1]
        return np.array([self._of(np.split(drawn.astype(np.int64), ends)) for drawn in counts])

    def _of(self, drawn: Sequence[np.ndarray]) -> np.ndarray:
        """Of both models [2], from how often each series of each group counts."""
        series = [np.repeat(np.arange(len(often)), often) for often in drawn]
        some = [one.of(chosen) for one, chosen in zip(self.matches, series, strict=True) if len(chosen)]
        n_stamps = [int(one.truth.counts.sum()) for one in some]
        return np.average([one.scores(self.metric) for one in some], axis=0, weights=n_stamps)


def _series(metric: str, matches: Sequence[Match]) -> SeriesUnits | RankedUnits:
    """Those that have a value with both models."""
    if metric not in POOLED:
        judged = [one.of(np.flatnonzero(one.truth.counts)) for one in matches]
        return RankedUnits(metric, tuple(one for one in judged if one.truth.learnt.n_series))
    columns = POOLED[metric].columns
    ours, theirs = (
        pl.concat([by_series(one.truth, heads.point, heads.quantiles) for one, heads in pairs])
        for pairs in ([(one, one.ours) for one in matches], [(one, one.theirs) for one in matches])
    )
    has_value = np.isfinite(np.hstack([table.select(columns).to_numpy() for table in (ours, theirs)])).all(axis=1)
    return SeriesUnits(metric, (ours.filter(pl.Series(has_value)), theirs.filter(pl.Series(has_value))))


@dataclass(frozen=True)
class BlockUnits:
    """Stretches of time, each with all series: what follows one another is alike."""

    metric: str
    match: Match
    blocks: tuple[np.ndarray, ...]  # numbers of windows of the match
    words: str

    @property
    def n_units(self) -> int:
        return len(self.blocks)

    def scores(self, counts: np.ndarray) -> np.ndarray:
        return np.array([self._of(drawn.astype(np.int64)) for drawn in counts])

    def _of(self, often: np.ndarray) -> np.ndarray:
        windows = np.concatenate([self.blocks[number] for number in np.repeat(np.arange(len(often)), often)])
        return self.match.at(windows).scores(self.metric)


def _blocks(metric: str, one: Match) -> BlockUnits:
    """Origins, as many together as overlap; of a single one neighbouring stamps."""
    windows = np.flatnonzero(one.truth.is_known.any(axis=(1, 2)))
    if len(windows) == 1:
        return _blocks_of_stamps(metric, one.at(windows))
    length = _n_overlapping(one.truth)
    blocks = tuple(windows[start : start + length] for start in range(0, len(windows), length))
    return BlockUnits(metric, one, blocks, f"blocks of {length} origins" if length > 1 else "origins")


def _n_overlapping(truth: ForecastTruth) -> int:
    """How many origins in a row look at the same stamps."""
    steps = np.diff(truth.ends, axis=0)[(truth.ends[:-1] >= 0) & (truth.ends[1:] >= 0)]
    return int(np.ceil(truth.horizon / max(1, steps.min(initial=truth.horizon))))


def _blocks_of_stamps(metric: str, one: Match) -> BlockUnits:
    """Each as if it were an origin of its own."""
    is_asked = np.flatnonzero(one.truth.is_known.any(axis=(0, 1)))
    length = int(np.ceil(np.sqrt(len(is_asked))))
    parts = [is_asked[start : start + length] for start in range(0, len(is_asked), length)]
    cut = one.at(np.zeros(len(parts), np.int64))
    is_own = np.array([np.isin(np.arange(one.truth.horizon), part) for part in parts])[:, None]
    words = f"blocks of {length} stamps ahead" if length > 1 else "stamps ahead"
    return BlockUnits(metric, cut.only(cut.truth.is_known & is_own), tuple(np.arange(len(parts))[:, None]), words)


# Drawing


def _drawn(metric: str, units: Units, random: np.random.Generator) -> Comparison:
    """A paired bootstrap (Efron and Tibshirani 1993) over units."""
    n, n_draws = units.n_units, RESAMPLES if isinstance(units, SeriesUnits) else RECOMPUTED
    ours, theirs = units.scores(np.ones((1, n)))[0]
    scores = units.scores(random.multinomial(n, np.full(n, 1 / n), n_draws).astype(np.float64))
    found = oriented(metric, 1.0) * (scores[:, 0] - scores[:, 1])
    found, point = found[np.isfinite(found)], float(oriented(metric, ours) - oriented(metric, theirs))
    spread = _as_wide_as_few_are(found, n)
    share = float((spread > 0).mean())
    low, high = np.quantile(spread, (0.025, 0.975))
    return Comparison(
        champion="",
        rows="",
        n_rows=n,
        champion_score=float(theirs),
        challenger_score=float(ours),
        difference=point,
        interval=(float(low), float(high)),
        share=share,
        n_units=n,
        confidence=min(share, confidence(point, found, n)),
    )


def _as_wide_as_few_are(spread: np.ndarray, n_units: int) -> np.ndarray:
    """A bootstrap of few units is too narrow by what parts Student's quantiles from a normal's (Hesterberg 2015)."""
    from scipy.stats import t

    factor = t.ppf(SURE, n_units - 1) / NormalDist().inv_cdf(SURE) * np.sqrt(n_units / (n_units - 1))
    middle = np.median(spread)
    return middle + factor * (spread - middle)
