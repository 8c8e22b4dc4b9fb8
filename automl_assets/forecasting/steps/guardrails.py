"""What to know about the series of a group before anything is learnt from them, each with its figures and advice."""

from collections.abc import Iterable, Iterator

import numpy as np

from automl_assets.errors import listed
from automl_assets.execution.processes import free_bytes
from automl_assets.forecasting.records import ForecastProblem, Group, Panel
from automl_assets.forecasting.steps.regularize import Regular
from automl_assets.records import Guardrail

NAMES = (
    *("frequency", "duplicate_stamps", "gaps", "daylight_saving", "short_series", "constant_series"),
    *("future_covariates", "covariate_leakage", "memory"),
)
MANY_GAPS, MOST_GAPS = 0.2, 0.5  # of the stamps
MANY_MOVED = 0.1  # of the rows
LEAK = 0.999  # correlation of a known covariate with the target at the same stamp
MEMORY_SHARE = 0.5  # of what is free
NOTICEABLE = 100_000_000  # bytes
BYTES, COLUMNS_PER_STAMP = 8, 40  # of a regression over lags: a number, and how many it holds for each stamp
RANKS = {"passed": 0, "done": 1, "alerted": 2}
MOST_NAMED = 5

PASSED = {
    "duplicate_stamps": "Every stamp comes once.",
    "gaps": "No stamp is missing.",
    "daylight_saving": "No hour comes twice.",
    "short_series": "Every series is long enough.",
    "constant_series": "Every series varies.",
    "future_covariates": "Known covariates have a value at every stamp of the test.",
    "covariate_leakage": "No known covariate gives the target away.",
}


def guardrails(regular: Regular, problem: ForecastProblem) -> tuple[Guardrail, ...]:
    """One for each of NAMES, in their order."""
    found = {one.name: one for one in _findings(regular, problem)}
    return tuple(found.get(name) or Guardrail(name, "passed", PASSED[name]) for name in NAMES)


def _findings(regular: Regular, problem: ForecastProblem) -> Iterator[Guardrail]:
    yield _frequency(regular)
    yield from _duplicates(regular)
    yield from _gaps(regular)
    yield from _series(regular)
    yield from _covariates(regular, problem)
    yield _memory(regular.panel, problem)


def _frequency(regular: Regular) -> Guardrail:
    counts, alias = regular.counts, regular.grid.alias
    figures = {"frequency": alias, "off_grid": counts.off_grid, "moved": counts.moved, "no_stamp": counts.without_stamp}
    told = [f"{counts.off_grid} rows off the grid are left out."] * bool(counts.off_grid)
    told += [f"{counts.moved} stamps inside a period moved to where it is counted."] * bool(counts.moved)
    told += [f"{counts.without_stamp} rows without a stamp are left out."] * bool(counts.without_stamp)
    told += [f"{counts.late} rows of the test file are no later than what is learnt from."] * bool(counts.late)
    is_odd = counts.off_grid or counts.moved > MANY_MOVED * counts.rows
    told += ["Say the right forecasting.frequency, or correct the stamps."] * bool(is_odd)
    status = "alerted" if is_odd else "done" if told else "passed"
    return Guardrail("frequency", status, " ".join([f"Stamps are at frequency {alias}.", *told]), figures)  # type: ignore[arg-type]


def _duplicates(regular: Regular) -> Iterator[Guardrail]:
    counts = regular.counts
    figures = {"twice": counts.twice, "aggregated": counts.aggregated}
    if counts.aggregated:
        text = f"{counts.aggregated} rows were summed up with others of their period."
        yield Guardrail("duplicate_stamps", "done", text, figures)
    elif counts.twice:
        text = f"{counts.twice} rows repeat a stamp and its value; the last of them is kept."
        yield Guardrail("duplicate_stamps", "done", text, figures)
    if counts.clock_hours:
        text = (
            f"{counts.clock_hours} hours come twice in the nights when clocks are put back, and are averaged. Name the "
            "place in forecasting.timezone (Europe/Berlin, …) to tell them apart."
        )
        yield Guardrail("daylight_saving", "alerted", text, {"hours": counts.clock_hours})


def _gaps(regular: Regular) -> Iterator[Guardrail]:
    n_filled, share = regular.counts.filled, regular.counts.filled / max(1, regular.counts.stamps)
    if not n_filled:
        return
    text = f"{n_filled} missing stamps or values ({share:.1%}) are filled with the last value before."
    if share > MOST_GAPS:
        text += (
            f" Most rows at frequency {regular.grid.alias} are made up: say a wider forecasting.frequency with "
            "forecasting.aggregate, or correct the stamps; where a missing row means none, fill with 0 by "
            "featurization.imputers."
        )
    status = "alerted" if share > MANY_GAPS else "done"
    severity = "error" if share > MOST_GAPS else "warning"
    figures = {"filled": n_filled, "share": share}
    yield Guardrail("gaps", status, text, figures, severity)  # type: ignore[arg-type]


def _series(regular: Regular) -> Iterator[Guardrail]:
    if regular.short or regular.empty:
        way = {"pad": "padded with their median", "drop": "left out", "keep": "kept as they are"}[regular.short_way]
        told = [f"{len(regular.short)} series have fewer than {regular.n_needed} rows and are {way}:"] * bool(
            regular.short
        )
        told += [f"{listed(regular.short, MOST_NAMED)}."] * bool(regular.short)
        told += [f"{len(regular.empty)} series have no value: {listed(regular.empty, MOST_NAMED)}."] * bool(
            regular.empty
        )
        yield Guardrail(
            "short_series", "done", " ".join(told), {"short": len(regular.short), "empty": len(regular.empty)}
        )
    starts = regular.panel.offsets[:-1]
    is_constant = np.maximum.reduceat(regular.panel.y, starts) == np.minimum.reduceat(regular.panel.y, starts)
    names = [regular.panel.names[number] for number in np.flatnonzero(is_constant)]
    if names:
        text = f"{len(names)} series never change: {listed(names, MOST_NAMED)}. Is that right?"
        yield Guardrail("constant_series", "alerted", text, {"series": len(names)})


def _covariates(regular: Regular, problem: ForecastProblem) -> Iterator[Guardrail]:
    panel = regular.panel
    leaks = [
        one.name
        for place, one in enumerate(problem.covariates)
        if one.role == "known" and not one.categories and _follows(panel, panel.covariates[:, place])
    ]
    if leaks:
        text = f"{listed(leaks)}: says the target almost exactly at the same stamp. If it is not known ahead, name it in past_covariates or drop_columns."
        yield Guardrail("covariate_leakage", "alerted", text, {"columns": len(leaks)}, "error")
    if regular.unknown:
        text = (
            f"{listed(regular.unknown)}: known ahead, but without a value at stamps to be forecast; the last value stands "
            "there, or the usual one where only some are missing. Bring them, or name the column in past_covariates."
        )
        yield Guardrail("future_covariates", "alerted", text, {"columns": len(regular.unknown)})


def _follows(panel: Panel, values: np.ndarray) -> bool:
    y, x = panel.y[~panel.is_filled], values[~panel.is_filled].astype(np.float64)
    if len(y) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return False
    return bool(abs(np.corrcoef(x, y)[0, 1]) > LEAK)


def _memory(panel: Panel, problem: ForecastProblem) -> Guardrail:
    needed = len(panel.y) * BYTES * COLUMNS_PER_STAMP
    if needed < NOTICEABLE:
        return Guardrail("memory", "passed", f"Regressions over lags take less than {NOTICEABLE / 1e6:,.0f} MB.")
    free = free_bytes() or float("inf")
    figures = {"megabytes": needed / 1e6, "free_megabytes": free / 1e6}
    text = f"Regressions over lags take about {needed / 1e6:,.0f} MB of {free / 1e6:,.0f} MB that are free."
    if needed <= MEMORY_SHARE * free:
        return Guardrail("memory", "passed", text, figures)
    advice = "Say forecasting.partition_by for smaller groups, fewer target_lags, or use a larger machine."
    return Guardrail("memory", "alerted", f"{text} {advice}", figures)


def combined(groups: Iterable[Group]) -> tuple[Guardrail, ...]:
    """One for each of NAMES over all groups: the worst that was found, where it was, and in how many."""
    by_name: dict[str, list[tuple[str, Guardrail]]] = {name: [] for name in NAMES}
    for group in groups:
        for one in group.guardrails:
            by_name[one.name].append((group.key, one))
    return tuple(_worst(name, found) for name, found in by_name.items() if found)


def _worst(name: str, found: list[tuple[str, Guardrail]]) -> Guardrail:
    key, worst = max(found, key=lambda item: (RANKS[item[1].status], item[1].severity == "error"))
    alike = [other for other, one in found if one.status == worst.status]
    if len(found) == 1 or worst.status == "passed":
        return worst
    text = f"{len(alike)} of {len(found)} groups ({listed(alike, MOST_NAMED)}). {key}: {worst.message}"
    return Guardrail(name, worst.status, text, {"groups": len(alike), "worst": key}, worst.severity)
