"""Pictures of probabilities against the truth: confusion, ROC, precision-recall, calibration, gains and lift."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from automl_assets.answer_kinds import answers_of
from automl_assets.metrics.classes import confusion
from automl_assets.metrics.ranking import ranked_totals
from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import (
    BLUE,
    CURVES,
    INK,
    MOST_CLASSES,
    MOST_CURVES,
    SOFT,
    Axes,
    Curve,
    Figure,
    entry,
    legend,
    picture,
    readable,
    share_axes,
    short_number,
    titled,
)
from automl_assets.records import Problem


def classification_pictures(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> tuple[Picture, ...]:
    """Confusion matrix, ROC, precision-recall, calibration, gains and lift, from probabilities [n_rows, n_classes]."""
    contests = contests_of(truth, prediction, weight, problem)
    curves = (roc_picture, precision_recall_picture, calibration_picture, gains_picture, lift_picture)
    return (confusion_picture(truth, prediction, problem), *(draw(contests) for draw in curves))


# One class against the rest


@dataclass(frozen=True)
class Contest:
    """One class against the rest, or all of these decisions pooled, and how it is drawn."""

    label: str
    is_class: np.ndarray  # bool [n_decisions]
    values: np.ndarray  # probability of the class [n_decisions]
    weight: np.ndarray | None
    color: str
    kind: str  # "class", "bundle" (one of too many to tell apart) or "pooled"

    @property
    def share(self) -> float:
        """Weight of the class among all."""
        return float(np.average(self.is_class, weights=self.weight))

    @cached_property
    def totals(self) -> Curve:
        """Weight of the class and of the rest at or above each threshold, starting with none."""
        inside, outside = ranked_totals(self.is_class, self.values, self.weight)
        return np.concatenate([[0.0], inside]), np.concatenate([[0.0], outside])


def contests_of(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> list[Contest]:
    """Two classes are one contest, that of the positive class; more are one each and one of all, pooled, and so are the
    labels of sets."""
    is_class = answers_of(problem).indicator(truth, problem.n_classes)
    codes = np.flatnonzero(is_class.any(axis=0))
    if problem.is_binary:
        codes = np.array([1 if problem.positive is None else problem.positive])
    contests = [_contest(int(code), is_class, prediction, weight, problem) for code in codes]
    contests = [contest for contest in contests if 0 < contest.share < 1]
    if problem.is_binary:
        return contests
    kind = "class" if len(contests) <= MOST_CURVES else "bundle"
    colors = CURVES if kind == "class" else ["#c9c9c9"] * len(contests)
    drawn = [replace(contest, color=color, kind=kind) for contest, color in zip(contests, colors, strict=False)]
    of_decisions = None if weight is None else np.repeat(weight, problem.n_classes)
    return [*drawn, Contest("all classes, pooled", is_class.ravel(), prediction.ravel(), of_decisions, INK, "pooled")]


def _contest(
    code: int, is_class: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> Contest:
    return Contest(entry(problem.classes[code]), is_class[:, code], prediction[:, code], weight, BLUE, "class")


def _draw_curves(
    axes: Axes, contests: Sequence[Contest], curve: Callable[[Contest], Curve], has_area: bool = False
) -> None:
    """A line per contest, and their mean when there are several; the legend may tell the areas below them."""
    curves = [curve(contest) for contest in contests]
    for contest, points in zip(contests, curves, strict=True):
        is_faint = contest.kind == "bundle"
        area = f"  {np.trapezoid(points[1], points[0]):.3f}" if has_area else ""
        label = None if is_faint else f"{contest.label}{area}"
        axes.plot(*_thinned(points), color=contest.color, lw=0.7 if is_faint else None, label=label, clip_on=False)
    alone = [points for contest, points in zip(contests, curves, strict=True) if contest.kind != "pooled"]
    if len(alone) > 1:
        axes.plot(*_mean_curve(alone), color=INK, linestyle=(0, (4, 2)), label="mean over classes")


def _thinned(points: Curve, most: int = 4000) -> Curve:
    kept = np.unique(np.linspace(0, len(points[0]) - 1, min(most, len(points[0]))).astype(int))
    return points[0][kept], points[1][kept]


def _mean_curve(curves: Sequence[Curve]) -> Curve:
    grid = np.linspace(0.0, 1.0, 501)
    return grid, np.mean([np.interp(grid, *points) for points in curves], axis=0)


def _picture_of_curves(name: str, title: str, paint: Callable, contests: Sequence[Contest]) -> Picture:
    def paint_figure(figure: Figure) -> None:
        axes = figure.subplots()
        paint(axes, contests)
        if not contests:
            axes.text(0.5, 0.5, "These rows hold one class only.", ha="center", color=SOFT, transform=axes.transAxes)

    return picture(name, title, paint_figure)


def roc_picture(contests: Sequence[Contest]) -> Picture:
    """True against false positive rate over all thresholds, with the area under each curve."""
    return _picture_of_curves("roc", "ROC curve", _paint_roc, contests)


def _paint_roc(axes: Axes, contests: Sequence[Contest]) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, lw=1, linestyle=(0, (2, 2)))
    _draw_curves(axes, contests, _roc_curve, has_area=True)
    share_axes(axes)
    note = "area under the curve in the legend; dotted: guessing"
    titled(axes, "ROC curve", note, "false positive rate", "true positive rate")
    legend(axes, "lower right")


def _roc_curve(contest: Contest) -> Curve:
    inside, outside = contest.totals
    return outside / outside[-1], inside / inside[-1]


def precision_recall_picture(contests: Sequence[Contest]) -> Picture:
    """Precision against recall over all thresholds, with the average precision of each curve."""
    return _picture_of_curves("precision_recall", "Precision-recall curve", _paint_precision_recall, contests)


def _paint_precision_recall(axes: Axes, contests: Sequence[Contest]) -> None:
    note = "average precision in the legend"
    if len(contests) == 1:
        axes.axhline(contests[0].share, color=SOFT, lw=1, linestyle=(0, (2, 2)))
        note += f"; dotted: guessing ({contests[0].share:.1%} of the rows)".replace("%", " %")
    _draw_curves(axes, contests, _precision_curve, has_area=True)
    share_axes(axes)
    titled(axes, "Precision-recall curve", note, "recall", "precision")
    legend(axes, "lower left")


def _precision_curve(contest: Contest) -> Curve:
    """The corners of the steps whose area is the average precision."""
    inside, outside = contest.totals
    total = np.maximum((inside + outside)[1:], np.finfo(float).tiny)
    return np.repeat(inside / inside[-1], 2)[1:-1], np.repeat(inside[1:] / total, 2)


def gains_picture(contests: Sequence[Contest]) -> Picture:
    """Share of a class found among the rows most likely to be of it."""
    return _picture_of_curves("gains", "Cumulative gains", _paint_gains, contests)


def _paint_gains(axes: Axes, contests: Sequence[Contest]) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, lw=1, linestyle=(0, (2, 2)))
    note = "dotted: guessing"
    if len(contests) == 1:
        axes.plot([0, contests[0].share, 1], [0, 1, 1], color="#b5b5b5", lw=1)
        note += "; grey: a perfect ranking"
    _draw_curves(axes, contests, _gain_curve)
    share_axes(axes)
    titled(axes, "Cumulative gains", note, "share of rows, most probable first", "share of the class found")
    legend(axes, "lower right")


def _gain_curve(contest: Contest) -> Curve:
    inside, outside = contest.totals
    total = inside + outside
    return total / total[-1], inside / inside[-1]


def lift_picture(contests: Sequence[Contest]) -> Picture:
    """How many times more often than on average a class occurs among the rows most likely to be of it."""
    return _picture_of_curves("lift", "Lift", _paint_lift, contests)


def _paint_lift(axes: Axes, contests: Sequence[Contest]) -> None:
    axes.axhline(1, color=SOFT, lw=1, linestyle=(0, (2, 2)))
    _draw_curves(axes, contests, _lift_curve)
    axes.set(xlim=(0, 1))
    axes.set_ylim(0, None)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    across, up = "share of rows, most probable first", "times the overall rate"
    titled(axes, "Lift", "frequency of the class among the first rows; dotted: guessing", across, up)
    legend(axes, "upper right")


def _lift_curve(contest: Contest) -> Curve:
    """Starts at the first hundredth of the rows: before it there is mostly noise."""
    rows, found = _gain_curve(contest)
    grid = np.linspace(0.01, 1.0, 200)
    return grid, np.interp(grid, rows, found) / grid


# Calibration


def calibration_picture(contests: Sequence[Contest]) -> Picture:
    """Observed frequency against predicted probability in ten equally filled bins, over a histogram."""
    return picture("calibration", "Calibration", partial(_paint_calibration, contests=contests), height=4.8)


def _paint_calibration(figure: Figure, contests: Sequence[Contest]) -> None:
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    axes.plot([0, 1], [0, 1], color=SOFT, lw=1, linestyle=(0, (2, 2)))
    for contest in contests:
        if contest.kind != "bundle":
            predicted, observed, _ = _calibration(contest)
            style = {"color": contest.color, "marker": "o", "markersize": 4, "clip_on": False}
            axes.plot(predicted, observed, label=contest.label, **style)
    share_axes(axes)
    note = f"mean gap {_calibration_gap(contests[-1]):.3f}; dotted: perfectly calibrated" if contests else ""
    titled(axes, "Calibration", note, "", "observed frequency")
    legend(axes, "upper left")
    _paint_histogram(below, contests)


def _paint_histogram(axes: Axes, contests: Sequence[Contest]) -> None:
    if contests:
        axes.hist(contests[-1].values, bins=np.linspace(0, 1, 41), weights=contests[-1].weight, color="#9db8c9")
    axes.set(xlabel="predicted probability", ylabel="rows" if len(contests) == 1 else "decisions")
    axes.grid(False)
    axes.yaxis.set_major_formatter(short_number)
    axes.locator_params(axis="y", nbins=2)


def _calibration(contest: Contest, n_bins: int = 10) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean probability, mean outcome and weight of equally filled bins [n_bins]."""
    edges = np.unique(np.quantile(contest.values, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bins = np.searchsorted(edges, contest.values, side="left")
    weight = np.ones(len(bins)) if contest.weight is None else contest.weight
    size, values, hits = (
        np.bincount(bins, weights=weight * part) for part in (np.ones(len(bins)), contest.values, contest.is_class)
    )
    filled = size > 0
    return values[filled] / size[filled], hits[filled] / size[filled], size[filled]


def _calibration_gap(contest: Contest) -> float:
    predicted, observed, size = _calibration(contest)
    return float(np.average(np.abs(predicted - observed), weights=size))


# Confusion matrix


def confusion_picture(truth: np.ndarray, prediction: np.ndarray, problem: Problem) -> Picture:
    """Rows of each true class (down) answered with each class (across): counts, coloured by share of the true class."""
    counts, names = _most_frequent(confusion(truth, prediction, None, problem), [str(one) for one in problem.classes])
    height = float(np.clip(2.2 + 0.35 * len(names), 3.6, 6.4))
    return picture("confusion", "Confusion matrix", partial(_paint_confusion, counts=counts, names=names), height)


def _most_frequent(counts: np.ndarray, names: list[str]) -> tuple[np.ndarray, list[str]]:
    """Classes beyond the limit are put together, the rarest first."""
    if len(names) <= MOST_CLASSES:
        return counts, names
    kept = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[: MOST_CLASSES - 1])
    target = np.full(len(names), len(kept))
    target[kept] = np.arange(len(kept))
    merge = np.eye(len(kept) + 1)[target]  # [n_classes, n_shown]
    return merge.T @ counts @ merge, [*(names[code] for code in kept), f"{len(names) - len(kept)} others"]


def _paint_confusion(figure: Figure, counts: np.ndarray, names: list[str]) -> None:
    axes = figure.subplots()
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    _class_ticks(axes, names)
    _cell_texts(axes, counts, shares)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=30, format=lambda value, _: f"{100 * value:.0f} %")
    bar.outline.set_visible(False)
    right = f"{np.trace(counts) / max(counts.sum(), 1):.1%}".replace("%", " %")
    note = f"{counts.sum():,.0f} rows, {right} on the diagonal; colour: share of the true class"
    titled(axes, "Confusion matrix", note, "predicted class", "true class")


def _class_ticks(axes: Axes, names: list[str]) -> None:
    places, size = np.arange(len(names)), 9 if len(names) <= 12 else 6.5
    shown = [readable(name, 18 if len(names) <= 3 else 14) for name in names]
    is_crowded = max(map(len, shown)) * len(names) > 48
    slant = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if is_crowded else {}
    axes.set_xticks(places, shown, fontsize=size, **slant)
    axes.set_yticks(places, shown, fontsize=size)
    axes.tick_params(length=0)
    axes.grid(False)


def _cell_texts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    n_classes = len(counts)
    if n_classes > 15:
        return
    for (down, across), count in np.ndenumerate(counts):
        text = short_number(count) if n_classes > 6 else f"{count:,.0f}\n{100 * shares[down, across]:.1f} %"
        color = "white" if shares[down, across] > 0.55 else INK if count else "#a8a8a8"
        axes.text(across, down, text, ha="center", va="center", color=color, fontsize=9 if n_classes <= 10 else 7)
