"""Global regression: a tabular algorithm learns from lags, windows, calendar and covariates of all series at once.

Every tabular algorithm that says it can forecast becomes a forecaster of its name. A direct model learns every step
ahead from what is known at the origin; a recursive one learns the next step, and takes its answers for true to go on.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from automl_assets import registry
from automl_assets.explanation.shapley import Feeds, shapley
from automl_assets.forecasting.features import lag_features, lag_features_onnx
from automl_assets.forecasting.features.lag_features import LagFeatures, Scales, Unit
from automl_assets.forecasting.features.lag_selection import CONFIGURED, fit_plan, ways_to_look
from automl_assets.forecasting.features.regressors import Regressors, add_design, fit_design
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models.components import CALENDAR, HOLIDAYS, LEVEL, SERIES, of_column
from automl_assets.forecasting.records import Covariate, ForecastProblem, Panel
from automl_assets.learning import preparation
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Algorithm, Config, FitContext, Rows, same_config
from automl_assets.stored import stored_as

MOST_CELLS = 1_500_000  # rows times features that are learnt from
MOST_OTHERS = 2  # configurations of an algorithm beside its default: how to look matters more
N_BACKGROUND = 8  # rows that an explanation compares with
MOST_CODES = 32  # of a column: with more, what stands for categories is taken for a number in the dense view
FORECASTING = "forecasting"


@stored_as("forecasting.regression.Model")
@dataclass(frozen=True)
class Regression:
    """One model of all series of a panel."""

    plan: LagFeatures
    design: Regressors | None  # from columns to the dense view, for algorithms that learn from it
    model: Any  # of `preparation.fit`
    bounds: tuple[float, float]  # answers beyond were never seen, nor nearly so
    names: tuple[str, ...]  # of the series learnt from
    scales: Scales  # of these
    groups: tuple[str, ...]  # what each feature belongs to
    background: np.ndarray  # float32 [N_BACKGROUND, n_features], rows learnt from that stand for all


def _portfolio(algorithm: Algorithm, problem: ForecastProblem, history: Panel) -> list[Config]:
    """Every way to look with the algorithm's default, its other configurations with the first way."""
    looks = ways_to_look(problem, history)
    default, *others = algorithm.portfolio(problem.problem)
    first, *further = [default | look for look in looks]
    return [first, *(other | looks[0] for other in others[:MOST_OTHERS]), *further]


def _fit(algorithm: Algorithm, config: Config, history: Panel, context: ForecastContext) -> Regression:
    plan = fit_plan(config, context.problem, history)
    y = _as_learnt(plan, history.y)
    scales, numbers = lag_features.scales_of(history, y), np.arange(history.n_series)
    groups = lag_features.column_groups(plan, [of_column(covariate.name) for covariate in context.problem.covariates])
    random = np.random.default_rng(context.seed)
    places = lag_features.learnable(history, plan.horizon, MOST_CELLS // len(groups), random)
    x, unit = lag_features.table(plan, history, y, places, scales, numbers)
    z = (y[places.targets] - unit.anchor) / unit.scale
    own = {key: value for key, value in config.items() if key not in CONFIGURED}
    is_late = places.targets >= history.offsets[places.series + 1] - context.problem.horizon
    fit_context = FitContext(
        context.problem.problem, n_threads=context.n_threads, seed=context.seed, deadline=context.deadline
    )
    design = _design(context.problem, groups, x) if algorithm.view == "dense" else None
    rows, is_watched = Rows(_viewed(design, x), z), is_late if config["early_stopping"] else np.zeros(len(z), bool)
    model = _learnt(algorithm, own, rows, is_watched, fit_context)
    slack = np.ptp(z) / 2
    background = x[random.integers(0, len(x), N_BACKGROUND)]
    bounds = (z.min() - slack, z.max() + slack)
    return Regression(plan, design, model, bounds, history.names, scales, groups, background)


def _design(problem: ForecastProblem, groups: tuple[str, ...], x: np.ndarray) -> Regressors:
    """Numbers on their own scales, and a column for each code of what stands for categories."""
    coded = {CALENDAR, HOLIDAYS, SERIES, *(of_column(one.name) for one in problem.covariates if one.categories)}
    is_coded = [
        group in coded and len(np.unique(values)) <= MOST_CODES for group, values in zip(groups, x.T, strict=True)
    ]
    columns = [
        Covariate(group, "known", categories=("code",) * codes) for group, codes in zip(groups, is_coded, strict=True)
    ]
    return fit_design(columns, x)


def _viewed(design: Regressors | None, x: np.ndarray) -> np.ndarray:
    """Columns as the algorithm takes them, float32."""
    return x if design is None else design.of(x).astype(np.float32)


def _learnt(algorithm: Algorithm, config: Config, rows: Rows, is_watched: np.ndarray, context: FitContext) -> Any:
    """A model of all rows: where some are watched, bool [n_rows], for as many rounds as they find best when the others
    are learnt from. The last of each series are the newest, which a forecast can least do without."""
    if not is_watched.any() or is_watched.all() or algorithm.with_rounds_of is same_config:
        return preparation.fit(algorithm, config, rows, None, context)
    now = time.monotonic()
    half = replace(context, deadline=now + (context.deadline - now) / 2)
    others, watched = rows.take(np.flatnonzero(~is_watched)), rows.take(np.flatnonzero(is_watched))
    first = preparation.fit(algorithm, config, others, watched, half)
    return preparation.fit(algorithm, preparation.with_rounds_of(algorithm, config, first), rows, None, context)


def _as_learnt(plan: LagFeatures, y: np.ndarray) -> np.ndarray:
    return np.log1p(np.maximum(y, 0.0)) if plan.is_log else y


def _as_given(plan: LagFeatures, y: np.ndarray) -> np.ndarray:
    return np.expm1(y) if plan.is_log else y


def _forecast(algorithm: Algorithm, model: Regression, history: Panel, future: Panel) -> np.ndarray:
    answers = [answer for _, _, answer in _rolled(algorithm, model, history, future)]
    return _as_given(model.plan, np.concatenate(answers, axis=1))[:, :, None]


Step = tuple[np.ndarray, Unit, np.ndarray]  # features and units of rows, and answers [n_series, n_steps] as learnt


def _rolled(algorithm: Algorithm, model: Regression, history: Panel, future: Panel) -> list[Step]:
    """All steps at once by a direct model, one after another by a recursive one."""
    panel = history.then(replace(future, y=np.full(len(future.y), np.nan)))
    y, horizon = _as_learnt(model.plan, panel.y), len(future.y) // max(1, future.n_series)
    scales, numbers = _known(model, history)
    found = []
    for places in lag_features.ahead(panel, horizon, model.plan.has_steps):
        x, unit = lag_features.table(model.plan, panel, y, places, scales, numbers)
        y[places.targets] = unit.anchor + unit.scale * _answers(algorithm, model, x)
        found.append((x, unit, y[places.targets].reshape(panel.n_series, -1)))
    return found


def _answers(algorithm: Algorithm, model: Regression, x: np.ndarray) -> np.ndarray:
    return np.clip(preparation.predict_raw(algorithm, model.model, _viewed(model.design, x))[:, 0], *model.bounds)


def _known(model: Regression, history: Panel) -> tuple[Scales, np.ndarray]:
    """Scale and number of each series; one not learnt from has the scale of its own history, and no number."""
    place = {name: number for number, name in enumerate(model.names)}
    numbers = np.array([place.get(name, -1) for name in history.names])
    own = lag_features.scales_of(history, _as_learnt(model.plan, history.y))
    level = np.where(numbers < 0, own.level, model.scales.level[numbers])
    scale = np.where(numbers < 0, own.scale, model.scales.scale[numbers])
    return Scales(level, scale), np.where(numbers < 0, np.nan, numbers)


def _explain(algorithm: Algorithm, model: Regression, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """Shapley values of groups of features, on top of the anchor and the mean answer."""
    steps = [_components(algorithm, model, x, unit) for x, unit, _ in _rolled(algorithm, model, history, future)]
    return {name: np.hstack([step[name].reshape(history.n_series, -1) for step in steps]) for name in steps[0]}


def _components(algorithm: Algorithm, model: Regression, x: np.ndarray, unit: Unit) -> dict[str, np.ndarray]:
    """What adds up to the answers of rows, [n] each; of logarithms by how much each, in its turn, changes what is given."""
    names = tuple(dict.fromkeys(model.groups))
    players = [tuple(str(c) for c, group in enumerate(model.groups) if group == name) for name in names]

    def answer(feeds: Feeds) -> np.ndarray:
        return _answers(algorithm, model, np.hstack([feeds[str(c)] for c in range(x.shape[1])]))[:, None]

    feeds, background = ({str(c): rows[:, [c]] for c in range(x.shape[1])} for rows in (x, model.background))
    found = shapley(answer, feeds, background, players, np.random.default_rng(0), float("inf"))
    parts = [unit.anchor + unit.scale * found.base[0], *(unit.scale[:, None] * found.contributions[:, :, 0]).T]
    sums = [_as_given(model.plan, total) for total in accumulate(parts)]
    before = [np.zeros(len(x)), *sums[:-1]]
    return {name: after - earlier for name, after, earlier in zip((LEVEL, *names), sums, before, strict=True)}


# ONNX


def _to_onnx(algorithm: Algorithm, model: Regression, graph: Graph, tensors: SeriesTensors) -> str:
    plan = model.plan
    values = lag_features_onnx.add_values(graph, plan, tensors.y)
    scales = lag_features_onnx.add_scales(graph, model.scales, tensors.series, values)
    past = lag_features_onnx.add_recent(graph, plan, values)
    ahead = lag_features_onnx.add_look_ahead(graph, plan, tensors)
    horizon = graph.node("Shape", tensors.future_seconds)

    def answered(inner: Graph, recent: str, steps: str, known: str) -> str:
        back, unit = lag_features_onnx.add_look_back(inner, plan, recent, steps, scales)
        x = _add_viewed(inner, model.design, lag_features_onnx.add_rows(inner, back, known))
        raw = preparation.add_raw(algorithm, [model.model], inner, x)
        return lag_features_onnx.add_answer(inner, unit, raw, model.bounds)

    if plan.has_steps:
        found = answered(graph, past, lag_features_onnx.add_steps(graph, horizon), ahead)
    else:
        found = _add_recursion(graph, (past, ahead, horizon), answered)
    return lag_features_onnx.add_given(graph, plan, found)


def _add_viewed(graph: Graph, design: Regressors | None, x: str) -> str:
    from onnx import TensorProto

    if design is None:
        return x
    (dense,) = add_design(graph, design, graph.node("Cast", x, to=TensorProto.DOUBLE))
    return graph.node("Cast", dense, to=TensorProto.FLOAT)


def _add_recursion(graph: Graph, tensors: tuple[str, str, str], answered: Callable[[Graph, str, str, str], str]) -> str:
    """What is answered becomes the last of the recent values."""
    past, ahead, horizon = tensors

    def step(inner: Graph, number: str, recent: str) -> list[str]:
        one = inner.constant(np.array([1], np.int64))
        known = inner.node("Gather", ahead, inner.node("Reshape", number, one))
        answer = answered(inner, recent, one, known)
        return [lag_features_onnx.add_shifted(inner, recent, answer), answer]

    answers = graph.loop(graph.node("Squeeze", horizon), [past], step)[-1]
    return graph.node("Reshape", answers, graph.constant(np.array([-1, 1], np.int64)))


def _part(algorithm: Algorithm) -> Forecaster:
    return Forecaster(
        name=algorithm.name,
        title=algorithm.title,
        reference=f"{algorithm.reference} Over lags: Montero-Manso and Hyndman 2021.",
        kinds=algorithm.kinds,
        scope="group",
        portfolio=partial(_portfolio, algorithm),
        fit=partial(_fit, algorithm),
        forecast=partial(_forecast, algorithm),
        to_onnx=partial(_to_onnx, algorithm),
        explain=partial(_explain, algorithm),
        has_cold_start=True,
        time_share=algorithm.time_share,
        requires=algorithm.requires,
        preload=algorithm.preload,
    )


PARTS = tuple(_part(part) for part in registry.algorithms("tabular").values() if FORECASTING in part.tasks)
