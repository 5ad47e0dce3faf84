"""`alexnet2012 data import` and `data export`: what they print, and that a user's mistake is one line."""

import json
from pathlib import Path

import numpy as np
import pytest

from old_folders import cifar_folder, convnet2_folder, folder_2012, jpeg, pixels


def mistake(result):
    """The one line that a user's mistake is told in."""
    status, out, err = result
    assert status == 2
    assert out == ""
    line = err.splitlines()[-1]
    assert line.startswith("alexnet2012: ")
    assert "Traceback" not in err
    return line


def test_old_batches_are_imported_and_described(data):
    cifar_folder(Path("old"))
    status, out, _ = data("import", "old", "--out", "new")
    assert status == 0
    assert out.startswith("new: batches of cuda-convnet, ")
    assert "train      40 images, batches: 5" in out
    assert "\nnote: for testing: batch 6, as of CIFAR-10 (--test-range says otherwise)" in out
    assert "\nnote: the mean of batches.meta differs by up to " in out
    assert data("verify", "new")[0] == 0


def test_the_command_of_a_message_completes_the_folder(data):
    folder_2012(Path("old folder"))
    data("import", "old folder", "--out", "new", "--train-range", "1-2", "--test-range", "2000-2000")
    whole = Path("new/train/data_batch_0002.h5").read_bytes()
    Path("new/train/data_batch_0002.h5").write_bytes(whole[:1000])
    out = data("verify", "new")[1]
    assert (
        "run `alexnet2012 data import 'old folder' --train-range 1-2 --test-range 2000-2000 --out new`" in out
    )
    status = data(
        "import", "old folder", "--train-range", "1-2", "--test-range", "2000-2000", "--out", "new"
    )[0]
    assert status == 0
    assert Path("new/train/data_batch_0002.h5").read_bytes() == whole


def test_what_was_imported_is_exported(data):
    convnet2_folder(Path("old"))
    data("import", "old", "--out", "new")
    status, out, _ = data("export", "new", "--out", "images", "--as", "folders")
    assert (status, out) == (
        0,
        "images: 21 train, 14 test; export.json says how the files are laid out.\n",
    )
    assert Path("images/val/tench/data_batch_1000_0.JPEG").read_bytes() == jpeg(10_000_000)
    assert data("export", "new", "--out", "arrays", "--as", "numpy")[0] == 0
    assert np.load("arrays/test_images_0002.npy", allow_pickle=False).shape == (7, 32, 32, 3)
    assert data("export", "new", "--out", "arrays", "--as", "numpy")[0] == 0


def test_class_folders_are_a_source_again(data):
    """Out as class folders of PNG, in as a folder of one's own images: the same labels and pictures."""
    cifar_folder(Path("old"))
    data("import", "old", "--out", "new")
    data("export", "new", "--out", "images", "--as", "folders")
    status, _, err = data("imagenet", "images", "--out", "again", "--store", "raw", "--size", "32")
    assert status == 0, err
    data("export", "again", "--out", "arrays", "--as", "numpy")
    found = {image.tobytes() for image in np.load("arrays/train_images_0001.npy")}
    assert found == {
        image.transpose(1, 2, 0).tobytes() for n in range(1, 6) for image in pixels(n, 8, (3, 32, 32))
    }
    names = [of_class["name"] for of_class in json.loads(Path("arrays/classes.json").read_text())]
    assert names == sorted(names)
    assert len(names) == 10


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "5-2", "1-2-3", "1:2", "99999999999"])
def test_a_range_is_a_number_or_two_with_a_dash(data, text):
    cifar_folder(Path("old"))
    line = mistake(data("import", "old", "--out", "new", f"--test-range={text}"))
    assert f"--test-range {text} is no range of batches; write 6, or 1000-1016" in line


def test_mistakes_are_one_line(data):
    assert "nowhere: there is no such folder" in mistake(data("import", "nowhere", "--out", "new"))
    Path("empty").mkdir()
    assert "empty: there is no data_batch_1 or the like in it" in mistake(
        data("import", "empty", "--out", "new")
    )
    cifar_folder(Path("old"), data_batch_7=b"")
    assert "nothing says which of the batches 1-7 are for testing; say it with --test-range A-B" in mistake(
        data("import", "old", "--out", "new")
    )
    assert "nowhere: there is no such folder" in mistake(
        data("export", "nowhere", "--out", "x", "--as", "numpy")
    )
    data("import", "old", "--out", "new", "--test-range", "6", "--train-range", "1-5")
    line = mistake(data("export", "new", "--out", "old", "--as", "numpy"))
    assert "old is not empty and is no export; give another folder, or empty it" in line
    assert not Path("old/mean.npy").exists()


def test_a_pickle_that_calls_os_system_is_one_line(data):
    cifar_folder(Path("old"), data_batch_4=b"cposix\nsystem\n(S'touch touched'\ntR.")
    line = mistake(data("import", "old", "--out", "new"))
    assert "old/data_batch_4: it asks for posix.system" in line
    assert not Path("touched").exists()
    assert not Path("new").exists()
