"""What came of a run, as Python values: what every result has, and the plain tables by which it is printed."""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from upath import UPath

from automl_assets.errors import ArtifactError, SettingError
from automl_assets.experiment import experiment as settings
from automl_assets.model_records import TrainingCode, Unavailable
from automl_assets.resources.home import command, use_home
from automl_assets.resources.store import REGISTERED, RecordStore

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from automl_assets.data.schema import Schema

MOST_CHARACTERS = 300  # of a message of a check
JUDGED = "evaluation", "onnx_model", "summary"  # assets that a version is made of, as far as there are any


@dataclass(frozen=True)
class PrintedTable:
    """Rows of plain values for a terminal; a float is shown with five digits, what is missing not at all."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    texts: frozenset[str] = frozenset()  # columns that stand to the left
    n_bold: int = 0  # first rows that stand out


@dataclass(frozen=True)
class Alert:
    """A check of a run that did not pass, and so asks for a person's eye."""

    check: str
    asset: str
    severity: str  # warning or error
    message: str


@dataclass(frozen=True)
class RunResult:
    """Where the records of a run lie, and how long they took. What a family's results cannot do is refused, with what
    they can: `advice`."""

    advice: ClassVar[str] = "its report says more"
    experiment: settings.Experiment
    home: Path
    seconds: float
    seconds_per_asset: dict[str, float]
    lost: dict[str, str] = field(default_factory=dict)  # assets that could not be made -> why
    alerts: tuple[Alert, ...] = ()  # errors before warnings
    run: str = ""  # the first of those that go on with each other; empty for what is newest, whoever made it
    is_unchanged: bool = False  # nothing had changed: the run made nothing, and the records are those of the last one

    @property
    def report_path(self) -> UPath | None:
        """The page about the experiment, when it makes one."""
        with self._at_home():
            folder = None if "report" in self.lost else RecordStore().folder(self.experiment.name, "report", self.run)
        return folder / "page.html" if folder else None

    @cached_property
    def training_code(self) -> TrainingCode:
        """A program that trains the model again. Raises ArtifactError when the experiment makes none, or there was no time."""
        found = self._load("training_code")
        if isinstance(found, Unavailable):
            raise ArtifactError(f"there is no training code of the last run: {found.reason}; give it more time")
        return found

    @property
    def is_guess(self) -> bool:
        """Whether the model is no better than an answer that looks at no column."""
        return bool(self.told_of_guess)

    @property
    def told_of_guess(self) -> str:
        """Why the model is no better than such an answer; empty where it is."""
        from automl_assets.steps.guess import BETTER

        return next((alert.message for alert in self.alerts if alert.check == BETTER), "")

    @cached_property
    def version(self) -> str | None:
        """Of the registered model, by which this answers; None where what answers was not registered."""
        with self._at_home():
            folders = {
                name: RecordStore().folder(self.experiment.name, name, self.run) for name in (REGISTERED, *JUDGED)
            }
        made = {name: folder.name for name, folder in folders.items() if folder}
        if max(made, key=lambda name: made[name], default=None) != REGISTERED:  # a later run has not come so far
            return None
        return getattr(self._load(REGISTERED), "version", None)  # none where it was no better than a guess

    def printed_alerts(self) -> PrintedTable | None:
        """What a terminal shows of the alerts; None where there are none."""
        rows = tuple((one.check, one.asset, one.severity, shortened(one.message)) for one in self.alerts)
        columns = ("check", "asset", "severity", "what was found")
        n_errors = sum(one.severity == "error" for one in self.alerts)
        return PrintedTable("Checks that ask for a look", columns, rows, frozenset(columns), n_errors) if rows else None

    def printed(self) -> Iterable[PrintedTable | str]:
        """What a terminal shows when a run has ended."""
        self._refuse()

    def printed_leaderboard(self, *groups: str) -> PrintedTable:
        """Every trial, best first; of some groups alone where there are any."""
        self._refuse()

    @property
    def schema(self) -> "Schema":
        """By which all rows are read that the model answers."""
        self._refuse()

    def printed_schema(self) -> PrintedTable:
        """What each column of the rows learnt from holds."""
        rows = tuple(
            (one.name, one.type, one.format, one.example, one.least, one.most, "yes" if one.has_gaps else "", one.doubt)
            for one in self.schema.columns
        )
        columns = ("column", "type", "format", "such as", "from", "to", "gaps", "")
        return PrintedTable(f"Schema of {self.experiment.name}", columns, rows, texts=frozenset(columns))

    def summary(self) -> dict[str, Any]:
        """Everything as plain values, as `automl run --json` writes it."""
        self._refuse()

    def predict(self, rows: Any) -> "pd.DataFrame":
        """Answers for the rows of a pandas or polars frame."""
        self._refuse()

    def scored(self, batches: "Iterable[pl.DataFrame]") -> "Iterator[pl.DataFrame]":
        """Predictions beside the rows of each batch, for rows that need not fit into memory."""
        self._refuse()

    def forecast_of(self, *groups: str) -> "pl.DataFrame":
        """What comes after the newest rows of some groups, or of all of them."""
        self._refuse()

    def explain(self, rows: Any, seconds: float = 60) -> "pd.DataFrame":
        """What each column adds to the answer for each row of a frame."""
        self._refuse()

    def test(self, trial: str, rows: Any = None) -> Any:
        """How good one trial is on the test rows, or on others."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise SettingError(f"{self.experiment.name} is a {self.experiment.task}: {self.advice}")

    def _load(self, asset: str) -> Any:
        with self._at_home():
            return RecordStore().load(self.experiment.name, asset, self.run)

    def _command(self, text: str) -> str:
        """A command, with the home that it needs."""
        with self._at_home():
            return command(text)

    def _at_home(self) -> AbstractContextManager[None]:
        """Records lie in the home of the run, signed with its key, whichever home is the current one."""
        return use_home(self.home)


def shortened(message: str) -> str:
    """As much as is read at a glance.

    >>> shortened("It is " + "very " * 100 + "long.")[-11:], shortened("It is long.")
    ('very very …', 'It is long.')
    """
    return message if len(message) <= MOST_CHARACTERS else f"{message[:MOST_CHARACTERS].rsplit(' ', 1)[0]} …"
