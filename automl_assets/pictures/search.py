"""Pictures of the search: the score of every trial, and the weight of every member of the ensemble."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from automl_assets.metrics import METRICS
from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import (
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
    legend,
    picture,
    plain_numbers,
    titled,
)
from automl_assets.records import Trial


def weights_picture(names: Sequence[str], weights: Sequence[float]) -> Picture:
    """Weight of every member of an ensemble, heaviest on top."""
    order = np.argsort(-np.asarray(weights, dtype=float), kind="stable")[:MOST_BARS]
    shown = [(names[index], float(weights[index])) for index in order]
    paint = partial(_paint_weights, shown=shown, n_all=len(names))
    return picture("weights", "Members of the ensemble", paint, height=bars_height(len(shown)))


def _paint_weights(figure: Figure, shown: Sequence[tuple[str, float]], n_all: int) -> None:
    axes = figure.subplots()
    values = [weight for _, weight in shown]
    bars(axes, [name for name, _ in shown], values)
    for place, value in enumerate(values):
        axes.annotate(f"{value:.3g}", (max(value, 0.0), place), (4, 0), textcoords="offset points", va="center")
    axes.set_xlim(min([0.0, *values]), 1.12 * max([*values, 1e-9]))
    note = f"the first {len(shown)} of {n_all}" if n_all > len(shown) else f"{n_all} members"
    titled(axes, "Members of the ensemble", note, "weight", "")


def trials_picture(trials: tuple[Trial, ...], metric: str) -> Picture:
    """Score of every trial in the order they were made, the best so far, and where a trial failed."""
    return picture("trials", "Scores of the trials", partial(_paint_trials, trials=trials, metric=metric), height=3.8)


def _paint_trials(figure: Figure, trials: tuple[Trial, ...], metric: str) -> None:
    axes = figure.subplots()
    finished = [(number, one) for number, one in enumerate(trials, 1) if one.score is not None]
    failed = [number for number, one in enumerate(trials, 1) if one.score is None]
    if finished:
        _paint_scores(axes, finished, METRICS[metric].greater_is_better)
    if failed:
        low = axes.get_xaxis_transform()
        axes.scatter(failed, [0.03] * len(failed), marker="x", s=24, color=SOFT, transform=low, label="failed")
    axes.set_xlim(0.5, max(len(trials), 1) + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    note = f"{len(finished)} finished, {len(failed)} failed{_hidden_scores(axes, finished)}"
    titled(axes, "Scores of the trials", note, "trial", metric)
    plain_numbers(axes.yaxis)
    legend(axes, "best")


def _hidden_scores(axes: Axes, finished: Sequence[tuple[int, Trial]]) -> str:
    low, high = axes.get_ylim()
    n_hidden = sum(not low <= float(one.score or 0.0) <= high for _, one in finished)
    return f"; beyond the frame: {n_hidden}" if n_hidden else ""


def _paint_scores(axes: Axes, finished: Sequence[tuple[int, Trial]], greater_is_better: bool) -> None:
    numbers = np.array([number for number, _ in finished])
    scores = np.array([one.score for _, one in finished], dtype=float)
    best = (np.maximum if greater_is_better else np.minimum).accumulate(scores)
    axes.step(numbers, best, where="post", color=INK, lw=1.1, label="best so far")
    names = list(dict.fromkeys(one.algorithm for _, one in finished))
    for index, name in enumerate(names[:MOST_CURVES]):
        mine = np.array([one.algorithm == name for _, one in finished])
        axes.scatter(numbers[mine], scores[mine], s=26, color=CURVES[index], zorder=3, label=entry(name))
    rest = np.array([one.algorithm in names[MOST_CURVES:] for _, one in finished])
    if rest.any():
        axes.scatter(numbers[rest], scores[rest], s=26, color="#a8a8a8", zorder=3, label="others")
    axes.set_ylim(_score_limits(scores, greater_is_better))


def _score_limits(scores: np.ndarray, greater_is_better: bool) -> tuple[float, float]:
    """Limits that hold the best score, and leave out bad ones that would flatten all others."""
    best, middle = (scores.max() if greater_is_better else scores.min()), np.median(scores)
    worst = np.clip(scores, *sorted((best, middle + 2 * (middle - best))))
    low, high = min(best, worst.min()), max(best, worst.max())
    pad = 0.08 * (high - low) or 0.05 * max(abs(best), 1e-3)
    return float(low - pad), float(high + pad)
