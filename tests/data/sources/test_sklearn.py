"""The bundled data sets: shapes as published, readable names, classes by name."""

import polars as pl
import pytest
from pydantic import ValidationError

from automl_assets.data.sources.sklearn import NAMES, PART, SklearnOptions
from automl_assets.errors import SourceError

SHAPES = {
    "breast_cancer": (569, 31),
    "diabetes": (442, 11),
    "digits": (1797, 65),
    "iris": (150, 5),
    "wine": (178, 14),
}


@pytest.mark.parametrize("name", NAMES)
def test_shape_and_target(name: str) -> None:
    table = PART.read(SklearnOptions(name=name))
    assert table.shape == SHAPES[name]
    assert table.columns[-1] == "target"
    assert table["target"].dtype == (pl.Float64 if name == "diabetes" else pl.String)


def test_names_are_readable() -> None:
    table = PART.read(SklearnOptions(name="breast_cancer"))
    assert table.columns[0] == "mean radius"
    assert dict(table["target"].value_counts().rows()) == {"malignant": 212, "benign": 357}


def test_fingerprints_are_stable_and_differ() -> None:
    found = [PART.fingerprint(SklearnOptions(name=name)) for name in ("iris", "wine", "iris")]
    assert found[0] == found[2] != found[1]


def test_an_unknown_name() -> None:
    with pytest.raises(ValidationError, match=r"possible: breast_cancer, .*wine\. Did you mean \"iris\"\?"):
        SklearnOptions(name="irsi")


def test_an_unknown_name_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", "irsi")
    with pytest.raises(SourceError, match="name: got 'irsi'; possible: breast_cancer"):
        PART.read(SklearnOptions(name="${SET}"))
