"""A YAML that is too clever is refused at once, with its line."""

import time

import pytest

from automl_assets.errors import SettingError
from automl_assets.experiment.experiment import load
from automl_assets.experiment.yaml_text import read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, r"line 6: with each alias \(\*\) written out this holds more than 1,000,000 values"),
        (MERGES, r"line \d+: with each alias \(\*\) written out"),
        ("[" * 100_000, "line 1: lists and mappings stand in each other more than 50 deep"),
        ("- " * 100_000 + "x", "line 1: lists and mappings stand in each other more than 50 deep"),
        (
            "target: a\nlimits:\n  max_trials: 1\n  max_trials: 2",
            "line 4: the key 'max_trials' stands there twice, first in line 3",
        ),
        ('target: a\n"target": b', "line 2: the key 'target' stands there twice, first in line 1"),
        ("a: &a [1, *a]", r"line 1: this holds itself by an alias"),
        ("? [1, 2]\n: x", "line 1: a key is a text"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("day: 2024-13-45", "is not readable YAML: month must be in 1..12"),
        ("x: " + "9" * 10_000_001, "got 10,000,004 letters; a YAML has 10,000,000 at most"),
        ("a: !!python/object/apply:os.system [ls]", "line 1, column 4: could not determine a constructor"),
    ],
)
def test_what_is_refused(text: str, told: str) -> None:
    began = time.process_time()
    with pytest.raises(SettingError, match=f"odd.yaml.*{told}"):
        read_yaml(text, "odd.yaml")
    assert time.process_time() - began < 2


def test_aliases_and_merges_as_people_write_them() -> None:
    text = "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: [*a, *a]"
    assert read_yaml(text, "fine.yaml") == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": [{"x": 1, "y": 2}] * 2}
    assert read_yaml("", "empty.yaml") is None


def test_a_line_with_a_secret_is_not_shown(tmp_path) -> None:
    (tmp_path / "shop.yaml").write_text("source: {url: postgresql://ann:s3cret@host/shop, table: x: y}\ntarget: y")
    with pytest.raises(SettingError, match="shop.yaml is not readable YAML: line 1, column") as caught:
        load(tmp_path / "shop.yaml")
    assert "s3cret" not in str(caught.value)
