"""explain: which words speak for each kind of entity, over many texts, and for single entities. Words around an entity are cut
out, its own are written over, and it is watched how probable its label stays, so that every ensemble can be asked."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from automl_assets.entities.features.tokens import token_places
from automl_assets.entities.records import TokenInputs
from automl_assets.entities.steps.featurize import texts_of, tokenized
from automl_assets.entities.steps.predict import answer_inputs
from automl_assets.execution.time_shares import TimeShares
from automl_assets.explanation.pace import LEAST_EXPLAINED, Pace, tell_of_rest
from automl_assets.explanation.shapley import Feeds, Shapley, shapley
from automl_assets.model_records import Contributions, Explanation, Picture
from automl_assets.pictures.words import terms_picture, text_picture
from automl_assets.records import Dataset, Ensemble, Features, Problem
from automl_assets.steps.combine import PROBABILITY_FLOOR, check_columns
from automl_assets.steps.resample import permuted
from automl_assets.tagging import decoded_tags, entities, labels_of

MOST_TOKENS = 20_000  # that are looked at
FIRST_TEXTS = 4  # that are always answered
CONTEXT = 40  # tokens on either side of an entity that the model reads
WINDOW = 5  # of these are cut out
EXPLAINED, DRAWN = 12, 3  # entities
MOST_PASSES = 16
FEWEST_ENTITIES = 3  # that a word stands by
KEPT_TERMS = 20  # of each label
AT_ONCE = 20  # entities that are asked about together
ENDS = {"answers": 0.15, "terms": 0.6, "contributions": 1.0}  # of the time, by when
TERMS = {"output": pl.String, "term": pl.String, "n_rows": pl.Int64, "push": pl.Float64}
DEPENDENCE = {"column": pl.String, "value": pl.String, "output": pl.String, "mean": pl.Float64}
SCHEMA = {
    **{"row": pl.Int64, "entity": pl.String, "output": pl.String, "base": pl.Float64, "column": pl.String},
    **{
        "value": pl.String,
        "start": pl.Int64,
        "stop": pl.Int64,
        "contribution": pl.Float64,
        "standard_error": pl.Float64,
    },
}


@dataclass(frozen=True)
class Answered:
    """An entity that is answered, with what stands around it."""

    tokens: TokenInputs  # of its text, CONTEXT on either side
    first: int  # token here
    last: int
    label: int
    log_odds: float  # of its label, as the text is
    n_before: int  # tokens of its text that are left out in front

    @property
    def is_own(self) -> np.ndarray:
        """Which tokens it is made of, bool [n_tokens]."""
        place = np.arange(len(self.tokens))
        return (place >= self.first) & (place <= self.last)

    @property
    def asked(self) -> np.ndarray:
        """The tokens whose say is asked for: its own, and WINDOW on either side."""
        return np.arange(max(0, self.first - WINDOW), min(len(self.tokens), self.last + WINDOW + 1))

    @property
    def row(self) -> int:
        """The number of its text."""
        return int(self.tokens.text[0])

    @property
    def words(self) -> list[str]:
        """Those whose say is asked for."""
        return [str(one) for one in self.tokens.tokens[self.asked]]

    @property
    def terms(self) -> list[str]:
        """The same in small letters, with dots where the entity is: `mr …`, `oslo`, `… said`."""
        sides = np.sign(self.asked - self.first) + np.sign(self.asked - self.last)
        dots = {-2: ("", " …"), 2: ("… ", "")}
        ends = [dots.get(int(side), ("", "")) for side in sides]
        return [f"{left}{word.lower()}{right}" for word, (left, right) in zip(self.words, ends, strict=True)]

    @property
    def name(self) -> str:
        return " ".join(map(str, self.tokens.tokens[self.first : self.last + 1]))

    def without(self, is_absent: np.ndarray) -> tuple[TokenInputs, np.ndarray]:
        """The text without some tokens, bool [n_tokens], and where its entity is in it, bool [n_left]."""
        kept = np.flatnonzero(~is_absent | self.is_own)
        tokens = self.tokens[kept]
        written = [_covered(t) if is_absent[k] else t for k, t in zip(kept.tolist(), tokens.tokens, strict=True)]
        return replace(tokens, tokens=_objects(written)), self.is_own[kept]


def _objects(words: Sequence[str]) -> np.ndarray:
    found = np.empty(len(words), object)
    found[:] = words
    return found


def _covered(word: str) -> str:
    """A word that says nothing but how it is written.

    >>> _covered("Oslo-2")
    'Xxxx-0'
    """
    return "".join(
        "0" if letter.isdigit() else "X" if letter.isupper() else "x" if letter.isalpha() else letter for letter in word
    )


class EntityModel(Pace):
    """An ensemble that is asked about tokens within a time; what it loads for the first ones is not counted."""

    def __init__(self, ensemble: Ensemble):
        super().__init__(MOST_TOKENS)
        self.ensemble, self._is_warm = ensemble, False

    @property
    def problem(self) -> Problem:
        return self.ensemble.problem

    def answers(self, inputs: TokenInputs) -> np.ndarray:
        """Probabilities of tags, [n_tokens, n_tags]."""
        if not self._is_warm and len(inputs):
            answer_inputs(self.ensemble, inputs.take(np.arange(1)))
            self._is_warm = True
        return self.timed(len(inputs), lambda: answer_inputs(self.ensemble, inputs))

    def log_odds(self, variants: Sequence[tuple[TokenInputs, np.ndarray]], labels: Sequence[int]) -> np.ndarray:
        """Of the label of each variant's entity, the mean over its tokens, float64 [n_variants]."""
        lengths = [len(tokens) for tokens, _ in variants]
        first = variants[0][0]
        together = replace(
            first,
            tokens=np.concatenate([tokens.tokens for tokens, _ in variants]),
            text=np.repeat(np.arange(len(variants)), lengths),
        )
        parts = np.split(self.answers(together), np.cumsum(lengths)[:-1])
        return np.array([_log_odds(p[own], label) for p, (_, own), label in zip(parts, variants, labels, strict=True)])

    def entities(self, inputs: TokenInputs, probabilities: np.ndarray) -> list[Answered]:
        """Those that it answers, in order."""
        found, texts = entities(decoded_tags(probabilities, self.problem.threshold)), inputs.texts
        starts = np.repeat(texts.starts, texts.lengths)
        ends = starts + np.repeat(texts.lengths, texts.lengths)
        some = zip(found.start.tolist(), found.end.tolist(), found.label.tolist(), strict=True)
        answered = []
        for start, end, label in some:
            first, last = max(int(starts[start]), start - CONTEXT), min(int(ends[start]), end + CONTEXT + 1)
            odds = _log_odds(probabilities[start : end + 1], label)
            tokens, n_before = inputs[np.arange(first, last)], first - int(starts[start])
            answered.append(Answered(tokens, start - first, end - first, label, odds, n_before))
        return answered


def _log_odds(probabilities: np.ndarray, label: int) -> float:
    own = np.clip(probabilities[:, [1 + 2 * label, 2 + 2 * label]].sum(axis=1), PROBABILITY_FLOOR, 1.0)
    return float(np.log(own / np.clip(1.0 - own, PROBABILITY_FLOOR, 1.0)).mean())


def explain(ensemble: Ensemble, dataset: Dataset, features: Features, seed: int, seconds: float) -> Explanation:
    """On texts that nobody has learnt from, where there are any. In no time four texts are answered, words are cut out around
    their first entities, and one entity is looked at by itself."""
    problem, random, pace = ensemble.problem, np.random.default_rng(seed), TimeShares(seconds, ENDS)
    model = EntityModel(ensemble)
    shown = np.flatnonzero(features.truth.split.is_shown)
    rows = permuted(features.inputs.text, shown, random)[:MOST_TOKENS]
    answered, _ = _answered(model, features.inputs[rows], pace.end_of("answers"))
    terms = term_pushes(model, answered, pace.end_of("terms"))
    chosen = _of_all_labels(answered)[:EXPLAINED]
    found, _, n_passes = entity_contributions(model, chosen, pace.seconds_for("contributions"), least=1)
    pictures: list[Picture] = [terms_picture(terms)] if terms.height else []
    pictures += [_picture(one, found, problem) for one in chosen[: min(DRAWN, found["row"].n_unique())]]
    base = dict(found.group_by("output").agg(pl.col("base").mean()).iter_rows())
    labels = labels_of(problem.classes)
    columns = ("row", "output", "column", "value", "contribution", "standard_error")
    contributions = Contributions(
        labels, tuple(base.get(label, 0.0) for label in labels), found.select(columns), n_passes, MOST_PASSES
    )
    no_curves = pl.DataFrame(schema=DEPENDENCE)
    return Explanation(problem.metric, (), (), contributions, no_curves, tuple(pictures), terms)


def explain_rows(
    ensemble: Ensemble, dataset: Dataset, features: Features, table: pl.DataFrame, seconds: float
) -> pl.DataFrame:
    """What each word around and in an entity says for its label, for each entity that is answered, as in SCHEMA: start and
    stop are places of the word in its text, in characters.

    Where the time is up entities are left out, of which a TimeUpWarning tells. Raises DataError when the column of texts is not
    there.
    """
    recipe, started = ensemble.featurizer, time.monotonic()
    check_columns(recipe.raw_columns, table)
    model, inputs = EntityModel(ensemble), tokenized(recipe, table)
    answered, n_texts = _answered(model, inputs, started + ENDS["answers"] * seconds)
    tell_of_rest(n_texts, len(inputs.texts.starts), "texts", seconds)
    left = started + seconds - time.monotonic()
    found, n_explained, _ = entity_contributions(model, answered, left, LEAST_EXPLAINED)
    tell_of_rest(n_explained, len(answered), "entities", seconds)
    places = [token_places(text, recipe.is_parted_by_blanks) for text in texts_of(recipe, table)]
    ends = [places[row][number] for row, number in found.select("row", "start").iter_rows()]
    return found.with_columns(
        pl.Series("start", [start for start, _ in ends], pl.Int64),
        pl.Series("stop", [stop for _, stop in ends], pl.Int64),
    )


def _answered(model: EntityModel, inputs: TokenInputs, deadline: float) -> tuple[list[Answered], int]:
    """The entities of as many texts as are answered in time, and how many these are."""
    found: list[Answered] = []
    starts = [*inputs.texts.starts.tolist(), len(inputs)]
    first, size = 0, FIRST_TEXTS
    while first < len(starts) - 1:
        last = min(len(starts) - 1, first + size)
        if first and model.rows_until(deadline) < starts[last] - starts[first]:
            break
        part = inputs[np.arange(starts[first], starts[last])]
        found += model.entities(part, model.answers(part))
        first, size = last, 2 * size
    return found, first


def _of_all_labels(answered: list[Answered]) -> list[Answered]:
    """One of each text; the first of each label, then the second ones, and so on."""
    once = {one.row: one for one in reversed(answered)}
    counts, ranks = Counter[int](), []
    for one in once.values():
        ranks.append(counts[one.label])
        counts[one.label] += 1
    return [one for _, one in sorted(zip(ranks, once.values(), strict=True), key=lambda pair: pair[0])]


# Words by themselves


def term_pushes(model: EntityModel, answered: list[Answered], deadline: float) -> pl.DataFrame:
    """The words that change the log-odds of a label most where they are cut out, or written over, one at a time: as in TERMS,
    the mean over the entities that they stand in or by."""
    pushes: dict[tuple[int, str], list[float]] = {}
    place = 0
    while place < len(answered) and (place == 0 or model.rows_until(deadline) >= _n_tokens(answered[place])):
        together = _affordable(answered[place : place + AT_ONCE], model.rows_until(deadline))
        for one, lost in zip(together, _lost(model, together), strict=True):
            for term, push in zip(one.terms, lost, strict=True):
                pushes.setdefault((one.label, term), []).append(float(push))
        place += len(together)
    return _strongest(pushes, labels_of(model.problem.classes))


def _n_tokens(one: Answered) -> int:
    """That are asked about where each word is cut out once."""
    return len(one.asked) * len(one.tokens)


def _affordable(some: list[Answered], n_tokens: int) -> list[Answered]:
    ends = np.cumsum([_n_tokens(one) for one in some])
    return some[: max(1, int((ends <= n_tokens).sum()))]


def _lost(model: EntityModel, together: list[Answered]) -> list[np.ndarray]:
    """Of each entity the log-odds that it loses without each of its words, float64 [n_words]."""
    variants, labels = [], []
    for one in together:
        variants += [one.without(np.arange(len(one.tokens)) == token) for token in one.asked]
        labels += [one.label] * len(one.asked)
    parts = np.split(model.log_odds(variants, labels), np.cumsum([len(one.asked) for one in together])[:-1])
    return [one.log_odds - part for one, part in zip(together, parts, strict=True)]


def _strongest(pushes: dict[tuple[int, str], list[float]], labels: tuple[str, ...]) -> pl.DataFrame:
    least = min(FEWEST_ENTITIES, max((len(every) for every in pushes.values()), default=1))
    lines = [
        (labels[label], term, len(every), float(np.mean(every)))
        for (label, term), every in sorted(pushes.items())
        if len(every) >= least
    ]
    found = pl.DataFrame(lines, schema=TERMS, orient="row").sort(
        pl.col("push").abs(), descending=True, maintain_order=True
    )
    return found.group_by("output", maintain_order=True).head(KEPT_TERMS).sort("output", maintain_order=True)


# Single entities


def entity_contributions(
    model: EntityModel, answered: list[Answered], seconds: float, least: int
) -> tuple[pl.DataFrame, int, int]:
    """A line per entity and word, as in SCHEMA, where start is the number of the word in its text; how many entities there was
    time for, and the passes that every one had at least. When the time is up none is begun but the first `least`."""
    started, n_passes, n_explained = time.monotonic(), MOST_PASSES, 0
    lines: list[tuple] = []
    labels = labels_of(model.problem.classes)
    for place, one in enumerate(answered):
        if place >= least and time.monotonic() > started + seconds:
            break
        n_explained = place + 1
        found = _explained(model, one, started + seconds * (place + 1) / len(answered))
        n_passes = min(n_passes, found.n_passes)
        told = (one.row, one.name, labels[one.label], float(found.base[0]), model.ensemble.featurizer.column)
        mean, errors = found.contributions[0, :, 0].tolist(), found.errors[0, :, 0].tolist()
        numbers = (one.asked + one.n_before).tolist()
        words = zip(one.words, numbers, mean, errors, strict=True)
        lines += [(*told, word, number, number + 1, says, doubt) for word, number, says, doubt in words]
    return pl.DataFrame(lines, schema=SCHEMA, orient="row"), n_explained, n_passes


def _explained(model: EntityModel, one: Answered, deadline: float) -> Shapley:
    """Words come and go in many orders; without all of them what is left is the base."""
    players = [(str(token),) for token in one.asked]

    def scores(feeds: Feeds) -> np.ndarray:
        is_there = np.column_stack([feeds[name][:, 0] for (name,) in players])
        distinct, place = np.unique(is_there, axis=0, return_inverse=True)
        return model.log_odds(_variants(one, distinct), [one.label] * len(distinct))[place.reshape(-1), None]

    rows = {name: np.ones((1, 1), bool) for (name,) in players}
    nothing = {name: np.zeros((MOST_PASSES, 1), bool) for (name,) in players}
    begun_by = deadline - model.seconds_for(2 * _n_tokens(one))  # a further pass
    return shapley(scores, rows, nothing, players, np.random.default_rng(0), begun_by)


def _variants(one: Answered, is_there: np.ndarray) -> list[tuple[TokenInputs, np.ndarray]]:
    """The text as it is with each choice of words, bool [n_variants, n_asked]."""
    found = []
    for there in is_there:
        is_absent = np.zeros(len(one.tokens), bool)
        is_absent[one.asked] = ~there
        found.append(one.without(is_absent))
    return found


def _picture(one: Answered, found: pl.DataFrame, problem: Problem) -> Picture:
    """The text around an entity with its words coloured by what they say for its label."""
    says = dict(found.filter(pl.col("row") == one.row).select("start", "contribution").iter_rows())
    words = [(str(word), says.get(one.n_before + i, 0.0)) for i, word in enumerate(one.tokens.tokens)]
    probability = 1.0 / (1.0 + np.exp(-one.log_odds))
    label = labels_of(problem.classes)[one.label]
    return text_picture(
        f"text_{one.row}", f"Row {one.row}: {one.name}, {label} with probability {probability:.2f}", words
    )
