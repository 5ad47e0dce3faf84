"""`alexnet2012 data`: make, check and describe batch folders."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from alexnet2012.commands.old_data import export_command, import_command
from alexnet2012.described import describe, facts
from alexnet2012.progress import progress_bar
from alexnet2012.stopping import one_line_when_stopped
from cuda_convnet.data.batches import BatchFolder, Encoding, verify
from cuda_convnet.data.cifar10 import SOURCE, download_cifar10, pack_cifar10
from cuda_convnet.data.digits import pack_digits

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Make, check and describe folders of batches."""


command.add_command(import_command)
command.add_command(export_command)


@command.command()
@click.option("--from", "archive", type=click.Path(dir_okay=False, path_type=Path), help=f"{SOURCE.name}.")
@click.option(
    "--download", is_flag=True, help=f"Fetch it from {SOURCE.url} into the folder; goes on where it stopped."
)
@click.option("--out", type=FOLDER, default=Path("data/cifar10"), show_default=True, help="The batch folder.")
def cifar10(archive: Path | None, download: bool, out: Path) -> None:
    """Make a batch folder of CIFAR-10: 50,000 images for training, 10,000 for testing."""
    if (archive is None) == (not download):
        raise click.UsageError("give either --from FILE or --download")
    if archive is None:
        with progress_bar("Downloading") as progress:
            archive = download_cifar10(out, progress)
        again = "alexnet2012 data cifar10 --download"
    else:
        again = f"alexnet2012 data cifar10 --from {shlex.quote(str(archive))}"
    with progress_bar("Packing") as progress:
        folder = pack_cifar10(archive, out, command=again, progress=progress)
    describe(folder)


@command.command()
@click.option("--out", type=FOLDER, default=Path("data/digits"), show_default=True, help="The batch folder.")
def digits(out: Path) -> None:
    """Make a batch folder of scikit-learn's 1,797 handwritten digits."""
    with progress_bar("Packing") as progress:
        folder = pack_digits(out, command="alexnet2012 data digits", progress=progress)
    describe(folder)


@command.command()
@click.argument("src", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="The batch folder.")
@click.option("--classes", metavar="WNIDS|@FILE|N", help="Some classes only: their names, or the first N.")
@click.option("--store", type=click.Choice(["jpeg", "raw"]), default="jpeg", show_default=True)
@click.option("--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of the JPEGs.")
@click.option(
    "--size", type=click.IntRange(1, 2048), default=256, show_default=True, help="Width and height."
)
@click.option(
    "--batch-size", type=click.IntRange(1, 65536), default=1024, show_default=True, help="Images in a batch."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the order for training."
)
@click.option("--workers", type=click.IntRange(1, 1024), help="Processes; by default one per core.")
@click.option("--strict", is_flag=True, help="Stop at the first image that cannot be used.")
def imagenet(
    src: Path,
    out: Path,
    classes: str | None,
    store: Encoding,
    quality: int,
    size: int,
    batch_size: int,
    seed: int,
    workers: int | None,
    strict: bool,
) -> None:
    """Make a batch folder of the images in SRC: the archives of ILSVRC2012, or a folder for each class.

    SRC holds ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz as they were
    given out (and the test images, if wanted), or the same unpacked, or folders of one's own images, one for
    each class. Nothing is unpacked to disk. Run it again to go on where it was stopped.

    `mpirun -n K alexnet2012 data imagenet ...` does the work in K - 1 processes, on one machine or many.
    """
    # Half of the time that any other command of this group takes to start.
    from cuda_convnet.data.imagenet.pack import pack_imagenet
    from cuda_convnet.data.imagenet.workers import worker_pool

    options = {
        "--classes": (classes, None),
        "--store": (store, "jpeg"),
        "--quality": (quality, 95),
        "--size": (size, 256),
        "--batch-size": (batch_size, 1024),
        "--seed": (seed, 0),
    }
    given = [
        word for name, (value, usual) in options.items() if value != usual for word in (name, str(value))
    ]
    again = shlex.join(["alexnet2012", "data", "imagenet", str(src), *given])
    to_go_on = f"{again} --out {shlex.quote(str(out))}{' --strict' if strict else ''}"
    with worker_pool(workers) as pool:
        if pool is None:
            return
        with (
            one_line_when_stopped(f"Stopped; batches that are finished are kept. To go on: {to_go_on}"),
            progress_bar("Cataloguing") as cataloguing,
            progress_bar("Packing", "images") as packing,
        ):
            packed = pack_imagenet(
                src,
                out,
                classes=classes,
                store=store,
                quality=quality,
                size=size,
                batch_size=batch_size,
                seed=seed,
                executor=pool,
                strict=strict,
                command=again,
                cataloguing=cataloguing,
                progress=packing,
            )
    describe(packed.folder)
    for note in packed.notes:
        click.echo(f"note: {note}")


@command.command("verify")
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def verify_command(folder: Path, as_json: bool) -> None:
    """Read all of a batch FOLDER and say what is wrong with it; exit status 1 if anything is."""
    if as_json:
        problems = list(verify(folder))
        found = [{"file": str(problem.path), "problem": problem.message} for problem in problems]
        click.echo(json.dumps({"folder": str(folder), "ok": not problems, "problems": found}))
    else:
        with progress_bar("Verifying") as progress:
            problems = list(verify(folder, progress))
        for problem in problems:
            click.echo(problem.message)
        if not problems:
            click.echo(f"{folder}: every file is whole.")
    if problems:
        sys.exit(1)


@command.command()
@click.argument("folder", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
def info(folder: Path, as_json: bool) -> None:
    """Describe a batch FOLDER."""
    opened = BatchFolder(folder)
    if as_json:
        click.echo(json.dumps(facts(opened)))
    else:
        describe(opened)
