"""describe: figures of each group of series, and what the guardrails found in all of them."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

from automl_assets.forecasting.records import ForecastProfile, Group
from automl_assets.forecasting.steps.future_index import whole
from automl_assets.forecasting.steps.guardrails import combined


def describe(groups: Iterable[Group]) -> ForecastProfile:
    """A line per group; each is looked at once, so that no more than one need be in memory."""
    figures: list[dict[str, Any]] = []

    def looked_at() -> Iterator[Group]:
        for group in groups:
            figures.append(_figures(group))
            yield group

    guardrails = combined(looked_at())
    return ForecastProfile(pl.DataFrame(figures, infer_schema_length=None), guardrails)


def _figures(group: Group) -> dict[str, Any]:
    panel = whole(group)
    known = panel.y[~panel.is_filled & np.isfinite(panel.y)]
    statistics = {"mean": known.mean(), "minimum": known.min(), "maximum": known.max()} if len(known) else {}
    return {
        "group": group.key,
        "n_series": panel.n_series,
        "n_rows": len(panel.y),
        "first": str(panel.stamps.min()),
        "last": str(panel.stamps.max()),
        **{name: float(value) for name, value in statistics.items()},
        "filled_share": float(panel.is_filled.mean()),
        "zero_share": float((known == 0).mean()) if len(known) else 0.0,
    }
