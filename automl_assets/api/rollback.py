"""Goes back to an earlier version of a model, and with it to the records by which results answer."""

from automl_assets.resources.model_registry import Champions, Promotion
from automl_assets.resources.store import RecordStore


def rollback(champions: Champions, to: str | None = None) -> tuple[Promotion, bool]:
    """Lets a version answer again, by default the one whose place the champion took.

    The flag tells whether everything else answers with it as well: where the records of its run are kept no longer, only
    what asks the registry does, which is a server. Raises SettingError and ArtifactError as `Champions.rollback` does.
    """
    move = champions.rollback(to)
    return move, RecordStore().go_back(champions.model, champions.made_by(move.version))


__all__ = ["rollback"]
