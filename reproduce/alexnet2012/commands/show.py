"""`alexnet2012 show`: pictures of what a network is given."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from alexnet2012 import machine
from alexnet2012.showing.image_sheets import batch_sheet, noise_sheet, views_sheet
from alexnet2012.showing.picking import pick_batch, pick_image
from alexnet2012.showing.sheets import Sheet
from cuda_convnet.data.batches import SPLITS, BatchFolder, Split
from cuda_convnet.errors import ConvnetError, DataError

folder_argument = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
batch_option = click.option(
    "--batch", "number", type=click.IntRange(1), help="Its batch.  [default: 1 for a place, all for a name]"
)
image_option = click.option(
    "--image",
    "wanted",
    required=True,
    metavar="NAME|NUMBER",
    help="Its name, or its place in its batch from 0.",
)
out_option = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; its ending says what: .png, .pdf, .svg.  [default: a PNG here, named after it]",
)


def split_option(default: Split) -> Callable[[Any], Any]:
    """--split, with the split that a command usually shows."""
    return click.option(
        "--split", type=click.Choice(SPLITS), default=default, show_default=True, help="Which images."
    )


@click.group()
def command() -> None:
    """Draw batches, views and colour noise: what a network is given."""


@command.command(short_help="a contact sheet of a batch, with classes and names")
@folder_argument
@split_option("train")
@click.option(
    "--batch",
    "number",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Which batch of the split.",
)
@click.option("--images", type=click.IntRange(1), default=64, show_default=True, help="How many.")
@click.option(
    "--from",
    "first",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="The first; they count from 0.",
)
@out_option
def batch(folder: Path, split: Split, number: int, images: int, first: int, out: Path | None) -> None:
    """Draw a contact sheet of a batch of a batch FOLDER, with classes and names."""
    opened = open_folder(folder)
    file = pick_batch(opened, split, number)
    where = f"-from-{first}" if first else ""
    save(batch_sheet(opened, file, first, images), out, f"{stem(opened)}-{split}-{number}{where}")


@command.command(short_help="the views of an image that a test averages")
@folder_argument
@image_option
@split_option("test")
@batch_option
@out_option
def views(folder: Path, wanted: str, split: Split, number: int | None, out: Path | None) -> None:
    """Draw the views of an image of a batch FOLDER that a test averages, as the network gets them."""
    opened = open_folder(folder)
    picked = pick_image(opened, split, number, wanted)
    save(views_sheet(picked), out, f"{stem(opened)}-views-{without_ending(picked.name)}")


@command.command(short_help="an image under the colour noise of training")
@folder_argument
@image_option
@batch_option
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    default=0.1,
    show_default=True,
    help="Of the noise; it was 0.1 in 2012.",
)
@click.option("--draws", type=click.IntRange(1), default=8, show_default=True, help="For how many epochs.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Of the run.")
@out_option
def noise(
    folder: Path,
    wanted: str,
    number: int | None,
    scale: float,
    draws: int,
    seed: int,
    out: Path | None,
) -> None:
    """Draw a training image of a batch FOLDER under the colour noise that it gets, epoch by epoch."""
    if not math.isfinite(scale):
        raise click.BadParameter("a number that is finite is wanted", param_hint="--scale")
    opened = open_folder(folder)
    picked = pick_image(opened, "train", number, wanted)
    save(noise_sheet(picked, scale, draws, seed), out, f"{stem(opened)}-noise-{without_ending(picked.name)}")


def open_folder(path: Path) -> BatchFolder:
    """A batch folder whose images can be drawn. ConvnetError where they cannot, or matplotlib is missing."""
    if not machine.extra("plots").present:
        raise ConvnetError(f"`show` needs {machine.EXTRAS['plots'][1]}; {machine.install_command('plots')}")
    folder = BatchFolder(path)
    channels = folder.meta.image_shape[0]
    if channels not in (1, 3):
        raise DataError(f"{path}: images of {channels} channels cannot be drawn; grey ones and RGB can")
    return folder


def stem(folder: BatchFolder) -> str:
    """The name of a batch folder, for names of files."""
    return folder.path.resolve().name or "batches"


def without_ending(name: str) -> str:
    """The name of an image without what its file's name ends in."""
    return re.sub(r"\.\w{1,5}$", "", name)


def save(sheet: Sheet, out: Path | None, name: str) -> None:
    """Write a sheet and print where: `out`, or a PNG of that name in the current folder."""
    path = out or Path(re.sub(r"[^\w.-]+", "-", name)[:200] + ".png")
    sheet.save(path)
    click.echo(path)
