"""How the result of a forecast, and the versions of a model, look on a terminal. Not here: commands, and how far a run is."""

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from automl_assets.resources.champions import Reign
from automl_assets.results import ForecastResult, metrics_of
from automl_assets.series import ForecastSummary

SHOWN_GROUPS = 12
HEADERS = {
    "group": "group",
    "status": "status",
    "backtest_score": "backtest",
    "score": "test",
    "algorithms": "algorithms",
    "reason": "reason",
}  # column of a summary -> what stands above it


def print_forecast_result(console: Console, result: ForecastResult) -> None:
    """Groups, metrics, and where the rest lies."""
    overview = result.overview
    console.print(_groups(overview, result.experiment.name))
    console.print(_metrics(overview))
    console.print(f"What comes next: [bold]automl forecast {result.experiment.name} -o forecast.csv[/]")
    console.print(f"Everything else lies in {result.home}; look at it with `automl ui`.", soft_wrap=True)
    console.print(f"[bold]Done in {result.seconds:.0f} s.[/]")


def _groups(overview: ForecastSummary, name: str) -> Table:
    n_groups, shown = overview.groups.height, overview.groups.head(SHOWN_GROUPS)
    more = f", the first {SHOWN_GROUPS} of {n_groups}" if n_groups > SHOWN_GROUPS else ""
    title = f"Groups of {name} ({overview.metric}){more}"
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    untold = {"score"} if "test" not in overview.rows else set()  # the backtest's once more
    columns = [column for column in HEADERS if column in shown.columns and column not in untold]
    for column in columns:
        table.add_column(HEADERS[column], justify="right" if column.endswith("score") else "left")
    for row in shown.select(columns).iter_rows():
        table.add_row(*[_cell(value) for value in row])
    return table


def _metrics(overview: ForecastSummary) -> Table:
    title = f"On {' and '.join(overview.rows) or 'no'} rows"
    table = Table(title=title, title_justify="left", box=None, header_style="bold")
    for column in ("metric", "value", "seasonal naive"):
        table.add_column(column, justify="left" if column == "metric" else "right", no_wrap=True)
    for row in metrics_of(overview):
        table.add_row(*[_cell(value) for value in row.values()])
    return table


def standings(rows: Any, name: str) -> Table:
    """The leaderboard of groups."""
    table = Table(title=f"Leaderboard of {name} (backtest)", title_justify="left", box=None, header_style="bold")
    for column in rows.columns:
        table.add_column(str(column), justify="left" if column in ("group", "trial", "reason") else "right")
    for row in rows.itertuples(index=False):
        table.add_row(*[_cell(value) for value in row])
    return table


def versions(known: Sequence[Any], reigns: Sequence[Reign], champion: str) -> Table:
    """A model's versions as MLflow knows them, when each of them answered, and why it was promoted or not."""
    table = Table("version", "metric", "score", "champion", "why", box=None, header_style="bold")
    ends = [*(reign.since for reign in reigns[1:]), ""]
    for one in known:
        spans = [
            f"{_minute(reign.since)} – {_minute(end)}".rstrip()
            for reign, end in zip(reigns, ends, strict=True)
            if reign.version == str(one.version)
        ]
        name = Text(f"{one.version} ←" if str(one.version) == champion else str(one.version))
        score = _cell(float(one.tags["score"])) if "score" in one.tags else Text("")
        table.add_row(name, one.tags.get("metric", ""), score, "\n".join(spans), Text(one.tags.get("reason", "")))
    return table


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _cell(value: Any) -> Text:
    """A figure with five digits; nothing for what is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Text("")
    return Text(f"{value:.5g}" if isinstance(value, float) else str(value))
