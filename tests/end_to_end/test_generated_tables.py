"""Tables nobody would write by hand: each ends in a model whose ONNX file answers alike, or in one readable error.

The steps run in this process, one fast algorithm and the baseline learn; a case that hangs fails by its deadline.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl_assets.errors import AutomlError, SourceError
from automl_assets.experiment.experiment import parse
from automl_assets.learning import preparation
from automl_assets.parts import FitContext, Rows, link_scores
from automl_assets.records import Candidate, Features, Fitted, Trial
from automl_assets.registry import algorithms
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.steps.export import export
from automl_assets.steps.load import load
from automl_assets.steps.predict import predict_by
from automl_assets.steps.predict_batches import answerer
from automl_assets.steps.rank import rank
from automl_assets.steps.split_guardrails import train_test_overlap, validation_split
from automl_assets.steps.split_rows import split_rows
from automl_assets.tabular.steps.describe import describe
from automl_assets.tabular.steps.featurize import featurize
from tests.command_line import automl

SECONDS = 60  # per case, on a busy machine
PARITY = 1e-3  # of a probability, or of the target's range: one linear model in float32 over numbers of any size
LEARNER = {"classification": "logistic_regression", "regression": "elastic_net"}
QUICK = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck), print_blob=True)

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [
        "count",
        "value",
        "label",
        "prediction",
        "probabilities",
        "literal",
        "y_",
        "a/b",
        "../x",
        "a\nb",
        "\x00",
        "'; DROP",
        "{x}",
        "<b>",
    ]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.sampled_from(
    ["", " ", "NaN", "null", "inf", "-0", "1e400", "007", "2024-02-30", "true", "ﬀ", "\x00", "a\tb"]
)
VALUES: dict[Any, st.SearchStrategy] = {
    pl.Float64: st.floats() | st.sampled_from([1e-300, 5e-324, 1e300, -1e38, 3.5e38, 1e-40]),
    pl.Int64: st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    pl.UInt64: st.integers(0, 2**64 - 1),
    pl.Boolean: st.booleans(),
    pl.String: TEXTS,
    pl.Date: st.dates(date(1, 1, 1), date(9999, 12, 31)),
    pl.Datetime("us"): st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    pl.Time: st.times(),
    pl.Duration("us"): st.timedeltas(timedelta(-100_000), timedelta(100_000)),
    pl.List(pl.Int64): st.lists(st.integers(-3, 3), max_size=3),
    pl.Binary: st.binary(max_size=4),
    pl.Null: st.none(),
}


@st.composite
def columns(draw: st.DrawFn, n_rows: int) -> pl.Series:
    """A column of any type: few or many different values, gaps, in any order."""
    dtype = draw(st.sampled_from(list(VALUES)))
    some = draw(st.lists(VALUES[dtype], min_size=1, max_size=8))
    pool = [*some, *[None] * draw(st.integers(0, 3))]
    random = np.random.default_rng(draw(st.integers(0, 99)))
    return pl.Series("", [pool[i] for i in random.integers(0, len(pool), n_rows)], dtype=dtype)


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Up to six columns under any names, the target `y` among them."""
    n_rows = draw(st.sampled_from([1, 5, 19, 20, 21, 40, 90, 300]))
    names = draw(st.lists(NAMES.filter(lambda name: name != "y"), unique=True, max_size=5))
    made = {name: draw(columns(n_rows)) for name in ["y", *names]}
    return pl.DataFrame([column.rename(name) for name, column in made.items()])


@contextmanager
def _deadline(seconds: int = SECONDS) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"still at work after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _candidate(features: Features, name: str) -> Candidate:
    """One trial, as `search` would make it, in this process."""
    algorithm = algorithms("tabular")[name]
    problem, x = features.truth.problem, features.inputs.codes if algorithm.view == "codes" else features.inputs.dense
    predictions = np.full((len(features.truth.y), problem.n_outputs), np.nan)
    models = []
    for fold in range(features.truth.split.n_folds):
        train, valid = features.truth.split.fold(fold)
        context = FitContext(problem, features.featurizer.n_levels)
        rows = Rows(x[train], features.truth.y[train])
        models.append(preparation.fit(algorithm, algorithm.portfolio(problem)[0], rows, None, context))
        raw = preparation.predict_raw(algorithm, models[-1], x[valid])
        predictions[valid] = link_scores(raw, algorithm.link if problem.classes else "value")
    trial = Trial(f"{name}_1", name, {}, "finished", score=0.5, predictions=predictions, fitted=Fitted(tuple(models)))
    return Candidate(name, (trial,), 1.0)


def _answered(table: pl.DataFrame, task: str, file: Path, **more: Any) -> str:
    """`model`, or the error's text. Anything else that is raised fails the test."""
    table.write_parquet(file)
    asked = {"task": task, "source": {"kind": "parquet", "path": str(file)}, "target": "y", "validation": {"folds": 2}}
    try:
        experiment = parse(asked | more, "generated")
        dataset = load(experiment)
        profile = describe(dataset, experiment)
        split = split_rows(dataset, profile, experiment)
        _ = validation_split(split, experiment), train_test_overlap(dataset, split)
        features = featurize(dataset, profile, split, experiment)
        candidates = [_candidate(features, name) for name in ("baseline", LEARNER[task])]
        ensemble = build_ensemble(candidates, features, experiment.ensemble, seed=0)
    except AutomlError as error:
        assert str(error) and "Traceback" not in str(error)
        return str(error)
    assert len(rank(candidates, experiment.metric, task).finished) == len(candidates)
    model = export(ensemble, dataset.table)
    assert model.max_difference <= PARITY
    scored = predict_by(answerer(model, ensemble.problem), ensemble, dataset.table, is_strict=True)
    assert scored[:, dataset.table.width].null_count() == 0
    return "model"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated") / "rows.parquet"


@given(table=tables(), task=st.sampled_from(sorted(LEARNER)))
@QUICK
def test_any_table_ends_in_a_model_or_an_error(file: Path, table: pl.DataFrame, task: str) -> None:
    with _deadline():
        _answered(table, task, file)


def _with_target(columns: dict[str, Any], n_rows: int) -> pl.DataFrame:
    """Columns and a target that half follows the first of them."""
    random = np.random.default_rng(0)
    first = pl.Series(next(iter(columns.values()))).cast(pl.Float64, strict=False).fill_null(0).fill_nan(0).to_numpy()
    return pl.DataFrame(columns).with_columns(
        y=pl.Series(np.where(first + random.normal(size=n_rows) > 0, "yes", "no"))
    )


RANDOM = np.random.default_rng(1)
SHAPES = {
    "2,000 columns of 60 rows": lambda: _with_target({f"c{i}": RANDOM.normal(size=60) for i in range(2_000)}, 60),
    "100,000 rows": lambda: _with_target({"a": RANDOM.normal(size=100_000), "b": RANDOM.integers(0, 9, 100_000)}, 100_000),
    "200 texts and one number": lambda: _with_target(
        {"n": RANDOM.normal(size=80)} | {f"t{i}": RANDOM.choice(["u", "v", "w"], 80) for i in range(200)}, 80
    ),
    "names out of every alphabet": lambda: _with_target(
        {"числo": RANDOM.normal(size=50), "列\n\t\x07": RANDOM.choice(["é", "\x00", "👍"], 50), " ": RANDOM.normal(size=50)}, 50
    ),
    "infinities and the largest numbers": lambda: _with_target(
        {"a": RANDOM.choice([np.inf, -np.inf, 1e308, -1e308, np.nan, 0.0], 60), "b": RANDOM.choice([2**63 - 1, -(2**63)], 60)}, 60
    ),
    "the smallest numbers": lambda: _with_target({"a": RANDOM.choice([5e-324, -5e-324, 1e-310, 1e-45], 60)}, 60),
    "one class ten thousand times as frequent": lambda: pl.DataFrame(
        {"a": RANDOM.normal(size=20_002), "y": ["rare"] * 2 + ["often"] * 20_000}
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_table_of_a_strange_shape_ends_in_a_model(file: Path, shape: str) -> None:
    with _deadline(120):
        assert _answered(SHAPES[shape](), "classification", file) == "model"


REFUSED = {
    "nothing but gaps": (pl.DataFrame({"a": [None] * 60, "y": ["u", "v"] * 30}), "no column is left to learn from"),
    "one class": (pl.DataFrame({"a": range(60), "y": ["u"] * 60}), "needs two classes or more"),
    "a target of nothing but gaps": (pl.DataFrame({"a": range(60), "y": [None] * 60}), "0 of them with a value"),
    "one row": (pl.DataFrame({"a": [1], "y": ["u"]}), "1 row, 1 of them"),
    "infinities for a target": (pl.DataFrame({"a": range(60), "y": [np.inf, -np.inf] * 30}), "numbers that differ"),
    "numbers beyond float32 for a target": (
        pl.DataFrame({"a": range(60), "y": [3.5e38, 0.0] * 30}),
        "larger than a model file can hold",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_without_an_answer_is_refused_in_words(file: Path, case: str) -> None:
    table, told = REFUSED[case]
    task = "regression" if case.startswith(("infinities", "numbers")) else "classification"
    assert told in _answered(table, task, file)


def test_columns_of_the_same_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,a,y\n" + "1,2,u\n3,4,v\n" * 30)
    experiment = parse({"task": "classification", "source": str(tmp_path / "rows.csv"), "target": "y"}, "generated")
    with pytest.raises(SourceError, match="names a more than once"):
        load(experiment)


YAML = """\
task: classification
source: rows.parquet
target: y
validation: {folds: 2}
algorithms: [logistic_regression]
limits: {timeout_minutes: 0.5, max_trials: 2}
explain: false
"""


@pytest.mark.slow
def test_a_whole_run_over_strange_columns(tmp_path: Path, new_home: Callable[[Path], Path]) -> None:
    """Through Dagster, MLflow and the files, where names of columns and classes meet the outside."""
    numbers = RANDOM.normal(size=90)
    made = {
        "列\n<b>": np.where(numbers > 1, np.inf, numbers),
        "../'; DROP": RANDOM.choice(["é", "\x00", "", "👍"], 90),
        "prediction": RANDOM.integers(-(2**62), 2**62, 90),
        "list": [[1, 2], None, []] * 30,
        "gone": [None] * 90,
    }
    target = np.where(numbers > 0, "<i>yes\n", "../no")
    pl.DataFrame(made).with_columns(y=pl.Series(target)).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "strange.yaml").write_text(YAML)
    done = automl("run", "strange.yaml", "--home", new_home(tmp_path / "home"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ONNX model: " in done.stdout
