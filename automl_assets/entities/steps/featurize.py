"""featurize: every text as tokens, a row each, beside the tags that are true."""

import numpy as np
import polars as pl

from automl_assets.encoders.reference import Reference, found_here, reference
from automl_assets.entities.features.tokens import tokens_of
from automl_assets.entities.records import TokenInputs, Tokenizer
from automl_assets.entities.steps.load_texts import is_parted_by_blanks
from automl_assets.experiment.experiment import Experiment
from automl_assets.records import Dataset, FeatureColumn, Features, Profile, Split
from automl_assets.steps.truth import truth_of


def featurize(dataset: Dataset, profile: Profile, split: Split, experiment: Experiment) -> Features:
    """The tokens of all texts that have tags; the recipe is what parts them."""
    column, target = dataset.roles.features[0], dataset.roles.target
    truth = truth_of(dataset, profile.problem, split, experiment)
    is_tagged = dataset.table[target].is_not_null()
    rows = dataset.table.filter(is_tagged)
    is_parted = is_parted_by_blanks(rows[column].to_list(), rows[target].to_list())
    recipe = Tokenizer(column, is_parted, _encoder(rows[column].to_list(), experiment), experiment.onnx)
    inputs = tokenized(recipe, rows)
    inputs = TokenInputs(inputs.tokens, np.flatnonzero(is_tagged.to_numpy())[inputs.text])
    return Features(truth, inputs, recipe, (FeatureColumn("tokens", column, "parted into tokens"),), dataset.schema)


def _encoder(texts: list[str], experiment: Experiment) -> Reference | None:
    named = experiment.featurization.text_embedding
    return reference(named) if named else found_here(texts)


def tokenized(recipe: Tokenizer, table: pl.DataFrame) -> TokenInputs:
    """The tokens of every row; a row without a text has none."""
    return TokenInputs(*tokens_of(table[recipe.column].cast(pl.String).to_list(), recipe.is_parted_by_blanks))
