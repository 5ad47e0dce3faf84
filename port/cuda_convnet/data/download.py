"""Downloads a file that is known by its hashes, and goes on where an earlier attempt stopped."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cuda_convnet.data.batches import Progress, no_progress
from cuda_convnet.errors import DataError

BLOCK = 1 << 18
TIMEOUT_SECONDS = 30.0
ELSEWHERE = "run again later, or fetch it on another machine and use --from"


@dataclass(frozen=True)
class Source:
    """A published file: where it is, its SHA-256, and its MD5 (the hash that its author published)."""

    url: str
    sha256: str
    md5: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def hashes(path: Path) -> tuple[str, str]:
    """The SHA-256 and the MD5 of a file, in hexadecimal. Raises OSError."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            sha256.update(block)
            md5.update(block)
    return sha256.hexdigest(), md5.hexdigest()


def download(source: Source, folder: Path, progress: Progress = no_progress) -> Path:
    """Fetch `source` into `folder` unless it is there already, and verify its hashes; returns its path.

    What has come is kept as `NAME.part` when the connection breaks, and the next call goes on from there.
    `progress` counts bytes. Raises DataError: no connection, another file than the published one, a full
    disk.
    """
    path, part = folder / source.name, folder / f"{source.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if hashes(path) == (source.sha256, source.md5):
                return path
            raise DataError(
                f"{path} is not the published file (its MD5 is not {source.md5}); remove it and run again"
            )
        _fetch(source, part, progress)
        found = hashes(part)
        if found != (source.sha256, source.md5):
            part.unlink()
            raise DataError(
                f"{source.url} gave another file than the published one (MD5 {found[1]}, not {source.md5}); "
                "it was removed: run again"
            )
        os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"{part} cannot be written ({error.strerror or error}); mend that and run again"
        ) from None
    return path


def _fetch(source: Source, part: Path, progress: Progress) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(source.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # all of it is here already; its hashes decide
        raise DataError(f"{source.url} answers {error.code} {error.reason}; {ELSEWHERE}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{source.url} cannot be reached ({reason}); {ELSEWHERE}") from None
    with response, open(part, "ab") as file:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            file.truncate(0)
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else 0
        have = _copy(response, file, have, total, source, progress)
    if have < total:
        raise DataError(f"{source.url} broke off at {have} of {total} bytes; run again to go on from there")


def _copy(
    response: http.client.HTTPResponse,
    file: BinaryIO,
    have: int,
    total: int,
    source: Source,
    progress: Progress,
) -> int:
    while True:
        try:
            block = response.read(BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise DataError(
                f"{source.url} broke off at {have} bytes ({error}); run again to go on from there"
            ) from None
        if not block:
            return have
        file.write(block)
        have += len(block)
        progress(have, total)
