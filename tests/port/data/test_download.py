"""Downloads from a server on this machine: whole, resumed, broken off, wrong."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from cuda_convnet.data import download as module
from cuda_convnet.data.download import Source, download
from cuda_convnet.errors import DataError

DATA = np.random.RandomState(0).bytes(1_000_000)


class Server:
    """What the server does, and what it was asked for."""

    def __init__(self):
        self.data = DATA
        self.ranges = True
        self.status = None
        self.break_off_at = None
        self.asked = []
        self.url = ""

    def handler(server):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                wanted = self.headers.get("Range")
                server.asked.append(wanted)
                if server.status:
                    self.send_error(server.status)
                    return
                start = int(wanted[6:-1]) if wanted and server.ranges else 0
                if start >= len(server.data):
                    self.send_error(416)
                    return
                body = server.data[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: server.break_off_at])

            def log_message(self, *_):
                pass

        return Handler


@pytest.fixture
def server():
    state = Server()
    with running(state):
        yield state


@contextmanager
def running(state):
    http = ThreadingHTTPServer(("127.0.0.1", 0), state.handler())
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/data/file.tar.gz"
    try:
        yield
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@pytest.fixture
def source(server):
    return Source(server.url, hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest())


def test_a_file_is_fetched_and_verified(server, source, tmp_path):
    seen = []
    path = download(source, tmp_path / "new", lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "new" / "file.tar.gz"
    assert path.read_bytes() == DATA
    assert [file.name for file in path.parent.iterdir()] == ["file.tar.gz"]
    assert seen[-1] == (len(DATA), len(DATA))
    assert server.asked == [None]


def test_a_file_that_is_there_is_not_fetched_again(server, source, tmp_path):
    download(source, tmp_path)
    download(source, tmp_path)
    assert len(server.asked) == 1


def test_a_broken_download_goes_on_where_it_stopped(server, source, tmp_path):
    server.break_off_at = 300_000
    with pytest.raises(DataError) as error:
        download(source, tmp_path)
    assert str(error.value) == (
        f"{source.url} broke off at 300000 of 1000000 bytes; run again to go on from there"
    )
    with pytest.raises(DataError, match="broke off at 600000 of 1000000 bytes"):
        download(source, tmp_path)
    server.break_off_at = None
    assert download(source, tmp_path).read_bytes() == DATA
    assert server.asked == [None, "bytes=300000-", "bytes=600000-"]


def test_a_server_that_cannot_resume_starts_over(server, source, tmp_path):
    (tmp_path / "file.tar.gz.part").write_bytes(b"x" * 1000)
    server.ranges = False
    seen = []
    path = download(source, tmp_path, lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))


def test_a_part_that_is_whole_already_is_only_verified(server, source, tmp_path):
    (tmp_path / "file.tar.gz.part").write_bytes(DATA)
    assert download(source, tmp_path).read_bytes() == DATA
    assert server.asked == [f"bytes={len(DATA)}-"]


def test_another_file_than_the_published_one_is_refused_and_removed(server, source, tmp_path):
    server.data = DATA[:-1] + b"?"
    with pytest.raises(
        DataError, match=r"gave another file than the published one .MD5 .*it was removed: run again"
    ):
        download(source, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_is_refused_and_the_next_run_succeeds(source, tmp_path):
    (tmp_path / "file.tar.gz.part").write_bytes(b"x" * 1000)
    with pytest.raises(DataError, match="gave another file"):
        download(source, tmp_path)
    assert download(source, tmp_path).read_bytes() == DATA


def test_a_file_with_the_right_md5_and_another_sha256_is_refused(source, tmp_path):
    forged = Source(source.url, "0" * 64, source.md5)
    with pytest.raises(DataError, match="gave another file"):
        download(forged, tmp_path)


def test_another_file_in_its_place_is_named_and_kept(server, source, tmp_path):
    (tmp_path / "file.tar.gz").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"is not the published file .*; remove it and run again"):
        download(source, tmp_path)
    assert (tmp_path / "file.tar.gz").read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize("status", [404, 503])
def test_an_answer_other_than_the_file_is_told(server, source, tmp_path, status):
    server.status = status
    with pytest.raises(DataError, match=f"answers {status} .*; run again later") as error:
        download(source, tmp_path)
    assert "\n" not in str(error.value)


def test_no_connection_is_one_line(tmp_path):
    state = Server()
    with running(state):
        pass
    with pytest.raises(
        DataError, match=r"cannot be reached .*Connection refused.*; run again later, or"
    ) as error:
        download(Source(state.url, "", ""), tmp_path)
    assert "\n" not in str(error.value)


def test_a_server_that_falls_silent_is_given_up(server, source, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    stop = threading.Event()
    original = server.handler

    def silent():
        handler = original()
        handler.do_GET = lambda self: stop.wait(5)
        return handler

    server.handler = silent
    with running(server):
        with pytest.raises(DataError, match=r"cannot be reached .*timed out"):
            download(Source(server.url, source.sha256, source.md5), tmp_path)
        stop.set()


def test_a_full_disk_is_named(source, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(DataError, match=r"file.tar.gz.part cannot be written \(No space left on device\)"):
        download(source, tmp_path)


def test_nothing_is_fetched_at_import():
    import importlib

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("urllib.request.urlopen", None)
        importlib.reload(importlib.import_module("cuda_convnet.data.cifar10"))
