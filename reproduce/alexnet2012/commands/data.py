"""`alexnet2012 data`: make, check and describe batch folders."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cuda_convnet.data.batches import SPLITS, BatchFolder, Progress, verify
from cuda_convnet.data.cifar10 import SOURCE, download_cifar10, pack_cifar10
from cuda_convnet.data.digits import pack_digits

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Make, check and describe folders of batches."""


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


def facts(folder: BatchFolder) -> dict[str, Any]:
    """What `info --json` says."""
    meta = folder.meta
    colors = meta.statistics
    return {
        "folder": str(folder.path),
        "dataset": meta.dataset,
        "command": meta.command,
        "encoding": meta.encoding,
        "image_shape": list(meta.image_shape),
        "class_names": list(meta.class_names),
        "batches": {split: list(meta.counts[split]) for split in SPLITS},
        "crop_border": meta.augmentation.crop_border,
        "crop_chunk": meta.augmentation.crop_chunk,
        "reflect": meta.augmentation.reflect,
        "mean": float(colors.mean_image.mean()),
        "color_deviations": [float(value) ** 0.5 for value in colors.color_eigenvalues],
        "recipe": meta.recipe,
    }


def describe(folder: BatchFolder) -> None:
    """Print what a batch folder holds, for people."""
    meta = folder.meta
    channels, height, width = meta.image_shape
    augment = meta.augmentation
    size = sum(file.path.stat().st_size for file in (*folder.train, *folder.test))
    names = ", ".join(meta.class_names[:10]) + (", ..." if len(meta.class_names) > 10 else "")
    crop = f"crops of {width - 2 * augment.crop_border}x{height - 2 * augment.crop_border}"
    click.echo(f"{folder.path}: {meta.recipe.get('source', 'images')}, {size / 1e6:.1f} MB, {meta.encoding}")
    click.echo(f"  images    {width}x{height}, channels: {channels}")
    click.echo(f"  classes   {len(meta.class_names)}: {names}")
    for split in SPLITS:
        click.echo(f"  {split:<9} {meta.num_images(split):,} images, batches: {len(meta.counts[split])}")
    together = "each by itself" if augment.crop_chunk == 1 else f"{augment.crop_chunk} images alike"
    click.echo(f"  varied by {crop}{' and reflections' if augment.reflect else ''}, {together}")


@contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """A progress bar on stderr, as the function that the library calls with (done, total)."""
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def show(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield show
