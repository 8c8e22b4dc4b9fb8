"""Values that an experiment gives hold for every trial, are swept where there are several, and are refused where they are
none of the algorithm's."""

import re
from itertools import islice
from pathlib import Path

import pytest
import yaml

from automl_assets import registry
from automl_assets.experiment.experiment import parse
from automl_assets.learning.configurations import configured
from automl_assets.records import Problem
from automl_assets.steps.suggest import new_study

PROBLEM = Problem("text_classification", "accuracy", ("no", "yes"))
TEXTS = {"task": "text_classification", "source": "texts.csv", "target": "label"}


@pytest.fixture(scope="module")
def algorithm():
    return registry.algorithms("text")["fine_tuned_encoder"]


def test_one_value_holds_in_every_trial_and_several_are_swept(algorithm) -> None:
    given = {"learning_rate": 3e-5, "epochs": [1.0, 2.0], "weight_decay": 0.01}
    fixed = configured(algorithm, given)
    portfolio = fixed.portfolio(PROBLEM)
    assert {(one["learning_rate"], one["weight_decay"]) for one in portfolio} == {(3e-5, 0.01)}
    assert [one["epochs"] for one in portfolio[:2]] == [1.0, 2.0]
    assert len({str(one) for one in portfolio}) == len(portfolio)

    study = new_study(0)
    searched = [fixed.space(study.ask(), PROBLEM) for _ in range(12)]
    assert {one["learning_rate"] for one in searched} == {3e-5}
    assert {one["epochs"] for one in searched} == {1.0, 2.0}
    assert len({one["warmup"] for one in searched}) == 12  # what is not given is searched as before


def test_without_values_an_algorithm_stays_as_it_is(algorithm) -> None:
    assert configured(algorithm, {}) is algorithm


def test_every_algorithm_takes_its_own_default_and_what_it_searches() -> None:
    """Whatever a space asks a trial for is passed on."""
    for part in registry.algorithms("text").values():
        default = dict(islice(part.portfolio(PROBLEM)[0].items(), 1))
        fixed = configured(part, default)
        assert fixed.portfolio(PROBLEM)[0] == part.portfolio(PROBLEM)[0]
        if part.space:
            assert fixed.space(new_study(0).ask(), PROBLEM).items() >= default.items()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"fine_tuned": {}},
            r"algorithms.settings: got 'fine_tuned'; may try: .* Did you mean \"fine_tuned_encoder\"\?",
        ),
        (
            {"fine_tuned_encoder": {"epoch": 2}},
            r"algorithms.settings.fine_tuned_encoder has no 'epoch'; .* \"epochs\"\?",
        ),
        (
            {"fine_tuned_encoder": {"epochs": "many"}},
            r"fine_tuned_encoder.epochs: got 'many'; it is a number from 0 up",
        ),
        ({"fine_tuned_encoder": {"epochs": []}}, r"fine_tuned_encoder.epochs: got \[\]; it is a number"),
        ({"fine_tuned_encoder": {"schedule": ["linear", "stairs"]}}, r"got 'stairs'; it is one of linear, cosine"),
        ({"fine_tuned_encoder": {"batch_rows": 16.0}}, r"got 16.0; it is a positive whole number, without a point"),
        ({"fine_tuned_encoder": {"epochs": float("inf")}}, r"got inf; it is a number from 0 up"),
        ({"text_boosting": {"rounds": 100.0}}, r"got 100.0; it is a whole number from 0 up, without a point"),
        ({"fine_tuned_encoder": {"batch_rows": -8}}, r"got -8; it is a positive whole number"),
    ],
)
def test_what_an_algorithm_does_not_have_is_refused(given: dict, message: str) -> None:
    with pytest.raises(Exception, match=message):
        parse(TEXTS | {"algorithms": {"settings": given}}, "any")


def test_what_it_has_is_taken() -> None:
    given = {"fine_tuned_encoder": {"epochs": 2, "schedule": ["linear", "cosine"], "batch_rows": 8}}
    assert parse(TEXTS | {"algorithms": {"settings": given}}, "any").algorithms.settings == given


def test_the_example_of_the_readme_is_taken() -> None:
    """It stands in the table of settings."""
    (told,) = re.findall(r"`\{settings: (\{.*?\}\})\}`", Path("README.md").read_text())
    asked = {"task": "classification", "source": "rows.csv", "target": "y"}
    parse(asked | {"algorithms": {"settings": yaml.safe_load(told)}}, "any")
