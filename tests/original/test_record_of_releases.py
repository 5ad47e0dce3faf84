"""The record of the releases proves itself: its hashes can be computed from one another."""

import csv
import hashlib
import re

import pytest

from alexnet2012.record import places
from alexnet2012.record.cache import fetched
from alexnet2012.record.check import differences
from alexnet2012.record.manifest import COLUMNS, read_manifest
from alexnet2012.record.releases import read_releases
from git_objects import blob_id, tree_id

RELEASES = read_releases()
each_release = pytest.mark.parametrize("release", RELEASES.values(), ids=list(RELEASES))


def test_there_are_three_releases_with_407_files():
    assert list(RELEASES) == ["alexnet", "cuda-convnet", "cuda-convnet2"]
    assert [release.files for release in RELEASES.values()] == [246, 63, 98]


@each_release
def test_the_files_of_a_release_make_its_tree(release):
    files = {entry.path: (entry.mode, entry.git_blob) for entry in read_manifest(release.id).values()}
    assert tree_id(files) == release.tree


@each_release
def test_another_mode_another_blob_or_a_file_less_makes_another_tree(release):
    files = {entry.path: (entry.mode, entry.git_blob) for entry in read_manifest(release.id).values()}
    path = "layer.py"
    mode, blob = files[path]
    other_mode = {"100644": "100755", "100755": "100644"}[mode]
    for changed in ({path: (other_mode, blob)}, {path: (mode, "0" * 40)}, {"more": (mode, blob)}):
        assert tree_id(files | changed) != release.tree
    del files[path]
    assert tree_id(files) != release.tree


@each_release
def test_a_list_of_files_agrees_with_what_the_release_says_of_itself(release):
    entries = read_manifest(release.id).values()
    assert len(entries) == release.files
    assert sum(entry.size for entry in entries) == release.size
    assert [entry.path for entry in entries] == sorted(entry.path for entry in entries)


@each_release
def test_a_list_of_files_has_its_columns_and_each_path_once(release):
    with open(places.original_path() / "files" / f"{release.id}.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len({row[0] for row in rows[1:]}) == len(rows) - 1 == release.files


@each_release
def test_every_entry_is_well_formed(release):
    for entry in read_manifest(release.id).values():
        assert entry.mode in ("100644", "100755")
        assert re.fullmatch(r"[0-9a-f]{64}", entry.sha256)
        assert re.fullmatch(r"[0-9a-f]{40}", entry.git_blob)
        assert entry.swhid == f"swh:1:cnt:{entry.git_blob}"
        assert entry.lines is None or 0 <= entry.lines <= entry.size


@each_release
def test_a_release_is_named_by_swhids_of_its_commit_and_its_tree(release):
    assert release.swhid_revision == f"swh:1:rev:{release.commit}"
    assert release.swhid_directory == f"swh:1:dir:{release.tree}"


@each_release
def test_what_is_told_of_a_release_is_complete_and_in_one_paragraph(release):
    for text in (release.title, release.what, release.role, release.author, release.released_by):
        assert text == text.strip()
        assert text
        assert "\n" not in text
        assert "  " not in text
    assert release.licence.spdx in ("BSD-2-Clause", "Apache-2.0")
    assert release.dates.published <= release.dates.commit.date() or release.id == "alexnet"
    assert re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+", release.repository)


def test_a_permanent_link_names_the_commit_and_the_lines():
    release = RELEASES["cuda-convnet"]
    start = f"https://github.com/dnouri/cuda-convnet/blob/{release.commit}/src/layer.cu"
    assert release.permalink("src/layer.cu") == start
    assert release.permalink("src/layer.cu", 7) == f"{start}#L7"
    assert release.permalink("src/layer.cu", 7, 7) == f"{start}#L7"
    assert release.permalink("src/layer.cu", 7, 12) == f"{start}#L7-L12"
    assert release.permalink("a b#c").endswith("/a%20b%23c")


def test_hashes_are_gits():
    # As told by `git hash-object` and `git mktree`.
    assert blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert tree_id({}) == "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@pytest.mark.release
@each_release
def test_the_releases_are_what_the_record_says(release, releases):
    folder = releases / release.id
    for entry in read_manifest(release.id).values():
        content = (folder / entry.path).read_bytes()
        assert len(content) == entry.size
        assert hashlib.sha256(content).hexdigest() == entry.sha256
        assert blob_id(content) == entry.git_blob
        assert entry.lines == (None if b"\0" in content else content.count(b"\n"))
    assert differences(folder, read_manifest(release.id)) == []


@pytest.mark.release
@each_release
def test_a_cache_of_the_releases_is_taken_for_fetched(release, releases, tmp_path):
    (tmp_path / "original").symlink_to(releases)
    assert fetched(release.id, tmp_path) == (tmp_path / "original" / release.id).resolve()
