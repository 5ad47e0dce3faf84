"""`alexnet2012 original fetch`: brings the releases to this machine, and checks every file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from alexnet2012.commands.cache_option import cache_option, run
from alexnet2012.record.check import Difference
from alexnet2012.record.disk import shown
from alexnet2012.record.fetch import Store, open_store
from alexnet2012.record.manifest import Entry, read_manifest
from alexnet2012.record.releases import Release, find_releases
from alexnet2012.record.sources.base import Source
from alexnet2012.record.sources.git import public
from alexnet2012.record.sources.opening import open_place
from alexnet2012.stopping import one_line_when_stopped
from cuda_convnet.errors import DataError

MOST_EXTRAS = 20


@dataclass(frozen=True)
class Todo:
    """What is missing of a release, or changed."""

    release: Release
    manifest: dict[str, Entry]
    wanted: dict[str, Entry]


def look(store: Store, release: Release) -> Todo:
    """What is to be fetched; what does not belong in the cache is named."""
    manifest = read_manifest(release.id)
    found = store.look(release.id)
    for difference in found:
        if difference.kind == "extra":
            click.echo(f"{release.id}/{difference.line}, left where it is")
    return Todo(
        release, manifest, {d.path: manifest[d.path] for d in found if d.kind in ("missing", "changed")}
    )


def fetch(store: Store, todo: Sequence[Todo], origin: str | None, cache: Path | None, *, named: bool) -> bool:
    """Fetch all from one place; whether all is here now.

    Unless they were named, releases that a place is without are passed over, if it has another.
    """
    answers, elsewhere = [], []
    with open_place(origin, store.incoming) as place:
        for each in todo:
            release = each.release
            if origin is None:
                click.echo(f"{release.id}: commit {release.commit[:12]} of {release.repository}", err=True)
            source = place.find(release, each.manifest)
            if source is not None:
                answers.append(take(store, each, source, cache))
            elif named:
                raise DataError(absent(place.where, [release]))
            else:
                elsewhere.append(release)
        if not answers:
            raise DataError(absent(place.where, elsewhere))
        for release in elsewhere:
            click.echo(f"{release.id}: not in {place.where}")
    return all(answers)


def take(store: Store, todo: Todo, source: Source, cache: Path | None) -> bool:
    """Take a release from its source, and say what came of it; whether all of it is here now."""
    release = todo.release
    problems = store.bring(release.id, todo.wanted, source)
    for line in extras(release, source):
        click.echo(line)
    for problem in problems:
        click.echo(f"{release.id}/{problem.line}")
    if problems:
        click.echo(unfinished(release, problems, source.where, cache))
    else:
        click.echo(whole(store, release, f"{len(todo.wanted)} of them from {source.where}"))
    return not problems


def extras(release: Release, source: Source) -> list[str]:
    """A line for each file that a source has beyond the release, up to a number of them."""
    lines = [f"{release.id}/{shown(path)}: not of the release, left out" for path in source.extras]
    more = len(lines) - MOST_EXTRAS
    return lines if more <= 0 else [*lines[:MOST_EXTRAS], f"{release.id}: and {more:,} more left out"]


def unfinished(release: Release, problems: Sequence[Difference], where: str, cache: Path | None) -> str:
    """How many files of a release are not here, and how to get them."""
    if any("line ends" in problem.problem for problem in problems):
        mend = "take the clone with its .git folder, or one made with `git -c core.autocrlf=false clone`"
    else:
        commit = release.commit[:12]
        mend = f"take what has commit {commit}, or run `{run('fetch', [release.id], cache)}`"
    told = f"{len(problems)} of {release.files} files are missing, for {where} does not have them as released"
    return f"{release.id}: {told}; {mend}"


def whole(store: Store, release: Release, how: str) -> str:
    return f"{release.id}: {release.files} files as released, in {shown(store.folder(release.id))}; {how}"


def absent(where: str, releases: Sequence[Release]) -> str:
    names = ", ".join(f"{release.id} (commit {release.commit[:12]})" for release in releases)
    return f"{where}: there is no {names} in it; name what has the files of a release under their own names"


@click.command()
@click.argument("names", nargs=-1, metavar="[RELEASE ...]")
@click.option("--from", "origin", metavar="PATH", help="A folder, clone, zip or tar; or a repository's URL.")
@cache_option
def command(names: tuple[str, ...], origin: str | None, cache: Path | None) -> None:
    """Bring releases of the original to this machine; without names, all three.

    They come by git, at their pinned commits; or by --from out of a folder that holds them as files or
    clones, or out of a zip or tar: without names, those that are in it. Every file is checked. Run it again
    to go on where it was stopped, or to mend what `alexnet2012 original verify` names.

    Exit status: 0 if all is here, 1 if files differ from the release or are missing, 2 if it could not run.
    """
    given = {"--from": origin and public(origin), "--cache": cache}
    options = [word for name, value in given.items() if value is not None for word in (name, str(value))]
    again = shown(shlex.join(["alexnet2012", "original", "fetch", *names, *options]))
    releases = find_releases(names)
    with (
        one_line_when_stopped(f"Stopped; what was fetched is kept. To go on: {again}"),
        open_store(cache) as store,
    ):
        looked = [look(store, release) for release in releases]
        for each in looked:
            if not each.wanted:
                click.echo(whole(store, each.release, "all of them were here"))
        todo = [each for each in looked if each.wanted]
        done = not todo or fetch(store, todo, origin, cache, named=bool(names) or origin is None)
    sys.exit(0 if done else 1)
