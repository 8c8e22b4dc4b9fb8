"""Makes ready what the environment names: the settings of the home, and the bucket for artifacts. May run again."""

import os

from upath import UPath

from automl_assets.resources.home import ARTIFACTS, place, prepare

print(f"settings in {prepare()}")
if os.environ.get(ARTIFACTS, "").startswith("s3://"):
    bucket = UPath(place("").path.partition("/")[0], protocol="s3")
    bucket.mkdir(exist_ok=True)
    print(f"bucket {bucket}")
