"""Discovering the sources is cheap: every step process pays for it."""

import subprocess
import sys


def test_discovery_loads_no_heavy_package() -> None:
    code = (
        "import sys; from automl_assets import registry; print(*registry.sources());"
        "print(*sorted({'sklearn', 'pandas', 'torch', 'sqlalchemy', 'pyarrow', 'requests'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines() == ["conll csv images jsonl openml parquet sklearn sql statsmodels", ""]
