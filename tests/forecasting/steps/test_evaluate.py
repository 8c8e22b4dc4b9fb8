"""An evaluation judges the test rows, or the backtest, beside the seasonal naive forecast; a summary all groups."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.forecasting import pictures
from automl_assets.forecasting.steps.build_ensemble import blend
from automl_assets.forecasting.steps.evaluate import evaluate, figures, summarise
from automl_assets.forecasting.steps.search import search
from automl_assets.metrics import metric_names
from automl_assets.registry import algorithms


def _learnt(group):
    candidates = [
        candidate for _, candidate in search({group.key: group}, algorithms("forecasting")["naive"], Budget(300, 2), 0)
    ]
    return blend(group, candidates, EnsembleSetting(), Budget(300, 2), 0)


def _assert_is_drawn(picture) -> None:
    """As SVG that takes little room and has lines."""
    root = ElementTree.fromstring(picture.image)
    places = [one.get("d") for one in root.iter("{http://www.w3.org/2000/svg}path")]
    assert len(picture.image) < 25_000 and max(map(len, places)) > 30


def test_the_test_rows_are_judged(make_group) -> None:
    group = make_group(n_series=3, n_test=12)
    ensemble = _learnt(group)
    found = evaluate(group, ensemble)
    assert (found.rows, found.n_rows) == ("test", 36)
    assert set(found.metrics) == set(metric_names("forecasting"))
    assert set(found.coverage) == {"coverage_80", "coverage_95"}
    truth, last_year = group.test.as_matrix(), group.panel.last(12).as_matrix()
    assert found.baseline["mean_absolute_error"] == pytest.approx(np.abs(truth - last_year).mean())
    by_step = np.abs(truth - last_year).reshape(3, 2, 6).mean(axis=(0, 1))
    same = replace(ensemble, members=(replace(ensemble.members[0], weight=1.0, fitted=_season()),), kind="single")
    np.testing.assert_allclose(evaluate(group, same, is_drawn=False).by_horizon, by_step)
    assert found.by_series["series"].to_list() == list(group.panel.names)
    assert found.metrics["MASE"] == pytest.approx(found.by_series["MASE"].mean())


def _season():
    from automl_assets.records import Fitted

    return Fitted(({"block": 12, "n_blocks": 1},))


def test_the_backtest_is_judged_where_there_is_no_test(make_group) -> None:
    group = make_group(n_series=3, n_test=0)
    ensemble = _learnt(group)
    found = evaluate(group, ensemble)
    assert (found.rows, found.n_rows) == ("backtest", 54)
    assert found.coverage == ensemble.coverage
    errors = np.abs(group.panel.last(18).as_matrix().reshape(3, 3, 6).swapaxes(0, 1) - ensemble.predictions)
    assert found.metrics["mean_absolute_error"] == pytest.approx(errors.mean())


@pytest.mark.parametrize("n_series", [1, 2, 9])
@pytest.mark.parametrize("n_test", [0, 1, 20])
def test_pictures_are_drawn_whatever_there_is(make_group, n_series: int, n_test: int) -> None:
    group = make_group(n_series=n_series, n_test=n_test)
    drawn = evaluate(group, _learnt(group)).pictures
    assert [picture.name for picture in drawn] == ["forecasts", "horizon"]
    for picture in drawn:
        _assert_is_drawn(picture)


@pytest.mark.parametrize("name", ["a$b_{", "\N{GRINNING FACE}", "_under", "", "\x00\n", "x" * 300, "a|b"])
def test_names_of_series_are_text_and_nothing_else(name: str) -> None:
    stamps = np.arange(10).astype("datetime64[D]").astype("datetime64[us]")
    y, places = np.arange(10.0), np.array([[7, 8, 9, 10]])
    fan = pictures.Fan(name, stamps, y, places, np.ones((1, 4)), np.ones((1, 4, 2)) * [0.0, 2.0])
    _assert_is_drawn(pictures.forecasts_picture((fan,), (0.1, 0.9), n_all=3))


def test_a_group_too_short_for_anything_is_still_evaluated(with_targets) -> None:
    group = with_targets([np.arange(4.0)], n_test=0)
    found = evaluate(group, _learnt(group))
    assert (found.n_rows, found.metrics, found.pictures, len(found.by_series)) == (0, {}, (), 0)


def test_a_summary_counts_series_alike_and_stamps_alike(make_group) -> None:
    groups = [make_group(n_series=1, key="few", n_test=6), make_group(n_series=3, key="many", seed=9, n_test=12)]
    learnt = [_learnt(group) for group in groups]
    judged = [evaluate(group, one, is_drawn=False) for group, one in zip(groups, learnt, strict=True)]
    fallen = blend(groups[0], [], EnsembleSetting(), Budget(300, 1), 0)
    results = [("few", learnt[0], judged[0]), ("many", learnt[1], judged[1]), ("lost", None, None)]
    found = summarise("MASE", results)
    assert found.groups["group"].to_list() == ["few", "many", "lost"]
    assert found.groups["status"].to_list() == ["learnt", "learnt", "failed"]
    assert found.groups["score"].to_list() == [judged[0].metrics["MASE"], judged[1].metrics["MASE"], None]
    assert found.macro["MASE"] == pytest.approx((judged[0].metrics["MASE"] + 3 * judged[1].metrics["MASE"]) / 4)
    absolute = [one.metrics["mean_absolute_error"] for one in judged]
    assert found.micro["mean_absolute_error"] == pytest.approx((6 * absolute[0] + 36 * absolute[1]) / 42)
    assert (found.metrics["MASE"], found.metrics["mean_absolute_error"]) == (
        found.macro["MASE"],
        found.micro["mean_absolute_error"],
    )
    assert found.micro["MASE"] == pytest.approx((6 * judged[0].metrics["MASE"] + 36 * judged[1].metrics["MASE"]) / 42)
    assert found.baseline["MASE"] == pytest.approx((judged[0].baseline["MASE"] + 3 * judged[1].baseline["MASE"]) / 4)
    alone = summarise("MASE", [("many", learnt[1], judged[1])])
    assert alone.metrics == pytest.approx(judged[1].metrics)
    assert alone.baseline == pytest.approx(judged[1].baseline)
    assert alone.coverage == pytest.approx(judged[1].coverage)
    sizes = [np.abs(group.test.y).mean() for group in groups]
    assert found.micro["WAPE"] == pytest.approx(
        found.micro["mean_absolute_error"] / ((6 * sizes[0] + 36 * sizes[1]) / 42)
    )
    (row,) = summarise("MASE", [("few", fallen, judged[0])]).groups.to_dicts()
    assert (row["status"], row["reason"], row["algorithms"]) == ("fallback", "nothing was tried", "naive")
    assert summarise("MASE", []).macro == summarise("MASE", [("lost", None, None)]).micro == {}


def test_groups_together_are_measured_as_if_they_were_one(make_group) -> None:
    """A mean of ratios is no ratio of sums: nine small groups would outvote a large one."""
    group = make_group(n_series=4, n_test=12)
    y = group.panel.y * np.repeat([1.0, 1.0, 1.0, 1000.0], group.panel.lengths)
    group = replace(group, panel=replace(group.panel, y=y))
    ensemble = _learnt(group)
    parts = [np.array([0, 1, 2]), np.array([3])]
    whole, *judged = (
        evaluate(
            replace(group, panel=group.panel.of(part), test=group.test.of(part)), _part(ensemble, part), None, False
        )
        for part in (np.arange(4), *parts)
    )
    found = summarise("WAPE", [(str(n), ensemble, one) for n, one in enumerate(judged)])
    of_ranks = ("median_absolute_error", "spearman_correlation")
    for name in set(metric_names("forecasting")) - set(of_ranks):
        assert found.metrics[name] == pytest.approx(whole.metrics[name]), name
        assert found.baseline[name] == pytest.approx(whole.baseline[name]), name
    known = ("series", "n_rows", "mean_absolute_error", "mean_squared_error", "mean_size", "MASE")
    of_before = [
        replace(one, by_series=one.by_series.select(known), baseline_by_series=pl.DataFrame()) for one in judged
    ]
    old = summarise("WAPE", [(str(n), ensemble, one) for n, one in enumerate(of_before)])
    assert set(old.metrics) == set(found.metrics) and old.metrics["MASE"] > 0, "what earlier versions judged is shown"


def _part(ensemble, series):
    names = tuple(np.array(ensemble.names)[series])
    return replace(ensemble, names=names, scales=ensemble.scales[series])


def test_without_a_value_on_the_test_the_backtest_counts(make_group) -> None:
    group = make_group(n_series=3, n_test=12)
    ensemble = _learnt(group)
    found = evaluate(group, ensemble, is_drawn=False)
    usual = figures(summarise("MASE", [("a", ensemble, found)]))
    assert (usual.score, usual.score_rows, usual.is_of_validation) == (usual.metrics["MASE"], "test", False)
    assert usual.score == pytest.approx(found.metrics["MASE"])
    lost = replace(found, metrics={"WAPE": 0.1}, by_series=found.by_series.drop("MASE"))
    better = replace(ensemble, score=0.5), replace(lost, n_rows=2 * lost.n_rows)
    told = figures(summarise("MASE", [("a", replace(ensemble, score=2.0), lost), ("b", *better), ("c", None, None)]))
    assert (told.score, told.score_rows, told.rows, told.is_of_validation) == (
        pytest.approx(1.0),
        "backtest",
        "test",
        True,
    )
    nothing = figures(summarise("MASE", [("a", replace(ensemble, score=float("nan")), lost)]))
    assert np.isnan(nothing.score) and figures(summarise("MASE", [("c", None, None)])).is_of_validation
