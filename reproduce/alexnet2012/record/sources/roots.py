"""Finds the folder of a release among many files, by the names and sizes of its files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from alexnet2012.record.manifest import Entry

# The releases share file names: 37 of cuda-convnet's 63 files have one of the same path in AlexNet's.
SHARE = 0.75


def find_root(sizes: Mapping[str, int], manifest: Mapping[str, Entry]) -> str | None:
    """What the paths of a release begin with ('' or `folder/`), given the size of each file by its path.

    Of several copies, the one with most files of the right size, then the one nearest to the top.
    None where no folder has three quarters of the release's files.
    """
    by_name = defaultdict(list)
    for path in manifest:
        by_name[path.rpartition("/")[2]].append(path)
    there: dict[str, int] = defaultdict(int)
    alike: dict[str, int] = defaultdict(int)
    for name, size in sizes.items():
        for path in by_name.get(name.rpartition("/")[2], ()):
            if name == path or name.endswith(f"/{path}"):
                root = name[: len(name) - len(path)]
                there[root] += 1
                alike[root] += size == manifest[path].size
    roots = [root for root, count in there.items() if count >= SHARE * len(manifest)]
    return min(roots, key=lambda root: (-alike[root], -there[root], root.count("/"), root), default=None)


def below(root: str, paths: Iterable[str], manifest: Mapping[str, Entry]) -> list[str]:
    """The files below `root` that are not of the release, git's own left out."""
    inside = (path.removeprefix(root) for path in paths if path.startswith(root))
    return sorted(path for path in inside if path not in manifest and not path.startswith(".git/"))
