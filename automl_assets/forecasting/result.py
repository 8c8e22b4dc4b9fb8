"""What came of a forecasting run, as Python values."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar

from automl_assets.api.result import PrintedTable, RunResult
from automl_assets.errors import ArtifactError, SettingError, listed, nearest
from automl_assets.forecasting.records import ForecastSummary
from automl_assets.forecasting.steps.evaluate import figures
from automl_assets.forecasting.steps.export import POINT
from automl_assets.forecasting.steps.future_index import rows_of
from automl_assets.records import Leaderboard
from automl_assets.resources.home import open_instance
from automl_assets.resources.partition_store import Shelf
from automl_assets.resources.partitions import keys_of
from automl_assets.resources.store import RecordStore

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from automl_assets.data.schema import Schema

SHOWN_GROUPS, SHOWN_REASONS = 12, 3
POINT_IN_FILES = "prediction"
HEADERS = {
    "group": "group",
    "status": "status",
    "backtest_score": "backtest",
    "score": "test",
    "algorithms": "algorithms",
    "reason": "reason",
}  # column of a summary -> what stands above it


@dataclass(frozen=True)
class ForecastResult(RunResult):
    """What came of a forecasting run. Shows itself as groups and metrics in a notebook."""

    advice: ClassVar[str] = "see `automl forecast` and `automl leaderboard`"

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that are forecast, as the partitions are called."""
        with self._at_home(), open_instance() as instance:
            made = self._shelf("ensemble")
            return tuple(key for key in keys_of(instance, self.experiment) if made.has(key))

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
        return self.leaderboard_of(*self._with_forecast())

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

        known = self._known(groups or self._with_forecast())
        with self._at_home():
            features, made = self._shelf("features"), self._shelf("forecast")
            rows = [row for key in known for row in rows_of(made.read(key), features.read(key).problem)]
        return pl.DataFrame(rows, infer_schema_length=None)

    @cached_property
    def schema(self) -> "Schema":
        """Raises ArtifactError where nothing was learnt."""
        self._with_forecast()
        return self._load("dataset").schema

    def predict(self, rows: Any) -> "pd.DataFrame":
        """What is missing in the target of a pandas or polars frame, forecast from the rows before it, which may be newer
        than those learnt from; what comes next where nothing is missing. Raises DataError for rows that are no series,
        ArtifactError for `onnx: false`."""
        from automl_assets.forecasting.serving.model_folder import forecast_rows as served
        from automl_assets.forecasting.steps.forecast_rows import forecast_rows, learnt_from, read_new

        groups, by = self._with_forecast(), self.experiment.forecasting.partition_by
        with self._at_home():
            learnt, made = learnt_from(map(self._shelf("features").read, groups)), self._shelf("onnx_model")
            table = read_new(rows, self.schema, learnt.problem, self.experiment.strict)
            models = (made.read(key) for key in groups if made.has(key))
            found = forecast_rows(table, learnt, partial(served, models, by), self.experiment)
        return _as_in_files(found).to_pandas()

    def _with_forecast(self) -> tuple[str, ...]:
        """The groups that are forecast. Raises ArtifactError where there is none, with the reasons that are known."""
        if self.groups:
            return self.groups
        name = self.experiment.name
        raise ArtifactError(
            f"{name}: no group has a forecast{self._reasons()}; run it first: {self._command(f'automl run {name}')}"
        )

    def _reasons(self) -> str:
        """Why groups have none, as far as a run said."""
        from automl_assets.forecasting.assets.partitions import REFUSED

        with self._at_home(), open_instance() as instance:
            features = self._shelf("features")
            refused = [key for key in keys_of(instance, self.experiment) if features.origin(key) == REFUSED]
            told = [f"{key}: {features.read(key).reason}" for key in refused[:SHOWN_REASONS]]
        return f" ({'; '.join(told)})" if told else ""

    @cached_property
    def artifacts(self) -> dict[str, str]:
        """Asset -> the folder of its newest version; of a partitioned one, the folder of all its groups."""
        name = self.experiment.name
        with self._at_home():
            store = RecordStore()
            found = {asset: folder for asset, folder in store.assets(name).items() if asset not in self.lost}
            return {asset: str(store.folder(name, asset, self.run) or folder) for asset, folder in found.items()}

    def summary(self) -> dict[str, Any]:
        """Everything as plain values, as `automl run --json` writes it."""
        overview, registered = self.overview, figures(self.overview)
        return {
            "experiment": self.experiment.name,
            "task": self.experiment.task,
            "metric": self.experiment.metric,
            "rows": list(overview.rows),
            "score": registered.score,
            "score_rows": registered.score_rows,
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
            "alerts": [asdict(alert) for alert in self.alerts],
        }

    def printed(self) -> Iterator[PrintedTable | str]:
        yield self._printed_groups()
        yield self._printed_metrics()
        yield f"What comes next: {self._command(f'automl forecast {self.experiment.name} -o forecast.csv')}"

    def printed_leaderboard(self, *groups: str) -> PrintedTable:
        rows = self.leaderboard_of(*(groups or self._with_forecast()))
        title, texts = f"Leaderboard of {self.experiment.name} (backtest)", frozenset({"group", "trial", "reason"})
        return PrintedTable(title, tuple(rows.columns), tuple(rows.itertuples(index=False, name=None)), texts)

    def _printed_groups(self) -> PrintedTable:
        overview = self.overview
        n_groups, shown = overview.groups.height, overview.groups.head(SHOWN_GROUPS)
        more = f", the first {SHOWN_GROUPS} of {n_groups}" if n_groups > SHOWN_GROUPS else ""
        left_out = {"score"} if "test" not in overview.rows else set()  # the backtest's once more
        columns = [column for column in HEADERS if column in shown.columns and column not in left_out]
        return PrintedTable(
            title=f"Groups of {self.experiment.name} ({overview.metric}){more}",
            columns=tuple(HEADERS[column] for column in columns),
            rows=tuple(shown.select(columns).iter_rows()),
            texts=frozenset(HEADERS[column] for column in columns if not column.endswith("score")),
        )

    def _printed_metrics(self) -> PrintedTable:
        title = f"On {' and '.join(self.overview.rows) or 'no'} rows"
        rows = tuple(tuple(row.values()) for row in metrics_of(self.overview))
        return PrintedTable(title, ("metric", "value", "seasonal naive"), rows, texts=frozenset({"metric"}))

    def _standings(self, key: str) -> Iterator[dict[str, Any]]:
        with self._at_home():
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

    def _shelf(self, asset: str) -> Shelf:
        return RecordStore().shelf(self.experiment.name, asset, self.run)

    def _repr_html_(self) -> str:
        import pandas as pd

        overview = self.overview
        title = f"<h3>{self.experiment.name}: {overview.groups.height} groups, {self.seconds:.0f} s</h3>"
        tables = pd.DataFrame(metrics_of(overview)), overview.groups.head(SHOWN_GROUPS).to_pandas()
        return title + "".join(table.to_html(index=False) for table in tables)


def _as_in_files(found: "pl.DataFrame") -> "pl.DataFrame":
    """Answers of a model under the names of the forecast's own: `prediction` in the place of the model's output."""
    return found if POINT_IN_FILES in found.columns else found.rename({POINT: POINT_IN_FILES}, strict=False)


def metrics_of(overview: ForecastSummary) -> list[dict[str, Any]]:
    """A line per metric, beside the seasonal naive forecast's."""
    return [
        {"metric": name, "value": value, "seasonal_naive": overview.baseline.get(name)}
        for name, value in (overview.metrics | overview.coverage).items()
    ]
