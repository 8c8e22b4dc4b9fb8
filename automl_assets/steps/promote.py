"""promote: whether a new model takes the champion's place, and why."""

import math

from automl_assets.errors import listed
from automl_assets.model_records import Comparison, Figures

DOUBT = 0.05  # of equal models one in twenty is exchanged the first time that rows judge


def first(metric: str, figures: Figures) -> str:
    """Why the first model is promoted.

    >>> first("accuracy", Figures({"accuracy": 0.9}, "out_of_fold", 0.9, "out_of_fold"))
    'accuracy 0.9 on out-of-fold rows; it is the first model'
    >>> first("AUC_weighted", Figures({"accuracy": 0.9}, "test", 0.8, "out_of_fold"))
    'AUC_weighted 0.8 on out-of-fold rows, because the test rows give it no value; it is the first model'
    >>> first("r2_score", Figures({}, "test", math.nan, "backtest"))
    'no rows give r2_score a value; it is the first model'
    """
    if math.isnan(figures.score):
        return f"no rows give {metric} a value; it is the first model"
    rows, score_rows = (name.replace("_", "-") for name in (figures.rows, figures.score_rows))
    why = f", because the {rows} rows give it no value" if figures.is_of_validation else ""
    return f"{metric} {figures.score:.6g} on {score_rows} rows{why}; it is the first model"


def unanswered(champion: str, problem: str) -> str:
    """Why a champion is replaced that cannot answer what is asked today.

    >>> unanswered("3", 'its column "age" is gone')
    'version 3, the champion until now, cannot answer the rows of today and is replaced: its column "age" is gone'
    """
    return f"version {champion}, the champion until now, cannot answer the rows of today and is replaced: {problem}"


def undecided(champion: str, problem: str) -> str:
    """Why a champion stays where the rows do not tell who is better.

    >>> undecided("3", "AUC_weighted has no value")
    'version 3 stays the champion, because nothing shows that this one is better: AUC_weighted has no value'
    """
    return f"version {champion} stays the champion, because nothing shows that this one is better: {problem}"


def needed(judgement: int) -> float:
    """How sure a challenger must be to be better, the first time that rows judge, the second, and so on.

    The chances of a false promotion that are left, 0.05 / judgement², add up to 0.05 * pi² / 6, which is 8.2 %, however
    often the same rows judge (alpha spending, Lan and DeMets 1983). With 5 % each time it would come to 40 % in ten times.

    >>> needed(1), needed(2)
    (0.95, 0.9875)
    """
    return 1 - DOUBT / judgement**2


def promote(metric: str, found: Comparison) -> tuple[bool, str]:
    """True when the challenger is better beyond noise; or not worse beyond noise, while the champion has never met a
    class or group that there is."""
    text, is_worse = _figures(metric, found), found.interval[1] < 0
    if found.sureness >= needed(found.judgement):
        return True, f"{text}: better beyond noise"
    if found.unknown and not is_worse:
        return (
            True,
            f"{text}: not worse beyond noise, and version {found.champion} has never met {listed(found.unknown, 5)}",
        )
    verdict = "worse beyond noise" if is_worse else f"not better beyond noise, for which {_wanted(found.judgement)}"
    return False, f"{text}: {verdict}; version {found.champion} stays the champion"


def _wanted(judgement: int) -> str:
    """In words.

    >>> _wanted(2)
    '98.75 % are needed (most of these rows judge for the 2nd time, and chance adds up)'
    """
    share = f"{100 * needed(judgement):.6g} % are needed"
    if judgement == 1:
        return share
    ending = {1: "st", 2: "nd", 3: "rd"}.get(judgement % 10 if judgement not in (11, 12, 13) else 0, "th")
    return f"{share} (most of these rows judge for the {judgement}{ending} time, and chance adds up)"


def _figures(metric: str, found: Comparison) -> str:
    low, high = found.interval
    drawn = f" ({found.n_units} {found.unit}, each drawn whole)" if found.unit else ""
    return (
        f"{metric} {found.challenger_score:.6g} against {found.champion_score:.6g} of version {found.champion} on "
        f"{found.n_rows} {found.rows}{drawn}; better by {found.difference:.3g} (95 % interval {low:.3g} to {high:.3g}), "
        f"sure to {100 * found.sureness:.4g} %"
    )
