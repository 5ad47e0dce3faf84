"""Files that are written whole or not at all, and of which every bit is checked."""

import subprocess
import sys
import textwrap
import threading

import h5py
import numpy as np
import pytest

from cuda_convnet.hdf5 import UnreadableFile, read_hdf5, write_hdf5, write_whole

ATTRIBUTES = {"format": "example", "number": 7, "rate": 0.25, "text": "Größe"}


@pytest.fixture
def datasets():
    random = np.random.RandomState(0)
    return {
        "pixels": random.randint(0, 256, (3, 8, 8, 20)).astype(np.uint8),
        "group/values": random.randn(5, 3).astype(np.float32),
        "names": np.array([b"a", b"bcd"]),
    }


def test_what_is_written_is_read(tmp_path, datasets):
    write_hdf5(tmp_path / "a.h5", ATTRIBUTES, datasets)
    contents = read_hdf5(tmp_path / "a.h5")
    assert contents.attributes == ATTRIBUTES
    assert contents.datasets.keys() == datasets.keys()
    for name, array in datasets.items():
        np.testing.assert_array_equal(contents.datasets[name], array)
        assert contents.datasets[name].dtype == array.dtype


def test_every_dataset_has_a_checksum(tmp_path, datasets):
    write_hdf5(tmp_path / "a.h5", ATTRIBUTES, datasets)
    with h5py.File(tmp_path / "a.h5") as file:
        assert all(file[name].fletcher32 for name in datasets)


def test_the_same_contents_give_the_same_bytes(tmp_path, datasets, monkeypatch):
    write_hdf5(tmp_path / "a.h5", ATTRIBUTES, datasets)
    monkeypatch.setattr("time.time", lambda: 1e9)
    write_hdf5(tmp_path / "b.h5", ATTRIBUTES, datasets)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_only_the_datasets_asked_for_are_read(tmp_path, datasets):
    write_hdf5(tmp_path / "a.h5", ATTRIBUTES, datasets)
    assert read_hdf5(tmp_path / "a.h5", only=("names",)).datasets.keys() == {"names"}


def test_a_flipped_bit_anywhere_is_noticed(tmp_path, datasets):
    path = tmp_path / "a.h5"
    write_hdf5(path, ATTRIBUTES, datasets)
    whole = path.read_bytes()
    random = np.random.RandomState(1)
    # Most of the file is pixels; its metadata gets its own share of the flips.
    places = np.concatenate([random.randint(0, len(whole), 150), random.randint(0, 1200, 150)])
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << random.randint(8)
        path.write_bytes(damaged)
        with pytest.raises(UnreadableFile):
            read_hdf5(path)


def test_a_file_cut_anywhere_is_noticed(tmp_path, datasets):
    path = tmp_path / "a.h5"
    write_hdf5(path, ATTRIBUTES, datasets)
    whole = path.read_bytes()
    for length in range(0, len(whole), 101):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile):
            read_hdf5(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(UnreadableFile, match=f"is cut short \\({len(whole) - 1} of {len(whole)} bytes\\)"):
        read_hdf5(path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "is missing"),
        (b"", "is empty"),
        (b"PK\x03\x04 a zip file", "is not an HDF5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(500), "is damaged"),
    ],
)
def test_what_is_not_hdf5_is_told_apart(tmp_path, data, reason):
    path = tmp_path / "a.h5"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UnreadableFile, match=reason):
        read_hdf5(path)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    with pytest.raises(UnreadableFile, match="cannot be read"):
        read_hdf5(tmp_path)


def test_a_dataset_without_checksum_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pixels"] = np.zeros(3)
    with pytest.raises(UnreadableFile, match="'pixels' without a checksum"):
        read_hdf5(tmp_path / "a.h5")


def test_damage_met_in_a_thread_prints_nothing(tmp_path, datasets, capfd):
    path = tmp_path / "a.h5"
    write_hdf5(path, ATTRIBUTES, datasets)
    damaged = bytearray(path.read_bytes())
    damaged[300] ^= 4
    damaged[-1000] ^= 4
    path.write_bytes(damaged)
    errors = []

    def read():
        try:
            read_hdf5(path)
        except UnreadableFile as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert capfd.readouterr() == ("", "")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_whole(path, b"old")

    def no_rename(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.replace", no_rename)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_leaves_nothing(tmp_path):
    program = """
        import resource, sys
        from pathlib import Path
        import numpy as np
        from cuda_convnet.hdf5 import write_hdf5
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        try:
            write_hdf5(Path(sys.argv[1]), {}, {"values": np.random.rand(100_000)})
        except OSError as error:
            print(error.strerror)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "a.h5")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "File too large\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []
