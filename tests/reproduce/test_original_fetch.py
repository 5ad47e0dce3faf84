"""`alexnet2012 original fetch`: where releases may come from, and what becomes of other files."""

import os
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile

import pytest
from closed_folder import closed
from release_cache import contents, is_whole, mistake

from alexnet2012.record import disk
from alexnet2012.record import fetch as fetching
from alexnet2012.record.cache import fetched
from alexnet2012.record.manifest import read_manifest
from alexnet2012.record.releases import read_releases
from alexnet2012.record.sources import folder as asking_folder
from alexnet2012.record.sources import git as asking_git
from alexnet2012.record.sources.folder import FolderPlace
from git_objects import blob_id
from small_releases import FILES, git, make_repository, take_for_the_record, write_files, write_record


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A record, and the repositories `alpha` and `beta` that it names."""
    folder = tmp_path_factory.mktemp("world")
    commits = {name: make_repository(folder / "repositories" / name, name) for name in FILES}
    write_record(folder / "record", folder / "repositories", commits)
    return folder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def fetch(world, cache, typed, monkeypatch, tmp_path):
    """Runs `alexnet2012 original fetch` in an empty folder: (status, stdout, stderr)."""
    take_for_the_record(monkeypatch, world / "record")
    monkeypatch.setenv("ALEXNET2012_CACHE", str(cache))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *words: typed("original", "fetch", *words)


@pytest.fixture
def alpha(tmp_path):
    """The files of alpha in a folder."""
    return write_files(tmp_path / "alpha", "alpha")


# --- by git -------------------------------------------------------------------------------------------
def test_all_releases_come_by_git_at_their_pinned_commits(fetch, cache):
    status, out, err = fetch()
    assert status == 0
    assert is_whole(cache, "alpha", "beta")
    assert "alpha: 4 files as released" in out
    assert "beta: 4 files as released" in out
    assert len(err.splitlines()) == 2  # where each is asked for


def test_one_release_comes_when_it_is_named(fetch, cache):
    assert fetch("beta")[0] == 0
    assert is_whole(cache, "beta")


def test_a_server_that_refuses_a_single_commit_is_asked_for_all(fetch, cache, monkeypatch):
    # As servers were before git's protocol 2.
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "protocol.version")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "0")
    calls = []
    real = asking_git._fetch
    monkeypatch.setattr(
        asking_git, "_fetch", lambda *words, **wanted: calls.append(wanted) or real(*words, **wanted)
    )
    assert fetch()[0] == 0
    assert is_whole(cache, "alpha", "beta")
    assert len(calls) == 4


def test_the_callers_git_variables_do_not_lead_elsewhere(fetch, cache, world, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(world / "repositories" / "beta" / ".git"))
    assert fetch("alpha")[0] == 0
    assert is_whole(cache, "alpha")


def test_whatever_new_repositories_are_otherwise_a_release_comes(fetch, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
    (tmp_path / "template" / "hooks").mkdir(parents=True)
    (tmp_path / "template" / "config").write_text('[url "file:///nowhere/"]\n\tinsteadOf = file:///\n')
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    assert fetch("alpha")[0] == 0
    assert is_whole(cache, "alpha")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("https://token@example.invalid/a.git", "https://example.invalid/a.git"),
        ("https://me:secret@example.invalid/a@b", "https://example.invalid/a@b"),
        ("ssh://git:secret@example.invalid/a", "ssh://git@example.invalid/a"),
        ("ssh://git@example.invalid/a", "ssh://git@example.invalid/a"),
        ("https://example.invalid/a@b", "https://example.invalid/a@b"),
    ],
)
def test_secrets_in_an_address_are_not_told(fetch, monkeypatch, address, told):
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file")  # as good as no network
    assert asking_git.public(address) == told
    result = fetch("alpha", "--from", address)
    assert f"{told}: cannot be fetched" in mistake(result)
    assert told == address or address not in result[2]
    reason = asking_git._reason(f"fatal: repository '{address}' not found\n".encode(), address)
    assert reason == f"repository '{told}' not found"
    monkeypatch.setattr(fetching.Store, "look", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert f" --from {told}\n" in fetch("alpha", "--from", address)[2]


def test_without_git_one_line_says_so(fetch, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "git is not installed; install it, or bring the release by --from PATH" in mistake(fetch())


def test_without_network_one_line_names_from(fetch, world, monkeypatch):
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https")  # as good as no network to the file:// addresses
    line = mistake(fetch())
    assert line.count("alpha") == 2
    assert (
        "cannot be fetched (transport 'file' not allowed); without network, bring alpha as a folder" in line
    )
    assert "clone, zip or tar by --from PATH" in line


def test_an_address_without_the_release_is_told(fetch, world):
    address = (world / "repositories" / "beta").as_uri()
    line = mistake(fetch("alpha", "--from", address))
    commit = read_releases()["alpha"].commit[:12]
    assert line.startswith(
        f"alexnet2012: {address}: there is no alpha (commit {commit}) in it; name what has the files"
    )


def test_a_release_that_does_not_exist_is_told_with_those_that_do(fetch):
    assert "gamma: no release of that name; there are alpha, beta" in mistake(fetch("gamma"))


# --- from a folder ------------------------------------------------------------------------------------
def test_a_clone_gives_its_release_whatever_is_checked_out(fetch, cache, world):
    repository = world / "repositories" / "alpha"
    assert (repository / "src" / "after").exists()
    assert fetch("alpha", "--from", repository)[0] == 0
    assert is_whole(cache, "alpha")


def test_a_bare_repository_gives_its_release(fetch, cache, world, tmp_path):
    git(tmp_path, "clone", "-q", "--bare", world / "repositories" / "beta", tmp_path / "beta.git")
    assert fetch("--from", tmp_path / "beta.git")[0] == 0
    assert is_whole(cache, "beta")


def test_what_a_clone_lacks_is_not_fetched_from_elsewhere(fetch, cache, world, tmp_path):
    # As git itself would, from where the clone came from.
    server, clone = tmp_path / "server", tmp_path / "clone"
    shutil.copytree(world / "repositories" / "alpha", server)
    git(server, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--no-checkout", "--filter=blob:none", server.as_uri(), clone)
    before = contents(clone)
    assert f"{clone}: there is no alpha (commit " in mistake(fetch("alpha", "--from", clone))
    assert contents(clone) == before


def test_a_clone_starts_no_program(fetch, world, tmp_path):
    # A server of git's that is a command, which git would ask for what the clone lacks.
    clone, started = tmp_path / "clone.git", tmp_path / "started"
    git(tmp_path, "init", "-q", "--bare", clone)
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.url": f"ext::touch {started}",
        "remote.origin.promisor": "true",
        "protocol.allow": "always",
        "protocol.ext.allow": "always",
    }.items():
        git(clone, "config", name, value)
    assert "there is no alpha" in mistake(fetch("alpha", "--from", clone))
    assert not started.exists()


def test_what_a_clone_has_in_the_place_of_a_file_is_not_taken(fetch, cache, world, tmp_path):
    clone = tmp_path / "clone.git"
    git(tmp_path, "clone", "-q", "--bare", world / "repositories" / "alpha", clone)
    (tmp_path / "mine").write_bytes(FILES["alpha"]["LICENSE"].upper())
    mine = git(clone, "hash-object", "-w", tmp_path / "mine")
    git(clone, "replace", blob_id(FILES["alpha"]["LICENSE"]), mine)
    assert fetch("alpha", "--from", clone)[0] == 0
    assert is_whole(cache, "alpha")


def test_a_folder_of_clones_gives_all_that_are_in_it(fetch, cache, world):
    assert fetch("--from", world / "repositories")[0] == 0
    assert is_whole(cache, "alpha", "beta")


@pytest.mark.parametrize("below", ["", "alpha", "AlexNet-Source-Code-main/AlexNet-Source-Code-main"])
def test_files_in_a_folder_are_found_where_they_are(fetch, cache, tmp_path, below):
    write_files(tmp_path / "given" / below, "alpha")
    status, out, _ = fetch("--from", tmp_path / "given")
    assert status == 0
    assert is_whole(cache, "alpha")
    assert f"beta: not in {tmp_path / 'given'}" in out


def test_the_whole_copy_is_taken_of_several(fetch, cache, alpha, tmp_path):
    write_files(tmp_path / "given" / "a", "alpha")
    write_files(tmp_path / "given" / "b" / "c", "alpha")
    (tmp_path / "given" / "a" / "src" / "net.cu").write_text("other")
    assert fetch("alpha", "--from", tmp_path / "given")[0] == 0
    assert is_whole(cache, "alpha")


def test_files_are_taken_where_a_clone_lacks_the_objects(fetch, cache, alpha):
    git(alpha, "init", "-q")
    assert fetch("alpha", "--from", alpha)[0] == 0
    assert is_whole(cache, "alpha")


def test_files_are_taken_without_git(fetch, cache, alpha, monkeypatch):
    git(alpha, "init", "-q")
    monkeypatch.setenv("PATH", "")
    assert fetch("alpha", "--from", alpha)[0] == 0
    assert is_whole(cache, "alpha")


def test_rights_come_from_the_record(fetch, cache, alpha):
    for path in FILES["alpha"]:
        (alpha / path).chmod(0o600 if path == "run.sh" else 0o777)
    assert fetch("alpha", "--from", alpha)[0] == 0
    assert is_whole(cache, "alpha")


def test_other_files_are_named_and_left_out(fetch, cache, alpha):
    (alpha / "src" / "net.o").write_bytes(b"")
    (alpha / "two\nlines").write_bytes(b"")
    status, out, _ = fetch("alpha", "--from", alpha)
    assert status == 0
    assert is_whole(cache, "alpha")
    assert "alpha/src/net.o: not of the release, left out\n" in out
    assert "alpha/two\\nlines: not of the release, left out\n" in out


def test_of_many_other_files_some_are_named(fetch, alpha):
    for n in range(30):
        (alpha / f"{n:02}.o").write_bytes(b"")
    out = fetch("alpha", "--from", alpha)[1]
    assert "alpha/19.o: not of the release" in out
    assert "alpha/20.o" not in out
    assert "alpha: and 10 more left out\n" in out


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "missing"),
        (b"[one]\ntype=date\n", "changed: as long, but other bytes"),
        (b"[one]\n", "changed: 6 of its 16 bytes"),
        (b"[one]\ntype=data\nmore=1\n", "changed: more than its 16 bytes"),
        (b"[one]\r\ntype=data\r\n", "line ends were changed"),
    ],
)
def test_a_file_that_is_not_as_released_is_named_and_not_kept(fetch, cache, alpha, content, problem):
    path = alpha / "layers" / "one.cfg"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    status, out, _ = fetch("alpha", "--from", alpha)
    assert status == 1
    assert f"alpha/layers/one.cfg: {problem}\n" in out
    assert "alpha: 1 of 4 files are missing" in out
    there = contents(cache / "original" / "alpha")
    assert there == {name: text for name, text in FILES["alpha"].items() if name != "layers/one.cfg"}
    assert fetched("alpha", cache) is None
    assert fetch("alpha")[0] == 0  # from its repository
    assert is_whole(cache, "alpha")


def test_the_mend_names_the_cache_that_was_named(fetch, alpha, tmp_path):
    (alpha / "LICENSE").unlink()
    out = fetch("alpha", "--from", alpha, "--cache", tmp_path / "mine")[1]
    assert out.endswith(f"or run `alexnet2012 original fetch alpha --cache {tmp_path / 'mine'}`\n")


def test_changed_line_ends_are_told_with_the_mend(fetch, alpha):
    for path, content in FILES["alpha"].items():
        (alpha / path).write_bytes(content.replace(b"\n", b"\r\n"))
    status, out, _ = fetch("alpha", "--from", alpha)
    assert status == 1
    assert out.count("line ends were changed\n") == 4
    assert "git -c core.autocrlf=false clone" in out


def test_a_clone_with_changed_line_ends_gives_the_files_from_its_history(fetch, cache, world, tmp_path):
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "-c", "core.autocrlf=true", world / "repositories" / "alpha", clone)
    assert b"\r\n" in (clone / "src" / "net.cu").read_bytes()
    assert fetch("alpha", "--from", clone)[0] == 0
    assert is_whole(cache, "alpha")


def test_links_in_a_folder_are_not_followed(fetch, cache, alpha, tmp_path):
    shutil.move(alpha / "src", tmp_path / "src")
    (alpha / "src").symlink_to(tmp_path / "src")
    (alpha / "layers" / "more").symlink_to(tmp_path)
    status, out, _ = fetch("alpha", "--from", alpha)
    assert status == 1
    assert "alpha/src/net.cu: missing\n" in out
    assert "alpha/src: not of the release, left out\n" in out
    assert "alpha/layers/more: not of the release, left out\n" in out
    assert sorted(contents(cache / "original" / "alpha")) == ["LICENSE", "layers/one.cfg", "run.sh"]


def test_a_folder_that_became_a_link_since_is_not_followed(world, alpha, tmp_path, monkeypatch):
    take_for_the_record(monkeypatch, world / "record")
    entries = read_manifest("alpha")
    source = FolderPlace(alpha).find(read_releases()["alpha"], entries)
    shutil.move(alpha / "src", tmp_path / "src")
    (alpha / "src").symlink_to(tmp_path / "src")
    pieces = {piece.path: piece for piece in source.pieces(entries)}
    assert pieces["src/net.cu"].problem == "lies behind a link"
    assert pieces["src/net.cu"].content == b""
    assert pieces["run.sh"].content == FILES["alpha"]["run.sh"]


@pytest.mark.parametrize("make", [lambda p: p.symlink_to(p.parent / "LICENSE"), os.mkfifo])
def test_what_is_no_file_is_told(fetch, alpha, make):
    (alpha / "run.sh").unlink()
    make(alpha / "run.sh")
    status, out, _ = fetch("alpha", "--from", alpha)
    assert status == 1
    assert "alpha/run.sh: is " in out
    assert ", not a file\n" in out


def test_a_file_that_became_a_link_since_it_was_looked_at_is_not_followed(tmp_path):
    (tmp_path / "file").write_text("elsewhere")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert disk.read(tmp_path / "file", 4) == b"else"
    with pytest.raises(OSError, match="symbolic links"):
        disk.read(tmp_path / "link", 4)


def test_at_a_pipe_that_took_the_place_of_a_file_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    code = "import sys, pathlib; from alexnet2012.record import disk; disk.read(pathlib.Path(sys.argv[1]), 4)"
    subprocess.run([sys.executable, "-c", code, tmp_path / "pipe"], timeout=20, check=True)


def test_a_clone_is_taken_beside_a_folder_that_may_not_be_looked_into(fetch, cache, world, tmp_path):
    shutil.copytree(world / "repositories" / "alpha", tmp_path / "given" / "alpha")
    (tmp_path / "given" / "a").mkdir()
    with closed(tmp_path / "given" / "a"):
        assert fetch("alpha", "--from", tmp_path / "given")[0] == 0
    assert is_whole(cache, "alpha")


def test_files_are_taken_beside_a_folder_that_may_not_be_looked_into(fetch, cache, tmp_path):
    write_files(tmp_path / "given" / "alpha", "alpha")
    (tmp_path / "given" / "shut").mkdir()
    with closed(tmp_path / "given" / "shut"):
        status, out, _ = fetch("--from", tmp_path / "given")
        line = mistake(fetch("beta", "--from", tmp_path / "given"))
    assert status == 0
    assert is_whole(cache, "alpha")
    assert f"beta: not in {tmp_path}/given (without shut: cannot be read)\n" in out
    assert f"{tmp_path}/given (without shut: cannot be read): there is no beta" in line


def test_files_in_a_folder_that_may_not_be_looked_into_are_named(fetch, alpha):
    with closed(alpha / "src"):
        status, out, _ = fetch("alpha", "--from", alpha)
    assert status == 1
    assert "alpha/src/net.cu: cannot be read, nor can its folder\n" in out


@pytest.mark.parametrize("inside", ["", "x"])
def test_a_folder_that_may_not_be_looked_into_is_told(fetch, alpha, inside):
    with closed(alpha):
        line = mistake(fetch("alpha", "--from", alpha / inside))
    told = alpha / inside
    assert line == f"alexnet2012: {told}: cannot be read (Permission denied); mend that, or name another"


def test_a_folder_of_too_many_files_is_told(fetch, alpha, monkeypatch):
    monkeypatch.setattr(asking_folder, "MOST_FILES", 3)
    assert f"--from {alpha}: more than 3 files; give the folder of the release" in mistake(
        fetch("--from", alpha)
    )


def test_a_clone_that_git_waits_for_gives_its_files(fetch, cache, alpha, monkeypatch):
    git(alpha, "init", "-q")
    (alpha / ".git" / "config").unlink()
    os.mkfifo(alpha / ".git" / "config")
    monkeypatch.setattr(asking_git, "LOCAL_SECONDS", 0.2)
    assert fetch("alpha", "--from", alpha)[0] == 0
    assert is_whole(cache, "alpha")


def test_names_that_cannot_be_printed_are_escaped(fetch, cache, world, tmp_path):
    folder = write_files(tmp_path / os.fsdecode(b"a\xff\n\x1b[2J"), "alpha")
    for origin in (tmp_path, pack(tmp_path / "a.tar", folder, folder.name)):
        out = fetch("alpha", "--from", origin)[1]
        assert out.isascii()
        assert "\\udcff\\n\\x1b[2J" in out
        shutil.rmtree(cache)
    shutil.copytree(world / "repositories" / "alpha" / ".git", folder / ".git")
    assert "\\udcff\\n\\x1b[2J" in fetch("alpha", "--from", folder)[1]
    shutil.rmtree(cache)
    assert "\\udcff\\n\\x1b[2J" in mistake(fetch("beta", "--from", folder))


@pytest.mark.parametrize("option", ["--from", "--cache"])
def test_a_home_folder_that_there_is_not_is_told(fetch, option):
    line = mistake(fetch("alpha", option, "~nobody-of-that-name/x"))
    assert line == (
        "alexnet2012: ~nobody-of-that-name/x: no home folder is known for its ~; write the path out"
    )


@pytest.mark.parametrize(("option", "doing"), [("--from", "read"), ("--cache", "written")])
def test_a_name_that_is_too_long_is_told(fetch, tmp_path, option, doing):
    path = tmp_path / ("x" * 300)
    line = mistake(fetch("alpha", option, path))
    assert line.startswith(f"alexnet2012: {path}")
    assert f": cannot be {doing} (File name too long); mend that, or" in line


def test_the_home_folder_may_be_named_by_a_tilde(fetch, cache, alpha):
    assert fetch("alpha", "--from", "~/alpha", "--cache", "~/mine")[0] == 0
    assert is_whole(alpha.parent / "mine", "alpha")


@pytest.mark.parametrize("name", ["nowhere", "", "git@example.org:a/b", "HTTPS://example.org/a"])
def test_a_place_that_does_not_exist_is_told(fetch, name):
    line = mistake(fetch("--from", name))
    assert f"--from {name}: no such folder or file; give a folder, clone, zip or tar, or an address" in line
    assert "https://" in line


def test_a_folder_without_releases_is_told(fetch, tmp_path):
    (tmp_path / "empty").mkdir()
    line = mistake(fetch("--from", tmp_path / "empty"))
    assert "there is no alpha (commit " in line
    assert ", beta (commit " in line
    line = mistake(fetch("beta", "--from", write_files(tmp_path / "a", "alpha")))
    assert "there is no beta (commit " in line


# --- from an archive ----------------------------------------------------------------------------------
def pack(path, folder, top=""):
    """An archive of a folder, of the kind that the name says; `top`: a folder put above all."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, os.path.join(top, file.relative_to(folder)))
    else:
        mode = f"w:{path.suffix[1:]}" if path.suffix != ".tar" else "w"
        with tarfile.open(path, mode) as archive:
            archive.add(folder, top or ".")
    return path


@pytest.mark.parametrize("top", ["", "AlexNet-Source-Code-2f8b81f"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_an_archive_gives_its_release(fetch, cache, alpha, tmp_path, name, top):
    status, out, _ = fetch("--from", pack(tmp_path / name, alpha, top))
    assert status == 0
    assert is_whole(cache, "alpha")
    assert "beta: not in " in out


def test_an_archive_gives_all_releases_that_are_in_it(fetch, cache, tmp_path):
    for name in FILES:
        write_files(tmp_path / "given" / name, name)
    assert fetch("--from", pack(tmp_path / "a.tar.gz", tmp_path / "given"))[0] == 0
    assert is_whole(cache, "alpha", "beta")


def test_of_a_clone_in_an_archive_git_s_own_files_are_not_named(fetch, cache, alpha, tmp_path):
    git(alpha, "init", "-q")
    status, out, _ = fetch("alpha", "--from", pack(tmp_path / "a.zip", alpha))
    assert status == 0
    assert ".git" not in out


def test_the_archive_that_git_makes_gives_its_release(fetch, cache, world, tmp_path):
    for name in ("a.tar.gz", "a.zip"):
        words = ("archive", "--prefix=x/", "-o", tmp_path / name, "HEAD~1")
        git(world / "repositories" / "alpha", *words)
        assert fetch("--from", tmp_path / name)[0] == 0
        assert is_whole(cache, "alpha")
        shutil.rmtree(cache)


def test_two_names_of_one_file_in_a_tar_are_two_files(fetch, cache, tmp_path):
    folder = write_files(tmp_path / "a", "alpha")
    os.link(folder / "src" / "net.cu", folder / "a-name-before")
    assert fetch("alpha", "--from", pack(tmp_path / "a.tar", folder))[0] == 0
    assert is_whole(cache, "alpha")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_a_changed_a_missing_and_another_file_in_an_archive_are_named(fetch, cache, alpha, tmp_path, name):
    (alpha / "run.sh").unlink()
    (alpha / "more").write_text("more")
    status, out, _ = fetch("alpha", "--from", pack(tmp_path / name, alpha))
    assert status == 1
    assert "alpha/run.sh: missing\n" in out
    assert "alpha/more: not of the release, left out\n" in out
    (alpha / "src" / "net.cu").write_bytes(FILES["alpha"]["src/net.cu"].replace(b"1", b"2", 1))
    shutil.rmtree(cache)
    out = fetch("alpha", "--from", pack(tmp_path / name, alpha))[1]
    assert "alpha/src/net.cu: changed: as long, but other bytes\n" in out


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.xz"])
def test_a_damaged_archive_is_told(fetch, alpha, tmp_path, name):
    path = pack(tmp_path / name, alpha)
    path.write_bytes(path.read_bytes()[:200])
    line = mistake(fetch("alpha", "--from", path))
    assert str(path) in line


def test_a_file_that_is_no_archive_is_told(fetch, tmp_path):
    (tmp_path / "notes.txt").write_text("notes")
    line = mistake(fetch("--from", tmp_path / "notes.txt"))
    assert "neither a folder nor a zip or tar that can be read" in line
    assert line.endswith("; give a folder, a zip, or a tar as it is or compressed by gzip, bzip2 or xz")


# --- on the way ---------------------------------------------------------------------------------------
def test_a_fetch_that_was_stopped_goes_on_where_it_stood(fetch, cache, alpha, monkeypatch):
    real, put = fetching.Store._put, []

    def put_two(store, path, entry, content):
        if len(put) == 2:
            signal.raise_signal(signal.SIGTERM)
        real(store, path, entry, content)
        put.append(path)

    with monkeypatch.context() as patched:
        patched.setattr(fetching.Store, "_put", put_two)
        status, _, err = fetch("alpha", "--from", alpha)
    assert status == 128 + signal.SIGTERM
    assert f"To go on: alexnet2012 original fetch alpha --from {alpha}\n" in err
    before = {path: path.stat().st_mtime_ns for path in put}
    assert len(before) == 2
    assert fetch("alpha", "--from", alpha)[0] == 0
    assert is_whole(cache, "alpha")
    assert {path: path.stat().st_mtime_ns for path in put} == before


def test_a_file_has_its_name_in_the_cache_only_when_it_is_whole(fetch, cache, alpha, monkeypatch):
    def stop(path, entry):  # when the bytes are written, before the rights are set
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(fetching, "_set_mode", stop)
    assert fetch("alpha", "--from", alpha)[0] == 128 + signal.SIGTERM
    assert sorted(contents(cache / "original")) == ["CACHEDIR.TAG"]


def test_what_is_here_is_not_asked_for_again(fetch, cache, alpha):
    fetch("alpha", "--from", alpha)
    status, out, err = fetch("alpha", "--from", "nowhere")
    assert (status, err) == (0, "")
    assert out.endswith("; all of them were here\n")


def test_what_a_killed_fetch_left_is_removed(fetch, cache, alpha):
    fetch("alpha", "--from", alpha)
    (cache / "original" / ".incoming-x" / "alpha.git").mkdir(parents=True)
    (cache / "original" / ".incoming-x" / "part").write_bytes(b"int ne")
    assert fetch("alpha")[0] == 0
    assert is_whole(cache, "alpha")


def test_only_one_process_fetches_into_a_cache(fetch, cache):
    with fetching.open_store(cache):
        assert "another process is fetching into it; let it end" in mistake(fetch())


def test_fetch_mends_what_verify_names(fetch, cache, alpha, tmp_path):
    fetch("alpha", "--from", alpha)
    folder = cache / "original" / "alpha"
    (folder / "LICENSE").write_text("")
    (folder / "run.sh").chmod(0o644)
    shutil.rmtree(folder / "src")
    (folder / "layers" / "one.cfg").unlink()
    (folder / "layers" / "one.cfg").symlink_to(alpha / "LICENSE")
    kept = contents(alpha)
    assert fetch("alpha", "--from", alpha)[0] == 0
    assert is_whole(cache, "alpha")
    assert contents(alpha) == kept


def test_what_is_not_of_a_release_is_named_and_left_where_it_is(fetch, cache, alpha, tmp_path):
    folder = write_files(cache / "original" / "alpha", "alpha")
    (cache / "original" / fetching.TAG).write_text(fetching.TAG_TEXT)
    (folder / "LICENSE").unlink()
    (folder / "notes").write_text("my work")
    (folder / "src" / "link").symlink_to(tmp_path)
    for words in (("--from", alpha), ()):
        status, out, _ = fetch("alpha", *words)
        assert status == 0
        assert "alpha/notes: not of the release (a file), left where it is\n" in out
        assert "alpha/src/link: not of the release (a link), left where it is\n" in out
        assert (folder / "notes").read_text() == "my work"
        assert (folder / "src" / "link").is_symlink()
        assert fetched("alpha", cache) == folder


@pytest.mark.parametrize("path", ["src", "layers/one.cfg/x/y"])
def test_what_is_in_the_way_of_a_release_is_told_and_not_removed(fetch, cache, alpha, tmp_path, path):
    fetch("alpha", "--from", alpha)
    folder = cache / "original" / "alpha"
    if path == "src":
        shutil.rmtree(folder / "src")
        (folder / "src").symlink_to(tmp_path)
    else:
        (folder / "layers" / "one.cfg").unlink()
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text("my work")
    before = contents(folder)
    line = mistake(fetch("alpha", "--from", alpha))
    assert f"{folder / path}: is in the way of files of the release; move it elsewhere" in line
    assert contents(folder) == before
    assert not (tmp_path / "net.cu").exists()


# --- where to ----------------------------------------------------------------------------------------
def test_the_option_goes_before_the_variable_and_that_before_xdg(fetch, alpha, cache, tmp_path, monkeypatch):
    fetch("alpha", "--from", alpha, "--cache", tmp_path / "chosen")
    assert is_whole(tmp_path / "chosen", "alpha")
    assert not cache.exists()
    monkeypatch.delenv("ALEXNET2012_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    fetch("alpha", "--from", alpha)
    assert is_whole(tmp_path / "xdg" / "alexnet2012", "alpha")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    fetch("alpha", "--from", alpha)
    assert is_whole(tmp_path / ".cache" / "alexnet2012", "alpha")


def test_nothing_is_written_into_a_copy_of_the_project(fetch, alpha, tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "original").mkdir(parents=True)
    (checkout / "original" / "releases.toml").write_text("")
    (tmp_path / "link").symlink_to(checkout)
    for folder in (checkout, checkout / "data" / "cache", tmp_path / "link" / "cache"):
        line = mistake(fetch("alpha", "--from", alpha, "--cache", folder))
        assert f"lies in {checkout}, a copy of this project" in line
        assert "--cache or ALEXNET2012_CACHE" in line
    assert contents(checkout) == {"original/releases.toml": b""}


def test_nothing_is_written_through_a_link_into_a_copy_of_the_project(fetch, alpha, cache, tmp_path):
    checkout = tmp_path / "checkout"
    (checkout / "original").mkdir(parents=True)
    (checkout / "original" / "releases.toml").write_text("")
    cache.mkdir()
    (cache / "original").symlink_to(checkout / "data")
    assert f"{checkout}/data: lies in {checkout}, a copy of this project" in mistake(
        fetch("alpha", "--from", alpha)
    )
    assert contents(checkout) == {"original/releases.toml": b""}


@pytest.mark.parametrize(
    "tag", [None, "Signature: 8a477f597d28d172789f06886806bc55\n# Of another program.\n"]
)
def test_files_that_were_not_fetched_are_not_replaced(fetch, cache, alpha, tag):
    write_files(cache / "original" / "alpha", "alpha")
    if tag:
        (cache / "original" / fetching.TAG).write_text(tag)
    (cache / "original" / "alpha" / "LICENSE").write_text("my work")
    assert "holds files that were not fetched, and would be replaced" in mistake(fetch("--from", alpha))
    assert (cache / "original" / "alpha" / "LICENSE").read_text() == "my work"


def test_nothing_is_written_through_a_link(fetch, cache, alpha, tmp_path):
    fetch("alpha", "--from", alpha)
    shutil.rmtree(cache / "original" / "alpha")
    (tmp_path / "elsewhere").mkdir()
    (cache / "original" / "alpha").symlink_to(tmp_path / "elsewhere")
    assert "is a link, and nothing is written through it" in mistake(fetch("alpha", "--from", alpha))
    assert contents(tmp_path / "elsewhere") == {}


def test_a_cache_that_cannot_be_written_is_told(fetch, alpha, tmp_path):
    (tmp_path / "file").write_text("")
    line = mistake(fetch("alpha", "--from", alpha, "--cache", tmp_path / "file" / "cache"))
    assert f"{tmp_path / 'file' / 'cache'}" in line
    assert "cannot be written (Not a directory)" in line


def test_a_cache_that_may_not_be_looked_into_is_told(fetch, alpha, tmp_path):
    (tmp_path / "shut").mkdir()
    with closed(tmp_path / "shut"):
        line = mistake(fetch("alpha", "--from", alpha, "--cache", tmp_path / "shut" / "x"))
    assert line.startswith(f"alexnet2012: {tmp_path}/shut/x")
    assert "cannot be written (Permission denied); mend that, or choose another folder by --cache" in line
