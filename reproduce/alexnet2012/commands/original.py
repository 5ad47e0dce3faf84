"""`alexnet2012 original`: the releases of the original, and the record of 2012."""

from __future__ import annotations

import click

from alexnet2012.lazy_group import LazyGroup

MODULES = "alexnet2012.commands.original_"
SUBCOMMANDS = {
    "list": "the releases, and which of them are on this machine",
    "fetch": "bring the releases to this machine, and check every file",
    "verify": "check every file of the fetched releases again",
    "crosswalk": "what became of each function, class, kernel and option",
    "experiments": "the lab notebook of 2012",
    "claims": "each claim of the paper, what backs it, and whether it was reproduced",
}


@click.group(cls=LazyGroup, modules={name: (f"{MODULES}{name}", text) for name, text in SUBCOMMANDS.items()})
def command() -> None:
    """The releases of the original, and the record of 2012."""
