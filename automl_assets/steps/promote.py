"""promote: whether a new model takes the champion's place, and why."""

from automl_assets import metrics


def promote(metric: str, challenger: float, champion: float | None, rows: str) -> tuple[bool, str]:
    """True when there is no champion, or the challenger is at least as good on its rows.

    >>> promote("accuracy", 0.9, 0.8, "test")
    (True, 'accuracy 0.9 on test rows; the champion had 0.8')
    """
    text = f"{metric} {challenger:.6g} on {rows.replace('_', '-')} rows"
    if champion is None:
        return True, f"{text}; there was no champion"
    is_better = metrics.oriented(metric, challenger) >= metrics.oriented(metric, champion)
    return is_better, f"{text}; the champion {'had' if is_better else 'keeps its place with'} {champion:.6g}"
