"""`alexnet2012 original verify`: checks every file of the fetched releases again."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from alexnet2012.commands.cache_option import cache_option
from alexnet2012.record.cache import release_folder
from alexnet2012.record.check import differences
from alexnet2012.record.manifest import read_manifest
from alexnet2012.record.releases import Release, find_releases
from cuda_convnet.errors import DataError


def fetched_releases(names: Sequence[str], cache: Path | None) -> list[Release]:
    """The named releases, or those that are here. DataError where a named one, or any, was not fetched."""
    releases = find_releases(names)
    here = [release for release in releases if release_folder(release.id, cache).is_dir()]
    missing = [release.id for release in releases if release not in here]
    if missing and (names or not here):
        folder = release_folder(missing[0], cache).parent
        raise DataError(f"{folder}: holds no {', '.join(missing)}; {mend(missing, cache)}")
    for name in missing:
        click.echo(f"{name}: not fetched")
    return here


def mend(names: Sequence[str], cache: Path | None) -> str:
    """What brings or mends releases, for a message."""
    where = [] if cache is None else ["--cache", str(cache)]
    return f"run `{shlex.join(['alexnet2012', 'original', 'fetch', *names, *where])}`"


@click.command()
@click.argument("names", nargs=-1, metavar="[RELEASE ...]")
@cache_option
def command(names: tuple[str, ...], cache: Path | None) -> None:
    """Check every file of the fetched releases again; without names, of those that are here.

    What is changed, missing or too much is named, one file a line.

    Exit status: 0 if all is as released, 1 if anything differs, 2 if it could not run.
    """
    ok = True
    for release in fetched_releases(names, cache):
        folder = release_folder(release.id, cache)
        found = differences(folder, read_manifest(release.id))
        for difference in found:
            click.echo(f"{release.id}/{difference.line}")
        if found:
            ok = False
            differ = "1 of its files differs" if len(found) == 1 else f"{len(found)} of its files differ"
            click.echo(f"{release.id}: {differ} in {folder}; {mend([release.id], cache)}")
        else:
            click.echo(f"{release.id}: {release.files} files as released, in {folder}")
    sys.exit(0 if ok else 1)
