"""Measuring `data imagenet` and the loader, per core, beside the libraries they stand on and beside PyTorch.

The images are cut from scikit-learn's two photographs, to the sizes and the bytes per image of ILSVRC2012.
What is compared takes turns in one run, in one thread each.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from alexnet2012 import machine, measure
from cuda_convnet.data.batches import BatchFolder, Encoding
from cuda_convnet.data.imagenet.pack import pack_imagenet
from cuda_convnet.data.imagenet.pictures import encode, prepare
from cuda_convnet.data.loader import Loader
from cuda_convnet.errors import ConvnetError

Result = TypeVar("Result")
Runs = dict[str, Callable[[], Any]]

SIZES = (
    (500, 375), (500, 333), (375, 500), (500, 375), (640, 427), (400, 300), (500, 375), (500, 333),
)  # fmt: skip
SOURCE_QUALITY = 97  # at which the photographs take about as many bytes as images of ILSVRC2012: 110,000
ILSVRC2012 = 1_281_167 + 50_000
CORES = (2, 16)
SIZE, QUALITY, MINIBATCH, COLOR_NOISE = 256, 95, 128, 0.1
CLASSES = 2
BATCHES_PER_WORKER = 8


@dataclass(frozen=True)
class Photographs:
    """JPEGs, and their mean width, height and number of bytes."""

    files: list[bytes]
    width: float
    height: float
    size: float


def photographs(images: int) -> Photographs:
    """So many JPEGs out of scikit-learn's photographs, 64 different ones.

    Raises ConvnetError: scikit-learn, simplejpeg or Pillow is not installed.
    """
    for extra in ("digits", "images"):
        if not machine.extra(extra).present:
            raise ConvnetError(
                f"bench data: its images need another package: {machine.install_command(extra)}"
            )
    import simplejpeg
    from sklearn.datasets import load_sample_images

    made = []
    for n, (photo, sampling, mirror, (width, height)) in enumerate(
        product(load_sample_images().images, ("420", "444"), (1, -1), SIZES)
    ):
        upright = photo if width > height else photo.transpose(1, 0, 2)
        top, left = (7 * n % (1 + a - b) for a, b in zip(upright.shape, (height, width), strict=False))
        cut = np.ascontiguousarray(upright[top : top + height, left : left + width][:, ::mirror])
        jpeg: bytes = simplejpeg.encode_jpeg(cut, SOURCE_QUALITY, colorsubsampling=sampling)
        made.append((jpeg, width, height))
    chosen = [made[(5 * n) % len(made)] for n in range(images)]
    return Photographs(
        [jpeg for jpeg, _, _ in chosen],
        statistics.mean(width for _, width, _ in chosen),
        statistics.mean(height for _, _, height in chosen),
        statistics.mean(len(jpeg) for jpeg, _, _ in chosen),
    )


def write_classes(files: Sequence[bytes], folder: Path) -> Path:
    """Images as a folder of one's own: one sub-folder per class. Raises ConvnetError: a full disk, say."""
    try:
        for n, data in enumerate(files):
            path = folder / f"class{n % CLASSES}" / f"{n:06d}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    except OSError as error:
        raise ConvnetError(
            f"bench data: {folder} cannot be written ({error.strerror}); "
            "give fewer --images, or a folder with more room as TMPDIR"
        ) from None
    return folder


class Here(Executor):
    """Does what it is given at once, in this process: one core."""

    def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
        future: Future[Result] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def pack(
    src: Path, out: Path, store: Encoding = "jpeg", workers: int | None = None, batch_size: int = 1024
) -> BatchFolder:
    """`data imagenet` on one core, or with `workers` processes."""
    packed = pack_imagenet(
        src,
        out,
        store=store,
        quality=QUALITY,
        size=SIZE,
        batch_size=batch_size,
        workers=workers,
        executor=None if workers else Here(),
    )
    return packed.folder


def bare(files: Sequence[bytes]) -> None:
    """What an image takes with libraries alone: simplejpeg decodes, Pillow scales, cuts out and encodes."""
    import simplejpeg
    from PIL import Image

    for data in files:
        pixels = simplejpeg.decode_jpeg(data)
        height, width, _ = pixels.shape
        shorter = min(height, width)
        left, top = (width - shorter) / 2, (height - shorter) / 2
        square = Image.fromarray(pixels).resize(
            (SIZE, SIZE), Image.Resampling.HAMMING, box=(left, top, left + shorter, top + shorter)
        )
        square.save(io.BytesIO(), "JPEG", quality=QUALITY, subsampling="4:2:0")


def bare_decoder(jpegs: Sequence[bytes]) -> None:
    """What decoding alone takes; pixels go as they come, for keeping them takes longer than decoding."""
    import simplejpeg

    for jpeg in jpegs:
        simplejpeg.decode_jpeg(jpeg)


def steps_alone(files: Sequence[bytes]) -> None:
    """The steps of `data imagenet` that make pixels, and nothing beside them."""
    for data in files:
        encode(prepare(data, SIZE), QUALITY)


def compare(runs: Runs, images: dict[str, int], rounds: int) -> dict[str, Any]:
    """Each run in turn: its seconds, and its images per second by their median."""
    times = dict(zip(runs, measure.in_turn(list(runs.values()), rounds), strict=True))
    return {
        "seconds": times,
        "images_per_second": {who: images[who] / statistics.median(taken) for who, taken in times.items()},
    }


def ratio(figures: dict[str, Any], images: dict[str, int], ours: str, theirs: str) -> dict[str, Any]:
    """How many times the rate of `theirs` ours has, round by round."""
    times = figures["seconds"]
    pairs = zip(times[ours], times[theirs], strict=True)
    every = [(images[ours] / mine) / (images[theirs] / other) for mine, other in pairs]
    return {"median": statistics.median(every), "all": every}


def bench_packing(files: Sequence[bytes], scratch: Path, rounds: int, workers: int) -> dict[str, Any]:
    """`data imagenet` of all images and of half of them beside bare libraries; see `command`."""
    half = files[: len(files) // 2]
    sources = write_classes(files, scratch / "all")
    half_sources = write_classes(half, scratch / "half")

    def packing(src: Path, workers: int | None = None, batch_size: int = 1024) -> None:
        with TemporaryDirectory(dir=scratch) as out:
            pack(src, Path(out), workers=workers, batch_size=batch_size)

    runs: Runs = {
        "data imagenet": lambda: packing(sources),
        "half": lambda: packing(half_sources),
        "bare": lambda: bare(files),
        "steps alone": lambda: steps_alone(files),
    }
    images = dict.fromkeys(runs, len(files)) | {"half": len(half)}
    if workers > 1:
        # So few images would be too few batches to keep the workers busy.
        share = -(-len(files) // (BATCHES_PER_WORKER * workers))
        runs["workers"] = lambda: packing(sources, workers, share)
        images["workers"] = len(files)
    figures = compare(runs, images, rounds)
    rate = figures["images_per_second"]["data imagenet"]
    return {
        "images": images,
        **figures,
        "workers": workers,
        "ratio_to_bare": ratio(figures, images, "data imagenet", "bare"),
        "ratio_to_steps_alone": ratio(figures, images, "data imagenet", "steps alone"),
        "ratio_of_all_to_half": ratio(figures, images, "data imagenet", "half"),
        "hours_for_ilsvrc2012": {str(cores): ILSVRC2012 / rate / cores / 3600 for cores in CORES},
    }


def bench_loading(files: Sequence[bytes], scratch: Path, rounds: int) -> dict[str, Any]:
    """The loader from JPEG batches and from raw ones, beside the decoder and PyTorch; see `command`."""
    sources = write_classes(files, scratch / "sources")
    jpeg_folder = pack(sources, scratch / "jpeg")
    raw_folder = pack(sources, scratch / "raw", "raw")
    jpegs = [jpeg for file in jpeg_folder.train for jpeg in file.read_jpegs().jpegs()]

    def loading(folder: BatchFolder) -> Callable[[], int]:
        loader = Loader(
            folder, "train", seed=0, minibatch=MINIBATCH, color_noise=COLOR_NOISE, workers=1, prefetch=0
        )
        return lambda: sum(minibatch.data[0].shape[1] for minibatch in loader.minibatches(last_epoch=1))

    runs: Runs = {
        "jpeg": loading(jpeg_folder),
        "decoder": lambda: bare_decoder(jpegs),
        "raw": loading(raw_folder),
    }
    if machine.extra("peer").present:
        from alexnet2012.peers.torch_loader import torch_loader

        pixels = np.concatenate([np.ascontiguousarray(file.read().images) for file in raw_folder.train])
        meta = raw_folder.meta
        for name, pictures in (("torch jpeg", jpegs), ("torch raw", pixels)):
            peer = torch_loader(
                pictures, meta.statistics, meta.augmentation.crop_border, COLOR_NOISE, MINIBATCH
            )
            runs[name] = partial(count, peer)
    images = dict.fromkeys(runs, len(jpegs))
    figures = compare(runs, images, rounds)
    ratios = {"ratio_to_decoder": ratio(figures, images, "jpeg", "decoder")}
    for store in ("jpeg", "raw"):
        if f"torch {store}" in runs:
            ratios[f"ratio_to_torch_{store}"] = ratio(figures, images, store, f"torch {store}")
    return {
        "images": len(jpegs),
        "jpeg_bytes": statistics.mean(map(len, jpegs)),
        "minibatch": MINIBATCH,
        **figures,
        **ratios,
    }


def count(peer: Iterable[Any]) -> int:
    """How many images an epoch of PyTorch's DataLoader has."""
    return sum(len(images) for images, _ in peer)


def bench_data(images: int, rounds: int, workers: int) -> dict[str, Any]:
    """All figures, with every library held to one thread; see `command`.

    Raises ConvnetError: a package that is missing, no room for the images.
    """
    sources = photographs(images)
    with threadpool_limits(1), TemporaryDirectory(prefix="alexnet2012-bench-") as folder:
        scratch = Path(folder)
        packing = bench_packing(sources.files, scratch / "packing", rounds, workers)
        loading = bench_loading(sources.files, scratch / "loading", rounds)
    return {
        "machine": machine.describe(),
        "sources": {"width": sources.width, "height": sources.height, "bytes": sources.size},
        "packing": packing,
        "loading": loading,
    }


def report(figures: dict[str, Any]) -> Iterator[str]:
    """The figures of `bench_data` in lines for people."""
    sources, packing, loading = figures["sources"], figures["packing"], figures["loading"]

    def line(what: str, rate: float, beside: dict[str, Any] | None = None) -> str:
        text = f"  {what:<50}{rate:8.0f} images/s"
        if beside:
            low, high = min(beside["all"]), max(beside["all"])
            text += f"   {beside['median']:.2f} times that ({low:.2f} to {high:.2f})"
        return text

    rates = packing["images_per_second"]
    yield (
        f"\npacking: {packing['images']['data imagenet']} JPEGs of {sources['width']:.0f}x"
        f"{sources['height']:.0f} pixels and {sources['bytes'] / 1000:.0f} kB on average, one core"
    )
    yield line("data imagenet", rates["data imagenet"])
    yield line("  half as many images", rates["half"], packing["ratio_of_all_to_half"])
    yield line("  bare decode, resize, encode (simplejpeg, Pillow)", rates["bare"], packing["ratio_to_bare"])
    yield line("  its own decode, resize, encode", rates["steps alone"], packing["ratio_to_steps_alone"])
    if "workers" in rates:
        yield line(f"data imagenet --workers {packing['workers']}", rates["workers"])
    hours = [f"{taken:.1f} on {cores} cores" for cores, taken in packing["hours_for_ilsvrc2012"].items()]
    yield f"  hours for ILSVRC2012 at this rate per core: {', '.join(hours)}"

    rates = loading["images_per_second"]
    yield f"\nloading: {loading['images']} images for training, one core"
    yield line("from JPEG", rates["jpeg"])
    yield line("  bare decoder (simplejpeg)", rates["decoder"], loading["ratio_to_decoder"])
    if "torch jpeg" in rates:
        yield line("  PyTorch's DataLoader, one worker", rates["torch jpeg"], loading["ratio_to_torch_jpeg"])
    yield line("from raw pixels", rates["raw"])
    if "torch raw" in rates:
        yield line("  PyTorch's DataLoader, one worker", rates["torch raw"], loading["ratio_to_torch_raw"])
