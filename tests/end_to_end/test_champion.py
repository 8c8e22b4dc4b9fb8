"""A tiny experiment that is trained again and again: who answers then, and why; and the way back."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlflow.tracking import MlflowClient

from automl_assets.api.run import run
from automl_assets.model_records import Registration
from automl_assets.resources.model_registry import Champions
from automl_assets.resources.store import RecordStore
from automl_assets.resources.tracker import Tracker
from tests.command_line import Answer, automl
from tests.processes import AUTOML
from tests.servers import OTHER_HOST, free_port, listens, post, stop, wait

YAML = """\
task: classification
source: rows/*.csv
target: answer
test: 0.3
validation: {folds: 2}
algorithms: [logistic_regression]
limits: {timeout_minutes: 2}
ensemble: false
explain: false
training_code: false
"""


def sides(n_rows: int, seed: int, share_wrong: float = 0.0) -> pl.DataFrame:
    """Which of two numbers is greater; some labels are wrong."""
    random = np.random.default_rng(seed)
    left, right = random.normal(size=(2, n_rows))
    is_left = (left > right) ^ (random.random(n_rows) < share_wrong)
    return pl.DataFrame({"left": left, "right": right, "answer": np.where(is_left, "left", "right")})


class Told:
    """An experiment over a folder of rows, and what became of its versions."""

    def __init__(self, folder: Path):
        self.folder, self.yaml = folder, folder / "sides.yaml"
        (folder / "rows").mkdir()
        self.yaml.write_text(YAML)

    def add(self, name: str, table: pl.DataFrame) -> None:
        table.write_csv(self.folder / "rows" / name)

    def train(self) -> Registration:
        run(self.yaml, home=self.folder / "home")
        return RecordStore().load("sides", "registered_model")

    @property
    def champions(self) -> Champions:
        return Tracker().champions("sides")

    @property
    def client(self) -> MlflowClient:
        return self.champions.client

    def command(self, *arguments: str | Path) -> Answer:
        return automl(*arguments, "--home", self.folder / "home")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, new_home: Callable[[Path], Path]) -> Iterator[Told]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("champion")
        patch.setenv("DAGSTER_HOME", str(new_home(folder / "home")))
        yield Told(folder)


@pytest.fixture(scope="module")
def story(told: Told) -> list[Registration]:
    """Few rows that are mostly wrong; many good ones; the same with a few more."""
    told.add("1.csv", sides(60, 1, share_wrong=0.7))
    first = told.train()
    told.add("2.csv", sides(800, 2))
    second = told.train()
    told.add("3.csv", sides(10, 3))
    return [first, second, told.train()]


def test_the_first_model_is_promoted_as_the_first(story: list[Registration]) -> None:
    assert story[0].is_champion and story[0].comparison is None
    assert story[0].reason.endswith("on test rows; it is the first model")


def test_a_better_challenger_is_promoted(story: list[Registration]) -> None:
    found = story[1].comparison
    assert story[1].is_champion and found is not None and found.champion == "1"
    assert found.champion_score < 0.5 and found.challenger_score > 0.9
    assert found.interval[0] > 0 and found.share == 1.0
    assert "better beyond noise" in story[1].reason and "neither learnt" in story[1].reason


def test_old_test_rows_stay_test_rows(story: list[Registration]) -> None:
    """A third of 860 rows: nearly all of them were never learnt from by the first model."""
    found = story[1].comparison
    assert found is not None and 250 <= found.n_rows <= 258


def test_a_challenger_within_noise_is_not_promoted(story: list[Registration], told: Told) -> None:
    found = story[2].comparison
    assert not story[2].is_champion and found is not None and found.champion == "2"
    assert found.interval[0] <= 0 <= found.interval[1] and found.share < 0.95
    assert (found.judgement, story[1].comparison.judgement) == (2, 1)  # type: ignore[union-attr]
    assert story[2].reason.endswith(
        "not better beyond noise, for which 98.75 % are needed (most of these rows judge for the 2nd time, and chance adds "
        "up); version 2 stays the champion"
    )


def test_the_decision_is_kept_as_tags_and_on_the_page(story: list[Registration], told: Told) -> None:
    tags = told.client.get_model_version("sides", "2").tags
    assert tags["reason"] == story[1].reason and tags["is_promoted"] == "true" and tags["compared_with"] == "1"
    assert float(tags["difference_low"]) == story[1].comparison.interval[0]  # type: ignore[union-attr]
    page = RecordStore().load("sides", "report").page.decode()
    assert "Who answers now" in page and "version 2 stays the champion" in page


@pytest.fixture(scope="module")
def rolled_back(story: list[Registration], told: Told) -> Answer:
    assert told.champions.current() == "2"
    return told.command("rollback", told.yaml)


def test_rollback_is_one_command(rolled_back: Answer, told: Told) -> None:
    assert rolled_back.returncode == 0, rolled_back.stderr
    assert "sides: version 1 answers again, instead of version 2." in rolled_back.stdout
    assert told.champions.current() == "1"
    assert [(reign.version, reign.before) for reign in told.champions.reigns()] == [("1", None), ("2", "1"), ("1", "2")]


def test_every_command_answers_with_the_version_gone_back_to(rolled_back: Answer, told: Told, tmp_path: Path) -> None:
    rows = sides(200, 9)
    rows.drop("answer").write_csv(tmp_path / "rows.csv")
    asked = told.command("predict", "sides", str(tmp_path / "rows.csv"), "-o", str(tmp_path / "predicted.csv"))
    assert "200 rows predicted by version 1, written to" in asked.stdout, asked.stderr
    labels = pl.read_csv(tmp_path / "predicted.csv")["prediction"]
    assert (labels == rows["answer"]).mean() < 0.5, "the better version still answers"
    shown = told.command("test", "sides", "ensemble").stdout
    assert "On 18 test rows" in shown, "a third of the 60 rows that the first version was made of"
    asked = told.command(
        *("explain", "sides", str(tmp_path / "rows.csv"), "--seconds", "0", "-o", str(tmp_path / "explained.csv"))
    )
    assert "200 rows explained by version 1, written to" in asked.stdout, asked.stderr
    assert pl.read_csv(tmp_path / "explained.csv").height > 0


def test_the_server_answers_with_the_version_gone_back_to(rolled_back: Answer, told: Told, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    rows = sides(40, 9)
    with log.open("w") as file:
        place = ["--host", OTHER_HOST, "--port", str(port), "--home", str(told.folder / "home")]
        command = [AUTOML, "serve", "sides", *place]
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        wait(f"http://{OTHER_HOST}:{port}/ping", server, log)
        asked = {"dataframe_records": rows.drop("answer").to_dicts()}
        status, answer = post(f"http://{OTHER_HOST}:{port}/invocations", asked)
        heard = listens(server)
    finally:
        stop(server)
    assert status == 200, answer
    labels = pl.Series([one["label"] for one in answer["predictions"]])
    assert (labels == rows["answer"]).mean() < 0.5, "the better version still answers"
    assert heard == {OTHER_HOST}, "the server does not listen where it was told to"


def test_there_is_nothing_before_the_first(rolled_back: Answer, told: Told) -> None:
    refused = told.command("rollback", "sides")
    assert refused.returncode == 1
    assert "version 1 of sides has taken no other's place" in " ".join(refused.stderr.replace("│", "").split())
    assert told.champions.current() == "1"


def test_versions_are_listed_with_their_times_and_reasons(rolled_back: Answer, told: Told) -> None:
    shown = told.command("models", told.yaml)
    assert shown == told.command("models", "sides")
    assert shown.returncode == 0, shown.stderr
    versions = [line.split()[0] for line in shown.stdout.splitlines() if line[1:2].isdigit()]
    assert versions == ["3", "2", "1"]
    assert "1 ←" in shown.stdout and "2 ←" not in shown.stdout
    assert "first model" in shown.stdout and "beyond" in shown.stdout


def test_serving_refuses_a_champion_whose_files_are_gone(rolled_back: Answer, told: Told) -> None:
    known = told.client.get_model_version("sides", "1")
    place = Path(known.source.removeprefix("file://"))
    place.rename(place.with_name("away"))
    refused = told.command("serve", told.yaml, "--port", str(free_port()))
    assert refused.returncode == 1 and "automl rollback sides" in " ".join(refused.stderr.replace("│", "").split())
    gone_back = told.command("rollback", "sides", "--to", "2")
    assert gone_back.returncode == 0, gone_back.stderr
    refused = told.command("rollback", "sides", "--to", "1")
    assert refused.returncode == 1 and told.champions.current() == "2", "the alias moved to files that are gone"
