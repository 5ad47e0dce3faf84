"""`alexnet2012 data import` and `data export`: batches of 2012 in, class folders and NumPy files out."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from alexnet2012.described import describe
from alexnet2012.progress import progress_bar
from alexnet2012.stopping import one_line_when_stopped
from cuda_convnet.data.batches import BatchFolder
from cuda_convnet.data.export import Form, export
from cuda_convnet.data.old_batches import import_old_batches, survey
from cuda_convnet.errors import DataError

FOLDER = click.Path(file_okay=False, path_type=Path)
RANGE = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")


@click.command("import")
@click.argument("old", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The batch folder.")
@click.option("--train-range", metavar="A-B", help="The batches for training; all others, unless given.")
@click.option("--test-range", metavar="A-B", help="The batches for testing, where the numbers don't tell.")
def import_command(old: Path, out: Path, train_range: str | None, test_range: str | None) -> None:
    """Make a batch folder of the folder OLD: batches of cuda-convnet, of 2012, of cuda-convnet2.

    OLD holds batches.meta and data_batch_1 and so on. Nothing that the pickles might call is run.
    """
    ranges = {"--train-range": train_range, "--test-range": test_range}
    given = [f"{option} {text}" for option, text in ranges.items() if text is not None]
    again = " ".join(["alexnet2012 data import", shlex.quote(str(old)), *given])
    with one_line_when_stopped(_stopped(f"{again} --out {shlex.quote(str(out))}")):
        with progress_bar("Looking", "batches") as progress:
            surveyed = survey(
                old,
                train_range=_range("--train-range", train_range),
                test_range=_range("--test-range", test_range),
                command=again,
                progress=progress,
            )
        with progress_bar("Packing", "images") as progress:
            imported = import_old_batches(surveyed, out, progress=progress)
    describe(imported.folder)
    for note in imported.notes:
        click.echo(f"note: {note}")


@click.command("export")
@click.argument("folder", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The folder to make.")
@click.option(
    "--as",
    "form",
    type=click.Choice(["folders", "numpy"]),
    required=True,
    help="folders: train/<class>/*.JPEG and val/<class>/*.JPEG. numpy: train_images_0001.npy and so on.",
)
def export_command(folder: Path, out: Path, form: Form) -> None:
    """Write a batch FOLDER as files that any program reads; OUT/export.json says how they are laid out."""
    opened = BatchFolder(folder)
    again = f"alexnet2012 data export {shlex.quote(str(folder))} --out {shlex.quote(str(out))} --as {form}"
    with one_line_when_stopped(_stopped(again)), progress_bar("Exporting", "images") as progress:
        export(opened, out, form, progress=progress)
    images = ", ".join(f"{opened.meta.num_images(split):,} {split}" for split in opened.meta.splits)
    click.echo(f"{out}: {images}; export.json says how the files are laid out.")


def _stopped(again: str) -> str:
    return f"Stopped; batches that are finished are kept. To go on: {again}"


def _range(option: str, text: str | None) -> range | None:
    """The original's ranges: a number, or two with a dash, both included."""
    if text is None:
        return None
    match = RANGE.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise DataError(f"{option} {text} is no range of batches; write 6, or 1000-1016")
    return range(first, last + 1)
