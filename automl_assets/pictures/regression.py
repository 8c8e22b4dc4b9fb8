"""Pictures of values against the truth: predicted against true, and the residuals."""

from functools import partial

import numpy as np

from automl_assets.model_records import Picture
from automl_assets.pictures.canvas import (
    BLUE,
    GREEN,
    INK,
    MOST_POINTS,
    ORANGE,
    SOFT,
    Axes,
    Figure,
    legend,
    picture,
    plain_numbers,
    short_number,
    titled,
)


def regression_pictures(truth: np.ndarray, prediction: np.ndarray) -> tuple[Picture, ...]:
    """Predicted against true values and the residuals, from values [n_rows]."""
    draw = (predicted_true_picture, residual_histogram_picture, residual_picture)
    return tuple(one(truth, prediction) for one in draw)


def predicted_true_picture(truth: np.ndarray, prediction: np.ndarray) -> Picture:
    """Predicted against true values: a sample of rows, mean and middle 80 % per bin, and the histogram of the truth."""
    paint = partial(_paint_predicted_true, truth=truth, prediction=prediction)
    return picture("predicted_true", "Predicted against true", paint, height=4.8)


def _paint_predicted_true(figure: Figure, truth: np.ndarray, prediction: np.ndarray) -> None:
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
    frame = _frame(np.concatenate([truth, prediction]))
    axes.plot(frame, frame, color=SOFT, lw=1, linestyle=(0, (2, 2)))
    _scatter_with_band(axes, truth, prediction)
    axes.set(xlim=frame, ylim=frame)
    note = f"dotted: perfect{_beyond(frame, truth, prediction)}"
    titled(axes, "Predicted against true", note, "", "predicted value")
    legend(axes, "upper left")
    below.hist(truth, bins=np.linspace(*frame, 61), color="#9db8c9")
    below.set(xlabel="true value", ylabel="rows")
    below.grid(False)
    below.locator_params(axis="y", nbins=2)
    plain_numbers(axes.yaxis, below.xaxis, below.yaxis)


def residual_histogram_picture(truth: np.ndarray, prediction: np.ndarray) -> Picture:
    """How often each size of error occurs; an error is predicted minus true."""
    paint = partial(_paint_residual_histogram, errors=prediction - truth)
    return picture("residual_histogram", "Residuals", paint, height=3.6)


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
    titled(axes, "Residuals", note, "predicted − true value", "rows")
    axes.grid(axis="x", visible=False)
    plain_numbers(axes.xaxis, axes.yaxis)
    legend(axes, "upper right")


def residual_picture(truth: np.ndarray, prediction: np.ndarray) -> Picture:
    """Errors against predictions: whether the error, or its spread, depends on what is predicted."""
    paint = partial(_paint_residuals, prediction=prediction, errors=prediction - truth)
    return picture("residuals", "Residuals against prediction", paint)


def _paint_residuals(figure: Figure, prediction: np.ndarray, errors: np.ndarray) -> None:
    axes = figure.subplots()
    across, up = _frame(prediction), _frame(errors)
    axes.axhline(0, color=SOFT, lw=1, linestyle=(0, (2, 2)))
    _scatter_with_band(axes, prediction, errors)
    axes.set(xlim=across, ylim=up)
    outside = (prediction < across[0]) | (prediction > across[1]) | (errors < up[0]) | (errors > up[1])
    note = f"dotted: no error{_outside_note(int(outside.sum()))}"
    titled(axes, "Residuals against prediction", note, "predicted value", "predicted − true value")
    plain_numbers(axes.xaxis, axes.yaxis)
    legend(axes, "upper left")


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
