"""export: the whole ensemble of a group as one ONNX graph over the raw columns of a series, with proof of its answers."""

import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from automl_assets.data.series_names import series_values
from automl_assets.data.time_grid import grid
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import (
    Covariate,
    Forecast,
    ForecastEnsemble,
    ForecastMember,
    ForecastProblem,
    Group,
    Panel,
    free_name,
)
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.forecasting.steps.future_index import whole
from automl_assets.forecasting.steps.outputs_onnx import add_members, add_point, add_quantiles
from automl_assets.forecasting.steps.raw_columns_onnx import add_series, input_types, seconds
from automl_assets.forecasting.steps.safe_forecast import fallback
from automl_assets.model_records import OnnxModel
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.session import open_session
from automl_assets.records import Fitted

N_CHECKED = 100  # series on which ONNX and Python are compared
N_EXAMPLE = 12  # rows of a history that show how to ask
N_TIMED = 30  # series whose forecast is timed
POINT, QUANTILES = "forecast", "quantiles"

Feed = dict[str, np.ndarray]


def export(group: Group, ensemble: ForecastEnsemble) -> OnnxModel:
    """The model file; compared with Python right after the end of the training and with rows that came since; timed."""
    content = onnx_bytes(group, ensemble)
    session = open_session(content)
    n_series = group.panel.n_series
    chosen = np.unique(np.linspace(0, n_series - 1, min(N_CHECKED, n_series)).astype(np.int64))
    cases = list(_cases(group, chosen))
    differences = [_difference(session, ensemble, *case) for case in cases]
    return OnnxModel(
        onnx=content,
        inputs=input_types(ensemble.problem),
        n_checked=len(cases) * len(chosen),
        max_difference=max(differences),
        latency_milliseconds=_latency(session, [feed_of(*cases[0], i, ensemble.problem) for i in range(len(chosen))]),
        example=_example(*cases[0], ensemble.problem),
    )


def onnx_bytes(group: Group, ensemble: ForecastEnsemble) -> bytes:
    """The ensemble as a serialised ONNX model that forecasts one series of the group, and any other as well it can.

    Inputs: `series`, its name [1]; `time`, seconds since 1970 of history and stamps to come [n_history + horizon];
    the target [n_history] and each covariate [n_history + horizon] under their own names; statics [1].
    Outputs: `forecast` [horizon] and `quantiles` [horizon, n_quantiles], with a `_` behind where a column is called so.
    The model's property `about` holds, as JSON, what a server must know besides: columns, series, grid, levels.
    """
    graph, problem = Graph(), ensemble.problem
    raw = add_series(graph, ensemble.names, seconds(group.panel.stamps[group.panel.offsets[1:] - 1]), problem)
    said = add_members(graph, raw, ensemble)
    point = add_point(graph, raw, ensemble, said, _fallback(group))
    quantiles = add_quantiles(graph, raw, point, ensemble, said)
    taken = {*input_types(problem), problem.time, *problem.series}
    graph.output(free_name(POINT, taken), point, np.float64, ["horizon"])
    graph.output(free_name(QUANTILES, taken), quantiles, np.float64, ["horizon", len(problem.quantiles)])
    return graph.build({"about": json.dumps(_about(group, problem))}).SerializeToString()


def _fallback(group: Group) -> ForecastMember:
    """What answers where no member can: it learns nothing but its own settings."""
    part = fallback()
    config = next(iter(part.portfolio(group.problem, group.panel)))
    fitted = Fitted((part.fit(config, group.panel, ForecastContext(group.problem)),))
    return ForecastMember(part.name, part.name, 1.0, config, fitted)


def _about(group: Group, problem: ForecastProblem) -> dict[str, Any]:
    ends = group.panel.offsets[1:] - 1
    return {
        "values": group.values,
        "names": group.panel.names,
        "ends": seconds(group.panel.stamps[ends]).tolist(),  # of the series: the last stamp learnt from
        "end_values": group.panel.y[ends].tolist(),  # and its target
        "last": int(seconds(group.panel.stamps[-1:])[0]),  # a stamp on the grid
        "covariates": {one.name: one.role for one in problem.covariates},
        "statics": [one.name for one in problem.statics],
        "levels": problem.quantiles,
        "floor": problem.floor if np.isfinite(problem.floor) else None,
        **{key: getattr(problem, key) for key in ("time", "target", "series", "frequency", "horizon", "timezone")},
    }


def feed_of(history: Panel, future: Panel, number: int, problem: ForecastProblem) -> Feed:
    """One series of a panel as raw columns, as the ONNX model takes them."""
    past, ahead = history.of(np.array([number])), future.of(np.array([number]))
    series, stamps = list(input_types(problem))[:2]
    columns = np.concatenate([past.covariates, ahead.covariates]).T
    return {
        series: np.array(past.names, object),
        stamps: seconds(np.concatenate([past.stamps, ahead.stamps])),
        problem.target: past.y,
        **{one.name: raw_values(values, one) for one, values in zip(problem.covariates, columns, strict=True)},
        **{one.name: raw_values(values, one) for one, values in zip(problem.statics, past.statics.T, strict=True)},
    }


def raw_values(values: np.ndarray, column: Covariate) -> np.ndarray:
    """Numbers as they are, codes as the categories they stand for; what is none is an empty text."""
    if not column.categories:
        return values
    names = dict(enumerate(column.categories))
    return np.array([names.get(value, "") for value in values.tolist()], object)


def _example(history: Panel, future: Panel, problem: ForecastProblem) -> dict[str, Any]:
    """Raw rows of the first series as JSON takes them, column by column: its last ones, and those to be forecast."""
    return raw_rows(history.last(N_EXAMPLE), future, 0, problem)


def raw_rows(history: Panel, future: Panel, number: int, problem: ForecastProblem) -> dict[str, list[Any]]:
    """Rows of one series as they are sent to a served model, column by column; those of `future` are to be forecast."""
    feed = feed_of(history, future, number, problem)
    stamps, known = (feed.pop(name) for name in (list(feed)[1], problem.target))
    n_rows = len(stamps)
    ids = zip(problem.series, series_values(history.names[number]), strict=False)
    statics = {one.name: feed[one.name].tolist() * n_rows for one in problem.statics}
    return {
        problem.time: [_written(stamp, problem.timezone) for stamp in stamps.astype("datetime64[s]")],
        **{name: [value] * n_rows for name, value in ids},
        problem.target: [*known.tolist(), *[None] * (n_rows - len(known))],
        **{one.name: [_plain(value) for value in feed[one.name].tolist()] for one in problem.covariates},
        **statics,
    }


def _written(stamp: np.datetime64, zone: str | None) -> str:
    """A stamp in ISO 8601; where clocks of a time zone count, it says that it is in UTC."""
    return f"{stamp}+00:00" if zone else str(stamp).replace("T00:00:00", "")


def _plain(value: Any) -> Any:
    """NaN and empty texts, which JSON and people do not know, as None."""
    return None if value == "" or (isinstance(value, float) and math.isnan(value)) else value


def _cases(group: Group, chosen: np.ndarray) -> Iterator[tuple[Panel, Panel]]:
    """History and future of the chosen series: right after the training, and once `horizon` more rows are known."""
    horizon = group.problem.horizon
    known, n_learnt = whole(group).of(chosen), group.panel.lengths[chosen]
    longer = known.then(_made_up(known, 2 * horizon, group.problem.frequency))
    for n_new in (0, horizon):
        shown = longer.until(longer.lengths - n_learnt - n_new - horizon)
        yield shown.until(horizon), shown.last(horizon)


def _made_up(panel: Panel, n_rows: int, frequency: str) -> Panel:
    """Rows after the end of each series that hold its last values once more: as good as others to compare answers."""
    back = np.arange(n_rows)[::-1] % panel.lengths[:, None]
    rows = (panel.offsets[1:, None] - 1 - back).ravel()
    return replace(
        panel,
        offsets=np.arange(panel.n_series + 1) * n_rows,
        stamps=grid(frequency).ahead(panel.stamps[panel.offsets[1:] - 1], n_rows).ravel(),
        y=panel.y[rows],
        is_filled=np.ones(len(rows), bool),
        covariates=panel.covariates[rows],
    )


def _difference(session: Any, ensemble: ForecastEnsemble, history: Panel, future: Panel) -> float:
    """The largest difference between ONNX and Python, relative to the range of the series' history."""
    expected, largest = forecast(ensemble, history, future), 0.0
    for number, y in enumerate(history.series()):
        point, quantiles = session.run(None, feed_of(history, future, number, ensemble.problem))
        size = np.ptp(y) or np.abs(y).max() or 1.0
        found = np.column_stack([point, quantiles]) - np.column_stack(_answer(expected, number))
        largest = max(largest, float(np.abs(found).max() / size))
    return largest


def _answer(expected: Forecast, number: int) -> tuple[np.ndarray, np.ndarray]:
    return expected.point[number], expected.quantiles[number]


def _latency(session: Any, feeds: list[Feed]) -> float:
    """Median milliseconds of one forecast, the first three not counted."""
    taken = []
    for feed in [*feeds[:3], *feeds[:N_TIMED]]:
        started = time.perf_counter()
        session.run(None, feed)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken[min(3, len(feeds)) :]) * 1000)
