"""Questions about images from rows to answers, without a whole run: learnt, exported, served."""

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
from PIL import Image

from automl_assets import registry
from automl_assets.data.image_cells import pixels_at
from automl_assets.data.image_column import image_column
from automl_assets.data.pixels import held_content
from automl_assets.errors import DataError, LearningError, SettingError
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.parts import Rows
from automl_assets.records import Candidate, Dataset, Ensemble, Features, Profile
from automl_assets.resources.model_folders import table_model
from automl_assets.resources.record_codec import read_record, write_record
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.correct_labels import correct_labels
from automl_assets.steps.export import export
from automl_assets.steps.load import load
from automl_assets.steps.predict import predict, predict_by
from automl_assets.steps.predict_batches import answerer
from automl_assets.steps.read_source import source_like, written_batches
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.vision.features.image_featurizer import ImageFeaturizer, encode_images
from automl_assets.vision.records import VIEWS
from tests.tiny_backbone import save_tiny_resnet

TASKS = ("image_classification", "image_classification_multilabel")
CASES = [
    (task, part.name)
    for task in TASKS
    for part in registry.algorithms("vision").values()
    if task in part.tasks and not part.is_fallback
]


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
        return build_ensemble(chosen, self.features, self.experiment.ensemble, 0)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tiny network that reads images, and a place for what is exported of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOML_WEIGHTS", str(tmp_path_factory.mktemp("weights")))
        yield save_tiny_resnet(tmp_path_factory.mktemp("network"))


def _asked(folder: Path, task: str, **settings: Any) -> Experiment:
    rows, target = registry.tasks()[task].sample(0)
    rows.write_csv(folder / "rows.csv")
    given = {"task": task, "source": str(folder / "rows.csv"), "target": target, "validation": {"folds": 2}}
    return parse(given | {"test": 0.2} | settings, "images")


@pytest.fixture(scope="module", params=TASKS)
def learnt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, network: Path) -> Learnt:
    reading = {"featurization": {"image_embedding": str(network)}}
    experiment = _asked(tmp_path_factory.mktemp("images"), request.param, **reading)
    dataset, steps = load(experiment), experiment.family.steps
    profile = steps.describe(dataset, experiment)
    features = steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    names = ["baseline", *(name for task, name in CASES if task == request.param)]
    candidates = {
        name: search(features, experiment.candidates[name], Budget(600, 2, max_trials=1), 0) for name in names
    }
    return Learnt(experiment, dataset, profile, features, candidates)


def test_what_there_is_to_learn_is_learnt(learnt: Learnt) -> None:
    scores = {name: candidate.trials[0].known_score for name, candidate in learnt.candidates.items()}
    guess = scores.pop("baseline")
    assert len(scores) == sum(task == learnt.experiment.task for task, _ in CASES)
    assert all(score > (0.8 + guess) / 2 for score in scores.values())


def test_onnx_answers_from_pixels_as_python_does(learnt: Learnt) -> None:
    for names in [(name,) for name in learnt.candidates] + [()]:
        model = export(learnt.ensemble(*names), learnt.dataset.table)
        assert model.inputs == {"image": "image"} and model.n_checked == learnt.dataset.n_rows
        assert model.max_difference < 1e-5


def test_the_file_answers_alone_several_images_of_a_size_together(learnt: Learnt) -> None:
    ensemble = learnt.ensemble()
    rows = learnt.dataset.table.head(3)
    session = onnxruntime.InferenceSession(export(ensemble, rows).onnx)
    together = session.run(None, {"image": np.stack([pixels_at(cell) for cell in rows["image"]])})
    expected = learnt.experiment.family.steps.answer(ensemble, rows)
    np.testing.assert_allclose(together[1], expected, atol=1e-5)


def test_images_in_a_folder_are_predicted_each_beside_its_path(learnt: Learnt, tmp_path: Path) -> None:
    ensemble, cells = learnt.ensemble(), learnt.dataset.table["image"][:3]
    for number, cell in enumerate(cells):
        Image.fromarray(pixels_at(cell)).save(tmp_path / f"{number}.png")
    (batch,) = written_batches(source_like(str(tmp_path), ensemble.schema), 10)
    found = predict(ensemble, batch).table
    assert found["image"].to_list() == [str(tmp_path / f"{number}.png") for number in range(3)]
    assert found["prediction"].to_list() == predict(ensemble, cells.to_frame()).table["prediction"].to_list()


def test_a_broken_image_has_no_answer_where_reading_is_not_strict_and_else_ends_it(learnt: Learnt) -> None:
    ensemble, cells = learnt.ensemble(), learnt.dataset.table["image"][:2].to_list()
    rows = pl.DataFrame({"image": ["gone.png", cells[0], None, cells[1]]})
    ask = answerer(export(ensemble, learnt.dataset.table.head(2)), ensemble.problem)
    with pytest.raises(DataError, match=r"gone\.png"):
        predict_by(ask, ensemble, rows, is_strict=True)
    found = predict_by(ask, ensemble, rows, is_strict=False)
    whole = predict_by(ask, ensemble, rows[[1, 3]], is_strict=False)
    assert found[[1, 3]].equals(whole) and found["prediction"].is_null().to_list() == [True, False, True, False]
    assert found[:, 2].is_null().to_list() == [True, False, True, False]
    assert "gone.png" in found["unreadable"][0] and found["unreadable"][1:].to_list() == ["", "names no image", ""]
    with pytest.raises(DataError, match=r"none of 1 rows can be answered; the first: .*gone\.png"):
        predict_by(ask, ensemble, rows[:1], is_strict=False)


def test_a_server_reads_images_that_are_sent_and_no_file(learnt: Learnt, tmp_path: Path) -> None:
    import mlflow

    pixels = pixels_at(learnt.dataset.table["image"][0])
    Image.fromarray(pixels).save(tmp_path / "1.png")
    with table_model(export(learnt.ensemble(), learnt.dataset.table)) as folder:
        served = mlflow.pyfunc.load_model(str(folder))
        answers = served.predict(learnt.dataset.table.select("image").head(2).to_pandas())
        expected = learnt.experiment.family.steps.answer(learnt.ensemble(), learnt.dataset.table.head(2))
        np.testing.assert_allclose(np.stack(answers["probabilities"]), expected, atol=1e-5)
        for cell in (str(tmp_path / "1.png"), f"file://{tmp_path}/1.png", "https://127.0.0.1/1.png"):
            with pytest.raises(Exception, match="holds no image; write it as a data URI"):
                served.predict(pl.DataFrame({"image": [cell]}).to_pandas())
        takes = served.metadata.metadata["inputs"][0]["takes"]
        needed = (folder / "requirements.txt").read_text()
    assert "data URI" in takes and "pillow" in needed


def test_the_worst_answers_are_shown_and_all_errors_told_by_what_images_look_like(learnt: Learnt) -> None:
    analyse = learnt.experiment.family.steps.analyse_errors
    guess = learnt.ensemble("baseline")
    found = analyse(learnt.dataset, learnt.features, guess, 0)
    told = {"shorter side in pixels", "brightness", "contrast", "colourfulness", "width by height"}
    assert told & {*found.by_group["column"]} and found.left_out == ()
    assert found.pictures[0].name == "worst_answers"
    drawn = found.pictures[0].image.decode()
    wrong = re.search(r"(\d+) of 12 images are answered wrongly", drawn)
    assert wrong and drawn.count("<image ") == int(wrong[1]) > 0 and len(drawn) < 100_000
    assert "data:image/jpeg;base64," in drawn and re.search(r">row \d+<.*>→ ", drawn)
    rushed = analyse(learnt.dataset, learnt.features, guess, 0, seconds=0.0)
    assert "measures of image" in rushed.left_out and "pictures" in rushed.left_out


def test_wrong_labels_are_shown_as_images_and_come_back_corrected(learnt: Learnt, tmp_path: Path) -> None:
    dataset, target, path = learnt.dataset, learnt.experiment.target, tmp_path / "rows.csv"
    problem, other = learnt.profile.problem, dataset.table[target].shift(1, fill_value=dataset.table[target][-1])
    is_wrong = (np.arange(dataset.n_rows) < 8) & (dataset.table[target] != other).to_numpy()
    wrong = dataset.table.with_columns(pl.when(pl.Series(is_wrong)).then(other).otherwise(target).alias(target))
    wrong.write_csv(path)
    y = learnt.experiment.task_part.encode_target(dataset.table[target], problem)
    sure = np.where(y > 0, 0.9, 0.1) if problem.is_multilabel else np.where(np.eye(2, dtype=bool)[y], 0.9, 0.1)
    said = learnt.experiment.task_part.encode_target(wrong[target], problem)
    features = replace(learnt.features, truth=replace(learnt.features.truth, y=said))
    tasks = json.loads(
        learnt.experiment.family.steps.review_label_errors(
            replace(dataset, table=wrong), features, replace(learnt.ensemble("baseline"), predictions=sure)
        )
    )
    assert len(tasks) == is_wrong.sum() > 0
    for task in tasks:
        assert task["data"]["small_copy"].startswith("data:image/png;base64,")
        task["annotations"] = [{"result": task["predictions"][0]["result"]}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    asked = parse({"task": learnt.experiment.task, "source": str(path), "target": target}, "images")
    found = correct_labels(asked, str(tmp_path / "export.json"), False, tmp_path / "log.jsonl")
    assert (found.n_corrected, found.n_unmatched) == (len(tasks), 0)
    assert pl.read_csv(path)[target].to_list() == dataset.table[target].to_list()


def test_features_are_stored_and_read_back(learnt: Learnt) -> None:
    files: dict[str, bytes] = {}
    write_record(learnt.features, files.__setitem__, b"key")
    read = read_record(files.__getitem__, b"key")
    assert read.featurizer == learnt.features.featurizer
    for view in VIEWS:
        np.testing.assert_array_equal(read.inputs.view(view), learnt.features.inputs.view(view))


def test_few_images_of_a_class_are_told(tmp_path: Path) -> None:
    experiment = _asked(tmp_path, TASKS[0])
    rows = pl.read_csv(tmp_path / "rows.csv")
    rows.with_columns(shape=pl.Series(["rare"] * 3 + rows["shape"].to_list()[3:])).write_csv(tmp_path / "rows.csv")
    found = experiment.family.steps.describe(load(experiment), experiment).guardrails
    told = next(one for one in found if one.name == "enough_images")
    assert told.status == "alerted" and told.figures == {"rare": 3}


def test_a_broken_image_takes_no_part_and_is_named(tmp_path: Path) -> None:
    experiment = _asked(tmp_path, TASKS[0], validation={"folds": 5})
    whole = _featurized(experiment)
    rows = pl.read_csv(tmp_path / "rows.csv")
    cells, lost = rows["image"].to_list(), [0, 7, 30]
    (tmp_path / "cut.png").write_bytes(held_content(cells[7])[:60])
    cells[0], cells[7], cells[30] = None, str(tmp_path / "cut.png"), str(tmp_path / "gone.png")
    rows.with_columns(image=pl.Series(cells)).write_csv(tmp_path / "rows.csv")
    profile, features = _featurized(experiment)
    told = next(one for one in profile.guardrails if one.name == "unreadable_images")
    assert told.status == "done" and told.figures == {"images": 3} and profile.left_out == tuple(lost)
    assert re.search(r"row 0 names no image; row 7 .*cut\.png cannot be read.*; row 30 .*gone\.png", told.message)
    split, kept = features.truth.split, np.setdiff1d(np.arange(rows.height), lost)
    np.testing.assert_array_equal(np.flatnonzero(split.is_training | split.is_test), kept)
    np.testing.assert_array_equal(features.inputs.descriptors[kept], whole[1].inputs.descriptors[kept])
    np.testing.assert_array_equal(features.truth.y, whole[1].truth.y)
    assert len(features.inputs) == rows.height


def _featurized(experiment: Experiment) -> tuple[Profile, Features]:
    dataset, steps = load(experiment), experiment.family.steps
    profile = steps.describe(dataset, experiment)
    return profile, steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)


def test_too_few_images_that_can_be_read_end_a_run(tmp_path: Path) -> None:
    experiment = _asked(tmp_path, TASKS[0])
    rows = pl.read_csv(tmp_path / "rows.csv")
    is_disc, gone = pl.col("shape") == "disc", pl.lit(str(tmp_path / "gone.png"))
    rows.with_columns(image=pl.when(is_disc).then(gone).otherwise("image")).write_csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match=r"no image of disc can be read.*gone\.png.*are looked for as they are written"):
        experiment.family.steps.describe(load(experiment), experiment)
    rows.with_columns(image=gone).write_csv(tmp_path / "rows.csv")
    with pytest.raises(DataError, match=r"60 of 60 images cannot be read: row 0 .*gone\.png.*; and 57 more"):
        experiment.family.steps.describe(load(experiment), experiment)


def test_images_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    image.save(tmp_path / "1.png")
    (tmp_path / "2.png").write_bytes(b"no image")
    cells = [str(tmp_path / f"{number}.png") for number in (1, 2, 3)]
    with pytest.raises(DataError, match=r"2 of 3 images cannot be read: .*2\.png.*; .*3\.png"):
        encode_images(ImageFeaturizer("image"), pl.DataFrame({"image": cells}))
    with pytest.raises(DataError, match='"image" names no image in row 2'):
        encode_images(ImageFeaturizer("image"), pl.DataFrame({"image": [cells[0], None]}))


def test_descriptors_of_any_size_are_numbers() -> None:
    cells = []
    for size in [(1, 1), (3, 200), (64, 64), (500, 20)]:
        stream = io.BytesIO()
        Image.effect_noise(size, 80).convert("RGB").save(stream, "PNG")
        cells.append(f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}")
    found = encode_images(ImageFeaturizer("image"), pl.DataFrame({"image": cells})).descriptors
    assert found.shape[0] == 4 and np.isfinite(found).all()
    assert encode_images(ImageFeaturizer("image"), pl.DataFrame({"image": cells[:0]})).descriptors.shape == (
        0,
        found.shape[1],
    )


@pytest.mark.parametrize(
    ("columns", "found"), [(["id", "path", "image"], "image"), (["id", "File_Name"], "File_Name"), (["x"], "x")]
)
def test_the_column_of_images_is_found_by_its_name(columns: list[str], found: str) -> None:
    assert image_column(columns) == found


def test_several_columns_of_other_names_are_refused() -> None:
    with pytest.raises(DataError, match="there are a, b. Name all others in drop_columns"):
        image_column(["a", "b"])


@pytest.mark.parametrize("setting", ["off", {"column_types": {"image": "text"}}], ids=["off", "column_types"])
def test_settings_that_mean_nothing_for_images_are_refused(tmp_path: Path, setting: Any) -> None:
    with pytest.raises(Exception, match="featurization"):
        _asked(tmp_path, TASKS[0], featurization=setting)


def test_labels_and_images_may_be_annotated_in_any_format(tmp_path: Path) -> None:
    rows, _ = registry.tasks()[TASKS[0]].sample(0)
    lines = []
    for number, (cell, label) in enumerate(rows.iter_rows()):
        Image.fromarray(pixels_at(cell)).save(tmp_path / f"{number}.png")
        lines.append(json.dumps({"image_url": f"{number}.png", "label": label}))
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    experiment = parse(
        {"task": TASKS[0], "source": {"kind": "images", "path": str(tmp_path)}, "target": "label"}, "annotated"
    )
    dataset, steps = load(experiment), experiment.family.steps
    profile = steps.describe(dataset, experiment)
    made = steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    drawn = encode_images(ImageFeaturizer("image"), rows)
    np.testing.assert_array_equal(made.inputs.descriptors, drawn.descriptors)
    assert profile.problem.classes == ("disc", "stripes")


def test_networks_that_would_take_too_long_are_left_out_and_it_is_said(
    tmp_path: Path, network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("automl_assets.vision.steps.featurize.seconds_an_image", lambda backbone, cells: 9.0)
    reading = {"featurization": {"image_embedding": str(network)}, "limits": {"timeout_minutes": 1}}
    experiment = _asked(tmp_path, TASKS[0], **reading)
    dataset, steps = load(experiment), experiment.family.steps
    profile = steps.describe(dataset, experiment)
    features = steps.featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    assert features.inputs.vectors is None and len(features.columns) == 1
    found = search(features, experiment.candidates["frozen_backbone"], Budget(60, 2, max_trials=1), 0)
    assert "would read 60 images in about" in (found.trials[0].reason or "")


def test_settings_that_say_nothing_of_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"featurization.language: not for images; possible: mode, image_embedding"):
        _asked(tmp_path, TASKS[0], featurization={"language": "eng"})
    tables = {"task": "classification", "source": "rows.csv", "target": "y"}
    with pytest.raises(SettingError, match=r"featurization.image_embedding: a classification reads no images"):
        parse(tables | {"featurization": {"image_embedding": "MobileNetV2"}}, "rows")


def test_fine_tuning_without_time_for_one_look_at_every_image_says_so(learnt: Learnt) -> None:
    algorithm, features = registry.algorithms("vision")["fine_tuned_backbone"], learnt.features
    context = replace(learnt.experiment.family.steps.fit_context(features, 0), deadline=0.0)
    rows = Rows(features.inputs.images, features.truth.y)
    with pytest.raises(
        LearningError, match=r"^there was time for 0 steps of fine-tuning, and one look .* takes \d+; give"
    ):
        algorithm.fit(algorithm.portfolio(features.truth.problem)[0], rows, None, context)
