"""A language model turns texts into columns; tried with a tiny random BERT, made here."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import automl_assets
from automl_assets.errors import ArtifactError, SettingError
from automl_assets.experiment.featurizer_options import Wishes
from automl_assets.features.featurizer import densify, encode, fit_featurizer
from automl_assets.features.featurizer_onnx import add_codes
from automl_assets.onnx.graph import Graph

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "fox", "dog"]
NOTES = pl.DataFrame({"note": ["red fox", "dog", "red fox dog", None, "dog", "red fox"] * 2})
N_DIMS = 16


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    torch.manual_seed(0)
    sizes = {"hidden_size": N_DIMS, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_an_embedding_is_the_mean_of_the_last_states(tiny_bert: Path) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    wishes = Wishes(text_embedding=str(tiny_bert), blocked=frozenset({"tf_idf"}))
    featurizer = fit_featurizer(NOTES, {"note": "text"}, wishes)
    found = encode(featurizer, pl.DataFrame({"note": ["red fox dog", "dog", None]}))[:, 1 : 1 + N_DIMS]
    tokenizer, model = AutoTokenizer.from_pretrained(tiny_bert), AutoModel.from_pretrained(tiny_bert).eval()
    with torch.inference_mode():  # one text at a time: no padding to leave out
        expected = [
            model(**tokenizer(t, return_tensors="pt")).last_hidden_state[0].mean(0) for t in ("red fox dog", "dog", "")
        ]
    np.testing.assert_allclose(found, np.stack(expected), atol=1e-5)
    assert np.abs(found[0] - found[1]).max() > 1e-2


def test_every_column_of_an_embedding_is_known(tiny_bert: Path) -> None:
    featurizer = fit_featurizer(NOTES, {"note": "text"}, Wishes(text_embedding=str(tiny_bert)))
    codes = encode(featurizer, NOTES)
    assert codes.shape[1] == len(featurizer.columns)
    assert sum(column.transformation == "embedding" for column in featurizer.columns) == N_DIMS
    assert featurizer.n_levels == {codes.shape[1] - 1: featurizer.categories[0].n_codes}
    assert np.isfinite(densify(featurizer, codes)).all()
    with pytest.raises(ArtifactError, match=r"^a text embedding runs outside of ONNX; ask for predictions"):
        add_codes(Graph(), featurizer)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingError, match=r"^featurization\.text_embedding: got '.*', from where no model can be loaded"
    ):
        fit_featurizer(NOTES, {"note": "text"}, Wishes(text_embedding=str(tmp_path / "nothing")))


ASKED = """\
task: classification
source: notes.csv
target: answer
validation: {{folds: 2}}
algorithms: [logistic_regression]
featurization: {{text_embedding: "{model}", column_types: {{note: text}}, blocked: [tf_idf]}}
onnx: false
explain: false
limits: {{timeout_minutes: 2}}
"""


@pytest.mark.slow
def test_a_run_learns_from_an_embedding(tiny_bert: Path, tmp_path: Path) -> None:
    """From texts to the page: what the words say is known by their embedding alone."""
    notes = np.random.default_rng(0).choice(["red fox", "red red fox", "dog dog", "dog"], 80)
    table = pl.DataFrame({"note": notes, "answer": ["yes" if "red" in note else "no" for note in notes]})
    table.write_csv(tmp_path / "notes.csv")
    (tmp_path / "notes.yaml").write_text(ASKED.format(model=tiny_bert))
    result = automl_assets.run(tmp_path / "notes.yaml", home=tmp_path / "home")
    assert result.metrics["accuracy"] > 0.9 and not result.lost
    assert result.ensemble.featurizer.embeddings[0].n_dims == N_DIMS
    told = result.predict(pl.DataFrame({"note": ["red dog fox fox", "dog dog dog"]}))
    assert list(told["prediction"]) == ["yes", "no"]
    assert result.report_path.exists()
