"""Tells people what went wrong: in the log always, by webhook and by mail where the environment says so.

AUTOML_WEBHOOK_URL    gets a POST with a JSON object: `text` (which Slack and its like show), and the fields of `Notice`
AUTOML_WEBHOOK_TOKEN  is sent along as `Authorization: Bearer …`
AUTOML_SMTP_URL       smtp://user:password@host:587, or smtps:// where all is encrypted from the start
AUTOML_MAIL_TO        addresses, separated by commas
AUTOML_MAIL_FROM      the sender; the first of the addresses when left out

Addresses and passwords come from the environment alone, and no log says more of them than the host.
"""

import http.client
import json
import os
import smtplib
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from ipaddress import ip_address
from logging import Logger
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urlsplit

from automl_assets.errors import SettingError
from automl_assets.masking import masked, masked_value

WEBHOOK, TOKEN = "AUTOML_WEBHOOK_URL", "AUTOML_WEBHOOK_TOKEN"
SMTP, MAIL_TO, MAIL_FROM = "AUTOML_SMTP_URL", "AUTOML_MAIL_TO", "AUTOML_MAIL_FROM"
TIMEOUT_SECONDS = 5  # a tick has a minute for everything
ATTEMPTS = 2
PAUSE_SECONDS = 1
PORTS = {"smtp": 587, "smtps": 465}
MOST_SUBJECT = 150  # letters


@dataclass(frozen=True)
class Notice:
    """Something that a person should know. Holds no secrets: it goes to places that others read."""

    kind: Literal["run_failed", "source_unreadable", "drift"]
    experiment: str
    text: str  # all there is to say, the most important first
    run: str = ""  # of Dagster


def tell(notice: Notice, log: Logger) -> None:
    """Says it in every way there is; a way that fails is told in the log, and keeps no other from being tried."""
    notice = Notice(**masked_value(asdict(notice)))
    log.error(notice.text)
    for way, send in _ways():
        try:
            _attempted(lambda send=send: send(notice))  # type: ignore[misc]
        except SettingError as error:
            log.error(f"not told by {way}: {error}")
        except (OSError, smtplib.SMTPException, http.client.HTTPException) as error:
            log.error(f"not told by {way}: {_reason(error)}")


def _ways() -> Iterator[tuple[str, Callable[[Notice], None]]]:
    if os.environ.get(WEBHOOK):
        yield "webhook", _post
    if os.environ.get(MAIL_TO):
        yield "mail", _mail


def _attempted(send: Callable[[], None]) -> None:
    for _ in range(ATTEMPTS - 1):
        try:
            return send()
        except (OSError, smtplib.SMTPException):
            time.sleep(PAUSE_SECONDS)
    return send()


def _reason(error: Exception) -> str:
    """What a library says, where it is known to repeat no address: servers' answers are left out."""
    match error:
        case urllib.request.HTTPError():
            return f"the server answered {error.code}"
        case smtplib.SMTPResponseException():
            return f"the server answered {error.smtp_code}"
        case OSError():
            said = os.strerror(error.errno) if error.errno else getattr(error, "reason", "")
            return masked(f"{type(error).__name__}: {said}")
    return type(error).__name__


# --- webhook -----------------------------------------------------------------------------------------------------


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: the token is for one address alone."""

    def redirect_request(self, *args: Any) -> None:
        return None


def _post(notice: Notice) -> None:
    url, token = os.environ[WEBHOOK], os.environ.get(TOKEN)
    if urlsplit(url).scheme not in ("http", "https"):
        raise SettingError(f"{WEBHOOK} begins with neither https:// nor http://")
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(asdict(notice)).encode(), headers, method="POST")
    with urllib.request.build_opener(_Straight).open(request, timeout=TIMEOUT_SECONDS) as answer:
        answer.read()


# --- mail --------------------------------------------------------------------------------------------------------


def _mail(notice: Notice) -> None:
    message = EmailMessage()
    receivers = os.environ[MAIL_TO]
    message["To"] = receivers
    message["From"] = os.environ.get(MAIL_FROM) or receivers.split(",")[0].strip()
    message["Subject"] = " ".join(notice.text.split())[:MOST_SUBJECT]
    message.set_content(f"{notice.text}\n\nExperiment: {notice.experiment}\nRun: {notice.run or 'none'}\n")
    server = _server()
    with _connection(server) as smtp:
        if server.username:
            smtp.login(unquote(server.username), unquote(server.password or ""))
        smtp.send_message(message)


def _server() -> SplitResult:
    server = urlsplit(os.environ.get(SMTP, ""))
    if server.scheme not in PORTS or not server.hostname:
        raise SettingError(f"{MAIL_TO} is set, and {SMTP} is no address such as smtp://user:password@host:587")
    return server


def _connection(server: SplitResult) -> smtplib.SMTP:
    """Encrypted where the server can; a password goes over the network in no other way."""
    host, port = str(server.hostname), server.port or PORTS[server.scheme]
    if server.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
    smtp = smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
    smtp.ehlo()
    if smtp.has_extn("starttls"):
        smtp.starttls(context=ssl.create_default_context())
    elif server.username and not _is_here(host):
        smtp.close()
        raise SettingError(f"the mail server at {host} offers no encryption, so that it gets no password; use smtps://")
    return smtp


def _is_here(host: str) -> bool:
    """Whether what is sent there leaves this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
