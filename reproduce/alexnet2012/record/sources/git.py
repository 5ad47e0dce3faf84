"""Releases in git repositories: those on this machine, and those that a server gives."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from alexnet2012.record.disk import shown
from alexnet2012.record.manifest import Entry
from alexnet2012.record.releases import Release
from alexnet2012.record.sources.base import Piece
from cuda_convnet.errors import DataError

URL = re.compile(r"(https?|ssh|git|file)://")
# What a server says that gives only what branches point at, or no history that is cut short.
REFUSALS = re.compile(r"unadvertised object|not our ref|support shallow|dumb http", re.IGNORECASE)
BRANCHES_AND_TAGS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
# What git begins a reason with; the address is told already.
UNTOLD = re.compile(r"^(fatal|error): (unable to access '[^']*': )?")
# What would lead git to another repository than the one that is named.
ELSEWHERE = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
# What stands before the host of an address: a password, and over http also a name, may be a secret.
SECRET = re.compile(r"^(https?://)[^/]*@|^(\w+://[^/:@]*):[^/]*(@)")
SLOW_BYTES, SLOW_SECONDS = "1000", "60"
LOCAL_SECONDS = 60.0


class Repository:
    """A repository on this machine. It is only read; what it lacks is not fetched from elsewhere."""

    extras: tuple[str, ...] = ()

    def __init__(self, git_dir: Path, where: str) -> None:
        self.where = shown(where)
        self._git_dir = git_dir
        self._stuck = False

    def holds(self, manifest: Mapping[str, Entry]) -> bool:
        """Whether it has every file of a release, whichever commit is checked out; False without git, too."""
        return shutil.which("git") is not None and not manifest.keys() - self._there(manifest).keys()

    def pieces(self, wanted: Mapping[str, Entry]) -> Iterator[Piece]:
        there = self._there(wanted)
        rest = self._ask("--batch", names=[entry.git_blob for entry in there.values()])
        for path, entry in there.items():
            head, _, rest = rest.partition(b"\n")
            if head.decode() != _head(entry):
                yield Piece(path, problem="git cannot read it; try `git fsck`")
                continue
            yield Piece(path, rest[: entry.size])
            rest = rest[entry.size + 1 :]

    def _there(self, manifest: Mapping[str, Entry]) -> dict[str, Entry]:
        """The files that it has, not longer or shorter than they must be."""
        names = [entry.git_blob for entry in manifest.values()]
        told = set(self._ask("--batch-check", names=names).decode().splitlines())
        return {path: entry for path, entry in manifest.items() if _head(entry) in told}

    def _ask(self, *words: str, names: Iterable[str] = ()) -> bytes:
        """What `git cat-file` says of these objects; nothing where git hangs, as it does at a pipe."""
        lines = "".join(f"{name}\n" for name in names).encode()
        if not self._stuck:
            with suppress(subprocess.TimeoutExpired):
                words = (f"--git-dir={self._git_dir}", "cat-file", *words)
                return _git(*words, lines=lines, protocols="none", most=LOCAL_SECONDS).stdout
        self._stuck = True
        return b""


class Server:
    """The repository of each release, or one that is said to have its commit."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        """`folder`: where git may keep what it fetches for as long as this lasts."""
        self.where = public(url) if url else "the releases' repositories"
        self._url = url
        self._folder = folder

    def find(self, release: Release, manifest: Mapping[str, Entry]) -> Repository | None:
        url = self._url or release.repository
        where = public(url)
        if shutil.which("git") is None:
            raise DataError(f"{where}: git is not installed; install it, or bring the release by --from PATH")
        git_dir = self._folder / f"{release.id}.git"
        repository = Repository(git_dir, where)
        made = _git("init", "--quiet", "--bare", "--template=", str(git_dir))
        tried = made if made.returncode else _fetch(git_dir, url, "--depth=1", wanted=[release.commit])
        if tried.returncode and REFUSALS.search(tried.stderr.decode(errors="replace")):
            tried = _fetch(git_dir, url, wanted=BRANCHES_AND_TAGS)
        if tried.returncode:
            raise DataError(
                f"{where}: cannot be fetched ({_reason(tried.stderr, url)}); without network, bring "
                f"{release.id} as a folder, clone, zip or tar by --from PATH"
            )
        return repository if repository.holds(manifest) else None


def repositories(folder: Path) -> Iterator[Repository]:
    """The repositories at `folder` and in the folders in it and in those; links are not followed.

    A folder that cannot be read is passed over.
    """
    for path in _folders(folder, 2):
        if os.path.exists(path / ".git"):
            yield Repository(path / ".git", str(path))
        elif os.path.isfile(path / "HEAD") and os.path.isdir(path / "objects"):
            yield Repository(path, str(path))


def public(address: str) -> str:
    """An address without what may be a secret, for messages."""
    return SECRET.sub(lambda found: "".join(filter(None, found.groups())), shown(address))


def _head(entry: Entry) -> str:
    """What `git cat-file` says of a file before it gives it."""
    return f"{entry.git_blob} blob {entry.size}"


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    yield folder
    if depth:
        try:
            with os.scandir(folder) as found:
                inside = sorted(
                    item.path for item in found if item.is_dir(follow_symlinks=False) and item.name != ".git"
                )
        except OSError:
            return
        for path in inside:
            yield from _folders(Path(path), depth - 1)


def _fetch(
    git_dir: Path, url: str, *options: str, wanted: Iterable[str]
) -> subprocess.CompletedProcess[bytes]:
    return _git(f"--git-dir={git_dir}", "fetch", "--quiet", "--no-tags", *options, "--", url, *wanted)


def _git(
    *words: str, lines: bytes = b"", protocols: str = "", most: float | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git; `lines` is its stdin, `protocols` the only ones over which it may reach other repositories.

    subprocess.TimeoutExpired after `most` seconds.
    """
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    environment |= {
        "LC_ALL": "C",  # REFUSALS are English
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_DEFAULT_HASH": "sha1",  # that of the releases, whatever new repositories have otherwise
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_HTTP_LOW_SPEED_LIMIT": SLOW_BYTES,
        "GIT_HTTP_LOW_SPEED_TIME": SLOW_SECONDS,
    }
    if protocols:
        environment["GIT_ALLOW_PROTOCOL"] = protocols
    return subprocess.run(
        ["git", *words], input=lines, capture_output=True, env=environment, check=False, timeout=most
    )


def _reason(stderr: bytes, url: str) -> str:
    """The line in which git says what stopped it."""
    text = stderr.decode(errors="replace").replace(url, public(url))
    lines = [shown(line.strip()) for line in text.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return UNTOLD.sub("", (fatal or lines or ["git gave no reason"])[0])
