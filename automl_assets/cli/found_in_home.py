"""What a command finds in a home: the last result of an experiment, its model and the champions. None of it makes a home.

Not here: commands, and how what is found looks (`printing`).
"""

from pathlib import Path
from typing import Any

from automl_assets.errors import ArtifactError


def champions_of(experiment: str, home: Path | None) -> Any:
    """The versions of an experiment's model. Raises ArtifactError where nothing has run."""
    from automl_assets.resources.tracker import Tracker

    return Tracker().champions(model_name(experiment, home))


def model_name(experiment: str, home: Path | None) -> str:
    """What the model of an experiment is called, given by path or by name. A model answers also where no YAML is left."""
    from automl_assets.api.run import find
    from automl_assets.experiment.experiment import load
    from automl_assets.experiment.name import NAME

    prepared(home)
    name = experiment if NAME.fullmatch(experiment) else load(find(experiment)).name
    _check_there(home, name)
    return name


def last_result(experiment: str, home: Path | None) -> Any:
    """What was made last of an experiment. Raises ArtifactError where nothing has run."""
    from automl_assets.api.run import find
    from automl_assets.experiment.experiment import load
    from automl_assets.resources.home import home as home_in_use

    prepared(home)
    settings = load(find(experiment))
    _check_there(home, settings.name)
    return settings.family.result()(settings, home_in_use(), 0.0, {})


def prepared(home: Path | None) -> None:
    """The home made ready for who only looks at what is there: none is made."""
    from automl_assets.resources.home import is_there, prepare

    if is_there(home):
        prepare(home)


def _check_there(home: Path | None, name: str) -> None:
    from automl_assets.resources.home import home as home_in_use
    from automl_assets.resources.home import is_there

    if not is_there(home):
        where = Path(home).resolve() if home else home_in_use()
        raise ArtifactError(
            f"nothing has run here: there is no home {where}. Run it first: automl run {name}; or say by --home where it ran"
        )
