"""What an experiment may be called is checked in one place, before anything is made, with a name that is possible."""

import re
from pathlib import Path

import pytest
from dagster._core.definitions.utils import DISALLOWED_NAMES
from hypothesis import given
from hypothesis import strategies as st

from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import load
from automl_assets.experiment.name import INVALID, RESERVED, check_file, check_name, proposal

YAML = "task: classification\nsource: {kind: sklearn, name: wine}\ntarget: target\n"


def test_what_dagster_and_python_keep_for_themselves_is_reserved() -> None:
    assert {*DISALLOWED_NAMES, INVALID} == RESERVED


@pytest.mark.parametrize("name", sorted(name for name in RESERVED if name.islower()))
def test_a_file_of_a_reserved_name_is_refused_with_another_that_is_possible(tmp_path: Path, name: str) -> None:
    file, other = tmp_path / f"{name}.yaml", tmp_path / f"{name}_data.yaml"
    for one in (file, other):
        one.write_text(YAML)
    with pytest.raises(
        SettingError,
        match=rf"^name: got '{name}', a word that Python or Dagster keeps .* call the file {name}_data\.yaml",
    ):
        load(file)
    with pytest.raises(SettingError, match=f"call the file {name}_data.yaml"):
        check_file(file)
    assert load(other).name == f"{name}_data"


def test_a_reserved_file_may_give_its_experiment_another_name(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(YAML + "name: bought")
    assert load(tmp_path / "input.yaml").name == "bought"


@pytest.mark.parametrize(
    ("stem", "name"),
    [("sales-2024", "sales_2024"), ("my data", "my_data"), ("größe", "gr__e"), ("Wine.old", "wine_old")],
)
def test_a_file_of_another_name_is_called_by_its_letters(tmp_path: Path, stem: str, name: str) -> None:
    (tmp_path / f"{stem}.yaml").write_text(YAML)
    assert load(tmp_path / f"{stem}.yaml").name == name


@pytest.mark.parametrize(("stem", "other"), [("2024", "experiment_2024"), ("__", "experiment"), ("a" * 64, "a" * 50)])
def test_a_file_that_gives_no_name_is_refused_with_one_that_is_possible(tmp_path: Path, stem: str, other: str) -> None:
    (tmp_path / f"{stem}.yaml").write_text(YAML)
    told = (
        rf"^name: got '{stem}', but a name is lower-case letters, .*; call the file {other}\.yaml, or give another name"
    )
    with pytest.raises(SettingError, match=told):
        load(tmp_path / f"{stem}.yaml")


@given(
    st.one_of(st.text(), st.sampled_from(sorted(RESERVED)), st.from_regex(re.compile("[a-z_]{0,99}"), fullmatch=True))
)
def test_what_is_proposed_is_possible(text: str) -> None:
    assert check_name(proposal(text)) == proposal(text)
