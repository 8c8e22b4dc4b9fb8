"""training_program: the program that a training script of a forecast consists of, from rows to forecasts of every group.

`write_training_code` copies it, with all that it needs, into one file. What was chosen for each group is read from a file beside it, so
that the text is as long for one group as for ten thousand. Seasons, gaps and models are found anew in the rows. Margins of
intervals are not: they follow from what every trial forecast in every window of the backtest, chosen or not, which would
take the whole search once more.
"""

import json
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from automl_assets.data.schema import Schema
from automl_assets.data.typing import completed, stacked
from automl_assets.errors import DataError, LearningError, listed
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.metrics import Formula, by_series, coverage, error_scales, values_of
from automl_assets.forecasting.records import (
    Forecast,
    ForecastEnsemble,
    ForecastEvaluation,
    ForecastMember,
    ForecastProblem,
    Group,
    Panel,
    QuantileShape,
    Reconciliation,
)
from automl_assets.forecasting.steps import backtest, fill_known_future
from automl_assets.forecasting.steps.build_ensemble import combined
from automl_assets.forecasting.steps.build_groups import build_groups, group_keys
from automl_assets.forecasting.steps.evaluate import error_by_horizon, metrics_of_all, tested
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.forecasting.steps.future_index import ahead, rows_of, whole
from automl_assets.forecasting.steps.load_series import on_clocks_of, read_time
from automl_assets.forecasting.steps.reconcile import add_up, reconcile
from automl_assets.forecasting.steps.regularize import Regular
from automl_assets.forecasting.steps.search import backtested, point_of
from automl_assets.parts import Config
from automl_assets.records import SOURCE, Dataset, Fitted, Guardrail, Roles, Trial
from automl_assets.steps.combine import check_columns
from automl_assets.steps.read_rows import read_rows

Known = dict[str, pl.DataFrame]  # name of a series -> rows that are known of its stamps to be forecast


@dataclass(frozen=True)
class Learner:
    """How a forecaster fits and forecasts; `parts.Forecaster` says what each of these means."""

    name: str
    fit: Callable[[Config, Panel, ForecastContext], Any]
    forecast: Callable[[Any, Panel, Panel], np.ndarray]
    heads: str
    has_cold_start: bool
    portfolio: Callable[..., Any] | None = None  # of the one that answers where nothing else does


@dataclass(frozen=True)
class Recipe:
    """What all groups share."""

    schema: Schema  # by which rows are read
    roles: Roles
    settings: Any  # of the experiment, what the way from rows to series looks at
    metrics: dict[str, Formula]


@dataclass(frozen=True)
class Model:
    """One group's model with all that a forecast takes."""

    key: str
    ensemble: ForecastEnsemble
    history: Panel  # a forecast goes on where it ends
    reconciliation: Reconciliation | None


@dataclass(frozen=True)
class Answer:
    """What came of one group."""

    key: str
    rows: tuple[dict[str, Any], ...] = ()  # of the forecast
    evaluation: ForecastEvaluation | None = None  # None where no stamps were kept for the test
    reason: str = ""  # why there is no forecast


LEARNERS: dict[str, Learner] = {}  # by name


def use(learners: Mapping[str, Learner]) -> None:
    """Makes learners known by their names; what was unpickled asks for them."""
    LEARNERS.update(learners)


def learner_of(name: str) -> Any:
    return LEARNERS[name]


def fallback() -> Any:
    return next(learner for learner in LEARNERS.values() if learner.portfolio)


def unchecked(regular: Regular, problem: ForecastProblem) -> tuple[Guardrail, ...]:
    return ()


def as_it_is(group: Group) -> Group:
    return group


def none_asked(group: Group, ensemble: ForecastEnsemble, context: ForecastContext) -> None:
    return None


def prepare_data(tables: dict[int, pl.DataFrame], recipe: Recipe) -> Dataset:
    """Rows of all files, one below the other, read as they were learnt. A test file may lack columns."""
    check_columns(tuple(recipe.schema.names), tables[SOURCE])
    read = [_read(rows, recipe) for rows in tables.values()]
    part = np.concatenate([np.full(rows.height, mark, np.int8) for mark, rows in tables.items()])
    return Dataset(stacked(_alike(read, recipe)), part, recipe.roles, fingerprint="")


def _alike(read: list[pl.DataFrame], recipe: Recipe) -> list[pl.DataFrame]:
    """Rows with the columns, and on the clocks, of the first."""
    time, zone = recipe.roles.time or "", recipe.settings.forecasting.timezone
    return [on_clocks_of(read[0], completed(rows, read[0]), time, zone) for rows in read]


def _read(rows: pl.DataFrame, recipe: Recipe) -> pl.DataFrame:
    names = [name for name in recipe.schema.names if name in rows.columns]
    read = read_rows(rows, recipe.schema, names, recipe.settings.strict).table.select(names)
    return read_time(read, recipe.roles.time or "", recipe.schema, recipe.settings.forecasting.timezone)


def _index(rows: pl.DataFrame, problem: ForecastProblem, recipe: Recipe) -> Known:
    return fill_known_future.by_series(_read(rows, recipe), problem, recipe.settings.forecasting.timezone)


def read_choices(path: str) -> dict[str, Any]:
    """Of each group by its key: the members of its ensemble, and what its intervals are made of."""
    return {key: _frozen(choice) for key, choice in json.loads(Path(path).read_text("utf-8")).items()}


def _frozen(value: Any) -> Any:
    """Sequences as configurations have them."""
    if isinstance(value, dict):
        return {name: _frozen(inner) for name, inner in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def answer_groups(
    dataset: Dataset, known: pl.DataFrame | None, choices: Mapping[str, Any], recipe: Recipe, folder: str
) -> Iterator[Answer]:
    """Trains, tests and asks the model of each group, and keeps it in the folder. No group stops another."""
    for key in sorted(group_keys(dataset, recipe.settings).keys() - choices.keys()):
        print(f"{key}: left out, because nothing was chosen for it", file=sys.stderr)
    Path(folder).mkdir(parents=True, exist_ok=True)
    index: Known = {}
    for key, group in build_groups(dataset, recipe.settings, choices):
        try:
            if isinstance(group, DataError):
                raise group
            if known is not None and not index:
                index |= _index(known, group.problem, recipe)
            model = train_model(group, choices[key], recipe)
            save_model(model, f"{folder}/{key}.pickle")
            rows = tuple(rows_of(forecast_ahead(model, index), group.problem))
            yield Answer(key, rows, calculate_metrics(model, group, recipe))
        except Exception as error:
            yield Answer(key, reason=f"{type(error).__name__}: {error}")


def train_model(group: Group, choice: Mapping[str, Any], recipe: Recipe) -> Model:
    """The members that were chosen, fitted on everything there is to learn from."""
    panel, problem = group.panel, group.problem
    context = ForecastContext(problem, seed=recipe.settings.seed)
    members = tuple(
        ForecastMember(**one, fitted=Fitted((LEARNERS[one["algorithm"]].fit(one["config"], panel, context),)))
        for one in choice["members"]
    )
    sizes = zip(panel.names, error_scales(panel, problem.season).tolist(), strict=True)
    ensemble = ForecastEnsemble(
        kind=choice["kind"],
        members=members,
        score=choice["score"],
        scores_by_kind={},
        predictions=np.empty((0, panel.n_series, problem.horizon)),
        margins=np.array(choice["margins"]),
        scales=np.array([choice["scales"].get(name, own) for name, own in sizes]),
        names=panel.names,
        problem=problem,
        shape=_shape(choice["shape"], panel, problem) if "shape" in choice else None,
    )
    return Model(group.key, ensemble, whole(group), reconciliation(group, ensemble, context))


def _shape(chosen: Mapping[str, Any], panel: Panel, problem: ForecastProblem) -> QuantileShape:
    """How members' own quantiles are corrected; nothing is kept of the windows that told so."""
    none = np.empty((0, panel.n_series, problem.horizon))
    corrections = np.array(chosen["corrections"])
    return QuantileShape(corrections, chosen["is_alone"], np.empty((*none.shape, corrections.shape[1])), none)


def reconciliation(group: Group, ensemble: ForecastEnsemble, context: ForecastContext) -> Reconciliation | None:
    """How sums and series are made to add up, by the errors of the members in the windows of the backtest."""
    if group.problem.reconciliation == "none":
        return None
    truth, said = backtest.truth(group.panel, group.problem), []
    for member in ensemble.members:
        found, _ = backtested(member.algorithm, member.config, group.panel, context, float("inf"))
        said.append(
            point_of(Trial(member.trial, member.algorithm, member.config, "finished", predictions=found), truth)
        )
    together = combined(ensemble.kind, np.array(said), [member.weight for member in ensemble.members])
    return reconcile(group, replace(ensemble, predictions=together))


def forecast_ahead(model: Model, known: Known) -> Forecast:
    """Point and quantiles of what comes after the newest rows, by what is known of it already."""
    problem = model.ensemble.problem
    future = ahead(model.history, problem)
    found = forecast(
        model.ensemble, model.history, fill_known_future.fill_known_future(future, problem, known) if known else future
    )
    return add_up(found, model.reconciliation) if model.reconciliation else found


def calculate_metrics(model: Model, group: Group, recipe: Recipe) -> ForecastEvaluation | None:
    """On the stamps that are kept for the test, from rolling origins."""
    if group.test is None or not len(group.test.y):
        return None
    truth, rolled = tested(model.ensemble, group.panel, group.test)
    found = {
        name: float(values_of(formula, truth, rolled.point, rolled.quantiles))
        for name, formula in recipe.metrics.items()
    }
    return ForecastEvaluation(
        rows="test",
        n_rows=int(truth.counts.sum()),
        metrics={name: value for name, value in found.items() if np.isfinite(value)},
        baseline={},
        by_horizon=error_by_horizon(truth, rolled.point),
        coverage=coverage(truth, rolled.quantiles),
        by_series=by_series(truth, rolled.point, rolled.quantiles),
    )


def save_model(model: Model, path: str) -> None:
    """To be read by `pickle.load` after this script has been imported; read none that others wrote."""
    with open(path, "wb") as file:
        pickle.dump(model, file)


def write_results(answers: Iterable[Answer], recipe: Recipe, folder: str) -> None:
    """Writes forecast.csv and metrics.csv, and shows the metrics of all groups. Raises LearningError for lost groups."""
    every = []
    for answer in answers:
        every.append(answer)
        print(f"{answer.key}: {answer.reason or 'done'}", file=sys.stderr)
    rows = [row for answer in every for row in answer.rows]
    pl.DataFrame(rows, infer_schema_length=None).write_csv(f"{folder}/forecast.csv")
    judged = {answer.key: answer.evaluation for answer in every if answer.evaluation}
    if judged:
        lines = [{"group": key, "n_rows": one.n_rows, **one.metrics, **one.coverage} for key, one in judged.items()]
        pl.DataFrame(lines, infer_schema_length=None).write_csv(f"{folder}/metrics.csv")
        found = metrics_of_all(list(judged.values()))
        print(json.dumps({name: found[name] for name in recipe.metrics if name in found}, indent=1))
    lost = [f"{answer.key}: {answer.reason}" for answer in every if answer.reason]
    if lost:
        raise LearningError(f"{len(lost)} of {len(every)} groups have no forecast: {listed(lost, 10)}")
