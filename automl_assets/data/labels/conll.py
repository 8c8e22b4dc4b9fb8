"""CoNLL: a token and its tag per line, a blank line between sentences (Tjong Kim Sang and De Meulder 2003)."""

from automl_assets.data.tagged_tokens import EXTENSIONS, read_conll
from automl_assets.parts import LabelFormat

PART = LabelFormat(
    name="conll",
    title="CoNLL (tokens and tags)",
    extensions=EXTENSIONS,
    is_of=lambda content: True,
    read=read_conll,
)
