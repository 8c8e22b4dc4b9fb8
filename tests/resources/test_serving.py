"""The file that MLflow copies beside a model: pandas columns of any type, as the ONNX graph takes them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from automl_assets.featurizer import encode, fit_featurizer
from automl_assets.featurizer_graph import FLOAT, add_codes
from automl_assets.onnx_graph import Graph
from automl_assets.resources.serving import _feed
from automl_assets.steps.export import open_session

AS_SERVED = {
    "whole": pd.Series([7, 8]),
    "with a gap": pd.Series([7, 8, None]),
    "nullable": pd.Series([7, 8, None], dtype="Int64"),
    "texts": pd.Series(["7", "8"]),
    "mixed": pd.Series([7.0, "8", "red"], dtype=object),
    "categories": pd.Series([7, 8]).astype("category"),
}


@pytest.mark.parametrize("column", AS_SERVED.values(), ids=AS_SERVED)
def test_a_whole_number_names_its_category_in_any_column(column: pd.Series) -> None:
    featurizer = fit_featurizer(pl.DataFrame({"c": [7, 8, 8]}), {"c": "categorical"})
    graph = Graph()
    graph.output("codes", add_codes(graph, featurizer), FLOAT, [None, None])
    session = open_session(graph.build().SerializeToString())
    (codes,) = session.run(None, {"c": _feed(column, session.get_inputs()[0].type)})
    assert codes[:2, 0].tolist() == [1.0, 0.0]
    assert np.isnan(codes[2:]).all()
    told = column.astype(object).where(column.notna(), None).to_list()
    np.testing.assert_array_equal(codes, encode(featurizer, pl.DataFrame({"c": told}, strict=False)))
