"""Sets of labels as people write them, and what is refused because it can be read in several ways."""

import numpy as np
import polars as pl
import pytest

from automl_assets.data.label_sets import encode_label_sets, label_set_problem, label_sets, label_sets_like
from automl_assets.data.schema import learn_schema
from automl_assets.errors import DataError


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["cs.LG, cs.AI", "cs.LG,cs.LG", "a b-c_d"], [("cs.LG", "cs.AI"), ("cs.LG",), ("a b-c_d",)]),
        (["x;y", "z", "[]"], [("x", "y"), ("z",), ()]),
        (["x | y", None, ""], [("x", "y"), None, None]),
        (["['a', 'b']", "[]", '["it\'s"]', None], [("a", "b"), (), ("it's",), None]),
        (['["é", "ü"]', "['é']"], [("é", "ü"), ("é",)]),
        (["[1, 2]", "[2]"], [("1", "2"), ("2",)]),
        (["1, 2", "3,"], [("1", "2"), ("3",)]),
        ([["a", "b"], [], None], [("a", "b"), (), None]),
        ([7, 8, None], [("7",), ("8",), None]),
    ],
)
def test_it_reads_what_real_files_hold(cells: list, expected: list) -> None:
    assert label_sets(pl.Series("topics", cells, strict=False)) == expected


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a", "['b']"], r'target "topics", row 1: \'a\' is no list, while other rows are lists'),
        (["['a' 'b']"], "row 1: .* has no comma between two labels"),
        (["['a'", "['b']"], "row 1: .* begins like a list and is none"),
        (["a, b", "c; d"], r"row 2: 'c; d' holds ';', while 'a, b' holds ','"),
        (["['a']", "[1]"], r"row 2: '\[1\]' holds numbers, while"),
        (["['a', None]"], "row 1: .* holds None, which is no label"),
        (["[['a']]"], r"row 1: .* holds \['a'\], which is no label"),
        (["[true]"], "holds True, which is no label"),
        (["a", " , "], "row 2: ',' holds no label. Write an empty set as"),
    ],
)
def test_what_is_ambiguous_is_refused_with_its_row(cells: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        label_sets(pl.Series("topics", cells))


def test_lists_of_parquet_come_through_the_schema() -> None:
    rows = pl.DataFrame({"topics": [["x", "y"], [], None]})
    read = learn_schema(rows).read(rows).table
    assert label_sets(read["topics"]) == [("x", "y"), (), None]


def test_unknown_labels_are_left_out_of_a_row_that_has_known_ones() -> None:
    problem = label_set_problem("any")(pl.Series("y", ["['a', 'b']", "['b']"]), "accuracy", None)
    assert problem.classes == ("a", "b") and problem.is_multilabel and problem.answers == "label_sets"
    y = encode_label_sets(pl.Series("y", ["['b', 'new']", "['new']", "[]", None]), problem)
    assert y.dtype == np.int8
    assert y.tolist() == [[0, 1], [-1, -1], [0, 0], [-1, -1]]


def test_one_label_is_no_question() -> None:
    with pytest.raises(DataError, match=r"take 2 to 2,000 labels; got 1 \(a\)"):
        label_set_problem("any")(pl.Series("y", ["a", "a"]), "accuracy", None)
    with pytest.raises(DataError, match="sets of labels have none; remove it"):
        label_set_problem("any")(pl.Series("y", ["a", "b"]), "accuracy", "a")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (["['a']", "[]"], ['["a", "b"]', "[]", None]),
        (["a; c", "b"], ["a; b", "[]", None]),
        (["a", "b"], ["a, b", "[]", None]),
        ([["a"], []], [["a", "b"], [], None]),
    ],
)
def test_labels_that_come_back_are_written_as_the_source_does(known: list, expected: list) -> None:
    given = pl.Series("y", ["a, b", "[]", None])
    assert label_sets_like(given.to_frame(), pl.DataFrame({"y": known}), "y")["y"].to_list() == expected


def test_a_label_that_would_fall_apart_is_refused() -> None:
    with pytest.raises(DataError, match="'a, b' cannot be a label where ',' stands between labels"):
        label_sets_like(pl.DataFrame({"y": ['["a, b"]']}), pl.DataFrame({"y": ["a, c"]}), "y")
