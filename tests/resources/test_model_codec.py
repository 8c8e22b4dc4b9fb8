"""Models as bytes: our classes by their names, those of libraries by import path, and nothing of ours without a name."""

import pickle
import subprocess
import sys
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

from automl_assets.errors import ArtifactError
from automl_assets.former_names import MODELS
from automl_assets.learning.encodings import ENCODERS
from automl_assets.learning.forests import Forest
from automl_assets.learning.linear_scores import Linear
from automl_assets.parts import FitContext, Rows
from automl_assets.records import Problem
from automl_assets.resources.model_codec import read_models, write_models
from automl_assets.resources.stored_kinds import is_ours, model_kind
from automl_assets.stored import stored_as, stored_name

LINEAR = Linear(np.ones((2, 1)), np.zeros(1))


def test_no_import_path_of_ours_is_written() -> None:
    content = write_models((LINEAR, LINEAR))
    assert b"learning.LinearModel" in content
    assert b"automl_assets" not in content


def test_one_model_twice_comes_back_as_one() -> None:
    first, second = read_models(write_models((LINEAR, LINEAR)))
    assert first is second
    np.testing.assert_array_equal(first.coefficients, LINEAR.coefficients)


@dataclass
class Nameless:
    """As a contributor may have forgotten to name it."""

    weight: float


@pytest.mark.parametrize("model", [Nameless(1.0), Nameless, [{"inside": Nameless(1.0)}], partial(is_ours, "x")])
def test_what_is_ours_and_has_no_name_is_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nameless, "__module__", "automl_assets.learning.nameless")
    with pytest.raises(ArtifactError, match=r"^automl_assets\.\S+ is part of a model and has no name.*put @stored_as"):
        write_models((model,))


@stored_as("tests.double")
def double(x: float) -> float:
    return 2 * x


def test_functions_are_stored_by_name_as_well() -> None:
    assert read_models(write_models((partial(double, 4), double)))[0]() == 8


def test_what_belongs_to_others_is_written_as_always() -> None:
    models = (np.arange(3), Nameless(1.0), {"a": np.float64})
    assert b"test_model_codec" in write_models(models)
    assert read_models(write_models(models))[1:] == models[1:]


def test_a_name_is_found_in_a_process_that_has_imported_nothing() -> None:
    script = "import sys; from automl_assets.resources.model_codec import read_models\n"
    script += "print([type(model).__name__ for model in read_models(sys.stdin.buffer.read())])"
    tabular, forecasting = (model_kind(name) for name in ("tabular.svm.Model", "forecasting.Calendar"))
    content = write_models((LINEAR, tabular(*[None] * len(fields(tabular))), forecasting((), None, None)))
    answer = subprocess.run([sys.executable, "-c", script], input=content, capture_output=True, check=True)
    assert answer.stdout.decode().strip() == str(["Linear", tabular.__name__, "Calendar"])


@pytest.mark.parametrize("name", ["tabular.abacus.Model", "gone.Model", "errors.Model", "nothing"])
def test_a_name_that_nobody_has_is_told(name: str) -> None:
    with pytest.raises(
        ArtifactError, match=rf"^a stored model holds a {name}, which this version does not have; .*Make it"
    ):
        model_kind(name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"cgone_library.trees\nForest\n.",
            "a stored model needs gone_library.trees.Forest, which no installed package has",
        ),
        (b"cnumpy\nForest\n.", "a stored model needs numpy.Forest, which no installed package has"),
        (
            b"cautoml_assets.errors\nArtifactError\n.",
            "a stored model holds a automl_assets.errors.ArtifactError, which",
        ),
        (b"cautoml_assets\nrun\n.", "a stored model holds a automl_assets.run, which"),
        (pickle.dumps((1, 2))[:-3], "stored models cannot be read"),
        (b"", r"stored models cannot be read \(EOFError"),
    ],
)
def test_what_cannot_be_read_says_so_in_one_sentence(content: bytes, message: str) -> None:
    with pytest.raises(ArtifactError, match=f"^{message}.*; it may come from another version. Make it again.$"):
        read_models(content)


@pytest.mark.parametrize("name", ENCODERS)
def test_encoders_are_stored(name: str) -> None:
    random = np.random.default_rng(0)
    x = np.column_stack([random.integers(0, 3, 40), random.integers(0, 2, 40), random.normal(size=40)]).astype(
        np.float32
    )
    context = FitContext(Problem("classification", "accuracy", ("no", "yes")), categories={0: 3}, terms={1: 1})
    encoder = ENCODERS[name](Rows(x, random.integers(0, 2, 40)), context)
    (found,) = read_models(write_models((encoder,)))
    np.testing.assert_array_equal(found.apply(x), encoder.apply(x))


@pytest.mark.parametrize("name", sorted(set(MODELS.values())))
def test_what_a_stored_class_holds_is_stored_by_name_too(name: str) -> None:
    """Fields that the contracts' models happen to leave empty, such as holidays, would else be found out by a user."""
    kind = model_kind(name)
    held = {inner for hint in get_type_hints(kind).values() for inner in (hint, *get_args(hint))}
    ours = [inner for inner in held if isinstance(inner, type) and is_dataclass(inner) and is_ours(inner.__module__)]
    assert [inner for inner in ours if stored_name(inner) is None] == []
    assert is_dataclass(kind) and Forest is model_kind("learning.Forest")
