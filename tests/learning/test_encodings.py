"""What is learnt from the target inside a fold: what it says, that no row sees its own target, and ONNX alike."""

import numpy as np
import onnxruntime
import polars as pl
import pytest

from automl_assets.features.featurizer import Featurizer, encode, fit_featurizer
from automl_assets.learning.encodings import ENCODED_LEVELS, ENCODERS, WITHOUT_TARGET, fit_encoder
from automl_assets.learning.preparation import Prepared, add_raw, choices, fit, mean_raw
from automl_assets.onnx.graph import Graph
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Kind, Problem
from automl_assets.registry import algorithms

TREES = algorithms("tabular")["extra_trees"]
LINEAR = algorithms("tabular")["elastic_net"]
KINDS: dict[str, Kind] = {"size": "numeric", "width": "numeric", "town": "categorical", "note": "text"}
N_ROWS, N_TOWNS = 400, 20
PROBLEMS = {
    "two": Problem("classification", "accuracy", classes=("no", "yes"), positive=1),
    "three": Problem("classification", "accuracy", classes=("a", "b", "c")),
    "twelve": Problem("classification", "accuracy", classes=tuple(range(12))),
    "value": Problem("regression", "r2_score"),
}


def _table(seed: int = 0) -> pl.DataFrame:
    """The town and one word of the note say much about the value; sizes have gaps."""
    random = np.random.default_rng(seed)
    town, is_good = random.integers(N_TOWNS, size=N_ROWS), random.random(N_ROWS) < 0.5
    fillers = random.choice(["one", "two", "three", "four"], (N_ROWS, 3))
    return pl.DataFrame(
        {
            "size": [None if i % 9 == 0 else float(i % 7) for i in range(N_ROWS)],
            "width": random.normal(size=N_ROWS),
            "town": [f"town {t}" if i % 11 else None for i, t in enumerate(town)],
            "note": [
                " ".join([*filler, "good" if good else "bad"]) for filler, good in zip(fillers, is_good, strict=True)
            ],
            "value": town + 10.0 * is_good + random.normal(size=N_ROWS),
        }
    )


def _targets(name: str, value: np.ndarray) -> np.ndarray:
    n_classes = PROBLEMS[name].n_classes
    return np.digitize(value, np.quantile(value, np.arange(1, n_classes) / n_classes)) if n_classes else value


def _made(name: str, seed: int = 0) -> tuple[Rows, FitContext, Featurizer]:
    table = _table(seed)
    featurizer = fit_featurizer(table, KINDS)
    rows = Rows(encode(featurizer, table), _targets(name, table["value"].to_numpy()))
    return rows, FitContext(PROBLEMS[name], featurizer.n_levels, terms=featurizer.n_terms), featurizer


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("encoding", ENCODERS)
def test_every_encoding_is_the_same_in_onnx(encoding: str, name: str) -> None:
    rows, context, featurizer = _made(name)
    encoder, _ = fit_encoder(encoding, rows, context)
    new = encode(featurizer, _table(1).with_columns(town=pl.lit("unseen"), note=pl.lit("")).vstack(_table(2)))
    new[:3, : featurizer.n_plain] = np.array([[1e30], [-1e30], [np.nan]])
    graph = Graph()
    graph.output("y", encoder.add(graph, graph.input("x", np.float32, [None, new.shape[1]])), np.float32, [None, None])
    found = onnxruntime.InferenceSession(graph.build().SerializeToString()).run(None, {"x": new})[0]
    np.testing.assert_allclose(found, encoder.apply(new), rtol=1e-6, atol=1e-6)
    assert found.shape[1] > new.shape[1]
    np.testing.assert_array_equal(found[:, : new.shape[1]], new)


@pytest.mark.parametrize("encoding", [name for name in ENCODERS if name not in WITHOUT_TARGET])
def test_no_training_row_is_encoded_by_its_own_target(encoding: str) -> None:
    rows, context, _ = _made("two")
    _, encoded = fit_encoder(encoding, rows, context)
    for row in (0, 17, 399):
        other = rows.y.copy()
        other[row] = 1 - other[row]
        _, changed = fit_encoder(encoding, Rows(rows.x, other), context)
        np.testing.assert_array_equal(changed[row], encoded[row])
        assert (changed != encoded)[~np.isnan(encoded)].any()


@pytest.mark.parametrize("encoding", ["target", "weight_of_evidence"])
def test_an_encoding_of_noise_says_nothing_about_training_rows(encoding: str) -> None:
    """With many categories and few rows of each, the naive encoding of a random target would give it away."""
    random = np.random.default_rng(0)
    x = random.integers(200, size=(N_ROWS, 1)).astype(np.float32)
    rows = Rows(x, random.integers(2, size=N_ROWS))
    encoder, encoded = fit_encoder(encoding, rows, FitContext(PROBLEMS["two"], {0: 200}))
    naive = np.corrcoef(encoder.apply(x)[:, 1], rows.y)[0, 1]
    honest = np.corrcoef(encoded[:, 1], rows.y)[0, 1]
    assert naive > 0.5
    assert honest < 0.15


def test_target_encoding_is_the_smoothed_mean() -> None:
    x = np.array([[0], [0], [1], [np.nan]] * 10, np.float32)
    y = np.array([1.0, 3.0, 8.0, 0.0] * 10)
    encoder, _ = fit_encoder("target", Rows(x, y), FitContext(PROBLEMS["value"], {0: ENCODED_LEVELS + 1}))
    found = encoder.apply(np.array([[0], [1], [5], [np.nan]], np.float32))[:, 1]
    mean = 3.0
    np.testing.assert_allclose(
        found, [(40 + 10 * mean) / 30, (80 + 10 * mean) / 20, mean, (0 + 10 * mean) / 20], rtol=1e-6
    )


def test_weight_of_evidence_has_the_sign_of_the_association() -> None:
    x = np.repeat(np.float32([0, 1, 2]), 20)[:, None]
    y = np.concatenate([np.ones(20), np.zeros(20), np.tile([0, 1], 10)]).astype(np.int64)
    encoder, _ = fit_encoder("weight_of_evidence", Rows(x, y), FitContext(PROBLEMS["two"], {0: 11}))
    up, down, even, unseen = encoder.apply(np.float32([[0], [1], [2], [9]]))[:, 1]
    assert up == pytest.approx(-down, abs=1e-6) and up > 1
    assert even == pytest.approx(0, abs=1e-6) and unseen == pytest.approx(0, abs=1e-6)


def test_naive_bayes_knows_the_good_word() -> None:
    rows, context, featurizer = _made("value")
    encoder, encoded = fit_encoder("text_naive_bayes", rows, context)
    assert np.corrcoef(encoded[:, -1], rows.y)[0, 1] > 0.5
    table = pl.DataFrame({"size": [1.0], "width": [0.0], "town": ["town 1"]})
    good, bad = (
        encoder.apply(encode(featurizer, table.with_columns(note=pl.lit(word))))[0, -1] for word in ("good", "bad")
    )
    assert good > bad


def test_weights_count() -> None:
    x, y = np.float32([[0], [0]] * 20), np.array([0.0, 4.0] * 20)
    weighted = Rows(x, y, np.array([1.0, 3.0] * 20))
    encoder, _ = fit_encoder("target", weighted, FitContext(PROBLEMS["value"], {0: 11}))
    assert encoder.apply(np.float32([[0]]))[0, 1] == pytest.approx(3.0)


def test_clusters_are_told_apart() -> None:
    """Three heaps of rows far from each other: the nearest centre of a row is that of its heap."""
    random = np.random.default_rng(0)
    heap = np.repeat([0, 1, 2], 50)
    x = (random.normal(size=(150, 2)) * 0.1 + np.array([[0, 0], [9, 0], [0, 9]])[heap]).astype(np.float32)
    encoder, encoded = fit_encoder("cluster_distance", Rows(x, np.zeros(150)), FitContext(PROBLEMS["value"]))
    nearest = encoded[:, 2:].argmin(axis=1)
    assert all(len(set(nearest[heap == one]) & set(nearest[heap != one])) == 0 for one in range(3))
    np.testing.assert_array_equal(encoder.apply(x), encoded)


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_fit_with_an_encoding_answers_as_its_onnx_does(encoding: str) -> None:
    rows, context, _ = _made("value")
    config = {**TREES.portfolio(context.problem)[0], "encoding": encoding}
    model = fit(TREES, config, rows, rows, context)
    assert isinstance(model, Prepared)
    graph = Graph()
    x = graph.input("x", np.float32, [None, rows.x.shape[1]])
    graph.output("raw", add_raw(TREES, [model], graph, x), np.float32, [None, 1])
    found = onnxruntime.InferenceSession(graph.build().SerializeToString()).run(None, {"x": rows.x})[0]
    np.testing.assert_allclose(found, mean_raw(TREES, [model], rows.x), atol=1e-4, rtol=1e-4)


def test_encodings_are_offered_where_they_may_help() -> None:
    _, context, featurizer = _made("two")
    assert featurizer.encodings == tuple(ENCODERS)
    plain = fit_featurizer(pl.DataFrame({"a": [1.0, 2.0], "c": ["u", "v"]}), {"a": "numeric", "c": "categorical"})
    assert plain.encodings == ()
    assert choices(TREES, context.problem, False, featurizer.encodings) == {"encoding": tuple(ENCODERS)}
    assert "encoding" not in choices(LINEAR, context.problem, False, featurizer.encodings)
