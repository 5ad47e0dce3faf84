"""The claims ledger as its page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alexnet2012.record.claims import Claim, Number
from alexnet2012.record.notebook import Notebook
from alexnet2012.record.notebook_text import plain
from alexnet2012.record.releases import Release


def claims_for_page(
    claims: Iterable[Claim], releases: Mapping[str, Release], notebook: Notebook
) -> list[dict[str, Any]]:
    """Each claim with its numbers in words and its links."""
    return [_claim(claim, releases, notebook) for claim in claims]


def _claim(claim: Claim, releases: Mapping[str, Release], notebook: Notebook) -> dict[str, Any]:
    told = claim.told_in
    archived = _numbers(claim.archived)
    if claim.against:
        archived += f"; run {claim.against.run}: {_numbers(claim.against.numbers)}"
    link = releases[told.release].permalink(told.file, told.first, told.last) if told else ""
    return {
        "claim": claim,
        "paper": _numbers(claim.numbers),
        "archived": archived,
        "run_is_told": claim.run in notebook,
        "told": str(told) if told else "",
        "link": link,
    }


def _numbers(numbers: Mapping[str, Number]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in numbers.items())
