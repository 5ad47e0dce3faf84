"""`alexnet2012 study`: builds the reading room and serves it on this machine."""

import json
import threading
import urllib.request

import pytest

from alexnet2012.study import server
from alexnet2012.study.site import MARK


@pytest.fixture
def study(typed, tmp_path, monkeypatch):
    """Runs `alexnet2012 study ...` with a cache of its own: (status, stdout, stderr)."""
    monkeypatch.setenv("ALEXNET2012_CACHE", str(tmp_path / "cache"))
    return lambda *arguments: typed("study", *arguments)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder that looks like a built site."""
    folder = tmp_path_factory.mktemp("site")
    (folder / MARK).write_text("")
    (folder / "index.html").write_text("<h1>Here</h1>")
    return folder


def test_build_puts_the_site_beside_the_releases_and_says_where(study, tmp_path):
    status, out, err = study("build")
    folder = tmp_path / "cache" / "study"
    assert status == 0
    assert f"pages in {folder}" in out
    assert (folder / "index.html").is_file()
    assert "alexnet is not on this machine, its side shows links; `alexnet2012 original fetch alexnet`" in err


def test_a_report_of_ones_own_is_shown(study, tmp_path):
    report = tmp_path / "mine.json"
    case = {"archive": "ops.h5", "op": "pool_max", "case": "a", "output": "targets", "bound": "bitwise"}
    found = {"bitwise": True, "max_ulp": 0, "max_rel": 0.0, "ok": True, "used": 0.0}
    values = {"engine": "numpy", "machine": "a machine of my own", "cases": [case | found]}
    report.write_text(json.dumps(values))
    assert study("build", "--fidelity", report)[0] == 0
    assert "a machine of my own" in (tmp_path / "cache/study/parts/local_pool.html").read_text()


def test_nothing_is_built_where_the_repository_lies(study):
    from alexnet2012.record.places import original_path

    status, _, err = study("build", "--out", original_path().parent / "site")
    assert status == 2
    assert "a copy of this project" in err
    assert len(err.splitlines()) == 1


def test_a_missing_package_is_told_with_the_command_that_installs_it(study, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "latex2mathml", None)
    status, _, err = study("build")
    assert status == 2
    assert "study needs latex2mathml, which is not installed" in err
    assert "pip install" in err


def test_options_of_the_whole_do_not_stand_before_a_part_of_it(study, tmp_path):
    status, _, err = study("--out", tmp_path / "x", "serve")
    assert status == 2
    assert err == (
        "alexnet2012 study: --out must stand behind serve, if that has it; see `alexnet2012 study --help`\n"
    )


def test_serve_needs_a_site(study, tmp_path):
    status, _, err = study("serve", "--port", "0")
    assert status == 2
    assert (
        f"{tmp_path / 'cache' / 'study'}: no site was built there; run `alexnet2012 study build` first" in err
    )


def test_a_port_that_is_taken_is_told(study, built):
    with server.make_server(built, 0) as other:
        status, _, err = study("serve", "--out", built, "--port", other.server_port)
    assert status == 2
    assert f"--port {other.server_port}: Address already in use; take another, or 0 for any free one" in err


def test_a_served_site_can_be_read_on_this_machine_alone(built):
    with server.make_server(built, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        host, port = running.server_address[:2]
        with urllib.request.urlopen(f"http://{host}:{port}/") as answer:
            assert answer.read() == b"<h1>Here</h1>"
        running.shutdown()
    assert host == "127.0.0.1"


def test_without_a_word_more_the_site_is_built_and_served_until_ctrl_c(study, tmp_path, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(server.ThreadingHTTPServer, "serve_forever", stop)
    status, out, _ = study("--port", "0")
    assert status == 0
    assert "The reading room is open at http://127.0.0.1:" in out
    assert (tmp_path / "cache" / "study" / "index.html").is_file()
