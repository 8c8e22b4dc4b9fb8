"""report: one HTML page about a forecast, whether it has one group or ten thousand. A section is a function.

Here belong words and order, and which groups are worth a picture. What pages are made of is in `steps.page`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from automl_assets.forecasting import pictures
from automl_assets.forecasting.records import ForecastEvaluation, ForecastExplanation, ForecastSummary, Reconciliation
from automl_assets.forecasting.steps.evaluate import figures
from automl_assets.model_records import Picture, Report
from automl_assets.steps.page import (
    Code,
    Material,
    Pictures,
    Section,
    Table,
    Text,
    duration,
    guardrails_table,
    page,
    promotion,
)

ERROR, SCALED = "mean_absolute_error", "MASE"
SAME = 1e-6  # ratios closer to one than that are of the seasonal naive forecast itself
MOST_GROUPS = 200  # lines of the table of groups
MOST_SERIES = 20  # lines of the table of series
N_DRAWN = 3  # of the best groups, and of the worst
UNPROVEN = "No stamp was kept for a test: the backtest judged, and had its say in what answers."


@dataclass(frozen=True)
class Judged:
    """What the evaluations of all groups say, each read once."""

    ratios: dict[str, float]  # group -> its mean absolute error as a share of the seasonal naive forecast's
    by_step: np.ndarray  # float64 [n_groups, horizon], the same of each step ahead, by the naive error of all steps
    series: pl.DataFrame  # group, series, n_rows, MASE

    def ordered(self) -> list[str]:
        """Groups, the worst first."""
        return sorted(self.ratios, key=lambda key: -self.ratios[key])

    def drawn(self) -> list[str]:
        """The worst groups and the best, as far as there are so many."""
        ordered = self.ordered()
        return list(dict.fromkeys([*ordered[:N_DRAWN], *ordered[-N_DRAWN:]]))


def judged(evaluations: Iterable[tuple[str, ForecastEvaluation]]) -> Judged:
    """Of groups whose naive error is zero, or that have no value to be judged by, there is no ratio."""
    ratios: dict[str, float] = {}
    steps: list[np.ndarray] = []
    series: list[pl.DataFrame] = []
    for key, found in evaluations:
        naive = found.baseline.get(ERROR, 0.0)
        if naive > 0 and ERROR in found.metrics:
            ratios[key] = found.metrics[ERROR] / naive
            steps.append(found.by_horizon / naive)
        if found.by_series.height:
            series.append(found.by_series.select(pl.lit(key).alias("group"), "series", "n_rows", SCALED))
    return Judged(ratios, _padded(steps), pl.concat(series) if series else pl.DataFrame())


def _padded(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of their own lengths, one below the other, NaN behind them."""
    longest = max(map(len, rows), default=0)
    return np.array([np.pad(row, (0, longest - len(row)), constant_values=np.nan) for row in rows]).reshape(
        len(rows), longest
    )


def strengths(explanations: Iterable[ForecastExplanation]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Component and its mean share of what forecasts are made of, column and mean loss when it is shuffled; over groups."""
    parts, columns = [], []
    for made in explanations:
        share = pl.col("contribution") / pl.max_horizontal(pl.sum("contribution"), 1e-300)
        parts.append(made.strengths.select("component", share.alias("share")))
        columns += [{"column": one.column, "loss": one.mean} for one in made.importances]
    return _means(pl.concat(parts) if parts else pl.DataFrame(), len(parts)), _means(pl.DataFrame(columns), None)


def _means(rows: pl.DataFrame, n_groups: int | None) -> pl.DataFrame:
    """By name, the greatest first; over all groups, or over those that have the name."""
    if not rows.height:
        return rows
    name, value = rows.columns
    mean = pl.mean(value) if n_groups is None else pl.sum(value) / n_groups
    return rows.group_by(name, maintain_order=True).agg(mean, pl.len().alias("groups")).sort(value, descending=True)


def reconciled(made: Iterable[Reconciliation]) -> pl.DataFrame:
    """Errors of each level with and without, the mean over groups."""
    found = [one.errors for one in made]
    if not found:
        return pl.DataFrame()
    keys = [name for name in ("rows", "level") if name in found[0].columns]
    return pl.concat(found).group_by(keys, maintain_order=True).agg(pl.all().mean())


def portraits(judged: Judged, draw: Callable[[str], tuple[Picture, ...]]) -> tuple[Picture, ...]:
    """The forecasts of the worst and the best groups, under their names."""
    found = {key: next((one for one in draw(key) if one.name == "forecasts"), None) for key in judged.drawn()}
    return tuple(
        replace(one, title=f"{key}: {judged.ratios[key]:.3g} of the seasonal naive forecast's error")
        for key, one in found.items()
        if one is not None
    )


def report(material: Material) -> Report:
    """The page, in UTF-8. Everything from data is escaped."""
    sections = [section for write in SECTIONS if (section := write(material)) is not None]
    return page(material.experiment.name, headline(material), sections)


def headline(material: Material) -> str:
    """The question and the answer in a sentence each."""
    experiment, summary, found = material.experiment, material.get("summary"), material.get("judged")
    n_groups, n_series = summary.groups.height, _n_series(summary)
    asked = f'Forecasts of "{experiment.target}" for {n_series:,} series in {_counted(n_groups, "group")}.'
    if experiment.metric not in summary.metrics:
        known = f"{experiment.metric} has no value on {_rows_name(summary)}; in the backtest it is"
        return f"{asked} {known} {figures(summary).score:.5g}."
    value, naive = summary.metrics[experiment.metric], summary.baseline.get(experiment.metric)
    beside = f", the seasonal naive forecast {naive:.5g}" if naive is not None else ""
    return f"{asked} On {_rows_name(summary)} {experiment.metric} is {value:.5g}{beside}.{_better(found.ratios)}"


def _better(ratios: dict[str, float]) -> str:
    if not ratios:
        return ""
    n_better, n_worse = (sum(side * (1 - ratio) > SAME for ratio in ratios.values()) for side in (1, -1))
    return f" {ERROR} is smaller than the naive one's in {n_better:,} of {_counted(len(ratios), 'group')}, larger in {n_worse:,}."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _n_series(summary: ForecastSummary) -> int:
    return int(summary.groups["n_series"].fill_null(0).sum())


def _rows_name(summary: ForecastSummary) -> str:
    return "stamps that nothing had seen before" if summary.rows == ("test",) else "the backtest"


def asked(material: Material) -> Section | None:
    """What the person wanted to know."""
    experiment, summary = material.experiment, material.get("summary")
    forecasting = experiment.forecasting
    settings = [
        ("source", experiment.source.part.describe(experiment.source.options)),
        ("target", experiment.target),
        ("time", experiment.time_column),
        ("series are told apart by", ", ".join(forecasting.series_id_columns)),
        ("groups are told apart by", ", ".join(forecasting.partition_by)),
        ("stamps ahead", forecasting.horizon),
        ("frequency", forecasting.frequency),
        ("quantiles", ", ".join(f"{level:g}" for level in experiment.quantiles)),
        ("metric", summary.metric),
        ("time limit", material.time_limit),
        ("seed", str(experiment.seed)),
    ]
    return Section("What was asked", (Table.of("Settings of the experiment", ("setting", "value"), settings),))


def data(material: Material) -> Section | None:
    """The series as they were found, and what needs a person's eye."""
    profile = material.get("profile")
    if profile is None or not profile.groups.height:
        return None
    groups = profile.groups.with_columns(pl.col("first", "last").str.replace(r"T00:00:00(\.0+)?$", ""))
    first, last, n_rows = groups["first"].min(), groups["last"].max(), int(groups["n_rows"].sum())
    told = f"{n_rows:,} stamps of {int(groups['n_series'].sum()):,} series, from {first} to {last}."
    table = Table.of("Groups as they were found", groups.columns, groups.iter_rows())
    return Section("Data", (Text(told), guardrails_table(profile.guardrails), table))


def quality(material: Material) -> Section | None:
    """Every metric beside the seasonal naive forecast's."""
    summary = material.get("summary")
    if not summary.metrics:
        return None
    rows = [
        (name, value, summary.baseline.get(name), summary.macro.get(name), summary.micro.get(name))
        for name, value in summary.metrics.items()
    ]
    header = ("metric", "value", "seasonal naive", "mean over series", "mean over stamps")
    return Section("How good the forecasts are", (Table.of(f"Metrics on {_rows_name(summary)}", header, rows),))


def groups(material: Material) -> Section | None:
    """Every group, the worst first; of very many, those that need a person's eye."""
    summary, found = material.get("summary"), material.get("judged")
    by_key = {row["group"]: row for row in summary.groups.iter_rows(named=True)}
    order = dict.fromkeys([*(key for key in by_key if key not in found.ratios), *found.ordered()])
    rows = [_line(by_key[key], found.ratios.get(key)) for key in order if key in by_key]
    header = ("group", "status", "series", "forecasters", "backtest", "judged", "seasonal naive", "ratio")
    caption = (
        f"{summary.metric} of groups, those without a figure and the worst first; ratio: {ERROR} as a share of the "
        "seasonal naive forecast's"
    )
    blocks: list[Any] = [Table.of(caption, header, rows, MOST_GROUPS)]
    if found.ratios:
        drawn = Pictures.of([pictures.skill_picture(np.array(list(found.ratios.values())))])
        blocks.insert(0, drawn)
    return Section("How good each group is", (*blocks, *_series(found.series, len(by_key))))


def _line(row: dict[str, Any], ratio: float | None) -> tuple[Any, ...]:
    names = ("group", "status", "n_series", "algorithms", "backtest_score", "score", "baseline")
    return (*(row.get(name) for name in names), ratio)


def _series(series: pl.DataFrame, n_groups: int) -> list[Table]:
    """The series with the largest errors, where groups hold several."""
    if series.height <= n_groups:
        return []
    worst = series.filter(pl.col(SCALED).is_finite()).sort(SCALED, descending=True, maintain_order=True)
    caption = f"Series with the largest error, by {SCALED}"
    return [
        Table.of(
            caption,
            ("series", "group", "stamps", SCALED),
            _columns(worst, "series", "group", "n_rows", SCALED),
            MOST_SERIES,
        )
    ]


def _columns(table: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return table.select(names).rows()


def drawn(material: Material) -> Section | None:
    """The worst groups, and the best."""
    found = material.get("portraits")
    if not found:
        return None
    told = Text("The groups with the largest error beside the seasonal naive forecast's, then those with the smallest.")
    return Section("The worst and the best groups", (told, Pictures.of(found)))


def steps(material: Material) -> Section | None:
    """How the error grows with the horizon."""
    by_step = material.get("judged").by_step
    if not by_step.size:
        return None
    return Section("How far ahead it holds", (Pictures.of([pictures.steps_picture(by_step)]),))


def coverage(material: Material) -> Section | None:
    """How often the truth lay inside of what was promised to hold it."""
    summary = material.get("summary")
    if not summary.coverage:
        return None
    rows = [(f"{name.removeprefix('coverage_')} %", share) for name, share in summary.coverage.items()]
    caption = f"Share of values inside of each interval, on {_rows_name(summary)}"
    notes = [] if summary.rows == ("test",) else [Text(UNPROVEN)]
    return Section("How often intervals hold the truth", (Table.of(caption, ("promised", "held"), rows), *notes))


def algorithms(material: Material) -> Section | None:
    """Which forecasters answer, and in how many groups."""
    chosen = material.get("summary").groups.filter(pl.col("algorithms").is_not_null())
    if not chosen.height:
        return None
    parts = chosen.select(pl.col("algorithms").str.split(", ").explode()).to_series()
    rows = [(name, count, count / chosen.height) for name, count in parts.value_counts(sort=True).iter_rows()]
    kinds = [(kind, count) for kind, count in chosen["kind"].value_counts(sort=True).iter_rows()]
    return Section(
        "What answers",
        (
            Table.of("Forecasters, by the groups whose model holds one", ("forecaster", "groups", "share"), rows),
            Table.of("Models, by their kind", ("kind", "groups"), kinds),
        ),
    )


def troubles(material: Material) -> Section | None:
    """Groups that could not be learnt as the others were."""
    lost = material.get("summary").groups.filter(pl.col("status") != "learnt")
    if not lost.height:
        return None
    caption = "A group that fell back is answered by a naive forecast; one that failed has none"
    return Section(
        "What could not be learnt",
        (Table.of(caption, ("group", "status", "why"), _columns(lost, "group", "status", "reason"), MOST_GROUPS),),
    )


def hierarchy(material: Material) -> Section | None:
    """What making forecasts add up does to their errors."""
    errors = material.get("reconciliation")
    if errors is None or not errors.height:
        return None
    method = material.experiment.forecasting.reconciliation.replace("_", " ")
    caption = "Errors of each level with and without, means over groups"
    return Section(
        "How forecasts add up", (Text(f"By {method}."), Table.of(caption, errors.columns, errors.iter_rows()))
    )


def explanation(material: Material) -> Section | None:
    """What forecasts are made of."""
    if material.get("explanation") is None:
        return None
    parts, columns = material.get("explanation")
    blocks = []
    if parts.height:
        caption = "Mean share of what forecasts are made of, whatever its sign"
        blocks.append(
            Table.of(caption, ("component", "share", "groups"), _columns(parts, "component", "share", "groups"))
        )
    if columns.height:
        caption = f"How much {material.experiment.metric} suffers when a covariate is shuffled"
        blocks.append(Table.of(caption, ("column", "loss", "groups"), _columns(columns, "column", "loss", "groups")))
    return Section("What forecasts are made of", tuple(blocks)) if blocks else None


def usage(material: Material) -> Section | None:
    """How to get forecasts."""
    name = material.experiment.name
    blocks: list[Any] = [
        Code(
            "From the command line",
            f"automl forecast {name} -o forecast.csv\nautoml forecast {name} rows.csv -o forecast.csv",
        )
    ]
    if material.experiment.onnx:
        blocks += [
            Text("The model of all groups lies in MLflow; a row without its target is to be forecast:"),
            Code("With MLflow", f'mlflow.pyfunc.load_model("models:/{name}@champion").predict(rows)'),
        ]
    return Section("How to use it", tuple(blocks))


# A section is a function of the material; None leaves it out.
SECTIONS: tuple[Callable[[Material], Section | None], ...] = (
    asked,
    data,
    quality,
    groups,
    drawn,
    steps,
    coverage,
    algorithms,
    troubles,
    hierarchy,
    explanation,
    promotion,
    usage,
    duration,
)
