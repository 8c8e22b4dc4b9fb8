"""draft: the YAML a person would have begun with, commented; what all families' drafts have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from automl_assets import registry

IMAGES = "images"  # kind of a source whose rows are no tables, whatever their columns hold


@dataclass(frozen=True)
class DraftRequest:
    """What a draft is asked of: rows, the column to predict, and the column that says when, if there is one."""

    data: str  # path, folder, glob or URL
    target: str
    time: str | None
    table: pl.DataFrame
    task: str | None = None  # that a person names; else the first family that the rows suit infers one
    kind: str = ""  # of the source

    @property
    def source(self) -> str:
        """The data as a YAML that may lie anywhere names it."""
        is_local = "://" not in self.data and not self.data.startswith("$")
        return as_yaml(str(Path(self.data).expanduser().resolve()) if is_local else self.data)


def as_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("\n...\n").strip()


def algorithm_names(task: str) -> str:
    """What may be allowed or blocked for a task."""
    every = registry.algorithms(registry.tasks()[task].family)
    return ", ".join(name for name, part in every.items() if task in part.tasks and not part.is_fallback)
