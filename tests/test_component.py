"""YAML files and `defs.yaml` become assets; a broken one shows its error and takes nothing else down."""

import hashlib
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

from automl_assets.component import Experiment, ExperimentFolder, definitions_of
from automl_assets.definitions import shared
from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import load
from automl_assets.resources.asset_keys import asset_key, asset_name

SHIPPED = {
    *("bank_marketing", "breast_cancer", "diabetes", "hardware_machine", "wine"),
    *("bike_share", "electricity_small", "hts_sample", "m4_hourly", "nyc_energy", "us_macro"),
    "newsgroups",
}
GOOD = "task: classification\nsource: {kind: sklearn, name: wine}\ntarget: target\n"


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that AUTOML_EXPERIMENTS names."""
    made = tmp_path / "mine"
    made.mkdir()
    monkeypatch.setenv("AUTOML_EXPERIMENTS", str(made))
    return made


def definitions() -> dg.Definitions:
    """All that a code location loads, checked as Dagster does."""
    found = dg.Definitions.merge(ExperimentFolder().build_defs(), shared())
    dg.Definitions.validate_loadable(found)
    return found


def jobs(found: dg.Definitions) -> set[str]:
    return {job.name for job in found.resolve_all_job_defs() if not job.name.startswith("__")}


def shown_error(found: dg.Definitions, name: str) -> str:
    return found.resolve_asset_graph().get(asset_key("invalid_experiments", name)).description


def test_every_shipped_experiment_is_loaded(home: Path) -> None:
    assert jobs(definitions()) == SHIPPED


BROKEN = {
    "unknown key": (GOOD + "colour: red", "colour: unknown key"),
    "unknown metric": (GOOD + "metric: acuracy", 'Did you mean "accuracy"'),
    "no mapping": ("- a", "an experiment is a mapping of keys; got list"),
    "empty": ("", "got NoneType"),
    "no YAML": ("task: [", "is not readable YAML"),
    "not a date": (GOOD + "seed: 2024-13-45", "month must be in 1..12"),
    "task that is a list": (GOOD.replace("classification", "[classification]"), "task"),
    "endless limit": (GOOD + "limits: {timeout_minutes: .inf}", "timeout_minutes"),
    "path that cannot be": ('task: regression\nsource: "a\\0b.csv"\ntarget: y', "null"),
    "code": ("!!python/object/apply:os.system ['true']", "could not determine a constructor"),
    "owner that Dagster refuses": (
        GOOD + "owners: [bob]",
        "owners: got 'bob'; an owner is an e-mail address, or a team such as team:forecasting",
    ),
    "tag that Dagster refuses": (GOOD + "tags: {stage: 'not yet!'}", "Invalid tag value: not yet!"),
    "name that Dagster refuses": (GOOD + "name: config", "got 'config', a word that Python or Dagster keeps"),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_shows_its_error_and_all_others_load(folder: Path, text: str, message: str) -> None:
    (folder / "mine.yaml").write_text(text)
    (folder / "good.yaml").write_text(GOOD)
    found = definitions()
    assert jobs(found) == {*SHIPPED, "good"}
    invalid = [key for key in found.resolve_asset_graph().get_all_asset_keys() if key.path[0] == "invalid_experiments"]
    assert len(invalid) == 1
    assert message in shown_error(found, invalid[0].path[1])


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_when_strict_a_broken_file_is_an_error(
    folder: Path, text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_STRICT", "1")
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(Exception, match=re.escape(message)):
        definitions()


def test_what_is_no_file_and_what_leads_nowhere_are_shown(folder: Path) -> None:
    (folder / "folder.yaml").mkdir()
    (folder / "link.yaml").symlink_to(folder / "gone.yaml")
    (folder / "latin.yaml").write_bytes(b"task: caf\xe9")
    found = definitions()
    assert "cannot be read" in shown_error(found, "folder")
    assert "no such file" in shown_error(found, "gone")
    assert "not readable YAML" in shown_error(found, "latin")


def test_the_second_of_a_name_is_shown_as_taken_under_a_name_that_stays(folder: Path) -> None:
    (folder / "wine.yaml").write_text(GOOD)
    found = definitions()
    (name,) = [
        k.path[1] for k in found.resolve_asset_graph().get_all_asset_keys() if k.path[0] == "invalid_experiments"
    ]
    assert name == "wine_" + hashlib.sha256(str(folder / "wine.yaml").encode()).hexdigest()[:6], "differs by process"
    assert "is already taken by another experiment; rename it" in shown_error(found, name)
    assert jobs(found) == SHIPPED


def test_broken_files_of_like_names_do_not_hide_each_other(folder: Path) -> None:
    for name in ("a-b.yaml", "a b.yml", "a_b.yaml"):
        (folder / name).write_text("task: dance")
    keys = [k for k in definitions().resolve_asset_graph().get_all_asset_keys() if k.path[0] == "invalid_experiments"]
    assert len(keys) == 3


def test_when_strict_a_doubled_name_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_STRICT", "1")
    (folder / "wine.yaml").write_text(GOOD)
    with pytest.raises(SettingError, match="the name 'wine' of .* is already taken"):
        definitions()


def test_more_folders_and_the_home_are_looked_at(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / "one", tmp_path / "two", home / "experiments"]
    for number, place in enumerate(places):
        place.mkdir()
        (place / f"exp_{number}.yaml").write_text(GOOD)
    monkeypatch.setenv("AUTOML_EXPERIMENTS", f"{places[0]}:{places[1]}:{tmp_path / 'absent'}")
    assert jobs(definitions()) == {*SHIPPED, "exp_0", "exp_1", "exp_2"}


def test_a_file_that_two_folders_hold_is_loaded_once(folder: Path, home: Path) -> None:
    (folder / "good.yaml").write_text(GOOD)
    (home / "experiments").mkdir()
    (home / "experiments" / "good.yaml").symlink_to(folder / "good.yaml")
    assert jobs(definitions()) == {*SHIPPED, "good"}


def test_the_job_makes_every_asset_and_every_check(home: Path, tmp_path: Path, tiny: Callable[..., Path]) -> None:
    experiment = load(tiny(tmp_path, more="predict_source: unlabelled.csv\n"))
    found = dg.Definitions.merge(definitions_of(experiment), shared())
    job = found.resolve_job_def("tiny")
    assert {asset_name(key) for key in job.asset_layer.executable_asset_keys} == {
        "dataset", "profile", "split", "features", "candidate_baseline", "candidate_logistic_regression", "leaderboard",
        "ensemble", "evaluation", "explanation", "error_analysis", "training_code", "report", "onnx_model",
        "registered_model", "predictions",
    }  # fmt: skip
    checks = {f"{asset_name(key.asset_key)}.{key.name}" for key in job.asset_layer.asset_graph.asset_check_keys}
    assert checks >= {
        "profile.missing_values", "profile.target_leakage", "candidate_baseline.any_trial_finished", "evaluation.beats_baseline",
        "onnx_model.parity", "onnx_model.latency",
    }  # fmt: skip
    assert job.tags["dagster/max_runtime"] == "780"


def test_assets_say_what_they_belong_to_and_where_they_come_from(folder: Path, tiny: Callable[..., Path]) -> None:
    file = tiny(folder, more="owners: ['team:data', ann@example.com]\ntags: {stage: trial}\n")
    node = definitions().resolve_asset_graph().get(dg.AssetKey(["tiny", "evaluation"]))
    assert node.group_name == "tiny"
    assert node.owners == ["team:data", "ann@example.com"]
    assert node.tags["stage"] == "trial" and node.tags["automl/task"] == "classification"
    (reference,) = node.metadata["dagster/code_references"].code_references
    assert reference.file_path == str(file)


def test_only_settings_that_matter_change_the_code_version(folder: Path, tiny: Callable[..., Path]) -> None:
    def version() -> str:
        return definitions().resolve_asset_graph().get(dg.AssetKey(["tiny", "split"])).code_version

    file = tiny(folder)
    before = version()
    file.write_text("# a comment\n" + file.read_text())
    assert version() == before
    file.write_text(file.read_text() + "seed: 1\n")
    assert version() != before


def test_an_experiment_of_a_defs_yaml_is_loaded_with_paths_relative_to_it(
    home: Path, tiny: Callable[..., Path]
) -> None:
    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.scaffold_component(component_cls=Experiment, defs_path="churn")
        tiny(place)
        _write_defs(place, "task: classification\nsource: tiny.csv\ntarget: answer")
        with sandbox.load_component_and_build_defs(defs_path="churn") as (component, found):
            assert component.experiment.name == "churn"
            assert component.experiment.source.options.path == str(place / "tiny.csv")
            assert jobs(dg.Definitions.merge(found, shared())) == {"churn"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("churn", "task: dance\nsource: {kind: sklearn, name: wine}\ntarget: target", "task: got 'dance'"),
        ("wine", GOOD, "the name 'wine' of .* is already taken"),
    ],
)
def test_a_broken_defs_yaml_shows_its_error(home: Path, name: str, text: str, message: str) -> None:
    with create_defs_folder_sandbox() as sandbox:
        place = sandbox.scaffold_component(component_cls=Experiment, defs_path=name)
        _write_defs(place, text)
        with sandbox.load_component_and_build_defs(defs_path=name) as (_, found):
            (spec,) = found.resolve_all_asset_specs()
            assert spec.key.path[0] == "invalid_experiments"
            assert re.search(message, spec.description)


def _write_defs(place: Path, attributes: str) -> None:
    text = f"type: automl_assets.component.Experiment\nattributes:\n{textwrap.indent(attributes, '  ')}\n"
    (place / "defs.yaml").write_text(text)


def test_a_folder_of_a_defs_yaml_is_taken_relative_to_the_project(home: Path) -> None:
    with create_defs_folder_sandbox() as sandbox:
        (sandbox.project_root / "questions").mkdir()
        (sandbox.project_root / "questions" / "good.yaml").write_text(GOOD)
        place = sandbox.scaffold_component(component_cls=ExperimentFolder, defs_path="all")
        (place / "defs.yaml").write_text(
            "type: automl_assets.component.ExperimentFolder\nattributes: {paths: [questions]}\n"
        )
        with sandbox.load_component_and_build_defs(defs_path="all") as (_, found):
            assert "good" in jobs(dg.Definitions.merge(found, shared()))
