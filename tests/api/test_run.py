"""A run is of the YAML as it stood when it began, whatever becomes of the file meanwhile."""

from pathlib import Path

import dagster as dg

from automl_assets.api import run

BEFORE = "task: classification\nsource: {kind: sklearn, name: iris}\ntarget: target\nalgorithms: [knn]\n"
AFTER = BEFORE.replace("knn", "decision_tree")


def _candidates(job: dg.JobDefinition) -> set[str]:
    return {node.name.split("candidate__")[1] for node in job.nodes if "candidate__" in node.name} - {"baseline"}


def test_the_text_counts_and_not_the_file(tmp_path: Path) -> None:
    file = tmp_path / "flowers.yaml"
    file.write_text(AFTER)
    found = dg.build_reconstructable_job(run.__name__, "job_of", (str(file),), {"text": BEFORE})
    assert _candidates(found.get_definition()) == {"knn"}
    again = dg.build_reconstructable_job(run.__name__, "job_of", (str(file),), {"text": AFTER})
    assert _candidates(again.get_definition()) == {"decision_tree"}
