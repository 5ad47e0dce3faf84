"""Serves a built site to browsers on this machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cuda_convnet.errors import ConvnetError, DataError

HOST = "127.0.0.1"


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of each request, and lets no browser keep what may be built anew."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def make_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """A server of the site in `folder`; port 0 takes a free one.

    Raises DataError where no site was built, ConvnetError for a port that is taken.
    """
    if not (folder / "index.html").is_file():
        raise DataError(f"{folder}: no site was built there; run `alexnet2012 study build` first")
    try:
        return ThreadingHTTPServer((HOST, port), partial(Quiet, directory=str(folder)))
    except OSError as error:
        raise ConvnetError(f"--port {port}: {error.strerror}; take another, or 0 for any free one") from error


def serve(folder: Path, port: int, opened: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `opened` is told the address."""
    with make_server(folder, port) as server:
        opened(f"http://{HOST}:{server.server_port}/")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
