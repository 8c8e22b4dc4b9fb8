"""The hub is asked once and for seconds only; without a network all is said at once."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread

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
    asked = []
    monkeypatch.setattr(hub, "_asked", lambda endpoint, ask=hub._asked: asked.append(endpoint) or ask(endpoint))
    monkeypatch.setattr(hub, "PROBE_SECONDS", 60.0)  # a busy machine needs no more to refuse
    with pytest.raises(
        ServiceError, match=r"^'some/network' is not in the hub's cache, and the hub does not answer \(.*refused"
    ):
        hub.downloaded("some/network")
    assert asked == ["http://127.0.0.1:9"], "it is asked once"


def test_a_hub_that_says_nothing_is_waited_for_no_longer_than_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub.PROBE_SECONDS <= 5
    silence = Event()
    monkeypatch.setattr(hub, "_asked", lambda endpoint: silence.wait())
    monkeypatch.setattr(hub, "PROBE_SECONDS", 0.1)
    assert hub._unreachable("http://127.0.0.1:9") == "no answer within 0 s"
    silence.set()


def test_a_hub_that_answers_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "PROBE_SECONDS", 60.0)

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
