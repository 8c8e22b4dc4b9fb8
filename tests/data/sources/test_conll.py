"""Sentences of CoNLL as rows, read, added to and told about."""

import gzip
from pathlib import Path

import pytest

from automl_assets.errors import SourceError
from automl_assets.experiment.experiment import SourceSetting, source_of
from automl_assets.steps.read_source import learn, written

SENTENCES = "Peter B-PER\nlives O\n\nin O\nOslo B-LOC\n\n"


def test_files_of_a_glob_are_read_one_below_the_other(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(SENTENCES)
    (tmp_path / "dev.txt").write_text("Ole\tI-PER\r\nBull\tI-PER\r\n")
    (tmp_path / "test.txt").write_text("x O\n")
    rows = written(SourceSetting.model_validate({"kind": "conll", "path": f"{tmp_path}/[td][re]*[nv].txt"}))
    assert rows.to_dicts() == [
        {"text": "Ole Bull", "tags": "B-PER I-PER"},
        {"text": "Peter lives", "tags": "B-PER O"},
        {"text": "in Oslo", "tags": "O B-LOC"},
    ]


def test_a_packed_file_is_read_and_its_texts_stay_texts(tmp_path: Path) -> None:
    (tmp_path / "numbers.conll.gz").write_bytes(gzip.compress(b"1 O\n\n2 O\n\n3 B-n\n"))
    setting = source_of(str(tmp_path / "numbers.conll.gz"))
    rows = written(setting)
    assert rows["text"].to_list() == ["1", "2", "3"]
    assert learn(setting, rows).read(rows).table["tags"].to_list() == ["O", "O", "B-n"]


def test_sentences_are_added(tmp_path: Path) -> None:
    file = tmp_path / "a.conll"
    file.write_text(SENTENCES)
    setting = source_of(str(file))
    rows = written(setting)
    assert setting.part.add is not None
    setting.part.add(setting.options, rows[:1])
    assert written(setting).to_dicts() == [*rows.to_dicts(), rows.to_dicts()[0]]


def test_the_code_of_a_program_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text(SENTENCES)
    setting = source_of(str(tmp_path / "a.conll"))
    body = "".join(f"    {line}\n" for line in setting.part.code(setting.options).splitlines())
    names: dict[str, object] = {}
    exec(f"import glob, os\nimport polars as pl\ndef rows():\n{body}", names)
    assert names["rows"]().equals(written(setting))  # type: ignore[operator]


def test_a_line_without_a_tag_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("Peter B-PER\nlives\n")
    with pytest.raises(SourceError, match=r"a\.conll: line 2 is 'lives', without a tag; write a token"):
        written(source_of(str(tmp_path / "a.conll")))
