"""`alexnet2012 data imagenet`: what it prints, its exit status, and how it is stopped and gone on with."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import imagenet_archive
from alexnet2012.progress import Pace, progress_bar

SMALL = ["--size", "32", "--batch-size", "4", "--workers", "1"]
PROGRAM = "import sys; from alexnet2012.cli import main; sys.argv[0] = 'alexnet2012'; main()"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An archive of two classes with an image in each set that cannot be used."""
    folder = tmp_path_factory.mktemp("source")
    return imagenet_archive.build(
        folder, classes=2, images=30, val=10, test=3, sizes=((40, 32), (32, 50)), troubles=("truncated_jpeg",)
    ).src


def start(source, folder, *options, **more):
    """`alexnet2012 data imagenet` in a process group of its own."""
    command = [sys.executable, "-c", PROGRAM, "data", "imagenet", source, "--out", folder, *SMALL, *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen([str(part) for part in command], start_new_session=True, text=True, **pipes)


def begun(folder):
    """Wait for the first batch of a folder."""
    deadline = time.monotonic() + 30
    while not list(folder.glob("train/*.h5")):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_archive_is_packed_and_described(data, source):
    status, out, err = data("imagenet", source, "--out", "folder", *SMALL)
    assert status == 0
    assert out.startswith("folder: ILSVRC2012, ")
    for line in (
        "  images     32x32, channels: 3",
        "  classes    2: kit fox, Vulpes macrotis, English setter",
        "  train      60 images, batches: 16",
        "  test       10 images, batches: 3",
        "  unlabelled 3 images, batches: 1",
        "  sources    75 files: 73 used, 2 rejected, listed in folder/rejected.csv",
        "  varied by  crops of 28x28 and reflections, 32 images alike",
    ):
        assert line in out.splitlines()
    assert err == ""
    assert data("imagenet", source, "--out", "folder", *SMALL)[1] == out
    assert data("info", "folder")[1] == out
    assert data("verify", "folder")[:2] == (0, "folder: every file is whole.\n")


def test_info_as_json_counts_what_was_rejected(data, source):
    data("imagenet", source, "--out", "folder", *SMALL)
    facts = json.loads(data("info", "folder", "--json")[1])
    assert facts["class_ids"] == ["n02119789", "n02100735"]
    assert facts["rejected"] == {"train": 1, "test": 1}
    assert (facts["made"]["sources"], facts["made"]["rejected"]) == (75, 2)
    assert sum(facts["batches"]["train"]) == 60
    assert facts["recipe"]["libraries"]


def test_notes_are_told(data, tmp_path):
    source = imagenet_archive.build(
        tmp_path / "own", classes=2, images=12, sizes=((32, 32),), layout="own"
    ).src
    status, out, _ = data("imagenet", source, "--out", "folder", *SMALL)
    assert status == 0
    notes = [line for line in out.splitlines() if line.startswith("note: ")]
    assert any("one image in 10 of each class is held out" in note for note in notes)


@pytest.mark.parametrize(
    "options", [["--store", "raw"], ["--quality", "50"], ["--classes", "1"], ["--seed", "7"]]
)
def test_the_mend_that_a_message_names_works(data, source, options):
    data("imagenet", source, "--out", "my folder", *SMALL, *options)
    victim = Path("my folder/train/data_batch_0002.h5")
    whole = victim.read_bytes()
    victim.unlink()
    status, out, _ = data("verify", "my folder")
    assert status == 1
    command = shlex.split(out.split("`")[1])
    assert command[:3] == ["alexnet2012", "data", "imagenet"]
    assert data(*command[2:])[0] == 0
    assert victim.read_bytes() == whole


def test_verify_names_rejected_csv(data, source):
    data("imagenet", source, "--out", "folder", *SMALL)
    listed = Path("folder/rejected.csv")
    listed.write_text(listed.read_text().replace("truncated", "cruncated"))
    status, out, _ = data("verify", "folder")
    assert status == 1
    assert out.startswith("folder/rejected.csv is damaged")
    listed.unlink()
    assert data("verify", "folder")[1].startswith("folder/rejected.csv is missing")


def mistake(result):
    """The one line that a user's mistake is told in."""
    status, out, err = result
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("alexnet2012: ")
    return line


def test_mistakes_are_one_line(data, source):
    assert "nowhere" in mistake(data("imagenet", "nowhere", "--out", "folder"))
    assert not Path("folder").exists()
    data("imagenet", source, "--out", "folder", *SMALL)
    line = mistake(data("imagenet", source, "--out", "folder", *SMALL, "--seed", "1"))
    assert "folder holds another dataset (made by `alexnet2012 data imagenet " in line
    line = mistake(data("imagenet", source, "--out", "strict", *SMALL, "--strict"))
    assert "truncated_jpeg.JPEG' cannot be used (truncated JPEG)" in line or "ILSVRC2012_val_" in line
    assert "without --strict" in line
    assert "n99999999" in mistake(data("imagenet", source, "--out", "other", "--classes", "n99999999"))


@pytest.mark.parametrize(
    "option", [["--quality", "0"], ["--batch-size", "0"], ["--workers", "0"], ["--store", "png"]]
)
def test_options_that_make_no_sense_are_named(data, source, option):
    status, _, err = data("imagenet", source, "--out", "folder", *option)
    assert status == 2
    assert option[0] in err


def test_ctrl_c_is_one_line_that_says_how_to_go_on(data, source, tmp_path):
    folder = tmp_path / "folder"
    process = start(source, folder)
    begun(folder)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(
        "Stopped; batches that are finished are kept. To go on: alexnet2012 data imagenet "
    )
    command = shlex.split(line.split("To go on: ")[1])
    assert data(*command[2:])[0] == 0
    assert data("imagenet", source, "--out", "other", *SMALL)[0] == 0
    assert tree(folder) == tree(tmp_path / "other")


def test_sigterm_stops_it_as_well(source, tmp_path):
    process = start(source, tmp_path / "folder")
    begun(tmp_path / "folder")
    process.terminate()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert err.startswith("Stopped; ")


def test_a_terminal_sees_a_bar_with_speed_and_time_left(source, tmp_path):
    leader, follower = os.openpty()
    process = start(source, tmp_path / "folder", stderr=follower)
    os.close(follower)
    shown = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    process.communicate(timeout=30)
    os.close(leader)
    assert process.returncode == 0
    text = shown.decode()
    assert "Packing" in text
    assert "100%" in text
    assert " images/s, 0:00:0" in text
    assert " left" in text


def test_what_is_no_terminal_gets_a_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with progress_bar("Packing", "images") as progress:
        for done in range(0, 12_001, 1000):
            progress(done, 12_000)
            now[0] += 2
    assert capsys.readouterr().err.splitlines() == [
        "Packing: 25% (3,000 of 12,000 images), 500 images/s, 0:00:18 left",
        "Packing: 50% (6,000 of 12,000 images), 500 images/s, 0:00:12 left",
        "Packing: 75% (9,000 of 12,000 images), 500 images/s, 0:00:06 left",
        "Packing: 100% (12,000 of 12,000 images), 500 images/s, 0:00:00 left",
    ]


def test_the_pace_is_that_of_the_last_minute():
    pace = Pace()
    assert pace.told(100, "images") == ""
    pace.add(0.0, 0)
    pace.add(1.0, 50_000)
    for second in range(2, 200):
        pace.add(float(second), 50_000 + 10 * second)
    assert pace.told(52_980, "images") == "10 images/s, 0:01:39 left"


@pytest.mark.mpi
def test_under_mpirun_rank_0_alone_prints(data, source, tmp_path, mpiexec):
    data("imagenet", source, "--out", "alone", *SMALL)
    command = [
        mpiexec,
        "-n",
        "3",
        sys.executable,
        "-c",
        PROGRAM,
        "data",
        "imagenet",
        source,
        "--out",
        "ranks",
    ]
    done = subprocess.run([*map(str, command), *SMALL], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 8
    assert done.stdout.startswith("ranks: ILSVRC2012, ")
    assert tree(tmp_path / "ranks") == tree(tmp_path / "alone")
    again = subprocess.run([*map(str, command), "--size", "33"], capture_output=True, text=True, timeout=120)
    assert again.stderr.startswith("alexnet2012: ranks holds another dataset")
    assert again.stderr.count("alexnet2012:") == 1
