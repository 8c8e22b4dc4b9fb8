"""What came of a run whose rows stand for themselves, as Python values."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from upath import UPath

from automl_assets.api.result import PrintedTable, RunResult
from automl_assets.errors import (
    SettingError,
    listed,
    nearest,
)
from automl_assets.model_records import Evaluation, OnnxModel
from automl_assets.records import Ensemble, Features, Leaderboard
from automl_assets.resources.asset_keys import asset_name
from automl_assets.resources.store import RecordStore
from automl_assets.steps.evaluate import figures

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from automl_assets.data.schema import ReadRows, Schema
    from automl_assets.steps.read_rows import Notes

SHOWN_TRIALS = 12  # when a run has ended


@dataclass(frozen=True)
class Result(RunResult):
    """What came of a run. Shows itself as a leaderboard and test metrics in a notebook."""

    advice: ClassVar[str] = "`automl predict` answers for rows"

    @cached_property
    def ensemble(self) -> Ensemble:
        return self._load("ensemble")

    @property
    def schema(self) -> "Schema":
        """By which all rows are read."""
        return self.ensemble.schema

    @cached_property
    def evaluation(self) -> Evaluation:
        return self._load("evaluation")

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric on the test rows."""
        return self.evaluation.metrics

    @cached_property
    def onnx(self) -> OnnxModel | None:
        return self._load("onnx_model") if self.experiment.onnx else None

    @cached_property
    def standings(self) -> Leaderboard:
        return self._load("leaderboard")

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """Every trial, best first."""
        import pandas as pd

        rows = [
            {
                "rank": s.rank,
                "trial": s.trial,
                self.experiment.metric: s.score,
                "seconds": s.fit_seconds,
                "reason": s.reason,
            }
            for s in self.standings.standings
        ]
        return pd.DataFrame(rows)

    @property
    def onnx_path(self) -> UPath | None:
        """The model file, when the experiment makes one."""
        return UPath(self.artifacts["onnx_model"]) / "onnx.onnx" if "onnx_model" in self.artifacts else None

    @cached_property
    def artifacts(self) -> dict[str, str]:
        """Asset -> folder of its newest version."""
        assets = [asset_name(asset.key) for asset in self.experiment.family.graph(self.experiment)]
        with self._at_home():
            folder = partial(RecordStore().folder, self.experiment.name, run=self.run)
            found = {name: folder(name) for name in assets if name not in self.lost}
        return {name: str(folder) for name, folder in found.items() if folder}

    def predict(self, rows: Any) -> "pd.DataFrame":
        """Predictions beside the rows of a pandas or polars frame. Raises DataError for cells that are not as those learnt
        from, unless the experiment says `strict: false`."""
        from automl_assets.steps.predict import predict
        from automl_assets.steps.read_rows import as_frame

        return predict(self.ensemble, as_frame(rows), self.experiment.strict).table.to_pandas()

    def test(self, trial: str, rows: Any = None) -> Evaluation:
        """Metrics, intervals and pictures of one trial of the leaderboard, or of "ensemble", on the test rows, or on
        labelled rows of a pandas or polars frame. Raises AutomlError for a trial that is unknown or failed."""
        from automl_assets.steps.evaluate_trial import evaluate_trial

        features = self._load("features")
        chosen = self.ensemble if trial == "ensemble" else self._alone(trial, features)
        return evaluate_trial(chosen, features, self.experiment, None if rows is None else self._labelled(rows))

    def printed(self) -> Iterator[PrintedTable | str]:
        yield self._leaderboard(SHOWN_TRIALS)
        yield printed_scores(self.evaluation)
        if onnx := self.onnx:
            yield (
                f"ONNX model: {len(onnx.onnx) / 1e6:.1f} MB, one row in {onnx.latency_milliseconds:.3f} ms, "
                f"differs from Python by at most {onnx.max_difference:.1g}"
            )
            yield f"  {self.onnx_path}"

    def printed_leaderboard(self, *groups: str) -> PrintedTable:
        return self._leaderboard(None)

    def _leaderboard(self, most: int | None) -> PrintedTable:
        standings, ensemble = self.standings, self.ensemble
        kind = f"{ensemble.kind} of {len(ensemble.members)}" if ensemble.kind != "single" else ensemble.members[0].trial
        rows: list[tuple[Any, ...]] = [("", f"ensemble ({kind})", _digits(ensemble.score), "", "")]
        rows += [
            (s.rank or "✗", s.trial, _digits(s.score), f"{s.fit_seconds:.1f}", s.reason)
            for s in standings.standings[:most]
        ]
        title = f"Leaderboard of {self.experiment.name} (out-of-fold)"
        columns = ("rank", "trial", standings.metric, "seconds", "")
        return PrintedTable(title, columns, tuple(rows), texts=frozenset({"trial", ""}), n_bold=1)

    def _alone(self, name: str, features: Features) -> Ensemble:
        from automl_assets.steps.evaluate_trial import trial_as_ensemble

        algorithms = {standing.trial: standing.algorithm for standing in self.standings.standings}
        if name not in algorithms:
            raise SettingError(
                f"no trial is called {name!r}; there are {listed(['ensemble', *algorithms])}.{nearest(name, algorithms)}"
            )
        candidate = self._load(f"candidate_{algorithms[name]}")
        (trial,) = [one for one in candidate.trials if one.name == name]
        return trial_as_ensemble(trial, features, self.experiment)

    def explain(self, rows: Any, seconds: float = 60) -> "pd.DataFrame":
        """What each column adds to the answer for each row of a pandas or polars frame (SHAP values).

        Contributions to an output add up to its score minus `base`: log-odds of a class, or the value of a regression.
        """
        explain_rows = self.experiment.family.steps.explain_rows
        if explain_rows is None:
            self._refuse()
        dataset, features = self._load("dataset"), self._load("features")
        table = self._read(rows, self.ensemble.featurizer.raw_columns).table
        return explain_rows(self.ensemble, dataset, features, table, seconds).to_pandas()

    def label_errors(self) -> "pd.DataFrame":
        """Rows whose label is likely wrong, the likeliest first, beside their own columns."""
        return self._label_errors().to_pandas()

    def write_label_errors(self, path: str | Path) -> None:
        """Writes them for review: `.json` for Label Studio, whose export `automl correct` takes back; else CSV."""
        from automl_assets.steps.find_label_errors import review_csv, review_tasks

        if Path(path).suffix != ".json":
            written = review_csv(self._label_errors(), self.experiment.target)
        elif review := self.experiment.family.steps.review_label_errors:
            written = review(self._load("dataset"), self._load("features"), self.ensemble)
        else:
            are_sets = self.ensemble.problem.is_multilabel
            written = review_tasks(self._label_errors(), self.experiment.target, are_sets)
        Path(path).write_bytes(written)

    def _label_errors(self) -> "pl.DataFrame":
        from automl_assets.steps.find_label_errors import find_label_errors, with_columns_of

        dataset, features = self._load("dataset"), self._load("features")
        if find := self.experiment.family.steps.label_errors:
            return find(dataset, features, self.ensemble)
        found = find_label_errors(features.truth.y, self.ensemble.predictions, self.ensemble.problem)
        return with_columns_of(found, dataset)

    def scored(self, batches: "Iterable[pl.DataFrame]", notes: "Notes | None" = None) -> "Iterator[pl.DataFrame]":
        """Predictions beside the rows of each batch, through the ONNX file where the experiment makes one. `notes` are
        told what was noticed about the rows."""
        from automl_assets.steps.predict import answers, predict_by
        from automl_assets.steps.predict_batches import answerer

        answer = answerer(self.onnx, self.ensemble.problem) if self.onnx else partial(answers, self.ensemble)
        return (predict_by(answer, self.ensemble, rows, self.experiment.strict, notes) for rows in batches)

    def _labelled(self, rows: Any) -> "pl.DataFrame":
        """Rows to test on."""
        named = filter(None, (self.experiment.target, self.experiment.weight_column))
        return self._read(rows, (*self.ensemble.featurizer.raw_columns, *named)).table

    def _read(self, rows: Any, needed: "Collection[str]") -> "ReadRows":
        from automl_assets.steps.read_rows import read_rows

        return read_rows(rows, self.ensemble.schema, needed, self.experiment.strict)

    def summary(self) -> dict[str, Any]:
        """Everything as plain values, as `automl run --json` writes it."""
        by_class = self.evaluation.coverage_by_class
        onnx, registered = self.onnx, figures(self.evaluation, self.experiment.metric, self.ensemble.score)
        return {
            "experiment": self.experiment.name,
            "task": self.experiment.task,
            "metric": self.experiment.metric,
            "rows": self.evaluation.rows,
            "score": registered.score,
            "score_rows": registered.score_rows,
            "test_metrics": self.metrics,
            "intervals": self.evaluation.intervals,
            "coverage": self.evaluation.coverage,
            "coverage_by_class": None if by_class is None else by_class.to_dicts(),
            "by_label": None if self.evaluation.by_label is None else self.evaluation.by_label.to_dicts(),
            "baseline": self.evaluation.baseline,
            "ensemble": {"kind": self.ensemble.kind, "score": self.ensemble.score, "scores": self.ensemble.scores_by_kind,
                         "out_of_fold": self._out_of_fold(),
                         "threshold": self.ensemble.problem.threshold if self.ensemble.problem.has_threshold else None,
                         "thresholds": self.ensemble.problem.label_thresholds,
                         "calibration": self.ensemble.calibration and asdict(self.ensemble.calibration),
                         "members": {m.trial: m.weight for m in self.ensemble.members}},
            "leaderboard": json.loads(self.leaderboard.to_json(orient="records")),
            "onnx": onnx and {"megabytes": len(onnx.onnx) / 1e6, "max_difference": onnx.max_difference,
                              "latency_milliseconds": onnx.latency_milliseconds},
            "seconds": self.seconds,
            "seconds_per_asset": self.seconds_per_asset,
            "artifacts": self.artifacts,
            "lost": self.lost,
            "alerts": [asdict(alert) for alert in self.alerts],
        }  # fmt: skip

    def _out_of_fold(self) -> dict[str, float]:
        """Every metric of the ensemble on rows its models never saw while they learnt."""
        import numpy as np

        from automl_assets.metrics import all_scores

        truth, predictions = self._load("features").truth, self.ensemble.predictions
        known = ~np.isnan(predictions).any(axis=1)
        return all_scores(truth.y[known], predictions[known], truth.weights_of(known), self.ensemble.problem)

    def _repr_html_(self) -> str:
        import pandas as pd

        evaluation = self.evaluation
        rows = {name: (value, *evaluation.intervals.get(name, ("", ""))) for name, value in self.metrics.items()}
        metrics = pd.DataFrame.from_dict(rows, orient="index", columns=[evaluation.rows, "from", "to"])
        title = f"<h3>{self.experiment.name}: {self.experiment.task}, {self.ensemble.kind}, {self.seconds:.0f} s</h3>"
        return title + self.leaderboard.head(15).to_html(index=False) + metrics.to_html()


def printed_scores(evaluation: Evaluation) -> PrintedTable:
    """Metrics, how sure they are, and what a guess has."""
    where = "test rows" if evaluation.rows == "test" else "out-of-fold rows"
    ends = {name: "{:.5g} to {:.5g}".format(*found) for name, found in evaluation.intervals.items()}
    shown = set(ends) | set(evaluation.resampling.without_value if evaluation.resampling else ())
    rows = [
        (name, f"{value:.5g}", ends.get(name, ""), evaluation.baseline.get(name))
        for name, value in evaluation.metrics.items()
        if name in shown or not ends
    ]
    columns = ("metric", "value", "95 % interval", "a guess")
    return PrintedTable(f"On {evaluation.n_rows} {where}", columns, tuple(rows), texts=frozenset({"metric"}))


def _digits(score: float | None) -> str:
    return "" if score is None else f"{score:.5f}"
