"""`alexnet2012 original list`: the releases, and which of them are on this machine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from alexnet2012.commands.cache_option import cache_option, run
from alexnet2012.commands.json_option import json_option
from alexnet2012.json_file import check_folder, write_json
from alexnet2012.record import disk
from alexnet2012.record.cache import release_folder
from alexnet2012.record.check import Kind, differences
from alexnet2012.record.manifest import read_manifest
from alexnet2012.record.releases import Release, read_releases
from alexnet2012.words import size

INDENT = 15
KINDS: dict[Kind, str] = {
    "missing": "missing",
    "changed": "changed",
    "mode": "with other rights",
    "extra": "too many",
}


def state(release: Release, cache: Path | None) -> dict[str, Any]:
    """How a release stands in the cache, as JSON values; every file of it is read."""
    folder = release_folder(release.id, cache)
    kinds = [difference.kind for difference in differences(folder, read_manifest(release.id))]
    return {
        "folder": str(folder),
        "fetched": disk.is_folder(folder),
        "verified": not kinds,
        **{kind: kinds.count(kind) for kind in KINDS},
    }


def told(release: Release, here: dict[str, Any], cache: Path | None) -> str:
    """The state of a release in words."""
    if not here["fetched"]:
        return f"not fetched; {run('fetch', [release.id], cache)}"
    folder = disk.shown(here["folder"])
    if here["verified"]:
        return f"verified, in {folder}"
    counts = ", ".join(f"{here[kind]} {words}" for kind, words in KINDS.items() if here[kind])
    return f"files: {counts}, in {folder}; {run('verify', [release.id], cache)}"


def paragraph(release: Release, here: dict[str, Any], cache: Path | None) -> str:
    """A release for people."""
    lines = (
        click.style(f"{release.title}, {release.dates.code.partition(':')[0]}", bold=True),
        f"{release.files} files, {size(release.size)}; {release.licence.spdx}, {release.licence.holder}",
        f"published {release.dates.published:%Y-%m-%d} by {release.released_by}",
        release.home,
        told(release, here, cache),
    )
    return f"{release.id:{INDENT}}" + ("\n" + " " * INDENT).join(lines)


def report(release: Release, here: dict[str, Any]) -> dict[str, Any]:
    """A release for machines."""
    values = asdict(release)
    values["dates"] |= {name: values["dates"][name].isoformat() for name in ("commit", "published")}
    return values | {"cache": here}


@click.command()
@cache_option
@json_option("all that is known of them")
def command(cache: Path | None, json_path: Path | None) -> None:
    """The releases of the original, and which of them are on this machine."""
    if json_path is not None:
        check_folder(json_path)
    found = [(release, state(release, cache)) for release in read_releases().values()]
    if json_path is not None:
        write_json([report(*each) for each in found], json_path)
    if json_path != Path("-"):
        click.echo("\n\n".join(paragraph(*each, cache) for each in found))
