"""What forecasters need beside `preload`: a child that forecasts would take a second or two to load it, each anew."""

import contextlib
import importlib

for _name in ("statsforecast.models", "prophet", "pmdarima", "holidays"):
    with contextlib.suppress(ImportError):  # a package that is absent is not offered, see `registry.forecasters`
        importlib.import_module(_name)
