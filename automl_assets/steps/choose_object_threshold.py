"""choose_object_threshold: from which score on a box counts as an answer: where precision and recall are best together.

Every box is answered with its score, and metrics of ranks look at all of them; this is for those who want to see objects.
"""

from dataclasses import replace

import numpy as np

from automl_assets.metrics.objects import best_threshold
from automl_assets.records import Ensemble
from automl_assets.steps.calibrate import Judged


def choose_object_threshold(ensemble: Ensemble, rows: Judged) -> Ensemble:
    """The ensemble with the threshold of the highest F1 over all boxes of the out-of-fold rows."""
    found = best_threshold(rows.y, rows.predictions, rows.weight, rows.problem.n_classes)
    return ensemble if np.isnan(found) else replace(ensemble, problem=replace(ensemble.problem, threshold=found))
