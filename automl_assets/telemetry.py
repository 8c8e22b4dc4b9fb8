"""What keeps libraries from telephoning home. Not here: what this system itself sends to where it is told to (`notifications`)."""

import os

# Read by each library when it is imported, or when its first session is made; whoever sets one otherwise is heard.
OFF = {
    "DAGSTER_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",
}


def stay_silent() -> None:
    """Sets the variables, for this process and all that it starts."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)
