"""Which backbones read the images: found by the setting, or those that lie here. A model holds references in place of the
weights themselves, which stay where they are. Not here: reading them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl_assets.stored import stored_as
from automl_assets.weights.known import WEIGHTS
from automl_assets.weights.named import Kind, Named, folder_of, named
from automl_assets.weights.places import checked, how_to_get, place_of

SETTING = "featurization.image_embedding"
KNOWN = tuple(weights.name for weights in WEIGHTS.values() if weights.purpose == "images")


@stored_as("backbones.Reference")
@dataclass(frozen=True)
class Reference:
    """A backbone, by where it comes from and what its weights are."""

    kind: Kind
    name: str  # of known weights, a folder, or a name on the hub
    sha256: str  # of the file with the weights


def wished(setting: str | None) -> tuple[Reference, ...]:
    """The backbone of a setting; where nothing is said, all known ones that are here: they see different things, and two
    know more than one. Raises as `weights.named.named` does."""
    if setting is None:
        return tuple(Reference("known", name, WEIGHTS[name].sha256) for name in KNOWN if place_of(WEIGHTS[name]))
    found = named(setting, SETTING, "images")
    return (Reference(found.kind, found.name, found.sha256),)


def lacks_weights(experiment: Any) -> str:
    """What to do where no known backbone is here and the experiment names none; empty where there is one."""
    if experiment.featurization.image_embedding or any(place_of(WEIGHTS[name]) for name in KNOWN):
        return ""
    return (
        f"skipped: no pretrained backbone is here; {how_to_get(WEIGHTS[KNOWN[0]])}, or name a folder or a network on the hub "
        f"as `{SETTING}`"
    )


def weights_of(backbone: Reference) -> Path:
    """The file of known weights, or the folder of others. Raises SettingError where it is no longer here, and ArtifactError
    where it has changed since."""
    if backbone.kind == "known":
        return next(iter(checked(WEIGHTS[backbone.name]).files.values()))
    return folder_of(Named(backbone.kind, backbone.name, backbone.sha256), "images")
