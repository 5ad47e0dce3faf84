"""Draws what a network is given: a batch, the views of an image, its colours under noise.

The pixels come out of the library's own augmentation. What a network gets is minus the mean image; for the
eye it is shown with the mean added back, or with zero as middle grey.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alexnet2012.showing.picking import Picked
from alexnet2012.showing.sheets import FAINT, INK, LEADING, Sheet, one_line, shown_size, text_width, wrapped
from alexnet2012.stored_images import short_class_name, source_of
from cuda_convnet.data import augmentation
from cuda_convnet.data.batches import BatchFile, BatchFolder
from cuda_convnet.errors import DataError
from cuda_convnet.randomness import RandomStreams

MANY = 144  # images on a contact sheet, beyond which they are drawn smaller
MARGIN = 20.0
GAP = 8.0
TITLE, SUBTITLE, CAPTION, SMALL = 13.0, 8.5, 7.5, 6.0
POSITIONS = ("upper left", "upper right", "centre", "lower left", "lower right")
# The palette of Okabe and Ito, which the colour-blind can tell apart.
COLORS = ("#E69F00", "#0072B2", "#CC79A7", "#009E73", "#D55E00")


@dataclass(frozen=True)
class _Cell:
    """A picture of a contact sheet with the lines of its label."""

    pixels: np.ndarray
    class_name: list[str]
    name: list[str]

    @property
    def label_height(self) -> float:
        return LEADING * (CAPTION * len(self.class_name) + SMALL * len(self.name))


def batch_sheet(folder: BatchFolder, file: BatchFile, first: int, count: int) -> Sheet:
    """A contact sheet of `count` images of a batch from `first` on, or as many as there are, with labels.

    DataError where the batch has no image `first`.
    """
    contents = file.read()
    total = len(contents.labels)
    if first >= total:
        raise DataError(f"{file.path}: --from {first} is too far; its images go from 0 to {total - 1}")
    shown = range(first, min(first + count, total))
    _, rows, columns = folder.meta.image_shape
    many = len(shown) > MANY
    width = shown_size(columns, 128 if columns >= 96 and not many else 64)
    height = width * rows / columns
    across = min(len(shown), max(8, math.ceil(math.sqrt(len(shown)))))
    step = max(width, 64) + GAP
    cells = []
    for i in shown:
        class_name = short_class_name(folder, int(contents.labels[i]))
        number = f"{i}: "
        room = step - GAP
        cells.append(
            _Cell(
                contents.images[i],
                wrapped(class_name, room, 2, CAPTION) if class_name else [],
                wrapped(number + contents.names[i], room, 2, SMALL, head=len(number)),
            )
        )
    lines = [cells[start : start + across] for start in range(0, len(cells), across)]
    heights = [height + 3 + max(cell.label_height for cell in line) + GAP for line in lines]
    title = f"{source_of(folder.meta)}: {file.split} batch {file.number}"
    subtitle = f"{_range(shown, total)}; {columns}x{rows} pixels; {folder.path}"
    wide = _page_width(across * step - GAP, title)
    page = _Page.start(wide, sum(heights) - GAP, title, subtitle, (*contents.names, *folder.meta.class_names))
    y = page.top
    for line, tall in zip(lines, heights, strict=True):
        for place, cell in enumerate(line):
            x = MARGIN + place * step
            page.sheet.picture(cell.pixels, x, y, width)
            below = page.lines(cell.class_name, x, y + height + 3, CAPTION)
            page.lines(cell.name, x, below, SMALL, FAINT)
        y += tall
    return page.sheet


def views_sheet(picked: Picked) -> Sheet:
    """The whole image with the frames of its crops, and all its views as a test on several views gives them.

    DataError where the dataset's images are not cropped.
    """
    meta = picked.folder.meta
    border, reflect = meta.augmentation.crop_border, meta.augmentation.reflect
    _, rows, columns = meta.image_shape
    if border == 0:
        raise DataError(
            f"{picked.folder.path}: its images are not cropped, so they have one view: themselves; "
            "`show batch` shows them"
        )
    mean = augmentation.crop_mean(meta.statistics.mean_image, border)
    image = picked.pixels[..., None]
    seen = [
        augmentation.view_images(image, mean, border, view)[..., 0]
        for view in range(augmentation.num_views(reflect))
    ]
    scale = max(float(np.abs(view).max()) for view in seen) or 1.0
    width = shown_size(columns - 2 * border, 112)
    height = width * (rows - 2 * border) / (columns - 2 * border)
    caption = LEADING * CAPTION + 3
    five = 2 * (caption + height) + GAP  # the height of five views in both forms
    across = len(POSITIONS) * (width + GAP) - GAP
    # Two big pictures are one above the other beside ten views, and side by side beside five.
    whole = shown_size(columns, (five - caption) * columns / rows)
    half = max(five, caption + whole * rows / columns) + 2 * GAP
    left = whole if reflect else 2 * whole + GAP
    title = _image_title(picked)
    inner = f"{columns - 2 * border}x{rows - 2 * border}"
    subtitle = f"{_image_place(picked)}; {len(seen)} views of {inner} out of {columns}x{rows}"
    wide = _page_width(left + 3 * GAP + across, title)
    high = (2 * half if reflect else half) - 2 * GAP
    page = _Page.start(wide, high, title, subtitle, (picked.name, picked.class_name))
    x, y = MARGIN, page.top
    page.caption("the whole image", x, y)
    page.sheet.picture(picked.pixels, x, y + caption, whole)
    unit = whole / columns
    for view, (top, side) in enumerate(corners(border)):
        inset = 2.4 if view in (1, 3) else 0.9  # frames that share an edge lie beside each other
        page.sheet.frame(
            x + side * unit + inset,
            y + caption + top * unit + inset,
            (columns - 2 * border) * unit - 2 * inset,
            (rows - 2 * border) * unit - 2 * inset,
            COLORS[view],
        )
    x, y = (x, y + half) if reflect else (x + whole + GAP, y)
    page.caption("the mean image: its centre is subtracted", x, y, whole)
    page.sheet.picture(_for_the_eye(meta.statistics.mean_image), x, y + caption, whole)
    inset = 0.9
    page.sheet.frame(
        x + border * unit + inset,
        y + caption + border * unit + inset,
        (columns - 2 * border) * unit - 2 * inset,
        (rows - 2 * border) * unit - 2 * inset,
        COLORS[2],
    )
    for view, pixels in enumerate(seen):
        position, mirrored = view % len(POSITIONS), view >= len(POSITIONS)
        x = MARGIN + left + 3 * GAP + position * (width + GAP)
        y = page.top + (half if mirrored else 0)
        page.sheet.swatch(x, y + 1.5, CAPTION, COLORS[position])
        name = f"{view + 1}  {POSITIONS[position]}{', mirrored' if mirrored else ''}"
        page.caption(name, x + CAPTION + 3, y, width - CAPTION - 3)
        page.sheet.picture(_for_the_eye(pixels + mean), x, y + caption, width)
        if position == 0:
            what = (
                f"as the network gets them: minus the mean; grey is 0, black −{scale:.0f}, white +{scale:.0f}"
            )
            page.caption(what, x, y + caption + height + GAP, across)
        page.sheet.picture(_signed(pixels, scale), x, y + 2 * caption + height + GAP, width)
    return page.sheet


def noise_sheet(picked: Picked, scale: float, draws: int, seed: int) -> Sheet:
    """A training image under colour noise of `scale`, and along each principal direction of colour.

    The draws are those that the image gets in the first `draws` epochs of a run with `seed`.
    """
    meta = picked.folder.meta
    channels, rows, columns = meta.image_shape
    colors = meta.statistics
    noise = np.stack([_noise_of(picked, seed, epoch) for epoch in range(1, draws + 1)], axis=1)
    width = shown_size(columns, 128)
    height = width * rows / columns
    caption = LEADING * CAPTION + 3
    across = 4
    step = width + GAP
    big = shown_size(columns, 2 * width + GAP)
    line = height + caption + GAP
    drawn_lines = max(2, math.ceil(draws / across))
    section = LEADING * SUBTITLE + 2 * GAP
    title = _image_title(picked)
    subtitle = f"{_image_place(picked)}; colour noise of scale {scale:g}, seed {seed}"
    inside = big + GAP + across * step
    wide = _page_width(inside, title)
    high = (drawn_lines + channels) * line + section + LEADING * SUBTITLE
    page = _Page.start(wide, high, title, subtitle, (picked.name, picked.class_name))
    right = MARGIN + big + 2 * GAP
    formula = f"(image − mean + {scale:g} × noise) / {1 + scale:g}, and for the eye the mean added back"
    page.heading("the image", MARGIN, page.top)
    page.heading("in training", right, page.top)
    page.sheet.write(formula, right + 60, page.top, SUBTITLE, color=FAINT)
    top = page.top + LEADING * SUBTITLE + GAP
    page.sheet.picture(picked.pixels, MARGIN, top, big)
    for i, pixels in enumerate(_noisy(picked, noise, scale)):
        x = right + i % across * step
        y = top + i // across * line
        page.sheet.picture(pixels, x, y, width)
        page.caption(f"epoch {i + 1}: {_shift(noise[:, i] * scale)}", x, y + height + 3, step - 2)
    top += drawn_lines * line
    page.heading("the principal directions of colour", MARGIN, top + GAP)
    top += section
    total = float(colors.color_eigenvalues.sum()) or 1.0
    for place, direction in enumerate(np.argsort(-colors.color_eigenvalues, kind="stable")):
        variance = float(colors.color_eigenvalues[direction])
        vector = colors.color_eigenvectors[:, direction]
        deviation = math.sqrt(variance)
        y = top + place * line
        page.sheet.write(f"{place + 1}.  {_parts(vector)}", MARGIN, y, SUBTITLE)
        facts = [
            f"eigenvalue {variance:,.1f}, {variance / total:.1%} of the variance",
            f"standard deviation {deviation:.1f}, in noise of scale {scale:g}: {deviation * scale:.1f}",
        ]
        below = page.lines(facts, MARGIN, y + LEADING * SUBTITLE + 2, CAPTION, FAINT)
        strip = _strip(colors.mean_image.mean(axis=(1, 2)), vector * deviation)
        page.sheet.picture(strip, MARGIN, below + 6, big)
        ends = below + 6 + big / strip.shape[2] * strip.shape[1] + 2
        page.sheet.write(
            "the mean colour from −2 to +2 deviations, at scale 1", MARGIN, ends, SMALL, color=FAINT
        )
        steps = np.array((-3, -1, 1, 3))
        along = (vector * deviation)[:, None] * steps
        for i, pixels in enumerate(_noisy(picked, along.astype(np.float32), scale)):
            x = right + i * step
            page.sheet.picture(pixels, x, y, width)
            page.caption(_minus(f"{steps[i]:+d} deviations"), x, y + height + 3)
    return page.sheet


@dataclass(frozen=True)
class _Page:
    """A sheet with a title; what belongs below it begins at `top`."""

    sheet: Sheet
    top: float

    @classmethod
    def start(cls, width: float, height: float, title: str, subtitle: str, words: Sequence[str]) -> _Page:
        """A page for something `width` x `height`, with lines above it."""
        heads = wrapped(title, width, 2, TITLE, bold=True)
        lines = wrapped(subtitle, width, 3, SUBTITLE)
        top = MARGIN + LEADING * (TITLE * len(heads) + SUBTITLE * len(lines)) + GAP
        sheet = Sheet(width + 2 * MARGIN, top + height + MARGIN, (title, subtitle, *words))
        page = cls(sheet, math.ceil(top))
        y = MARGIN
        for line in heads:
            sheet.write(line, MARGIN, y, TITLE, bold=True)
            y += LEADING * TITLE
        page.lines(lines, MARGIN, y, SUBTITLE, FAINT)
        return page

    def lines(self, lines: Sequence[str], x: float, y: float, size: float, color: str = INK) -> float:
        """Write lines; returns where the next one begins."""
        for line in lines:
            self.sheet.write(line, x, y, size, color=color)
            y += LEADING * size
        return y

    def heading(self, text: str, x: float, y: float) -> None:
        self.sheet.write(text, x, y, SUBTITLE, bold=True)

    def caption(self, text: str, x: float, y: float, width: float = math.inf) -> None:
        self.lines(wrapped(text, width, 1, CAPTION), x, y, CAPTION)


def _page_width(inside: float, title: str) -> float:
    """Wide enough for what is inside and, within reason, for the title."""
    return max(inside, min(text_width(one_line(title), TITLE, bold=True) + 1, 360))


def _range(shown: range, total: int) -> str:
    """Which images of a batch are shown."""
    if len(shown) == 1:
        return f"image {shown[0]} of {total:,}"
    return f"images {shown[0]} to {shown[-1]} of {total:,}" if len(shown) < total else f"all {total:,} images"


def _image_title(picked: Picked) -> str:
    return f"{picked.class_name}: {picked.name}" if picked.class_name else picked.name


def _image_place(picked: Picked) -> str:
    file = picked.file
    return f"image {picked.index} of {file.split} batch {file.number} of {picked.folder.path}"


def corners(border: int) -> tuple[tuple[int, int], ...]:
    """The upper left corners (y, x) of the crops of a test on several views, in the order of POSITIONS."""
    far = 2 * border
    return (0, 0), (0, far), (border, border), (far, 0), (far, far)


def _noise_of(picked: Picked, seed: int, epoch: int) -> np.ndarray:
    """The colour noise of unit scale that the loader draws for an image in an epoch: (channels,)."""
    colors, file = picked.folder.meta.statistics, picked.file
    random = RandomStreams(seed).at("colour noise", epoch, file.number)
    noise = augmentation.draw_color_noise(
        random, file.num_images, colors.color_eigenvalues, colors.color_eigenvectors
    )
    return noise[:, picked.index]


def _noisy(picked: Picked, noise: np.ndarray, scale: float) -> list[np.ndarray]:
    """The image as training sees it under each column of `noise`, with the mean added back."""
    mean = augmentation.crop_mean(picked.folder.meta.statistics.mean_image, 0)
    images = np.repeat(picked.pixels[..., None], noise.shape[1], axis=-1)
    seen = augmentation.training_images(images, mean, None, 0, noise, scale)
    return [_for_the_eye(seen[..., i] + mean) for i in range(noise.shape[1])]


def _for_the_eye(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _signed(values: np.ndarray, scale: float) -> np.ndarray:
    """Values as pixels: zero is middle grey, -scale black, +scale white."""
    return _for_the_eye(127.5 + 127.5 / scale * values)


def _strip(middle: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Colours from two deviations below `middle` to two above: (channels, 8, 128)."""
    along = middle[:, None] + deviation[:, None] * np.linspace(-2, 2, 128)
    return np.repeat(_for_the_eye(along)[:, None], 8, axis=1)


def _shift(noise: np.ndarray) -> str:
    """How far noise moves each channel, before the division."""
    parts = zip(_channels(len(noise)), noise, strict=True)
    return _minus(", ".join(f"{name}{round(value):+d}" for name, value in parts))


def _parts(vector: np.ndarray) -> str:
    parts = zip(_channels(len(vector)), vector, strict=True)
    return _minus("   ".join(f"{name}{value:+.2f}" for name, value in parts))


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _channels(count: int) -> tuple[str, ...]:
    return ("R ", "G ", "B ") if count == 3 else ("grey ",)
