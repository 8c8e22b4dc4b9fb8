"""What is installed is all there is: no list of packages to keep up, so that no folder can be missing from the wheel."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PLACES = {"automl_assets": "automl_assets", "resources": "automl_assets/resources", "sensors": "automl_assets/sensors"}
NEW = (  # what somebody adds one day
    "automl_assets/letters/__init__.py",
    "automl_assets/letters/steps/__init__.py",
    "automl_assets/letters/steps/count.py",
    "automl_assets/letters/page/page.html.jinja",
    "automl_assets/experiments/letters.yml",
    "resources/letters/__init__.py",
    "resources/letters/letters.yaml",
    "sensors/letters/__init__.py",
)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Dockerfile copies before it installs, with new folders."""
    folder = tmp_path_factory.mktemp("context")
    for line in (PROJECT / "deploy" / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            for source in sources:
                copy(PROJECT / source, folder / target)
    for name in NEW:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    return folder


def copy(source: Path, target: Path) -> None:
    """As `COPY` does: a folder's content, a file into a folder."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def test_every_file_there_is_gets_installed_and_nothing_else(context: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run([*build, context], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == expected(context)


def expected(folder: Path) -> set[str]:
    """Every file of the project and every new one, by the place where it is installed."""
    roots = [PROJECT / root for root in PLACES]
    files = {str(file.relative_to(PROJECT)) for root in roots for file in root.rglob("*") if file.is_file()}
    there = {file for file in files if "__pycache__" not in file} | set(NEW)
    assert all((folder / file).exists() for file in there), "the Dockerfile leaves something out"
    return {PLACES[file.partition("/")[0]] + "/" + file.partition("/")[2] for file in there}
