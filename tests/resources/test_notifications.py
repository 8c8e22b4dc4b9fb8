"""What goes wrong is told: in the log always, and by webhook and mail to real servers, with no secret in any log."""

import logging
import re
import socketserver
from email import message_from_bytes, policy
from typing import Any

import pytest

from automl_assets.resources import notifications
from automl_assets.resources.notifications import Notice, tell
from tests.servers import SECRET, Webhook, serving

NOTICE = Notice("run_failed", "churn", "churn: the run failed\ndataset: no such file", run="0a1b")
ANSWERS = {"EHLO": b"250-here\r\n250 AUTH PLAIN\r\n", "AUTH": b"235 come in\r\n", "QUIT": b"221 bye\r\n"}
LOG = logging.getLogger("tried")


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as it takes to be sent mail, and to be logged into."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.mails, self.logins = list[Any](), list[str]()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word == "DATA":
                self.wfile.write(b"354 go on\r\n")
                content = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(message_from_bytes(content, policy=policy.default))
            if word == "AUTH":
                self.server.logins.append(line)
            self.wfile.write(ANSWERS.get(word, b"250 ok\r\n"))


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        notifications.WEBHOOK,
        notifications.TOKEN,
        notifications.SMTP,
        notifications.MAIL_TO,
        notifications.MAIL_FROM,
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_the_log_always_says_it(caplog: pytest.LogCaptureFixture) -> None:
    tell(NOTICE, LOG)
    assert [record.message for record in caplog.records] == [NOTICE.text]


# --- webhook -----------------------------------------------------------------------------------------------------


def test_a_webhook_gets_everything_and_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Webhook(200)) as webhook:
        monkeypatch.setenv(notifications.WEBHOOK, webhook.url)
        monkeypatch.setenv(notifications.TOKEN, SECRET)
        tell(NOTICE, LOG)
    ((headers, body),) = webhook.posted
    assert (headers["Authorization"], headers["Content-Type"]) == (f"Bearer {SECRET}", "application/json")
    assert body == {"kind": "run_failed", "experiment": "churn", "text": NOTICE.text, "run": "0a1b"}


def test_a_webhook_that_fails_once_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Webhook(500, 200)) as webhook:
        monkeypatch.setenv(notifications.WEBHOOK, webhook.url)
        tell(NOTICE, LOG)
    assert len(webhook.posted) == 2


@pytest.mark.parametrize(("code", "reason"), [(500, "the server answered 500"), (302, "the server answered 302")])
def test_a_webhook_that_fails_is_told_without_its_address(
    code: int, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(Webhook(code)) as webhook:
        monkeypatch.setenv(notifications.WEBHOOK, webhook.url)
        monkeypatch.setenv(notifications.TOKEN, SECRET)
        tell(NOTICE, LOG)
    assert caplog.records[-1].message == f"not told by webhook: {reason}"
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://127.0.0.1:1/{SECRET}", "ConnectionRefused|URLError: .*refused"),
        (f"file:///{SECRET}", "begins with neither"),
        (f"http://127.0.0.1:1/{SECRET} {SECRET}", "InvalidURL"),
        (f"http://127.0.0.1:{SECRET}/", "InvalidURL"),
    ],
)
def test_no_address_of_a_webhook_stops_anything(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(notifications.WEBHOOK, url)
    with serving(MailServer()) as server:
        monkeypatch.setenv(notifications.MAIL_TO, "ann@example.org")
        monkeypatch.setenv(notifications.SMTP, f"smtp://{server.address}")
        tell(NOTICE, LOG)
    assert len(server.mails) == 1
    assert len(caplog.records) == 2 and SECRET not in caplog.text
    assert re.search(reason, caplog.records[-1].message)


# --- mail --------------------------------------------------------------------------------------------------------


def test_a_mail_says_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(MailServer()) as server:
        monkeypatch.setenv(notifications.MAIL_TO, "ann@example.org, bob@example.org")
        monkeypatch.setenv(notifications.SMTP, f"smtp://ann:s%403cret@{server.address}")
        tell(NOTICE, LOG)
    (mail,) = server.mails
    assert (mail["From"], mail["To"]) == ("ann@example.org", "ann@example.org, bob@example.org")
    assert mail["Subject"] == "churn: the run failed dataset: no such file"
    assert mail.get_content().splitlines() == [*NOTICE.text.splitlines(), "", "Experiment: churn", "Run: 0a1b"]
    assert server.logins == ["AUTH PLAIN AGFubgBzQDNjcmV0"]  # \0ann\0s@3cret


@pytest.mark.parametrize("url", ["", "127.0.0.1:25", "http://127.0.0.1"])
def test_receivers_without_a_server(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(notifications.MAIL_TO, "ann@example.org")
    monkeypatch.setenv(notifications.SMTP, url)
    tell(NOTICE, LOG)
    assert "not told by mail: AUTOML_MAIL_TO is set, and AUTOML_SMTP_URL is no address" in caplog.records[-1].message


def test_a_password_goes_to_no_other_machine_in_the_clear(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notifications, "_is_here", lambda host: False)  # there is no second machine here
    with serving(MailServer()) as server:
        monkeypatch.setenv(notifications.MAIL_TO, "ann@example.org")
        monkeypatch.setenv(notifications.SMTP, f"smtp://ann:{SECRET}@{server.address}")
        tell(NOTICE, LOG)
    assert "offers no encryption, so that it gets no password" in caplog.records[-1].message
    assert not server.logins and not server.mails and SECRET not in caplog.text


@pytest.mark.parametrize(
    ("host", "is_here"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_what_stays_on_this_machine(host: str, is_here: bool) -> None:
    assert notifications._is_here(host) is is_here
