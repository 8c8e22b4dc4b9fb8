"""Nothing that is put aside for a while stays behind, however a process ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

OWN = "from automl_assets.execution.temporary import remove_own_folder, use_own_folder; import os, tempfile; "
WAYS = {
    "in good order": "use_own_folder(); tempfile.mkdtemp(); remove_own_folder()",
    "killed": "use_own_folder(); tempfile.mkdtemp(); os.kill(os.getpid(), 9)",
    "a child, killed": (
        "import subprocess, sys; mine = use_own_folder(); "
        "subprocess.run([sys.executable, '-c', 'import os, tempfile; tempfile.mkdtemp(); os.kill(os.getpid(), 9)']); "
        "assert any(mine.iterdir()); remove_own_folder()"
    ),
}


def _run(code: str, place: Path) -> None:
    subprocess.run([sys.executable, "-c", OWN + code], env=os.environ | {"TMPDIR": str(place)}, check=False)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_stays_behind(tmp_path: Path, way: str) -> None:
    """Of who is killed, nothing but until somebody comes next."""
    _run(WAYS[way], tmp_path)
    if way == "killed":
        assert len(list(tmp_path.iterdir())) == 1
        _run(WAYS["in good order"], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_others_need_stays(tmp_path: Path) -> None:
    """Of a process that runs, of another machine, and of who knows whom."""
    host = os.uname().nodename
    for name in (f"automl_{host}_{os.getpid()}_abcdefgh", "automl_elsewhere_999999999_abcdefgh", "pymp-abcdefgh"):
        (tmp_path / name).mkdir()
    _run(WAYS["in good order"], tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
