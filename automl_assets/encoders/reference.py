"""Which encoder reads the texts: found by the setting or by what lies here, and told apart from all others by SHA-256.

A model holds a reference in place of the weights themselves, which stay where they are. Not here: reading by it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_assets.encoders.language import SEVERAL, WORDS, language_of
from automl_assets.errors import ServiceError, SettingError
from automl_assets.stored import stored_as
from automl_assets.weights.known import WEIGHTS
from automl_assets.weights.named import Kind, Named, folder_of, named
from automl_assets.weights.places import checked, how_to_get, place_of

SETTING = "featurization.text_embedding"
FOLDER_WINDOW = 256  # tokens that encoders of a folder or the hub read at once, if they can
ENGLISH, OTHERS = "all-MiniLM-L6-v2", "multilingual-e5-small"  # what reads texts where nothing is said
AUTOMATIC = "auto"  # the same, or where neither is here what the hub has for the language, as in Azure:
OF_HUB = {
    "eng": "google-bert/bert-base-cased",
    "deu": "google-bert/bert-base-german-cased",
    SEVERAL: "google-bert/bert-base-multilingual-cased",
}


@stored_as("encoders.Reference")
@dataclass(frozen=True)
class Reference:
    """An encoder, by where it comes from and what its weights are."""

    kind: Kind
    name: str  # of known weights, a folder, or a name on the hub
    sha256: str  # of the file with the weights
    prefix: str = ""
    window: int = FOLDER_WINDOW
    is_int8: bool = False  # whether it reads with weights of 8 bits, in Python as in ONNX

    @property
    def key(self) -> str:
        """What tells the vectors of this encoder from those of others."""
        return f"{self.sha256[:16]}_{self.window}_{len(self.prefix)}{'_int8' * self.is_int8}"


@dataclass(frozen=True)
class Files:
    """Where what the encoder is made of lies now."""

    folder: Path  # that transformers can read, but for 4-bit weights
    tokenizer: Path
    four_bits: Path | None = None


def wished(setting: str | None, texts: Sequence[str], language: str | None = None) -> Reference | None:
    """The encoder of a setting for texts of a language (ISO 639-3; nothing said: found out); None where nothing is said or
    `auto`, and none can be had. Raises as `reference` does."""
    if setting not in (None, AUTOMATIC):
        return reference(str(setting))
    found = found_here(texts, language)
    return found or (_default_of_hub(_language(texts, language)) if setting else None)


def _default_of_hub(language: str) -> Reference | None:
    with suppress(SettingError, ServiceError):  # candidates say then that they lack weights, and others go on
        return reference(OF_HUB[language])
    return None


def automatic(texts: Sequence[str]) -> Reference:
    """The encoder for texts of whatever language they are, of those that are here. Raises SettingError where none is, with
    what to do."""
    if found := found_here(texts):
        return found
    raise SettingError(_told_of_none(_wanted(texts)[0]))


def lacks_weights(experiment: Any) -> str:
    """What to do where no known encoder is here and the experiment names none; empty where there is one."""
    if experiment.featurization.text_embedding or any(place_of(WEIGHTS[name]) for name in (ENGLISH, OTHERS)):
        return ""
    return _told_of_none(ENGLISH)


def _told_of_none(wanted: str) -> str:
    return (
        f"skipped: no pretrained encoder is here; {how_to_get(WEIGHTS[wanted])}, or name a folder or a network on the hub as "
        "`featurization.text_embedding` (`auto` takes one from the hub by language, where it answers)"
    )


def found_here(texts: Sequence[str], language: str | None = None) -> Reference | None:
    """Of the known encoders, the one for such texts that is here; None where none is. Whether its files are whole is
    looked at by who reads it."""
    return next((_known(name) for name in _wanted(texts, language) if place_of(WEIGHTS[name])), None)


def _known(name: str) -> Reference:
    weights = WEIGHTS[name]
    return Reference("known", name, weights.sha256, weights.prefix, weights.window)


def _wanted(texts: Sequence[str], language: str | None = None) -> tuple[str, str]:
    return (ENGLISH, OTHERS) if _language(texts, language) == "eng" else (OTHERS, ENGLISH)


def _language(texts: Sequence[str], said: str | None) -> str:
    """One of `OF_HUB`."""
    if said:
        return said if said in WORDS else SEVERAL
    return language_of(texts)


def reference(name: str) -> Reference:
    """The encoder of a setting: known weights, a local folder, or a name on the hub, in this order. Raises as `named`."""
    found = named(name, SETTING, "texts")
    return _known(name) if found.kind == "known" else Reference(found.kind, found.name, found.sha256)


def files_of(encoder: Reference) -> Files:
    """Raises SettingError where it is no longer here, and ArtifactError where it has changed since."""
    if encoder.kind == "known":
        place = checked(WEIGHTS[encoder.name])
        packed = place.files.get("e5-small-q4.bin")
        return Files(place.folder, place.files["tokenizer.json"], packed)
    folder = folder_of(Named(encoder.kind, encoder.name, encoder.sha256), "texts")
    return Files(folder, folder / "tokenizer.json")
