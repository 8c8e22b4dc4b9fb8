"""Drawings for the UI: arrays and records in, PNG bytes out, all in one hand and safe for colour-blind eyes.

Here belong everything that knows matplotlib and every choice of colour. Not here: metrics, and deciding what to show.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any

import numpy as np

from automl_assets.metrics import METRICS, confusion, pooled, ranked_totals
from automl_assets.records import Importance, Picture, Problem, Trial

Axes = Any  # matplotlib's Axes and Figure: matplotlib is imported only where something is drawn
Figure = Any
Curve = tuple[np.ndarray, np.ndarray]  # x and y

MOST_BYTES = 100_000  # Dagster stores pictures in its event log
MOST_CURVES = 8  # classes beyond this number are drawn as a grey bundle
MOST_CLASSES = 30
MOST_BARS = 25
MOST_POINTS = 1500
WIDTH = 6.0  # inches

INK, SOFT, GRID = "#222222", "#6b6b6b", "#e6e6e6"
BLUE, ORANGE, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
CURVES = (BLUE, ORANGE, GREEN, PINK, "#e69f00", "#56b4e9", "#882255", "#999933")  # after Okabe and Ito (2008)

STYLE: Any = {
    "text.parse_math": False,  # text from data may hold dollar signs
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 22,  # leaves room for the line below the title
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}


# Every picture


def classification_pictures(
    truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> tuple[Picture, ...]:
    """Confusion matrix, ROC, precision-recall, calibration, gains and lift, from probabilities [n_rows, n_classes]."""
    contests = _contests(truth, prediction, weight, problem)
    curves = (roc_picture, precision_recall_picture, calibration_picture, gains_picture, lift_picture)
    return (confusion_picture(truth, prediction, problem), *(draw(contests) for draw in curves))


def regression_pictures(truth: np.ndarray, prediction: np.ndarray) -> tuple[Picture, ...]:
    """Predicted against true values and the residuals, from values [n_rows]."""
    draw = (predicted_true_picture, residual_histogram_picture, residual_picture)
    return tuple(one(truth, prediction) for one in draw)


def _picture(name: str, title: str, paint: Callable[[Figure], None], height: float = 4.2) -> Picture:
    """Paints on a fresh figure; a drawing that is too large is made again with fewer dots per inch."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
        paint(figure)
        images = (_png(figure, dots_per_inch) for dots_per_inch in (160, 120, 80, 40))
        return Picture(name, title, next(image for image in images if len(image) < MOST_BYTES))


def _png(figure: Figure, dots_per_inch: int) -> bytes:
    """A palette of 200 colours takes a third of the bytes; median cut keeps white white and the blues apart."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(dots_per_inch)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(200, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(buffer, "png")
    return buffer.getvalue()


def _titled(axes: Axes, title: str, note: str, across: str, up: str) -> None:
    axes.set_title(title)
    axes.annotate(note, (0, 1), (0, 7), xycoords="axes fraction", textcoords="offset points", color=SOFT, fontsize=8.5)
    axes.set(xlabel=across, ylabel=up)


# Words and numbers


def readable(text: object, most: int = 24) -> str:
    """Text from data, short and printable: what the font lacks becomes a box, what is too long loses its middle.

    >>> readable("a" * 30, most=11), readable("two\\nlines")
    ('aaaaa…aaaaa', 'two lines')
    """
    line = " ".join(str(text).split()) or "(empty)"
    shown = "".join(sign if ord(sign) in _known_signs() else "□" for sign in line)
    half = (most - 1) // 2
    return shown if len(shown) <= most else f"{shown[: most - 1 - half]}…{shown[len(shown) - half :]}"


def _entry(text: object, most: int = 18) -> str:
    """Text for a legend: matplotlib drops what starts with an underscore, so a hair space goes before it."""
    return f"\u200a{readable(text, most)}"


@cache
def _known_signs() -> frozenset[int]:
    from matplotlib import font_manager

    path = font_manager.findfont(STYLE["font.family"])
    return frozenset(font_manager.get_font(path).get_charmap())


def short_number(value: float, _position: object = None) -> str:
    """A number of about three digits, thousands as k, millions as M, billions as G.

    >>> short_number(1234567), short_number(-25000), short_number(0.125)
    ('1.23M', '−25k', '0.125')
    """
    for size, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size and abs(value) >= 1e4 * (size == 1e3):
            return f"{value / size:.3g}{sign}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def _plain_numbers(*ticked: Any) -> None:
    for axis in ticked:
        axis.set_major_formatter(short_number)


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


def _contests(truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem) -> list[Contest]:
    """Two classes are one contest, that of the positive class; more are one each and one of all, pooled."""
    codes = np.flatnonzero(np.bincount(truth, minlength=problem.n_classes))
    if problem.n_classes == 2:
        codes = np.array([1 if problem.positive is None else problem.positive])
    contests = [_contest(int(code), truth, prediction, weight, problem) for code in codes]
    contests = [contest for contest in contests if 0 < contest.share < 1]
    if problem.n_classes == 2:
        return contests
    kind = "class" if len(contests) <= MOST_CURVES else "bundle"
    colors = CURVES if kind == "class" else ["#c9c9c9"] * len(contests)
    drawn = [replace(contest, color=color, kind=kind) for contest, color in zip(contests, colors, strict=False)]
    return [*drawn, Contest("all classes, pooled", *pooled(truth, prediction, weight), INK, "pooled")]


def _contest(
    code: int, truth: np.ndarray, prediction: np.ndarray, weight: np.ndarray | None, problem: Problem
) -> Contest:
    return Contest(_entry(problem.classes[code]), truth == code, prediction[:, code], weight, BLUE, "class")


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


def _legend(axes: Axes, place: str) -> None:
    """A legend inside the axes, or beside them when it is long."""
    handles, labels = axes.get_legend_handles_labels()
    beside = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
    if handles:
        axes.legend(handles, labels, handlelength=1.6, **(beside if len(handles) > 4 else {"loc": place}))


def _share_axes(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1.005))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")


def _picture_of_curves(name: str, title: str, paint: Callable, contests: Sequence[Contest]) -> Picture:
    def paint_figure(figure: Figure) -> None:
        axes = figure.subplots()
        paint(axes, contests)
        if not contests:
            axes.text(0.5, 0.5, "These rows hold one class only.", ha="center", color=SOFT, transform=axes.transAxes)

    return _picture(name, title, paint_figure)


def roc_picture(contests: Sequence[Contest]) -> Picture:
    """True against false positive rate over all thresholds, with the area under each curve."""
    return _picture_of_curves("roc", "ROC curve", _paint_roc, contests)


def _paint_roc(axes: Axes, contests: Sequence[Contest]) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, lw=1, linestyle=(0, (2, 2)))
    _draw_curves(axes, contests, _roc_curve, has_area=True)
    _share_axes(axes)
    note = "area under the curve in the legend; dotted: guessing"
    _titled(axes, "ROC curve", note, "false positive rate", "true positive rate")
    _legend(axes, "lower right")


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
    _share_axes(axes)
    _titled(axes, "Precision-recall curve", note, "recall", "precision")
    _legend(axes, "lower left")


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
    _share_axes(axes)
    _titled(axes, "Cumulative gains", note, "share of rows, most probable first", "share of the class found")
    _legend(axes, "lower right")


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
    _titled(axes, "Lift", "frequency of the class among the first rows; dotted: guessing", across, up)
    _legend(axes, "upper right")


def _lift_curve(contest: Contest) -> Curve:
    """Starts at the first hundredth of the rows: before it there is mostly noise."""
    rows, found = _gain_curve(contest)
    grid = np.linspace(0.01, 1.0, 200)
    return grid, np.interp(grid, rows, found) / grid


# Calibration


def calibration_picture(contests: Sequence[Contest]) -> Picture:
    """Observed frequency against predicted probability in ten equally filled bins, over a histogram."""
    return _picture("calibration", "Calibration", partial(_paint_calibration, contests=contests), height=4.8)


def _paint_calibration(figure: Figure, contests: Sequence[Contest]) -> None:
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    axes.plot([0, 1], [0, 1], color=SOFT, lw=1, linestyle=(0, (2, 2)))
    for contest in contests:
        if contest.kind != "bundle":
            predicted, observed, _ = _calibration(contest)
            style = {"color": contest.color, "marker": "o", "markersize": 4, "clip_on": False}
            axes.plot(predicted, observed, label=contest.label, **style)
    _share_axes(axes)
    note = f"mean gap {_calibration_gap(contests[-1]):.3f}; dotted: perfectly calibrated" if contests else ""
    _titled(axes, "Calibration", note, "", "observed frequency")
    _legend(axes, "upper left")
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
    return _picture("confusion", "Confusion matrix", partial(_paint_confusion, counts=counts, names=names), height)


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
    _titled(axes, "Confusion matrix", note, "predicted class", "true class")


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


# Regression


def predicted_true_picture(truth: np.ndarray, prediction: np.ndarray) -> Picture:
    """Predicted against true values: a sample of rows, mean and middle 80 % per bin, and the histogram of the truth."""
    paint = partial(_paint_predicted_true, truth=truth, prediction=prediction)
    return _picture("predicted_true", "Predicted against true", paint, height=4.8)


def _paint_predicted_true(figure: Figure, truth: np.ndarray, prediction: np.ndarray) -> None:
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    frame = _frame(np.concatenate([truth, prediction]))
    axes.plot(frame, frame, color=SOFT, lw=1, linestyle=(0, (2, 2)))
    _scatter_with_band(axes, truth, prediction)
    axes.set(xlim=frame, ylim=frame)
    note = f"dotted: perfect{_beyond(frame, truth, prediction)}"
    _titled(axes, "Predicted against true", note, "", "predicted value")
    _legend(axes, "upper left")
    below.hist(truth, bins=np.linspace(*frame, 61), color="#9db8c9")
    below.set(xlabel="true value", ylabel="rows")
    below.grid(False)
    below.locator_params(axis="y", nbins=2)
    _plain_numbers(axes.yaxis, below.xaxis, below.yaxis)


def residual_histogram_picture(truth: np.ndarray, prediction: np.ndarray) -> Picture:
    """How often each size of error occurs; an error is predicted minus true."""
    paint = partial(_paint_residual_histogram, errors=prediction - truth)
    return _picture("residual_histogram", "Residuals", paint, height=3.6)


def _paint_residual_histogram(figure: Figure, errors: np.ndarray) -> None:
    axes = figure.subplots()
    frame = _frame(errors)
    axes.hist(errors, bins=np.linspace(*frame, 61), color="#7fb2d4", edgecolor="white", linewidth=0.4)
    axes.axvline(0, color=INK, lw=1)
    mean, median = errors.mean(), np.median(errors)
    axes.axvline(mean, color=ORANGE, label=f"mean  {short_number(mean)}")
    axes.axvline(median, color=GREEN, linestyle=(0, (4, 2)), label=f"median  {short_number(median)}")
    axes.set_xlim(frame)
    note = f"standard deviation {short_number(errors.std())}{_beyond(frame, errors)}"
    _titled(axes, "Residuals", note, "predicted − true value", "rows")
    axes.grid(axis="x", visible=False)
    _plain_numbers(axes.xaxis, axes.yaxis)
    _legend(axes, "upper right")


def residual_picture(truth: np.ndarray, prediction: np.ndarray) -> Picture:
    """Errors against predictions: whether the error, or its spread, depends on what is predicted."""
    paint = partial(_paint_residuals, prediction=prediction, errors=prediction - truth)
    return _picture("residuals", "Residuals against prediction", paint)


def _paint_residuals(figure: Figure, prediction: np.ndarray, errors: np.ndarray) -> None:
    axes = figure.subplots()
    across, up = _frame(prediction), _frame(errors)
    axes.axhline(0, color=SOFT, lw=1, linestyle=(0, (2, 2)))
    _scatter_with_band(axes, prediction, errors)
    axes.set(xlim=across, ylim=up)
    outside = (prediction < across[0]) | (prediction > across[1]) | (errors < up[0]) | (errors > up[1])
    note = f"dotted: no error{_outside_note(int(outside.sum()))}"
    _titled(axes, "Residuals against prediction", note, "predicted value", "predicted − true value")
    _plain_numbers(axes.xaxis, axes.yaxis)
    _legend(axes, "upper left")


def _scatter_with_band(axes: Axes, across: np.ndarray, up: np.ndarray) -> None:
    sample = np.linspace(0, len(across) - 1, min(MOST_POINTS, len(across))).astype(int)
    axes.scatter(across[sample], up[sample], s=7, color=BLUE, alpha=0.22, linewidths=0, label="rows")
    centre, mean, low, high = _binned(across, up)
    axes.fill_between(centre, low, high, color=ORANGE, alpha=0.18, linewidth=0, label="middle 80 %")
    axes.plot(centre, mean, color=ORANGE, marker="o", markersize=3, label="mean")


def _binned(across: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, ...]:
    """Centre, mean, first and last decile of `up` in equally filled bins of `across`."""
    n_bins = int(np.clip(len(across) // 25, 1, 20))
    edges = np.unique(np.quantile(across, np.linspace(0, 1, n_bins + 1)[1:-1]))
    bins = np.searchsorted(edges, across, side="left")
    rows = [np.flatnonzero(bins == one) for one in np.unique(bins)]
    figures = [(across[part].mean(), up[part].mean(), *np.quantile(up[part], (0.1, 0.9))) for part in rows]
    return tuple(np.array(figures).T)


def _frame(values: np.ndarray, tail: float = 0.005) -> tuple[float, float]:
    """Limits that leave out the most extreme values when they are far away from all others."""
    low, high = np.quantile(values, (tail, 1 - tail))
    margin = 0.25 * (high - low) or 0.5 * max(abs(high), 1.0)
    low, high = max(values.min(), low - margin), min(values.max(), high + margin)
    pad = 0.04 * (high - low) or margin
    return float(low - pad), float(high + pad)


def _beyond(frame: tuple[float, float], *columns: np.ndarray) -> str:
    outside = np.any([(column < frame[0]) | (column > frame[1]) for column in columns], axis=0)
    return _outside_note(int(outside.sum()))


def _outside_note(n_outside: int) -> str:
    return f"; rows beyond the frame: {n_outside:,}" if n_outside else ""


# Bars and trials


def importance_picture(importances: tuple[Importance, ...], metric: str) -> Picture:
    """Loss of the metric when a column is shuffled, with one standard deviation, most important column on top."""
    shown = importances[:MOST_BARS]
    paint = partial(_paint_importances, shown=shown, metric=metric, n_all=len(importances))
    return _picture("importance", "Importance of columns", paint, height=_bars_height(len(shown)))


def _paint_importances(figure: Figure, shown: tuple[Importance, ...], metric: str, n_all: int) -> None:
    axes = figure.subplots()
    means, spreads = [one.mean for one in shown], [one.std for one in shown]
    _bars(axes, [one.column for one in shown], means)
    axes.errorbar(means, np.arange(len(shown)), xerr=spreads, fmt="none", ecolor=INK, elinewidth=0.9, capsize=2)
    axes.axvline(0, color=SOFT, lw=0.8)
    note = "whiskers: one standard deviation" + (f"; the first {len(shown)} of {n_all}" if n_all > len(shown) else "")
    _titled(axes, "Importance of columns", note, f"{metric} lost when the column is shuffled", "")


def weights_picture(names: Sequence[str], weights: Sequence[float]) -> Picture:
    """Weight of every member of an ensemble, heaviest on top."""
    order = np.argsort(-np.asarray(weights, dtype=float), kind="stable")[:MOST_BARS]
    shown = [(names[index], float(weights[index])) for index in order]
    paint = partial(_paint_weights, shown=shown, n_all=len(names))
    return _picture("weights", "Members of the ensemble", paint, height=_bars_height(len(shown)))


def _paint_weights(figure: Figure, shown: Sequence[tuple[str, float]], n_all: int) -> None:
    axes = figure.subplots()
    values = [weight for _, weight in shown]
    _bars(axes, [name for name, _ in shown], values)
    for place, value in enumerate(values):
        axes.annotate(f"{value:.3g}", (max(value, 0.0), place), (4, 0), textcoords="offset points", va="center")
    axes.set_xlim(min([0.0, *values]), 1.12 * max([*values, 1e-9]))
    note = f"the first {len(shown)} of {n_all}" if n_all > len(shown) else f"{n_all} members"
    _titled(axes, "Members of the ensemble", note, "weight", "")


def _bars(axes: Axes, names: Sequence[str], values: Sequence[float]) -> None:
    places = np.arange(len(names))
    axes.barh(places, values, height=0.66, color="#4c94c4")
    axes.set_yticks(places, [readable(name, 30) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _plain_numbers(axes.xaxis)


def _bars_height(n_bars: int) -> float:
    return 1.3 + 0.25 * max(n_bars, 2)


def trials_picture(trials: tuple[Trial, ...], metric: str) -> Picture:
    """Score of every trial in the order they were made, the best so far, and where a trial failed."""
    return _picture("trials", "Scores of the trials", partial(_paint_trials, trials=trials, metric=metric), height=3.8)


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
    _titled(axes, "Scores of the trials", note, "trial", metric)
    _plain_numbers(axes.yaxis)
    _legend(axes, "best")


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
        axes.scatter(numbers[mine], scores[mine], s=26, color=CURVES[index], zorder=3, label=_entry(name))
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
