"""Answers that are sets of labels, through every shared step: a family of another distribution asks for them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from automl_assets import families, metrics, registry
from automl_assets.errors import DataError
from automl_assets.execution.budget import Budget
from automl_assets.execution.processes import Job, Outcome
from automl_assets.experiment.experiment import EnsembleSetting, Experiment, parse
from automl_assets.learning.fitting import with_every_class
from automl_assets.metrics.label_thresholds import best_threshold, label_thresholds
from automl_assets.onnx.session import feeds_of, open_session
from automl_assets.parts import Rows
from automl_assets.records import VALID, Candidate, Dataset, Ensemble, Features, Fitted, Problem, Split, Trial, Truth
from automl_assets.steps import search as searching
from automl_assets.steps.affordable_ensemble import affordable_ensemble
from automl_assets.steps.build_ensemble import build_ensemble, sample
from automl_assets.steps.calibrate import calibrate, calibrated
from automl_assets.steps.challenge import challenge
from automl_assets.steps.choose_threshold import choose_threshold
from automl_assets.steps.conformalize import class_sets, conformalize, coverage
from automl_assets.steps.evaluate import baseline_prediction, evaluate
from automl_assets.steps.export import export
from automl_assets.steps.guess import why_a_guess
from automl_assets.steps.holdout_predictions import holdout_predictions
from automl_assets.steps.import_labels import import_labels
from automl_assets.steps.load import load
from automl_assets.steps.predict import answers as predicted
from automl_assets.steps.predict_batches import answerer
from automl_assets.steps.split_guardrails import label_shares
from automl_assets.steps.split_rows import split_rows

LETTERS = Path(__file__).parents[1] / "third_family"
CACHED = (families.packages, families.family, registry.tasks, registry.algorithms)
AUTO = SimpleNamespace(threshold="auto", seed=0)


@pytest.fixture(scope="module", autouse=True)
def letters() -> Iterator[None]:
    """The family is found as in an environment where its distribution is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LETTERS))
        for cached in CACHED:
            cached.cache_clear()
        yield
    for cached in CACHED:
        cached.cache_clear()


def run_here(jobs: Iterable[Job], n_processes: int, memory_bytes: int | None = None) -> Iterator[Outcome]:
    for job in jobs:
        yield Outcome(job.key, "done", job.function(*job.arguments))


@dataclass(frozen=True)
class Asked:
    experiment: Experiment
    dataset: Dataset
    split: Split
    features: Features
    candidates: tuple[Candidate, ...]


@pytest.fixture(scope="module")
def asked(letters: None, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Sounds of words, searched in this process."""
    rows = registry.tasks()["sounds"].sample(0)[0]
    file = tmp_path_factory.mktemp("sounds") / "words.jsonl"
    rows.write_ndjson(file)
    experiment = parse({"task": "sounds", "source": str(file), "target": "sounds"}, "sounds_of_words")
    dataset = load(experiment)
    steps = experiment.family.steps
    profile = steps.describe(dataset, experiment)
    split = split_rows(dataset, profile, experiment)
    features = steps.featurize(dataset, profile, split, experiment)
    budget = Budget(seconds=600, n_cores=1, max_trials=2)
    parts = registry.algorithms("letters").values()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "wait_until_warm", lambda *modules: None)
        found = tuple(searching.search(features, part, budget, 0, run=run_here) for part in parts)
    return Asked(experiment, dataset, split, features, found)


@pytest.fixture(scope="module", params=["voting", "stacking"])
def ensemble(request: pytest.FixtureRequest, asked: Asked) -> Ensemble:
    kinds = {"voting": request.param == "voting", "stacking": request.param == "stacking"}
    settings = EnsembleSetting(**kinds)
    made = build_ensemble(asked.candidates, asked.features, settings, 0)
    honest = calibrate(made, asked.features.truth, 0)
    decisive = choose_threshold(honest, asked.features.truth, asked.experiment)
    return conformalize(decisive, asked.features.truth, (0.8, 0.95), 0)


def test_the_split_keeps_labels_and_tests_sets_that_are_empty(asked: Asked) -> None:
    y, split = asked.features.truth.y, asked.split
    assert y.dtype == np.int8 and y.shape == (240, 3)
    assert (y.sum(axis=1) == 0).any() and (y.sum(axis=1) > 1).any()
    assert np.abs(y[split.is_test].mean(axis=0) - y.mean(axis=0)).max() < 0.03
    for fold in range(split.n_folds):
        assert np.abs(y[split.fold(fold)[1]].mean(axis=0) - y[split.is_training].mean(axis=0)).max() < 0.05


def test_labels_too_rare_to_be_judged_are_told(asked: Asked) -> None:
    truth = asked.features.truth
    assert label_shares(truth.y, asked.split, truth.problem).status == "passed"
    rare = truth.y.copy()
    rare[np.flatnonzero(asked.split.is_test)[0] :, 1] = 0
    found = label_shares(rare, asked.split, truth.problem)
    assert found.status == "alerted" and found.message.startswith("hum: too rare")
    alone = np.eye(3, dtype=np.int8)[np.arange(len(rare)) % 3]
    assert "exactly one label" in label_shares(alone, asked.split, truth.problem).message


def test_trials_are_scored_on_probabilities_of_each_label(asked: Asked) -> None:
    (best,) = [one.trials[0] for one in asked.candidates if one.algorithm == "letter_bayes"]
    rows = asked.split.is_training
    assert best.predictions is not None and best.predictions[rows].shape == (rows.sum(), 3)
    assert not np.allclose(best.predictions[rows].sum(axis=1), 1.0)
    assert best.score is not None and best.score > 0.8
    assert set(best.scores) == {"f1_score_macro", "accuracy", "log_loss"}


def test_onnx_answers_as_python_does(asked: Asked, ensemble: Ensemble) -> None:
    rows = asked.dataset.table.filter(asked.split.is_test)
    made = export(ensemble, rows)
    assert made.max_difference < 1e-5
    through_file = answerer(made, ensemble.problem)(rows)
    in_python = predicted(ensemble, rows)
    assert through_file.columns == in_python.columns
    names = [name for name in in_python.columns if not name.startswith("probability_")]
    assert through_file.select(names).equals(in_python.select(names))
    session = open_session(made.onnx)
    assert [(one.name, one.type) for one in session.get_outputs()][:2] == [
        ("labels", "tensor(bool)"),
        ("probabilities", "tensor(float)"),
    ]
    told = json.loads(session.get_modelmeta().custom_metadata_map["label_names"])
    assert told == ["hiss", "hum", "vowel"]
    labels = session.run(["labels"], feeds_of(rows, made.inputs))[0]
    sets = [json.loads(text) for text in in_python["prediction"]]
    assert [[told[code] for code in np.flatnonzero(row)] for row in labels] == sets


def test_it_is_judged_on_test_rows(asked: Asked, ensemble: Ensemble) -> None:
    answers, truth = holdout_predictions(asked.features, ensemble), asked.features.truth
    learnt = truth.y[truth.split.is_training]
    found = evaluate(answers, ensemble.problem, learnt, 0, ensemble.conformal)
    assert found.metrics["f1_score_macro"] > 0.85 > found.baseline["f1_score_macro"]
    low, high = found.intervals["f1_score_macro"]
    assert low < found.metrics["f1_score_macro"] < high
    assert found.by_label is not None and found.by_threshold is not None and found.coverage_by_class is not None
    assert found.by_label["f1"].mean() == pytest.approx(found.metrics["f1_score_macro"])
    assert found.by_label["threshold"].to_list() == list(ensemble.problem.thresholds or (0.5,) * 3)
    assert found.coverage["coverage_95"] > 0.85
    assert {one.name for one in found.pictures} == {
        *("labels_found", "labels_mistaken", "roc", "precision_recall", "calibration", "thresholds")
    }
    assert why_a_guess(ensemble, truth) == ""


def test_a_champion_is_challenged_by_the_labels_that_both_know(asked: Asked, ensemble: Ensemble) -> None:
    answers, problem = holdout_predictions(asked.features, ensemble), ensemble.problem
    before = replace(problem, classes=("hum", "vowel"), thresholds=(0.4, 0.6))
    found = challenge(answers, answers.prediction[:, 1:], problem, before, seed=0)
    assert found.unknown == ("hiss",)
    assert found.difference > 0.2
    assert problem.deciding_as(before).thresholds == (0.5, 0.4, 0.6)


# Steps by arrays


def _problem(n_labels: int, metric: str = "f1_score_macro") -> Problem:
    return Problem("sounds", metric, tuple(f"l{i}" for i in range(n_labels)), is_multilabel=True)


def _rows(n_rows: int, shares: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth drawn by probabilities that are honest."""
    random = np.random.default_rng(seed)
    odds = np.log(np.array(shares) / (1 - np.array(shares))) + 1.5 * random.normal(size=(n_rows, len(shares)))
    honest = 1 / (1 + np.exp(-odds))
    return (random.random(honest.shape) < honest).astype(np.int8), honest


def _ensemble(problem: Problem, y: np.ndarray, predictions: np.ndarray) -> tuple[Ensemble, Truth]:
    score = metrics.score(problem.metric, y, predictions, None, problem)
    split = Split(np.zeros(len(y), bool), np.full((len(y), 1), VALID, np.int8), "all rows")
    ensemble = Ensemble("single", (), None, score, {"single": score}, predictions, None, problem)
    return ensemble, Truth(y, None, problem, split)


def test_overconfident_labels_are_calibrated_each_by_itself() -> None:
    y, honest = _rows(3_000, (0.3, 0.3, 0.02))
    odds = np.log(honest / (1 - honest)) * np.array([2.5, 1.0, 2.5]) + np.array([0.5, 0.0, 0.5])
    loud = 1 / (1 + np.exp(-odds))
    made = calibrate(*_ensemble(_problem(3, "log_loss"), y, loud), seed=0)
    assert made.calibration is not None
    (first, bias), (second, _), _ = made.calibration.labels
    assert first == pytest.approx(0.5, abs=0.1) and bias < 0.1 and second == pytest.approx(1.0, abs=0.2)
    assert made.score < metrics.score("log_loss", y, loud, None, made.problem)
    assert np.array_equal(made.predictions, calibrated(loud, made.calibration))
    assert calibrate(*_ensemble(_problem(3, "log_loss"), y, honest), seed=0).calibration is None


def test_thresholds_raise_f1_and_rare_labels_share_the_common_one() -> None:
    y, honest = _rows(2_000, (0.3, 0.1, 0.1, 0.001), seed=3)
    ensemble, truth = _ensemble(_problem(4), y, honest)
    made = choose_threshold(ensemble, truth, AUTO)
    assert len(made.problem.thresholds) == 4 and max(made.problem.thresholds[:3]) < 0.5
    new, chances = _rows(20_000, (0.3, 0.1, 0.1, 0.001), seed=4)
    before, after = (metrics.score("f1_score_macro", new, chances, None, one) for one in (truth.problem, made.problem))
    assert after > before + 0.03
    assert made.score == pytest.approx(after, abs=0.06)
    kept = choose_threshold(ensemble, truth, SimpleNamespace(threshold=0.3, seed=0))
    assert kept.problem.thresholds == ()


def test_a_threshold_that_helps_nothing_is_not_moved() -> None:
    y, honest = _rows(1_000, (0.5, 0.5))
    ensemble, truth = _ensemble(_problem(2, "hamming_loss"), y, honest)
    made = choose_threshold(ensemble, truth, AUTO)
    assert made.problem.thresholds == () or made.score <= ensemble.score


def test_the_best_threshold_is_found_among_all() -> None:
    random = np.random.default_rng(5)
    y, chance, weight = random.integers(0, 2, 60), random.random(60).round(2), random.random(60)
    ours = best_threshold(y, chance, weight)

    def f1(threshold: float) -> float:
        said = chance > threshold
        return 2 * weight[said & (y == 1)].sum() / (weight[said].sum() + weight[y == 1].sum())

    assert f1(ours) == pytest.approx(max(f1(one) for one in np.arange(0.005, 1.0, 0.01)))


def test_few_rows_with_a_label_say_little_beside_its_probabilities() -> None:
    """Two rows have it, by chance those of the highest probability: rows alone would answer with it hardly ever."""
    chance = np.linspace(0.001, 0.4, 200)[:, None]
    y = np.zeros((200, 1), np.int8)
    y[-2:] = 1
    assert best_threshold(y[:, 0], chance[:, 0], None) > 0.39
    f1 = [2 * chance[chance > one].sum() / ((chance > one).sum() + chance.sum()) for one in np.arange(0.0, 0.4, 0.005)]
    promised = 0.005 * int(np.argmax(f1))
    assert label_thresholds(y, chance, None)[0] == pytest.approx(promised, abs=0.05)
    assert label_thresholds(0 * y, chance, None)[0] == pytest.approx(promised, abs=0.006)


def test_labels_of_which_too_little_is_believed_have_lower_thresholds_under_any_metric() -> None:
    shares, believed = (0.5, 0.4, 0.03, 0.03, 0.03), np.array([1.0, 1.0, 0.4, 0.4, 0.4])
    y, honest = _rows(4_000, shares, seed=1)
    problem = _problem(5, "f1_score_micro")
    made = choose_threshold(*_ensemble(problem, y, honest * believed), AUTO).problem
    assert max(made.thresholds[2:]) < min(made.thresholds[:2]) - 0.02
    new, chances = _rows(40_000, shares, seed=2)
    chances = chances * believed
    common = replace(made, thresholds=(float(np.mean(made.thresholds[:2])),) * 5)
    micro, macro = (
        metrics.score(name, new, chances, None, made) - metrics.score(name, new, chances, None, common)
        for name in ("f1_score_micro", "f1_score_macro")
    )
    assert micro > 0 and macro > 0.02


def test_conformal_sets_hold_the_labels_of_new_rows() -> None:
    shares = (0.3, 0.1, 0.05)
    y, honest = _rows(8_000, shares)
    ensemble, truth = _ensemble(_problem(3), y, honest)
    made = conformalize(ensemble, truth, (0.8, 0.9), seed=0)
    new, chances = _rows(8_000, shares, seed=1)
    found = coverage(made.conformal, new, chances, made.problem)
    assert found["coverage_80"] == pytest.approx(0.8, abs=0.03)
    assert found["coverage_90"] == pytest.approx(0.9, abs=0.03)
    inside = class_sets(made.conformal, chances, made.problem)["prediction_set_80"]
    for label in range(3):
        assert inside[new[:, label] > 0, label].mean() == pytest.approx(0.8, abs=0.06)
    assert inside[chances > 0.5].all()


def _candidate(name: str, problem: Problem, y: np.ndarray, predictions: np.ndarray) -> Candidate:
    score = metrics.score(problem.metric, y, predictions, None, problem)
    trial = Trial(f"{name}_1", name, {}, "finished", score=score, predictions=predictions, fitted=Fitted(()))
    return Candidate(name, (trial,), 1.0)


def test_a_stack_learns_whom_to_believe_of_each_label() -> None:
    """One member knows the first labels, another the last."""
    problem, (y, honest) = _problem(4, "log_loss"), _rows(1_500, (0.3, 0.3, 0.2, 0.2))
    guess = np.tile(y.mean(axis=0), (len(y), 1))
    first, last = honest.copy(), honest.copy()
    first[:, 2:], last[:, :2] = guess[:, 2:], guess[:, :2]
    candidates = [_candidate(name, problem, y, said) for name, said in (("one", first), ("two", last))]
    _, truth = _ensemble(problem, y, honest)
    features = Features(truth, None, None)
    made = build_ensemble(candidates, features, EnsembleSetting(voting=False), 0)
    assert made.kind == "stacking" and made.stack is not None
    own = made.stack.coefficients.reshape(2, 4, 4)
    assert (own[:, ~np.eye(4, dtype=bool)] == 0).all()
    believed = [made.members[place].algorithm for place in own[:, np.eye(4, dtype=bool)].argmax(axis=0)]
    assert believed == ["one", "one", "two", "two"]
    assert made.score < min(one.trials[0].score or 0.0 for one in candidates) - 0.05


def test_who_knows_is_believed_though_another_shouts() -> None:
    """At 0.5 a trial whose probabilities are low finds nothing; thresholds are chosen once the ensemble stands."""
    problem, (y, honest) = _problem(3), _rows(1_500, (0.05, 0.05, 0.05))
    random = np.random.default_rng(1)
    quiet = honest * 0.4
    loud = np.clip(3 * honest * np.exp(random.normal(size=honest.shape)), 0, 1)
    candidates = [_candidate(name, problem, y, said) for name, said in (("quiet", quiet), ("loud", loud))]
    assert candidates[0].trials[0].score < candidates[1].trials[0].score
    features = Features(_ensemble(problem, y, honest)[1], None, None)
    for settings in (EnsembleSetting(voting=False, stacking=False), EnsembleSetting(stacking=False)):
        made = build_ensemble(candidates, features, settings, 0)
        weights = {member.algorithm: member.weight for member in made.members}
        assert weights["quiet"] > weights.get("loud", 0.0)


def test_a_sample_holds_every_label_and_a_guess_is_the_share_of_each() -> None:
    y = np.zeros((1_000, 3), np.int8)
    y[:500, 0], y[7, 1], y[400:402, 2] = 1, 1, 1
    kept = sample(y, 4, _problem(3), np.random.default_rng(0))
    assert (y[kept].sum(axis=0) > 0).all()
    assert baseline_prediction(y, 1, _problem(3)).tolist() == [[0.5, 0.001, 0.002]]


def test_a_stack_of_many_labels_is_affordable() -> None:
    problem, (y, honest) = _problem(30), _rows(400, (0.2,) * 30)
    candidates = [_candidate(name, problem, y, honest) for name in ("one", "two")]
    settings, lost = affordable_ensemble(EnsembleSetting(), candidates, _ensemble(problem, y, honest)[1], 10.0, 1.0)
    assert settings.stacking and lost == ""


def test_learners_see_every_label_there_and_lacking() -> None:
    rows = Rows(np.zeros((3, 2)), np.array([[1, 0, 0], [1, 0, 1], [1, 0, 0]], np.int8))
    made = with_every_class(rows, 3)
    assert made.y[3].tolist() == [0, 1, 0] and made.y.dtype == np.int8
    assert made.weight is not None and made.weight[3] <= 1e-3 * made.weight[0]
    assert with_every_class(made, 3) is made


# Labels that people gave


def test_labels_come_back_as_sets_written_as_the_source_does(letters: None, tmp_path: Path) -> None:
    """The order of labels says nothing; an empty set is an answer."""
    source = tmp_path / "words.csv"
    source.write_text("word,sounds\nabc,\"['vowel', 'hiss']\"\nmmm,['hum']\n")
    (tmp_path / "given.csv").write_text('word,sounds\nabc,"hiss, vowel"\nzzz,[]\nano,"vowel, hum"\n')
    experiment = parse({"task": "sounds", "source": str(source), "target": "sounds"}, "given")
    found = import_labels(experiment, str(tmp_path / "given.csv"), None, ("word",), is_new=False)
    assert (found.n_labels, found.n_known, found.rows.height) == (3, 1, 2)
    assert source.read_text().splitlines()[3:] == ["zzz,[]", 'ano,"[""vowel"", ""hum""]"']
    (tmp_path / "other.csv").write_text("word,sounds\nnew,buzz\n")
    with pytest.raises(DataError, match="unknown classes buzz; the source has hiss, hum, vowel"):
        import_labels(experiment, str(tmp_path / "other.csv"), None, ("word",), is_new=False)
