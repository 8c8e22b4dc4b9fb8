"""Sets of labels of texts: learnt, judged, decided and exported as single labels are."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest

from automl_assets import registry
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.onnx.session import feeds_of
from automl_assets.records import Candidate, Dataset, Ensemble, Features
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.export import export
from automl_assets.steps.load import load
from automl_assets.steps.predict import predict
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows

TASK = "text_classification_multilabel"
LEARNING = [
    part.name
    for part in registry.algorithms("text").values()
    if TASK in part.tasks and not part.is_fallback and part.requires != "transformers"  # without weights
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Dataset, Features]:
    rows, target = registry.tasks()[TASK].sample(0)
    file = tmp_path_factory.mktemp("sets") / "rows.csv"
    rows.write_csv(file)
    given = {"task": TASK, "source": str(file), "target": target, "validation": {"folds": 2}, "test": 0.2}
    experiment = parse(given, "sets")
    dataset = load(experiment)
    steps = experiment.family.steps
    profile = steps.describe(dataset, experiment)
    split = split_rows(dataset, profile, experiment)
    return experiment, dataset, steps.featurize(dataset, profile, split, experiment)


@pytest.fixture(scope="module")
def candidates(asked: tuple[Experiment, Dataset, Features]) -> dict[str, Candidate]:
    """The first configuration of every algorithm that answers with sets."""
    experiment, _, features = asked
    return {
        name: search(features, experiment.candidates[name], Budget(600, 2, max_trials=1), 0)
        for name in ("baseline", *LEARNING)
    }


@pytest.fixture(scope="module")
def ensemble(asked: tuple[Experiment, Dataset, Features], candidates: dict[str, Candidate]) -> Ensemble:
    experiment, _, features = asked
    return build_ensemble(candidates.values(), features, experiment.ensemble, 0)


def test_several_algorithms_answer_with_sets() -> None:
    assert {"logistic_regression", "linear_svm", "naive_bayes_svm", "complement_naive_bayes", "embedding_bag"} <= {
        *LEARNING
    }


@pytest.mark.parametrize("name", LEARNING)
def test_labels_are_learnt(candidates: dict[str, Candidate], name: str) -> None:
    (trial,) = candidates[name].trials
    assert trial.is_finished, trial.reason
    assert trial.score > candidates["baseline"].trials[0].score + 0.05


def test_onnx_answers_raw_texts_with_the_same_sets(
    asked: tuple[Experiment, Dataset, Features], ensemble: Ensemble
) -> None:
    experiment, dataset, features = asked
    rows = dataset.table.filter(features.truth.split.is_test)
    onnx = export(ensemble, rows)
    assert onnx.max_difference < 1e-5
    session = onnxruntime.InferenceSession(onnx.onnx)
    told = dict(
        zip([one.name for one in session.get_outputs()], session.run(None, feeds_of(rows, onnx.inputs)), strict=True)
    )
    probabilities = experiment.family.steps.answer(ensemble, rows)
    thresholds = np.array(ensemble.problem.thresholds or (0.5,) * ensemble.problem.n_classes)
    np.testing.assert_array_equal(told["labels"], probabilities > thresholds)


def test_a_set_is_a_list_of_names_and_may_be_empty(
    asked: tuple[Experiment, Dataset, Features], ensemble: Ensemble
) -> None:
    texts = pl.DataFrame(
        {"review": ["The friendly and helpful people at the quiet place", "the of a"], "nights": [1, 2]}
    )
    sure = replace(ensemble, problem=replace(ensemble.problem, thresholds=(0.8, 0.8, 0.8)))
    answers = predict(sure, texts).table
    friendly, silent = (json.loads(cell) for cell in answers["prediction"])
    assert "welcome" in friendly and "food" not in friendly
    assert silent == []


def test_labels_that_only_a_test_file_has_are_told(tmp_path: Path) -> None:
    rows, target = registry.tasks()[TASK].sample(0)
    rows.write_csv(tmp_path / "rows.csv")
    rows.head(20).with_columns(pl.lit('["parking"]').alias(target)).write_csv(tmp_path / "test.csv")
    given = {"task": TASK, "source": str(tmp_path / "rows.csv"), "target": target, "test": str(tmp_path / "test.csv")}
    experiment = parse(given, "sets")
    found = {one.name: one for one in experiment.family.steps.describe(load(experiment), experiment).guardrails}
    assert found["unseen_classes"].status == "alerted" and "parking" in found["unseen_classes"].message
