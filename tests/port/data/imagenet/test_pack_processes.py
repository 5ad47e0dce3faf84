"""ImageNet packed by several processes: the same bytes with any number, and after any kill."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import imagenet_archive
from cuda_convnet.data.batches import verify
from cuda_convnet.data.imagenet.pack import pack_imagenet
from cuda_convnet.data.imagenet.workers import worker_pool
from cuda_convnet.errors import DataError

OPTIONS = {"size": 48, "batch_size": 4}
PROGRAM = """
import sys
from cuda_convnet.data.imagenet.pack import pack_imagenet
from cuda_convnet.errors import DataError
src, out, workers, size, batch_size, store = sys.argv[1:]
try:
    pack_imagenet(
        src, out, workers=int(workers), size=int(size), batch_size=int(batch_size), store=store
    )
except DataError as error:
    sys.exit(str(error))
"""
MPI_PROGRAM = """
import sys
from cuda_convnet.data.imagenet.pack import pack_imagenet
from cuda_convnet.data.imagenet.workers import worker_pool
with worker_pool() as pool:
    if pool is not None:
        pack_imagenet(*sys.argv[1:], executor=pool, size=48, batch_size=4)
        print("rank 0 is done")
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Three classes, and some images that cannot be used: 60 batches of 4 images."""
    return imagenet_archive.build(
        tmp_path_factory.mktemp("archive"),
        classes=3,
        images=65,
        val=36,
        test=8,
        sizes=((60, 48), (48, 70)),
        troubles=("truncated_jpeg", "text_named_jpeg", "zero_bytes"),
    )


@pytest.fixture(scope="module")
def unbroken(archive, tmp_path_factory):
    """The folder that a run makes which nothing disturbs: {file: bytes}."""
    out = tmp_path_factory.mktemp("unbroken") / "folder"
    with ThreadPoolExecutor(1) as executor:
        pack_imagenet(archive.src, out, executor=executor, **OPTIONS)
    return tree(out)


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def start(archive, out, workers=1, batch_size=OPTIONS["batch_size"], store="jpeg", **more):
    """Begin to pack in another process, the leader of a group of its own."""
    command = [sys.executable, "-c", PROGRAM, str(archive.src), str(out), str(workers)]
    command += [str(OPTIONS["size"]), str(batch_size), store]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def children(pid):
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(true, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def finished(out):
    """What identifies the files of the batches that are there."""
    files = [path for path in out.glob("*/data_batch_*.h5") if path.parent.name != "unfinished"]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def test_the_bytes_do_not_depend_on_how_many_processes_worked(archive, unbroken, tmp_path):
    pack_imagenet(archive.src, tmp_path / "folder", workers=3, **OPTIONS)
    assert tree(tmp_path / "folder") == unbroken


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_a_run_killed_again_and_again_makes_the_same_bytes(archive, unbroken, tmp_path, kills):
    out, draw = tmp_path / "folder", random.Random(kills)
    done = {}
    for kill in range(kills):
        process = start(archive, out)
        aim = len(done) + draw.randint(0, 3)
        wait_until(lambda aim=aim, process=process: process.poll() is not None or len(finished(out)) >= aim)
        time.sleep(draw.uniform(0, 0.03))
        assert process.poll() is None
        workers = children(process.pid)
        if kill % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.communicate()
        wait_until(lambda workers=workers: not any(map(is_running, workers)), seconds=10)
        now = finished(out)
        assert {path: now[path] for path in done} == done
        done = now
    assert 0 < len(done) < 61
    process = start(archive, out)
    assert process.communicate() == ("", "")
    assert process.returncode == 0
    assert {path: finished(out)[path] for path in done} == done
    assert tree(out) == unbroken
    assert not list(verify(out))


def test_workers_do_not_outlive_a_leader_that_was_killed(archive, tmp_path):
    process = start(archive, tmp_path / "folder", workers=2)
    wait_until(lambda: finished(tmp_path / "folder"))
    workers = children(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(is_running, workers)), seconds=5)


def test_a_worker_that_was_killed_is_one_line(archive, unbroken, tmp_path):
    out = tmp_path / "folder"
    process = start(archive, out)
    wait_until(lambda: finished(out))
    for worker in children(process.pid):
        if b"spawn_main" in Path(f"/proc/{worker}/cmdline").read_bytes():
            os.kill(worker, signal.SIGKILL)
    _, message = process.communicate()
    assert process.returncode == 1
    assert message.startswith(f"{out}: a worker was ended from outside")
    assert message.count("\n") == 1
    process = start(archive, out)
    process.communicate()
    assert tree(out) == unbroken


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(archive, tmp_path):
    limit = 60_000  # more than a note takes, less than 16 images of raw pixels

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    out, other = tmp_path / "folder", tmp_path / "other"
    process = start(archive, out, batch_size=16, store="raw", preexec_fn=no_room)
    _, message = process.communicate()
    assert process.returncode == 1
    assert "cannot be written (File too large); mend that and run the same command again" in message
    assert message.startswith(f"{out}/train/data_batch_00")
    assert message.count("\n") == 1
    assert not list(out.rglob("*.tmp-*"))
    with ThreadPoolExecutor(1) as executor:
        for folder in (out, other):
            pack_imagenet(archive.src, folder, store="raw", executor=executor, size=48, batch_size=16)
    assert tree(out) == tree(other)


def test_what_a_killed_writer_left_is_cleared_away(archive, unbroken, tmp_path):
    out = tmp_path / "folder"
    for name in ("train/data_batch_0001.h5.tmp-1", "unfinished/train_0001.h5.tmp-1"):
        (out / name).parent.mkdir(parents=True)
        (out / name).write_bytes(b"half a ba")
    with ThreadPoolExecutor(1) as executor:
        pack_imagenet(archive.src, out, executor=executor, **OPTIONS)
    assert tree(out) == unbroken


def test_an_error_in_a_worker_ends_the_others_at_once():
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError), worker_pool(2) as pool:  # noqa: PT012
        pool.submit(time.sleep, 60)
        pool.submit(divmod, 1, 0).result()
    assert time.monotonic() - started < 30


def test_mpirun_without_mpi4py_names_the_extra(monkeypatch):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(DataError, match=r"pip install 'alexnet2012\[mpi\]'"), worker_pool():
        pass


@pytest.mark.mpi
def test_the_ranks_of_mpirun_make_the_same_bytes(archive, unbroken, tmp_path, mpiexec):
    out = tmp_path / "folder"
    command = [mpiexec, "-n", "3", sys.executable, "-c", MPI_PROGRAM, str(archive.src), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "rank 0 is done\n", "")
    assert tree(out) == unbroken
