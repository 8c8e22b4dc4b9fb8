"""A challenger needs to be as good as the champion, in the direction of the metric."""

import pytest

from automl_assets.steps.promote import promote


@pytest.mark.parametrize(
    ("metric", "challenger", "champion", "is_champion"),
    [
        ("accuracy", 0.9, 0.8, True),
        ("accuracy", 0.8, 0.8, True),
        ("accuracy", 0.7, 0.8, False),
        ("log_loss", 0.7, 0.8, True),
        ("log_loss", 0.9, 0.8, False),
        ("accuracy", 0.0, None, True),
    ],
)
def test_promotion(metric: str, challenger: float, champion: float | None, is_champion: bool) -> None:
    assert promote(metric, challenger, champion, "test")[0] is is_champion


def test_the_reason_names_both_scores() -> None:
    assert promote("log_loss", 0.9, 0.8, "out_of_fold")[1] == (
        "log_loss 0.9 on out-of-fold rows; the champion keeps its place with 0.8"
    )
    assert promote("accuracy", 0.9, None, "test")[1] == "accuracy 0.9 on test rows; there was no champion"
