"""Pictures of forecasts: series with what was said about them, and how the error grows with the horizon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import (
    BLUE,
    INK,
    ORANGE,
    SOFT,
    Axes,
    Figure,
    drawing,
    heading,
    legend,
    plain_numbers,
    readable,
    titled,
)

MOST_ORIGINS = 12  # forecasts drawn of one series
MOST_RATIO = 3.0  # of errors that are told apart in a histogram


@dataclass(frozen=True)
class Fan:
    """One series, and its forecasts from some origins."""

    name: str
    stamps: np.ndarray  # datetime64[us] [n_stamps]
    y: np.ndarray  # float64 [n_stamps], NaN where nothing is known
    places: np.ndarray  # int64 [n_origins, horizon], positions among the stamps; beyond the last there are none
    point: np.ndarray  # float64 [n_origins, horizon]
    quantiles: np.ndarray  # float64 [n_origins, horizon, n_quantiles]


def forecasts_picture(fans: Sequence[Fan], levels: Sequence[float], n_all: int) -> Picture:
    """Forecasts against the truth, with their widest interval; a panel for each series."""
    paint = partial(_paint_fans, fans=fans, levels=levels, n_all=n_all)
    return drawing("forecasts", "Forecasts against the truth", paint, height=1.3 + 1.8 * -(-len(fans) // 2))


def _paint_fans(figure: Figure, fans: Sequence[Fan], levels: Sequence[float], n_all: int) -> None:
    places = figure.subplots(-(-len(fans) // 2), min(2, len(fans)), squeeze=False).ravel()
    for axes, fan in zip(places, fans, strict=False):
        _paint_fan(axes, fan)
        axes.set_title(readable(fan.name, 28) if fan.name.strip() else "", fontsize=9, pad=4)
    for axes in places[len(fans) :]:
        axes.set_visible(False)
    share = f"{100 * (levels[-1] - levels[0]):.3g} %" if len(levels) > 1 else "none"
    shown = f"; {len(fans)} of {n_all} series" if n_all > len(fans) else ""
    heading(figure, "Forecasts against the truth", f"black: truth, blue: forecast, band: {share} interval{shown}")


def _paint_fan(axes: Axes, fan: Fan) -> None:
    axes.plot(fan.stamps, fan.y, color=INK, lw=1)
    for places, point, quantiles in list(zip(fan.places, fan.point, fan.quantiles, strict=True))[-MOST_ORIGINS:]:
        is_there = (places < len(fan.stamps)) & np.isfinite(point)
        stamps, marker = fan.stamps[places[is_there]], "o" if is_there.sum() == 1 else None
        axes.axvline(stamps[0], color=SOFT, lw=0.7, linestyle=(0, (2, 2)))
        axes.fill_between(stamps, *quantiles[is_there][:, [0, -1]].T, color=BLUE, alpha=0.2, linewidth=0)
        axes.plot(stamps, point[is_there], color=BLUE, lw=1.3, marker=marker, markersize=3)
    axes.tick_params(axis="x", labelsize=7.5)
    _few_dates(axes)
    plain_numbers(axes.yaxis)


def _few_dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=2, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def horizon_picture(lines: Mapping[str, np.ndarray], n_rows: int) -> Picture:
    """Mean absolute error at each step ahead [horizon], of the forecast and what it is compared with."""
    paint = partial(_paint_horizon, lines=lines, n_rows=n_rows)
    return drawing("horizon", "Error by step ahead", paint, height=3.6)


def _paint_horizon(figure: Figure, lines: Mapping[str, np.ndarray], n_rows: int) -> None:
    axes = figure.subplots()
    for (name, errors), color in zip(lines.items(), (BLUE, ORANGE), strict=False):
        steps = np.arange(1, len(errors) + 1)
        axes.plot(steps, errors, color=color, marker="o" if len(steps) <= 60 else None, markersize=3, label=name)
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    titled(axes, "Error by step ahead", f"{n_rows} forecast values", "steps ahead", "mean absolute error")
    plain_numbers(axes.yaxis)
    legend(axes, "best")


def skill_picture(ratios: np.ndarray) -> Picture:
    """How many groups have which error, as a share of the seasonal naive forecast's [n_groups]."""
    return drawing(
        "skill", "Error beside the seasonal naive forecast's", partial(_paint_skill, ratios=ratios), height=3.4
    )


def _paint_skill(figure: Figure, ratios: np.ndarray) -> None:
    axes = figure.subplots()
    shown = np.clip(ratios, 0, MOST_RATIO)
    bins = np.linspace(0, max(1.2, float(shown.max()) * 1.02), 41)
    axes.hist(shown, bins=bins.tolist(), color=BLUE, edgecolor="white", linewidth=0.4)
    axes.axvline(1, color=INK, lw=1, linestyle=(0, (3, 2)))
    n_better, n_beyond = int((ratios < 1).sum()), int((ratios > MOST_RATIO).sum())
    beyond = f"; {n_beyond:,} beyond {MOST_RATIO:g} stand there" if n_beyond else ""
    note = f"dashed: the seasonal naive forecast; {n_better:,} of {len(ratios):,} groups are better{beyond}"
    titled(axes, "Error beside the seasonal naive forecast's", note, "error as a share of the naive one's", "groups")
    axes.grid(axis="x", visible=False)
    axes.yaxis.get_major_locator().set_params(integer=True)


def steps_picture(by_step: np.ndarray) -> Picture:
    """Errors by step ahead in units of a group's seasonal naive error [n_groups, horizon], NaN beyond a group's own."""
    return drawing("steps", "Error by step ahead, over groups", partial(_paint_steps, by_step=by_step), height=3.6)


def _paint_steps(figure: Figure, by_step: np.ndarray) -> None:
    axes, known = figure.subplots(), by_step[:, ~np.isnan(by_step).all(axis=0)]
    ahead = np.flatnonzero(~np.isnan(by_step).all(axis=0)) + 1
    low, middle, high = np.nanquantile(known, (0.1, 0.5, 0.9), axis=0)
    if len(by_step) > 1:
        axes.fill_between(ahead, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(ahead, middle, color=BLUE, marker="o" if len(ahead) <= 60 else None, markersize=3)
    axes.axhline(1, color=INK, lw=1, linestyle=(0, (3, 2)))
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    note = "line: the middle group, band: 80 % of groups, dashed: the seasonal naive forecast"
    titled(axes, "Error by step ahead, over groups", note, "steps ahead", "error as a share of the naive one's")
