"""One ONNX file takes raw columns and answers as Python does, with nothing of this system at hand."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from automl_assets.execution.budget import Budget
from automl_assets.features import featurizer_onnx
from automl_assets.onnx.images import onnx_answer
from automl_assets.onnx.session import open_session, packed
from automl_assets.records import Calibration, Candidate, Conformal, Ensemble, Member, Spread, Stack
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.export import export
from automl_assets.steps.load import load
from automl_assets.steps.predict import predict
from automl_assets.steps.search import search
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize
from automl_assets.tabular.steps.pipeline_onnx import onnx_bytes, onnx_feeds
from automl_assets.tabular.steps.predict import answer
from tests.clocks import Ticking

CASES = ["texts", "three_texts", "integers", "booleans", "regression"]
TOLERANCE = 1e-5  # of a probability, or of the range of a target
STRANGE = pl.DataFrame(
    {
        "size": [None, float("inf"), 1e300, 0.1, -5.0],
        "colour": ["ultraviolet", "", None, "red", "grün"],
        "bought": pl.Series(["1899-12-31", "2024-02-29", None, "2999-01-01", "1970-01-01"]).str.to_date(),
        "noise": [0.0, float("nan"), -1e-40, None, 1.0],
        "label": ["blue", None, "?", "red", "green"],
    }
)


def _members(case) -> list[Member]:
    """One member of each algorithm, the baseline too."""
    trials = [candidate.trials[0] for candidate in case.candidates]
    return [Member(trial.name, trial.algorithm, 1 / len(trials), trial.fitted) for trial in trials]


def _vote(case) -> Ensemble:
    return replace(case.ensemble, kind="voting", members=tuple(_members(case)), stack=None)


def _stack(case) -> Ensemble:
    """A stack with coefficients by chance: what it says is of no use, but must be the same in ONNX."""
    problem, members = case.ensemble.problem, _members(case)
    n_scores = problem.n_classes if problem.n_classes > 2 else 1
    n_inputs = len(members) * n_scores
    random = np.random.default_rng(0)
    stack = Stack(random.normal(size=(n_inputs, n_scores)) / n_inputs, random.normal(size=n_scores))
    return replace(case.ensemble, kind="stacking", members=tuple(members), stack=stack)


def test_texts_and_encodings_answer_alike_in_onnx(ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """From raw text to the answer: trials with every encoding, learnt in folds, in one graph."""
    random = np.random.default_rng(0)
    words = random.choice(["good", "bad", "fine", "odd", "long", "Short"], (150, 4))
    table = pl.DataFrame(
        {
            "note": [" ".join(row) for row in words],
            "town": [f"town {i % 15}" if i % 8 else None for i in range(150)],
            "size": random.normal(size=150),
            "width": random.normal(size=150),
            "y": (words == "good").sum(axis=1) + 0.3 * (np.arange(150) % 15),
        }
    )
    asked = {
        "validation": {"folds": 2},
        "algorithms": ["extra_trees"],
        "featurization": {"column_types": {"note": "text"}},
    }
    experiment = ask(table, "regression", **asked)
    dataset = load(experiment)
    profile = describe(dataset, experiment)
    features = featurize(dataset, profile, split_rows(dataset, profile, experiment), experiment)
    part = experiment.candidates["extra_trees"]
    default = part.portfolio(features.truth.problem)[0]
    part = replace(
        part, portfolio=lambda problem: [default | {"encoding": name} for name in features.featurizer.encodings]
    )
    monkeypatch.setattr("automl_assets.steps.suggest.most_trials", lambda n_rows: 8)
    candidate = search(features, part, Budget(seconds=600, n_cores=2, max_trials=4), seed=0)
    assert [(trial.status, trial.config["encoding"]) for trial in candidate.trials] == [
        ("finished", name) for name in ("target", "weight_of_evidence", "text_naive_bayes", "cluster_distance")
    ]
    for trial in candidate.trials:
        alone = Candidate(part.name, (trial,), 1.0)
        made = export(build_ensemble((alone,), features, experiment.ensemble, seed=0), dataset.table)
        assert made.max_difference <= 1e-4


LEVELS = (0.8, 0.95)
SPREAD = Spread(np.array([-2000.0, 0.0, 1500.0, 4000.0]), np.array([300.0, 100.0, 700.0, 650.0]))


def _finished(case) -> Ensemble:
    """With everything that raw scores go through before anybody sees them."""
    vote, problem = _vote(case), case.ensemble.problem
    if not problem.classes:
        return replace(vote, conformal=Conformal(LEVELS, (0.9, 2.1), SPREAD, least=0.0))
    return replace(
        vote,
        problem=replace(problem, threshold=0.3),
        calibration=Calibration(1.7, -0.4 if problem.n_classes == 2 else 0.0),
        conformal=Conformal(LEVELS, (0.35, 0.081)),
    )


def _scale(ensemble: Ensemble) -> float:
    low, high = ensemble.problem.target_range
    return 1.0 if ensemble.problem.classes else high - low


def _both(ensemble: Ensemble, rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    session = open_session(onnx_bytes(ensemble))
    return onnx_answer(session, onnx_feeds(ensemble, rows)), answer(ensemble, rows)


@pytest.mark.parametrize("case_name", CASES)
@pytest.mark.parametrize("kind", [_vote, _stack, _finished], ids=["vote", "stack", "finished"])
def test_onnx_equals_python(learned, case_name: str, kind) -> None:
    case = learned(case_name)
    ensemble = kind(case)
    for rows in (case.dataset.table, STRANGE):
        found, expected = _both(ensemble, rows)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * _scale(ensemble))


@pytest.mark.parametrize("case_name", CASES)
def test_the_export_proves_itself(learned, case_name: str) -> None:
    case = learned(case_name)
    model = export(case.ensemble, case.dataset.table)
    assert model.max_difference < TOLERANCE
    assert model.n_checked == case.dataset.n_rows
    assert 0 < model.latency_milliseconds < 50
    assert model.inputs == {
        "size": "float",
        "noise": "float",
        "bought": "double",
        "colour": "string",
        "label": "string",
    }


def test_a_slow_model_is_proven_on_fewer_rows(learned, monkeypatch: pytest.MonkeyPatch) -> None:
    case, clock = learned("texts"), Ticking(seconds_a_look=1.0)
    started = clock.now
    monkeypatch.setattr("automl_assets.steps.export.time", clock)
    model = export(case.ensemble, case.dataset.table)
    assert (model.n_checked, model.latency_milliseconds) == (20, 1_000)
    assert clock.now - started == 2 * 30, "a look before and after each row that is timed"
    assert model.max_difference < TOLERANCE


@pytest.mark.parametrize("n_rows", [1, 2, 10])
def test_few_rows_are_enough_for_a_time(learned, n_rows: int) -> None:
    """As many as are asked before the clock counts, or fewer."""
    case = learned("texts")
    model = export(case.ensemble, case.dataset.table.head(n_rows))
    assert model.n_checked == n_rows
    assert model.latency_milliseconds > 0


@pytest.mark.parametrize("case_name", ["texts", "three_texts", "integers", "booleans"])
def test_labels_are_those_of_python(learned, case_name: str) -> None:
    case = learned(case_name)
    rows = case.dataset.table
    session = open_session(onnx_bytes(case.ensemble))
    found = session.run([session.get_outputs()[0].name], onnx_feeds(case.ensemble, rows))[0]
    expected = predict(case.ensemble, rows).table["prediction"].to_list()
    assert found.tolist() == (expected if case_name == "integers" else [str(label) for label in expected])


@pytest.mark.parametrize("has_class_bounds", [False, True])
@pytest.mark.parametrize("case_name", ["texts", "three_texts", "integers", "booleans"])
def test_onnx_decides_and_encloses_as_python_does(learned, case_name: str, has_class_bounds: bool) -> None:
    ensemble = _finished(learned(case_name))
    if has_class_bounds:
        n_classes = ensemble.problem.n_classes
        bounds = tuple(np.linspace(0.3, 0.45, n_classes)), tuple(np.linspace(0.12, 0.05, n_classes))
        ensemble = replace(ensemble, conformal=Conformal(LEVELS, (1.0, 1.0), class_bounds=bounds))
    rows, classes = learned(case_name).dataset.table, ensemble.problem.classes
    session = open_session(onnx_bytes(ensemble))
    label, _, wide, wider = session.run(None, onnx_feeds(ensemble, rows))
    expected = predict(ensemble, rows).table
    assert [str(one) for one in label] == [str(one) for one in expected["prediction"]]
    for found, name in ((wide, "prediction_set_80"), (wider, "prediction_set_95")):
        sets = [[str(classes[code]) for code in np.flatnonzero(row)] for row in found]
        assert sets == [[str(one) for one in json.loads(text)] for text in expected[name]]
    assert 1 <= wide.sum(axis=1).mean() < wider.sum(axis=1).mean() < len(classes)
    if len(classes) == 2:
        plain = predict(replace(ensemble, problem=learned(case_name).ensemble.problem), rows).table
        assert (plain["prediction"] != expected["prediction"]).any()


@pytest.mark.parametrize("spread", [SPREAD, Spread(SPREAD.knots[:1], SPREAD.sizes[:1]), None])
@pytest.mark.parametrize("ends", [(None, None), (0.0, None), (None, 0.0)], ids=str)
def test_onnx_gives_the_intervals_of_python(learned, spread: Spread | None, ends: tuple) -> None:
    ensemble = replace(_finished(learned("regression")), conformal=Conformal(LEVELS, (0.9, 2.1), spread, *ends))
    rows = pl.concat([learned("regression").dataset.table.select(STRANGE.columns), STRANGE], how="vertical_relaxed")
    session = open_session(onnx_bytes(ensemble))
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, onnx_feeds(ensemble, rows)), strict=True))
    expected = predict(ensemble, rows).table
    assert names == ["prediction", *(f"prediction_{level}_{end}" for level in (80, 95) for end in ("low", "high"))]
    for name in names:
        atol = TOLERANCE * _scale(ensemble)
        np.testing.assert_allclose(found[name][:, 0], expected[name].to_numpy(), rtol=0, atol=atol)
    lows = expected["prediction_95_low"], expected["prediction_80_low"]
    assert (lows[0] < lows[1]).all() if ends == (None, None) else (lows[0] <= lows[1]).all()
    assert expected["prediction_80_low"].min() == 0 if ends[0] == 0 else expected["prediction_80_low"].min() < 0


def test_a_raw_column_called_as_an_output_is(learned) -> None:
    case = learned("texts")
    assert "label" in case.ensemble.featurizer.raw_columns
    session = open_session(onnx_bytes(case.ensemble))
    assert [output.name for output in session.get_outputs()] == ["label_", "probabilities"]
    assert "label" in [given.name for given in session.get_inputs()]


def test_a_difference_would_be_told(learned) -> None:
    """The proof compares with Python's answer: another stack in the file is found."""
    case = learned("regression")
    ensemble = _stack(case)
    other = replace(ensemble.stack, intercept=ensemble.stack.intercept + 0.1 * _scale(ensemble))
    found, _ = _both(replace(ensemble, stack=other), case.dataset.table)
    assert np.abs(found - answer(ensemble, case.dataset.table)).max() == pytest.approx(0.1 * _scale(ensemble), rel=1e-3)


SCRIPT = """
import sys
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
row = {
    "size": np.array([[0.5]], np.float32),
    "noise": np.array([[np.nan]], np.float32),
    "colour": np.array([["red"]], object),
    "label": np.array([["never seen"]], object),
    "bought": np.array([[1_599_955_200.0]], np.float64),
}
label, probabilities = session.run(None, row)
print(label[0], repr(float(probabilities[0, 1])))
print(*sorted({"automl_assets", "sklearn", "polars", "pandas", "onnx"} & {name.split(".")[0] for name in sys.modules}))
"""


def test_the_file_answers_alone(learned, tmp_path: Path) -> None:
    """In a process that has onnxruntime and numpy, and cannot see this package."""
    case = learned("texts")
    file = tmp_path / "model.onnx"
    file.write_bytes(onnx_bytes(_vote(case)))
    onnx.checker.check_model(str(file), full_check=True)
    command = [sys.executable, "-I", "-c", SCRIPT, str(file)]
    lines = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    row = pl.DataFrame({"size": [0.5], "noise": [None], "colour": ["red"], "label": ["never seen"]})
    row = row.with_columns(bought=pl.Series([1_600_000_000_000]).cast(pl.Datetime("ms")).dt.date())
    expected = predict(_vote(case), row).table
    label, probability = lines[0].split()
    assert label == expected["prediction"].item()
    assert float(probability) == pytest.approx(expected["probability_yes"].item(), abs=TOLERANCE)
    assert lines[1] == ""


@pytest.mark.parametrize("case_name", ["texts", "three_texts", "regression"])
def test_a_wide_table_is_answered_by_matrices_as_by_columns(
    learned, case_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above a number of columns of one kind there is a second file with one input for all of them."""
    monkeypatch.setattr(featurizer_onnx, "MATRIX_COLUMNS", 0)
    case = learned(case_name)
    ensemble, rows = _finished(case), case.dataset.table.head(50)
    made = export(ensemble, rows)
    assert made.max_difference <= 1e-4
    by_kind = {kind: tuple(n for n, k in made.inputs.items() if k == kind) for kind in ("float", "double", "string")}
    assert made.matrices == {"numbers": by_kind["float"], "dates": by_kind["double"], "texts": by_kind["string"]}
    told = onnx.load_from_string(made.matrix_onnx)
    assert [one.name for one in told.graph.input] == list(made.matrices)
    assert json.loads(told.metadata_props[0].value) == {name: list(of) for name, of in made.matrices.items()}
    one, other = (open_session(content) for content in (made.onnx, made.matrix_onnx))
    feeds = onnx_feeds(ensemble, rows)
    for alone, together in zip(one.run(None, feeds), other.run(None, packed(feeds, made.matrices)), strict=True):
        np.testing.assert_array_equal(alone, together)


def test_a_narrow_table_has_no_matrices(learned) -> None:
    case = learned("texts")
    made = export(case.ensemble, case.dataset.table.head(20))
    assert (made.matrix_onnx, made.matrices) == (None, {})
