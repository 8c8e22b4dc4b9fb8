"""Values are written as they are, whatever stands in them."""

import ast

from hypothesis import given
from hypothesis import strategies as st

from automl_assets.training_code.source_bundle import Bundle

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
HYPHENS = st.lists(
    st.sampled_from(["Married-civ-spouse", "Never-married", "11th", "a\tb", "it's", 'say "x"']), min_size=9
)


@given(st.lists(PLAIN, min_size=20).map(tuple) | HYPHENS.map(tuple) | st.dictionaries(st.text(), PLAIN))
def test_a_value_is_what_was_written(value) -> None:
    assert ast.literal_eval(Bundle().value(value)) == value
