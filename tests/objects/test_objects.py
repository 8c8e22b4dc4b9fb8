"""Questions about objects in images from rows to answers, without a whole run: learnt, exported, served, told."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
from PIL import Image

from automl_assets import registry
from automl_assets.boxes import BOX, objects_of, packed, read_answers
from automl_assets.data.image_cells import pixels_at
from automl_assets.errors import DataError, SettingError
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.learning.fit_fold import FoldFit
from automl_assets.objects.algorithms.centre_head import Detector
from automl_assets.objects.models.augment import View
from automl_assets.objects.models.targets import grid, targets_of
from automl_assets.parts import FitContext, Rows
from automl_assets.records import VALID, Candidate, Dataset, Ensemble, Features, Profile, Split
from automl_assets.resources.model_codec import read_models, write_models
from automl_assets.resources.model_folders import table_model
from automl_assets.resources.record_codec import read_record, write_record
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.challenge import challenge, prediction_of
from automl_assets.steps.choose_threshold import choose_threshold
from automl_assets.steps.evaluate import beats_baseline, evaluate
from automl_assets.steps.export import export
from automl_assets.steps.holdout_predictions import holdout_predictions
from automl_assets.steps.load import load
from automl_assets.steps.predict import predict
from automl_assets.steps.predict_batches import answerer
from automl_assets.steps.search import out_of_fold, search
from automl_assets.steps.split_rows import split_rows

TASK = registry.tasks()["image_object_detection"]
SETTINGS = {"settings": {"centre_head": {"epochs": 1, "least_steps": 120}}}


@dataclass(frozen=True)
class Learnt:
    """A question, and what came of it."""

    experiment: Experiment
    dataset: Dataset
    profile: Profile
    features: Features
    candidates: dict[str, Candidate]

    def ensemble(self, *names: str) -> Ensemble:
        """Over the candidates of these algorithms, or all."""
        chosen = [self.candidates[name] for name in names or self.candidates]
        made = build_ensemble(chosen, self.features, self.experiment.ensemble, 0)
        return choose_threshold(made, self.features.truth, self.experiment)


def _asked(folder: Path, rows: pl.DataFrame, **settings: Any) -> Experiment:
    rows.write_csv(folder / "rows.csv")
    given = {"task": TASK.name, "source": str(folder / "rows.csv"), "target": "things", "validation": {"fraction": 0.3}}
    return parse(given | {"test": 0.2} | settings, "things")


def _described(experiment: Experiment) -> tuple[Dataset, Profile]:
    dataset = load(experiment)
    return dataset, experiment.family.steps.describe(dataset, experiment)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    experiment = _asked(tmp_path_factory.mktemp("objects"), TASK.sample(0)[0], algorithms=SETTINGS)
    dataset, profile = _described(experiment)
    features = experiment.family.steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    candidates = {
        name: search(features, experiment.candidates[name], Budget(600, 2, max_trials=1), 0)
        for name in ("baseline", "centre_head")
    }
    return Learnt(experiment, dataset, profile, features, candidates)


def test_what_there_is_to_learn_is_learnt(learnt: Learnt) -> None:
    scores = {name: candidate.trials[0].known_score for name, candidate in learnt.candidates.items()}
    assert scores["baseline"] < 0.1 and scores["centre_head"] > 0.7


def test_onnx_answers_from_pixels_as_python_does(learnt: Learnt) -> None:
    for name in learnt.candidates:
        model = export(learnt.ensemble(name), learnt.dataset.table)
        assert model.inputs == {"image": "image"} and model.n_checked >= 20
        assert model.max_difference < 1e-5


def test_the_file_answers_alone_in_pixels_of_the_image_as_it_came(learnt: Learnt) -> None:
    ensemble, rows = learnt.ensemble(), learnt.dataset.table.head(1)
    pixels = np.repeat(np.repeat(pixels_at(rows["image"][0]), 2, axis=0), 3, axis=1)
    session = onnxruntime.InferenceSession(export(ensemble, learnt.dataset.table).onnx)
    boxes, labels, scores, row, sizes = session.run(None, {"image": pixels[None]})
    assert sizes.tolist() == [[192, 128]] and set(labels) <= {"disc", "bar"} and not row.any()
    assert (np.diff(scores) <= 0).all() and (boxes >= 0).all() and (boxes <= np.tile(sizes, 2)).all()
    likeliest = boxes[0] / np.tile(sizes[0], 2)
    true = objects_of(learnt.features.truth.y[0])[:, BOX]
    assert np.abs(true - likeliest).max(axis=1).min() < 0.1


def test_a_server_a_batch_and_python_tell_the_same(learnt: Learnt) -> None:
    import mlflow

    ensemble, rows = learnt.ensemble(), learnt.dataset.table.select("image").head(3)
    model = export(ensemble, learnt.dataset.table)
    told = predict(ensemble, rows).table["prediction"].to_list()
    assert answerer(model, ensemble.problem)(rows)["prediction"].to_list() == told
    with table_model(model) as folder:
        served = mlflow.pyfunc.load_model(str(folder)).predict(rows.to_pandas())
    assert served["prediction"].to_list() == told
    every = read_answers(served["boxes"].to_list(), ensemble.problem.classes, ensemble.problem.most_objects)
    np.testing.assert_allclose(every, learnt.experiment.family.steps.answer(ensemble, rows), atol=1e-3)
    likely = [one for cell in told for one in json.loads(cell)]
    assert likely and all(one["score"] >= round(ensemble.problem.threshold, 4) for one in likely)
    assert len(likely) < sum(len(json.loads(cell)) for cell in served["boxes"])


def test_a_champion_of_other_classes_is_compared_by_their_names(learnt: Learnt) -> None:
    import pandas as pd

    ensemble = learnt.ensemble()
    answers = holdout_predictions(learnt.features, ensemble)
    names = {"bar": "ant", "disc": "disc"}
    other = replace(ensemble.problem, classes=("ant", "disc"))
    cells = [
        json.dumps([{**one, "label": names[one["label"]]} for one in json.loads(cell)])
        for cell in _told(answers.prediction, ensemble)
    ]
    theirs = prediction_of(pd.DataFrame({"prediction": cells, "boxes": cells}), other)
    found = challenge(answers, theirs, ensemble.problem, other, seed=0)
    assert found.champion_score == pytest.approx(found.challenger_score / 2, abs=0.2) and found.unknown == ("bar",)


def _told(rows: np.ndarray, ensemble: Ensemble) -> list[str]:
    from automl_assets.boxes import told_answers

    return told_answers(rows, ensemble.problem.classes)


def test_test_rows_are_evaluated_by_class_and_threshold(learnt: Learnt) -> None:
    ensemble = learnt.ensemble()
    truth = learnt.features.truth
    answers = holdout_predictions(learnt.features, ensemble)
    found = evaluate(answers, ensemble.problem, truth.y[truth.split.is_training], seed=0)
    assert found.rows == "test" and beats_baseline(found, "mean_average_precision")
    low, high = found.intervals["mean_average_precision"]
    assert low <= found.metrics["mean_average_precision"] <= high
    assert {one.name for one in found.pictures} == {"precision_recall", "thresholds"}
    assert found.by_label is not None and found.by_threshold is not None
    by_label = found.by_label
    assert by_label["label"].to_list() == ["bar", "disc"]
    assert by_label["average_precision"].mean() == pytest.approx(found.metrics["mean_average_precision"])
    assert (np.diff(found.by_threshold["boxes_of_an_image"]) <= 0).all()


def test_rows_that_several_folds_validate_keep_the_objects_of_one(learnt: Learnt) -> None:
    part, truth = registry.algorithms("objects")["baseline"], learnt.features.truth
    y = truth.y[:2]
    split = Split(np.zeros(2, bool), np.array([[VALID, VALID], [0, VALID]], np.int8), "")
    fits = {
        fold: FoldFit(None, packed([np.array([[fold, 0.0, 0, 1, 1, 0.5]])] * n_rows, truth.problem.most_objects))
        for fold, n_rows in ((0, 1), (1, 2))
    }
    found = out_of_fold(fits, replace(truth, y=y, split=split), part)
    assert found[:, 0].tolist() == [0, 1]


def test_features_and_models_are_stored_and_read_back(learnt: Learnt) -> None:
    files: dict[str, bytes] = {}
    write_record(learnt.features, files.__setitem__, b"key")
    read = read_record(files.__getitem__, b"key")
    assert read.featurizer == learnt.features.featurizer
    np.testing.assert_array_equal(read.inputs.images, learnt.features.inputs.images)
    for name in learnt.candidates:
        part = registry.algorithms("objects")[name]
        models = learnt.ensemble(name).members[0].fitted.models
        squares = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
        again = part.predict(read_models(write_models(models))[0], squares)
        np.testing.assert_array_equal(again, part.predict(models[0], squares))


def test_the_same_seed_learns_the_same_and_the_deadline_is_kept() -> None:
    part = registry.algorithms("objects")["centre_head"]
    random = np.random.default_rng(0)
    rows = Rows(
        random.integers(0, 255, (6, 64, 64, 3), dtype=np.uint8), packed([np.array([[0, 0.2, 0.2, 0.6, 0.6, 0]])] * 6)
    )
    problem = replace(TASK.problem(_cells("a"), TASK.default_metric, None), most_objects=5)
    config = {**part.portfolio(problem)[0], "epochs": 1, "least_steps": 3}
    models: list[Detector] = [part.fit(config, rows, None, FitContext(problem, seed=seed)) for seed in (0, 0, 1)]
    same, other = (
        all(np.array_equal(models[0].weights[name], one.weights[name]) for name in models[0].weights)
        for one in models[1:]
    )
    assert same and not other
    weighed = replace(rows, weight=np.array([1.0, 0, 0, 0, 0, 0]))
    alone = replace(rows, x=rows.x[[0] * 6], weight=np.ones(6))
    two = [part.fit(config, one, None, FitContext(problem)).weights["classes.kernel"] for one in (weighed, alone)]
    np.testing.assert_array_equal(*two)
    late = part.fit(config | {"least_steps": 10_000}, rows, None, FitContext(problem, deadline=0.0))
    assert late.epochs == 0 and np.isfinite(part.predict(late, rows.x)).all()


def _cells(*labels: str) -> pl.Series:
    box = {"topX": 0.1, "topY": 0.1, "bottomX": 0.5, "bottomY": 0.5}
    return pl.Series("things", [json.dumps([{"label": label, **box}]) for label in labels])


def test_objects_move_with_the_pixels_that_show_them() -> None:
    pixels = np.full((1, 64, 64, 3), 10, np.uint8)
    pixels[0, 16:32, 8:40] = 240
    y = packed([np.array([[0, 8 / 64, 16 / 64, 40 / 64, 32 / 64, 0.0]])])
    for seed in range(20):
        view = replace(View.drawn(1, True, np.random.default_rng(seed)), light=np.ones((1, 3), np.float32))
        (one,) = (objects_of(row) for row in view.objects(y))
        if not len(one):
            continue
        is_bright = view.pixels(pixels)[0].mean(0).numpy() > 0.55
        down, across = np.nonzero(is_bright)
        seen = np.array([across.min(), down.min(), across.max() + 1, down.max() + 1]) / 64
        np.testing.assert_allclose(one[0, BOX], seen, atol=2.5 / 64)


def test_every_object_has_a_point_that_learns_it_but_crowds_have_none() -> None:
    tiny = [0, 0.3, 0.3, 0.31, 0.31, 0.0]
    crowd, large = [1, 0.0, 0.0, 0.9, 0.9, 1.0], [2, 0.1, 0.1, 0.9, 0.9, 0.0]
    found = targets_of(packed([np.array([tiny, crowd, large]), np.zeros((0, 6))]), 64)
    assert set(found.code.tolist()) == {0, 2} and not found.image.any()
    assert found.is_crowd.sum(axis=1).tolist() == [49, 0]
    inside = grid(64)[found.point[found.code == 2]]
    assert (inside > 0.1 * 64).all() and (inside < 0.9 * 64).all()


# What is said of rows


def test_boxes_come_from_annotations_in_any_format(tmp_path: Path) -> None:
    rows, _ = TASK.sample(0)
    lines, told = (
        [],
        {"images": [], "annotations": [], "categories": [{"id": 1, "name": "bar"}, {"id": 2, "name": "disc"}]},
    )
    for number, (cell, things) in enumerate(rows.iter_rows()):
        Image.fromarray(pixels_at(cell)).save(tmp_path / f"{number:02}.png")
        lines.append(json.dumps({"image_url": f"{number:02}.png", "label": json.loads(things)}))
        told["images"].append({"id": number, "file_name": f"{number:02}.png", "width": 64, "height": 64})
        for one in json.loads(things):
            left, top, right, bottom = (64 * one[name] for name in ("topX", "topY", "bottomX", "bottomY"))
            place = {"bbox": [left, top, right - left, bottom - top], "category_id": 1 + (one["label"] == "disc")}
            told["annotations"].append({"id": len(told["annotations"]), "image_id": number, **place})
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    (tmp_path / "labels.json").write_text(json.dumps(told))
    expected = TASK.encode_target(rows["things"], TASK.problem(rows["things"], TASK.default_metric, None))
    for name in ("labels.jsonl", "labels.json"):
        source = {"kind": "images", "path": str(tmp_path / name)}
        experiment = parse({"task": TASK.name, "source": source, "target": "label"}, "annotated")
        dataset, profile = _described(experiment)
        y = TASK.encode_target(dataset.table["label"], profile.problem)
        np.testing.assert_allclose(y, expected, atol=1e-9)


def test_what_a_person_should_look_at_is_told(tmp_path: Path) -> None:
    rows, _ = TASK.sample(0)
    odd = [
        {"label": "rare", "topX": 0.5, "topY": 0.5, "bottomX": 1.2, "bottomY": 0.6},
        {"label": "bar", "topX": 0.5, "topY": 0.5, "bottomX": 0.5, "bottomY": 0.6},
        *[{"label": "disc", "topX": 0.5, "topY": 0.5, "bottomX": 0.51, "bottomY": 0.51}] * 3,
    ]
    cells = [json.dumps(odd), "[]", None, *rows["things"][3:]]
    experiment = _asked(tmp_path, rows.with_columns(things=pl.Series(cells)))
    dataset, profile = _described(experiment)
    found = {one.name: one for one in profile.guardrails}
    assert found["misplaced_boxes"].figures == {"outside": 1, "without_area": 1}
    assert found["enough_images"].figures == {"rare": 1} and found["rare_objects"].figures == {"rare": 1}
    assert found["missing_target"].figures == {"rows": 1}
    assert found["small_objects"].status == "alerted" and "disc" in found["small_objects"].figures
    split = split_rows(dataset, profile, experiment)
    assert not split.is_training[2] and not split.is_test[2] and (split.is_training | split.is_test)[1]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("cat", "row 2: 'cat': Input should be a valid list; write objects as"),
        ('[{"topX": 0}]', "row 2: .*0.label: Field required"),
        ('[{"label": "a", "topX": 0}]', "row 2: an object has topX, topY, bottomX and bottomY, or a polygon; got 'a'"),
        (
            '[{"label": "a", "topX": 10, "topY": 20, "bottomX": 300, "bottomY": 40}]',
            "row 2: 'a' lies at 300; places are shares of width and height, from 0 to 1: divide pixels by",
        ),
    ],
)
def test_what_is_no_list_of_objects_is_refused_with_its_row(cell: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TASK.problem(pl.Series("things", ["[]", cell]), TASK.default_metric, None)


def test_images_without_any_object_teach_nothing() -> None:
    with pytest.raises(DataError, match="objects are of 0 classes; possible are 1 to 250. 2 images have a list"):
        TASK.problem(pl.Series("things", ["[]", "[]"]), TASK.default_metric, None)


def test_objects_of_classes_that_training_did_not_have_take_no_part() -> None:
    problem = TASK.problem(_cells("a", "b"), TASK.default_metric, None)
    y = TASK.encode_target(_cells("b", "c"), problem)
    assert [len(objects_of(row)) for row in y] == [1, 0]


@pytest.mark.parametrize(
    "setting",
    [{"threshold": 0.3}, {"positive_label": "a"}, {"featurization": "off"}],
    ids=lambda setting: next(iter(setting)),
)
def test_settings_that_mean_nothing_for_objects_are_refused(tmp_path: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(setting))):
        _asked(tmp_path, TASK.sample(0)[0], **setting)
