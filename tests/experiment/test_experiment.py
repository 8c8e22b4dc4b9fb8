"""What a YAML may say, and how it is refused: key, what was got, what is possible, the nearest name."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from automl_assets import registry
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import Experiment, load, parse, source_of

SETTINGS = {"task": "classification", "source": "/data/rows.csv", "target": "y"}


def _parsed(**changes: Any) -> Experiment:
    return parse(SETTINGS | changes, "tried")


def _loaded(folder: Path, text: str) -> Experiment:
    file = folder / "Some-Name.yaml"
    file.write_text(text, "utf-8")
    return load(file)


# --- what is refused ---------------------------------------------------------------------------------------------

UNKNOWN_KEYS = [
    ({"tarrget": "y"}, r'^tarrget: unknown key; possible: name, task, source, target, .*\. Did you mean "target"\?$'),
    ({"limits": {"timeout": 3}}, r"^limits\.timeout: unknown key; possible: timeout_minutes, trial_timeout_minutes, "),
    ({"limits": {"timeout_minute": 3}}, r'Did you mean "timeout_minutes"\?$'),
    ({"validation": {"fold": 3}}, r'^validation\.fold: unknown key; possible: rule, folds, .* Did you mean "folds"\?$'),
    ({"ensemble": {"votng": True}}, r'^ensemble\.votng: unknown key; .* Did you mean "voting"\?$'),
    (
        {"source": {"kind": "csv", "path": "a.csv", "delimeter": ";"}},
        r'^source: csv source: delimeter: unknown key; possible: path, delimiter, .*\. Did you mean "delimiter"\?$',
    ),
    (
        {"test": {"source": {"kind": "sklearn", "nam": "iris"}}},
        r'test\.source: sklearn source: .*nam: unknown key; possible: name\. Did you mean "name"\?',
    ),
    (
        {"source": {"kind": "csv", "options": {"path": "a.csv"}, "delimeter": ";"}},
        r"delimeter: unknown key",
    ),
]

WRONG_VALUES = [
    (
        {"task": "classify"},
        r"^task: got 'classify'; possible: text_ner, forecasting, image_object_detection, classification, regression, .* Did you mean \"classif",
    ),
    ({"task": ["regression"]}, r"^task: got \['regression'\]; input should be a valid string$"),
    ({"metric": "acuracy"}, r"^metric: got 'acuracy'; possible: accuracy, .*\. Did you mean \"accuracy\"\?$"),
    ({"metric": "r2_score"}, r"^metric: got 'r2_score'; possible: accuracy, "),
    ({"algorithms": ["ligthgbm"]}, r"^algorithms: got 'ligthgbm'; possible: .*\. Did you mean \"lightgbm\"\?$"),
    ({"algorithms": {"blocked": ["elastic_net"]}}, r"^algorithms: got 'elastic_net'; possible: .*knn, "),
    (
        {"source": "rows.xlsx"},
        r"^source: 'rows\.xlsx' is of no known kind; say `kind:` with one of conll, csv, images, jsonl, ",
    ),
    (
        {"source": {"kind": "cvs", "path": "a"}},
        r"^source: has unknown kind 'cvs'; possible: .* Did you mean \"csv\"\?$",
    ),
    ({"source": {"kind": ["csv"], "path": "a"}}, r"^source: has unknown kind \['csv'\]; possible: conll, csv, "),
    ({"source": {"kind": "csv"}}, r"^source: csv source: path: is missing; every source of this kind needs it$"),
    ({"source": {"kind": "csv", "options": 3}}, r"^source: options: got 3; it is a mapping$"),
    ({"source": 3}, r"^source: got 3; it is a text \(path or URL\) or a mapping with `kind`"),
    ({"name": "My experiment"}, r"^name: got 'My experiment', but a name is lower-case letters, digits and _"),
    (
        {"validation": {"rule": "azur"}},
        r"^validation\.rule: got 'azur'; possible: auto, azure\. Did you mean \"azure\"",
    ),
    ({"validation": {"folds": 1}}, r"^validation\.folds: got 1; input should be greater than or equal to 2$"),
    ({"validation": 0.2}, r"^validation: got 0\.2; it is a mapping of keys$"),
    (
        {"validation": {"indices": [[0, 1], [2]]}},
        r"^validation\.indices: got \[\[0, 1\], \[2\]\]; it is a JSON file, or of each",
    ),
    (
        {"validation": {"indices": [[[-1], [2]]]}},
        r"^validation\.indices: got \[\[\[-1\], \[2\]\]\]; it is a JSON file, or",
    ),
    ({"test": 1.2}, r"^test\.fraction: got 1\.2; input should be less than 1$"),
    ({"test": True}, r"^test: got True; it is a fraction, a source, or none$"),
    ({"limits": {"max_cores": 0}}, r"^limits\.max_cores: got 0; it is -1 \(all cores\) or at least 1$"),
    ({"limits": {"timeout_minutes": 0}}, r"^limits\.timeout_minutes: got 0; input should be greater than 0$"),
    ({"limits": {"timeout_minutes": float("inf")}}, r"^limits\.timeout_minutes: got inf; .* finite number$"),
    ({"coverage": [0.8, 95]}, r"^coverage\.1: got 95; input should be less than 1$"),
    ({"coverage": 0.8}, r"^coverage: got 0\.8; input should be a valid tuple$"),
    ({"threshold": 1.5}, r"^threshold: got 1\.5; it is auto, or a number between 0 and 1$"),
    ({"threshold": "low"}, r"^threshold: got 'low'; it is auto, or a number between 0 and 1$"),
    ({"seed": -1}, r"^seed: got -1; input should be greater than or equal to 0$"),
    (
        {"featurization": {"column_types": {"a": "number"}}},
        r"^featurization\.column_types\.a: got 'number'; possible: numeric, .*\. Did you mean \"numeric\"\?$",
    ),
]

CONTRADICTIONS = [
    ({"algorithms": {"allowed": ["knn"], "blocked": ["xgboost"]}}, r"^algorithms: takes either `allowed` or `blocked`"),
    ({"drop_columns": ["y"]}, r"^drop_columns: 'y' is the target; a column cannot be both$"),
    ({"weight_column": "w", "drop_columns": ["w"]}, r"^drop_columns: 'w' is the weight_column;"),
    ({"sensitive_columns": ["y"]}, r"^sensitive_columns: 'y' is the target; its groups are the answers themselves$"),
    ({"weight_column": "y"}, r"^weight_column: 'y' is already the target; a column has one role$"),
    ({"group_column": "g", "time_column": "t"}, r"^group_column and time_column: a split keeps either"),
    ({"task": "regression", "threshold": 0.3}, r"^threshold: only a classification of two classes has one; remove it$"),
    ({"task": "regression", "positive_label": "yes"}, r"^positive_label: only a classification has one; remove it$"),
    (
        {"validation": {"folds": 5, "source": "v.csv"}},
        r"^validation: takes one of: `folds` and/or `fraction`, `source`",
    ),
    ({"validation": {"indices": [[[0], [1]]], "folds": 5}}, r"^validation: takes one of"),
    ({"validation": {"fold_columns": ["f"], "folds": 5}}, r"^validation: takes one of"),
    ({"validation": {"fold_columns": ["y"]}}, r"^validation\.fold_columns\.0: 'y' is already the target"),
    ({"test": {"fraction": 0.2, "source": "t.csv"}}, r"^test: takes either `fraction` or `source`, not both$"),
    (
        {"time_column": "t", "validation": {"fraction": 0.2, "folds": 3}},
        r"^validation\.folds: with a time_column every repeat of `fraction` is the same; leave it out$",
    ),
    (
        {"featurization": {"imputers": {"y": "mean"}}},
        r"^featurization\.imputers: 'y' is the target; only features are imputed$",
    ),
    (
        {"featurization": {"imputers": {"a": "medain"}}},
        r"^featurization\.imputers\.a\.strategy: got 'medain'; possible: mean, .*\. Did you mean \"median\"\?$",
    ),
    (
        {"featurization": {"imputers": {"a": "constant"}}},
        r"^featurization\.imputers\.a: got strategy 'constant' with fill_value None; constant needs one",
    ),
    (
        {"featurization": {"imputers": {"a": {"strategy": "mean", "fill": 1}}}},
        r"^featurization\.imputers\.a\.fill: unknown key; possible: strategy, fill_value\.",
    ),
    (
        {"featurization": {"transformer_params": {"tf_idf": {"max_term": 5}}}},
        r"^featurization\.transformer_params\.tf_idf\.max_term: unknown key; .* Did you mean \"max_terms\"\?$",
    ),
    (
        {"featurization": {"blocked": ["tfidf"]}},
        r"^featurization\.blocked\.0: got 'tfidf'; possible: one_hot_encoder, .* Did you mean \"tf_idf\"\?$",
    ),
    (
        {"featurization": {"text_embedding": "/models/tiny"}},
        r"^featurization\.text_embedding: runs outside of ONNX; say `onnx: false` and `explain: false`$",
    ),
    (
        {"featurization": {"text_embedding": "auto"}, "onnx": False, "explain": False},
        r"^featurization\.text_embedding: auto is for texts; name a folder or a network on the hub$",
    ),
    (
        {"featurization": {"text_embedding_precision": "int8"}},
        r"^featurization\.text_embedding_precision: encoders read tables as float32; remove it$",
    ),
    (
        {"featurization": {"language": "English"}},
        r"^featurization\.language: got 'English'; it is three lower-case letters",
    ),
    (
        {"featurization": {"column_types": {"y": "numeric"}}},
        r"^featurization\.column_types: 'y' is the target; only features have a type$",
    ),
]


@pytest.mark.parametrize(("changes", "message"), UNKNOWN_KEYS + WRONG_VALUES + CONTRADICTIONS)
def test_refusal_says_what_is_possible(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        _parsed(**changes)


def test_blocking_every_algorithm_is_refused() -> None:
    every = [name for name in _parsed().candidates if name != "baseline"]
    with pytest.raises(SettingError, match=r"^algorithms: every algorithm is blocked; leave at least one$"):
        _parsed(algorithms={"blocked": every})


def test_every_wrong_key_is_told_at_once() -> None:
    with pytest.raises(
        SettingError, match=r"(?s)target: is missing; every experiment needs it\n.*targget: unknown key"
    ):
        parse({"task": "regression", "source": "/rows.csv", "targget": "y"}, "tried")


def test_a_refusal_shows_no_password() -> None:
    with pytest.raises(SettingError, match="of no known kind") as caught:
        _parsed(source="postgresql://ann:s3cret@host/sales")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("settings", [None, ["task"], "task"])
def test_an_experiment_is_a_mapping(settings: Any) -> None:
    with pytest.raises(SettingError, match=r"^tried: an experiment is a mapping of keys; got (NoneType|list|str)$"):
        parse(settings, "tried")


# --- shorthands --------------------------------------------------------------------------------------------------


def test_test_shorthands() -> None:
    assert _parsed().test.fraction == 0.2
    assert _parsed(test=0.3).test.fraction == 0.3
    for nothing in ("none", None, False):
        assert _parsed(test=nothing).test == _parsed(test={}).test
        assert _parsed(test=nothing).test.fraction is None
    for written in ("/t.csv", {"path": "/t.csv"}, {"kind": "csv", "path": "/t.csv"}, {"source": "/t.csv"}):
        test = _parsed(test=written).test
        assert (test.fraction, test.source) == (None, source_of("/t.csv"))


def test_validation_shorthands() -> None:
    assert _parsed(validation="azure").validation.rule == "azure"
    assert _parsed(validation={"folds": 5}).validation.folds == 5
    assert _parsed(validation="/v.parquet").validation.source == source_of("/v.parquet")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("/a.csv", "csv"), ("/a.tsv.gz", "csv"), ("s3://b/a.parquet", "parquet"), ("/a.jsonl", "jsonl")],
)
def test_a_bare_source_is_known_by_its_ending(text: str, kind: str) -> None:
    source = _parsed(source=text).source
    assert (source.kind, source.options.path) == (kind, text)
    assert _parsed(source={"path": text}).source == source


def test_other_shorthands() -> None:
    assert _parsed(algorithms=["knn"]).algorithms.allowed == ("knn",)
    assert _parsed(featurization="off").featurization.mode == "off"
    imputed = _parsed(featurization={"imputers": {"a": "mean", "b": {"strategy": "constant", "fill_value": 7}}})
    assert imputed.featurization.wishes.imputers == {"a": ("mean", None), "b": ("constant", 7.0)}
    off = _parsed(ensemble=False).ensemble
    assert (off.voting, off.stacking) == (False, False)


# --- what an experiment is ---------------------------------------------------------------------------------------


def test_metric_follows_the_task() -> None:
    assert _parsed().metric == "accuracy"
    assert _parsed(task="regression").metric == "normalized_root_mean_squared_error"


def test_candidates_are_those_permitted_and_the_baseline() -> None:
    assert list(_parsed(algorithms=["knn"]).candidates) == ["baseline", "knn"]
    assert "knn" not in _parsed(algorithms={"blocked": ["knn"]}).candidates
    regression = _parsed(task="regression").candidates
    assert "elastic_net" in regression
    assert "logistic_regression" not in regression
    assert list(regression)[:4] == ["baseline", "elastic_net", "extra_trees", "lightgbm"], "the essential ones first"
    shares = [part.time_share for part in regression.values()][4:]
    assert shares == sorted(shares)


def test_an_experiment_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _parsed().target = "z"
    with pytest.raises(ValidationError, match="frozen"):
        _parsed().limits.timeout_minutes = 3


def test_cores_are_those_the_system_grants() -> None:
    granted = len(os.sched_getaffinity(0))
    assert _parsed().limits.n_cores == granted
    assert _parsed(limits={"max_cores": 1}).limits.n_cores == 1
    assert _parsed(limits={"max_cores": 10_000}).limits.n_cores == granted


# --- files -------------------------------------------------------------------------------------------------------


def test_relative_paths_start_at_the_files_folder(tmp_path: Path) -> None:
    experiment = _loaded(
        tmp_path,
        """
        task: regression
        target: y
        source: data/train.csv
        validation: {source: {kind: csv, path: ../v.csv}}
        test: {kind: csv, path: t.csv}
        predict_source: new.csv
        """,
    )
    assert experiment.name == "some_name"
    assert experiment.source.options.path == str(tmp_path / "data/train.csv")
    assert experiment.validation.source.options.path == str(tmp_path.parent / "v.csv")
    assert experiment.test.source.options.path == str(tmp_path / "t.csv")
    assert experiment.predict_source.options.path == str(tmp_path / "new.csv")


@pytest.mark.parametrize(
    "path", ["https://host/rows.csv", "s3://lake/rows.csv", "${DATA}/rows.csv", "~/rows.csv", "/abs/rows.csv"]
)
def test_other_paths_are_left_alone(tmp_path: Path, path: str) -> None:
    experiment = _loaded(tmp_path, f"task: regression\ntarget: y\nsource: {path}\ntest: none\nvalidation: azure\n")
    assert experiment.source.options.path == path
    assert experiment.test.source is None


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^no such file: .*absent\.yaml$"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(SettingError, match=r"cannot be read: Is a directory$"):
        load(tmp_path)
    with pytest.raises(SettingError, match=r"^Some-Name\.yaml is not readable YAML: (?s:.*)line 1"):
        _loaded(tmp_path, "task: [classification")
    (tmp_path / "latin.yaml").write_bytes("target: Größe".encode("latin-1"))
    with pytest.raises(SettingError, match=r"^latin\.yaml is not readable YAML: .*utf-8"):
        load(tmp_path / "latin.yaml")


def test_every_shipped_experiment_is_valid() -> None:
    files = sorted((Path(__file__).parents[2] / "automl_assets" / "experiments").glob("*.yaml"))
    assert files
    assert {load(file).task for file in files} <= set(registry.tasks())


def test_fairness_that_a_family_does_not_assess_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be left out without a word."""
    family = registry.family_of("classification")
    unfair = replace(family, row_steps=replace(family.steps, assess_fairness=None))
    monkeypatch.setattr(registry, "family_of", lambda task: unfair)
    given = {"task": "classification", "source": "rows.csv", "target": "y"}
    with pytest.raises(SettingError, match="sensitive_columns: fairness is not assessed for a classification"):
        parse(given | {"sensitive_columns": ["sex"]}, "asked")
    assert parse(given, "asked").sensitive_columns == ()
