"""The hub is asked once and for seconds only; without a network all is said at once."""

import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from automl_assets.errors import ServiceError, SettingError
from automl_assets.weights import hub


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))


def test_offline_it_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SettingError, match=r"^'some/network' is not in the hub's cache, and HF_HUB_OFFLINE forbids"):
        hub.downloaded("some/network")


def test_a_hub_that_is_not_there_is_told_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(
        ServiceError, match=r"^'some/network' is not in the hub's cache, and the hub does not answer \("
    ):
        hub.downloaded("some/network")
    assert time.monotonic() - started < 10


def test_a_hub_that_answers_is_there() -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert hub._unreachable(f"http://127.0.0.1:{server.server_port}") == ""
    finally:
        server.shutdown()
