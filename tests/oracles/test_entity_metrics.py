"""Entities and their rates against seqeval."""

import numpy as np
import pytest

from automl_assets.metrics import METRICS
from automl_assets.records import Problem
from automl_assets.tagging import entities, tags_of

seqeval = pytest.importorskip("seqeval.metrics")
sequence_labeling = pytest.importorskip("seqeval.metrics.sequence_labeling")
scheme = pytest.importorskip("seqeval.scheme")

TAGS = tags_of(["place", "person", "thing"])
PROBLEM = Problem("text_ner", "entity_f1_micro", TAGS)


def _texts(seed: int, is_valid: bool) -> tuple[np.ndarray, np.ndarray]:
    """Codes of tags, and where texts begin; any that follow each other, or those that mean entities."""
    random = np.random.default_rng(seed)
    codes = random.choice(7, 400, p=[0.4, *[0.1] * 6])
    is_first = random.random(400) < 0.1
    is_first[0] = True
    if is_valid:
        for i, code in enumerate(codes):
            follows = not is_first[i] and (codes[i - 1] + 1) // 2 == code // 2
            codes[i] = code - 1 if code > 0 and code % 2 == 0 and not follows else code
    return codes, is_first


def _lists(codes: np.ndarray, is_first: np.ndarray) -> list[list[str]]:
    parts = np.split(np.array(TAGS, object)[codes], np.flatnonzero(is_first)[1:])
    return [part.tolist() for part in parts]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("is_strict", [False, True])
def test_any_tags_mean_the_entities_that_seqeval_reads(seed: int, is_strict: bool) -> None:
    codes, is_first = _texts(seed, is_valid=False)
    found, begin, expected = entities(codes, is_first, is_strict), 0, []
    for text in _lists(codes, is_first):
        if is_strict:
            spans = [(one.tag, one.start, one.end - 1) for one in scheme.Tokens(text, scheme.IOB2).entities]
        else:
            spans = sequence_labeling.get_entities(text)
        expected += [(begin + start, begin + end, name) for name, start, end in spans]
        begin += len(text)
    names = [("person", "place", "thing")[label] for label in found.label]
    assert list(zip(found.start.tolist(), found.end.tolist(), names, strict=True)) == sorted(expected)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("average", ["micro", "macro", "weighted"])
@pytest.mark.parametrize("rate", ["precision", "recall", "f1"])
def test_rates_are_those_of_seqeval(seed: int, average: str, rate: str) -> None:
    truth, is_first = _texts(seed, is_valid=True)
    others, _ = _texts(seed + 100, is_valid=True)
    found = np.where(np.arange(400) < 200, truth, 0)
    found[300:] = np.where(is_first[300:], 0, others[300:])
    found = np.where(
        (found % 2 == 0) & (found > 0) & (np.append(0, found[:-1] + 1) // 2 != found // 2), found - 1, found
    )
    prediction = np.eye(7)[found]
    expected = getattr(seqeval, f"{rate}_score")(
        _lists(truth, is_first), _lists(found, is_first), average=average, zero_division=0
    )
    assert METRICS[f"entity_{rate}_{average}"].function(truth, prediction, None, PROBLEM) == pytest.approx(expected)
