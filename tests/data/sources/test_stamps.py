"""A stamp changes with every write to a file, whatever is written; a fingerprint with its content alone."""

import os
from pathlib import Path

import polars as pl
import pytest

from automl_assets import registry
from automl_assets.experiment.experiment import SourceSetting, parse
from automl_assets.steps.read_source import may_be_half_written, write_stamp


def _write_sentences(rows: pl.DataFrame, path: Path) -> None:
    path.write_text("\n".join(f"{word} O\n" for word in rows["y"]))


def _write_annotations(rows: pl.DataFrame, path: Path) -> None:
    """Beside an image each, that lies where the rows do."""
    for number in rows["x"]:
        (path.parent / f"{number}.jpg").write_bytes(b"an image")
    rows.select(image_url=pl.format("{}.jpg", "x"), label="y").write_ndjson(path)


WRITERS = {
    "conll": _write_sentences,
    "csv": pl.DataFrame.write_csv,
    "images": _write_annotations,
    "jsonl": pl.DataFrame.write_ndjson,
    "parquet": pl.DataFrame.write_parquet,
}
ENDINGS = {"images": "jsonl"}  # where the kind is no ending
ROWS = pl.DataFrame({"x": [1, 2], "y": ["zz", "b"]})


@pytest.fixture(params=sorted(WRITERS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SourceSetting, Path]:
    path = tmp_path / f"rows.{ENDINGS.get(request.param, request.param)}"
    WRITERS[request.param](ROWS, path)
    return SourceSetting.model_validate({"kind": request.param, "path": str(tmp_path)}), path


def _seen(setting: SourceSetting) -> tuple[str, str]:
    assert setting.part.stamp is not None
    return setting.part.stamp(setting.options), setting.part.fingerprint(setting.options)


def test_nothing_was_written(folder: tuple[SourceSetting, Path]) -> None:
    assert _seen(folder[0]) == _seen(folder[0])


def test_the_same_written_again(folder: tuple[SourceSetting, Path]) -> None:
    setting, path = folder
    before = _seen(setting)
    content = path.read_bytes()
    os.utime(path, (1e9, 1e9))
    path.write_bytes(content)
    after = _seen(setting)
    assert after[0] != before[0] and after[1] == before[1]


def test_another_file_of_the_same_size_and_time(folder: tuple[SourceSetting, Path]) -> None:
    setting, path = folder
    os.utime(path, (1e9, 1e9))
    before = _seen(setting)
    beside = path.with_name(f"_new_{path.name}")
    beside.write_bytes(path.read_bytes().replace(b"zz", b"cc"))
    os.utime(beside, (1e9, 1e9))
    beside.replace(path)
    assert _seen(setting)[0] != before[0]


def test_a_file_that_comes_and_goes(folder: tuple[SourceSetting, Path]) -> None:
    setting, path = folder
    before = _seen(setting)[0]
    more = path.with_name(f"more{path.suffix}")
    more.write_bytes(path.read_bytes())
    assert _seen(setting)[0] != before
    more.unlink()
    assert _seen(setting)[0] == before


def test_every_source_of_files_has_one() -> None:
    assert {name for name, part in registry.sources().items() if part.stamp} == set(WRITERS)


def test_what_is_no_file_is_asked_for_its_content() -> None:
    iris = parse(
        {"task": "classification", "source": {"kind": "sklearn", "name": "iris"}, "target": "target"}, "flowers"
    )
    assert write_stamp(iris) == write_stamp(iris) and not may_be_half_written(iris)
