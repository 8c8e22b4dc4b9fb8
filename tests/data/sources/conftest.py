"""What the tests of sources read from beside files: a web server, an object store in memory."""

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without writing to the console, with an ETag as object stores send one."""

    def log_message(self, format: str, *args: object) -> None:
        pass

    def end_headers(self) -> None:
        if self.path.endswith("with_etag.csv"):
            self.send_header("ETag", '"0123abcd"')
        super().end_headers()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server: its URL and the folder that it serves."""
    folder = tmp_path / "web"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    """An object store in memory, empty before and after."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()
