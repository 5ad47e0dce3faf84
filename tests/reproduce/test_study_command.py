"""`alexnet2012 study`: builds the reading room and serves it on this machine."""

import json
import sys
import threading
import urllib.request

import pytest
from closed_folder import closed
from release_cache import mistake

from alexnet2012 import machine
from alexnet2012.study import server
from alexnet2012.study.site_folder import MARK
from cuda_convnet.errors import DataError


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


def report_of(path, machine="a machine of my own", **changed):
    """A report of one case."""
    case = {"archive": "ops.h5", "op": "pool_max", "case": "a", "output": "targets", "bound": "bitwise"}
    found = {"bitwise": True, "max_ulp": 0, "max_rel": 0.0, "ok": True, "used": 0.0}
    path.write_text(json.dumps({"engine": "numpy", "machine": machine, "cases": [case | found | changed]}))
    return path


@pytest.mark.parametrize("changed", [{}, {"max_rel": None, "used": None}, {"max_rel": 1}])
def test_a_report_of_ones_own_is_shown(study, tmp_path, changed):
    assert study("build", "--fidelity", report_of(tmp_path / "mine.json", **changed))[0] == 0
    assert "a machine of my own" in (tmp_path / "cache/study/parts/local_pool.html").read_text()


@pytest.mark.parametrize(
    "changed",
    [{"max_rel": "x"}, {"used": []}, {"engine": ["numpy"]}, {"engine": None}, {"machine": 1}],
)
def test_a_report_with_something_else_in_the_place_of_a_value_is_told(study, tmp_path, changed):
    report = report_of(tmp_path / "mine.json", **changed)
    assert mistake(study("build", "--fidelity", report)) == (
        f"alexnet2012: {report}: not a report of `alexnet2012 fidelity --json`; make it again"
    )


def test_nothing_is_built_where_the_repository_lies(study):
    from alexnet2012.record.places import original_path

    result = study("build", "--out", original_path().parent / "site")
    assert "a copy of this project" in mistake(result)
    assert len(result[2].splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("jinja2", "jinja2"),
        ("pygments", "pygments"),
        ("markdown_it", "markdown-it-py"),
        ("latex2mathml", "latex2mathml"),
    ],
)
def test_a_missing_package_is_told_with_the_command_that_installs_it(study, monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, module, None)
    line = mistake(study("build"))
    assert line == f"alexnet2012: study needs {package}; {machine.install_command('study')}"
    assert not machine.extra("study").present


def test_a_report_that_is_nested_without_end_is_told(study, tmp_path):
    (tmp_path / "mine.json").write_text("[" * 100_000)
    assert "mine.json: not a report" in mistake(study("build", "--fidelity", tmp_path / "mine.json"))


def test_nothing_is_built_through_a_link_into_the_repository(study, tmp_path):
    from alexnet2012.record.places import original_path

    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "study").symlink_to(original_path().parent / "site")
    assert "a copy of this project" in mistake(study("build"))
    assert not (original_path().parent / "site").exists()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and an empty one in which a command is run."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def test_what_is_built_below_the_home_folder_is_served_from_there(study, home, monkeypatch):
    # A shell leaves the ~ of --out=~/site as it is.
    monkeypatch.setattr(server.ThreadingHTTPServer, "serve_forever", lambda self: None)
    assert f"pages in {home / 'site'}" in study("build", "--out=~/site")[1]
    for words in (("serve", "--out=~/site", "--port=0"), ("--out=~/site", "--port=0")):
        status, out, _ = study(*words)
        assert status == 0
        assert "The reading room is open at" in out
    assert (home / "site" / "index.html").is_file()
    assert list(home.parent.joinpath("here").iterdir()) == []


FOLDERS = [("build", "--out"), ("build", "--cache"), ("serve", "--out"), ("serve", "--cache")]
each_folder = pytest.mark.parametrize(("command", "option"), FOLDERS)


@each_folder
def test_a_home_folder_that_there_is_not_is_told(study, home, command, option):
    line = mistake(study(command, option, "~nobody-of-that-name/x"))
    assert line == (
        "alexnet2012: ~nobody-of-that-name/x: no home folder is known for its ~; write the path out"
    )


@each_folder
def test_a_name_that_is_too_long_is_told(study, home, command, option):
    folder = home.parent / ("x" * 300)
    line = mistake(study(command, option, folder))
    assert line.startswith(f"alexnet2012: {folder}")
    assert "(File name too long)" in line


@each_folder
def test_a_folder_that_may_not_be_looked_into_is_told(study, home, command, option):
    home.mkdir()
    with closed(home):
        line = mistake(study(command, option, home / "x"))
    assert line.startswith(f"alexnet2012: {home}/x")
    assert "cannot be read (Permission denied); mend that, or name another" in line


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


@pytest.mark.parametrize("name", ["index.html", MARK])
def test_a_folder_without_an_index_or_the_mark_of_a_site_is_none(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(DataError, match="no site was built there; run `alexnet2012 study build` first"):
        server.make_server(tmp_path, 0)


def test_a_port_that_is_taken_is_told(study, built):
    with server.make_server(built, 0) as other:
        status, _, err = study("serve", "--out", built, "--port", other.server_port)
    assert status == 2
    assert f"--port {other.server_port}: Address already in use; take another, or 0 for any free one" in err


def test_a_served_site_can_be_read_on_this_machine_alone(built):
    with server.make_server(built, 0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        host, port = running.server_address[:2]
        # Whatever proxy the environment names: it could not reach this machine.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"http://{host}:{port}/") as answer:
            assert answer.read() == b"<h1>Here</h1>"
            assert answer.headers["Cache-Control"] == "no-cache"  # it may be built anew
        running.shutdown()
    assert host == "127.0.0.1"


def test_of_a_browser_that_drops_a_connection_nothing_is_said(built, capsys):
    with server.make_server(built, 0) as running:
        try:
            raise BrokenPipeError
        except BrokenPipeError:
            running.handle_error(None, ("127.0.0.1", 1))
        assert capsys.readouterr() == ("", "")
        try:
            raise ValueError("of another kind")
        except ValueError:
            running.handle_error(None, ("127.0.0.1", 1))
        assert "of another kind" in capsys.readouterr().err


def test_what_brings_a_release_is_told_with_the_cache_that_was_named(study, tmp_path):
    err = study("build", "--cache", tmp_path / "mine")[2]
    assert f"`alexnet2012 original fetch alexnet --cache {tmp_path / 'mine'}` brings it" in err


def test_without_a_word_more_the_site_is_built_and_served_until_ctrl_c(study, tmp_path, monkeypatch):
    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(server.ThreadingHTTPServer, "serve_forever", stop)
    status, out, _ = study("--port", "0")
    assert status == 0
    assert "The reading room is open at http://127.0.0.1:" in out
    assert (tmp_path / "cache" / "study" / "index.html").is_file()
