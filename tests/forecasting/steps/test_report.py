"""The page about a forecast: complete for one group and for thousands, and harmless whatever groups are called."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import EnsembleSetting, parse
from automl_assets.forecasting.records import ForecastEvaluation, ForecastSummary, Reconciliation
from automl_assets.forecasting.steps.build_ensemble import blend
from automl_assets.forecasting.steps.describe import describe
from automl_assets.forecasting.steps.evaluate import evaluate, summarise
from automl_assets.forecasting.steps.explain import explain
from automl_assets.forecasting.steps.report import headline, judged, portraits, reconciled, report, strengths
from automl_assets.forecasting.steps.search import search
from automl_assets.records import Guardrail
from automl_assets.registry import algorithms
from automl_assets.steps.page import Material
from tests.steps.test_report import ALERT, Page

SETTINGS = {
    "task": "forecasting",
    "source": {"kind": "statsmodels", "name": "macrodata"},
    "target": "sold",
    "time_column": "month",
    "metric": "MASE",
    "forecasting": {"horizon": 6, "series_id_columns": ["shop"], "partition_by": ["shop"]},
}


def _evaluation(error: float, naive: float = 1.0, steps: int = 6) -> ForecastEvaluation:
    series = pl.DataFrame({"series": ["a", "b"], "n_rows": [6, 6], "MASE": [error, 2 * error]})
    return ForecastEvaluation(
        "test",
        12,
        {"mean_absolute_error": error, "MASE": error},
        {"mean_absolute_error": naive, "MASE": naive},
        np.full(steps, error),
        {"coverage_80": 0.75},
        series,
    )


def _material(evaluations: dict[str, ForecastEvaluation], **more: object) -> Material:
    """A page of groups of which there is no more than their evaluations."""
    rows = [
        {"group": key, "status": "learnt", "reason": "", "kind": "single", "algorithms": "ets, theta", "n_series": 2,
         "n_rows": 12, "rows": "test", "backtest_score": 1.0, "score": found.metrics["MASE"], "baseline": 1.0}
        for key, found in evaluations.items()
    ]  # fmt: skip
    summary = ForecastSummary(
        "MASE", pl.DataFrame(rows), {"MASE": 0.5}, {"MASE": 1.0}, {"coverage_80": 0.75}, {"MASE": 0.5}, {}, ("test",)
    )
    found = judged(evaluations.items())
    return Material(parse(SETTINGS, "shops"), {"summary": summary, "judged": found, **more}, {"dataset": 1.0})


def test_everything_there_is_about_a_forecast_is_told(make_group) -> None:
    group = make_group(n_series=2, n_test=12, key=ALERT)
    candidates = [one for _, one in search({group.key: group}, algorithms("forecasting")["naive"], Budget(300, 2), 0)]
    learnt = blend(group, candidates, EnsembleSetting(), Budget(300, 2), 0)
    fallen = replace(learnt, is_fallback=True, reason=ALERT)
    evaluation = evaluate(group, learnt)
    found = judged([(ALERT, evaluation), ("flat", _evaluation(1.0, naive=0.0))])
    errors = pl.DataFrame({"rows": ["test"], "level": [ALERT], "n_series": [1], "base": [3.0], "reconciled": [1.0]})
    way = Reconciliation("min_trace", (), np.empty((0, 1)), np.empty((1, 1)), np.ones(1), True, errors)
    records = {
        "profile": replace(describe([group]), guardrails=(Guardrail("gaps", "alerted", ALERT),)),
        "summary": summarise("MASE", [(ALERT, fallen, evaluation), ("flat", None, None)]),
        "judged": found,
        "portraits": portraits(found, lambda key: evaluation.pictures),
        "reconciliation": reconciled([way, replace(way, errors=errors.with_columns(base=pl.lit(1.0)))]),
        "explanation": strengths([explain(group, learnt, seed=0, seconds=0)]),
    }
    settings = SETTINGS | {"target": ALERT, "forecasting": {"series_id_columns": ["a", "b"], "hierarchy": ["a", "b"],
                                                            "reconciliation": "min_trace"}}  # fmt: skip
    assert records["reconciliation"].rows() == [("test", ALERT, 1.0, 2.0, 1.0)]
    made = report(Material(parse(settings, "shops"), records, {"dataset": 1.0})).page
    page = Page(made)
    assert page.open == [] and b"<script" not in made and ALERT in page.text
    titles = {title for title in page.text.splitlines() if title}
    assert titles >= {
        "What was asked", "Data", "How good the forecasts are", "How good each group is", "The worst and the best groups",
        "How far ahead it holds", "How often intervals hold the truth", "What answers", "What could not be learnt",
        "How forecasts add up", "What forecasts are made of", "How to use it", "How long it took",
    }  # fmt: skip
    assert all(str(image["src"]).startswith("data:image/svg+xml;base64,") for image in page.all("img"))
    assert len(page.all("img")) == 3


def test_ten_thousand_groups_make_a_page_that_can_be_read() -> None:
    evaluations = {f"shop_{number}": _evaluation(number / 5_000) for number in range(10_000)}
    material = _material(evaluations)
    assert headline(material) == (
        'Forecasts of "sold" for 20,000 series in 10,000 groups. On stamps that nothing had seen before MASE is 0.5, the '
        "seasonal naive forecast 1. mean_absolute_error is smaller than the naive one's in 5,000 of 10,000 groups, larger in "
        "4,999."
    )
    page = report(material).page
    assert len(page) < 200_000 and page.index(b"shop_9999") < page.index(b"shop_9998") and b"shop_5000" not in page
    assert b"The first 200 of 10000" in page and b"The first 20 of 20000" in page


def test_the_worst_and_the_best_groups_are_drawn_once_each() -> None:
    found = judged([(f"g{number}", _evaluation(float(number))) for number in range(1, 9)])
    assert found.drawn() == ["g8", "g7", "g6", "g3", "g2", "g1"]
    few = judged([("a", _evaluation(2.0)), ("b", _evaluation(1.0))])
    assert few.drawn() == ["a", "b"]


def test_groups_of_other_horizons_stand_beside_each_other() -> None:
    found = judged([("long", _evaluation(0.5, 2.0, steps=4)), ("short", _evaluation(1.0, 2.0, steps=2))])
    np.testing.assert_array_equal(found.by_step, [[0.25] * 4, [0.5, 0.5, np.nan, np.nan]])
    assert found.ratios == {"long": 0.25, "short": 0.5}


@pytest.mark.parametrize("evaluations", [{"one": _evaluation(1.0, naive=0.0)}, {"one": _evaluation(0.5)}])
def test_however_little_there_is_the_page_is_whole(evaluations: dict[str, ForecastEvaluation]) -> None:
    assert Page(report(_material(evaluations)).page).open == []


def test_shares_of_components_are_means_over_groups(make_group) -> None:
    group = make_group()
    made = explain(group, blend(group, [], EnsembleSetting(), Budget(300, 1), 0), seed=0, seconds=0)
    parts, columns = strengths(
        [made, replace(made, contributions=made.contributions.filter(pl.col("component") == "level"))]
    )
    assert parts["groups"].to_list() == [2, 1] and not columns.height
    assert parts["share"].sum() == pytest.approx(1.0)
