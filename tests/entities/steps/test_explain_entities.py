"""Which words speak for an entity: its own, and those that stand by it."""

import json
import time
from typing import Any

import numpy as np
import polars as pl
import pytest

from automl_assets.entities.steps import explain as module
from automl_assets.entities.steps.explain import EntityModel, explain, explain_rows, term_pushes
from automl_assets.errors import DataError, TimeUpWarning

ROWS = pl.DataFrame({"text": ["Mr Kalo met nobody in Mirastad", "nobody came back today", "", None]})


def test_what_stands_before_an_entity_speaks_for_it(case: Any) -> None:
    found = explain(case.ensemble, case.dataset, case.features, seed=0, seconds=20.0)
    leading = {output: {*terms["term"][:6]} for (output,), terms in found.terms.group_by("output")}
    assert "mr …" in leading["person"] and "in …" in leading["place"] | {*found.terms["term"]}
    strongest = found.terms.filter(pl.col("output") == "person").row(0, named=True)
    assert strongest["push"] > 0 and strongest["n_rows"] >= 3
    assert {one.name for one in found.pictures} > {"terms"} and len(found.pictures) == 4
    assert found.contributions.outputs == ("person", "place")


def test_words_of_an_entity_add_up_to_its_log_odds_and_say_where_they_are(case: Any) -> None:
    found = explain_rows(case.ensemble, case.dataset, case.features, ROWS, 10.0)
    assert found.select("row", "entity").unique(maintain_order=True).rows() == [(0, "Kalo"), (0, "Mirastad")]
    model = EntityModel(case.ensemble)
    inputs = module.tokenized(case.ensemble.featurizer, ROWS)
    answered = model.entities(inputs, model.answers(inputs))
    totals = found.group_by("entity", maintain_order=True).agg(pl.col("contribution").sum() + pl.col("base").first())
    assert totals["contribution"].to_list() == pytest.approx([one.log_odds for one in answered])
    for row, value, start, stop in found.select("row", "value", "start", "stop").iter_rows():
        assert ROWS["text"][row][start:stop] == value
    says = dict(found.filter(pl.col("entity") == "Kalo").select("value", "contribution").iter_rows())
    assert max(says, key=lambda word: says[word]) in ("Mr", "Kalo") and says["Mr"] > abs(says["nobody"])


def test_lists_of_tokens_are_explained_with_places_in_the_text_that_is_answered(case: Any) -> None:
    table = ROWS.head(1)
    listed = table.with_columns(text=pl.lit(json.dumps(table["text"][0].split())))
    one, other = (explain_rows(case.ensemble, case.dataset, case.features, rows, 0.0) for rows in (table, listed))
    assert one.equals(other) and one.height > 0


def test_in_no_time_the_first_entities_are_explained_and_the_others_told(case: Any) -> None:
    table = pl.DataFrame({"text": [ROWS["text"][0]] * 30})
    with pytest.warns(TimeUpWarning) as told:
        found = explain_rows(case.ensemble, case.dataset, case.features, table, 0.0)
    assert [str(one.message).split(" were")[0] for one in told] == ["4 of 30 texts", "4 of 8 entities"]
    assert found.select("row", "entity").unique().height == 4


def test_a_column_that_is_missing_is_told(case: Any) -> None:
    with pytest.raises(DataError, match="text"):
        explain_rows(case.ensemble, case.dataset, case.features, pl.DataFrame({"words": ["a"]}), 1.0)


def test_terms_are_the_same_each_time(case: Any) -> None:
    model, inputs = EntityModel(case.ensemble), case.features.inputs[np.arange(200)]
    answered = model.entities(inputs, model.answers(inputs))
    one, other = (term_pushes(model, answered, float("inf")) for _ in range(2))
    assert one.equals(other) and one.height > 0


@pytest.mark.parametrize(("seconds", "most"), [(0.0, 8.0), (30.0, 33.0)])
def test_a_slow_model_is_explained_in_its_time(case: Any, monkeypatch: pytest.MonkeyPatch, seconds: float, most: float):
    """An encoder takes 75 ms for a text of some ten words."""
    hand, ask = {"seconds": 0.0}, module.answer_inputs

    def slow(ensemble: Any, inputs: Any) -> np.ndarray:
        hand["seconds"] += 0.0075 * len(inputs)
        return ask(ensemble, inputs)

    monkeypatch.setattr(module, "answer_inputs", slow)
    monkeypatch.setattr(time, "monotonic", lambda: hand["seconds"])
    found = explain(case.ensemble, case.dataset, case.features, seed=0, seconds=seconds)
    assert found.terms.height > 0 and found.contributions.table.height > 0
    assert 0.5 * seconds < hand["seconds"] < most
