"""regularize: brings the rows of one group onto the grid, and counts what that took: off the grid, twice, missing, short."""

from dataclasses import dataclass, replace

import numpy as np

from automl_assets.data.time_grid import Grid
from automl_assets.errors import DataError, listed
from automl_assets.experiment.experiment import Experiment
from automl_assets.forecasting.records import Covariate, Panel
from automl_assets.forecasting.steps.build_panel import SeriesRows
from automl_assets.forecasting.steps.fill_gaps import Fills, Spans, filled
from automl_assets.forecasting.steps.plan import Plan

MOST_OFF_GRID = 0.1  # of the rows may lie off the grid; they are left out
LAST_NIGHT_HOUR, CLOCK_MONTHS = 3, (3, 4, 9, 10, 11)  # when clocks are put back, wherever that is
NEVER = 1 << 61  # a number of a period that no stamp has
REDUCED = {"sum": np.add, "mean": np.add, "max": np.fmax, "min": np.fmin}


@dataclass(frozen=True)
class Counts:
    """What the rows of a group were like."""

    rows: int
    without_stamp: int = 0
    off_grid: int = 0  # left out
    moved: int = 0  # to the first or last day of their months
    twice: int = 0  # stamps that came again with the same value
    aggregated: int = 0  # rows that became one with others
    clock_hours: int = 0  # that came twice in the night when clocks are put back
    late: int = 0  # rows of the test file no later than what is learnt from
    filled: int = 0  # rows made up in gaps
    stamps: int = 0  # of the grid, from the first value to the last of each series


@dataclass(frozen=True)
class Regular:
    """The series of a group on the grid, and what they were like before."""

    panel: Panel
    test: Panel | None
    groups: tuple[tuple[str, ...], ...]  # values of the `partition_by` columns [n_series]
    grid: Grid
    counts: Counts
    empty: tuple[str, ...]  # series without a value
    short: tuple[str, ...]  # series shorter than what is needed, and what became of them
    short_way: str
    n_needed: int
    unknown: tuple[str, ...]  # known covariates without a value at stamps of the test file


def regularize(rows: SeriesRows, plan: Plan, experiment: Experiment) -> Regular:
    """The series of a group on the grid. Raises DataError with advice where that cannot be done without a guess."""
    dated = rows.where(~np.isnat(rows.stamps))
    if not (~np.isnan(dated.y) & ~dated.is_ahead).any():
        raise DataError(f'no row has both a stamp and a value of the target "{experiment.target}"; bring such rows')
    learnt = dated.stamps[~dated.is_ahead]
    grid = plan.grid.settled() if experiment.forecasting.aggregate else plan.grid.anchored(learnt)
    counts = Counts(len(rows.y), without_stamp=len(rows.y) - len(dated.y))
    aligned, counts = _aligned(dated, grid, experiment, counts)
    spans = _spans(aligned, grid)
    timely, counts = _timely(aligned, grid, spans, counts)
    single, counts = _single(timely, experiment, plan, counts)
    return _shaped(single, spans, spans.first <= spans.known, _Shape(grid, plan, experiment, counts))


@dataclass(frozen=True)
class Continued:
    """Series as they went on after they were learnt from, and what is asked of them."""

    panel: Panel  # from the first value of each series that has one to the last stamp that is asked
    n_ahead: np.ndarray  # int64 [n_series], stamps at the end of each series that are to be forecast
    asked: SeriesRows  # the rows of those stamps
    steps: np.ndarray  # int64 [n_asked], which of the stamps to be forecast each of them is, from 0


def continue_series(rows: SeriesRows, plan: Plan, experiment: Experiment) -> Continued:
    """Rows that came later on the grid that was learnt, under the rules by which it was: those after the last value of
    a series are to be forecast. Raises DataError where that cannot be done without a guess."""
    dated = _ahead_marked(rows.where(~np.isnat(rows.stamps)))
    aligned, counts = _aligned(dated, plan.grid, experiment, Counts(len(rows.y)))
    _check_asked(dated, aligned)
    spans = _spans(aligned, plan.grid)
    single, _ = _single(_timely(aligned, plan.grid, spans, counts)[0], experiment, plan, counts)
    has_value = spans.first <= spans.known
    _check_known(single, has_value, experiment)
    n_padded = np.zeros(len(has_value), np.int64)
    panel, _, _ = filled(single, spans, n_padded, plan.grid, Fills(plan, _constant(experiment)))
    asked = single.where(single.is_ahead)
    steps = plan.grid.numbers(asked.stamps) - spans.known[asked.series] - 1
    return Continued(panel, spans.last - spans.known, asked, steps)


def _ahead_marked(rows: SeriesRows) -> SeriesRows:
    """Rows after the last value of their series are ahead."""
    last = np.full(len(rows.names), -1)
    is_value = np.flatnonzero(~np.isnan(rows.y))
    last[rows.series[is_value]] = is_value  # rows are sorted, so the last one stays
    has_value = last[rows.series] >= 0
    return replace(rows, is_ahead=has_value & (np.arange(len(rows.y)) > last[rows.series]))


def _check_asked(rows: SeriesRows, aligned: SeriesRows) -> None:
    lost = ~np.isin(rows.place, aligned.place) & rows.is_ahead
    if lost.any():
        raise DataError(
            f"{lost.sum()} stamps to be forecast do not stand on the grid that was learnt, such as "
            f"{listed(rows.stamps[lost][:3].astype('datetime64[s]').tolist())}; the stamps before them say which it is"
        )


def _check_known(rows: SeriesRows, has_value: np.ndarray, experiment: Experiment) -> None:
    if not has_value.all():
        raise DataError(
            f'series {listed([name or "the only one" for name in _named(rows, ~has_value)], 5)}: "{experiment.target}" is '
            "missing in every row; bring rows of the history before those to be forecast"
        )


@dataclass(frozen=True)
class _Shape:
    grid: Grid
    plan: Plan
    experiment: Experiment
    counts: Counts

    @property
    def n_needed(self) -> int:
        """Rows that a series needs: a horizon, what is looked back at, and one more (Azure's formula)."""
        settings = self.experiment.forecasting
        lags = settings.target_lags if isinstance(settings.target_lags, tuple) else ()
        window = settings.rolling_window if isinstance(settings.rolling_window, int) else 0
        return self.plan.horizon + max([1, window, *lags]) + 1


def _aligned(rows: SeriesRows, grid: Grid, experiment: Experiment, counts: Counts) -> tuple[SeriesRows, Counts]:
    """Rows that stand on the grid, or, where they are summed up, all of them at the stamp of their period."""
    stamps = grid.stamps(grid.numbers(rows.stamps))
    is_off = stamps != rows.stamps
    if experiment.forecasting.aggregate or not is_off.any():
        return replace(rows, stamps=stamps), counts
    _check_off(rows.stamps, is_off, grid)
    if grid.kind == "months":
        return replace(rows, stamps=stamps), replace(counts, moved=int(is_off.sum()))
    return rows.where(~is_off), replace(counts, off_grid=int(is_off.sum()))


def _check_off(stamps: np.ndarray, is_off: np.ndarray, grid: Grid) -> None:
    """Raises DataError where many stamps are off the grid, or some as clocks that change would make them."""
    examples = listed(stamps[is_off][:3].astype("datetime64[s]").tolist())
    share = f"{is_off.mean():.0%}" if is_off.mean() > MOST_OFF_GRID else f"{is_off.sum()}"
    message = f"{share} of the stamps do not stand on the grid of frequency {grid.alias} (such as {examples})"
    if is_off.sum() > 1 and grid.length_days >= 1 and _are_hours_beside(stamps[is_off], grid):
        raise DataError(
            f"{message} but one hour beside it, as midnights do when clocks change; name the place where days begin at "
            "midnight in forecasting.timezone (Europe/Berlin, …)"
        )
    if is_off.mean() > MOST_OFF_GRID and grid.kind != "months":
        raise DataError(
            f"{message}; say the right forecasting.frequency, or sum rows up with forecasting.aggregate, or name the place "
            "whose clocks are put back and forward in forecasting.timezone (Europe/Berlin, …)"
        )


def _are_hours_beside(stamps: np.ndarray, grid: Grid) -> bool:
    hour = np.timedelta64(1, "h")
    return bool((grid.holds(stamps + hour) | grid.holds(stamps - hour)).all())


def _spans(rows: SeriesRows, grid: Grid) -> Spans:
    numbers, is_learnt = grid.numbers(rows.stamps), ~rows.is_ahead & ~np.isnan(rows.y)
    first, known = np.full(len(rows.names), NEVER), np.full(len(rows.names), -NEVER)
    np.minimum.at(first, rows.series[is_learnt], numbers[is_learnt])
    np.maximum.at(known, rows.series[is_learnt], numbers[is_learnt])
    last = known.copy()
    np.maximum.at(last, rows.series[rows.is_ahead], numbers[rows.is_ahead])
    return Spans(first, known, last)


def _timely(rows: SeriesRows, grid: Grid, spans: Spans, counts: Counts) -> tuple[SeriesRows, Counts]:
    """Rows from the first value to the last of a series, and later ones of the test file."""
    numbers, known = grid.numbers(rows.stamps), spans.known[rows.series]
    is_late = rows.is_ahead & (numbers <= known)
    is_inside = np.where(rows.is_ahead, numbers > known, (numbers >= spans.first[rows.series]) & (numbers <= known))
    return rows.where(is_inside), replace(counts, late=int(is_late.sum()))


def _single(rows: SeriesRows, experiment: Experiment, plan: Plan, counts: Counts) -> tuple[SeriesRows, Counts]:
    """One row per series and stamp."""
    is_first = np.r_[True, (np.diff(rows.series) != 0) | (np.diff(rows.stamps) != np.timedelta64(0, "us"))]
    if is_first.all():
        return rows, counts
    starts = np.flatnonzero(is_first)
    ends = np.r_[starts[1:], len(is_first)]
    one = rows.where(np.isin(np.arange(len(is_first)), ends - 1))
    how, n_merged = experiment.forecasting.aggregate, len(is_first) - len(starts)
    if how:
        merged = replace(one, y=_reduced(rows.y, starts, how), covariates=_merged(rows, one, starts, plan.covariates))
        return merged, replace(counts, aggregated=n_merged)
    differs = _reduced(rows.y, starts, "max") != _reduced(rows.y, starts, "min")
    differs &= ~np.isnan(_reduced(rows.y, starts, "max"))
    is_clock = differs & _are_clock_hours(one.stamps)
    if (differs & ~is_clock).any():
        raise _twice(one.where(differs & ~is_clock), plan.ids)
    y = np.where(is_clock, _reduced(rows.y, starts, "mean"), _reduced(rows.y, starts, "max"))
    n_clock = int(is_clock.sum())
    return replace(one, y=y), replace(counts, clock_hours=n_clock, twice=n_merged - n_clock)


def _reduced(y: np.ndarray, starts: np.ndarray, how: str) -> np.ndarray:
    """The sum, mean, maximum or minimum of the values that there are, from each start to the next."""
    is_value = ~np.isnan(y)
    if how in ("max", "min"):
        return REDUCED[how].reduceat(y, starts)
    n_values = np.add.reduceat(is_value.astype(np.float64), starts)
    sums = np.add.reduceat(np.where(is_value, y, 0.0), starts)
    return np.where(n_values, sums / (np.maximum(n_values, 1) if how == "mean" else 1), np.nan)


def _merged(rows: SeriesRows, last: SeriesRows, starts: np.ndarray, covariates: tuple[Covariate, ...]) -> np.ndarray:
    """What each covariate's rows of one stamp come to."""
    columns = [
        last.covariates[:, place] if one.merge == "last" else _reduced(rows.covariates[:, place], starts, one.merge)
        for place, one in enumerate(covariates)
    ]
    return np.column_stack(columns).astype(np.float32) if columns else last.covariates


def _are_clock_hours(stamps: np.ndarray) -> np.ndarray:
    """Whether stamps lie in an hour that comes twice when clocks are put back: a Sunday's early morning."""
    days, hours = stamps.astype("datetime64[D]"), stamps.astype("datetime64[h]").astype(np.int64) % 24
    months = stamps.astype("datetime64[M]").astype(np.int64) % 12 + 1
    is_night = (stamps != days) & (hours <= LAST_NIGHT_HOUR)
    return is_night & (np.is_busday(days, weekmask="Sun")) & np.isin(months, CLOCK_MONTHS)


def _twice(rows: SeriesRows, ids: tuple[str, ...]) -> DataError:
    hint = f" ({', '.join(ids)} would do)" if ids else ""
    names = sorted({rows.names[number] or "the only series" for number in rows.series.tolist()})
    return DataError(
        f"{len(rows.y)} stamps come more than once with different values, such as {rows.stamps[0].astype('datetime64[s]')} "
        f"of {listed(names, 3)}; name the columns that tell series apart in forecasting.series_id_columns{hint}, or sum rows up "
        "with forecasting.aggregate and a frequency"
    )


def _shaped(rows: SeriesRows, spans: Spans, has_value: np.ndarray, shape: _Shape) -> Regular:
    """Test rows cut off, short series as asked, gaps filled."""
    n_test = _test_rows(spans, shape)
    n_missing = shape.n_needed - (spans.known - spans.first + 1 - np.where(spans.last > spans.known, 0, n_test))
    is_short = has_value & (n_missing > 0)
    way = _short_way(is_short, has_value, shape.experiment)
    chosen = has_value & ~is_short if way == "drop" else has_value
    _check_any(chosen, shape)
    kept, spans = rows.of(np.flatnonzero(chosen)), spans.of(chosen)
    n_padded = np.where(is_short & (way == "pad"), n_missing, 0)[chosen]
    whole, n_filled, n_stamps = filled(
        kept, spans, n_padded, shape.grid, Fills(shape.plan, _constant(shape.experiment))
    )
    test = whole.last(n_test[chosen])
    return Regular(
        panel=whole.until(n_test[chosen]),
        test=None if test.is_filled.all() else test,
        groups=kept.groups,
        grid=shape.grid,
        counts=replace(shape.counts, filled=n_filled, stamps=n_stamps),
        empty=_named(rows, ~has_value),
        short=_named(rows, is_short),
        short_way=way,
        n_needed=shape.n_needed,
        unknown=_unknown(rows, shape.plan.covariates),
    )


def _check_any(chosen: np.ndarray, shape: _Shape) -> None:
    if not chosen.any():
        raise DataError(
            f"every series is shorter than the {shape.n_needed} rows that a horizon of {shape.plan.horizon} needs; "
            "say forecasting.short_series: pad, or a shorter horizon"
        )


def _named(rows: SeriesRows, chosen: np.ndarray) -> tuple[str, ...]:
    return tuple(rows.names[number] for number in np.flatnonzero(chosen))


def _constant(experiment: Experiment) -> float | None:
    """What an imputer puts into gaps of the target."""
    imputer = experiment.featurization.imputers.get(experiment.target)
    return None if imputer is None or imputer.fill_value is None else float(imputer.fill_value)


def _unknown(rows: SeriesRows, covariates: tuple[Covariate, ...]) -> tuple[str, ...]:
    is_missing = np.isnan(rows.covariates[rows.is_ahead]).any(axis=0)
    return tuple(one.name for one, is_it in zip(covariates, is_missing, strict=True) if one.role == "known" and is_it)


def _test_rows(spans: Spans, shape: _Shape) -> np.ndarray:
    """Rows at the end of each series that are kept for the test, int64 [n_series]; none where too few would be left."""
    ahead = spans.last - spans.known
    share = shape.experiment.test.fraction
    if share is None:
        return ahead
    lengths = spans.known - spans.first + 1
    is_summed = shape.experiment.forecasting.reconciliation != "none"  # what adds up ends together
    whole = np.full_like(lengths, np.median(lengths[lengths > 0])) if is_summed else np.maximum(lengths, 0)
    wished = np.maximum(shape.plan.horizon, np.round(share * whole).astype(np.int64))
    return np.where(lengths - wished >= shape.n_needed, wished, 0)


def _short_way(is_short: np.ndarray, has_value: np.ndarray, experiment: Experiment) -> str:
    """As Azure does where nobody says: series are padded when all are short, and short ones left out otherwise."""
    way = experiment.forecasting.short_series
    if way != "auto":
        return way
    return "pad" if is_short.sum() == has_value.sum() else "drop"
