"""Networks by their name on the Hugging Face hub: taken from its cache, or downloaded where the hub answers at once.

A hub that cannot be reached is told of within seconds: it is asked once, before anything waits for it.
"""

import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from automl_assets.errors import ServiceError, SettingError

PROBE_SECONDS = 4.0
FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]  # never pickled ones


def cached(name: str) -> Path | None:
    """The folder of a network in the hub's cache; None where it is not there."""
    if (hub := _library()) is None:
        return None
    try:
        found = Path(hub.snapshot_download(name, local_files_only=True, allow_patterns=FILES))
    except (OSError, ValueError):
        return None
    return found if any(found.glob("*.safetensors")) else None


def downloaded(name: str) -> Path:
    """The folder of a network, downloaded unless it is in the hub's cache. Raises SettingError where the hub must not be
    asked or does not know it, ServiceError where the hub does not answer."""
    if found := cached(name):
        return found
    hub = _library()
    if hub is None:
        raise SettingError(f"{name!r} is on the hub, and huggingface_hub is missing; pip install huggingface_hub")
    if hub.constants.is_offline_mode():
        raise SettingError(f"{name!r} is not in the hub's cache, and HF_HUB_OFFLINE forbids to ask the hub")
    if why := _unreachable(hub.constants.ENDPOINT):
        raise ServiceError(f"{name!r} is not in the hub's cache, and the hub does not answer ({why})")
    return _snapshot(name)


def _snapshot(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        found = Path(snapshot_download(name, allow_patterns=FILES))
    except (HFValidationError, HfHubHTTPError) as error:
        raise SettingError(f"the hub has no network {name!r} that may be read ({_first_line(error)})") from error
    except OSError as error:
        raise ServiceError(f"{name!r} could not be downloaded from the hub ({_first_line(error)})") from error
    if not any(found.glob("*.safetensors")):
        raise SettingError(f"{name!r} has no weights as safetensors on the hub, and no others are read")
    return found


def _unreachable(endpoint: str) -> str:
    """Why the hub cannot be asked; nothing where it answers. Names may take a resolver longer than any time-out."""
    answers: list[str] = []
    asker = threading.Thread(target=lambda: answers.append(_asked(endpoint)), daemon=True)
    asker.start()
    asker.join(PROBE_SECONDS)
    return answers[0] if answers else f"no answer within {PROBE_SECONDS:.0f} s"


def _asked(endpoint: str) -> str:
    try:
        urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=PROBE_SECONDS)
    except urllib.error.HTTPError:
        return ""  # it answers
    except (OSError, ValueError) as error:
        return _first_line(error)
    return ""


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _library() -> Any:
    """The package huggingface_hub; None where it is missing."""
    try:
        import huggingface_hub
    except ImportError:
        return None
    return huggingface_hub
