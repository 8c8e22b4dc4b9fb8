"""What good means for forecasts: errors over series and origins, measured by the past of each series.

Azure's regression metrics in their forecasting form (the normalized ones are means over series, the others pool all
stamps), and those of the forecasting literature. Formulas take many forecasts at once, because votes are chosen by
thousands of them. Not here: names and directions (`metrics`), making forecasts, drawing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.forecasting.records import MEDIAN, ForecastProblem, Panel
from automl_assets.records import Problem

Formula = Callable[["ForecastTruth", np.ndarray, np.ndarray], np.ndarray]

OF_QUANTILES = ("WQL", "pinball_loss")  # metrics of how well quantiles, not only points, are forecast
CENTRAL = (0.8, 0.95)  # intervals whose coverage is told
BY_ORIGIN, BY_SERIES = (
    ("y", "seasonal_naive", "naive2"),
    ("scales", "error_scales", "squares"),
)  # what a truth works out when asked
SEASONAL_SIGN = 1.645  # of an autocorrelation: standard errors that 90 % of white noise keeps below, as in M4


@dataclass(frozen=True)
class ForecastTruth:
    """What came next at some origins, and the past by which errors are measured."""

    learnt: Panel  # the rows that scales and ranges are taken from
    whole: Panel  # the same series with all that came next
    ends: np.ndarray  # int64 [n_windows, n_series], rows known at each origin; -1 where a series takes no part
    horizon: int
    season: int
    levels: tuple[float, ...]  # of quantiles
    floor: float = -np.inf  # below which no quantile lies

    @cached_property
    def y(self) -> np.ndarray:
        """Float64 [n_windows, n_series, horizon]; NaN where nothing came, or a value was made up."""
        steps = self.ends[:, :, None] + np.arange(self.horizon)
        is_there = (self.ends[:, :, None] >= 0) & (steps < self.whole.lengths[:, None])
        rows = np.where(is_there, self.whole.offsets[:-1, None] + steps, 0)
        return np.where(is_there & ~self.whole.is_filled[rows], self.whole.y[rows], np.nan)

    def part(self, windows: np.ndarray, series: np.ndarray) -> "ForecastTruth":
        """The chosen origins and series alone, by number or by mask; what has been worked out is not again."""
        ends, known = self.ends[windows][:, series], self.__dict__
        part = replace(self, learnt=self.learnt.of(series), whole=self.whole.of(series), ends=ends)
        part.__dict__.update({name: known[name][windows][:, series] for name in BY_ORIGIN if name in known})
        part.__dict__.update({name: known[name][series] for name in BY_SERIES if name in known})
        return part

    def only(self, kept: np.ndarray) -> "ForecastTruth":
        """The same as if nothing had come but what is kept, bool [n_windows, n_series, horizon]."""
        again, known = replace(self), self.__dict__
        again.__dict__.update({name: known[name] for name in (*BY_ORIGIN, *BY_SERIES) if name in known})
        again.__dict__["y"] = np.where(kept, self.y, np.nan)  # in place of what `y` would work out
        return again

    def beside(self, window: int) -> tuple[np.ndarray, "ForecastTruth"]:
        """The origins that look at no stamp that this one looks at, by number, and what came next there; where there are
        none, all others without the stamps they share with it. What overlaps is no evidence of its own."""
        both = (self.ends >= 0) & (self.ends[window] >= 0)
        distances = np.where(both, self.ends - self.ends[window], self.horizon)
        every, numbers = np.arange(self.learnt.n_series), np.arange(len(self.ends))
        apart = np.flatnonzero((np.abs(distances) >= self.horizon).all(axis=1) & (numbers != window))
        if len(apart):
            return apart, self.part(apart, every)
        others = np.flatnonzero(numbers != window)
        steps = distances[others][:, :, None] + np.arange(self.horizon)  # after the origin of the window
        is_own = (steps < 0) | (steps >= self.horizon)
        part = self.part(others, every)
        return others, part.only(part.is_known & is_own)

    @cached_property
    def n_apart(self) -> float:
        """As how many origins that do not overlap these are worth."""
        known = np.where(self.ends >= 0, self.ends.astype(np.float64), np.nan)
        spans = np.nanmax(known, axis=0, initial=0) - np.nanmin(known, axis=0, initial=np.inf)
        return float(np.clip(1 + spans.max(initial=0) / self.horizon, 1, len(self.ends)))

    @cached_property
    def is_known(self) -> np.ndarray:
        return np.isfinite(self.y)

    @cached_property
    def counts(self) -> np.ndarray:
        """Known values of each series, int64 [n_series]."""
        return self.is_known.sum(axis=(0, 2))

    @cached_property
    def scales(self) -> np.ndarray:
        return scales(self.learnt, self.season)

    @cached_property
    def error_scales(self) -> np.ndarray:
        return error_scales(self.learnt, self.season)

    @cached_property
    def squares(self) -> np.ndarray:
        """Mean squared difference from one stamp to the next since the first demand, as M5 has it, float64 [n_series]."""
        return np.array([_typical_difference(_since_demand(y), 1, np.square) for y in self.learnt.series()])

    @cached_property
    def limits(self) -> np.ndarray:
        """Least and greatest value learnt, float64 [2, n_series]."""
        return np.array([(y.min(), y.max()) if len(y) else (0.0, 0.0) for y in self.learnt.series()]).reshape(-1, 2).T

    @cached_property
    def seasonal_naive(self) -> np.ndarray:
        """The last season once more, float64 [n_windows, n_series, horizon]; NaN where a series takes no part."""
        return repeated_season(self.whole, self.ends, self.season, self.horizon)

    @cached_property
    def naive2(self) -> np.ndarray:
        """The last value of the seasonally adjusted series, as M4 has it; shaped like `seasonal_naive`."""
        found = np.full((*self.ends.shape, self.horizon), np.nan)
        starts = self.whole.offsets[:-1]
        for (window, number), end in np.ndenumerate(self.ends):
            if end > 0:
                history = self.whole.y[starts[number] : starts[number] + end]
                found[window, number] = _naive2(history, self.season, self.horizon)
        return found


def scales(panel: Panel, season: int) -> np.ndarray:
    """What a usual step of each series is: its mean absolute seasonal difference, float64 [n_series], above zero."""
    return np.array([_typical_difference(y, season, np.abs) for y in panel.series()])


def error_scales(panel: Panel, season: int) -> np.ndarray:
    """What a usual error of each series is likely to be, as its past says: as `scales`, but of a series that has never
    changed as if after all its steps one more came, of its own size (Laplace's rule of succession).

    So the interval of a series that stood at 500 for a hundred stamps does not begin below zero.
    """
    every = zip(panel.series(), scales(panel, season), strict=True)
    return np.array([scale / _n_still(y, season) for y, scale in every])


def _n_still(y: np.ndarray, season: int) -> int:
    """How often a series could have changed and did not, and once more; 1 for one that changes."""
    lag = season if len(y) > season else 1
    differences = y[lag:] - y[:-lag]
    if differences.any() or not len(differences):
        return 1
    return len(y) if y.max() == y.min() else len(differences) + 1  # the latter repeats its season


def _typical_difference(y: np.ndarray, season: int, size: Callable[[np.ndarray], np.ndarray]) -> float:
    """A series too short for its season is measured from stamp to stamp, a constant one by its own size, else by 1."""
    lag = season if len(y) > season else 1
    differences = size(y[lag:] - y[:-lag])
    candidates = (differences, size(y), np.ones(1))
    return next(float(values.mean()) for values in candidates if len(values) and values.mean() > 0)


def _since_demand(y: np.ndarray) -> np.ndarray:
    """A series from its first value that is not zero on; all of one that has none."""
    return y[np.argmax(y != 0) :] if y.any() else y


def repeated_season(panel: Panel, ends: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """The season before each end once more, or what there is of it, float64 [n_windows, n_series, horizon]."""
    length = np.clip(ends, 1, max(1, season))[:, :, None]
    rows = panel.offsets[:-1, None] + ends[:, :, None] - length + np.arange(horizon) % length
    is_there = np.broadcast_to(ends[:, :, None] > 0, rows.shape)
    return np.where(is_there, panel.y[np.where(is_there, rows, 0)], np.nan)


def _naive2(y: np.ndarray, season: int, horizon: int) -> np.ndarray:
    factors = _seasonal_factors(y, season) if season > 1 and _is_seasonal(y, season) else np.ones(1)
    ahead = np.arange(len(y), len(y) + horizon) % len(factors)
    return y[-1] / factors[(len(y) - 1) % len(factors)] * factors[ahead]


def _is_seasonal(y: np.ndarray, season: int) -> bool:
    """The autocorrelation at the season's lag stands out from those before it."""
    centred = y - y.mean()
    total = centred @ centred
    if len(y) < 3 * season or total == 0 or y.min() <= 0:
        return False
    correlations = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / total
    limit = SEASONAL_SIGN * np.sqrt((1 + 2 * (correlations[:-1] @ correlations[:-1])) / len(y))
    return bool(abs(correlations[-1]) > limit)


def _seasonal_factors(y: np.ndarray, season: int) -> np.ndarray:
    """Of a classical multiplicative decomposition, by position in the season from the first row on [season]."""
    window = np.ones(season) if season % 2 else np.concatenate([[0.5], np.ones(season - 1), [0.5]])
    trend = np.convolve(y, window / season, mode="valid")
    first = (len(window) - 1) // 2
    ratios = y[first : first + len(trend)] / trend
    places = (first + np.arange(len(trend))) % season
    factors = np.array([ratios[places == place].mean() for place in range(season)])
    return factors / factors.mean()


def score(name: str, truth: ForecastTruth, point: np.ndarray, quantiles: np.ndarray | None = None) -> float:
    """One metric of forecasts [n_windows, n_series, horizon]; NaN where these series give it no value.

    `quantiles` [n_windows, n_series, horizon, n_levels]; without them every quantile is the point.
    """
    return float(scores_of_each(name, truth, point, quantiles))


def scores_of_each(
    name: str, truth: ForecastTruth, points: np.ndarray, quantiles: np.ndarray | None = None
) -> np.ndarray:
    """One metric of many forecasts [..., n_windows, n_series, horizon], float64 [...]."""
    return values_of(FORMULAS[name], truth, points, quantiles)


def values_of(
    formula: Formula, truth: ForecastTruth, points: np.ndarray, quantiles: np.ndarray | None = None
) -> np.ndarray:
    """The same by the formula of a metric."""
    if not truth.is_known.any():
        return np.full(points.shape[:-3], np.nan)
    answers = points[..., None] if quantiles is None else quantiles
    with np.errstate(invalid="ignore", divide="ignore"):
        return formula(truth, points, answers)


def all_scores(truth: ForecastTruth, point: np.ndarray, quantiles: np.ndarray | None = None) -> dict[str, float]:
    """Every metric that has a value for these forecasts."""
    found = {name: score(name, truth, point, quantiles) for name in metrics.metric_names("forecasting")}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def problem_truth(
    panel: Panel, ends: np.ndarray, problem: ForecastProblem, learnt: Panel | None = None
) -> ForecastTruth:
    """What came next in a panel, as the problem asks for it; `learnt` when models have seen only a part of the panel."""
    return ForecastTruth(
        learnt or panel, panel, ends, problem.horizon, problem.season, problem.quantiles, problem.floor
    )


def coverage(truth: ForecastTruth, quantiles: np.ndarray) -> dict[str, float]:
    """Share of values inside each central interval that the levels have, as `coverage_80`; nothing without any."""
    found: dict[str, float] = {}
    for share in CENTRAL if np.isfinite(quantiles[truth.is_known]).any() else ():
        ends = [_level(truth.levels, (1 - share) / 2), _level(truth.levels, (1 + share) / 2)]
        if None not in ends:
            low, high = quantiles[..., ends[0]], quantiles[..., ends[1]]
            inside = (low <= truth.y) & (truth.y <= high)
            found[f"coverage_{share:.0%}".removesuffix("%")] = float(inside[truth.is_known].mean())
    return found


def _level(levels: tuple[float, ...], wished: float) -> int | None:
    return next((place for place, level in enumerate(levels) if abs(level - wished) < 1e-9), None)


def median_head(answers: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
    """The point of forecasts [..., n_heads]: the only head, or the median's."""
    return answers[..., 0 if answers.shape[-1] == 1 else levels.index(MEDIAN)]


# Means


def _of_series(values: np.ndarray, truth: ForecastTruth) -> np.ndarray:
    """Mean over known values of each series that has some [..., n_judged]."""
    totals = np.where(truth.is_known, values, 0.0).sum(axis=(-3, -1))
    is_judged = truth.counts > 0
    return totals[..., is_judged] / truth.counts[is_judged]


def _of_all(values: np.ndarray, truth: ForecastTruth) -> np.ndarray:
    """Mean over all known values [...]."""
    return np.where(truth.is_known, values, 0.0).sum(axis=(-3, -2, -1)) / truth.is_known.sum()


def _spans(truth: ForecastTruth) -> np.ndarray:
    """Range of each judged series; one that never changed is measured by its scale."""
    low, high = truth.limits
    return np.where(high > low, high - low, truth.scales)[truth.counts > 0]


# Of each series, [..., n_judged]


def _normalized_mean_absolute(truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    return _of_series(np.abs(points - truth.y), truth) / _spans(truth)


def _normalized_root_mean_squared(truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    return np.sqrt(_of_series((points - truth.y) ** 2, truth)) / _spans(truth)


def _normalized_root_mean_squared_log(truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    low, high = (np.log1p(limit)[truth.counts > 0] for limit in truth.limits)
    return np.sqrt(_of_series((np.log1p(points) - np.log1p(truth.y)) ** 2, truth)) / (high - low)


def _normalized_median_absolute(truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    errors = np.where(truth.is_known, np.abs(points - truth.y), np.nan)[..., truth.counts > 0, :]
    return np.nanmedian(errors, axis=(-3, -1)) / _spans(truth)


def _mean_absolute_scaled(truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    """MASE (Hyndman and Koehler 2006)."""
    return _of_series(np.abs(points - truth.y), truth) / truth.scales[truth.counts > 0]


def _root_mean_squared_scaled(truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    """RMSSE (M5, Makridakis et al. 2022): beside the naive forecast, whatever the season."""
    return np.sqrt(_of_series((points - truth.y) ** 2, truth) / truth.squares[truth.counts > 0])


def _symmetric_percentage(truth: ForecastTruth, points: np.ndarray) -> np.ndarray:
    """sMAPE in percent, 0 to 200 (M4)."""
    size = np.abs(points) + np.abs(truth.y)
    shares = np.divide(2 * np.abs(points - truth.y), size, out=np.zeros_like(size), where=~(size == 0))
    return 100 * _of_series(shares, truth)


OF_SERIES: dict[str, Callable[[ForecastTruth, np.ndarray], np.ndarray]] = {
    "MASE": _mean_absolute_scaled,
    "RMSSE": _root_mean_squared_scaled,
    "normalized_mean_absolute_error": _normalized_mean_absolute,
    "normalized_median_absolute_error": _normalized_median_absolute,
    "normalized_root_mean_squared_error": _normalized_root_mean_squared,
    "normalized_root_mean_squared_log_error": _normalized_root_mean_squared_log,
    "sMAPE": _symmetric_percentage,
}


NAIVE2 = {"MASE": "MASE_of_naive2", "sMAPE": "sMAPE_of_naive2"}  # what OWA compares, and with what


def by_series(truth: ForecastTruth, point: np.ndarray, quantiles: np.ndarray | None = None) -> pl.DataFrame:
    """What is known of each series that has known values: their number, mean errors, mean size, and its own metrics;
    enough for `pooling` to measure any series together."""
    is_judged = truth.counts > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return pl.DataFrame(
            {
                "series": [name for name, judged in zip(truth.learnt.names, is_judged, strict=True) if judged],
                "n_rows": truth.counts[is_judged],
                **_means_of_series(truth, point),
                "pinball_loss": _pinball_of_series(truth, point[..., None] if quantiles is None else quantiles),
                **{name: of_series(truth, point) for name, of_series in OF_SERIES.items()},
                **{column: OF_SERIES[name](truth, truth.naive2) for name, column in NAIVE2.items()},
            },
            schema_overrides={"series": pl.String},
        )


def _means_of_series(truth: ForecastTruth, point: np.ndarray) -> dict[str, np.ndarray]:
    """Means over the stamps of each series [n_judged], by name."""
    errors, y = point - truth.y, truth.y
    has_share = truth.is_known & (y != 0)
    n_shares = has_share.sum(axis=(0, 2))[truth.counts > 0]
    shares = np.where(has_share, np.abs(errors / y), 0.0)
    centres = np.zeros(len(truth.counts))
    centres[truth.counts > 0] = _of_series(y, truth)
    return {
        "mean_absolute_error": _of_series(np.abs(errors), truth),
        "mean_squared_error": _of_series(errors**2, truth),
        "mean_squared_log_error": _of_series((_log(point) - _log(y)) ** 2, truth),
        "mean_error": _of_series(errors, truth),
        "mean_size": _of_series(np.abs(y), truth),
        "mean_value": centres[truth.counts > 0],
        "variance": _of_series((y - centres[:, None]) ** 2, truth),
        "n_percentages": n_shares,
        "mean_percentage": _of_series(shares, truth) * truth.counts[truth.counts > 0] / np.maximum(n_shares, 1),
    }


def _log(values: np.ndarray) -> np.ndarray:
    """Of values and one; what is below zero has none."""
    return np.where(values >= 0, np.log1p(np.maximum(values, 0.0)), np.nan)


def _pinball_of_series(truth: ForecastTruth, answers: np.ndarray) -> np.ndarray:
    return np.mean([_of_series(loss, truth) for loss in pinball_losses(truth, answers)], axis=0)


def _mean_over_series(truth, points, answers, name: str) -> np.ndarray:
    return OF_SERIES[name](truth, points).mean(axis=-1)


def _overall_weighted(truth, points, answers) -> np.ndarray:
    """OWA (M4): the mean of MASE and sMAPE, each as a share of what the seasonally adjusted naive forecast has."""
    pair = (_mean_absolute_scaled, _symmetric_percentage)
    return np.mean([one(truth, points).mean(axis=-1) / one(truth, truth.naive2).mean() for one in pair], axis=0)


# Formulas: all stamps pooled


def _mean_absolute(truth, points, answers) -> np.ndarray:
    return _of_all(np.abs(points - truth.y), truth)


def _root_mean_squared(truth, points, answers) -> np.ndarray:
    return np.sqrt(_of_all((points - truth.y) ** 2, truth))


def _percentage(truth, points, answers) -> np.ndarray:
    """MAPE in percent, over values that are not zero."""
    has_share = truth.is_known & (truth.y != 0)
    shares = np.where(has_share, np.abs((points - truth.y) / truth.y), 0.0)
    return 100 * shares.sum(axis=(-3, -2, -1)) / has_share.sum()


def _weighted_percentage(truth, points, answers) -> np.ndarray:
    """WAPE: the sum of absolute errors as a share of the sum of absolute values."""
    return _of_all(np.abs(points - truth.y), truth) / _of_all(np.abs(truth.y), truth)


def _pooled(truth, points, answers, name: str) -> np.ndarray:
    """A metric of rows over all known values; NaN where they do not give it a value."""
    known, problem = truth.y[truth.is_known], Problem("forecasting", name)
    rows = points[..., truth.is_known].reshape(-1, len(known))
    found = [metrics.scores_of((name,), known, row, None, problem) for row in rows]
    return np.array([one.get(name, np.nan) for one in found]).reshape(points.shape[:-3])


def _pinball(truth, points, answers) -> np.ndarray:
    """Mean over stamps and quantiles (Koenker and Bassett 1978)."""
    return np.mean(_pinballs(truth, answers), axis=0)


def _weighted_quantile(truth, points, answers) -> np.ndarray:
    """WQL: twice the pinball loss as a share of the sum of absolute values, the mean over quantiles."""
    return 2 * np.mean(_pinballs(truth, answers), axis=0) / _of_all(np.abs(truth.y), truth)


def _pinballs(truth: ForecastTruth, answers: np.ndarray) -> list[np.ndarray]:
    """The mean of each quantile's losses [n_levels][...]."""
    return [_of_all(of_one, truth) for of_one in pinball_losses(truth, answers)]


def pinball_losses(truth: ForecastTruth, answers: np.ndarray) -> list[np.ndarray]:
    """Of each quantile the loss at every stamp [n_levels][..., n_windows, n_series, horizon]."""
    every = np.broadcast_to(answers, (*answers.shape[:-1], len(truth.levels)))
    errors = [truth.y - every[..., place] for place in range(len(truth.levels))]
    return [np.maximum(q * error, (q - 1) * error) for q, error in zip(truth.levels, errors, strict=True)]


POOLED = (
    *("explained_variance", "median_absolute_error", "r2_score"),
    *("root_mean_squared_log_error", "spearman_correlation"),
)
FORMULAS: dict[str, Formula] = {
    "OWA": _overall_weighted,
    "WAPE": _weighted_percentage,
    "WQL": _weighted_quantile,
    "mean_absolute_error": _mean_absolute,
    "mean_absolute_percentage_error": _percentage,
    "pinball_loss": _pinball,
    "root_mean_squared_error": _root_mean_squared,
    **{name: partial(_mean_over_series, name=name) for name in OF_SERIES},
    **{name: partial(_pooled, name=name) for name in POOLED},
}
