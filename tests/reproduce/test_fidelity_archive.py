"""Archives of activations: what kind they are, what of them is damaged, and arrays stored in part."""

import h5py
import numpy as np
import pytest
from fidelity_archives import OPS, part_of_ops, write_archive

from alexnet2012.fidelity.archive import ArchiveError, StoredArray, open_archive
from alexnet2012.record import places
from cuda_convnet.errors import DataError


@pytest.mark.parametrize(
    ("name", "kind"), [("ops", "ops"), ("cifar_nets", "nets"), ("alexnet145", "imagenet-net")]
)
def test_the_kind_of_an_archive_follows_from_what_is_in_it(name, kind):
    with open_archive(OPS.with_name(f"{name}.h5")) as archive:
        assert (archive.kind, archive.name) == (kind, f"{name}.h5")


def read_all(path):
    with open_archive(path) as archive:
        for cases in archive.file.values():
            for group in cases.values():
                for dataset in group["out"].values():
                    archive.read(dataset)


def refused(path):
    with pytest.raises(ArchiveError) as caught:
        read_all(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_a_missing_archive_is_named(tmp_path):
    assert "no such archive" in refused(tmp_path / "none.h5")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_archive_is_named(tmp_path, share):
    whole = part_of_ops(tmp_path / "whole.h5", "crop").read_bytes()
    path = tmp_path / "cut.h5"
    path.write_bytes(whole[: int(share * len(whole))])
    assert "is truncated" in refused(path) or "is not a readable HDF5 file" in refused(path)


def test_another_kind_of_file_is_named(tmp_path):
    path = tmp_path / "text.h5"
    path.write_text("not HDF5 at all")
    assert "is not a readable HDF5 file" in refused(path)


def test_a_folder_is_no_archive(tmp_path):
    assert "a folder; name the .h5 files in it" in refused(tmp_path)


def test_a_foreign_hdf5_file_is_named(tmp_path):
    path = tmp_path / "foreign.h5"
    with h5py.File(path, "w") as file:
        file["values"] = np.ones(3)
    assert "no format_version" in refused(path)


def test_another_version_of_the_format_is_refused(tmp_path):
    path = write_archive(tmp_path / "new.h5", {}, format_version=2)
    assert "format version 2; this program reads version 1" in refused(path)


def test_an_empty_archive_is_refused(tmp_path):
    assert "neither operations nor networks" in refused(write_archive(tmp_path / "empty.h5", {}))


def test_a_flipped_bit_in_the_data_is_named_with_its_dataset(tmp_path):
    path = tmp_path / "flipped.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format_version"] = 1
        values = np.arange(4096, dtype=np.float32)
        file.create_dataset("crop/case/out/targets", data=values, chunks=(4096,), fletcher32=True)
    damaged = bytearray(path.read_bytes())
    place = bytes(damaged).index(values.tobytes()[:64])
    damaged[place + 1000] ^= 4
    path.write_bytes(damaged)
    assert "/crop/case/out/targets is damaged" in refused(path)


def stored(values, stride=1, **attributes):
    whole = np.asarray(values, np.float32)
    flat = whole.astype(np.float64).ravel()
    sums = {"shape": whole.shape, "sum": flat.sum(), "sumsq": flat @ flat}
    return StoredArray(whole.ravel()[::stride], sums | {"subsample_stride": stride} | attributes)


def test_of_an_array_stored_in_part_the_same_entries_are_taken():
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    part = stored(whole, stride=5)
    assert part.shape == (3, 4)
    assert part.of(whole).tolist() == [0, 5, 10]
    assert part.of(whole + 1).tolist() == [1, 6, 11]


def test_an_array_of_another_size_is_not_the_one_that_is_stored():
    with pytest.raises(ValueError, match="8 values where the archive has 12"):
        stored(np.zeros((3, 4))).of(np.zeros((2, 4), np.float32))


def test_sums_over_the_whole_find_what_the_stored_part_does_not_show():
    whole = np.arange(12, dtype=np.float32)
    part = stored(whole, stride=5)
    assert part.sum_errors(whole) == (0.0, 0.0)
    changed = whole.copy()
    changed[1] = 7
    assert np.array_equal(part.of(changed), part.of(whole))
    assert min(part.sum_errors(changed)) > 0.01


def test_the_archives_of_a_checkout_are_found():
    assert [path.name for path in places.activation_archives()] == [
        "alexnet145.h5",
        "cifar_nets.h5",
        "ops.h5",
    ]


def test_where_the_archives_are_not_installed_the_way_to_get_them_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "original_path", lambda: tmp_path)
    with pytest.raises(DataError, match=r"they come with a checkout of the project's repository"):
        places.activation_archives()


def test_in_a_wheel_the_record_lies_inside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "alexnet2012"
    (package / "original").mkdir(parents=True)
    monkeypatch.setattr(places, "__file__", str(package / "record" / "places.py"))
    assert places.original_path() == package / "original"
