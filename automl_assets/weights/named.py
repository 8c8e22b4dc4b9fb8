"""Networks by what a setting says: known weights, a local folder in the form of transformers, or a name on the hub.

Each is told apart from all others by the SHA-256 of its weights. Not here: reading them, and which is chosen where nothing
is said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl_assets.errors import ArtifactError, ServiceError, SettingError, listed, nearest
from automl_assets.weights import hub
from automl_assets.weights.known import WEIGHTS, Purpose
from automl_assets.weights.places import checked, sha256_once

Kind = Literal["known", "folder", "hub"]
READS: dict[Purpose, str] = {"texts": "encoder", "images": "backbone"}  # what such a network is called


@dataclass(frozen=True)
class Named:
    """A network that is here: where it comes from, and the SHA-256 of the file with its weights."""

    kind: Kind
    name: str  # of known weights, a folder, or a name on the hub
    sha256: str


def named(name: str, setting: str, purpose: Purpose) -> Named:
    """What `setting` says. Raises SettingError where it is no such network, ServiceError where the hub does not answer,
    ArtifactError where known weights are others than they should be."""
    names = [weights.name for weights in WEIGHTS.values() if weights.purpose == purpose]
    if name in names:
        checked(WEIGHTS[name])
        return Named("known", name, WEIGHTS[name].sha256)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return Named("folder", str(folder.resolve()), _sha256(folder, setting))
    if name.count("/") > 1 or name.startswith((".", "~")) or folder.is_absolute():
        raise SettingError(
            f"{setting}: {name!r} is no folder; it is a local folder in the form of transformers, a name on the Hugging Face "
            f"hub, or one of {listed(names)}.{nearest(name, names)}"
        )
    return Named("hub", name, _sha256(_from_hub(name, setting, purpose, names), setting))


def folder_of(network: Named, purpose: Purpose) -> Path:
    """Where a folder, or the network of the hub, lies now. Raises ArtifactError where it is no longer here, or has changed
    since."""
    noun = READS[purpose]
    folder = Path(network.name) if network.kind == "folder" else hub.cached(network.name)
    if folder is None:
        raise ArtifactError(
            f"the {noun} {network.name} is no longer in the hub's cache; get it back by `hf download {network.name}`"
        )
    if not folder.is_dir():
        raise ArtifactError(
            f"the {noun} {network.name} is no longer there; the model reads {purpose} by it: put it back"
        )
    file = _weights_file(folder)
    if file is None or sha256_once(file) != network.sha256:
        raise ArtifactError(
            f"the {noun} {network.name} is another than the model learnt with; run the experiment again"
        )
    return folder


def _from_hub(name: str, setting: str, purpose: Purpose, names: Sequence[str]) -> Path:
    """The folder of a network by its name there. The hub is not asked for what is likely a known name written wrongly: it
    has no network without an owner that is like these."""
    meant = nearest(name, names)
    if meant and "/" not in name and hub.cached(name) is None:
        raise SettingError(f"{setting}: no {READS[purpose]} is called {name!r}; known: {listed(names)}.{meant}")
    try:
        return hub.downloaded(name)
    except (ServiceError, SettingError) as error:
        same = [known for known in names if WEIGHTS[known].origin == name]
        told = f"; {same[0]!r} is the same network: name that" if same else meant
        raise type(error)(f"{setting}: {error}{told}") from error


def _sha256(folder: Path, setting: str) -> str:
    """Of the weights in a folder."""
    if file := _weights_file(folder):
        return sha256_once(file)
    raise SettingError(
        f"{setting}: {folder} holds no network: config.json and weights as .safetensors are needed (`save_pretrained` of "
        "transformers writes both)"
    )


def _weights_file(folder: Path) -> Path | None:
    """The file of a folder that holds the weights of a network; None where it holds no network."""
    found = sorted(folder.glob("*.safetensors"), key=lambda file: file.stat().st_size)
    return found[-1] if found and (folder / "config.json").is_file() else None
