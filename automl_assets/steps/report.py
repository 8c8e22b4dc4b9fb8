"""report: one HTML page about an experiment that needs nothing else. A section is a function; what is absent is left out.

Here belong words and order. Not here: drawing (`pictures`), and how the page looks (`report.html.jinja`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from automl_assets import registry
from automl_assets.errors import listed
from automl_assets.model_records import Evaluation, Report, Unavailable
from automl_assets.onnx.session import EXTENSIONS
from automl_assets.records import AnswerName, Ensemble, Problem
from automl_assets.steps.conformalize import percent
from automl_assets.steps.evaluate import intervals_told, without_value
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

TOLD = (  # assets, where they are made
    *("profile", "split", "leaderboard", "ensemble", "evaluation", "explanation", "error_analysis", "fairness"),
    *("onnx_model", "registered_model"),
)
TERMS = "Words that speak for a class (above zero) or against it: what it loses in log-odds where the word is cut out"
RELIABILITY = "calibration"  # name of its picture
AS_THEY_COME = "Validation found nothing that would make the probabilities more honest: they are told as they come."
UNPROVEN = "No row was kept for a test: the rows that set the bounds cannot prove them."
APART = "How far apart groups are, and what chance does not explain of it"
SHARED_BOUND = (
    "Too few rows taught a bound for each of these classes, so that they share that of all rows, and their sets may hold "
    "them less often than promised: {}."
)
CONFUSIONS = ("what is wrong", "label", "answered", "how many", "share of the label's")
MOST_LABEL_ERRORS = 20
MOST_INPUTS = 12  # that the snippet spells out
KINDS = {
    "single": "The best trial answers alone.",
    "voting": "A weighted vote of several trials answers.",
    "stacking": "A linear model over the answers of several trials answers.",
}
ONNX_ANSWERS: dict[AnswerName, str] = {
    "classes": "label, probabilities",
    "label_sets": "labels, probabilities",
    "boxes": "boxes, labels",
    "values": "(value,)",
}
OF_PARTS = "probabilities, tags"  # of tokens
COLUMNS = (
    "raw columns, each [rows, 1]. Missing numbers are NaN, missing texts are empty, dates are seconds since 1970 (UTC)"
)
PIXELS = "pixels, red, green and blue from 0 to 255, [images, height, width, 3]"
ALONE = ("import numpy as np, onnxruntime", "", 'session = onnxruntime.InferenceSession("onnx.onnx")')
WITH_EXTENSIONS = (
    *("import numpy as np, onnxruntime, onnxruntime_extensions", "", "options = onnxruntime.SessionOptions()"),
    "options.register_custom_ops_library(onnxruntime_extensions.get_library_path())",
    'session = onnxruntime.InferenceSession("onnx.onnx", options)',
)
EXAMPLES = {"float": "np.array([[1.5]], np.float32)", "double": "np.array([[1.7e9]])"}  # double: seconds since 1970
EXAMPLES["image"] = "np.zeros((1, 480, 640, 3), np.uint8)"  # red, green and blue
TEXT_EXAMPLE = 'np.array([["text"]], object)'


def report(material: Material) -> Report:
    """The page, in UTF-8. Everything from data is escaped."""
    sections = [section for write in SECTIONS if (section := write(material)) is not None]
    return page(material.experiment.name, headline(material), sections)


def headline(material: Material) -> str:
    """The question and the answer in a sentence each."""
    experiment, evaluation = material.experiment, material.get("evaluation")
    asked = f'{experiment.task_part.title} {experiment.task.capitalize()} of "{experiment.target}".'
    if evaluation is None:
        return asked
    if why := without_value(evaluation, experiment.metric, experiment.task):
        ensemble = material.get("ensemble")
        return f"{asked} {why}." + (f" Validation found {ensemble.score:.5g} on out-of-fold rows." if ensemble else "")
    value = f"{experiment.metric} {evaluation.metrics[experiment.metric]:.5g}"
    low, high = evaluation.intervals.get(experiment.metric, (None, None))
    between = f" (95 % interval {low:.5g} to {high:.5g})" if low is not None else ""
    return f"{asked} The model reaches {value}{between} on {evaluation.n_rows:,} {_rows_name(evaluation.rows)}."


def _rows_name(rows: str) -> str:
    return "test rows that nothing had seen before" if rows == "test" else "rows, each answered by models without it"


def asked(material: Material) -> Section | None:
    """What the person wanted to know."""
    experiment = material.experiment
    settings = [
        ("task", experiment.task),
        ("source", experiment.source.part.describe(experiment.source.options)),
        ("target", experiment.target),
        ("metric", experiment.metric),
        ("time limit", material.time_limit),
        ("seed", str(experiment.seed)),
    ]
    return Section("What was asked", (Table.of("Settings of the experiment", ("setting", "value"), settings),))


def data(material: Material) -> Section | None:
    """The rows as they were found, and what needs a person's eye."""
    profile, split = material.get("profile"), material.get("split")
    if profile is None:
        return None
    columns = [(c.name, c.kind, c.dtype, c.n_missing, c.n_unique, c.mean, c.reason) for c in profile.columns]
    header = ("column", "used as", "type", "missing", "different values", "mean", "why")
    told = f"{profile.n_rows:,} rows." + (
        f" {int(split.is_training.sum()):,} to learn and validate ({split.strategy}), {int(split.is_test.sum()):,} to test."
        if split is not None
        else ""
    )
    return Section(
        "Data",
        (
            Text(told),
            guardrails_table(profile.guardrails),
            Table.of("Columns, over the training rows", header, columns),
        ),
    )


def quality(material: Material) -> Section | None:
    """Every metric with its interval and what a guess would have reached."""
    evaluation = material.get("evaluation")
    if evaluation is None:
        return None
    rows = [
        (name, value, *evaluation.intervals.get(name, (None, None)), evaluation.baseline.get(name))
        for name, value in evaluation.metrics.items()
    ]
    caption = f"Metrics on {evaluation.n_rows:,} {_rows_name(evaluation.rows)}, and their 95 % intervals"
    metrics = Table.of(caption, ("metric", "value", "from", "to", "a guess"), rows)
    pictures = Pictures.of(one for one in evaluation.pictures if one.name != RELIABILITY)
    told = Text(intervals_told(evaluation.resampling))
    return Section("How good the model is", (metrics, told, *_label_tables(evaluation), pictures))


def _label_tables(evaluation: Evaluation) -> list[Table]:
    """Of sets of labels, how well each is found and what other thresholds would do."""
    captions = {
        "How well each label is found; means over labels leave out those that no row has": evaluation.by_label,
        "If one threshold held for all labels": evaluation.by_threshold,
    }
    return [Table.of(text, found.columns, found.rows()) for text, found in captions.items() if found is not None]


def calibration(material: Material) -> Section | None:
    """Whether what is called 70 % comes true 70 times in a hundred."""
    evaluation, ensemble = material.get("evaluation"), material.get("ensemble")
    drawn = [one for one in evaluation.pictures if one.name == RELIABILITY] if evaluation is not None else []
    if not drawn:
        return None
    made = ensemble.calibration if ensemble is not None else None
    change = f"their log-odds were multiplied by {made.scale:.3g}" if made else ""
    change += f" and moved by {made.bias:+.3g}" if made and made.bias else ""
    told = f"Validation showed how to make the probabilities more honest: {change}." if made else AS_THEY_COME
    return Section("Whether probabilities can be believed", (Text(told), Pictures.of(drawn)))


def coverage(material: Material) -> Section | None:
    """How often the truth lay inside of what was promised to hold it."""
    evaluation, ensemble = material.get("evaluation"), material.get("ensemble")
    if evaluation is None or ensemble is None or ensemble.conformal is None:
        return None
    size = "classes in a set" if ensemble.problem.classes else "width of an interval"
    found = evaluation.coverage
    rows = [
        (f"{level:.4g}", found.get(f"coverage_{name}"), found.get(f"width_{name}", found.get(f"set_size_{name}")))
        for level, name in ((one, percent(one)) for one in ensemble.conformal.levels)
    ]
    caption = f"Share of {evaluation.n_rows:,} test rows whose truth lay inside, and the mean size"
    told = Table.of(caption, ("promised", "held", size), rows) if found else Text(UNPROVEN)
    kind = "sets" if ensemble.problem.classes else "intervals"
    return Section(f"How often {kind} hold the truth", (told, *_by_class(evaluation.coverage_by_class, ensemble)))


def _by_class(found: pl.DataFrame | None, ensemble: Ensemble) -> list[Table | Text]:
    """How often the rows of each class are held, and which classes nothing is promised for."""
    if found is None or ensemble.conformal is None:
        return []
    levels = [f"held, promised {level:.4g}" for level in ensemble.conformal.levels]
    told: list[Table | Text] = [
        Table.of(
            "Share of the rows of each class whose set holds it", ("class", "rows", "bound", *levels), found.rows()
        )
    ]
    shared = [str(ensemble.problem.classes[code]) for code in ensemble.conformal.pooled]
    return [*told, Text(SHARED_BOUND.format(listed(shared, 10)))] if shared else told


def members(material: Material) -> Section | None:
    """Which trials answer together."""
    ensemble = material.get("ensemble")
    if ensemble is None:
        return None
    kinds = ", ".join(f"{kind} {score:.5g}" for kind, score in ensemble.scores_by_kind.items())
    rows = [
        (m.trial, m.weight, len(m.fitted.models)) for m in sorted(ensemble.members, key=lambda member: -member.weight)
    ]
    return Section(
        "What the model is made of",
        (
            Text(f"{KINDS[ensemble.kind]} Validation found {material.experiment.metric} of {kinds}."),
            Table.of("Members and their share", ("trial", "weight", "fitted models"), rows),
        ),
    )


def leaderboard(material: Material) -> Section | None:
    """Every trial, best first."""
    board = material.get("leaderboard")
    if board is None:
        return None
    rows = [
        (s.trial, s.rank, s.score, s.fit_seconds, ", ".join(f"{k}={v}" for k, v in s.config.items()), s.reason)
        for s in board.standings
    ]
    header = ("trial", "rank", board.metric, "seconds", "configuration", "why it failed")
    return Section("Leaderboard", (Table.of("Trials by validation score, best first", header, rows),))


def explanation(material: Material) -> Section | None:
    """What the model leans on."""
    made = material.get("explanation")
    if made is None:
        return None
    caption = f"How much {made.metric} suffers when a column is shuffled, the most important first"
    rows = [(one.column, one.mean, "shuffled once" if math.isnan(one.std) else one.std) for one in made.importances]
    tables = [Table.of(caption, ("column", "loss", "standard deviation"), rows)] if rows else []
    terms = made.terms if made.terms is not None else pl.DataFrame()
    told = [Table.of(TERMS, ("class", "term", "texts", "log-odds"), terms.rows())] if terms.height else []
    return Section("What the model leans on", (*tables, *told, Pictures.of(made.pictures)))


def errors(material: Material) -> Section | None:
    """Where the model is wrong more often than elsewhere."""
    found = material.get("error_analysis")
    if found is None:
        return None
    rows = [(" and ".join(c.conditions), c.n_rows, c.loss, c.rest_loss, c.metric, c.rest_metric) for c in found.cohorts]
    header = ("rows where", "how many", found.loss, "of the others", found.metric, "of the others")
    told: Table | Text = Table.of("Groups of rows on which the model is surely worse", header, rows)
    none = "nobody has looked" if "cohorts" in found.left_out else "none was found"
    told = told if rows else Text(f"Groups of rows on which the model is surely worse than on the others: {none}.")
    blocks = (
        *(told, *_left_out(found.left_out), Pictures.of(found.pictures)),
        *_listed(found.by_group, "Groups of the columns that tell most", ("column", "group", "how many", found.loss)),
        *_listed(found.confusions, "What is answered in the place of what", CONFUSIONS),
        *_label_errors(found.label_errors),
    )
    return Section("Where the model is wrong", blocks)


def _listed(found: pl.DataFrame | None, caption: str, header: tuple[str, ...]) -> list[Table]:
    return [Table.of(caption, header, found.rows())] if found is not None and found.height else []


def _label_errors(found: pl.DataFrame | None) -> list[Table]:
    """Rows for a person to look at, the likeliest errors first."""
    if found is None or not found.height:
        return []
    header = ("row", "label", "likely", "its probability", "probability of the label")
    rows = found.select("row", "label", "likely", "likely_probability", "probability").head(MOST_LABEL_ERRORS).rows()
    return [Table.of("Rows whose label is likely wrong: look at them before the next run", header, rows)]


def _left_out(parts: Sequence[str]) -> list[Text]:
    return [Text(f"Left out, because the time was up: {', '.join(parts)}.")] if parts else []


def fairness(material: Material) -> Section | None:
    """Whether groups of people are treated alike."""
    found = material.get("fairness")
    if found is None:
        return None
    blocks: list[Any] = []
    for one in found.comparisons:
        blocks += [Table.of(f'Groups of "{one.column}"', one.table.columns, one.table.rows())]
        apart = [(name, value, one.sure.get(name)) for name, value in one.disparities.items()]
        blocks += [Table.of(f'{APART}: "{one.column}"', ("what", "value", "surely (95 %)"), apart)] * bool(apart)
        blocks += [Text(worry) for worry in one.worries]
    blocks += _left_out(found.left_out)
    return Section("Whether groups are treated alike", (*blocks, Pictures.of(found.pictures)))


def lost(material: Material) -> Section | None:
    """What the page should have told of."""
    rows = [(name, found.reason) for name, found in material.records.items() if isinstance(found, Unavailable)]
    told = Table.of("Assets that failed; their logs say more", ("asset", "why"), rows)
    return Section("What could not be made", (told,)) if rows else None


def usage(material: Material) -> Section | None:
    """How to get answers for new rows."""
    name, onnx = material.experiment.name, material.get("onnx_model")
    blocks: list[Any] = [Code("From the command line", f"automl predict {name} rows.csv -o predictions.csv")]
    if onnx is not None:
        cuts_texts = EXTENSIONS in onnx.onnx
        needed = "ONNX Runtime and onnxruntime-extensions" if cuts_texts else "ONNX Runtime alone"
        blocks += [
            Text(f"The ONNX file takes {PIXELS if 'image' in onnx.inputs.values() else COLUMNS}; it needs {needed}."),
            Code("With ONNX Runtime", onnx_snippet(onnx.inputs, material.get("ensemble").problem, cuts_texts)),
            Table.of("Inputs of the ONNX model", ("column", "type"), onnx.inputs.items()),
            Text("The same model lies in MLflow:"),
            Code("With MLflow", f'mlflow.pyfunc.load_model("models:/{name}@champion").predict(rows)'),
        ]
    return Section("How to use it", tuple(blocks))


def onnx_snippet(inputs: Mapping[str, str], problem: Problem, cuts_texts: bool = False) -> str:
    """Python that asks the model about one row, with the real names and types; `cuts_texts` says whether the model has
    operators of onnxruntime-extensions.

    >>> print(onnx_snippet({"age": "float"}, Problem("classification", "accuracy", ("no", "yes"))).splitlines()[-3])
        'age': np.array([[1.5]], np.float32),
    """
    given = [f"    {name!r}: {EXAMPLES.get(kind, TEXT_EXAMPLE)}," for name, kind in inputs.items()]
    rest = [f"    # … and {len(given) - MOST_INPUTS} more, see the table below"] if len(given) > MOST_INPUTS else []
    answer = OF_PARTS if registry.tasks()[problem.task].parts else ONNX_ANSWERS[problem.answers]
    row = ["row = {", *given[:MOST_INPUTS], *rest, "}"]
    return "\n".join([*(WITH_EXTENSIONS if cuts_texts else ALONE), *row, f"{answer} = session.run(None, row)[:2]"])


# A section is a function of the material; None leaves it out.
SECTIONS: tuple[Callable[[Material], Section | None], ...] = (
    asked,
    data,
    quality,
    calibration,
    coverage,
    lost,
    members,
    promotion,
    explanation,
    errors,
    fairness,
    leaderboard,
    usage,
    duration,
)
