"""What came of a run, for Python and notebooks: what every result has in common, and the result of a forecast.

The result of a question about table rows stands in `runner`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upath import UPath

from automl_assets import experiment as settings
from automl_assets.assets.forecasting.partitions import keys_of
from automl_assets.errors import SettingError, listed, nearest
from automl_assets.records import Leaderboard, TrainingCode
from automl_assets.resources.home import open_instance
from automl_assets.resources.shelf import Shelf
from automl_assets.resources.store import RecordStore
from automl_assets.series import ForecastSummary
from automl_assets.steps.forecasting.ahead import rows_of

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

SHOWN_GROUPS = 20


@dataclass(frozen=True)
class Outcome:
    """Where the records of a run lie, and how long they took."""

    experiment: settings.Experiment
    home: Path
    seconds: float
    seconds_per_asset: dict[str, float]
    lost: dict[str, str] = field(default_factory=dict)  # assets that could not be made -> why

    @property
    def report_path(self) -> UPath | None:
        """The page about the experiment, when it makes one."""
        folder = None if "report" in self.lost else self._store().folder(self.experiment.name, "report")
        return folder / "page.html" if folder else None

    @cached_property
    def training_code(self) -> TrainingCode:
        """A program that trains the model again. Raises ArtifactError when the experiment makes none."""
        return self._load("training_code")

    def _load(self, asset: str) -> Any:
        return self._store().load(self.experiment.name, asset)

    def _store(self) -> RecordStore:
        os.environ["DAGSTER_HOME"] = str(self.home)  # where records lie, and the key they are signed with
        return RecordStore()


@dataclass(frozen=True)
class ForecastResult(Outcome):
    """What came of a forecasting run. Shows itself as groups and metrics in a notebook."""

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that are forecast, as the partitions are called."""
        features = self._shelf("ensemble")
        with open_instance() as instance:
            return tuple(key for key in keys_of(instance, self.experiment) if features.has(key))

    @cached_property
    def overview(self) -> ForecastSummary:
        """Every group with its status, score and best algorithms, and the metrics of all of them."""
        return self._load("summary")

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric of all groups together."""
        return self.overview.metrics

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """Every trial of every group, best first."""
        return self.leaderboard_of(*self.groups)

    def leaderboard_of(self, *groups: str) -> "pd.DataFrame":
        """The trials of some groups. Raises SettingError for a group that is not known."""
        import pandas as pd

        return pd.DataFrame([row for key in self._known(groups) for row in self._standings(key)])

    @property
    def forecast(self) -> "pd.DataFrame":
        """What comes after the newest rows: a line per series and stamp, with point and quantiles."""
        return self.forecast_of(*self.groups).to_pandas()

    def forecast_of(self, *groups: str) -> "pl.DataFrame":
        """The same of some groups. Raises SettingError for a group that is not known."""
        import polars as pl

        features, made = self._shelf("features"), self._shelf("forecast")
        rows = [row for key in self._known(groups) for row in rows_of(made.read(key), features.read(key).problem)]
        return pl.DataFrame(rows, infer_schema_length=None)

    def predict(self, rows: Any) -> "pd.DataFrame":
        """What is missing in the target of a pandas or polars frame, forecast from the rows before it, which may be newer
        than those learnt from. Raises DataError for rows that are no series, ArtifactError for `onnx: false`."""
        from automl_assets.resources.model_folders import forecast_rows

        made = self._shelf("onnx_model")
        models = (made.read(key) for key in self.groups if made.has(key))
        frame = rows.to_pandas() if hasattr(rows, "to_pandas") else rows
        return forecast_rows(models, self.experiment.forecasting.partition_by, frame)

    @cached_property
    def artifacts(self) -> dict[str, str]:
        """Asset -> the folder of its newest version; of a partitioned one, the folder of all its groups."""
        store, name = self._store(), self.experiment.name
        found = {asset: folder for asset, folder in store.assets(name).items() if asset not in self.lost}
        return {asset: str(store.folder(name, asset) or folder) for asset, folder in found.items()}

    def summary(self) -> dict[str, Any]:
        """Everything as plain values, as `automl run --json` writes it."""
        overview = self.overview
        return {
            "experiment": self.experiment.name,
            "task": self.experiment.task,
            "metric": self.experiment.metric,
            "rows": list(overview.rows),
            "test_metrics": overview.metrics,
            "baseline": overview.baseline,
            "coverage": overview.coverage,
            "macro_metrics": overview.macro,
            "micro_metrics": overview.micro,
            "groups": overview.groups.to_dicts(),
            "seconds": self.seconds,
            "seconds_per_asset": self.seconds_per_asset,
            "artifacts": self.artifacts,
            "lost": self.lost,
        }

    def _standings(self, key: str) -> Iterator[dict[str, Any]]:
        board: Leaderboard = self._shelf("leaderboard").read(key)
        for s in board.standings:
            row = {"group": key, "rank": s.rank, "trial": s.trial, board.metric: s.score}
            yield {**row, "seconds": s.fit_seconds, "reason": s.reason}

    def _known(self, groups: tuple[str, ...]) -> tuple[str, ...]:
        for key in groups:
            if key not in self.groups:
                raise SettingError(
                    f"no group is called {key!r}; there are {listed(self.groups)}.{nearest(key, self.groups)}"
                )
        return groups

    @cached_property
    def _shelf(self) -> Callable[[str], Shelf]:
        store = self._store()
        return lambda asset: store.shelf(self.experiment.name, asset)

    def _repr_html_(self) -> str:
        import pandas as pd

        overview = self.overview
        title = f"<h3>{self.experiment.name}: {overview.groups.height} groups, {self.seconds:.0f} s</h3>"
        tables = pd.DataFrame(metrics_of(overview)), overview.groups.head(SHOWN_GROUPS).to_pandas()
        return title + "".join(table.to_html(index=False) for table in tables)


def metrics_of(overview: ForecastSummary) -> list[dict[str, Any]]:
    """A line per metric, beside the seasonal naive forecast's."""
    return [
        {"metric": name, "value": value, "seasonal_naive": overview.baseline.get(name)}
        for name, value in (overview.metrics | overview.coverage).items()
    ]
