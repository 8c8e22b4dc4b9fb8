"""Names from data: safe everywhere, different for different values, plain ones left alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_assets.forecasting.partition_keys import shard_of, slug, slugs

SAFE = re.compile(r"[A-Za-z0-9_.=-]{1,100}")
values = st.lists(st.text(max_size=120), min_size=1, max_size=3).map(tuple)
near = st.lists(st.text("aAbB./=-1\x1f", max_size=4), min_size=1, max_size=3).map(tuple)  # likely to collide


@given(values | near)
def test_a_name_is_safe(group: tuple[str, ...]) -> None:
    name = slug(group)
    assert SAFE.fullmatch(name)
    assert name.strip(".") == name
    assert SAFE.fullmatch(slug(group, is_marked=True))


@given(st.lists(values | near, unique=True, max_size=30))
def test_names_differ_even_without_case(groups: list[tuple[str, ...]]) -> None:
    found = slugs(groups)
    assert sorted(found.values()) == sorted(groups)
    assert len({name.lower() for name in found}) == len(groups)
    assert list(found) == sorted(found)


@given(st.lists(near, unique=True, min_size=2, max_size=30))
def test_a_name_hardly_hangs_on_others(groups: list[tuple[str, ...]]) -> None:
    alone = {slug(group) for group in groups}
    assert len(alone) == len(groups)


@pytest.mark.parametrize("text", ["MT_023", "2024-01-01", "1.5", "a=b-c_d"[:1], "x" * 100])
def test_a_plain_name_stays(text: str) -> None:
    assert slug([text]) == text


@pytest.mark.parametrize("text", ["../x", "a/b", "..", ".", "", "🎈", "con", "LPT1.txt", "x" * 101, "a b", "a=b", "é"])
def test_another_name_is_marked(text: str) -> None:
    assert re.search(r"(^|\.)[0-9a-f]{10}$", slug([text]))


def test_a_name_that_looks_marked_is_marked() -> None:
    assert slug([slug(["a/b"])]) != slug(["a/b"])


def test_a_shard_is_stable_and_full() -> None:
    counts = [0] * 100
    for number in range(10_000):
        counts[int(shard_of([f"s{number}"], 100).removeprefix("shard_"))] += 1
    assert min(counts) > 50 and max(counts) < 160
    assert shard_of(["a", "b"], 100) != shard_of(["ab"], 100)
