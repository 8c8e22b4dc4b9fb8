"""What a YAML may say about a forecast, and how it is refused: key, what was got, what is possible, what to do."""

from typing import Any

import pytest

from automl_assets import registry
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import Experiment, parse

SETTINGS = {"task": "forecasting", "source": "/data/rows.csv", "target": "y", "time_column": "t"}


def _parsed(forecasting: Any = None, **changes: Any) -> Experiment:
    given = {} if forecasting is None else {"forecasting": forecasting}
    return parse(SETTINGS | given | changes, "tried")


REFUSED = [
    (
        {"horison": 3},
        r"^forecasting\.horison: unknown key; possible: series_id_columns, .* Did you mean \"horizon\"\?$",
    ),
    ({"horizon": 0}, r"^forecasting\.horizon: got 0; it is auto, or a whole number from 1 to 10000$"),
    ({"horizon": "long"}, r"^forecasting\.horizon: got 'long'; it is auto, or a whole number"),
    (
        {"frequency": "fortnight"},
        r"^forecasting\.frequency: got 'fortnight'; it is auto, or an offset of pandas such as min, ",
    ),
    ({"frequency": "W-SAN"}, r"a week ends on one of MON, TUE"),
    (
        {"timezone": "Europe/Berlinn"},
        r"^forecasting\.timezone: got 'Europe/Berlinn'.* Did you mean \"Europe/Berlin\"\?$",
    ),
    ({"holidays": "usa"}, r"^forecasting\.holidays: got 'usa'; it is a country \(ISO 3166-1: US, DE\)"),
    ({"aggregate": "sum"}, r"^forecasting: aggregate: needs a frequency"),
    (
        {"aggregate": "median", "frequency": "D"},
        r"^forecasting\.aggregate: got 'median'; possible: sum, max, min, mean",
    ),
    ({"short_series": "cut"}, r"^forecasting\.short_series: got 'cut'; possible: auto, pad, drop, keep"),
    ({"quantiles": [0.5, 1]}, r"^forecasting\.quantiles\.1: got 1; input should be less than 1"),
    (
        {"target_lags": [0]},
        r"^forecasting\.target_lags: got \[0\]; it is auto, none, a whole number from 1 to 10000, or a list of such$",
    ),
    ({"scope": "all"}, r"^forecasting\.scope: got 'all'; possible: group, global"),
    ({"n_windows": 0}, r"^forecasting\.n_windows: got 0; it is auto"),
    ({"reconciliation": "bottom_up"}, r"^forecasting: reconciliation: needs `hierarchy`"),
    ({"hierarchy": ["a", "b"], "series_id_columns": ["a"]}, r"hierarchy: 'b' is no id of a series; possible: a\."),
    (
        {"hierarchy": ["a", "b"], "series_id_columns": ["a", "b"], "partition_by": "b"},
        r"partition_by: got b; with a hierarchy a group holds whole branches: none, or the first columns of a, b",
    ),
    (
        {"known_covariates": ["x"], "past_covariates": ["x"]},
        r"^forecasting\.past_covariates: 'x' is already the forecasting\.known",
    ),
    ({"series_id_columns": "y"}, r"^forecasting\.series_id_columns: 'y' is already the target; a column has one role"),
    ({"partition_by": "t"}, r"^forecasting\.partition_by: 't' is already the time_column"),
]


@pytest.mark.parametrize(("forecasting", "message"), REFUSED)
def test_refusal_says_what_is_possible(forecasting: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _parsed(forecasting)


NOT_FOR_FORECASTS = [
    ({"time_column": None}, r"^time_column: is missing; a forecast needs the column that says when$"),
    ({"weight_column": "w"}, r"^weight_column: not for a forecast: every stamp counts alike; remove it$"),
    ({"positive_label": 1}, r"^positive_label: not for a forecast"),
    ({"threshold": 0.3}, r"^threshold: not for a forecast"),
    ({"sensitive_columns": ["s"]}, r"^sensitive_columns: not for a forecast"),
    (
        {"group_column": "g"},
        r"^group_column: not for a forecast: name the columns .* forecasting\.series_id_columns; remove it$",
    ),
    ({"validation": {"folds": 5}}, r"^validation: not for a forecast: .* forecasting\.n_windows; remove it$"),
    (
        {"featurization": {"language": "eng"}},
        r"^featurization\.language: not for a forecast; possible: column_types, imputers$",
    ),
    ({"featurization": "off"}, r"^featurization\.mode: not for a forecast"),
    (
        {"featurization": {"imputers": {"y": "mean"}}},
        r"^featurization\.imputers: gaps of the target 'y' take the last value, or",
    ),
    ({"featurization": {"column_types": {"y": "numeric"}}}, r"^featurization\.column_types: 'y' is the target"),
    ({"metric": "accuracy"}, r"^metric: got 'accuracy'; possible: "),
    ({"algorithms": ["lightgbmm"]}, r"^algorithms: got 'lightgbmm'; possible: "),
]


@pytest.mark.parametrize(("changes", "message"), NOT_FOR_FORECASTS)
def test_what_only_tables_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _parsed(**changes)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_what_only_forecasts_have_is_refused(task: str) -> None:
    with pytest.raises(
        SettingError, match=rf"^forecasting: a {task} has no series; say `task: forecasting`, or remove it$"
    ):
        _parsed({"horizon": 3}, task=task)


def test_little_needs_to_be_said() -> None:
    experiment = _parsed()
    assert experiment.family.name == "forecasting"
    assert experiment.metric == "normalized_root_mean_squared_error"
    assert experiment.quantiles == (0.025, 0.1, 0.5, 0.9, 0.975)
    assert experiment.forecasting.horizon == "auto" and experiment.forecasting.frequency == "auto"
    assert experiment.forecasting.look_back.target_lags is None


def test_one_is_written_as_many() -> None:
    settings = _parsed(
        {"series_id_columns": "shop", "target_lags": 3, "seasonality": [7, 1, 7], "partition_by": "none"}
    )
    assert settings.forecasting.series_id_columns == ("shop",)
    assert settings.forecasting.target_lags == (3,)
    assert settings.forecasting.seasonality == (1, 7)
    assert settings.forecasting.partition_by == ()


@pytest.mark.parametrize(("written", "read"), [("none", ()), ("auto", "auto"), ([3, 1], (1, 3))])
def test_lags_may_be_left_out_found_or_named(written: Any, read: Any) -> None:
    assert _parsed({"target_lags": written}).forecasting.look_back.target_lags == read


def test_an_id_may_be_a_partition() -> None:
    settings = _parsed({"series_id_columns": ["a", "b"], "partition_by": ["a"], "hierarchy": ["a", "b"]}).forecasting
    assert settings.partition_by == ("a",)


def test_old_names_of_frequencies_become_new_ones() -> None:
    assert _parsed({"frequency": "H"}).forecasting.frequency == "h"


def test_forecasters_may_try() -> None:
    every = registry.algorithms("forecasting")
    assert list(_parsed().candidates) == list(every)
    named = next(name for name, part in every.items() if not part.is_fallback)
    assert set(_parsed(algorithms=[named]).candidates) == {named} | {n for n, p in every.items() if p.is_fallback}
    assert named not in _parsed(algorithms={"blocked": [named]}).candidates


def test_a_covariate_may_be_featurized() -> None:
    wishes = {
        "column_types": {"weather": "categorical"},
        "imputers": {"price": "mean", "y": {"strategy": "constant", "fill_value": 0}},
    }
    experiment = _parsed({"known_covariates": ["weather", "price"]}, featurization=wishes)
    assert experiment.featurization.imputers["y"].fill_value == 0
