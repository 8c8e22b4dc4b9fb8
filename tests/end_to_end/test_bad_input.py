"""Bad input is answered with one message that says what is wrong and what to do, or it does no harm."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from automl_assets.errors import DataError, SettingError, SourceError
from automl_assets.execution.budget import Budget
from automl_assets.experiment.experiment import Experiment, load
from automl_assets.records import Dataset, Profile, Split
from automl_assets.registry import algorithms
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.load import load as load_rows
from automl_assets.steps.predict import predict
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize

HEADER = "area,colour,price"
LINES = [f"{40 + i},{'red' if i % 3 else 'blue'},{'high' if i % 2 else 'low'}" for i in range(40)]
SETTINGS = "task: classification\nsource: rows.csv\ntarget: price\n"


def _experiment(folder: Path, rows: str | bytes, settings: str = SETTINGS) -> Experiment:
    (folder / "rows.csv").write_bytes(rows if isinstance(rows, bytes) else rows.encode())
    (folder / "house.yaml").write_text(settings, "utf-8")
    return load(folder / "house.yaml")


def _csv(lines: list[str], header: str = HEADER) -> str:
    return "\n".join([header, *lines, ""])


def _prepared(experiment: Experiment) -> tuple[Dataset, Profile, Split]:
    """What comes before learning."""
    dataset = load_rows(experiment)
    profile = describe(dataset, experiment)
    return dataset, profile, split_rows(dataset, profile, experiment)


def test_an_empty_file(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, "")
    with pytest.raises(
        SourceError, match=r"rows\.csv: the file is empty \(0 bytes\); it needs a header and at least one row$"
    ):
        _prepared(experiment)


def test_one_row(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv(LINES[:1]))
    with pytest.raises(
        DataError,
        match=r'^1 row, 1 of them with a value of the target "price": at least 20 are needed to learn, validate and '
        r"test\. Bring more labelled rows\.$",
    ):
        _prepared(experiment)


def test_one_class(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv([line.replace("high", "low") for line in LINES]))
    with pytest.raises(
        DataError,
        match=r'^target "price": a classification needs two classes or more; got 1 \(low\)\. Check the target column, '
        r"or bring rows of the other class\.$",
    ):
        _prepared(experiment)


def test_a_target_that_is_not_there(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv(LINES), SETTINGS.replace("price", "pryce"))
    with pytest.raises(
        SettingError,
        match=r'^target: .*rows\.csv has no column "pryce"; it has area, colour, price\. Did you mean "price"\?$',
    ):
        _prepared(experiment)


def test_a_target_with_gaps_does_no_harm(tmp_path: Path) -> None:
    lines = [line.rsplit(",", 1)[0] + "," if i < 8 else line for i, line in enumerate(LINES)]
    _, profile, split = _prepared(_experiment(tmp_path, _csv(lines)))
    assert not (split.is_test | split.is_training)[:8].any()
    assert (split.is_test | split.is_training)[8:].all()
    (told,) = [guardrail for guardrail in profile.guardrails if guardrail.name == "missing_target"]
    assert told.message == "8 of 40 rows have no target and take no part."


def test_a_constant_column_is_left_out(tmp_path: Path) -> None:
    lines = [f"7{line[line.index(',') :]}" for line in LINES]
    _, profile, _ = _prepared(_experiment(tmp_path, _csv(lines)))
    assert (profile.of_kind("ignored"), profile.of_kind("categorical")) == (("area",), ("colour",))
    (told,) = [guardrail for guardrail in profile.guardrails if guardrail.name == "ignored_columns"]
    assert told.message == "Not used: area (has the same value in every row)."


def test_nothing_but_constant_columns(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv([f"7,red,{'high' if i % 2 else 'low'}" for i in range(40)]))
    with pytest.raises(
        DataError,
        match=r"^no column is left to learn from: area has the same value in every row; colour has the same value in "
        r"every row\. Name the kind of a column under featurization\.column_types to keep it\.$",
    ):
        _prepared(experiment)


def test_doubled_column_names(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv(LINES, header="area,area,price"))
    with pytest.raises(
        SourceError,
        match=r"rows\.csv: the header names area more than once \(columns 1, 2\); give every column its own name$",
    ):
        _prepared(experiment)


def test_column_names_that_are_patterns(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv(LINES, header="*,^area$,price"))
    with pytest.raises(
        SourceError,
        match=r'rows\.csv: columns named "\*", or "\^" to "\$", stand for .* in polars; rename \*, \^area\$$',
    ):
        _prepared(experiment)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    rows = _csv([*LINES, "90,grün,low"]).encode("latin-1")
    experiment = _experiment(tmp_path, rows)
    with pytest.raises(
        SourceError,
        match=r"rows\.csv: byte \d+ \(line 42\) is 0xfc, which is not utf-8; say how the file is encoded, for example "
        r"`encoding: latin-1`$",
    ):
        _prepared(experiment)
    advised = SETTINGS.replace("rows.csv", "{path: rows.csv, encoding: latin-1}")
    dataset, _, _ = _prepared(_experiment(tmp_path, rows, advised))
    assert dataset.table["colour"][-1] == "grün"


def test_a_misspelt_key(tmp_path: Path) -> None:
    with pytest.raises(
        SettingError,
        match=r"^limits\.timeout_minuts: unknown key; possible: timeout_minutes, trial_timeout_minutes, max_trials, "
        r'exit_score, early_stopping, max_cores\. Did you mean "timeout_minutes"\?$',
    ):
        _experiment(tmp_path, _csv(LINES), SETTINGS + "limits: {timeout_minuts: 5}\n")


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv(LINES), SETTINGS.replace("rows.csv", "row.csv"))
    with pytest.raises(SourceError, match=r'row\.csv: no such file or folder\. Did you mean "rows\.csv"\?$'):
        _prepared(experiment)


def test_a_category_never_seen_does_no_harm(tmp_path: Path) -> None:
    experiment = _experiment(tmp_path, _csv(LINES))
    dataset, profile, split = _prepared(experiment)
    features = featurize(dataset, profile, split, experiment)
    quick = algorithms("tabular")["logistic_regression"]
    candidate = search(features, quick, Budget(seconds=600, max_trials=1), seed=0)
    ensemble = build_ensemble([candidate], features, experiment.ensemble, seed=0)
    new = pl.DataFrame({"area": [50, None], "colour": ["ultraviolet", None]})
    answers = predict(ensemble, new).table
    assert set(answers["prediction"]) <= {"high", "low"}
    np.testing.assert_allclose(answers["probability_high"] + answers["probability_low"], 1)
