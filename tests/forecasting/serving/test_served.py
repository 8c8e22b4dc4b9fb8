"""The registered forecast model: rows of many series in, answers of the groups' own ONNX files out."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import polars as pl
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from automl_assets import registry
from automl_assets.data.schema import learn_schema
from automl_assets.data.series_names import series_values
from automl_assets.data.time_grid import grid
from automl_assets.data.timestamps import learn_format
from automl_assets.errors import ArtifactError, DataError
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import Group
from automl_assets.forecasting.serving import served
from automl_assets.forecasting.serving.model_folder import forecast_model, forecast_rows
from automl_assets.forecasting.serving.served import _values
from automl_assets.forecasting.steps.export import export
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.model_records import OnnxModel
from automl_assets.records import Fitted
from tests import forecasts
from tests.forecasts import HORIZON, PROBLEM

GROUPS = (forecasts.group(), forecasts.group((25, 20), region="so|uth"))


@pytest.fixture(scope="module")
def made() -> list[OnnxModel]:
    return [export(group, forecasts.ensemble(group)) for group in GROUPS]


@pytest.fixture(scope="module")
def model(made: list[OnnxModel]) -> Iterator[mlflow.pyfunc.PyFuncModel]:
    with forecast_model(made, ("region",)) as folder:
        yield mlflow.pyfunc.load_model(str(folder))


def rows(group: Group) -> pd.DataFrame:
    """A group as people would send it: the last rows of each series without their target."""
    whole, numbers = group.panel.then(group.test), np.arange(group.panel.n_series)
    series = np.repeat(numbers, whole.lengths)
    ids = [series_values(name) for name in whole.names]
    is_ahead = np.concatenate([np.arange(length) >= length - HORIZON for length in whole.lengths])
    return pd.DataFrame(
        {
            "month": np.datetime_as_string(whole.stamps, "D"),
            "region": [ids[number][0] for number in series],
            "shop": [int(ids[number][1]) for number in series],
            "sold": np.where(is_ahead, np.nan, whole.y),
            "price": whole.covariates[:, 0].astype(float),
            "weather": np.where(whole.covariates[:, 1] == 1, "wet", "dry"),
            "size": whole.statics[series, 0].astype(int),
        }
    )


EVERY = pd.concat([rows(group) for group in GROUPS], ignore_index=True)
ONE = EVERY[(EVERY["region"] == "north") & (EVERY["shop"] == 1)].reset_index(drop=True)


def test_rows_are_answered_without_a_server(made, model):
    pd.testing.assert_frame_equal(forecast_rows(made, ("region",), EVERY), model.predict(EVERY))


def test_rows_as_csv_get_the_answers_of_json(model):
    """By the server's own function, without a socket; gaps, numbers and names of series mean the same."""
    schema = model.metadata.get_input_schema()
    told = [
        scoring_server.invocations(content.encode(), kind, model, schema)
        for kind, content in (
            ("text/csv", EVERY.to_csv(index=False)),
            (
                "application/json",
                json.dumps({"dataframe_split": json.loads(EVERY.to_json(orient="split", index=False))}),
            ),
        )
    ]
    assert [one.status for one in told] == [200, 200]
    by_csv, by_json = (pd.DataFrame(json.loads(one.response)["predictions"]) for one in told)
    pd.testing.assert_frame_equal(by_csv.astype({"shop": int}), by_json)


def test_rows_are_read_as_those_learnt_from(made, model):
    """Stamps that begin with the day, ids that pandas made fractions of, numbers as texts; and what does not fit is told."""
    written = EVERY.assign(month=pd.to_datetime(EVERY["month"]).dt.strftime("%d/%m/%Y"))
    table = pl.from_pandas(written)
    schema = learn_schema(table, time_formats={"month": learn_format(table["month"])})
    with forecast_model(made, ("region",), schema) as folder:
        reader = mlflow.pyfunc.load_model(str(folder))
        told = reader.predict(written.assign(shop=written["shop"].astype(float), price=written["price"].astype(str)))
        ids = ["month", "region", "shop"]
        pd.testing.assert_frame_equal(told.drop(columns=ids), model.predict(EVERY).drop(columns=ids))
        assert list(told["month"]) == list(written.loc[EVERY["sold"].isna(), "month"]), "as they were sent"
        with pytest.raises(
            MlflowException, match='column "price" holds numbers, such as .*; 1 cell is another: .dear.'
        ):
            reader.predict(written.assign(price=["dear", *written["price"][1:]]))
        with pytest.raises(
            MlflowException, match="such as '13/13/2020', are no time of the form %d/%m/%Y|'13/13/2020'"
        ):
            reader.predict(written.assign(month=["13/13/2020", *written["month"][1:]]))


def test_truths_of_csv_are_those_of_json():
    truths = pd.Series([True, None, False], dtype=object)
    for sent in (truths, truths.map({True: "True", False: " false"})):
        np.testing.assert_array_equal(_values(sent, "tensor(float)"), [1, np.nan, 0])


@pytest.mark.parametrize(
    ("csv", "told"),
    [(" ", "the body is empty"), ("month;sold\n1;2,5", "more cells in a row than in the header")],
)
def test_what_is_no_csv_is_told(model, csv, told):
    answer = scoring_server.invocations(csv, "text/csv", model, model.metadata.get_input_schema())
    assert answer.status == 400 and told in json.loads(answer.response)["message"]


def test_rows_that_are_no_series_are_told(made):
    with pytest.raises(DataError, match="is no date; send ISO 8601 texts"):
        forecast_rows(made, ("region",), ONE.assign(month="soon"))


def test_every_group_answers_by_its_own_model(model):
    answers = model.predict(EVERY.sample(frac=1, random_state=1))
    for group in GROUPS:
        expected = forecast(forecasts.ensemble(group), group.panel, group.test)
        for number, name in enumerate(group.panel.names):
            region, shop = series_values(name)
            own = answers[(answers["region"] == region) & (answers["shop"] == int(shop))].sort_values("month")
            assert own["month"].tolist() == np.datetime_as_string(expected.stamps[number], "D").tolist()
            np.testing.assert_allclose(own["forecast"], expected.point[number])
            quantiles = own[["quantile_0.1", "quantile_0.5", "quantile_0.9"]]
            np.testing.assert_allclose(quantiles, expected.quantiles[number])


def test_answers_keep_the_order_of_the_rows(model):
    turned = ONE[::-1]
    assert model.predict(turned)["month"].tolist() == turned["month"][turned["sold"].isna()].tolist()


def test_fewer_stamps_than_the_horizon_are_the_first_ones(model):
    whole, cut = model.predict(ONE), model.predict(ONE[:-2])
    pd.testing.assert_frame_equal(cut, whole[:-2])


def test_beyond_the_horizon_forecasts_become_history(model):
    whole = model.predict(ONE)
    known = ONE["sold"].isna().cumsum() == 0
    later = ONE.assign(month=(pd.to_datetime(ONE["month"]) + pd.DateOffset(months=HORIZON)).dt.strftime("%Y-%m-%d"))
    further = pd.concat([ONE, later[-HORIZON:]], ignore_index=True)
    answers = model.predict(further)
    pd.testing.assert_frame_equal(answers[:HORIZON], whole)
    history = pd.concat([ONE[known], ONE[~known].assign(sold=whole["forecast"].to_numpy()), later[-HORIZON:]])
    again = model.predict(history)
    np.testing.assert_allclose(answers["forecast"][HORIZON:], again["forecast"])
    width = (whole["quantile_0.9"] - whole["forecast"]).iloc[-1]
    expected = answers["forecast"].iloc[-1] + np.sqrt(2) * width
    assert answers["quantile_0.9"].iloc[-1] == pytest.approx(expected)


def test_another_series_of_a_known_group_is_forecast(model):
    answers = model.predict(ONE.assign(shop="new"))
    np.testing.assert_allclose(answers["forecast"], model.predict(ONE)["forecast"])


def test_moments_of_any_kind_are_understood(model):
    expected = model.predict(ONE)["forecast"]
    for moments in (pd.to_datetime(ONE["month"]), pd.to_datetime(ONE["month"], utc=True), ONE["month"] + "T00:00:00Z"):
        np.testing.assert_allclose(model.predict(ONE.assign(month=moments))["forecast"], expected)


BAD = {
    "twice": (
        pd.concat([ONE, ONE[5:6].assign(sold=0.0)]),
        "two rows of 2021-06-01 with different values; send one",
    ),
    "no date": (ONE.replace({"month": {"2021-10-01": "soon"}}), 'column "month": soon is no date'),
    "no stamp": (ONE.replace({"month": {"2021-10-01": None}}), 'column "month": a stamp is missing'),
    "no history": (ONE.assign(sold=None), '"sold" is null in every row; send rows of the history'),
    "no future": (ONE.dropna(subset="sold"), 'nothing is to be forecast; add rows to come, with "sold" null'),
    "no group": (ONE.assign(region="west"), r"'west\|1' belongs to no group with a model; .* north\|0, north\|1"),
    "no target": (
        ONE.assign(sold=["many", *ONE["sold"][1:]]),
        "\"sold\": 'many' is no number; send a number, true, false or null",
    ),
    "no price": (ONE.assign(price="cheap"), "\"price\": 'cheap' is no number"),
    "nested": (ONE.assign(price=[[1]] * len(ONE)), r'column "price": \[1\] is no single value'),
    "no rows": (ONE[:0], "there are no rows"),
    "a long cell": (ONE.assign(price="x" * 10_000), '"price": \'x{59}… is no number'),
}


@pytest.mark.parametrize(("sent", "told"), BAD.values(), ids=BAD)
def test_bad_rows_are_told_in_words(model, sent, told):
    with pytest.raises(MlflowException, match=told):
        model.predict(sent)


def _daily() -> Group:
    """The first group with a day in the place of each month."""
    panel, test = (
        replace(one, stamps=one.stamps.astype("datetime64[M]").astype(np.int64).astype("datetime64[D]"))
        for one in (GROUPS[0].panel, GROUPS[0].test)
    )
    panel, test = (replace(one, stamps=one.stamps.astype("datetime64[us]")) for one in (panel, test))
    return replace(GROUPS[0], panel=panel, test=test, problem=replace(PROBLEM, frequency="D"))


def test_a_history_longer_than_memory_is_refused(made, model):
    """Rows of 1700 among those of seconds would be a row for each second since."""
    seconds = pd.date_range("2024-01-01", periods=len(ONE), freq="s").strftime("%Y-%m-%dT%H:%M:%S")
    group = replace(_daily(), problem=replace(PROBLEM, frequency="s"))
    panel = replace(
        group.panel, stamps=group.panel.stamps.astype("datetime64[D]").astype(np.int64).astype("datetime64[s]")
    )
    with forecast_model([export(replace(group, panel=panel), forecasts.ensemble(group))]) as folder:
        seconds = ONE.assign(month=["1700-01-01T00:00:00", *seconds[1:]])
        with pytest.raises(MlflowException, match="[0-9]{10} steps of 's' lie between its first and last row"):
            mlflow.pyfunc.load_model(str(folder)).predict(seconds)


def test_what_is_too_far_ahead_is_refused(made, monkeypatch):
    """Every horizon asks the model once more, with all rows before."""
    monkeypatch.setattr(served, "MOST_PASSES", 1000)
    with pytest.raises(
        DataError, match="85 steps of 'MS' after 30 of the history are too many at once; send a shorter"
    ):
        forecast_rows(made, ("region",), pd.concat([ONE, ONE[-1:].assign(month="2030-07-01")]))
    assert len(forecast_rows(made, ("region",), ONE)) == HORIZON


def test_what_was_never_learnt_is_noted(made, model):
    """Series beside the frame, and texts of covariates; what was learnt is not."""
    assert model.predict(ONE).attrs == {"notes": []}
    told = model.predict(ONE.assign(shop="new")).attrs["notes"]
    assert told == ["series 'north|new': never learnt, answered by the model of their group."]
    table = pl.from_pandas(EVERY)
    schema = learn_schema(table, time_formats={"month": learn_format(table["month"])})
    with forecast_model(made, ("region",), schema) as folder:
        read = mlflow.pyfunc.load_model(str(folder))
        told = read.predict(ONE.assign(weather="hail", shop=99)).attrs["notes"]
    assert told[0] == f"\"weather\": {len(ONE)} cells never learnt, counting as any other, such as 'hail'."
    assert told[1:] == ["series 'north|99': never learnt, answered by the model of their group."]


def test_rows_are_put_on_the_grid_as_those_learnt_from(model):
    """Holes take the value before, repeats become one, a stamp inside a month is that month's."""
    expected = model.predict(ONE.assign(sold=ONE["sold"].where(ONE.index != 3)))
    for sent in (
        ONE.drop(index=3),
        pd.concat([ONE.drop(index=3), ONE[5:6]]),
        ONE.drop(index=3).replace({"month": {"2021-10-01": "2021-10-05"}}),
    ):
        pd.testing.assert_frame_equal(model.predict(sent).reset_index(drop=True), expected)


def test_a_season_goes_on_where_it_was_when_stamps_between_are_not_sent():
    """Rows that begin five stamps after what was learnt, with a model that keeps a state."""
    season = np.tile([0.0, 10.0, 20.0, 30.0, 40.0, 90.0, 5.0], 8)
    group = _group_on("D", "2021-01-04")
    panel, test = replace(group.panel, y=season[:40]), replace(group.test, y=season[40:46])
    group = replace(group, panel=panel, test=test, problem=replace(group.problem, periods=(7,)))
    part, context = registry.algorithms("forecasting")["ets"], ForecastContext(group.problem)
    config = next(one for one in part.portfolio(group.problem, panel))
    naive = forecasts.ensemble(group)
    member = replace(naive.members[0], algorithm="ets", weight=1.0, config=config)
    ensemble = replace(naive, members=(replace(member, fitted=Fitted((part.fit(config, panel, context),))),))
    with forecast_model([export(group, ensemble)]) as folder:
        model = mlflow.pyfunc.load_model(str(folder))
        days = pd.date_range("2021-01-04", periods=56).strftime("%Y-%m-%d")
        sent = pd.DataFrame({"month": days, "sold": season, "region": "north", "shop": 0})
        sent = sent.assign(price=1.0, weather="dry", size=1)
        sent.loc[50:, "sold"] = np.nan
        told = model.predict(sent[45:])
    np.testing.assert_allclose(told["forecast"], season[50:], atol=10)


def test_only_the_stamps_that_are_sent_are_answered(model):
    whole, without = model.predict(ONE), model.predict(ONE.drop(index=len(ONE) - 3))
    pd.testing.assert_frame_equal(without, whole.drop(index=HORIZON - 3).reset_index(drop=True))


def test_days_are_held_to_their_grid_too():
    group = _daily()
    sent = rows(group)
    with forecast_model([export(group, forecasts.ensemble(group))]) as folder:
        model = mlflow.pyfunc.load_model(str(folder))
        assert len(model.predict(sent)) == HORIZON * group.panel.n_series
        assert len(model.predict(sent[sent["month"] != "1971-09-13"])) == HORIZON * group.panel.n_series
        with pytest.raises(
            MlflowException, match=r"1971-10-10 05:00:00 is off the grid of 'D', which holds 1971-10-04"
        ):
            model.predict(sent.replace({"month": {"1971-10-10": "1971-10-10T05:00:00"}}))


def _asked_over(group: Group, stamps: list[Any], zone: str | None = None) -> pd.DataFrame:
    """What a served model of the group says after a history, the last `HORIZON` of the stamps."""
    one = replace(group, problem=replace(group.problem, timezone=zone))
    with forecast_model([export(one, forecasts.ensemble(one))]) as folder:
        sent = pd.DataFrame({"month": stamps, "sold": [float(n % 5) for n in range(len(stamps))]})
        sent.loc[len(sent) - HORIZON :, "sold"] = np.nan
        sent = sent.assign(region="north", shop=0, price=1.0, weather="dry", size=1)
        return mlflow.pyfunc.load_model(str(folder)).predict(sent)


def _group_on(alias: str, start: str, zone: str | None = None) -> Group:
    stamps = grid(alias).stamps(grid(alias).numbers(np.array([start], "datetime64[us]")) + np.arange(40 + HORIZON))
    whole = replace(forecasts.panel((40 + HORIZON,)), stamps=stamps)
    problem = replace(PROBLEM, frequency=alias, timezone=zone)
    return Group("north", ("north",), whole.until(HORIZON), whole.last(HORIZON), problem)


@pytest.mark.parametrize("alias", ["30min", "B", "W-WED", "SMS-15", "SME-15", "SMS-10-25", "MS-15", "BME", "QS-FEB-15"])
def test_every_grid_is_served(alias):
    group = _group_on(alias, "2021-01-15")
    stamps = np.concatenate([group.panel.stamps, group.test.stamps])
    told = _asked_over(group, np.datetime_as_string(stamps, "s").tolist())
    assert told["month"].tolist() == np.datetime_as_string(group.test.stamps, "s").tolist()


def test_nights_of_25_hours_are_served():
    group = _group_on("h", "2023-10-27")
    night = pd.date_range("2023-10-28", periods=60, freq="h", tz="Europe/Berlin")
    local = night.tz_localize(None).strftime("%Y-%m-%d %H:%M").tolist()
    assert len(set(local)) == 59
    assert _asked_over(group, local, "Europe/Berlin")["month"].tolist() == local[-HORIZON:]
    assert len(_asked_over(group, [*local[:-HORIZON], *local[-HORIZON:]])) == HORIZON  # averaged without a place


def test_midnights_of_two_offsets_are_days():
    days = pd.date_range("2023-10-20", periods=20, freq="D", tz="Europe/Berlin")
    written = [day.isoformat() for day in days]
    told = _asked_over(_group_on("D", "2023-10-01"), written)
    assert told["month"].tolist() == written[-HORIZON:]
    assert _asked_over(_group_on("D", "2023-10-01"), list(days))["forecast"].tolist() == told["forecast"].tolist()


def test_the_code_that_is_served_stands_alone(made):
    with forecast_model(made) as folder:
        (code,) = folder.glob("*.py")
        program = f"import sys\nsys.modules['automl_assets'] = None\nexec(open({str(code)!r}).read())"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_model_says_how_to_ask(made):
    with forecast_model(made) as folder:
        model = mlflow.pyfunc.load_model(str(folder))
        inputs = model.metadata.metadata["inputs"]
        assert set(inputs) == {"month", "region", "shop", "sold", "price", "weather", "size"}
        assert inputs["sold"] == "number, or null where it is to be forecast"
        assert [column.name for column in model.metadata.signature.outputs][:4] == [
            "month",
            "region",
            "shop",
            "forecast",
        ]
        assert len(model.predict(model.input_example)) == HORIZON


def test_no_model_at_all_is_told():
    with pytest.raises(ArtifactError, match="no group has an ONNX model"), forecast_model([]):
        pass
