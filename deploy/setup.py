"""Makes ready what the environment names: the home's settings, the databases, the artifacts' bucket. May run again."""

import os

from upath import UPath

from automl_assets.resources.home import ARTIFACTS, open_instance, place, prepare

print(f"settings in {prepare()}")
open_instance().dispose()
print("Dagster's databases are made")
if os.environ.get(ARTIFACTS, "").startswith("s3://"):
    bucket = UPath(place("").path.partition("/")[0], protocol="s3")
    bucket.mkdir(exist_ok=True)
    print(f"bucket {bucket}")
