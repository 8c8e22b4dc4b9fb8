"""Pictures of what a model leans on."""

from functools import partial

import numpy as np

from automl_assets.pictures.canvas import INK, MOST_BARS, SOFT, Figure, bars, bars_height, picture, titled
from automl_assets.records import Importance, Picture


def importance_picture(importances: tuple[Importance, ...], metric: str) -> Picture:
    """Loss of the metric when a column is shuffled, with one standard deviation, most important column on top."""
    shown = importances[:MOST_BARS]
    paint = partial(_paint_importances, shown=shown, metric=metric, n_all=len(importances))
    return picture("importance", "Importance of columns", paint, height=bars_height(len(shown)))


def _paint_importances(figure: Figure, shown: tuple[Importance, ...], metric: str, n_all: int) -> None:
    axes = figure.subplots()
    means, spreads = [one.mean for one in shown], [one.std for one in shown]
    bars(axes, [one.column for one in shown], means)
    axes.errorbar(means, np.arange(len(shown)), xerr=spreads, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
    axes.axvline(0, color=SOFT, lw=0.8)
    note = "whiskers: one standard deviation" + (f"; the first {len(shown)} of {n_all}" if n_all > len(shown) else "")
    titled(axes, "Importance of columns", note, f"{metric} lost when the column is shuffled", "")
