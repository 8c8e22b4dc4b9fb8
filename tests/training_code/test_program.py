"""What a program needs can be had from an index."""

import pytest

from automl_assets.training_code.program import _owner, _requirements


def test_requirements_name_versions_that_an_index_knows() -> None:
    """PyTorch calls its builds 2.13.0+cpu and the like."""
    python, torch = _requirements("import torch\nimport os\n")
    assert python.startswith("# Python") and torch.startswith("torch==") and "+" not in torch


def test_a_package_is_asked_for_by_the_name_of_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found in what installers leave, without taking all lists of files apart."""
    monkeypatch.setattr("importlib.metadata.packages_distributions", dict)
    _owner.cache_clear()
    found = {name: _owner(name) for name in ("sklearn", "PIL", "yaml", "six", "polars", "absent")}
    assert found == {
        "sklearn": "scikit-learn",
        "PIL": "pillow",
        "yaml": "PyYAML",
        "six": "six",
        "polars": "polars",
        "absent": "absent",
    }
