"""`alexnet2012 original verify`: checks every file of the fetched releases again."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from alexnet2012.commands.cache_option import cache_option, run
from alexnet2012.record import disk
from alexnet2012.record.cache import release_folder
from alexnet2012.record.check import Difference, differences
from alexnet2012.record.disk import shown
from alexnet2012.record.manifest import read_manifest
from alexnet2012.record.releases import Release, find_releases
from cuda_convnet.errors import DataError


def fetched_releases(names: Sequence[str], cache: Path | None) -> list[Release]:
    """The named releases, or those that are here. DataError where a named one, or any, was not fetched."""
    releases = find_releases(names)
    here = [release for release in releases if disk.is_folder(release_folder(release.id, cache))]
    missing = [release.id for release in releases if release not in here]
    if missing and (names or not here):
        folder = release_folder(missing[0], cache).parent
        raise DataError(
            f"{shown(folder)}: holds no {', '.join(missing)}; run `{run('fetch', missing, cache)}`"
        )
    for name in missing:
        click.echo(f"{name}: not fetched")
    return here


def mend(release: Release, found: Sequence[Difference], cache: Path | None) -> str:
    """What makes a folder as it was released, for a message."""
    extra = [difference for difference in found if difference.kind == "extra"]
    steps = [f"run `{run('fetch', [release.id], cache)}`"] if len(extra) < len(found) else []
    return " and ".join([*steps, *(["remove what is not of the release"] if extra else [])])


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
            click.echo(f"{release.id}: {differ} in {shown(folder)}; {mend(release, found, cache)}")
        else:
            click.echo(f"{release.id}: {release.files} files as released, in {shown(folder)}")
    sys.exit(0 if ok else 1)
