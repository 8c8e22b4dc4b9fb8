"""The program that is written forecasts, where this package cannot be imported, what the run did."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import polars as pl
import pytest
from nbclient import NotebookClient

from automl_assets.errors import ArtifactError
from automl_assets.experiment.experiment import Experiment, parse
from automl_assets.forecasting.forecaster import ForecastContext
from automl_assets.forecasting.records import ForecastEnsemble, ForecastMember, Group
from automl_assets.forecasting.steps import backtest, conformalize
from automl_assets.forecasting.steps.build_ensemble import combined
from automl_assets.forecasting.steps.build_groups import build_groups, group_keys
from automl_assets.forecasting.steps.evaluate import evaluate, summarise
from automl_assets.forecasting.steps.fill_known_future import by_series, fill_known_future
from automl_assets.forecasting.steps.forecast import forecast
from automl_assets.forecasting.steps.future_index import ahead, rows_of, whole
from automl_assets.forecasting.steps.reconcile import add_up, reconcile
from automl_assets.forecasting.steps.search import backtested, point_of
from automl_assets.forecasting.steps.write_training_code import STEPS, _instead, _learner, write_training_code
from automl_assets.model_records import TrainingCode
from automl_assets.records import Dataset, Fitted, Trial
from automl_assets.registry import algorithms
from automl_assets.steps.load import load
from automl_assets.steps.read_source import read
from automl_assets.training_code.source_bundle import Bundle
from tests import forecasts

CLEAN = "import runpy, sys\nsys.modules['automl_assets'] = None\nsys.path[0] = '.'\n"
RUN = CLEAN + "runpy.run_path('training_code.py', run_name='__main__')"
GO_ON = CLEAN + (
    "import pickle, training_code as code\n"
    "model = pickle.load(open('models/north.pickle', 'rb'))\n"
    "print(code.forecast_ahead(model, {}).point.shape)"
)
HORIZON, MONTHS = 4, np.arange("2017-01", "2022-01", dtype="datetime64[M]")
IDS = ["month", "region", "shop"]
MEMBERS = {"north": ("voting", ("arimax", "lightgbm", "linear")), "south": ("median", ("ets", "theta", "naive"))}


@dataclass(frozen=True)
class Run:
    """What a run had and answered."""

    experiment: Experiment
    dataset: Dataset
    groups: dict[str, Group]
    ensembles: dict[str, ForecastEnsemble]

    @property
    def code(self) -> TrainingCode:
        return write_training_code(self.experiment, self.dataset, self.ensembles.items())

    def forecast(self) -> pl.DataFrame:
        rows = [row for key, group in self.groups.items() for row in self._rows(group, self.ensembles[key])]
        return pl.DataFrame(rows, infer_schema_length=None)

    def _rows(self, group: Group, ensemble: ForecastEnsemble) -> Iterator[dict[str, Any]]:
        history, problem = whole(group), group.problem
        future = ahead(history, problem)
        if self.experiment.predict_source:
            future = fill_known_future(future, problem, by_series(read(self.experiment.predict_source), problem))
        found = forecast(ensemble, history, future)
        is_summed = problem.reconciliation != "none"
        return rows_of(add_up(found, reconcile(group, ensemble)) if is_summed else found, problem)

    def metrics(self) -> dict[str, float]:
        found = [(key, self.ensembles[key], evaluate(group, self.ensembles[key])) for key, group in self.groups.items()]
        return summarise(self.experiment.metric, found).metrics


def rows(is_ahead: bool = False) -> pl.DataFrame:
    """Two shops of two regions, prices that matter, stamps and ids as people write them; one gap."""
    random, months = np.random.default_rng(0), MONTHS[-1] + np.arange(1, HORIZON + 1) if is_ahead else MONTHS
    found = []
    for region, shop, size in (("north", 1, 50), ("north", 2, 80), ("south", 3, 30), ("south", 4, 60)):
        price = random.normal(3, 0.5, len(months)).round(3)
        season = np.sin(months.astype(int) * np.pi / 6)
        is_open = months.astype(int) % 5 > 0
        sold = size * (1 + 0.3 * season) - 4 * price + 9 * is_open + random.normal(0, 2, len(months))
        table = {
            "month": months.astype(str),
            "region": region,
            "shop": shop,
            "price": price,
            "open": is_open,
            "sold": sold,
        }
        found.append(pl.DataFrame(table).drop("sold") if is_ahead else pl.DataFrame(table))
    table = pl.concat(found)
    return table if is_ahead else table.filter(pl.int_range(pl.len()) != 70)


def experiment_of(folder: Path, **changes: Any) -> Experiment:
    rows().write_csv(folder / "rows.csv")
    rows(is_ahead=True).write_csv(folder / "ahead.csv")
    forecasting = {
        "series_id_columns": ["region", "shop"],
        "partition_by": ["region"],
        "horizon": HORIZON,
        "n_windows": 2,
    }
    settings = {
        "task": "forecasting",
        "source": str(folder / "rows.csv"),
        "predict_source": str(folder / "ahead.csv"),
        "target": "sold",
        "time_column": "month",
        "test": 0.15,
        "seed": 7,
    }
    return parse(settings | {"forecasting": forecasting | changes}, "sales")


def ensemble_of(group: Group, kind: str, names: tuple[str, ...], seed: int) -> ForecastEnsemble:
    """The first configurations of some forecasters, fitted, weighted and calibrated as a run does."""
    panel, problem = group.panel, group.problem
    context, truth = ForecastContext(problem, seed=seed), backtest.truth(panel, problem)
    members, points = [], []
    for number, name in enumerate(names, 1):
        part = algorithms("forecasting")[name]
        config = next(iter(part.portfolio(problem, panel)))
        predictions, _ = backtested(name, config, panel, context, float("inf"))
        points.append(point_of(Trial(f"{name}_1", name, config, "finished", predictions=predictions), truth))
        weight = 2 * number / len(names) / (len(names) + 1)
        members.append(ForecastMember(f"{name}_1", name, weight, config, Fitted((part.fit(config, panel, context),))))
    together = combined(kind, np.array(points), [member.weight for member in members])
    margins, scales = conformalize.conformalize(truth, together)
    return ForecastEnsemble(kind, tuple(members), 1.0, {}, together, margins, scales, panel.names, problem)


def run_of(experiment: Experiment, members: dict[str, tuple[str, tuple[str, ...]]]) -> Run:
    dataset = load(experiment)
    groups = dict(build_groups(dataset, experiment, group_keys(dataset, experiment)))
    made = {key: ensemble_of(groups[key], *chosen, experiment.seed) for key, chosen in members.items()}
    return Run(experiment, dataset, groups, made)


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=180, check=False, env={}
    )


def lay_down(made: TrainingCode, folder: Path) -> None:
    (folder / "training_code.py").write_bytes(made.script)
    (folder / "ensembles.json").write_bytes(made.ensembles or b"")


def check_same(written: Path, expected: pl.DataFrame) -> None:
    found = pl.read_csv(written)
    expected = pl.read_csv(io.StringIO(expected.write_csv()))
    assert found.columns == expected.columns
    found, expected = found.sort(IDS), expected.sort(IDS)
    assert found[IDS].equals(expected[IDS])
    np.testing.assert_allclose(found.drop(IDS).to_numpy(), expected.drop(IDS).to_numpy(), rtol=1e-9)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_of(experiment_of(tmp_path_factory.mktemp("sales")), MEMBERS)


@pytest.fixture(scope="module")
def retrained(answered: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The folder in which the script has run, and what it said."""
    folder = tmp_path_factory.mktemp("retrained")
    lay_down(answered.code, folder)
    return folder, python(RUN, folder)


def test_the_script_forecasts_the_same_without_this_package(
    answered: Run, retrained: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    folder, done = retrained
    assert done.returncode == 0, done.stderr
    check_same(folder / "forecast.csv", answered.forecast())
    reached, expected = json.loads(done.stdout), answered.metrics()
    assert {answered.experiment.metric, "MASE", "sMAPE"} <= set(reached)
    assert reached == pytest.approx({name: expected[name] for name in reached}, rel=1e-9)


def test_models_of_groups_can_be_used_later(retrained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = retrained
    assert sorted(file.name for file in (folder / "models").iterdir()) == ["north.pickle", "south.pickle"]
    done = python(GO_ON, folder)
    assert done.stdout.strip() == f"(2, {HORIZON})", done.stderr


def test_what_groups_chose_stands_in_the_file_alone(answered: Run) -> None:
    made = answered.code
    choices = json.loads(made.ensembles or b"")
    assert [(choice["kind"], len(choice["members"])) for choice in choices.values()] == [("voting", 3), ("median", 3)]
    twice = write_training_code(
        answered.experiment, answered.dataset, [(f"g{n}", answered.ensembles["north"]) for n in range(50)]
    )
    assert twice.script.count(b"\n") <= made.script.count(b"\n")
    assert made == answered.code
    assert {f"polars=={pl.__version__}", f"numpy=={np.__version__}"} < set(made.requirements)


def test_the_notebook_runs(answered: Run, tmp_path: Path) -> None:
    """With a member that brings quantiles of its own, whose shape the intervals keep."""
    quick = replace(answered, ensembles={"south": forecasts.shaped(answered.groups["south"], is_alone=False, seed=7)})
    made = quick.code
    lay_down(made, tmp_path)
    notebook = nbformat.reads(made.notebook.decode(), as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import sys\nsys.modules['automl_assets'] = None"))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    check_same(tmp_path / "forecast.csv", replace(quick, groups={"south": answered.groups["south"]}).forecast())


def test_a_hierarchy_adds_up_as_in_the_run(tmp_path: Path) -> None:
    settings = {"partition_by": [], "hierarchy": ["region", "shop"], "reconciliation": "min_trace"}
    found = run_of(experiment_of(tmp_path, **settings), {"all": ("voting", ("naive", "linear"))})
    lay_down(found.code, tmp_path)
    done = python(RUN, tmp_path)
    assert done.returncode == 0, done.stderr
    check_same(tmp_path / "forecast.csv", found.forecast())


def test_a_group_that_fails_stops_no_other(answered: Run, tmp_path: Path) -> None:
    made = answered.code
    south = json.loads(made.ensembles or b"")["south"]
    broken = south | {"members": [south["members"][2] | {"config": {}}]}
    choices = {"north": broken, "west": south, "south": south}
    lay_down(replace(made, ensembles=json.dumps(choices).encode()), tmp_path)
    done = python(RUN, tmp_path)
    assert done.returncode == 1 and "2 of 3 groups have no forecast" in done.stderr
    assert "north: KeyError: 'block'" in done.stderr and "no rows of the group 'west'" in done.stderr
    assert pl.read_csv(tmp_path / "forecast.csv")["region"].unique().to_list() == ["south"]


def test_without_any_group_there_is_nothing_to_write(answered: Run) -> None:
    with pytest.raises(ArtifactError, match="no group has an ensemble to be trained again"):
        write_training_code(answered.experiment, answered.dataset, [])


@pytest.mark.parametrize("name", list(algorithms("forecasting")))
def test_every_forecaster_can_be_copied(name: str) -> None:
    """Its functions stand at the top of a module, and reach nothing that is not there."""
    bundle = Bundle(_instead(has_sums=True))
    expression = bundle.value(_learner(algorithms("forecasting")[name]))
    bundle.value(STEPS)
    sections = bundle.sections()
    text = "\n\n".join(["from __future__ import annotations", bundle.imports(), *(text for _, text in sections)])
    assert "automl_assets" not in bundle.imports()
    namespace: dict[str, Any] = {"__name__": "copied"}
    sys.modules["copied"] = sys  # dataclasses look their module up
    try:
        exec(compile(f"{text}\n\nmade = {bundle.resolved(expression)}", "copied.py", "exec"), namespace)
    finally:
        del sys.modules["copied"]
    assert callable(namespace["made"].fit) and callable(namespace["made"].forecast)
