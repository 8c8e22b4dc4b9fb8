"""explain: which words speak for which class, over many texts and in single ones, and what each column is worth. Words are cut
out and the answer is watched, so that every ensemble can be asked. Each part has its share of the time, and asks about as
many rows as that allows."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from automl_assets import metrics
from automl_assets.execution.time_shares import TimeShares
from automl_assets.explanation.pace import LEAST_EXPLAINED, tell_of_rest
from automl_assets.model_records import Contributions, Explanation, Importance, Picture
from automl_assets.pictures import importance_picture
from automl_assets.pictures.words import terms_picture, text_picture
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps.build_ensemble import sample
from automl_assets.steps.combine import check_columns
from automl_assets.steps.explained_outputs import log_odds, output_codes, output_names
from automl_assets.text.features.pieces import MOST_PIECES, cut
from automl_assets.text.features.tokens import MOST_WORDS, WORD
from automl_assets.text.steps.paced_model import FIRST_ROWS, PacedModel
from automl_assets.text.steps.word_contributions import MOST_PASSES, word_contributions

N_ROWS, MOST_LETTERS = 300, 4_000  # rows that are looked at, and of each text so much
N_REPEATS = 3  # shuffles of a column
EXPLAINED_ROWS, DRAWN_TEXTS = 12, 3
MOST_TERMS = 2_000  # that are cut out, time allowing
FEWEST_ROWS = 3  # that hold a term, and from which it is cut out
KEPT_TERMS = 20  # of each class
TERMS_AT_ONCE, WANTED_TERMS = 20, 100
ENDS = {"answers": 0.15, "importances": 0.3, "terms": 0.6, "contributions": 1.0}  # of the time, by when
DEPENDENCE = {"column": pl.String, "value": pl.String, "output": pl.String, "mean": pl.Float64}
TERMS = {"output": pl.String, "term": pl.String, "n_rows": pl.Int64, "push": pl.Float64}


@dataclass(frozen=True)
class Sample:
    """Rows that are looked at, with what is true of them and what the model says."""

    rows: np.ndarray  # int64 [n_rows], numbers in the data
    table: pl.DataFrame
    truth: np.ndarray
    answers: np.ndarray  # float64 [n_rows, n_classes]

    def head(self, n_rows: int) -> "Sample":
        """The first of them."""
        return Sample(self.rows[:n_rows], self.table[:n_rows], self.truth[:n_rows], self.answers[:n_rows])


def explain(ensemble: Ensemble, dataset: Dataset, features: Features, seed: int, seconds: float) -> Explanation:
    """On rows that nobody has learnt from, where there are any. In no time 16 rows are looked at, every column is shuffled
    once, a few words are cut out of them, and one text is compared once."""
    problem, random, pace = ensemble.problem, np.random.default_rng(seed), TimeShares(seconds, ENDS)
    model = PacedModel(ensemble)
    sampled = _sample(model, dataset, features, random, pace.end_of("answers"))
    importances = _importances(model, sampled, random, pace.end_of("importances"))
    terms = term_pushes(model, sampled.table, sampled.answers, pace.end_of("terms"))
    background = background_of(ensemble, sampled.table)
    n_explained = model.rows_until(pace.end_of("contributions")) // (2 * MOST_PIECES + background.height)
    explained = sampled.table[: min(EXPLAINED_ROWS, max(DRAWN_TEXTS, n_explained))]
    compared = word_contributions(model, explained, background, pace.seconds_for("contributions"), least_rows=1)
    found = compared.table
    pictures = [importance_picture(importances, problem.metric)] if importances else []
    pictures += [terms_picture(terms)] if terms.height else []
    pictures += _text_pictures(found, sampled.head(DRAWN_TEXTS), problem)
    contributions = _contributions(
        found, sampled.rows, problem, (compared.n_passes, min(MOST_PASSES, background.height))
    )
    no_curves = pl.DataFrame(schema=DEPENDENCE)
    return Explanation(problem.metric, importances, (), contributions, no_curves, tuple(pictures), terms)


def _sample(
    model: PacedModel, dataset: Dataset, features: Features, random: np.random.Generator, deadline: float
) -> Sample:
    """As many rows as are answered in time."""
    y, shown = features.truth.y, np.flatnonzero(features.truth.split.is_shown)
    rows = random.permutation(shown[sample(y[shown], N_ROWS, model.problem, random)])
    table = shortened(model.ensemble, dataset.table[rows])
    answers = model.first_answers(table, deadline)
    return Sample(rows, table, y[rows], answers).head(len(answers))


def _contributions(found: pl.DataFrame, rows: np.ndarray, problem: Problem, compared: tuple[int, int]) -> Contributions:
    """As records have them, by the numbers of rows in the data; `compared` are the passes, and the rows of the background."""
    numbers = pl.Series("row", rows)[found["row"]] if found.height else pl.Series("row", [], pl.Int64)
    columns = ("row", "output", "column", "value", "contribution", "standard_error")
    table = found.with_columns(numbers.alias("row")).select(columns)
    return Contributions(output_names(problem), _base(found, problem), table, *compared)


def explain_rows(
    ensemble: Ensemble, dataset: Dataset, features: Features, table: pl.DataFrame, seconds: float
) -> pl.DataFrame:
    """Contributions to the answer for each row of `table`: row, output, base, column, value, start and stop (offsets of a
    word in its text), contribution, and its standard error.

    In time that is short texts are cut into runs of words, and then rows are left out, of which a TimeUpWarning tells. Raises
    DataError when a column the model looks at is not there.
    """
    check_columns(ensemble.featurizer.raw_columns, table)
    shown = dataset.table.filter(features.truth.split.is_shown)
    background = background_of(ensemble, shown)
    found = word_contributions(PacedModel(ensemble), table, background, seconds, LEAST_EXPLAINED)
    tell_of_rest(found.n_rows, table.height, "rows", seconds)
    return found.table


def background_of(ensemble: Ensemble, shown: pl.DataFrame) -> pl.DataFrame:
    """Rows whose other columns stand in for absent ones."""
    return shown.head(MOST_PASSES) if ensemble.background is None else ensemble.background


def shortened(ensemble: Ensemble, table: pl.DataFrame) -> pl.DataFrame:
    """The raw columns, with the beginning of each text: what is cut out of endless texts would take all the time."""
    texts = [pl.col(name).cast(pl.String).str.slice(0, MOST_LETTERS) for name in ensemble.featurizer.texts]
    return table.select(ensemble.featurizer.raw_columns).with_columns(texts)


def _base(found: pl.DataFrame, problem: Problem) -> tuple[float, ...]:
    """The mean of the rows', which differ where texts hold signs that are no words."""
    means = dict(found.group_by("output").agg(pl.col("base").mean()).iter_rows())
    return tuple(means.get(output, 0.0) for output in output_names(problem))


# Columns


def _importances(
    model: PacedModel, sampled: Sample, random: np.random.Generator, deadline: float
) -> tuple[Importance, ...]:
    """How much the metric suffers when a raw column is shuffled; every one once, whatever the time, on as many rows as can
    be answered for all of them."""
    names = sampled.table.columns
    judged = sampled.head(max(FIRST_ROWS, model.rows_until(deadline) // len(names)))
    best = _goodness(judged.answers, judged.truth, model.problem)
    losses: dict[str, list[float]] = {}
    for shuffle, name in enumerate(names * N_REPEATS if best is not None else []):
        if shuffle >= len(names) and model.rows_until(deadline) < len(judged.rows):
            break
        other = judged.table[name][random.permutation(len(judged.rows))]
        answers = model.answers(judged.table.with_columns(other.alias(name)))
        found = _goodness(answers, judged.truth, model.problem)
        losses.setdefault(name, []).append((best or 0.0) - (found or 0.0))
    every = [
        Importance(name, float(np.mean(lost)), float(np.std(lost, ddof=1)) if len(lost) > 1 else float("nan"))
        for name, lost in losses.items()
    ]
    return tuple(sorted(every, key=lambda one: -one.mean))


def _goodness(answers: np.ndarray, truth: np.ndarray, problem: Problem) -> float | None:
    """The metric, greater is better; None where these rows give it no value."""
    scores = metrics.scores_of([problem.metric], truth, answers, None, problem)
    return metrics.oriented(problem.metric, scores[problem.metric]) if problem.metric in scores else None


# Terms


@dataclass(frozen=True)
class _Occurrences:
    """In which rows each word stands, however it is capitalised."""

    rows: dict[str, np.ndarray]

    @classmethod
    def of(cls, table: pl.DataFrame, texts: tuple[str, ...]) -> "_Occurrences":
        words = [
            pl.DataFrame({"row": np.arange(table.height), "word": _words(table[name])}).explode("word")
            for name in texts
        ]
        every = pl.concat(words).drop_nulls().unique(maintain_order=True)
        held = every.group_by("word", maintain_order=True).agg("row", pl.len().alias("n"))
        often = held.filter(pl.col("n") >= min(FEWEST_ROWS, table.height)).sort(["n", "word"], descending=[True, False])
        return cls({word: np.array(sorted(rows)) for word, rows, _ in often.head(MOST_TERMS).iter_rows()})

    def by_promise(self, scores: np.ndarray) -> list[str]:
        """The words whose rows are answered most unlike all others, for how many they are, first."""
        centre, spread = scores.mean(axis=0), scores.std(axis=0) + 1e-9
        apart = {
            word: float((np.abs(scores[rows].mean(axis=0) - centre) / spread).max() * np.sqrt(len(rows)))
            for word, rows in self.rows.items()
            if len(rows) < len(scores) or len(scores) <= FEWEST_ROWS
        }
        return sorted(apart, key=lambda word: (-apart[word], word))


def _words(column: pl.Series) -> pl.Series:
    return column.fill_null("").str.extract_all(WORD).list.head(MOST_WORDS).list.eval(pl.element().str.to_lowercase())


def term_pushes(model: PacedModel, table: pl.DataFrame, answers: np.ndarray, deadline: float) -> pl.DataFrame:
    """The words that change the log-odds of each class most where they are cut out, as in TERMS: above zero what speaks for
    the class. The mean is over the texts that hold the word, or where time is short over some of these. `answers` are those
    of the rows as they are."""
    scores = log_odds(answers, model.problem)
    held = _Occurrences.of(table, model.texts)
    outputs = output_names(model.problem)
    lines: list[tuple[str, str, int, float]] = []
    most = max(FEWEST_ROWS, model.rows_until(deadline) // WANTED_TERMS)  # rows of a word
    words = held.by_promise(scores)
    while words and (not lines or model.rows_until(deadline) >= FIRST_ROWS):
        asked = _affordable(words, held, most, model.rows_until(deadline))
        for word, push in zip(asked, _pushes(model, table, asked, scores), strict=True):
            lines += [
                (output, word, len(held.rows[word]), float(value)) for output, value in zip(outputs, push, strict=True)
            ]
        words = words[len(asked) :]
    return _strongest(pl.DataFrame(lines, schema=TERMS, orient="row"), outputs)


def _strongest(found: pl.DataFrame, outputs: tuple[str, ...]) -> pl.DataFrame:
    """Of each class the terms that push most, in the order of classes."""
    strongest = (
        found.sort(pl.col("push").abs(), descending=True).group_by("output", maintain_order=True).head(KEPT_TERMS)
    )
    order = {output: place for place, output in enumerate(outputs)}
    return strongest.sort(
        [pl.col("output").replace_strict(order, return_dtype=pl.Int64), -pl.col("push").abs(), pl.col("term")]
    ).select(*TERMS)


def _affordable(words: list[str], held: _Occurrences, most: int, n_rows: int) -> dict[str, np.ndarray]:
    """The next words that are cut out together, with the rows that they are cut out of: about as many as can be asked
    about."""
    asked: dict[str, np.ndarray] = {}
    for word in words[:TERMS_AT_ONCE]:
        asked[word] = held.rows[word][:most]
        n_rows -= len(asked[word])
        if n_rows <= 0 and sum(map(len, asked.values())) >= FIRST_ROWS:
            break
    return asked


def _pushes(
    model: PacedModel, table: pl.DataFrame, asked: dict[str, np.ndarray], scores: np.ndarray
) -> list[np.ndarray]:
    """Log-odds that are lost without each word, [n_outputs] each, asked for together."""
    parts = [_without(table[rows], word, model.texts) for word, rows in asked.items()]
    ends = np.cumsum([part.height for part in parts])
    without = np.split(log_odds(model.answers(pl.concat(parts)), model.problem), ends[:-1])
    return [(scores[rows] - part).mean(axis=0) for rows, part in zip(asked.values(), without, strict=True)]


def _without(table: pl.DataFrame, word: str, texts: tuple[str, ...]) -> pl.DataFrame:
    """The texts without the word, which has to stand alone as it does where words are found."""
    return table.with_columns(
        pl.Series(name, [_cut_out(text or "", word) for text in table[name].to_list()], pl.String) for name in texts
    )


def _cut_out(text: str, word: str) -> str:
    pieces = cut(text, most=MOST_WORDS)
    kept, end = [], 0
    for name, start, stop in zip(pieces.names, pieces.starts, pieces.stops, strict=True):
        if name.lower() == word:
            kept.append(text[end:start])
            end = stop
    return "".join([*kept, text[end:]])


# Single texts


def _text_pictures(found: pl.DataFrame, drawn: Sample, problem: Problem) -> list[Picture]:
    """The texts with their words coloured by what they say about the class that was answered."""
    pictures = []
    for place, probabilities in enumerate(drawn.answers):
        codes = output_codes(problem)
        code = codes[0] if len(codes) == 1 else int(probabilities.argmax())
        label = str(problem.classes[code])
        own = found.filter((pl.col("row") == place) & (pl.col("output") == label) & pl.col("start").is_not_null())
        title = f"Row {drawn.rows[place]}: {label} with probability {probabilities[code]:.2f}"
        if own.height:
            words = list(own.select("value", "contribution").iter_rows())
            pictures.append(text_picture(f"text_{place + 1}", title, words))
    return pictures
