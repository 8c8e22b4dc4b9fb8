"""A run is of the YAML as it stood when it began, whatever becomes of the file meanwhile."""

from pathlib import Path

import dagster as dg

from automl_assets.api import run
from automl_assets.resources.home import use_home
from automl_assets.resources.run_log import Journal

BEFORE = "task: classification\nsource: {kind: sklearn, name: iris}\ntarget: target\nalgorithms: [knn]\n"
AFTER = BEFORE.replace("knn", "decision_tree")


def _candidates(file: Path, text: str, journal: str) -> set[str]:
    kept = Journal(journal).keep(text)
    assert kept.stat().st_mode & 0o777 == 0o600
    job = dg.build_reconstructable_job(run.__name__, "job_of", (str(file),), {"text_in": str(kept)}).get_definition()
    return {node.name.split("candidate__")[1] for node in job.nodes if "candidate__" in node.name} - {"baseline"}


def test_the_text_counts_and_not_the_file(tmp_path: Path) -> None:
    file = tmp_path / "flowers.yaml"
    file.write_text(AFTER)
    with use_home(tmp_path):
        assert _candidates(file, BEFORE, "first") == {"knn"}
        assert _candidates(file, AFTER, "second") == {"decision_tree"}
