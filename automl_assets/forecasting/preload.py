"""What forecasts need beside `preload`: a child would take a second or two to load it, each anew."""

import contextlib
import importlib

for _name in (
    "automl_assets.forecasting.steps.build_ensemble",
    "holidays",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
):
    with contextlib.suppress(ImportError):  # a package that is absent is not offered, see `registry.algorithms`
        importlib.import_module(_name)
