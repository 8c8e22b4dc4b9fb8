"""What a program needs can be had from an index."""

from automl_assets.training_code.program import _requirements


def test_requirements_name_versions_that_an_index_knows() -> None:
    """PyTorch calls its builds 2.13.0+cpu and the like."""
    python, torch = _requirements("import torch\nimport os\n")
    assert python.startswith("# Python") and torch.startswith("torch==") and "+" not in torch
