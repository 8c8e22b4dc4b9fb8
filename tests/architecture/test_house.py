"""The map of the house in CONTRIBUTING.md names every room there is, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = ("resources", "sensors", "tests", "benchmarks", "deploy", "docs")


def test_the_map_names_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([a-z_/]+)/` \|", text, re.MULTILINE))
    packages = {f"automl_assets/{file.parent.name}" for file in (ROOT / "automl_assets").glob("*/__init__.py")}
    assert named == packages | set(TOP)


def test_the_walk_of_a_table_names_modules_that_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    walk = re.findall(r"`([a-z_/]+)`", text[text.index("A table walks") : text.index("## Names")])
    folders = (ROOT / "automl_assets", ROOT)
    lacking = [name for name in walk if not any((folder / f"{name}.py").exists() for folder in folders)]
    assert walk and lacking == []
