"""The claims ledger as its page shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alexnet2012.record.claim_numbers import archived, printed
from alexnet2012.record.claims import Claim
from alexnet2012.record.notebook import Notebook
from alexnet2012.record.releases import Release


def claims_for_page(
    claims: Iterable[Claim], releases: Mapping[str, Release], notebook: Notebook
) -> list[dict[str, Any]]:
    """Each claim with its numbers in words and its links."""
    return [_claim(claim, releases, notebook) for claim in claims]


def _claim(claim: Claim, releases: Mapping[str, Release], notebook: Notebook) -> dict[str, Any]:
    told = claim.told_in
    numbers = archived(claim.archived)
    if claim.against:
        numbers += f"; run {claim.against.run}: {archived(claim.against.numbers)}"
    link = releases[told.release].permalink(told.file, told.first, told.last) if told else ""
    return {
        "claim": claim,
        "paper": printed(claim.numbers),
        "archived": numbers,
        "run_is_told": claim.run in notebook,
        "told": str(told) if told else "",
        "link": link,
    }
