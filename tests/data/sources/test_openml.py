"""OpenML behind scikit-learn's own function; and what is said when the network is away."""

from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import sklearn.datasets
from sklearn.utils import Bunch

from automl_assets.data.sources.openml import PART, OpenmlOptions
from automl_assets.errors import SourceError


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What scikit-learn was asked for; it answers with two rows."""
    asked: list[dict[str, object]] = []

    def fetch_openml(name: str, **settings: object) -> Bunch:
        asked.append({"name": name, **settings})
        if name == "nosuch":
            raise ValueError("No active dataset nosuch found.")
        return Bunch(frame=pd.DataFrame({"age": [31, None], "class": pd.Categorical(["good", "bad"])}))

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    return asked


def test_rows_come_with_their_target(fetched: list[dict[str, object]]) -> None:
    table = PART.read(OpenmlOptions(name="credit-g", version=1))
    assert table.schema == {"age": pl.Float64, "class": pl.String}
    assert table.rows() == [(31.0, "good"), (None, "bad")]
    assert fetched == [{"name": "credit-g", "version": 1, "as_frame": True, "parser": "auto"}]


def test_without_a_version_the_active_one_is_fetched(fetched: list[dict[str, object]]) -> None:
    assert len(PART.fingerprint(OpenmlOptions(name="credit-g"))) == 16
    assert fetched[0]["version"] == "active"


def test_an_unknown_set(fetched: list[dict[str, object]]) -> None:
    with pytest.raises(SourceError, match="OpenML data set nosuch, version active: No active dataset nosuch found"):
        PART.read(OpenmlOptions(name="nosuch"))


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    complaint = r"credit-g, version 1 cannot be fetched: .*check the network and the proxy"
    with pytest.warns(UserWarning, match="network error"), pytest.raises(SourceError, match=complaint):
        PART.read(OpenmlOptions(name="credit-g", version=1))
