"""Pictures of sets of labels against the truth: what of each label was found, curves, and what thresholds do."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from automl_assets.metrics.label_sets import decided_sets, label_counts, ratio
from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import (
    BLUE,
    GREEN,
    MOST_BARS,
    ORANGE,
    SOFT,
    Axes,
    Figure,
    legend,
    picture,
    readable,
    share_axes,
    titled,
)
from automl_assets.pictures.classification import (
    calibration_picture,
    contests_of,
    precision_recall_picture,
    roc_picture,
)
from automl_assets.records import Problem

GRID = np.linspace(0.01, 0.99, 99)


def label_set_pictures(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> tuple[Picture, ...]:
    """What of each label was found, what was answered instead of what, ROC, precision-recall, calibration, thresholds."""
    contests = contests_of(truth, prediction, weight, problem)
    answered = decided_sets(prediction, problem)
    return (
        found_picture(truth, answered, problem),
        mistaken_picture(truth, answered, problem),
        *(draw(contests) for draw in (roc_picture, precision_recall_picture, calibration_picture)),
        thresholds_picture(truth, prediction, weight),
    )


def _most_frequent(counts: np.ndarray) -> np.ndarray:
    """Labels that are shown, the most frequent first."""
    return np.argsort(-counts, kind="stable")[:MOST_BARS]


def found_picture(truth: np.ndarray, answered: np.ndarray, problem: Problem) -> Picture:
    """A bar for each label: rows that have it and were answered with it, that lack the answer, and that should lack it."""
    right, true, said = label_counts(truth, answered, None)
    shown = _most_frequent(true)[::-1]
    names = [readable(str(problem.classes[label])) for label in shown]
    parts = (right[shown], (true - right)[shown], (said - right)[shown])
    height = float(np.clip(1.6 + 0.22 * len(shown), 2.8, 6.4))
    return picture("labels_found", "Labels found", partial(_paint_found, names=names, parts=parts), height)


def _paint_found(figure: Figure, names: Sequence[str], parts: Sequence[np.ndarray]) -> None:
    axes, places, start = figure.subplots(), np.arange(len(names)), np.zeros(len(names))
    words = (("found", BLUE), ("missed", SOFT), ("answered wrongly", ORANGE))
    for (word, color), part in zip(words, parts, strict=True):
        axes.barh(places, part, left=start, color=color, label=word, height=0.7)
        start = start + part
    axes.set_yticks(places, names)
    axes.grid(False, axis="y")
    titled(axes, "Labels found", "the most frequent labels of these rows", "rows", "")
    legend(axes, "lower right")


def mistaken_picture(truth: np.ndarray, answered: np.ndarray, problem: Problem) -> Picture:
    """Of the rows in which a label (down) was missed, the share that was answered with another by mistake (across)."""
    missed, wrong = (truth > 0) & ~answered, answered & (truth <= 0)
    shown = np.sort(_most_frequent((truth > 0).sum(axis=0)))
    counts = missed[:, shown].astype(np.float64).T @ wrong[:, shown]
    shares = ratio(counts, np.broadcast_to(missed[:, shown].sum(axis=0)[:, None], counts.shape))
    names = [readable(str(problem.classes[label]), 14) for label in shown]
    height = float(np.clip(2.2 + 0.3 * len(names), 3.6, 6.4))
    return picture("labels_mistaken", "Labels mistaken", partial(_paint_mistaken, shares=shares, names=names), height)


def _paint_mistaken(figure: Figure, shares: np.ndarray, names: Sequence[str]) -> None:
    axes, places = figure.subplots(), np.arange(len(names))
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=max(0.01, float(shares.max(initial=0.0))), aspect="auto")
    axes.set_xticks(places, names, fontsize=7, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(places, names, fontsize=7)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=30, format=lambda value, _: f"{100 * value:.0f} %")
    bar.outline.set_visible(False)
    note = "share of the rows in which the left label was missed"
    titled(axes, "Labels mistaken", note, "answered instead", "missed label")


def thresholds_picture(truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None) -> Picture:
    """Precision, recall and F1 of all decisions together as one threshold for all labels rises."""
    counts = [label_counts(truth, prediction > threshold, weight) for threshold in GRID]
    right, true, said = (np.array([count[part].sum() for count in counts]) for part in range(3))
    curves = {
        "precision": (ratio(right, said), BLUE),
        "recall": (ratio(right, true), GREEN),
        "F1": (ratio(2 * right, true + said), ORANGE),
    }

    def paint(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        for name, (values, color) in curves.items():
            axes.plot(GRID, values, color=color, label=name, clip_on=False)
        share_axes(axes)
        titled(axes, "Thresholds", "all labels and rows together (micro averages)", "threshold of all labels", "")
        legend(axes, "lower left")

    return picture("thresholds", "Thresholds", paint)
