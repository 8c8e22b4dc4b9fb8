"""Groups that are drawn side by side come out as they would one after the other, and none stops another."""

from dataclasses import replace
from typing import Any

import pytest

from automl_assets.errors import ArtifactError
from automl_assets.forecasting.steps import map_groups as module
from automl_assets.forecasting.steps.evaluate import evaluate
from automl_assets.forecasting.steps.map_groups import draw_groups, map_groups
from automl_assets.records import Fitted
from tests import forecasts

KEYS = "first", "unread", "foreign", "last"


def given(key: str) -> tuple[Any, ...]:
    """A group and its ensemble, whose models are read when first looked at."""
    if key == "unread":
        raise ArtifactError("it has been changed since")
    group = forecasts.group() if key != "foreign" else None
    ensemble = forecasts.ensemble(forecasts.group())
    stored = [replace(one, fitted=Fitted(load=lambda one=one: one.fitted.models)) for one in ensemble.members]
    return group, replace(ensemble, members=tuple(stored))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few groups are many."""
    monkeypatch.setattr(module, "LEAST_APART", 2)
    monkeypatch.setattr(module, "TOGETHER", 3)


def test_side_by_side_is_as_one_after_the_other(few: None) -> None:
    apart = dict(draw_groups(KEYS, evaluate, given, n_cores=2))
    here = dict(map_groups(KEYS, lambda key: evaluate(*given(key))))
    assert sorted(apart) == sorted(KEYS)
    for key in ("first", "last"):
        assert apart[key].metrics == here[key].metrics
        assert [one.image for one in apart[key].pictures] == [one.image for one in here[key].pictures] != []
    assert str(apart["unread"]) == "it has been changed since" == str(here["unread"])
    assert str(apart["foreign"]) == f"AttributeError: {here['foreign']}"


def test_of_too_many_groups_none_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DRAWN", 1)
    made = dict(draw_groups(("first", "last"), evaluate, given, n_cores=2))
    assert [one.pictures for one in made.values()] == [(), ()]
