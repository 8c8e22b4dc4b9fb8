"""Every guardrail on texts tells each of its states."""

import numpy as np
import polars as pl
import pytest

from automl_assets.records import SOURCE, TEST_FILE
from automl_assets.text.steps import text_guardrails as found

TEXTS = pl.Series(
    [f"Report number {i} speaks of the weather over the {word} today." for i, word in enumerate("abcdefgh")]
)
LONG = "The committee met on Monday to talk about the new bridge over the river and what it would cost the town."


def test_few_rows_are_told() -> None:
    assert found.enough_rows(50).status == "passed"
    assert found.enough_rows(49).status == "alerted"


def test_empty_texts_are_counted() -> None:
    assert found.empty_texts(TEXTS).status == "passed"
    assert found.empty_texts(pl.Series(["a", "b"] * 20 + [" "])).figures == {"rows": 1}
    assert found.empty_texts(pl.Series(["", "a"])).status == "alerted"


def test_long_texts_are_told_with_what_models_read() -> None:
    assert found.text_lengths(TEXTS).status == "passed"
    told = found.text_lengths(pl.Series(["word " * 200, "word " * 500, "x" * 30_000, "a"]))
    assert told.figures == {"median_words": 100.5, "over_128_tokens": 0.5, "over_512_tokens": 0.25, "cut": 1}
    assert told.status == "done"


@pytest.mark.parametrize("damaged", ["caf\u00c3\u00a9", "a\ufffdb", "a\0b", "itâ€™s", "Ð¿ÑÐ¸"])
def test_damage_is_seen(damaged) -> None:
    assert found.encoding_damage(pl.Series([damaged, "fine"])).status == "alerted"


def test_what_only_looks_strange_is_no_damage() -> None:
    fine = ["café £5", "São Paulo", "ÂNGELA É MÃE", "привет", "مرحبا", "😂", "東京"]
    assert found.encoding_damage(pl.Series(fine)).status == "passed"


def test_a_near_duplicate_across_files_is_worst() -> None:
    copied = pl.concat([TEXTS, pl.Series([LONG, LONG.upper() + "!"])])
    part = np.full(10, SOURCE, np.int8)
    assert found.near_duplicates(TEXTS, part[:8]).status == "passed"
    within = found.near_duplicates(copied, part)
    assert within.status == "alerted" and within.figures == {"rows": 1, "across_files": 0}
    part[9] = TEST_FILE
    across = found.near_duplicates(copied, part)
    assert across.status == "alerted" and across.figures == {"rows": 0, "across_files": 1}
    assert "row 9" in across.message and "row 8" in across.message


def test_near_duplicates_may_differ_in_a_word_and_others_in_many() -> None:
    texts = pl.Series([LONG, LONG.replace("cost", "bring"), LONG[: len(LONG) // 2], "", "", "bridge"])
    assert found.first_alike(texts).tolist() == [0, 0, 2, 3, 4, 5]


def test_languages_are_counted() -> None:
    pytest.importorskip("py3langid")
    texts = pl.Series(["Das Wetter ist heute sehr schön und warm.", "The weather is very nice and warm today.", "123"])
    assert found.language_counts(texts) == {"de": 1, "en": 1}
