"""How results, and the versions of a model, look on a terminal. Not here: commands, and how far a run is (`progress`)."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automl_assets.records import Evaluation
from automl_assets.resources.champions import Reign
from automl_assets.results import ForecastResult, metrics_of
from automl_assets.runner import Result
from automl_assets.series import ForecastSummary
from automl_assets.terminal import plain

SHOWN_GROUPS = 12
SHOWN_TRIALS = 12
SHOWN_COLUMNS = 4  # of contributions
HEADERS = {
    "group": "group",
    "status": "status",
    "backtest_score": "backtest",
    "score": "test",
    "algorithms": "algorithms",
    "reason": "reason",
}  # column of a summary -> what stands above it


def print_result(console: Console, result: Result | ForecastResult) -> None:
    """What a run came to, and where the rest lies."""
    if isinstance(result, ForecastResult):
        _print_forecast_result(console, result)
    else:
        _print_table_result(console, result)
    if result.report_path:
        console.print(plain(f"Report: {result.report_path}"), soft_wrap=True)
    console.print(plain(f"Everything else lies in {result.home}; look at it with `automl ui`."), soft_wrap=True)
    console.print(f"[bold]Done in {result.seconds:.0f} s.[/]")


def _print_table_result(console: Console, result: Result) -> None:
    console.print(leaderboard(result, SHOWN_TRIALS))
    console.print(scores(result.evaluation))
    onnx = result.onnx
    if onnx:
        console.print(
            f"ONNX model: {len(onnx.onnx) / 1e6:.1f} MB, one row in {onnx.latency_milliseconds:.3f} ms, "
            f"differs from Python by at most {onnx.max_difference:.1g}"
        )
        console.print(plain(f"  {result.onnx_path}"), soft_wrap=True)


def leaderboard(result: Result, most: int | None) -> Table:
    """Ensemble and trials of a table, the best first."""
    standings, ensemble = result.standings, result.ensemble
    table = Table(
        title=f"Leaderboard of {result.experiment.name} (out-of-fold)",
        title_justify="left",
        box=None,
        header_style="bold",
    )
    for name in ("rank", "trial", standings.metric, "seconds", ""):
        table.add_column(name, justify="right" if name not in ("trial", "") else "left")
    members = f"{ensemble.kind} of {len(ensemble.members)}" if ensemble.kind != "single" else ensemble.members[0].trial
    table.add_row("", f"[bold]ensemble[/] ({members})", f"[bold]{ensemble.score:.5f}[/]", "", "")
    for standing in standings.standings[:most]:
        score = "" if standing.score is None else f"{standing.score:.5f}"
        table.add_row(
            str(standing.rank or "✗"), standing.trial, score, f"{standing.fit_seconds:.1f}", plain(standing.reason)
        )
    return table


def scores(evaluation: Evaluation) -> Table:
    """Metrics of a table, how sure they are, and what a guess has."""
    where = "test rows" if evaluation.rows == "test" else "out-of-fold rows"
    table = Table(title=f"On {evaluation.n_rows} {where}", title_justify="left", box=None, header_style="bold")
    for name in ("metric", "value", "95 % interval", "a guess"):
        table.add_column(name, justify="left" if name == "metric" else "right", no_wrap=True)
    for name, value in evaluation.metrics.items():
        if name in evaluation.intervals:
            low, high = evaluation.intervals[name]
            table.add_row(
                name, f"{value:.5g}", f"{low:.5g} to {high:.5g}", f"{evaluation.baseline.get(name, float('nan')):.5g}"
            )
    return table


def contributions(made: pl.DataFrame) -> Table:
    """For each row and output the base, what moves the score most, and the score."""
    table = Table("row", "output", "base", "moved most by", "score", box=None, header_style="bold")
    for (row, output, base), part in made.group_by("row", "output", "base", maintain_order=True):
        order = part["contribution"].abs().arg_sort(descending=True)[:SHOWN_COLUMNS]
        moves = (f"{c} {v} ({x:+.3g})" for c, v, x in part[order].select("column", "value", "contribution").iter_rows())
        score = base + part["contribution"].sum()
        table.add_row(str(row), plain(output), f"{base:.4g}", plain(", ".join(moves)), f"{score:.4g}")
    return table


def _print_forecast_result(console: Console, result: ForecastResult) -> None:
    overview = result.overview
    console.print(_groups(overview, result.experiment.name))
    console.print(_forecast_metrics(overview))
    console.print(f"What comes next: [bold]automl forecast {result.experiment.name} -o forecast.csv[/]")


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


def _forecast_metrics(overview: ForecastSummary) -> Table:
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
    return plain(f"{value:.5g}" if isinstance(value, float) else str(value))
