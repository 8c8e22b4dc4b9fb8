"""Regression on known covariates with ARIMA errors, orders found step by step.

Estimated by statsforecast and not by pmdarima, whose exact likelihood with regressors takes minutes for the few hundred
rows of one series that take seconds here. What the covariates explain is taken off, the rest is an ARIMA of `models.arima_recursion`.
"""

from dataclasses import dataclass, replace

import numpy as np

from automl_assets.forecasting.features.regressors import Regressors, add_design, fit_design
from automl_assets.forecasting.forecaster import ForecastContext, Forecaster, SeriesTensors
from automl_assets.forecasting.models import arima_recursion, state_space
from automl_assets.forecasting.models.components import of_column
from automl_assets.forecasting.models.state_space import Estimate, StateModel
from automl_assets.forecasting.records import ForecastProblem, Panel
from automl_assets.onnx.graph import Graph
from automl_assets.parts import Config
from automl_assets.stored import stored_as

MOST_PERIOD = 24  # longer seasons take minutes a series
MOST_ROWS = 600  # the last ones are learnt from
MOST_MODELS = 30  # tried for one series
LONG_PERIOD = 12  # beyond, errors before the first row count as none (conditional sums): five times faster
LEAST_ROWS_A_TERM = 5  # of a series, for every covariate that enters
NEW = 1e-3  # share of a column's size that columns before it must not explain


@stored_as("forecasting.arimax.Model")
@dataclass(frozen=True)
class Regression:
    """Weights of the columns of a design in each series, and what remains when they are taken off."""

    design: Regressors
    errors: StateModel

    @property
    def weights(self) -> np.ndarray:
        """float64 [n_series, n_columns]; zeros where every series is lost."""
        nothing = np.zeros((len(self.errors.names), len(self.design.names)))
        return self.errors.parameters.get("weight_of_columns", nothing)


def _portfolio(problem: ForecastProblem, history: Panel) -> list[Config]:
    if not any(covariate.role == "known" for covariate in problem.covariates):
        return []
    period = next((period for period in problem.periods if period <= MOST_PERIOD), 1)
    return [{"period": period}, *([{"period": 1}] if period > 1 else [])]


# --- learning


def _fit(config: Config, history: Panel, context: ForecastContext) -> Regression:
    design = fit_design(context.problem.covariates, history.covariates, "known")
    columns = design.of(history.covariates)
    return Regression(design, state_space.fit(_estimate, config, history, context, columns))


def _estimate(y: np.ndarray, config: Config, context: ForecastContext, columns: np.ndarray) -> Estimate:
    from statsforecast.arima import auto_arima_f

    y, columns = y[-MOST_ROWS:], columns[-MOST_ROWS:]
    chosen, is_long = _independent(columns), config["period"] > LONG_PERIOD
    found = auto_arima_f(
        y,
        period=config["period"],
        xreg=columns[:, chosen] if chosen else None,
        approximation=True,
        nmodels=MOST_MODELS,
        method="CSS" if is_long else None,
    )
    weights = np.zeros(columns.shape[1])
    weights[chosen] = [
        found["coef"].get(f"ex_{place}", 0.0) for place in range(1, len(chosen) + 1)
    ]  # none of a constant
    errors = arima_recursion.of_statsforecast(y - columns @ weights, found)
    return replace(errors, parameters=errors.parameters | {"weight_of_columns": weights})


def _independent(columns: np.ndarray) -> list[int]:
    """Columns that vary, that those before do not explain, and as many of them as the rows bear."""
    kept: list[int] = []
    basis = [np.full(len(columns), 1 / np.sqrt(len(columns)))]
    for number, column in enumerate(columns.T):
        rest = column - sum((column @ axis) * axis for axis in basis)
        size = np.linalg.norm(rest)
        is_borne = len(columns) >= LEAST_ROWS_A_TERM * (len(kept) + 2)
        if is_borne and size > NEW * np.linalg.norm(column):
            kept.append(number)
            basis.append(rest / size)
    return kept


# --- forecasting


def _forecast(model: Regression, history: Panel, future: Panel) -> np.ndarray:
    past, ahead = (_explained(model, panel).sum(axis=1) for panel in (history, future))
    rest = state_space.forecast(arima_recursion.RECURSION, model.errors, replace(history, y=history.y - past), future)
    return rest + ahead.reshape(history.n_series, -1, 1)


def _explain(model: Regression, history: Panel, future: Panel) -> dict[str, np.ndarray]:
    """What each covariate adds, beside what the errors are made of."""
    past, ahead = _explained(model, history).sum(axis=1), _explained(model, future)
    rest = state_space.explain(arima_recursion.RECURSION, model.errors, replace(history, y=history.y - past), future)
    names = np.array(model.design.names)
    of_columns = {name: ahead[:, names == name].sum(axis=1) for name in dict.fromkeys(model.design.names)}
    return rest | {of_column(name): values.reshape(history.n_series, -1) for name, values in of_columns.items()}


def _explained(model: Regression, panel: Panel) -> np.ndarray:
    """What each column adds to each row, float64 [n_rows, n_columns]."""
    numbers = [model.errors.names.index(name) for name in panel.names]
    weights = np.repeat(model.weights[numbers], panel.lengths, axis=0)
    return model.design.of(panel.covariates) * weights


# --- ONNX


def _to_onnx(model: Regression, graph: Graph, tensors: SeriesTensors) -> str:
    """The same steps as `_forecast`."""
    weights = graph.node("Gather", graph.constant(model.weights), tensors.series)
    past, ahead = (
        _add_explained(model, graph, covariates, weights)
        for covariates in (tensors.history_covariates, tensors.future_covariates)
    )
    one = graph.constant(np.array([1]))
    rest = graph.node("Sub", tensors.y, graph.node("Squeeze", past, one))
    forecast = state_space.to_onnx(arima_recursion.RECURSION, model.errors, graph, replace(tensors, y=rest))
    return graph.node("Add", forecast, ahead)


def _add_explained(model: Regression, graph: Graph, covariates: str, weights: str) -> str:
    """[n_rows, 1]; a design without columns explains nothing."""
    columns = add_design(graph, model.design, covariates)
    if not columns:
        return graph.rows(covariates, np.zeros(1))
    return graph.node("MatMul", columns[0], graph.node("Transpose", weights))


PART = Forecaster(
    name="arimax",
    title="ARIMAX",
    reference="Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd edition, §10 (statsforecast)",
    kinds=frozenset({"python"}),
    scope="series",
    portfolio=_portfolio,
    fit=_fit,
    forecast=_forecast,
    to_onnx=_to_onnx,
    explain=_explain,
    time_share=1.5,
    requires="statsforecast",
    preload=("statsforecast.models",),
)
