"""Pictures of where answers are wrong, and of whether groups are treated alike."""

import textwrap
from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from automl_assets.model_records import Cohort, GroupComparison, Picture
from automl_assets.pictures.canvas import (
    BLUE,
    INK,
    ORANGE,
    SOFT,
    Axes,
    Figure,
    heading,
    picture,
    plain_numbers,
    readable,
    short_number,
    titled,
)

FAINT = "#b9cfdf"  # groups too small to be compared
MOST_LETTERS, LETTERS_A_LINE = 150, 92  # of a cohort's conditions
PANELS_ACROSS = 3


def cohorts_picture(cohorts: Sequence[Cohort], mean_loss: float, loss: str) -> Picture:
    """The mean loss in each cohort and on all other rows, under the cohort's conditions."""
    paint = partial(_paint_cohorts, cohorts=cohorts, mean_loss=mean_loss, loss=loss)
    return picture("cohorts", "Where answers are worst", paint, height=1.3 + 0.64 * len(cohorts))


def _paint_cohorts(figure: Figure, cohorts: Sequence[Cohort], mean_loss: float, loss: str) -> None:
    axes, places = figure.subplots(), np.arange(len(cohorts))
    axes.barh(places + 0.12, [one.loss for one in cohorts], height=0.3, color=ORANGE, label="in the cohort")
    axes.barh(places + 0.36, [one.rest_loss for one in cohorts], height=0.14, color=BLUE, label="all other rows")
    axes.axvline(mean_loss, color=INK, lw=1, linestyle=(0, (2, 2)), zorder=0.9)
    for place, one in zip(places, cohorts, strict=True):
        words = f"{readable(' and '.join(one.conditions), MOST_LETTERS)} ({one.n_rows:,} rows)"
        lines = textwrap.fill(words, LETTERS_A_LINE)
        axes.text(0, place - 0.06, lines, fontsize=7.5, va="bottom", bbox={"fc": "white", "ec": "none", "pad": 0.6})
    axes.set_yticks([])
    axes.set_ylim(len(cohorts) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    plain_numbers(axes.xaxis)
    titled(
        axes, "Where answers are worst", "orange: in the cohort, blue: elsewhere, dotted: all rows", f"mean {loss}", ""
    )


def heat_picture(columns: Sequence[str], heat: pl.DataFrame, loss: str) -> Picture:
    """The mean loss where the groups of two columns meet, with the number of rows; of one column, a single line."""
    n_down = heat["second"].n_unique()
    paint = partial(_paint_heat, columns=columns, heat=heat, loss=loss)
    return picture("error_heat", "Loss by groups", paint, height=1.9 + 0.42 * n_down)


def _paint_heat(figure: Figure, columns: Sequence[str], heat: pl.DataFrame, loss: str) -> None:
    axes = figure.subplots()
    across, down = (heat[name].unique(maintain_order=True).to_list() for name in ("first", "second"))
    cells = heat["loss"].cast(pl.Float64).fill_null(float("nan")).to_numpy().reshape(len(across), len(down)).T
    highest = float(np.nanmax(cells))
    image = axes.imshow(cells, cmap="Oranges", vmin=0, vmax=highest or 1.0, aspect="auto")
    counts = heat["n_rows"].to_numpy().reshape(len(across), len(down)).T
    for (place_down, place_across), count in np.ndenumerate(counts):
        if count:
            depth = float(cells[place_down, place_across]) / (highest or 1.0)
            _cell_text(axes, (place_across, place_down), depth, count)
    _group_ticks(axes, across, down)
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=25, format=short_number)
    bar.outline.set_visible(False)
    names = [*(readable(name, 30) for name in columns), ""]
    titled(axes, "Loss by groups", f"colour: mean {loss}; numbers: rows", names[0], names[1])


def _cell_text(axes: Axes, place: tuple[int, int], depth: float, count: int) -> None:
    color = "white" if depth > 0.65 else INK
    axes.text(*place, short_number(count), ha="center", va="center", color=color, fontsize=8)


def _group_ticks(axes: Axes, across: Sequence[str], down: Sequence[str]) -> None:
    shown = [readable(name) for name in across]
    slant = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if sum(map(len, shown)) > 55 else {}
    axes.set_xticks(np.arange(len(across)), shown, fontsize=8, **slant)
    axes.set_yticks(np.arange(len(down)), [readable(name) if name else "" for name in down], fontsize=8)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)


# Fairness


def fairness_picture(comparison: GroupComparison) -> Picture:
    """Every metric by group, with that of all rows; groups too small to be compared are faint."""
    metrics = [name for name in comparison.table.columns if name not in ("group", "n_rows", "is_compared")]
    n_lines, n_groups = -(-len(metrics) // PANELS_ACROSS), comparison.table.height
    paint = partial(_paint_fairness, comparison=comparison, metrics=metrics)
    title = f"Groups of {readable(comparison.column, 40)}"
    return picture(f"groups_of_{comparison.column}", title, paint, height=0.9 + n_lines * (0.75 + 0.22 * n_groups))


def _paint_fairness(figure: Figure, comparison: GroupComparison, metrics: Sequence[str]) -> None:
    n_lines = -(-len(metrics) // PANELS_ACROSS)
    places = figure.subplots(n_lines, min(PANELS_ACROSS, len(metrics)), sharey=True, squeeze=False).ravel()
    for axes, metric in zip(places, metrics, strict=False):
        _paint_groups(axes, comparison, metric)
    for axes in places[len(metrics) :]:
        axes.set_visible(False)
    heading(figure, f"Groups of {readable(comparison.column, 40)}", "dotted: all rows; faint: too few rows to compare")


def _paint_groups(axes: Axes, comparison: GroupComparison, metric: str) -> None:
    table = comparison.table
    values = table[metric].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    colors = [BLUE if is_compared else FAINT for is_compared in table["is_compared"]]
    names = [
        f"{readable(group, 16)} ({short_number(n_rows)})"
        for group, n_rows in table.select("group", "n_rows").iter_rows()
    ]
    axes.barh(np.arange(len(values)), np.nan_to_num(values), height=0.66, color=colors)
    axes.axvline(comparison.overall[metric], color=INK, lw=1, linestyle=(0, (2, 2)))
    axes.axvline(0, color=SOFT, lw=0.8)
    axes.set_yticks(np.arange(len(values)), names, fontsize=8)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    plain_numbers(axes.xaxis)
    axes.set_title(metric.replace("_", " "), fontsize=9, pad=4)
