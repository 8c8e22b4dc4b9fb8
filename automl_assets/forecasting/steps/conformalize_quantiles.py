"""conformalize_quantiles: quantiles that members bring of their own, put together, and corrected to hold the truth as often as
they say.

They are averaged quantile by quantile (Vincent 1912) and then conformalized (Romano, Patterson and Candès 2019): what they
fall short by is added. So intervals are wide where members see that errors are large, and lean to the side where these
lie. Not here: margins around a point (`conformalize`), which speak for members without quantiles, and answer alone where
those of the others are not clearly better.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from automl_assets.forecasting.metrics import ForecastTruth, pinball_losses
from automl_assets.forecasting.steps import conformalize
from automl_assets.forecasting.steps.conformalize import NORMAL_SPREAD, Margins, around, side_of

LEAST_APART = 3  # windows that do not overlap, for one to be held by others that also tell how much these differ
CLEARLY_BETTER = 0.02  # share of the pinball loss by which members' own quantiles must be better


@dataclass(frozen=True)
class Spread:
    """How far from their own medians the quantiles of those members lie that bring some."""

    own: np.ndarray  # float64 [..., n_quantiles], sum over these members, each by its share
    weight: np.ndarray  # float64 [...], their share in all members that have an answer

    @classmethod
    def of(cls, distances: np.ndarray, has_answer: np.ndarray, weights: np.ndarray) -> "Spread":
        """Of distances [n_members, ..., n_quantiles], NaN for members that bring none, and answers [n_members, ...].

        >>> distances = np.array([[[-1.0, 0.0, 3.0]], [[np.nan] * 3]])
        >>> found = Spread.of(distances, np.array([[True], [True]]), np.array([0.75, 0.25]))
        >>> found.own.tolist(), found.weight.tolist()
        ([[-0.75, 0.0, 2.25]], [0.75])
        """
        shares = weights.reshape(-1, *[1] * (has_answer.ndim - 1)) * has_answer
        shares = shares / np.maximum(shares.sum(axis=0), np.finfo(float).tiny)
        shares = shares * np.isfinite(distances).all(axis=-1)
        return cls((shares[..., None] * np.nan_to_num(distances)).sum(axis=0), shares.sum(axis=0))

    def part(self, *places: Any) -> "Spread":
        """That of chosen windows, or of other leading axes."""
        return Spread(self.own[places], self.weight[places])

    def alone(self) -> "Spread":
        """As if members without quantiles had no say in how wide intervals are."""
        own = self.own / np.where(self.weight > 0, self.weight, 1.0)[..., None]
        return Spread(own, (self.weight > 0).astype(np.float64))

    def distances(self, margins: np.ndarray) -> np.ndarray:
        """Distances from the point [..., n_quantiles], where margins speak for members without quantiles."""
        return self.own + (1 - self.weight)[..., None] * margins

    def corrected(self, margins: np.ndarray, corrections: np.ndarray, levels: tuple[float, ...]) -> np.ndarray:
        """The same, with what they fall short by; ascending around the point. Margins alone where no member brings any."""
        found, sides = self.distances(margins) + corrections, np.array([side_of(level) for level in levels])
        ordered = np.sort(np.where(found * sides > 0, found, 0.0), axis=-1)
        return np.where((self.weight > 0)[..., None], ordered, margins)


@dataclass(frozen=True)
class Calibration:
    """What makes distances of a spread, in units of scales, as `conformalize` has them."""

    margins: np.ndarray  # float64 [horizon, n_quantiles]
    scales: np.ndarray  # float64 [n_series]
    corrections: np.ndarray  # float64 [horizon, n_quantiles]

    def distances(self, spread: Spread, levels: tuple[float, ...]) -> np.ndarray:
        scales = self.scales[:, None, None]
        return spread.corrected(self.margins * scales, self.corrections * scales, levels)


Calibrate = Callable[[ForecastTruth, np.ndarray, Spread], Calibration]


def _loss(truth: ForecastTruth, quantiles: np.ndarray) -> float:
    """Mean pinball loss, where series count alike."""
    scaled = np.mean(pinball_losses(truth, quantiles), axis=0) / truth.error_scales[:, None]
    return float(scaled[truth.is_known].mean())


def chosen(truth: ForecastTruth, point: np.ndarray, spread: Spread) -> Spread | None:
    """The spread, or that of the members alone that bring quantiles, whichever loses least on windows held out; None
    where margins are as good, or where there are too few windows to tell."""
    if truth.n_apart < LEAST_APART or not spread.weight.any():
        return None
    possible = [spread] if (spread.weight == 1).all() else [spread, spread.alone()]
    lost = [_loss(truth, held_out(truth, point, one)) for one in possible]
    usual = _loss(truth, conformalize.held_out(truth, point))
    return possible[int(np.argmin(lost))] if min(lost) < (1 - CLEARLY_BETTER) * usual else None


def held_out(truth: ForecastTruth, point: np.ndarray, spread: Spread) -> np.ndarray:
    """Quantiles of each window by what the others say, [n_windows, n_series, horizon, n_quantiles]; NaN with fewer than two."""
    return around(point, _of_others(truth, point, spread, calibrate), truth.floor)


def calibrate(truth: ForecastTruth, point: np.ndarray, spread: Spread) -> Calibration:
    """From forecasts of a backtest [n_windows, n_series, horizon] and what members say of their quantiles there.

    As with margins, it takes what some windows say to hold the others as well.
    """
    found = _calibrated(truth, point, spread, conformalize.conformalize)
    missed, sizes = _missed(truth, point, _of_others(truth, point, spread, _calibrated_alike), found.scales)
    missed = missed[np.isfinite(missed).all(axis=-1)]
    if not len(missed):
        return found
    more = [_beyond(missed[:, place], level) for place, level in enumerate(truth.levels)]
    return replace(found, corrections=found.corrections + sizes[:, None] * np.array(more))


def _beyond(missed: np.ndarray, level: float) -> float:
    """How much farther out it takes to hold as many as the level says; nothing where it holds them."""
    side = side_of(level)
    return side * max(0.0, float(np.quantile(side * missed, max(level, 1 - level))))


def _calibrated_alike(truth: ForecastTruth, point: np.ndarray, spread: Spread) -> Calibration:
    return _calibrated(truth, point, spread, conformalize.margins_of_alike)


def _calibrated(truth: ForecastTruth, point: np.ndarray, spread: Spread, margins_of: Margins) -> Calibration:
    """The same as if all windows were alike."""
    margins, scales = margins_of(truth, point)
    missed, sizes = _missed(truth, point, spread.distances(margins * scales[:, None, None]), scales)
    corrections = sizes[:, None] * conformalize.bounds_by_step(missed, truth, _corrections)
    return Calibration(margins, scales, corrections)


def _missed(
    truth: ForecastTruth, point: np.ndarray, distances: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How far above each quantile the truth lies, beside how large errors of its step are; and these [horizon]."""
    errors = truth.y - point
    sizes = conformalize.sizes_of(errors / scales[:, None])
    return (errors[..., None] - distances) / (scales[:, None] * sizes)[..., None], sizes


def _of_others(truth: ForecastTruth, point: np.ndarray, spread: Spread, calibrate_by: Calibrate) -> np.ndarray:
    """Distances of each window as the others have them; NaN where there are none."""
    found = np.full(spread.own.shape, np.nan)
    for window in range(len(truth.ends)) if len(truth.ends) > 1 else ():
        others, their_truth = truth.beside(window)
        calibration = calibrate_by(their_truth, point[others], spread.part(others))
        found[window] = calibration.distances(spread.part(window), truth.levels)
    return found


def _corrections(missed: np.ndarray, levels: tuple[float, ...], are_few: bool) -> np.ndarray:
    """Of each level what it takes to hold as many as it says [n_quantiles] of errors [n, n_quantiles]; where they are few,
    the same for both ends of an interval, as in conformalized quantile regression."""
    found = np.zeros(len(levels))
    for place, level in enumerate(levels):
        side = side_of(level)
        opposite = next((other for other, one in enumerate(levels) if abs(one + level - 1) < 1e-9), place)
        scores, share = side * missed[:, place], max(level, 1 - level)
        if are_few and opposite != place:
            scores, share = np.maximum(scores, -side * missed[:, opposite]), abs(2 * level - 1)
        found[place] = side * _bound(np.sort(scores), share)
    return found


def _bound(ordered: np.ndarray, share: float) -> float:
    """What `share` of new scores stay below: the one at that rank, the new one counted; beyond the last as a normal's tail
    goes on. Nothing is known of none."""
    n_scores = len(ordered)
    rank = share * (n_scores + 1)
    if n_scores and rank > n_scores:
        normal = [NormalDist().inv_cdf((1 + one) / 2) for one in (share, n_scores / (n_scores + 1))]
        return float(ordered[-1] + NORMAL_SPREAD * (normal[0] - normal[1]))
    return float(np.interp(rank, np.arange(1, n_scores + 1), ordered)) if n_scores else 0.0
