"""What every learning process needs, loaded once in the server that children are forked from. Loads, never runs."""

import contextlib
import importlib
import signal
import sys

from automl_assets import registry

if sys.argv[0] == "-c":  # the server; Ctrl-C reaches it while it loads, too, and its parent ends it anyway
    signal.signal(signal.SIGINT, signal.SIG_IGN)

for _name in (
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.svm",
    "sklearn.tree",
    "scipy.optimize",
    "lightgbm",
    "xgboost",
    "catboost",
    "interpret.utils",
    "torch",
    "automl_assets.steps.search",
    "automl_assets.forecasting.steps.build_ensemble",
):
    with contextlib.suppress(ImportError):  # a package that is absent is not offered, see `registry.algorithms`
        importlib.import_module(_name)

for _task in registry.tasks().values():  # else every child would look for the algorithms again: 60 ms a fit
    registry.algorithms(_task.family)
