"""Pictures of what a model leans on: importances, contributions to single rows, and the answer as a column changes."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl

from automl_assets.explanation.partial_dependence import Dependence
from automl_assets.model_records import Contributions, Importance, Picture
from automl_assets.pictures.canvas import (
    BLUE,
    CURVES,
    INK,
    MOST_BARS,
    MOST_CURVES,
    SOFT,
    Axes,
    Figure,
    bars,
    bars_height,
    entry,
    heading,
    legend,
    picture,
    plain_numbers,
    readable,
    share_ticks,
    titled,
)

MOST_SWARMS = 15
MOST_ROWS = 30  # whose answers are drawn one by one
COLUMNS_OF_BINS = 80  # across a swarm
LOW_TO_HIGH = ("#0072b2", "#b9a3c6", "#d55e00")  # colours of a column's values


def importance_picture(
    importances: tuple[Importance, ...],
    metric: str,
    name: str = "importance",
    title: str = "Importance of columns",
) -> Picture:
    """Loss of the metric when a column is shuffled, with one standard deviation, most important column on top."""
    paint = partial(_paint_importances, importances=importances, metric=metric, title=title)
    return picture(name, title, paint, height=bars_height(len(importances[:MOST_BARS])))


def _paint_importances(figure: Figure, importances: tuple[Importance, ...], metric: str, title: str) -> None:
    axes, shown = figure.subplots(), importances[:MOST_BARS]
    means, spreads = [one.mean for one in shown], [one.std for one in shown]
    bars(axes, [one.column for one in shown], means)
    axes.errorbar(means, np.arange(len(shown)), xerr=spreads, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
    axes.axvline(0, color=SOFT, lw=0.8)
    whiskers = "whiskers: one standard deviation" if np.isfinite(spreads).any() else "each shuffled once"
    titled(
        axes,
        title,
        f"{whiskers}{_first_of(len(shown), len(importances))}",
        f"{metric} lost when the column is shuffled",
        "",
    )


def _first_of(n_shown: int, n_all: int) -> str:
    return f"; first {n_shown} of {n_all}" if n_all > n_shown else ""


# Contributions


def contributions_picture(contributions: Contributions) -> Picture:
    """A dot per row for each column, coloured by its value; or, of several classes, the mean size for each class."""
    columns = contributions.strengths["column"].to_list()
    paint = _paint_swarms if len(contributions.outputs) == 1 else _paint_strengths
    height = 1.4 + 0.34 * max(len(columns[:MOST_SWARMS]), 2)
    given = partial(paint, contributions=contributions, columns=columns)
    return picture("contributions", "Contributions to single answers", given, height)


def _paint_swarms(figure: Figure, contributions: Contributions, columns: list[str]) -> None:
    axes, shown = figure.subplots(), columns[:MOST_SWARMS]
    rows = contributions.table.partition_by("column", as_dict=True)
    low, high = _limits(contributions.table["contribution"].to_numpy())
    axes.axvline(0, color=SOFT, lw=0.8)
    for place, column in enumerate(shown):
        own = rows[(column,)]
        across = np.clip(own["contribution"].to_numpy(), low, high)
        drift = _drifts(across, (low, high))
        axes.scatter(across, place + 0.38 * drift, s=9, c=_colors(own["value"]), linewidths=0, clip_on=False)
    _named_rows(axes, shown)
    axes.set_xlim(low, high)
    n_rows = contributions.table["row"].n_unique()
    note = f"{n_rows} rows; blue low, orange high value, grey text{_first_of(len(shown), len(columns))}"
    (output,) = contributions.outputs
    across = "contribution to the value" if output == "value" else f"contribution to the log-odds of {readable(output)}"
    titled(axes, "Contributions to single answers", note, across, "")


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Leaves out what lies far beyond almost all others; such dots stand at the edge."""
    low, high = np.quantile(values, (0.002, 0.998))
    margin = 0.06 * (max(high, 0.0) - min(low, 0.0)) or 1.0
    return float(min(low, 0.0) - margin), float(max(high, 0.0) + margin)


def _drifts(across: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """How far dots stand from their line, -1 to 1, so that those side by side do not hide each other [n_rows]."""
    bins = np.digitize(across, np.linspace(*limits, COLUMNS_OF_BINS))
    order = np.argsort(bins, kind="stable")
    _, first, count = np.unique(bins[order], return_index=True, return_counts=True)
    number = np.arange(len(across)) - np.repeat(first, count)
    level = np.where(number % 2 == 0, number // 2, -(number // 2) - 1)  # 0, -1, 1, -2, 2…
    drift = np.empty(len(across))
    drift[order] = level / max(count.max() / 2, 6)
    return drift


def _colors(texts: pl.Series) -> list[str] | np.ndarray:
    """From low to high values of numbers and dates; grey for texts and gaps."""
    from matplotlib.colors import LinearSegmentedColormap

    numbers = texts.cast(pl.Float64, strict=False)
    is_number = numbers.null_count() == texts.null_count()
    is_ordered = is_number or texts.drop_nulls().str.contains(r"^\d{4}-\d\d-\d\d").all()  # a date begins with its year
    if not is_ordered or texts.null_count() == len(texts):
        return [SOFT] * len(texts)
    rank = (numbers if is_number else texts).rank("average").cast(pl.Float64).to_numpy()
    low, high = np.nanmin(rank), np.nanmax(rank)
    colors = LinearSegmentedColormap.from_list("values", LOW_TO_HIGH).with_extremes(bad="#b0b0b0")
    return colors(np.ma.masked_invalid((rank - low) / (high - low or 1.0)))


def _paint_strengths(figure: Figure, contributions: Contributions, columns: list[str]) -> None:
    """Bars made of one piece per class."""
    axes, shown = figure.subplots(), columns[:MOST_SWARMS]
    pieces = _pieces(contributions)
    left = np.zeros(len(shown))
    for output, color in zip(pieces, CURVES, strict=False):
        width = np.array([pieces[output].get(column, 0.0) for column in shown])
        axes.barh(np.arange(len(shown)), width, left=left, height=0.66, color=color, label=entry(output))
        left += width
    _named_rows(axes, shown)
    plain_numbers(axes.xaxis)
    n_rows = contributions.table["row"].n_unique()
    note = f"{n_rows} rows{_first_of(len(shown), len(columns))}"
    titled(axes, "Contributions to single answers", note, "mean size of the contribution to log-odds", "")
    legend(axes, "lower right")


def _pieces(contributions: Contributions) -> dict[str, dict[str, float]]:
    """Output -> column -> mean size; outputs beyond the number of colours are added up."""
    outputs, n_rows = contributions.outputs, contributions.table["row"].n_unique()
    kept = outputs[: MOST_CURVES if len(outputs) <= MOST_CURVES else MOST_CURVES - 1]
    label = pl.when(pl.col("output").is_in(kept)).then("output").otherwise(pl.lit("all others"))
    size = pl.col("contribution").abs().sum() / n_rows
    sums = contributions.table.group_by(label.alias("piece"), "column", maintain_order=True).agg(size)
    found: dict[str, dict[str, float]] = {}
    for piece, column, mean in sums.iter_rows():
        found.setdefault(piece, {})[column] = mean
    return found


def _named_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(np.arange(len(names)), [readable(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    plain_numbers(axes.xaxis)


# Dependence


def dependence_picture(curves: Sequence[Dependence], outputs: tuple[str, ...], is_share: bool) -> Picture:
    """The mean answer as each column changes, over the answers for single rows; one line per class when there are more."""
    paint = partial(_paint_dependences, curves=curves, outputs=outputs, is_share=is_share)
    return picture("dependence", "Answer as a column changes", paint, height=1.2 + 1.9 * -(-len(curves) // 2))


def _paint_dependences(figure: Figure, curves: Sequence[Dependence], outputs: tuple[str, ...], is_share: bool) -> None:
    n_lines = -(-len(curves) // 2)
    places = figure.subplots(n_lines, min(2, len(curves)), sharey=True, squeeze=False).ravel()
    for axes, curve in zip(places, curves, strict=False):
        _paint_dependence(axes, curve, outputs)
        axes.set_title(readable(curve.column, 28), fontsize=9, pad=4)
        (share_ticks if is_share else plain_numbers)(axes.yaxis)
    for axes in places[len(curves) :]:
        axes.set_visible(False)
    what = f"Probability of {readable(outputs[0], 18)}" if is_share and len(outputs) == 1 else "Answer"
    note = "grey: single rows, line: their mean" if len(outputs) == 1 else "mean probability, one line per class"
    heading(figure, f"{what} as a column changes", note)
    if len(outputs) > 1:
        figure.legend(*places[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=1.4)


def _paint_dependence(axes: Axes, curve: Dependence, outputs: tuple[str, ...]) -> None:
    across = np.arange(len(curve.values)) if curve.kind == "text" else np.array(curve.values, dtype=float)
    marker = {"marker": "o", "markersize": 3, "linestyle": (0, (1, 2))} if curve.kind == "text" else {}
    if len(outputs) == 1:
        axes.plot(across, curve.answers[:MOST_ROWS, :, 0].T, color="#d4d4d4", lw=0.6)
    for code, output in enumerate(outputs[:MOST_CURVES]):
        color = BLUE if len(outputs) == 1 else CURVES[code]
        axes.plot(across, curve.mean[:, code], color=color, label=entry(output, 14), **marker)
    _value_ticks(axes, curve, across)


def _value_ticks(axes: Axes, curve: Dependence, across: np.ndarray) -> None:
    if curve.kind == "text":
        names = [readable(curve.text(value), 11) for value in curve.values]
        slant = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if sum(map(len, names)) > 26 else {}
        axes.set_xticks(across, names, fontsize=7.5, **slant)
    elif curve.kind == "moment":
        ends = np.linspace(across[0], across[-1], 3)
        axes.set_xticks(ends, [curve.text(value)[:10] for value in ends], fontsize=7.5)
    else:
        axes.locator_params(axis="x", nbins=5)
        plain_numbers(axes.xaxis)
