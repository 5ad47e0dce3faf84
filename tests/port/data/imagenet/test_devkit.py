"""The development kit: the numbers of classes, the labels of the validation images, and what can be wrong."""

import pytest

from cuda_convnet.data.imagenet.catalogue import make_catalogue
from cuda_convnet.data.imagenet.devkit import META, TRUTH, read_devkit
from cuda_convnet.errors import DataError
from imagenet_archive import build, entry, meta_mat, synsets, tar_bytes


def kit(tmp_path, classes, truth="1\n"):
    folder = tmp_path / "ILSVRC2012_devkit_t12"
    (folder / "data").mkdir(parents=True)
    (folder / META).write_bytes(meta_mat(classes))
    (folder / TRUTH).write_text(truth)
    return folder


def test_classes_are_in_the_order_of_their_numbers_without_inner_nodes(tmp_path):
    shuffled = synsets(12)
    found = read_devkit(kit(tmp_path, shuffled, "3\n12\n1\n"))
    assert found.ids == tuple(range(1, 13))
    assert found.wnids == tuple(wnid for wnid, _ in shuffled)
    assert found.words[0] == "kit fox, Vulpes macrotis"
    assert found.validation_classes() == ("n02110185", shuffled[11][0], "n02119789")


@pytest.mark.parametrize("form", ["tar", "folder"])
def test_it_is_read_packed_and_unpacked(tmp_path, form):
    archive = build(tmp_path, sizes=((20, 20),), devkit=form)
    assert make_catalogue(tmp_path).class_ids == archive.wnids


def test_one_class_is_enough(tmp_path):
    assert read_devkit(kit(tmp_path, synsets(1))).wnids == ("n02119789",)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("devkit_without_meta", "lacks data/meta.mat"),
        ("devkit_without_truth", "lacks data/ILSVRC2012_validation_ground_truth.txt"),
        ("damaged_meta", "data/meta.mat is damaged"),
        ("truth_not_numbers", "line 2: 'kit fox' is not the number of a class"),
    ],
)
@pytest.mark.parametrize("form", ["tar", "folder"])
def test_what_is_wrong_with_it_is_said_in_one_line(tmp_path, trouble, message, form):
    build(tmp_path, sizes=((20, 20),), troubles=(trouble,), devkit=form)
    with pytest.raises(DataError) as error:
        make_catalogue(tmp_path)
    assert message in str(error.value)
    assert "ILSVRC2012_devkit_t12" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_ground_truth_is_needed_where_validation_images_lie_by_class(tmp_path):
    archive = build(tmp_path, sizes=((20, 20),), troubles=("devkit_without_truth",), layout="folders")
    assert len(make_catalogue(tmp_path).splits["test"]) == len(archive.fine("test"))


@pytest.mark.parametrize("data", [b"", b"\x1f\x8b\x08", b"not a tar", b"\x1f\x8b" + bytes(100)])
def test_a_damaged_archive_is_named(tmp_path, data):
    path = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    path.write_bytes(data)
    with pytest.raises(
        DataError, match=r"t12\.tar\.gz is cut short or not a \.tar\.gz archive; get it again"
    ):
        read_devkit(path)


def test_an_archive_cut_short_anywhere_is_named(tmp_path):
    build(tmp_path / "src", sizes=((20, 20),))
    whole = (tmp_path / "src/ILSVRC2012_devkit_t12.tar.gz").read_bytes()
    path = tmp_path / "kit.tar.gz"
    # What follows its two files, the end mark above all, is a few bytes when compressed.
    for size in range(0, len(whole) - 150, 23):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"kit\.tar\.gz is cut short"):
            read_devkit(path)


def test_a_damaged_list_of_classes_is_named_and_nothing_else_happens(tmp_path):
    folder = kit(tmp_path, synsets(3))
    whole = (folder / META).read_bytes()
    for at in range(128, len(whole), 5):
        (folder / META).write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with pytest.raises(DataError, match=r"meta\.mat"):
            read_devkit(folder)


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("1\n\n2\n", "line 2: '' is not"),
        ("1\n4\n", "line 2: '4' is not"),
        ("0\n", "line 1: '0' is not"),
        ("-1\n", "line 1: '-1' is not"),
        ("1" * 5000, "line 1: '1111111111111111111111111111111111111111' is not"),
        ("1001\n", "line 1: '1001' is not"),
    ],
)
def test_a_line_of_the_ground_truth_that_is_no_class_is_named(tmp_path, truth, message):
    with pytest.raises(DataError) as error:
        read_devkit(kit(tmp_path, synsets(3), truth))
    assert message in str(error.value)


def test_a_ground_truth_of_1000_classes_has_a_line_for_each_validation_image(tmp_path):
    with pytest.raises(DataError, match=r"has 49999 lines, and there are 50000 validation images"):
        read_devkit(kit(tmp_path, synsets(1000), "7\n" * 49_999))
    (tmp_path / "ILSVRC2012_devkit_t12" / TRUTH).write_text("7\r\n" * 50_000)
    assert len(read_devkit(tmp_path / "ILSVRC2012_devkit_t12").validation_classes()) == 50_000


def test_a_wordnet_id_twice_is_named(tmp_path):
    with pytest.raises(DataError, match="has the same WNID twice"):
        read_devkit(kit(tmp_path, (*synsets(2), synsets(1)[0])))


def test_links_and_huge_files_in_it_are_not_followed(tmp_path):
    path = tmp_path / "kit.tar.gz"
    path.write_bytes(tar_bytes([entry("kit/data/meta.mat", kind=b"2", link="/etc/passwd")]))
    with pytest.raises(DataError, match=r"lacks data/meta\.mat"):
        read_devkit(path)
    info, _ = entry("kit/data/meta.mat")
    info.size = 1 << 30
    path.write_bytes(info.tobuf() + bytes(512))
    with pytest.raises(DataError, match="1073741824 bytes"):
        read_devkit(path)
