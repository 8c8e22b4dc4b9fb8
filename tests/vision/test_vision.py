"""Questions about images from rows to answers, without a whole run: learnt, exported, served."""

import base64
import io
import json
from dataclasses import dataclass
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
from automl_assets.errors import DataError
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.records import Candidate, Dataset, Ensemble, Features, Profile
from automl_assets.resources.model_folders import table_model
from automl_assets.resources.record_codec import read_record, write_record
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.export import export
from automl_assets.steps.load import load
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.vision.features.image_featurizer import ImageFeaturizer, encode_images

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


def _asked(folder: Path, task: str, **settings: Any) -> Experiment:
    rows, target = registry.tasks()[task].sample(0)
    rows.write_csv(folder / "rows.csv")
    given = {"task": task, "source": str(folder / "rows.csv"), "target": target, "validation": {"folds": 2}}
    return parse(given | {"test": 0.2} | settings, "images")


@pytest.fixture(scope="module", params=TASKS)
def learnt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    experiment = _asked(tmp_path_factory.mktemp("images"), request.param)
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


def test_features_are_stored_and_read_back(learnt: Learnt) -> None:
    files: dict[str, bytes] = {}
    write_record(learnt.features, files.__setitem__, b"key")
    read = read_record(files.__getitem__, b"key")
    assert read.featurizer == learnt.features.featurizer
    np.testing.assert_array_equal(read.inputs.descriptors, learnt.features.inputs.descriptors)


def test_few_images_of_a_class_are_told(tmp_path: Path) -> None:
    experiment = _asked(tmp_path, TASKS[0])
    rows = pl.read_csv(tmp_path / "rows.csv")
    rows.with_columns(shape=pl.Series(["rare"] * 3 + rows["shape"].to_list()[3:])).write_csv(tmp_path / "rows.csv")
    found = experiment.family.steps.describe(load(experiment), experiment).guardrails
    told = next(one for one in found if one.name == "enough_images")
    assert told.status == "alerted" and told.figures == {"rare": 3}


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
