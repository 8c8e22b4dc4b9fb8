"""Components of a forecast add up to it, whatever its members are; covariates matter where members look at them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.models.components import LEVEL, SEASONS, WORDS
from automl_assets.forecasting.records import ForecastEnsemble, ForecastMember, Group
from automl_assets.forecasting.steps.explain import components, explain
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.records import Fitted
from tests import forecasts
from tests.forecasts import HORIZON

EXPLAINED = [
    name
    for name, part in registry.algorithms("forecasting").items()
    if not part.is_fallback
    and part.scope == "series"
    and part.portfolio(forecasts.group().problem, forecasts.group().panel)
]


def _with(group: Group, names: list[str], kind: str) -> ForecastEnsemble:
    """Naive members, and one of each of the named forecasters."""
    plain = forecasts.ensemble(group, kind)
    members = list(plain.members)
    for name in names:
        part = registry.algorithms("forecasting")[name]
        config = part.portfolio(group.problem, group.panel)[0]
        fitted = Fitted((part.fit(config, group.panel, ForecastContext(group.problem)),))
        members.append(ForecastMember(f"{name} 1", name, 0.5, config, fitted))
    return replace(plain, members=tuple(members))


@pytest.mark.parametrize("kind", ["voting", "median"])
def test_components_add_up_to_the_point(kind):
    group = forecasts.group((60, 48, 40))
    ensemble = _with(group, EXPLAINED[:1], kind)
    answered = forecast(ensemble, group.panel, group.test)
    parts = components(ensemble, group.panel, group.test, answered)
    assert {LEVEL, SEASONS} <= set(parts) <= WORDS | {one.name for one in group.problem.covariates}
    np.testing.assert_allclose(sum(parts.values()), answered.point)


def test_a_series_that_no_member_knows_is_explained_by_the_naive_forecast():
    group = forecasts.group((60, 1))
    ensemble = _with(group, EXPLAINED[:1], "voting")
    ensemble = replace(ensemble, members=ensemble.members[-1:])
    answered = forecast(ensemble, group.panel, group.test)
    parts = components(ensemble, group.panel, group.test, answered)
    np.testing.assert_array_equal(parts["Naive"][1], answered.point[1])
    assert not parts["Naive"][0].any()
    np.testing.assert_allclose(sum(parts.values()), answered.point)


def test_every_contribution_is_told():
    group = forecasts.group()
    ensemble = _with(group, EXPLAINED[:1], "voting")
    made = explain(group, ensemble, seed=0, seconds=20)
    table, answered = made.contributions, forecast(ensemble, group.panel, group.test)
    assert table.columns == ["series", "stamp", "component", "contribution"]
    sums = table.group_by("series", "stamp", maintain_order=True).agg(pl.sum("contribution"))
    assert sums["series"].to_list() == [name for name in group.panel.names for _ in range(HORIZON)]
    np.testing.assert_array_equal(sums["stamp"].to_numpy(), answered.stamps.ravel())
    np.testing.assert_allclose(sums["contribution"].to_numpy(), answered.point.ravel())
    assert made.strengths["contribution"].is_sorted(descending=True)
    assert [picture.name for picture in made.pictures] == ["components", "importance"]
    assert [picture.image[:4] for picture in made.pictures] == [b"<svg", b"\x89PNG"]


@pytest.mark.parametrize("has_test", [True, False])
def test_the_covariate_that_moves_the_target_is_the_most_important(has_test):
    """Judged by the test where there is one, else by how far forecasts move."""
    group = _driven_by_price(has_test)
    part = next(part for part in registry.algorithms("forecasting").values() if part.scope == "group")
    config = part.portfolio(group.problem, group.panel)[0] | {"rounds": 40}
    fitted = Fitted((part.fit(config, group.panel, ForecastContext(group.problem)),))
    member = ForecastMember("one", part.name, 1.0, config, fitted)
    made = explain(group, replace(forecasts.ensemble(group, "single"), members=(member,)), seed=0, seconds=30)
    assert {one.column for one in made.importances} == {"price", "weather", "size"}
    assert made.importances[0].column == "price"
    assert made.importances[0].mean > 3 * max(abs(one.mean) for one in made.importances[1:])


def _driven_by_price(has_test: bool) -> Group:
    group = forecasts.group((90, 80, 70))
    panel, test = (replace(one, y=100 + 20 * one.covariates[:, 0].astype(float)) for one in (group.panel, group.test))
    return replace(group, panel=panel, test=test if has_test else None)


def test_without_time_nothing_is_shuffled():
    group = forecasts.group()
    made = explain(group, forecasts.ensemble(group), seed=0, seconds=0, is_drawn=False)
    assert made.importances == made.pictures == ()
