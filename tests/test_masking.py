"""Nothing of a URL's user part or query is ever shown, however it is written; and all else is left as it is."""

import base64
import html
import http.server
import json
import logging
import random
import threading
import traceback
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl_assets import masking, registry
from automl_assets.errors import SourceError, told
from automl_assets.experiment.experiment import source_of
from automl_assets.masking import mask_logs, masked, masked_value, remember, without_secrets

ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+=:@%&?#!$*()[]{}'\"<>ä€~-_. \\"
ENCODINGS: tuple[Callable[[str], str], ...] = (
    lambda secret: secret,
    lambda secret: quote(secret, safe=""),
    quote,
    lambda secret: (
        quote(secret, safe="").lower() if quote(secret, safe="").lower() == secret.lower() else quote(secret)
    ),
    quote_plus,
    lambda secret: quote(quote(secret, safe=""), safe=""),
    lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: repr(secret)[1:-1],
    html.escape,
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    lambda secret: secret.encode().hex(),
)
SCHEMES = (
    "https",
    "HTTPS",
    "s3",
    "az",
    "abfss",
    "sftp",
    "ftp",
    "postgresql+psycopg",
    "simplecache::https",
    "FILECACHE::Https",
)
unhurried = settings(deadline=None, derandomize=True)
secrets = st.text(ALPHABET, min_size=8, max_size=40).filter(
    lambda text: len(set(text)) > 5 and unquote(text) == text and text.strip() == text and "::" not in text
)


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    masking._remembered.clear()
    yield
    masking._remembered.clear()


def written(secret: str) -> str:
    """As it must stand in a URL."""
    return quote(secret, safe="")


@unhurried
@given(
    secrets,
    st.sampled_from(SCHEMES),
    st.sampled_from(("user:{}@host/rows.csv", "{}@host/rows.csv", "host/rows.csv?sig={}")),
)
def test_a_url_shows_neither_user_nor_query(secret: str, scheme: str, shape: str) -> None:
    masking._remembered.clear()
    url = f"{scheme}://{shape.format(written(secret))}"
    for shown in (without_secrets(url), masked(f"403, url='{url}'"), masked(f"a\n{url}, and more")):
        assert written(secret) not in shown and "user" not in shown
        assert "host/rows.csv" in shown, "a person must find the file"


@unhurried
@given(secrets, st.sampled_from(SCHEMES))
def test_a_password_that_is_not_encoded_is_hidden_to_its_end(secret: str, scheme: str) -> None:
    masking._remembered.clear()
    for url in (f"{scheme}://user:{secret}@host/rows.csv", f"{scheme}://{secret}@host/rows.csv"):
        shown = without_secrets(url)
        assert not any(secret[at : at + 6] in shown for at in range(len(secret) - 5)), shown


@unhurried
@given(
    secrets, st.sampled_from(ENCODINGS), st.sampled_from(("user:{}@host/rows.csv", "host/rows.csv?sv=2&sig={}&se=9"))
)
def test_a_secret_on_its_own_is_hidden_in_any_encoding(secret: str, encoded: Callable[[str], str], shape: str) -> None:
    masking._remembered.clear()
    remember(f"https://{shape.format(written(secret))}")
    assert encoded(secret).rstrip("=") not in masked(f"the server said ‹{encoded(secret)}› and closed")


def test_user_and_password_as_a_header_has_them() -> None:
    remember("https://ann:s3cret-word@host/rows.csv")
    header = base64.b64encode(b"ann:s3cret-word").decode()
    assert header not in masked(f"got {{'Authorization': 'Basic {header}'}}") + masked(f"sent {header}")


@pytest.mark.parametrize(
    "text",
    [
        "3 of 12 rows cannot be read; write ann@host.org or 12:30, and 50 % of a/b?",
        'token: unknown key; possible: key, path. Did you mean "path"?',
        "write dialect://user:password@host/database, such as postgresql://… or sqlite:////data/shop.db",
        "s3://bucket/part-?.csv: no file matches this pattern; * stands for any text",
        "/data/what?.csv, C:\\rows.csv and file:///data/a@b.csv",
        "key=store_id, secrets=3, sigma=0.5, design=A",
        "see https://www.openml.org for names, or http://127.0.0.1:5001/invocations.",
        "SELECT a.token FROM t WHERE b::text = 'x'",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    for short in ("https://a:b@host/x?sig=c", "https://test@host/?q=csv&v=2", "ftp://rows:rows@host/x"):
        remember(short)
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("DRIVER=x;UID=ann;PWD={a;b};SERVER=y", "DRIVER=x;UID=ann;PWD=***;SERVER=y"),
        ("host=h user=ann password='s3 cret' dbname=d", "host=h user=ann password=*** dbname=d"),
        ("AccountKey=abc==;EndpointSuffix=x", "AccountKey=***;EndpointSuffix=x"),
        ("/rows.csv?sv=1&sig=ab%2F", "/rows.csv?sv=1&sig=***"),
        ("{'path': 'x', 'password': 's3 cret'}", "{'path': 'x', 'password': ***}"),
        ("https://host/rows.csv?to=a@b.c&sig=abc", "https://***"),
        ("zip://rows.csv::https://t0ken@host/a.zip?sig=1", "zip://rows.csv::https://***@host/a.zip?***"),
    ],
)
def test_secrets_by_their_place(text: str, shown: str) -> None:
    assert masked(text) == shown == masked(shown), "also when it comes through the gate again"


def test_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "tr0ub4dor&3")
    monkeypatch.setenv("PROXY", "http://ann:pr0xypass@proxy:3128")
    assert masked("refused: tr0ub4dor%263 through pr0xypass") == "refused: *** through ***"
    assert masked_value({"a": ["tr0ub4dor&3", 3]}) == {"a": ["***", 3]}
    assert told(OSError("tr0ub4dor&3 is wrong")) == "OSError: *** is wrong"


def test_an_experiment_that_is_printed_shows_no_secret() -> None:
    source = source_of("https://ann:s3cret@host/rows.parquet?sig=a8Xb")
    assert "ParquetOptions(path='https://***@host/rows.parquet?***'" in repr(source) == str(source)
    code = source.part.code(source.options)
    assert 'os.environ["SOURCE_URL"]' in code and "s3cret" not in code and "a8Xb" not in code


def test_what_libraries_log(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogRecordFactory()
    mask_logs()
    try:
        logging.getLogger("urllib3").warning("Retrying (%r): %s", "Retry(total=2)", "/rows.csv?sv=1&sig=ab%2Fcd")
        try:
            raise OSError("https://ann:s3cret@host/rows.csv")
        except OSError:
            logging.getLogger("s3fs").exception("no %d", 1)
        logging.getLogger("uvicorn").warning("%s rows", 3)
    finally:
        logging.setLogRecordFactory(before)
    assert "sig=***" in caplog.text and "OSError: https://***@host/rows.csv" in caplog.text
    assert "ab%2Fcd" not in caplog.text and "s3cret" not in caplog.text
    assert caplog.records[-1].args == (3,), "as it was, for handlers that look at it"


class Refusing(http.server.BaseHTTPRequestHandler):
    """Lets nobody in."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize("start", ["http://", "HTTP://", "simplecache::http://", "filecache::http://ann:pa%2Fs5w0rd@"])
def test_what_a_web_server_refuses_is_told_without_the_signature(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiohttp writes %2F in a query as /, so that the text of the variable is not in its message."""
    signature = "".join(random.Random(0).choices("abcdefXYZ0123456789", k=20)) + "%2FaB3%2BcD%3D"
    monkeypatch.setenv("SAS", signature)
    part = registry.sources()["csv"]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        options = part.options(path=f"{start}127.0.0.1:{server.server_port}/rows.csv?sig=${{SAS}}")
        with pytest.raises(SourceError) as caught:
            part.read(options)
        server.shutdown()
    said = str(caught.value) + "".join(traceback.format_exception(caught.value)) + part.describe(options)
    assert signature[:20] not in said and "aB3" not in said and "s5w0rd" not in said
    assert caught.value.__cause__ is None
