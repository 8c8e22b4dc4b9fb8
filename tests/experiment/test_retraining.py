"""What a YAML may say about retraining: what is asked for by default, and how the impossible is refused."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster._utils.schedules import get_next_cron_tick, is_valid_cron_string
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets.assets.spec import code_version
from automl_assets.component import SHIPPED
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import Experiment, load, parse
from automl_assets.experiment.retraining import Retrain

TABLE = {"task": "classification", "source": "/data/rows.csv", "target": "y"}
SERIES = {"task": "forecasting", "source": "/data/rows.csv", "target": "y", "time_column": "t"}


def _parsed(retrain: Any, base: dict[str, Any] = TABLE, **changes: Any) -> Experiment:
    return parse({**base, **changes, "retrain": retrain}, "tried")


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_no_shipped_example_retrains_by_itself(file: Path) -> None:
    assert load(file).retrain == Retrain()


def test_nothing_happens_unless_asked() -> None:
    asked = Retrain()
    assert (asked.on_new_data, asked.cron, asked.drift.action, asked.automation) == (False, None, "none", "none")


def test_short_ways_to_write() -> None:
    assert _parsed(True).retrain.on_new_data
    assert _parsed({"drift": "tell"}, predict_source="new.csv").retrain.drift.action == "tell"
    assert _parsed({"cron": "none"}).retrain.cron is None


REFUSED = [
    ({"on_new_dat": True}, r'^retrain\.on_new_dat: unknown key; .* Did you mean "on_new_data"\?$'),
    ({"cron": "daily"}, r"^retrain\.cron: got 'daily': .*; it has five fields \(minute, hour, day, month, weekday\)"),
    ({"cron": 3}, r"^retrain\.cron: got 3: .*; it has five fields"),
    ({"cron": "0 24 * * *"}, r"^retrain\.cron: got '0 24 \* \* \*': .* out of range; it has five fields"),
    ({"cron": "0 3 * * monday"}, r"^retrain\.cron: got '0 3 \* \* monday': .* not acceptable; .* '0 3 \* \* mon'"),
    ({"cron": "*/0 3 * * *"}, r"step '0' in field 0 is not acceptable"),
    ({"cron": "0 0 3 * * 5"}, r"^retrain\.cron: got '0 0 3 \* \* 5', with seconds or years; it has five fields"),
    ({"cron": "0 0 30 2 *"}, r"^retrain\.cron: got '0 0 30 2 \*', a day that never comes$"),
    ({"cron": "0 0 31 4,6 *"}, r"a day that never comes$"),
    ({"timezone": "Europe/Berlinn"}, r'^retrain\.timezone: .* Did you mean "Europe/Berlin"\?$'),
    ({"debounce_seconds": -1}, r"^retrain\.debounce_seconds: got -1"),
    ({"drift": {"wasserstein": 0}}, r"^retrain\.drift\.wasserstein: got 0"),
    ({"drift": True}, r"^retrain\.drift\.action: got True; possible: none, tell, retrain"),
    ({"drift": "tell"}, r"^retrain\.drift: needs `predict_source`"),
    ({"automation": "eager", "on_new_data": True}, r"^retrain: automation: with `on_new_data` .* say one of the two$"),
]


@pytest.mark.parametrize(("retrain", "message"), REFUSED)
def test_refusal_says_what_is_possible(retrain: Any, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _parsed(retrain)


def test_what_is_not_for_a_forecast() -> None:
    with pytest.raises(SettingError, match=r"^retrain\.automation: not for a forecast: .* say `on_new_data`"):
        _parsed({"automation": "eager"}, SERIES)


def test_forecasts_that_have_come_true_need_no_rows_to_be_predicted() -> None:
    assert _parsed({"drift": {"action": "retrain", "error": 1}}, SERIES).retrain.drift.error == 1


FIELD = st.sampled_from(["*", "L", "*/15", "0", "1", "2", "1-5", "1,3", "2-4/2", "29", "31"])
NAMED = st.sampled_from(["mon", "SUN", "mon-fri", "7"])


@settings(max_examples=200, deadline=None)
@given(fields=st.tuples(FIELD, FIELD, FIELD, st.sampled_from(["*", "2", "jan", "apr-jun", "12"]), FIELD | NAMED))
def test_what_is_accepted_comes_due_in_dagster(fields: tuple[str, ...]) -> None:
    try:
        cron = _parsed({"cron": " ".join(fields)}).retrain.cron
    except SettingError:
        return
    assert cron is not None and is_valid_cron_string(cron)


@pytest.mark.parametrize("cron", ["0 3 * * mon", "*/5 8-18 * * 1-5", "@daily", "0 0 29 2 *", "0 0 30 1,2 *"])
def test_an_accepted_cron_has_a_next_time(cron: str) -> None:
    accepted, now = _parsed({"cron": cron}).retrain.cron, datetime(2026, 1, 1, 12, 1, 7, tzinfo=UTC)
    assert accepted is not None and get_next_cron_tick(accepted, now, "UTC") > now


def test_when_to_retrain_makes_nothing_stale() -> None:
    assert code_version(_parsed({"cron": "@daily"})) == code_version(_parsed({}))
