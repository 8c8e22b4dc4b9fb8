"""The records of a partitioned asset: a place per partition key, of the same kind as the place of an asset without."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from upath import UPath

from automl_assets.errors import ArtifactError
from automl_assets.resources import record_versions
from automl_assets.resources.record_versions import Others, RunIdentity

PLAIN_KEY = re.compile(r"[A-Za-z0-9_=-][A-Za-z0-9_.=-]{0,99}")
NO_OTHERS = Others()


class Shelf:
    """Reads what its run made, or else the newest; writes for its run. Without a `turn` it only reads."""

    def __init__(self, asset: UPath, turn: RunIdentity | None = None, others: Others = NO_OTHERS):
        self.asset, self.turn, self.others = asset, turn, others

    @property
    def name(self) -> str:
        """Of the asset."""
        return self.asset.parts[-1]

    def read(self, key: str) -> Any:
        """The record of a key. Raises ArtifactError when there is none."""
        return record_versions.read_version(self.folder(key))

    def folder(self, key: str) -> UPath:
        """Where the record of a key lies. Raises ArtifactError when there is none."""
        place, version = self._place(key), self._version(key)
        if version is None:
            name = "/".join(self.asset.parts[-2:])
            raise ArtifactError(f"{name} has not been made yet for {key!r}; materialise that partition first")
        return place / version

    def has(self, key: str) -> bool:
        return self._version(key) is not None

    def origin(self, key: str) -> str:
        """What the record of a key was made from; empty when there is no record."""
        return record_versions.origin_of(self._version(key) or "")

    def is_done(self, key: str) -> bool:
        """Whether the run, or the one it goes on with, has made the record of a key already."""
        version = record_versions.pointed(self._place(key) / "runs" / self.turn.first) if self.turn else None
        return bool(version and self.turn and (self.turn.is_resumed or record_versions.is_by(version, self.turn)))

    @contextmanager
    def written(self, key: str, record: Any, origin: str) -> Iterator[UPath]:
        """Writes the record of a key; it counts when the body has ended well, so that a killed run makes it again."""
        if self.turn is None:
            raise ArtifactError(f"{self.asset} is written by runs alone")
        place, version = self._place(key), record_versions.new_version(self.turn, origin)
        record_versions.write_version(record, place / version)
        yield place / version
        record_versions.settle(place, version, self.turn, self.others)

    def _version(self, key: str) -> str | None:
        return record_versions.version_at(self._place(key), self.turn)

    def _place(self, key: str) -> UPath:
        return self.asset / folder_name(key)


def folder_name(key: str) -> str:
    """A folder's name for a partition key. Keys of groups are plain already; a person may add others in the UI.

    >>> folder_name("store_1"), folder_name("Store 1"), folder_name("../x")
    ('store_1', 'store_1-bf7de6350b', 'x-d6b96a97d1')
    """
    if PLAIN_KEY.fullmatch(key) and key not in record_versions.POINTERS:
        return key
    readable = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_")[:40]
    return f"{readable}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}".lstrip("-")
