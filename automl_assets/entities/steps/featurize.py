"""featurize: every text as tokens, a row each, beside the tags that are true."""

import numpy as np
import polars as pl

from automl_assets.encoders.reference import wished
from automl_assets.entities.features.tokens import is_parted_by_blanks, tokens_of
from automl_assets.entities.records import TokenInputs, Tokenizer
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, FeatureColumn, Features, Profile, Split
from automl_assets.steps.truth import truth_of
from automl_assets.tagging import joined_tokens


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """The tokens of all texts that have tags; the recipe is what parts them."""
    column, target = dataset.roles.features[0], dataset.roles.target
    truth = truth_of(dataset, profile.problem, split, experiment)
    is_tagged = dataset.table[target].is_not_null()
    rows = dataset.table.filter(is_tagged)
    is_parted = is_parted_by_blanks(rows[column].to_list(), rows[target].to_list())
    wishes = experiment.featurization.wishes
    encoder = wished(wishes.text_embedding, rows[column].to_list(), wishes.language)
    recipe = Tokenizer(column, is_parted, encoder, experiment.onnx)
    inputs = tokenized(recipe, rows)
    inputs = TokenInputs(inputs.tokens, np.flatnonzero(is_tagged.to_numpy())[inputs.text])
    return Features(truth, inputs, recipe, (FeatureColumn("tokens", column, "parted into tokens"),), dataset.schema)


def tokenized(recipe: Tokenizer, table: pl.DataFrame) -> TokenInputs:
    """The tokens of every row; a row without a text has none."""
    return TokenInputs(*tokens_of(texts_of(recipe, table), recipe.is_parted_by_blanks))


def texts_of(recipe: Tokenizer, table: pl.DataFrame) -> list[str]:
    """The text of every row, "" where there is none. What is parted by blanks may also come as lists of tokens."""
    texts = table[recipe.column].cast(pl.String).fill_null("").to_list()
    return [joined_tokens(text) or text for text in texts] if recipe.is_parted_by_blanks else texts
