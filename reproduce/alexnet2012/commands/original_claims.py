"""`alexnet2012 original claims`: the claims ledger."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

import click

from alexnet2012.commands.json_option import json_option
from alexnet2012.json_file import check_folder, write_json
from alexnet2012.record.claim_numbers import ERROR, archived, number, printed
from alexnet2012.record.claims import STATUSES, Claim, count_statuses, read_claims
from cuda_convnet.errors import DataError

COLUMNS = ("claim", "section", "status", "run", "paper", "archived")
MOST_NUMBERS = 4  # in a row of the table
WIDTH = 100


@click.command()
@click.argument("claim_id", metavar="[CLAIM]", required=False)
@click.option("--status", type=click.Choice(STATUSES), help="Only claims of this status.")
@click.option("--run", "run_id", metavar="RUN", help="Only claims that this run of 2012 backs, as 145.")
@json_option("the claims")
def command(claim_id: str | None, status: str | None, run_id: str | None, json_path: Path | None) -> None:
    """The claims of the 2012 paper, what backs each, and how it stands; with CLAIM, all that is known of one.

    reproduced: this program computes it. checked: it stands in the files of a release. differs: the release
    says otherwise. open: nothing shows it yet. no record: the release holds nothing to check it against.
    """
    if json_path is not None:
        check_folder(json_path)
    claims = chosen(read_claims(), claim_id, status, run_id)
    if json_path is not None:
        write_json(
            {"claims": [claim.to_json() for claim in claims], "summary": count_statuses(claims)}, json_path
        )
    if json_path == Path("-"):
        return
    if claim_id is not None:
        click.echo("\n".join(details(claims[0])))
    else:
        click.echo("\n".join((*table(claims), "", summary(claims))))


def chosen(
    claims: tuple[Claim, ...], claim_id: str | None, status: str | None, run_id: str | None
) -> tuple[Claim, ...]:
    """The claims that the arguments leave; DataError where that is none, with what there is."""
    if claim_id is not None and all(claim.id != claim_id for claim in claims):
        raise DataError(f"{claim_id}: no claim has that id; without an argument, the command lists them all")
    runs = sorted({run for claim in claims for run in claim.runs})
    if run_id is not None and run_id not in runs:
        raise DataError(f"--run {run_id}: no claim rests on that run; there are {', '.join(runs)}")
    left = tuple(
        claim
        for claim in claims
        if claim_id in (None, claim.id)
        and status in (None, claim.status)
        and (run_id is None or run_id in claim.runs)
    )
    if not left:
        raise DataError("no claim is left; take --status or --run away")
    return left


def table(claims: Iterable[Claim]) -> list[str]:
    """Heading and one line for each claim."""
    rows = [COLUMNS, *(_row(claim) for claim in claims)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def summary(claims: tuple[Claim, ...]) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in count_statuses(claims).items() if count)
    return f"{len(claims)} claim{'s' if len(claims) != 1 else ''}: {counts}"


def details(claim: Claim) -> list[str]:
    """All that the ledger says of a claim, a line or a paragraph for each field."""
    against = claim.against
    rows = {
        "section": claim.section,
        "says": claim.says,
        "paper": printed(claim.numbers),
        "run": claim.run,
        "told in": None if claim.told_in is None else str(claim.told_in),
        "archived": archived(claim.archived),
        "against": None if against is None else f"run {against.run}: {archived(against.numbers)}",
        "agrees": claim.agrees,
        "status": claim.status,
        "by": claim.by,
        "takes": claim.takes,
        "more": None if claim.answer is None else f"original/paper.md#{claim.answer}",
    }
    lines = [claim.id]
    for name, value in rows.items():
        if value:
            lines += textwrap.wrap(
                value,
                WIDTH,
                initial_indent=f"  {name:9} ",
                subsequent_indent=" " * 12,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return lines


def _row(claim: Claim) -> tuple[str, ...]:
    errors = {name: value for name, value in claim.archived.items() if ERROR in name}
    numbers = archived(errors or claim.archived)
    if claim.against is not None:  # a difference stands in the column of the paper
        others = claim.against.numbers
        numbers = ", ".join(f"{number(value)} - {number(others[name])}" for name, value in errors.items())
    return (
        claim.id,
        claim.section,
        claim.status,
        claim.run or "",
        printed(claim.numbers) if len(claim.numbers) <= MOST_NUMBERS else f"{len(claim.numbers)} numbers",
        numbers,
    )
