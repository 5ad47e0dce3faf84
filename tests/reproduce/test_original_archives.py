"""Archives that would do harm if they were unpacked are refused whole, in one line that names the entry."""

import gzip
import io
import stat
import tarfile
import zipfile

import pytest

from alexnet2012.record.manifest import Entry
from alexnet2012.record.releases import read_releases
from alexnet2012.record.sources import entries, tars
from alexnet2012.record.sources.archive import ArchivePlace
from alexnet2012.record.sources.entries import ArchiveEntry, Entries
from alexnet2012.record.sources.tars import TarReader
from cuda_convnet.errors import DataError

TYPES = {
    "file": tarfile.REGTYPE,
    "link": tarfile.SYMTYPE,
    "hard link": tarfile.LNKTYPE,
    "folder": tarfile.DIRTYPE,
}
MODES = {"file": stat.S_IFREG, "link": stat.S_IFLNK, "folder": stat.S_IFDIR}


def write_tar(path, members):
    """A tar of (name, kind or tar's type, content or target)."""
    with tarfile.open(path, "w") as archive:
        for name, kind, text in members:
            info = tarfile.TarInfo(name)
            info.type = TYPES.get(kind, kind)
            if kind == "file":
                info.size = len(text)
            else:
                info.linkname = text
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


def write_zip(path, members):
    """A zip of (name, kind or stat's type, content or target)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, kind, text in members:
            info = zipfile.ZipInfo("x")
            info.filename = info.orig_filename = name
            info.create_system = 3
            info.external_attr = (MODES.get(kind, kind) | 0o644) << 16
            archive.writestr(info, text)
    return path


def refusal(path):
    """The one line in which an archive is refused."""
    with pytest.raises(DataError) as error:
        ArchivePlace(path)
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith(f"--from {path}: entry ")
    assert line.endswith("; refused, get another archive")
    return line


OUT = "leads out of the archive's folder"
LINK_OUT = "a link that leads out of the archive's folder"
HARM = {
    "climbs": ([("a/../../x", "file", "")], "a/../../x", OUT),
    "climbs within": ([("a/../x", "file", "")], "a/../x", OUT),
    "absolute": ([("/etc/x", "file", "")], "/etc/x", OUT),
    "a drive": ([("C:/x", "file", "")], "C:/x", OUT),
    "backslashes": ([("a\\..\\..\\x", "file", "")], "a\\..\\..\\x", OUT),
    "a link to the root": ([("a", "link", "/etc")], "a", f"{LINK_OUT}, to /etc"),
    "a link upwards": ([("b/a", "link", "../../etc")], "b/a", f"{LINK_OUT}, to ../../etc"),
    "a link through another": ([("a/b", "link", "../a/../../x")], "a/b", LINK_OUT),
    "below a link": ([("a", "link", "b"), ("a/x", "file", "")], "a/x", "lies below a, which is no folder"),
    "below a link, beside another": (
        [("a", "link", "b"), ("a-b", "file", ""), ("a/x", "file", "")],
        "a/x",
        "lies below a, which is no folder",
    ),
    "below a later link": ([("a/b/x", "file", ""), ("a", "link", "b")], "a/b/x", "lies below a"),
    "below a file": ([("a", "file", ""), ("a/x", "file", "")], "a/x", "lies below a, which is no folder"),
    "twice": ([("a/x", "file", "1"), ("a/x", "file", "2")], "a/x", "there twice"),
    "twice, otherwise written": ([("a/x", "file", "1"), ("./a//x", "file", "2")], "./a//x", "there twice"),
    "a file over a link": ([("a", "link", "b"), ("a", "file", "2")], "a", "there twice"),
}


@pytest.mark.parametrize("write", [write_tar, write_zip])
@pytest.mark.parametrize(("members", "name", "problem"), HARM.values(), ids=list(HARM))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_would_do_harm_is_refused(tmp_path, write, members, name, problem):
    members = [("before", "file", "fine"), *members, ("after", "file", "fine")]
    assert f": entry {name}: {problem}" in refusal(write(tmp_path / "archive", members))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_devices_and_pipes_in_a_tar_are_refused(tmp_path, kind):
    assert "entry dev/x: a device, pipe or the like" in refusal(
        write_tar(tmp_path / "a", [("dev/x", kind, "")])
    )


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_devices_and_pipes_in_a_zip_are_refused(tmp_path, kind):
    assert "entry dev/x: a device, pipe or the like" in refusal(
        write_zip(tmp_path / "a", [("dev/x", kind, "")])
    )


@pytest.mark.parametrize("target", ["/etc/passwd", "../x"])
def test_a_hard_link_that_leads_out_is_refused(tmp_path, target):
    line = refusal(write_tar(tmp_path / "a", [("d/x", "hard link", target)]))
    assert f"entry d/x: {LINK_OUT}, to {target}" in line


def test_a_zip_whose_names_end_before_they_end_is_refused(tmp_path):
    assert rf"entry x\x00.txt: {OUT}" in refusal(write_zip(tmp_path / "a", [("x\0.txt", "file", "")]))


def test_links_within_an_archive_do_no_harm(tmp_path):
    members = [("a/x", "link", "../b/y"), ("a/z", "link", "x"), ("b/y", "file", "")]
    for write in (write_tar, write_zip):
        with ArchivePlace(write(tmp_path / "a", members)) as place:
            assert sorted(place.files) == ["a/x", "a/z", "b/y"]


def test_a_folder_may_be_there_twice(tmp_path):
    with ArchivePlace(write_tar(tmp_path / "a", [("a", "folder", "")] * 2 + [("a/x", "file", "")])) as place:
        assert sorted(place.files) == ["a/x"]


@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_an_archive_of_too_much_is_refused_before_it_is_unpacked(tmp_path, write, monkeypatch):
    path = write(tmp_path / "a", [("a", "file", "x" * 600), ("b", "file", "x" * 600)])
    monkeypatch.setattr(entries, "MOST_BYTES", 1000)
    assert "entry b: beyond 1,000 bytes unpacked" in refusal(path)
    monkeypatch.setattr(entries, "MOST_BYTES", 1200)
    monkeypatch.setattr(entries, "MOST_ENTRIES", 1)
    assert "entry b: beyond 1 entries" in refusal(path)


def test_a_compressed_file_of_a_terabyte_is_refused_at_once(tmp_path):
    info = tarfile.TarInfo("huge")
    info.size = 2**40
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(info.tobuf())
        file.write(bytes(2**20))
    assert "entry huge: beyond 500,000,000 bytes unpacked" in refusal(tmp_path / "a.tar.gz")


def test_a_tar_with_a_huge_header_is_not_read_into_memory(tmp_path):
    info = tarfile.TarInfo("header")
    info.type, info.size = tarfile.XHDTYPE, 5 * 2**20
    with gzip.open(tmp_path / "a.tar.gz", "wb") as file:
        file.write(info.tobuf())
    with pytest.raises(DataError, match="has a header that is longer than any archive of the releases"):
        ArchivePlace(tmp_path / "a.tar.gz")


def test_a_tar_that_would_be_unpacked_without_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(tars, "MOST_BYTES", 0)
    monkeypatch.setattr(tars, "MOST_ENTRIES", 2)
    path = write_tar(tmp_path / "a", [("a", "file", "x" * 5000)])
    with pytest.raises(DataError, match="unpacked, it is longer than any archive of the releases"):
        ArchivePlace(path)


def test_a_name_of_any_length_is_not_looked_through(tmp_path):
    for write in (write_tar, write_zip):
        with ArchivePlace(write(tmp_path / "a", [("a/" * 2047 + "bc", "file", "")])) as place:
            assert len(place.files) == 1
        path = write(tmp_path / "a", [("a/" * 2047 + "bcd", "file", "")])
        with pytest.raises(
            DataError, match="an entry's name has more than 4,096 letters; refused, get another"
        ):
            ArchivePlace(path)


def test_an_encrypted_zip_is_told_in_one_line(tmp_path):
    path = write_zip(tmp_path / "a", [("x", "file", "x"), ("y", "file", "y")])
    content = path.read_bytes()
    at = content.rindex(b"PK\x01\x02")
    path.write_bytes(content[: at + 8] + b"\x01" + content[at + 9 :])
    with pytest.raises(DataError, match=r"a zip or tar that can be read \(entry 'y' is encrypted\); give"):
        ArchivePlace(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_would_be_unpacked_without_end_is_refused(tmp_path, method):
    # zipfile unpacks such an entry whole, however little of it is asked for.
    with zipfile.ZipFile(tmp_path / "a", "w", method) as archive:
        archive.writestr("x", bytes(1000))
    with pytest.raises(DataError, match=rf"entry 'x' is compressed by method {method}\)"):
        ArchivePlace(tmp_path / "a")


def manifest_of(**sizes):
    return {name: Entry(name, "100644", size, 0, "", "", "") for name, size in sizes.items()}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("write", [write_tar, write_zip])
def test_no_more_is_read_of_a_file_than_tells_that_it_is_too_long(tmp_path, write, compressed, monkeypatch):
    path = write(tmp_path / "a", [("x", "file", "x" * 10_000)])
    if compressed and write is write_tar:
        path.write_bytes(gzip.compress(path.read_bytes()))
    manifest, asked = manifest_of(x=5), []
    for kind in (tarfile.ExFileObject, zipfile.ZipExtFile):
        real = kind.read
        monkeypatch.setattr(kind, "read", lambda file, n=-1, real=real: asked.append(n) or real(file, n))
    with ArchivePlace(path) as place:
        (piece,) = place.find(read_releases()["alexnet"], manifest).pieces(manifest)
    assert len(piece.content) == manifest["x"].enough == 11
    assert asked == [11]


def test_what_is_damaged_inside_an_archive_is_named(tmp_path):
    text = "".join(map(str, range(5000)))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", text)
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as archive:
        info = tarfile.TarInfo("x")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text.encode()))
    manifest = manifest_of(x=len(text))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for at in range(100, 140):
        content[at] ^= 255
    (tmp_path / "a.zip").write_bytes(content)
    with ArchivePlace(tmp_path / "a.zip") as place:
        (piece,) = place.find(read_releases()["alexnet"], manifest).pieces(manifest)
    assert piece.problem.startswith("cannot be read (")
    content = bytearray((tmp_path / "a.tar.xz").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "a.tar.xz").write_bytes(content)
    with pytest.raises(DataError, match="neither a folder nor a zip or tar that can be read"):
        ArchivePlace(tmp_path / "a.tar.xz")


@pytest.mark.parametrize("error", [IndexError("x"), MemoryError(), OverflowError("x"), AttributeError("x")])
def test_whatever_a_library_makes_of_a_damaged_archive_is_one_line(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    path = write_tar(tmp_path / "a", [("x", "file", "x")])
    manifest = manifest_of(x=1)
    why = str(error) or type(error).__name__
    with ArchivePlace(path) as place:
        monkeypatch.setattr(tarfile.TarFile, "extractfile", fail)
        (piece,) = place.find(read_releases()["alexnet"], manifest).pieces(manifest)
    assert piece.problem == f"cannot be read ({why})"
    monkeypatch.setattr(tarfile.TarFile, "next", fail)
    with pytest.raises(DataError, match=rf"a zip or tar that can be read \({why}\)"):
        ArchivePlace(path)


def test_a_tar_is_read_from_front_to_back_and_each_file_of_many_names_once(tmp_path, monkeypatch):
    members = [("b", "file", "bbbb"), ("c", "file", "c")]
    members += [
        (name, "hard link", target) for name, target in (("x", "b"), ("y", "c"), ("z", "b"), ("a", "b"))
    ]
    manifest = manifest_of(a=2, b=2, c=1, x=1, y=9, z=1)
    read, real = [], tarfile.TarFile.extractfile
    monkeypatch.setattr(
        tarfile.TarFile, "extractfile", lambda tar, info: read.append(info.name) or real(tar, info)
    )
    with ArchivePlace(write_tar(tmp_path / "a", members)) as place:
        pieces = {
            p.path: p.content for p in place.find(read_releases()["alexnet"], manifest).pieces(manifest)
        }
    assert read == ["b", "c"]
    assert pieces == {"a": b"bbbb", "b": b"bbbb", "x": b"bbb", "z": b"bbb", "c": b"c", "y": b"c"}


def test_a_tar_gives_as_much_of_a_file_as_is_asked_for(tmp_path):
    reader = TarReader(write_tar(tmp_path / "a", [("x", "file", "xyz")]))
    (entry,) = reader.entries()
    assert [reader.read(entry, most) for most in (1, 2, 3, 9, 2)] == [b"x", b"xy", b"xyz", b"xyz", b"xy"]
    reader.close()


def test_a_tar_with_a_negative_size_is_given_up(tmp_path):
    info = tarfile.TarInfo("a")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"  # -256 in base 256
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    (tmp_path / "a").write_bytes(bytes(header) + bytes(10240))
    with pytest.raises(DataError, match="negative size"):
        ArchivePlace(tmp_path / "a")


@pytest.mark.parametrize("damage", ["a header", "the end"])
def test_a_tar_that_ends_before_its_end_is_given_up(tmp_path, damage):
    path = write_tar(tmp_path / "a", [("a", "file", "x"), ("b", "file", "x")])
    content = bytearray(path.read_bytes())
    if damage == "a header":
        content[1024] ^= 1  # of b's name, which its checksum covers
    else:
        del content[2048:]
    path.write_bytes(content)
    where = "1,024" if damage == "a header" else "2,048"
    with pytest.raises(DataError, match=f"damaged, or not complete, from byte {where} on"):
        ArchivePlace(path)


def test_a_hard_link_to_nothing_cannot_be_read(tmp_path):
    path = write_tar(tmp_path / "a", [("x", "hard link", "y")])
    manifest = {"x": Entry("x", "100644", 0, 0, "", "", "")}
    with ArchivePlace(path) as place:
        source = place.find(read_releases()["alexnet"], manifest)
        assert [piece.problem for piece in source.pieces(manifest)] == [
            "cannot be read (it links to 'y', which is not in the archive before it)"
        ]


def test_names_that_cannot_be_printed_are_escaped():
    with pytest.raises(DataError, match=r"entry /a\\nb: leads out"):
        Entries("a.tar").add(ArchiveEntry("/a\nb", "file"))
