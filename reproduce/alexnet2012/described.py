"""What is told of a batch folder: to programs, and to people."""

from __future__ import annotations

from typing import Any

import click

from alexnet2012.stored_images import source_of
from cuda_convnet.data.batches import REJECTED, BatchFolder


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
        "class_ids": list(meta.class_ids),
        "batches": {split: list(meta.counts[split]) for split in meta.splits},
        "rejected": {split: sum(lost) for split, lost in meta.rejected.items()},
        "crop_border": meta.augmentation.crop_border,
        "crop_chunk": meta.augmentation.crop_chunk,
        "reflect": meta.augmentation.reflect,
        "mean": float(colors.mean_image.mean()),
        "color_deviations": [float(value) ** 0.5 for value in colors.color_eigenvalues],
        "recipe": meta.recipe,
        "made": meta.made,
    }


def describe(folder: BatchFolder) -> None:
    """Print what a batch folder holds, for people."""
    meta = folder.meta
    channels, height, width = meta.image_shape
    augment = meta.augmentation
    size = sum(file.path.stat().st_size for split in meta.splits for file in folder.split(split))
    names = ", ".join(meta.class_names[:10]) + (", ..." if len(meta.class_names) > 10 else "")
    crop = f"crops of {width - 2 * augment.crop_border}x{height - 2 * augment.crop_border}"
    click.echo(f"{folder.path}: {source_of(meta)}, {size / 1e6:.1f} MB, {meta.encoding}")
    click.echo(f"  images     {width}x{height}, channels: {channels}")
    click.echo(f"  classes    {len(meta.class_names)}: {names}")
    for split in meta.splits:
        click.echo(f"  {split:<10} {meta.num_images(split):,} images, batches: {len(meta.counts[split])}")
    if "sources" in meta.made:
        total, lost = meta.made["sources"], meta.made["rejected"]
        listed = f", listed in {folder.path / REJECTED}" if lost else ""
        click.echo(f"  sources    {total:,} files: {total - lost:,} used, {lost:,} rejected{listed}")
    together = "each by itself" if augment.crop_chunk == 1 else f"{augment.crop_chunk} images alike"
    click.echo(f"  varied by  {crop}{' and reflections' if augment.reflect else ''}, {together}")
