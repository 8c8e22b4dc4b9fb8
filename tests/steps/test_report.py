"""The page about an experiment: complete, without anything from outside, and harmless whatever the data is called."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_assets.experiment.experiment import parse
from automl_assets.model_records import Evaluation, Explanation, Importance, OnnxModel, Picture, Unavailable
from automl_assets.records import (
    Calibration,
    ColumnProfile,
    Conformal,
    Guardrail,
    Leaderboard,
    LeaderboardRow,
    Problem,
    Profile,
    Split,
)
from automl_assets.steps.evaluate import evaluate
from automl_assets.steps.holdout_predictions import holdout_predictions
from automl_assets.steps.page import Material, Table
from automl_assets.steps.rank import rank
from automl_assets.steps.report import onnx_snippet, report
from automl_assets.tabular.steps.describe import describe

EMPTY = {"meta", "img", "link", "br", "hr", "input"}
ALERT = '"><script>alert(1)</script>'


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: bytes):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def named(name: str) -> Material:
    """An experiment in which everything that comes from data is called `name`."""
    experiment = parse(
        {"task": "classification", "source": {"kind": "sklearn", "name": "wine"}, "target": name}, "named"
    )
    problem = Problem("classification", "accuracy", (name, "other"), 1)
    column = ColumnProfile(name, name, "numeric", 0, 1, reason=name)
    config = {name: name}
    records = {
        "profile": Profile(3, (column,), (Guardrail("missing_values", "alerted", name),), problem),
        "split": Split(np.zeros(3, bool), np.ones((3, 1), np.int8), name),
        "leaderboard": Leaderboard("accuracy", True, (LeaderboardRow(1, name, name, 0.5, {}, 1.0, config, name),)),
        "evaluation": Evaluation("test", 3, {"accuracy": 0.5}, {}, {}, (Picture(name, name, b"\x89PNG"),)),
    }
    return Material(experiment, records, {name: 1.0})


@pytest.fixture(scope="module")
def made(learned: Callable[[str], Any]) -> Material:
    """Everything a classification has, from a real one."""
    found = learned("texts")
    profile = describe(found.dataset, found.experiment)
    truth = found.features.truth.y[found.split.is_training]
    importances = (Importance("size", 0.25, 0.01),)
    explanation: Any = Explanation("accuracy", importances, (), None, None, ())  # type: ignore[arg-type]
    records = {
        "profile": profile,
        "split": found.split,
        "leaderboard": rank(found.candidates, "accuracy", "classification"),
        "ensemble": found.ensemble,
        "evaluation": evaluate(
            holdout_predictions(found.features, found.ensemble), found.ensemble.problem, truth, seed=0
        ),
        "explanation": explanation,
        "onnx_model": OnnxModel(b"", {"size": "float", "bought": "double", "colour": "string"}, 1, 0.0, 0.1),
    }
    return Material(found.experiment, records, {"dataset": 0.5})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(st.text(min_size=1), st.just(ALERT), st.sampled_from(["'", '"', "&lt;", "{{ 7*7 }}", "</style>", "-->"]))
)
def test_names_from_data_are_text_and_nothing_else(name: str) -> None:
    expected = Page(report(named("plain")).page)
    found = Page(report(named(name)).page)
    assert [tag for tag, _ in found.elements] == [tag for tag, _ in expected.elements]
    assert [set(attributes) for _, attributes in found.elements] == [set(a) for _, a in expected.elements]
    assert found.open == []


@pytest.mark.parametrize(("given", "shown"), [(None, "10 minutes"), (0.5, "0.5 minutes")])
def test_the_time_limit_is_that_of_the_run(given: float | None, shown: str) -> None:
    assert shown in Page(report(replace(named("plain"), timeout_minutes=given)).page).text


def test_a_script_is_shown_and_not_run() -> None:
    page = report(named(ALERT)).page
    assert b"<script" not in page and ALERT in Page(page).text
    assert any(image["alt"] == ALERT for image in Page(page).all("img"))


def test_the_page_needs_nothing_from_outside(made: Material) -> None:
    page = Page(report(made).page)
    addresses = [a.get(key) for _, a in page.elements for key in ("src", "href", "srcset", "action") if key in a]
    assert all(str(address).startswith(("#", "data:image/png;base64,")) for address in addresses)
    assert page.all("script") == [] and page.all("link") == []
    assert b"url(" not in report(made).page and b"@import" not in report(made).page


def test_the_page_can_be_read_without_eyes(made: Material) -> None:
    page = Page(report(made).page)
    assert page.all("html")[0]["lang"] == "en" and len(page.all("h1")) == 1
    assert len(page.all("img")) == len(made.records["evaluation"].pictures) > 3
    assert all(image["alt"] for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all("scope" in header for header in page.all("th"))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert {a["href"] for a in page.all("a")} == {f"#{name}" for name in ids} and len(ids) == len(set(ids))


def test_every_part_of_the_answer_is_told(made: Material) -> None:
    text = Page(report(made).page).text
    evaluation, ensemble = made.records["evaluation"], made.records["ensemble"]
    assert f"accuracy {evaluation.metrics['accuracy']:.5g} (95 % interval" in text
    assert all(member.trial in text for member in ensemble.members)
    assert all(guardrail.message in text for guardrail in made.records["profile"].guardrails)
    assert "'bought': np.array([[1.7e9]])," in text and "session.run(None, row)" in text


@pytest.mark.parametrize("absent", ["explanation", "onnx_model", "evaluation", "split"])
def test_what_an_experiment_leaves_out_the_page_leaves_out(absent: str, made: Material) -> None:
    less = replace(made, records={name: record for name, record in made.records.items() if name != absent})
    assert len(report(less).page) < len(report(made).page)


def test_calibration_and_coverage_are_told(made: Material) -> None:
    ensemble = replace(
        made.records["ensemble"], calibration=Calibration(0.5, -0.25), conformal=Conformal((0.8, 0.95), (0.4, 0.1))
    )
    found = {"coverage_80": 0.8125, "set_size_80": 1.0625, "coverage_95": 0.96, "set_size_95": 1.5}
    evaluation = replace(made.records["evaluation"], coverage=found)
    page = Page(report(replace(made, records={**made.records, "ensemble": ensemble, "evaluation": evaluation})).page)
    assert "log-odds were multiplied by 0.5 and moved by -0.25" in page.text
    assert "Whether probabilities can be believed" in page.text and "How often sets hold the truth" in page.text
    assert "0.8125" in page.text and "1.0625" in page.text
    assert [image["alt"] for image in page.all("img")].count("Calibration") == 1


def test_what_could_not_be_made_is_named(made: Material) -> None:
    records = {**made.records, "explanation": Unavailable("ValueError: no room")}
    page = Page(report(replace(made, records=records)).page)
    assert "What could not be made" in page.text and "ValueError: no room" in page.text
    assert "What the model leans on" not in page.text
    assert "What could not be made" not in Page(report(made).page).text


def test_long_tables_say_that_they_are_cut() -> None:
    table = Table.of("Trials", ("name", "score"), [("a", 0.5)] * 60)
    assert len(table.rows) == 50 and table.caption == "Trials The first 50 of 60." and table.numbers == {1}


def test_the_snippet_is_python_that_spells_out_few_inputs() -> None:
    snippet = onnx_snippet({f'"{i}': "string" for i in range(30)}, Problem("regression", "r2_score"))
    compile(snippet, "snippet", "exec")
    assert "and 18 more" in snippet and snippet.count("np.array") == 12


def test_the_snippet_names_the_answers_about_tokens_and_loads_what_cuts_texts() -> None:
    snippet = onnx_snippet({"text": "string"}, Problem("text_ner", "entity_f1_micro", ("O", "B-a", "I-a")), True)
    compile(snippet, "snippet", "exec")
    assert snippet.endswith("probabilities, tags = session.run(None, row)[:2]")
    assert 'InferenceSession("onnx.onnx", options)' in snippet and "get_library_path()" in snippet


def test_a_metric_without_a_value_is_told_first(made: Material) -> None:
    evaluation = Evaluation("test", 3, {"accuracy": 1.0}, {}, {}, ())
    asked = made.experiment.model_copy(update={"metric": "AUC_weighted"})
    page = Page(report(replace(made, experiment=asked, records=made.records | {"evaluation": evaluation})).page)
    score = made.records["ensemble"].score
    assert (
        "AUC_weighted has no value on these 3 test rows: it needs rows of at least two classes. "
        f"Validation found {score:.5g} on out-of-fold rows."
    ) in page.text
