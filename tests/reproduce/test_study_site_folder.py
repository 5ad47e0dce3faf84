"""The folder of the reading room: what is replaced in it, when, and what is left alone."""

import os

import pytest
from closed_folder import closed, guarded
from release_cache import contents

from alexnet2012.study.site_folder import MARK, TITLE, check_free, renewed
from alexnet2012.study.site_folder import NEW as INCOMING
from cuda_convnet.errors import DataError

OLD = {"index.html": "old", "parts/a.html": "old a", "parts/gone.html": "old gone", "gone/b.html": "old b"}
NEW = {"index.html": "new", "parts/a.html": "new a", "parts/c.html": "new c", "later/z.html": "new z"}


def write(folder, pages):
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def put(folder, pages):
    """Build a site of these pages."""
    check_free(folder)
    with renewed(folder) as new:
        write(new, pages)


def found(folder):
    """The pages in a folder, and whatever else is there but the mark."""
    return {name: text.decode() for name, text in contents(folder).items() if name != MARK}


@pytest.fixture
def site(tmp_path):
    """A site that was built before."""
    put(tmp_path / "site", OLD)
    return tmp_path / "site"


def test_a_site_takes_the_place_of_an_earlier_one_and_keeps_nothing_of_it(site):
    put(site, NEW)
    assert found(site) == NEW
    assert sorted(path.name for path in site.iterdir()) == [MARK, "index.html", "later", "parts"]


def test_nothing_beside_the_folder_is_touched(site, tmp_path):
    for name in ("site.new", "site.old", ".new-site"):
        write(tmp_path / name, {"work.txt": "precious"})
    put(site, NEW)
    for name in ("site.new", "site.old", ".new-site"):
        assert found(tmp_path / name) == {"work.txt": "precious"}
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("pages", [OLD, {}])
def test_nothing_beside_the_folder_need_be_writable(tmp_path, pages):
    folder = tmp_path / "parent" / "site"
    folder.mkdir(parents=True)
    if pages:
        put(folder, pages)
    with guarded(folder.parent, 0o555):
        put(folder, NEW)
    assert found(folder) == NEW


class Stopped(BaseException):
    """What ends a process, such as Ctrl-C."""


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("error", "told"), [(Stopped("Ctrl-C"), "Ctrl-C"), (FULL, r"written \(No space left")]
)
def test_until_a_new_site_is_whole_the_earlier_one_stands(site, error, told):
    def half():
        with renewed(site) as new:
            write(new, dict(list(NEW.items())[:2]))
            assert found(site).items() >= OLD.items()
            raise error

    with pytest.raises((Stopped, DataError), match=told):
        half()
    assert found(site) == OLD
    put(site, NEW)
    assert found(site) == NEW


@pytest.mark.parametrize("moved", range(len(NEW)))
def test_a_build_that_is_stopped_while_it_is_put_in_place_leaves_whole_pages(site, monkeypatch, moved):
    real, done = os.replace, []

    def replace(source, target):
        if len(done) == moved:
            raise Stopped
        done.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Stopped):
        put(site, NEW)
    monkeypatch.undo()
    there = found(site)
    assert len(done) == moved
    assert there.keys() >= OLD.keys()
    assert there["index.html"] == "old"  # comes last, and leads to pages that are there
    assert all(text in (OLD.get(name), NEW.get(name)) for name, text in there.items())
    put(site, NEW)
    assert found(site) == NEW


def test_a_first_build_that_is_stopped_leaves_no_index_and_can_be_built_again(tmp_path, monkeypatch):
    def stop(*_):
        raise Stopped

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(Stopped):
        put(tmp_path, NEW)
    monkeypatch.undo()
    assert found(tmp_path) == {}
    put(tmp_path, NEW)
    assert found(tmp_path) == NEW


def test_what_a_killed_build_left_is_removed(site):
    write(site / f"{INCOMING}killed" / "site", NEW)
    put(site, NEW)
    assert found(site) == NEW
    assert not (site / f"{INCOMING}killed").exists()


def test_what_was_not_built_is_left_where_it_is(site):
    own = {"CNAME": "example.org", ".git/config": "mine", "gone/notes": "mine"}
    write(site, own)
    (site / "gone" / "empty").mkdir()
    put(site, NEW)
    assert found(site) == NEW | own
    assert (site / "gone" / "empty").is_dir()


@pytest.mark.parametrize("path", ["later", "later/z.html", "parts/c.html/x"])
def test_what_was_not_built_and_is_in_the_way_is_told(site, path):
    write(site, {path: "mine"})
    with pytest.raises(
        DataError, match=f"site/{path}: was not built by .*, and is in the way; move it elsewhere"
    ):
        put(site, NEW)
    assert found(site) == OLD | {path: "mine"}


def test_nothing_is_written_through_a_link(site, tmp_path):
    mine = tmp_path / "mine"
    write(mine, {"a.html": "precious"})
    (site / "later").symlink_to(mine)
    with pytest.raises(DataError, match=r"site/later: was not built .* is in the way"):
        put(site, NEW)
    (site / "later").unlink()
    (site / "parts" / "a.html").unlink()
    (site / "parts" / "a.html").symlink_to(mine / "a.html")
    put(site, NEW)
    assert found(mine) == {"a.html": "precious"}
    assert found(site) == NEW


def test_nothing_outside_is_removed_whatever_the_mark_names(site, tmp_path):
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("precious")
    (site / "link").symlink_to(tmp_path / "folder")
    with open(site / MARK, "a") as file:
        file.write("../mine\nlink/mine\n" + str(tmp_path / "mine") + "\n")
    put(site, NEW)
    assert (tmp_path / "mine").read_text() == (tmp_path / "folder" / "mine").read_text() == "precious"


def test_the_mark_names_what_was_built(site):
    put(site, NEW)
    assert (site / MARK).read_text() == TITLE + "".join(f"{name}\n" for name in sorted(NEW))


def test_only_one_process_builds_into_a_folder(site):
    with renewed(site) as new:
        write(new, NEW)
        with pytest.raises(DataError, match="site: another process is building the site; let it end"):
            put(site, OLD)
    assert found(site) == NEW


@pytest.mark.parametrize("name", ["mine", "index.html", ".hidden"])
def test_a_folder_that_holds_something_else_is_not_free(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(DataError, match="holds something else; name a new or empty folder by --out"):
        check_free(tmp_path)


def test_a_file_is_not_free_and_an_empty_folder_is(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: holds something else"):
        check_free(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")
    check_free(tmp_path / "none")


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    told = r"file/site: cannot be written \(Not a directory\); mend that, or name another folder by --out"
    with pytest.raises(DataError, match=told):
        put(tmp_path / "file" / "site", NEW)


def test_a_folder_that_may_not_be_looked_into_is_told(tmp_path):
    (tmp_path / "site").mkdir()
    told = r"site: cannot be read \(Permission denied\); mend that, or name another"
    with closed(tmp_path / "site"), pytest.raises(DataError, match=told):
        check_free(tmp_path / "site")
