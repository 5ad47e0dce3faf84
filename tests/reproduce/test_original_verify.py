"""`alexnet2012 original verify` and `original list`: what is said of the releases in a cache."""

import json
import shutil
import subprocess
import sys

import pytest
from closed_folder import closed
from release_cache import mistake

from alexnet2012.record.cache import fetched
from small_releases import FILES, take_for_the_record, write_files, write_record


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache that holds alpha but not beta; the commands use it."""
    write_record(tmp_path / "record", tmp_path, dict.fromkeys(FILES, "0" * 40))
    take_for_the_record(monkeypatch, tmp_path / "record")
    monkeypatch.setenv("ALEXNET2012_CACHE", str(tmp_path / "cache"))
    write_files(tmp_path / "cache" / "original" / "alpha", "alpha")
    return tmp_path / "cache"


@pytest.fixture
def alpha(cache):
    return cache / "original" / "alpha"


@pytest.fixture
def verify(cache, typed):
    """Runs `alexnet2012 original verify`: (status, stdout, stderr)."""
    return lambda *words: typed("original", "verify", *words)


def test_a_release_as_released_is_told_so(verify, alpha, cache):
    assert verify("alpha") == (0, f"alpha: 4 files as released, in {alpha}\n", "")
    assert fetched("alpha") == fetched("alpha", cache) == alpha


def test_without_names_those_are_checked_that_are_here(verify, alpha):
    out = f"beta: not fetched\nalpha: 4 files as released, in {alpha}\n"
    assert verify() == (0, out, "")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(path):
    target = path.parent.parent / "target"
    path.rename(target)
    path.symlink_to(target)


DAMAGE = {
    "a flipped bit": (lambda a: flip(a / "src/net.cu"), "src/net.cu: changed: as long, but other bytes"),
    "shorter": (lambda a: (a / "LICENSE").write_text("Do"), "LICENSE: changed: 2 of its 16 bytes"),
    "longer": (lambda a: (a / "LICENSE").write_text("x" * 99), "LICENSE: changed: more than its 16 bytes"),
    "line ends": (
        lambda a: (a / "LICENSE").write_bytes(b"Do as you like.\r\n"),
        "LICENSE: line ends were changed",
    ),
    "missing": (lambda a: (a / "LICENSE").unlink(), "LICENSE: missing"),
    "extra": (lambda a: (a / "src" / "x").write_text(""), "src/x: not of the release (a file)"),
    "an extra link": (lambda a: (a / "x").symlink_to("/etc"), "x: not of the release (a link)"),
    "a link in its place": (lambda a: link(a / "LICENSE"), "LICENSE: is a link, not a file"),
    "not executable": (lambda a: (a / "run.sh").chmod(0o644), "run.sh: must be executable"),
    "executable": (lambda a: (a / "LICENSE").chmod(0o755), "LICENSE: must not be executable"),
}


FETCH = "run `alexnet2012 original fetch alpha`"


@pytest.mark.parametrize(("damage", "line"), DAMAGE.values(), ids=list(DAMAGE))
def test_what_differs_is_named_with_the_mend(verify, alpha, damage, line):
    damage(alpha)
    status, out, err = verify("alpha")
    assert (status, err) == (1, "")
    mend = "remove what is not of the release" if "not of the release" in line else FETCH
    assert out.splitlines() == [
        f"alpha/{line}",
        f"alpha: 1 of its files differs in {alpha}; {mend}",
    ]


def test_what_is_missing_and_what_is_too_much_have_each_its_mend(verify, alpha):
    (alpha / "LICENSE").unlink()
    (alpha / "x").write_text("")
    assert verify("alpha")[1].endswith(f"; {FETCH} and remove what is not of the release\n")


@pytest.mark.parametrize("name", DAMAGE)
def test_a_release_is_only_shown_if_no_file_is_missing_or_changed(alpha, name):
    DAMAGE[name][0](alpha)
    harmless = name in ("extra", "an extra link", "not executable", "executable")
    assert (fetched("alpha") == alpha) == harmless


def test_a_folder_that_is_a_link_now_is_not_followed(verify, alpha, tmp_path):
    shutil.move(alpha / "src", tmp_path / "src")
    (alpha / "src").symlink_to(tmp_path / "src")
    status, out, _ = verify("alpha")
    assert status == 1
    assert out.splitlines()[:2] == [
        "alpha/src: not of the release (a link)",
        "alpha/src/net.cu: missing",
    ]


def test_the_mend_names_the_cache_that_was_named(verify, typed, cache, alpha):
    (alpha / "LICENSE").unlink()
    out = verify("alpha", "--cache", cache)[1]
    assert f"run `alexnet2012 original fetch alpha --cache {cache}`\n" in out
    out = typed("original", "list", "--cache", cache)[1]
    assert f"; alexnet2012 original verify alpha --cache {cache}\n" in out
    assert f"not fetched; alexnet2012 original fetch beta --cache {cache}\n" in out


def test_what_was_not_fetched_cannot_be_verified(verify, cache):
    assert "holds no beta; run `alexnet2012 original fetch beta`" in mistake(verify("beta"))
    assert "holds no beta; run" in mistake(verify("alpha", "beta"))
    shutil.rmtree(cache)
    assert "holds no alpha, beta; run `alexnet2012 original fetch alpha beta`" in mistake(verify())


def test_a_name_that_is_no_release_is_told(verify):
    assert "gamma: no release of that name; there are alpha, beta" in mistake(verify("gamma"))


@pytest.mark.parametrize("command", ["verify", "list"])
@pytest.mark.parametrize("shut", ["", "original", "original/alpha", "original/alpha/src"])
def test_a_cache_that_may_not_be_looked_into_is_told(typed, cache, command, shut):
    with closed(cache / shut):
        line = mistake(typed("original", command))
    assert line.startswith(f"alexnet2012: {cache / shut}")
    assert "cannot be read (Permission denied); mend that, or name another" in line


@pytest.mark.parametrize("command", ["verify", "list"])
def test_a_cache_of_a_name_that_cannot_be_is_told(typed, cache, command):
    long = cache / ("x" * 300)
    assert f"{long}/original/alpha: cannot be read (File name too long)" in mistake(
        typed("original", command, "--cache", long)
    )
    assert "~nobody-of-that-name: no home folder is known for its ~; write the path out" in mistake(
        typed("original", command, "--cache", "~nobody-of-that-name")
    )


# --- list ---------------------------------------------------------------------------------------------
def test_the_list_tells_what_is_where(typed, alpha):
    status, out, err = typed("original", "list")
    assert (status, err) == (0, "")
    first, second = out.split("\n\n")
    assert first.startswith("alpha          Release alpha, 2012\n")
    assert first.endswith(f"               verified, in {alpha}")
    assert second.endswith("               not fetched; alexnet2012 original fetch beta\n")


def test_the_list_counts_what_differs(typed, alpha):
    (alpha / "LICENSE").unlink()
    flip(alpha / "src" / "net.cu")
    (alpha / "x").write_text("")
    out = typed("original", "list")[1]
    assert f"files: 1 missing, 1 changed, 1 too many, in {alpha}; alexnet2012 original verify alpha\n" in out


def test_the_list_as_json(typed, alpha, tmp_path):
    status, out, _ = typed("original", "list", "--json", "-")
    assert status == 0
    found = {release["id"]: release for release in json.loads(out)}
    assert found["alpha"]["cache"] == {
        "folder": str(alpha),
        "fetched": True,
        "verified": True,
        "missing": 0,
        "changed": 0,
        "mode": 0,
        "extra": 0,
    }
    assert not found["beta"]["cache"]["fetched"]
    assert found["beta"]["dates"]["commit"] == "2012-07-25T06:13:58+00:00"
    assert typed("original", "list", "--json", tmp_path / "list.json")[1].startswith("alpha ")
    assert json.loads((tmp_path / "list.json").read_text()) == json.loads(out)


def test_the_commands_start_without_the_arithmetic():
    code = (
        "import sys, alexnet2012.commands.original_list, alexnet2012.commands.original_fetch\n"
        "assert not {'numpy', 'h5py', 'cuda_convnet.network'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_the_group_lists_its_commands_and_refuses_others(typed):
    out = typed("original", "--help")[1]
    for name in ("list", "fetch", "verify", "crosswalk", "experiments", "claims"):
        assert f"\n  {name} " in out
    assert typed("original", "nothing")[0] == 2
