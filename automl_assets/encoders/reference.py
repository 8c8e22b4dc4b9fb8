"""Which encoder reads the texts: found by the setting or by what lies here, and told apart from all others by SHA-256.

A model holds a reference in place of the weights themselves, which stay where they are. Not here: reading by it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from automl_assets.encoders.language import SEVERAL, WORDS, language_of
from automl_assets.errors import ArtifactError, ServiceError, SettingError, listed, nearest
from automl_assets.stored import stored_as
from automl_assets.weights import hub
from automl_assets.weights.known import WEIGHTS
from automl_assets.weights.places import checked, how_to_get, place_of, sha256_once

Kind = Literal["known", "folder", "hub"]
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
    """The encoder of a setting: known weights, a local folder, or a name on the hub, in this order. Raises SettingError
    where it is none, ServiceError where the hub does not answer."""
    if name in WEIGHTS:
        checked(WEIGHTS[name])
        return _known(name)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Reference("folder", str(folder.resolve()), sha256_once(_weights_file(folder)))
    if name.count("/") > 1 or name.startswith((".", "~")) or folder.is_absolute():
        raise SettingError(
            f"featurization.text_embedding: {name!r} is no folder; it is a local folder in the form of transformers, a name on the Hugging Face "
            f"hub, or one of {listed(WEIGHTS)}.{nearest(name, WEIGHTS)}"
        )
    return Reference("hub", name, sha256_once(_weights_file(_from_hub(name))))


def _from_hub(name: str) -> Path:
    """The folder of a network by its name there. The hub is not asked for what is likely a known name written wrongly: it
    has no network without an owner that is like these."""
    meant = nearest(name, WEIGHTS)
    if meant and "/" not in name and hub.cached(name) is None:
        raise SettingError(
            f"featurization.text_embedding: no encoder is called {name!r}; known: {listed(WEIGHTS)}.{meant}"
        )
    try:
        return hub.downloaded(name)
    except (ServiceError, SettingError) as error:
        same = [weights.name for weights in WEIGHTS.values() if weights.origin == name]
        told = f"; {same[0]!r} is the same network: name that" if same else meant
        raise type(error)(f"featurization.text_embedding: {error}{told}") from error


def files_of(encoder: Reference) -> Files:
    """Raises SettingError where it is no longer here, and ArtifactError where it has changed since."""
    if encoder.kind == "known":
        place = checked(WEIGHTS[encoder.name])
        packed = place.files.get("e5-small-q4.bin")
        return Files(place.folder, place.files["tokenizer.json"], packed)
    folder = Path(encoder.name) if encoder.kind == "folder" else hub.cached(encoder.name)
    if folder is None:
        raise ArtifactError(
            f"the encoder {encoder.name} is no longer in the hub's cache; get it back by `hf download {encoder.name}`"
        )
    if not folder.is_dir():
        raise ArtifactError(f"the encoder {encoder.name} is no longer there; the model reads texts by it: put it back")
    if sha256_once(_weights_file(folder)) != encoder.sha256:
        raise ArtifactError(
            f"the encoder {encoder.name} is another than the model learnt with; run the experiment again"
        )
    return Files(folder, folder / "tokenizer.json")


def _weights_file(folder: Path) -> Path:
    """The file of a folder that holds the weights."""
    found = sorted(folder.glob("*.safetensors"), key=lambda file: file.stat().st_size)
    if not found or not (folder / "config.json").is_file():
        raise SettingError(
            f"featurization.text_embedding: {folder} holds no network: config.json and weights as .safetensors are needed (`save_pretrained` of "
            "transformers writes both)"
        )
    return found[-1]
