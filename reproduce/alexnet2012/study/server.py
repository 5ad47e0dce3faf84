"""Serves a built site to browsers on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from alexnet2012.record import disk
from alexnet2012.study.site_folder import INDEX, MARK
from cuda_convnet.errors import ConvnetError, DataError

HOST = "127.0.0.1"


class Quiet(SimpleHTTPRequestHandler):
    """Says nothing of each request, and lets no browser keep what may be built anew."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


class Server(ThreadingHTTPServer):
    """Says nothing of a browser that drops a connection."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def make_server(folder: Path, port: int) -> Server:
    """A server of the site in `folder`; port 0 takes a free one.

    Raises DataError where no site was built, ConvnetError for a port that is taken.
    """
    if not all(disk.is_file(folder / name) for name in (INDEX, MARK)):
        raise DataError(f"{folder}: no site was built there; run `alexnet2012 study build` first")
    try:
        return Server((HOST, port), partial(Quiet, directory=str(folder)))
    except OSError as error:
        raise ConvnetError(f"--port {port}: {error.strerror}; take another, or 0 for any free one") from error


def serve(folder: Path, port: int, opened: Callable[[str], None]) -> None:
    """Serve until Ctrl-C; `opened` is told the address."""
    with make_server(folder, port) as server:
        opened(f"http://{HOST}:{server.server_port}/")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
