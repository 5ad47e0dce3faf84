"""A record of two small releases, alpha and beta, and repositories that hold them: what fetch is tried on."""

import csv
import hashlib
import os
import subprocess

from alexnet2012.record import places
from alexnet2012.record.manifest import COLUMNS
from git_objects import blob_id, tree_id

FILES = {
    "alpha": {
        "LICENSE": b"Do as you like.\n",
        "layers/one.cfg": b"[one]\ntype=data\n",
        "run.sh": b"#!/bin/sh\necho alpha\n",
        "src/net.cu": b"int net() { return 1; }\n" * 50,
    },
    "beta": {
        "LICENSE": b"Ask first.\n",
        "data.py": b"DATA = 1\n",
        "picture.png": b"\x89PNG\r\n\x1a\n\0\0\0\n",
        "src/deep/er/x.py": b"",
    },
}
EXECUTABLE = "run.sh"


def git(folder, *words):
    """Run git, with a name and a date of its own and without anyone's configuration."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "2012@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(["git", "-C", folder, *words], env=environment, capture_output=True, check=True)
    return done.stdout.decode().strip()


def write_files(folder, release_id):
    """The files of a release in a folder, with their rights."""
    for path, content in FILES[release_id].items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        (folder / path).chmod(0o755 if path == EXECUTABLE else 0o644)
    return folder


def make_repository(folder, release_id):
    """A repository of a release, which has gone on since; gives the release's commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "before").write_text("earlier\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "before")
    (folder / "before").unlink()
    write_files(folder, release_id)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "the release")
    commit = git(folder, "rev-parse", "HEAD")
    (folder / "LICENSE").write_text("Another.\n")
    (folder / "src" / "after").write_text("later\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "after")
    return commit


def write_record(original, repositories, commits):
    """`releases.toml` and the lists of files; `repositories`: the folder that holds each release's."""
    (original / "files").mkdir(parents=True)
    tables = []
    for release_id, files in FILES.items():
        modes = {path: "100755" if path == EXECUTABLE else "100644" for path in files}
        tree = tree_id({path: (modes[path], blob_id(content)) for path, content in files.items()})
        with open(original / "files" / f"{release_id}.csv", "w", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(COLUMNS)
            for path, content in files.items():
                blob = blob_id(content)
                count = "" if b"\0" in content else content.count(b"\n")
                sha256 = hashlib.sha256(content).hexdigest()
                lines.writerow([path, modes[path], len(content), count, sha256, blob, f"swh:1:cnt:{blob}"])
        tables.append(f"""
[{release_id}]
title = "Release {release_id}"
what = "A small one."
role = "To be fetched."
author = "Nobody"
released_by = "No one"
repository = "{(repositories / release_id).as_uri()}"
commit = "{commits[release_id]}"
tree = "{tree}"
swhid_revision = "swh:1:rev:{commits[release_id]}"
swhid_directory = "swh:1:dir:{tree}"
files = {len(files)}
size = {sum(map(len, files.values()))}
dates = {{ code = "2012", commit = 2012-07-25T06:13:58Z, published = 2012-07-25, note = "" }}
licence = {{ spdx = "MIT", holder = "Nobody", where = "LICENSE" }}
""")
    (original / "releases.toml").write_text("".join(tables))


def take_for_the_record(monkeypatch, original):
    """Let the commands read another record."""
    monkeypatch.setattr(places, "original_path", lambda: original)
