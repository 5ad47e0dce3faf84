"""Releases of `small_releases` in a cache: what is in it, and how the commands are told of it."""

import os

from small_releases import EXECUTABLE, FILES


def contents(folder):
    """Every file below a folder by its path; of a link, its target."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(base, name)
            relative = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[relative] = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[relative] = file.read()
    return found


def is_whole(cache, *release_ids):
    """Whether the cache has exactly these releases, with their rights, and nothing else."""
    folder = cache / "original"
    there = sorted(path.name for path in folder.iterdir())
    return there == sorted(("CACHEDIR.TAG", *release_ids)) and all(
        contents(folder / name) == FILES[name]
        and all(bool((folder / name / p).stat().st_mode & 0o100) == (p == EXECUTABLE) for p in FILES[name])
        for name in release_ids
    )


def mistake(result):
    """The one line that a user's mistake is told in."""
    status, _, err = result
    assert status == 2
    line = err.splitlines()[-1]
    assert line.startswith("alexnet2012: ")
    assert "Traceback" not in err
    return line
