"""page: what the page about an experiment is made of, and the sections that every family has.

How it looks is in `pictures/report.html.jinja`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from automl_assets import pictures
from automl_assets.experiment.experiment import Experiment
from automl_assets.model_records import Picture, Report, Unavailable
from automl_assets.records import Guardrail

TEMPLATE = "report.html.jinja"
MOST_CHARACTERS = 1_000  # of a cell, which may be a word of a text
MOST_ROWS = 50  # of a table


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar = "text"
    text: str


@dataclass(frozen=True)
class Code:
    """What a person may copy."""

    kind: ClassVar = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Table:
    """Rows of values; a column that holds numbers alone stands to the right."""

    kind: ClassVar = "table"
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int]  # positions of columns

    @classmethod
    def of(cls, caption: str, header: Sequence[str], rows: Iterable[Sequence[Any]], most: int = MOST_ROWS) -> "Table":
        """A table of any values, cut short when there are many rows.

        >>> Table.of("Sizes", ("name", "size"), [("a", 1.23456789), ("b", None)]).rows
        (('a', '1.2346'), ('b', ''))
        """
        every = list(rows)
        note = f" The first {most} of {len(every)}." if len(every) > most else ""
        texts = tuple(tuple(_shown(cell) for cell in row) for row in every[:most])
        numbers = {i for i in range(1, len(header)) if all(isinstance(r[i], int | float | None) for r in every)}
        return cls(caption + note, tuple(header), texts, frozenset(numbers))


@dataclass(frozen=True)
class Pictures:
    """Drawings side by side."""

    kind: ClassVar = "pictures"
    pictures: tuple[dict[str, str], ...]

    @classmethod
    def of(cls, drawn: Iterable[Picture]) -> "Pictures":
        return cls(tuple({"title": one.title, "address": one.address} for one in drawn))


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Text | Code | Table | Pictures, ...]


@dataclass(frozen=True)
class Material:
    """What a page is made of. `records` holds those assets of TOLD by name that the experiment has."""

    experiment: Experiment
    records: Mapping[str, Any]
    seconds: Mapping[str, float]  # asset -> how long it took
    timeout_minutes: float | None = None  # of the run, where that had a limit of its own

    @property
    def time_limit(self) -> str:
        """That the run was made within."""
        return f"{self.timeout_minutes or self.experiment.limits.timeout_minutes:g} minutes"

    def get(self, asset: str) -> Any:
        """The record, or None where there is none."""
        found = self.records.get(asset)
        return None if isinstance(found, Unavailable) else found


def page(title: str, lead: str, sections: Sequence[Section]) -> Report:
    """Sections as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(pictures.__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    text = environment.get_template(TEMPLATE).render(title=title, lead=lead, sections=sections)
    return Report(text.encode("utf-8", errors="replace"))


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} …"


def guardrails_table(guardrails: Sequence[Guardrail]) -> Table:
    rows = [(one.name.replace("_", " "), one.status, one.message) for one in guardrails]
    return Table.of("Guardrails", ("check", "status", "what was found"), rows)


def promotion(material: Material) -> Section | None:
    """Which version answers now, and why."""
    made = material.get("registered_model")
    if made is None:
        return None
    answers = "answers now" if made.is_champion else "does not answer"
    blocks: list[Any] = [Text(f"This is version {made.version}; it {answers}: {made.reason}.")]
    if found := made.comparison:
        rows = [
            ("this version", found.challenger_score, None, None),
            (f"version {found.champion}, the champion before", found.champion_score, None, None),
            ("better by", found.difference, *found.interval),
        ]
        caption = f"{material.experiment.metric} of both on {found.n_rows} {found.rows}; 95 % interval"
        blocks.append(Table.of(caption, ("model", "value", "from", "to"), rows))
    return Section("Who answers now", tuple(blocks))


def duration(material: Material) -> Section | None:
    """Where the time went."""
    if not material.seconds:
        return None
    rows = [(asset, seconds) for asset, seconds in material.seconds.items()]
    return Section(
        "How long it took", (Table.of("Seconds of each asset; some ran side by side", ("asset", "seconds"), rows),)
    )
