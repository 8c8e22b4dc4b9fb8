"""What every learning process needs, loaded once in the server that children are forked from. Loads, never runs.

What only some algorithms need (`parts.AlgorithmInfo.preload`) the server is asked for by name.
"""

import contextlib
import importlib
import signal
import sys

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
    "automl_assets.steps.search",
):
    with contextlib.suppress(ImportError):  # a package that is absent is not offered, see `registry.algorithms`
        importlib.import_module(_name)
