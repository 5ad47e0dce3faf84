"""The files of an old data folder: which batches there are, and which of them are for testing.

A batch is a file `data_batch_7`; or a folder of that name with `data_batch_7.0`, `data_batch_7.1`, ... in it
(cuda-convnet2); or those parts themselves beside each other (cuda-convnet). CIFAR-10's Python version calls
its last one `test_batch`.

Answers to `DataProvider.get_batch_filenames` and `get_batch` of `cuda-convnet:data.py` and
`cuda-convnet2:python_util/data.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cuda_convnet.errors import DataError

META = "batches.meta"
TEST_BATCH = "test_batch"
BATCH_NAME = re.compile(r"data_batch_(0|[1-9][0-9]{0,8})(?:\.(0|[1-9][0-9]{0,8}))?")
# make-data begins the numbers of validation batches at a multiple of this, and so did 2012's folders.
NUMBERS_JUMP_TO = 1000
CIFAR_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class OldBatch:
    """A batch and the files that it consists of, in order; `number` is None for `test_batch`."""

    name: str
    number: int | None
    parts: tuple[Path, ...]


@dataclass(frozen=True)
class Division:
    """Which batches are for what; `notes` are one line each, about what a user would want to know."""

    train: tuple[OldBatch, ...]
    test: tuple[OldBatch, ...]
    notes: tuple[str, ...]


def find_batches(folder: Path) -> tuple[tuple[OldBatch, ...], tuple[str, ...]]:
    """The batches of a folder, by number, and notes on files that look like batches and are not.

    Raises DataError: no such folder, no batches, a part that is missing or too many.
    """
    parts: dict[int, list[tuple[int, Path]]] = {}
    whole: dict[int, Path] = {}
    notes: list[str] = []
    for path in _listing(folder):
        match = BATCH_NAME.fullmatch(path.name)
        if match is None:
            if path.name.startswith("data_batch"):
                notes.append(f"{path} has no name of a batch and was left out")
        elif match[2] is None:
            whole[int(match[1])] = path
        else:
            parts.setdefault(int(match[1]), []).append((int(match[2]), path))
    found = []
    for number in sorted({*whole, *parts}):
        if number in whole and number in parts:
            raise DataError(
                f"{whole[number]} and {parts[number][0][1]} are two forms of one batch; remove one of them"
            )
        if number in parts:
            pieces = _in_order(folder, number, parts[number])
        elif whole[number].is_dir():
            pieces = _in_order(whole[number], number, _parts_within(whole[number], number))
        else:
            pieces = (_regular(whole[number]),)
        found.append(OldBatch(f"data_batch_{number}", number, pieces))
    if (folder / TEST_BATCH).exists():
        found.append(OldBatch(TEST_BATCH, None, (_regular(folder / TEST_BATCH),)))
    if not found:
        raise DataError(
            f"{folder}: there is no data_batch_1 or the like in it; give the folder of the batches"
        )
    return tuple(found), tuple(notes)


def divide(
    folder: Path,
    batches: tuple[OldBatch, ...],
    pixels: int,
    train_range: range | None,
    test_range: range | None,
) -> Division:
    """Which batches are for training and which for testing.

    Without `test_range`, those for testing are `test_batch`; or all from where the numbers jump to a multiple
    of 1000 (as in 416, 1000, 1001); or, of the six batches of CIFAR-10 (images of `pixels` 3072), the sixth.
    Without `train_range`, all others are for training.

    Raises DataError: none of these, a batch of a range that is not there, a batch in both.
    """
    numbers = [batch.number for batch in batches if batch.number is not None]
    for option, wanted in (("--train-range", train_range), ("--test-range", test_range)):
        missing = next((n for n in wanted or () if n not in set(numbers)), None)
        if missing is not None:
            raise DataError(
                f"{folder}: {option} asks for data_batch_{missing}, which is not there; "
                f"there are {spans(numbers)}"
            )
    if test_range is not None:
        test = [batch for batch in batches if batch.number is not None and batch.number in test_range]
        how = ""
    elif any(batch.number is None for batch in batches):
        test = [batch for batch in batches if batch.number is None]
        how = TEST_BATCH
    elif (first := _jump(numbers)) is not None:
        test = [batch for batch in batches if batch.number is not None and batch.number >= first]
        how = f"from batch {first} on, where the numbers jump"
    elif pixels == CIFAR_PIXELS and numbers == [1, 2, 3, 4, 5, 6]:
        test = [batches[-1]]
        how = "batch 6, as of CIFAR-10"
    else:
        raise DataError(
            f"{folder}: nothing says which of the batches {spans(numbers)} are for testing; "
            f"say it with --test-range A-B"
        )
    if train_range is None:
        train = [batch for batch in batches if batch not in test and batch.number is not None]
    else:
        train = [batch for batch in batches if batch.number is not None and batch.number in train_range]
    both = next((batch for batch in train if batch in test), None)
    if both:
        raise DataError(f"{folder}: {both.name} is in --train-range and for testing; a batch has one purpose")
    if not train:
        raise DataError(f"{folder}: no batch is left for training; give a smaller --test-range")
    return Division(tuple(train), tuple(test), tuple(_division_notes(folder, batches, train, test, how)))


def spans(numbers: list[int]) -> str:
    """Ascending numbers in few words: "1-6, 1000-1016"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def _division_notes(
    folder: Path, batches: tuple[OldBatch, ...], train: list[OldBatch], test: list[OldBatch], how: str
) -> list[str]:
    notes = [f"for testing: {how} (--test-range says otherwise)"] if how else []
    numbers = [batch.number for batch in train if batch.number is not None]
    holes = [n for a, b in pairwise(numbers) for n in range(a + 1, b)]
    others = {batch.number for batch in batches}
    lost = [n for n in holes if n not in others]
    if lost:
        notes.append(f"{folder} has no data_batch_{lost[0]}: the training batches are {spans(numbers)}")
    unused = [batch.name for batch in batches if batch not in train and batch not in test]
    if unused:
        more = f" and {len(unused) - 1} more" if len(unused) > 1 else ""
        notes.append(f"{unused[0]}{more} of {folder} are in neither range and were left out")
    return notes


def _jump(numbers: list[int]) -> int | None:
    return next((b for a, b in pairwise(numbers) if b % NUMBERS_JUMP_TO == 0 and b != a + 1), None)


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        raise DataError(f"{folder}: there is no such folder") from None
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error.strerror})") from None


def _parts_within(folder: Path, number: int) -> list[tuple[int, Path]]:
    found = []
    for path in _listing(folder):
        match = BATCH_NAME.fullmatch(path.name)
        if path.name.startswith("."):
            continue
        if match is None or match[2] is None or int(match[1]) != number:
            raise DataError(f"{path} is not a part of data_batch_{number}; remove it")
        found.append((int(match[2]), path))
    if not found:
        raise DataError(f"{folder} is an empty batch; get it again, or remove it")
    return found


def _in_order(folder: Path, number: int, parts: list[tuple[int, Path]]) -> tuple[Path, ...]:
    parts = sorted(parts)
    first = min(parts[0][0], 1)  # cuda-convnet counts parts from 1, cuda-convnet2 from 0
    for expected, (index, path) in enumerate(parts, first):
        if index != expected:
            raise DataError(f"{folder / f'data_batch_{number}.{expected}'} is missing; get the batch again")
        _regular(path)
    return tuple(path for _, path in parts)


def _regular(path: Path) -> Path:
    if not path.is_file():
        raise DataError(f"{path} is not a file; get the batch again")
    return path
