"""Pictures of what forecasts are made of."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import (
    CURVES,
    INK,
    MOST_CURVES,
    SOFT,
    Figure,
    drawing,
    entry,
    legend,
    plain_numbers,
    titled,
)

OTHERS = "all others"


def components_picture(parts: Mapping[str, np.ndarray]) -> Picture:
    """Components over the horizon, each [horizon], one upon the other, below zero downwards; a line is their sum."""
    return drawing("components", "What the forecast is made of", partial(_paint, parts=parts))


def _paint(figure: Figure, parts: Mapping[str, np.ndarray]) -> None:
    axes, shown = figure.subplots(), _greatest(parts)
    axes.use_sticky_edges = False  # leaves room above the highest bar
    total = sum(shown.values(), np.zeros(1))
    steps = np.arange(1, len(total) + 1)
    up, down = np.zeros(len(total)), np.zeros(len(total))
    for (name, part), color in zip(shown.items(), CURVES, strict=False):
        axes.bar(steps, part, bottom=np.where(part >= 0, up, down), width=0.82, color=color, label=entry(name))
        up, down = up + np.maximum(part, 0.0), down + np.minimum(part, 0.0)
    axes.plot(steps, total, color=INK, marker="o", markersize=2.5, lw=1.2, label=entry("forecast"))
    axes.axhline(0, color=SOFT, lw=0.8)
    axes.grid(axis="x", visible=False)
    plain_numbers(axes.yaxis)
    titled(axes, "What the forecast is made of", "mean over series", "stamps ahead", "")
    legend(axes, "best")


def _greatest(parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The largest components first; those beyond the number of colours as one."""
    ordered = dict(sorted(parts.items(), key=lambda item: -float(np.abs(item[1]).mean())))
    if len(ordered) <= MOST_CURVES:
        return ordered
    names = list(ordered)
    kept = {name: ordered[name] for name in names[: MOST_CURVES - 1]}
    return kept | {OTHERS: np.sum([ordered[name] for name in names[MOST_CURVES - 1 :]], axis=0)}
