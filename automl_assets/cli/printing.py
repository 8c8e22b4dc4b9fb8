"""How results, and the versions of a model, look on a terminal. Not here: commands, and how far a run is (`progress`)."""

import math
from collections.abc import Sequence
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from automl_assets.api.result import PrintedTable, RunResult
from automl_assets.cli.terminal import plain
from automl_assets.resources.home import command
from automl_assets.resources.model_registry import Promotion

SHOWN_COLUMNS = 4  # of contributions


def print_result(console: Console, result: RunResult) -> None:
    """What a run came to, and where the rest lies."""
    if result.is_unchanged:
        told = "Nothing was made: every group is as it was when it was learnt. What was learnt: "
        console.print(plain(told + command(f"automl leaderboard {result.experiment.name}")), soft_wrap=True)
        console.print(f"[bold]Done in {result.seconds:.0f} s.[/]")
        return
    for part in result.printed():
        if isinstance(part, str):
            console.print(plain(part), soft_wrap=True)
        else:
            console.print(as_table(part))
    if (alerts := result.printed_alerts()) is not None:
        console.print(as_table(alerts))
    if result.report_path:
        console.print(plain(f"Report: {result.report_path}"), soft_wrap=True)
    console.print(
        plain(f"Everything else lies in {result.home}; look at it with `{command('automl ui')}`."), soft_wrap=True
    )
    console.print(f"[bold]Done in {result.seconds:.0f} s.[/]")


def as_table(printed: PrintedTable) -> Table:
    """A table of plain values on a terminal."""
    table = Table(title=plain(printed.title), title_justify="left", box=None, header_style="bold")
    for name in printed.columns:
        table.add_column(plain(name), justify="left" if name in printed.texts else "right")
    for number, row in enumerate(printed.rows):
        table.add_row(*[_cell(value) for value in row], style="bold" if number < printed.n_bold else None)
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


def versions(known: Sequence[Any], reigns: Sequence[Promotion], champion: str) -> Table:
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
