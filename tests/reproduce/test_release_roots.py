"""Which folder, of many files, is taken for the folder of a release."""

from itertools import permutations

import pytest

from alexnet2012.record.manifest import Entry, read_manifest
from alexnet2012.record.releases import read_releases
from alexnet2012.record.sources.roots import find_root

MANIFEST = {path: Entry(path, "100644", 10, 1, "", "", "") for path in ("a", "b", "src/c", "src/d")}


def sizes(root, same=0, other=0):
    """Files of the release below a root, `same` of their size and `other` of another."""
    paths = list(MANIFEST)[: same + other]
    return {root + path: 10 if n < same else 11 for n, path in enumerate(paths)}


@pytest.mark.parametrize("root", ["", "x/", "x/y/"])
def test_a_folder_has_three_quarters_of_a_release_or_is_not_its_folder(root):
    assert find_root(sizes(root, same=3), MANIFEST) == root
    assert find_root(sizes(root, other=3), MANIFEST) == root
    assert find_root(sizes(root, same=2), MANIFEST) is None


@pytest.mark.parametrize(("one", "other"), list(permutations(read_releases(), 2)))
def test_no_release_is_taken_for_another_although_they_share_files(one, other):
    files = {f"x/{path}": entry.size for path, entry in read_manifest(one).items()}
    assert find_root(files, read_manifest(one)) == "x/"
    assert find_root(files, read_manifest(other)) is None


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ({"root": "b/c/", "same": 4}, {"root": "a/", "same": 3, "other": 1}),
        ({"root": "b/c/", "same": 3, "other": 1}, {"root": "a/", "same": 3}),
        ({"root": "b/", "same": 4}, {"root": "a/c/", "same": 4}),
        ({"root": "", "same": 4}, {"root": "a/", "same": 4}),
        ({"root": "a/", "same": 4}, {"root": "b/", "same": 4}),
    ],
    ids=[
        "most of the right size",
        "then most files",
        "then nearest to the top",
        "at the top",
        "then by name",
    ],
)
def test_of_several_copies_one_is_taken(taken, left):
    for order in ((taken, left), (left, taken)):
        files = {name: size for copy in order for name, size in sizes(**copy).items()}
        assert find_root(files, MANIFEST) == taken["root"]
