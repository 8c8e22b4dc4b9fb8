"""What is answered in the place of what, for classes and for sets of labels."""

import numpy as np

from automl_assets.records import Problem
from automl_assets.steps.tabulate_confusions import tabulate_confusions

CLASSES = ("a", "b", "c")


def test_classes_are_told_by_pairs_the_most_frequent_first() -> None:
    problem = Problem("classification", "accuracy", CLASSES)
    truth = np.array([0, 0, 0, 0, 1, 1, 2])
    answered = np.array([0, 1, 1, 2, 1, 0, 2])
    found = tabulate_confusions(truth, np.eye(3)[answered], problem)
    assert found is not None
    assert found.rows() == [
        ("other label", "a", "b", 2, 0.5),
        ("other label", "a", "c", 1, 0.25),
        ("other label", "b", "a", 1, 0.5),
    ]


def test_a_set_misses_a_label_has_one_too_many_or_another_one() -> None:
    problem = Problem("any", "accuracy", CLASSES, is_multilabel=True)
    truth = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 0]])
    answered = np.array([[0.1, 0.9, 0.1], [0.9, 0.1, 0.1], [0.1, 0.1, 0.9], [0.9, 0.1, 0.1]])
    found = tabulate_confusions(truth, answered, problem)
    assert found is not None
    assert set(found.rows()) == {
        ("other label", "a", "b", 1, 1 / 3),
        ("missed", "b", "", 1, 1.0),
        ("not there", "", "c", 1, 0.25),
    }


def test_values_have_no_pairs() -> None:
    assert tabulate_confusions(np.array([1.0]), np.array([[2.0]]), Problem("regression", "r2_score")) is None
