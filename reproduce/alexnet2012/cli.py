"""The command line: loads one module per command, and turns a user's mistake into one line."""

from __future__ import annotations

import errno
import sys

import click

from alexnet2012.lazy_group import LazyGroup
from cuda_convnet.errors import ConvnetError

COMMANDS = {
    "doctor": "what this machine can run, and what is missing for more",
    "reproduce": "run an experiment; without arguments, the miniature on digits",
    "fidelity": "check an engine against the archived activations of the original",
    "net": "show a network as a table: shapes, weights, multiply-adds",
    "data": "make, check and describe batch folders",
    "show": "draw batches, views and colour noise: what a network is given",
    "train": "train a network on a batch folder",
    "resume": "go on with a run where its last checkpoint stands",
    "test": "test a trained network on a batch folder",
    "original": "the releases of the original, and the record of 2012",
    "study": "the original and the port side by side, in a browser",
    "bench": "measure speed: training steps, single operations, packing and loading",
}


@click.group(
    cls=LazyGroup,
    modules={name: (f"alexnet2012.commands.{name}", text) for name, text in COMMANDS.items()},
)
@click.version_option(package_name="alexnet2012")
def cli() -> None:
    """The 2012 AlexNet experiment as software that still runs."""


def main() -> None:
    """Run a command. A user's mistake is one line on stderr and exit status 2."""
    try:
        status = cli(prog_name="alexnet2012", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:
        click.echo("Aborted!", err=True)
        sys.exit(1)
    except click.ClickException as error:
        click.echo(_told(error), err=True)
        sys.exit(error.exit_code)
    except ConvnetError as error:
        click.echo(f"alexnet2012: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno != errno.ENOSPC or error.filename is not None:
            raise
        sys.stdout = None  # what could not be written is not tried again at the end
        click.echo("alexnet2012: the output cannot be written: no space is left where it goes", err=True)
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)


def _told(error: click.ClickException) -> str:
    """A mistake on the command line in one line; of a group without a command, its help."""
    message = error.format_message()
    if "\n" in message:
        return message
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "alexnet2012"
    return f"{command}: {message.rstrip('.')}; see `{command} --help`"
