"""What a regression over lags looks at: values up to an origin, and what is known of the stamp to be forecast.

Here belong the rules (`LagFeatures`) and their arithmetic over many rows at once. The same in ONNX is in `lagged_graph`; what
learns from the rows, and how a forecast is rolled forward, is in `algorithms/forecasting`.
Everything is measured from a level and in units of a scale, so that series of any size learn together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from automl_assets.forecasting.features.calendar import Calendar, calendar_features
from automl_assets.forecasting.features.stl import Decomposition
from automl_assets.forecasting.records import Panel
from automl_assets.stored import stored_as

CHUNK = 4096  # rows whose past is held at once
SEASONS = 4  # same-season values that are averaged
LEAST_SCALE = 0.1  # of the scale of the whole series: what an origin's own scale is at least
TINY = 1e-12


@stored_as("forecasting.LagFeatures")
@dataclass(frozen=True)
class LagFeatures:
    """Which features there are, and what is learnt: how far a value is from its anchor.

    The anchor is the level (0) or the latest known value of the same season (a period; 1 is the last value), which is
    differencing. Level and scale are those of the whole series, or of the last `local` values before the origin.
    """

    lags: tuple[int, ...]  # 1 is the value at the origin
    windows: tuple[int, ...]  # mean, minimum, maximum and standard deviation of so many last values
    half_lives: tuple[float, ...]  # of exponentially weighted means
    periods: tuple[int, ...]  # of same-season values
    anchor: int
    local: int  # 0: level and scale of the whole series
    is_log: bool
    has_steps: bool  # rows differ in how far they look ahead
    known: tuple[int, ...]  # covariates looked at where the stamp to be forecast is
    past: tuple[int, ...]  # covariates looked at where the origin is
    covariate_lags: tuple[int, ...]  # stamps before
    covariate_window: int  # 0, or the mean of so many last values of known covariates
    n_statics: int
    has_series: bool  # the number of the series is a feature
    horizon: int
    stl: Decomposition | None  # season and trend of the last values
    calendar: Calendar

    @property
    def depth(self) -> int:
        """How many values before and at the origin are looked at."""
        decomposed = self.stl.n_values if self.stl else 1
        longest = max((*self.lags, *self.windows, *(span(life) for life in self.half_lives), self.local, decomposed))
        seasonal = max((_reach(period, self.horizon) for period in self.periods), default=0)
        return max(longest + self.anchor, seasonal, _reach(self.anchor, self.horizon))

    @property
    def covariate_reach(self) -> int:
        """How many rows before the first stamp to be forecast covariates are looked at, at most."""
        return max((1, *(lag + 1 for lag in self.covariate_lags), self.covariate_window)) + self.anchor


def span(half_life: float) -> int:
    """How many values an exponentially weighted mean looks at."""
    return int(np.ceil(4 * half_life))


def _reach(period: int, horizon: int) -> int:
    return -(-horizon // period) * period + (SEASONS - 1) * period if period else 0


@dataclass(frozen=True)
class Places:
    """Where rows stand: after which row of the panel they look ahead, and how far."""

    series: np.ndarray  # int64 [n], number in the panel
    origins: np.ndarray  # int64 [n], row of the value known last
    steps: np.ndarray  # int64 [n], stamps ahead, from 1

    @property
    def targets(self) -> np.ndarray:
        return self.origins + self.steps

    def __len__(self) -> int:
        return len(self.origins)

    def parts(self) -> Iterator["Places"]:
        for first in range(0, len(self), CHUNK):
            yield self.of(slice(first, first + CHUNK))

    def of(self, chosen: "slice | np.ndarray") -> "Places":
        return Places(self.series[chosen], self.origins[chosen], self.steps[chosen])


@dataclass(frozen=True)
class Unit:
    """What a row's values are measured by. Its answer is `anchor + scale * z`."""

    anchor: np.ndarray  # float64 [n]
    level: np.ndarray  # float64 [n]
    scale: np.ndarray  # float64 [n]


@stored_as("forecasting.SeriesScales")
@dataclass(frozen=True)
class Scales:
    """Level and scale of each whole series."""

    level: np.ndarray  # float64 [n_series]
    scale: np.ndarray  # float64 [n_series]

    def of(self, chosen: np.ndarray) -> "Scales":
        return Scales(self.level[chosen], self.scale[chosen])


def scales_of(panel: Panel, y: np.ndarray) -> Scales:
    """Mean and standard deviation; a constant series has the scale of its level, or 1."""
    counts = np.maximum(panel.lengths, 1)
    level = np.add.reduceat(y, panel.offsets[:-1]) / counts
    centred = y - np.repeat(level, panel.lengths)
    spread = np.sqrt(np.add.reduceat(centred**2, panel.offsets[:-1]) / counts)
    floor = np.where(level == 0, 1.0, np.abs(level))
    return Scales(level, np.where(spread > TINY * floor, spread, floor))


# What is known at the origin


def recent(panel: Panel, y: np.ndarray, places: Places, depth: int) -> np.ndarray:
    """The last values at the origins, NaN where there was nothing yet, float64 [n, depth]."""
    rows = places.origins[:, None] + np.arange(1 - depth, 1)
    is_there = rows >= panel.offsets[places.series][:, None]
    return np.where(is_there, y[np.maximum(rows, 0)], np.nan)


def look_back(plan: LagFeatures, past: np.ndarray, steps: np.ndarray, scales: Scales) -> tuple[np.ndarray, Unit]:
    """Features of `past` [n, depth], float64 [n, n_features], and the unit of each row."""
    unit = _unit(plan, past, steps, scales)
    level, scale = unit.level[:, None], unit.scale[:, None]
    spreads = _spreads(plan, past)
    blocks = [(_levels(plan, past) - level) / scale, spreads / scale]
    if plan.periods:
        blocks.append((_seasons(plan, past, steps) - level) / scale)
    if plan.stl:
        blocks += _decomposed(plan.stl, past, steps, unit)
    if plan.anchor:
        blocks += [_differences(plan, past) / scale, (unit.anchor[:, None] - level) / scale]
    if plan.local:
        own = scales.scale[:, None]
        blocks += [(level - scales.level[:, None]) / own, scale / own]
    return np.hstack(blocks), unit


def _unit(plan: LagFeatures, past: np.ndarray, steps: np.ndarray, scales: Scales) -> Unit:
    level, scale = scales.level, scales.scale
    if plan.local:
        level = _mean(past[:, -plan.local :])
        scale = np.maximum(_mean(np.abs(past[:, -plan.local :] - level[:, None])), LEAST_SCALE * scales.scale)
    anchor = level
    if plan.anchor:
        same = _same_season(past, steps, plan.anchor, 0)
        anchor = np.where(np.isnan(same), past[:, -1], same)
    return Unit(anchor, level, scale)


def _levels(plan: LagFeatures, past: np.ndarray) -> np.ndarray:
    """Lags, then mean, minimum and maximum of each window, then exponentially weighted means."""
    columns = [past[:, -lag] for lag in plan.lags]
    for window in plan.windows:
        tail = past[:, -window:]
        columns += [_mean(tail), np.fmin.reduce(tail, axis=1), np.fmax.reduce(tail, axis=1)]
    return np.column_stack(columns + [_weighted(past, life) for life in plan.half_lives])


def _spreads(plan: LagFeatures, past: np.ndarray) -> np.ndarray:
    columns = [_deviation(past[:, -window:]) for window in plan.windows]
    return np.column_stack(columns) if columns else np.empty((len(past), 0))


def _seasons(plan: LagFeatures, past: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Of each period the latest values of the same season, and their mean."""
    blocks = []
    for period in plan.periods:
        values = np.column_stack([_same_season(past, steps, period, ago) for ago in range(SEASONS)])
        blocks += [values[:, :2], _mean(values)[:, None]]
    return np.hstack(blocks)


def _decomposed(stl: Decomposition, past: np.ndarray, steps: np.ndarray, unit: Unit) -> list[np.ndarray]:
    """Season of the stamp to be forecast, trend at the origin and its rise; NaN where too few values are there."""
    tail, scale = past[:, -stl.n_values :], unit.scale[:, None]
    places = (steps - 1) % len(stl.seasonal)
    blocks = [np.einsum("nv,nv->n", tail, stl.seasonal[places])[:, None] / scale]
    if len(stl.trend):
        trend, rise = (tail @ weights for weights in stl.trend)
        blocks += [((trend - unit.level) / unit.scale)[:, None], rise[:, None] / scale]
    return blocks


def _same_season(past: np.ndarray, steps: np.ndarray, period: int, ago: int) -> np.ndarray:
    """The latest value that lies whole periods before the stamp to be forecast, or `ago` periods before it."""
    place = past.shape[1] - 1 + steps - period * (-(-steps // period) + ago)
    return np.take_along_axis(past, place[:, None], axis=1)[:, 0]


def _differences(plan: LagFeatures, past: np.ndarray) -> np.ndarray:
    """Lags and means of how far values are from those a period before."""
    changes = past[:, plan.anchor :] - past[:, : -plan.anchor]
    columns = [changes[:, -lag] for lag in plan.lags]
    columns += [_mean(changes[:, -window:]) for window in plan.windows]
    return np.column_stack(columns + [_weighted(changes, life) for life in plan.half_lives])


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of what is there, [n]; NaN where nothing is."""
    is_there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(is_there, values, 0.0).sum(axis=1) / is_there.sum(axis=1)


def _deviation(values: np.ndarray) -> np.ndarray:
    return np.sqrt(_mean((values - _mean(values)[:, None]) ** 2))


def _weighted(values: np.ndarray, half_life: float) -> np.ndarray:
    tail = values[:, -span(half_life) :]
    weights = decay(half_life, tail.shape[1])
    is_there = ~np.isnan(tail)
    with np.errstate(invalid="ignore"):
        return (np.where(is_there, tail, 0.0) @ weights) / (is_there @ weights)


def decay(half_life: float, length: int) -> np.ndarray:
    """Weights of the last `length` values, the last of them 1, float64 [length]."""
    return 0.5 ** (np.arange(length)[::-1] / half_life)


# What is known of the stamp to be forecast


def look_ahead(plan: LagFeatures, panel: Panel, places: Places, numbers: np.ndarray) -> np.ndarray:
    """Step, calendar, covariates, statics and `numbers` [n_series], float64 [n, n_features]."""
    targets = places.targets
    blocks = [calendar_features(plan.calendar, panel.stamps[targets])]
    blocks += [places.steps[:, None]] if plan.has_steps else []
    blocks += _covariates(plan, panel, places)
    blocks += [panel.statics[places.series]] if plan.n_statics else []
    blocks += [numbers[places.series][:, None]] if plan.has_series else []
    return np.hstack(blocks, dtype=np.float64)


def _covariates(plan: LagFeatures, panel: Panel, places: Places) -> list[np.ndarray]:
    """Known ones at the stamp and before; how they differ from the anchor's stamp; past ones at the origin and before."""
    lags = np.array((0, *plan.covariate_lags))
    blocks = []
    for column in plan.known:
        at_lags = _covariate(panel, column, places, places.targets[:, None] - lags)
        blocks.append(at_lags)
        if plan.covariate_window:
            back = places.targets[:, None] - np.arange(plan.covariate_window)
            blocks.append(_mean(_covariate(panel, column, places, back))[:, None])
        if plan.anchor:
            before = places.targets - plan.anchor * -(-places.steps // plan.anchor)
            blocks.append(at_lags[:, :1] - _covariate(panel, column, places, before[:, None]))
    return blocks + [_covariate(panel, column, places, places.origins[:, None] - lags) for column in plan.past]


def _covariate(panel: Panel, column: int, places: Places, rows: np.ndarray) -> np.ndarray:
    """Values at `rows` [n, k], NaN before the series begins, float64 [n, k]."""
    is_there = rows >= panel.offsets[places.series][:, None]
    return np.where(is_there, panel.covariates[np.maximum(rows, 0), column].astype(np.float64), np.nan)


# Rows of a panel


def column_groups(plan: LagFeatures, covariates: Sequence[str]) -> tuple[str, ...]:
    """What each column of `table` belongs to, in words; covariates by their own names."""
    n_lags, n_windows, n_means = len(plan.lags), len(plan.windows), len(plan.half_lives)
    groups = ["lags"] * n_lags + ["windows"] * (4 * n_windows + n_means) + ["seasons"] * (3 * len(plan.periods))
    groups += (["seasons"] + ["windows"] * len(plan.stl.trend)) if plan.stl else []
    if plan.anchor:
        groups += ["lags"] * n_lags + ["windows"] * (n_windows + n_means) + ["lags"]
    groups += ["windows"] * (2 if plan.local else 0)
    n_parts, n_at = len(plan.calendar.parts), 1 + len(plan.covariate_lags)
    groups += ["calendar"] * n_parts + ["holidays"] * (len(plan.calendar.names) - n_parts)
    groups += ["step"] * plan.has_steps
    for column in plan.known:
        groups += [covariates[column]] * (n_at + bool(plan.covariate_window) + bool(plan.anchor))
    for column in plan.past:
        groups += [covariates[column]] * n_at
    return (*groups, *["statics"] * plan.n_statics, *["series"] * plan.has_series)


def learnable(panel: Panel, horizon: int, n_rows: int, random: np.random.Generator) -> Places:
    """Every pair of an origin and a step within its series, or some of `n_rows` by chance. Made-up targets are left out."""
    series = np.repeat(np.arange(panel.n_series), panel.lengths)
    place = np.arange(len(panel.y)) - panel.offsets[series]  # of each row within its series
    rows = np.flatnonzero((place > 0) & ~panel.is_filled)
    n_pairs = len(rows) * horizon
    pairs = np.arange(n_pairs)
    if n_pairs > n_rows:
        pairs = np.sort(random.choice(n_pairs, n_rows, replace=False, shuffle=False))
    targets, steps = rows[pairs // horizon], pairs % horizon + 1
    is_inside = steps <= place[targets]
    targets, steps = targets[is_inside], steps[is_inside]
    return Places(series[targets], targets - steps, steps)


def ahead(panel: Panel, horizon: int, is_at_once: bool) -> Iterator[Places]:
    """The last `horizon` rows of each series, to be answered at once, or one after another."""
    series = np.arange(panel.n_series)
    first = panel.offsets[1:] - horizon
    if is_at_once:
        steps = np.tile(np.arange(1, horizon + 1), panel.n_series)
        yield Places(np.repeat(series, horizon), np.repeat(first - 1, horizon), steps)
        return
    for step in range(horizon):
        yield Places(series, first + step - 1, np.ones(panel.n_series, np.int64))


def table(
    plan: LagFeatures, panel: Panel, y: np.ndarray, places: Places, scales: Scales, numbers: np.ndarray
) -> tuple[np.ndarray, Unit]:
    """Features of rows, float32 [n, n_features], and the unit of each."""
    blocks, units = [], []
    for part in places.parts():
        past = recent(panel, y, part, plan.depth)
        back, unit = look_back(plan, past, part.steps, scales.of(part.series))
        blocks.append(np.hstack([back, look_ahead(plan, panel, part, numbers)]).astype(np.float32))
        units.append(unit)
    return np.concatenate(blocks), Unit(
        *(np.concatenate([getattr(u, k) for u in units]) for k in ("anchor", "level", "scale"))
    )
