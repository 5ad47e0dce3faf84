"""The reading room as files: complete, bound together, light, and of itself alone."""

import json
import re

import pytest
from release_cache import contents
from study_site import Page, build, lost_links, read_pages

from alexnet2012.record.claims import read_claims
from alexnet2012.record.crosswalk import read_crosswalk
from alexnet2012.record.notebook import read_notebook
from alexnet2012.record.symbols import find
from alexnet2012.study import site
from alexnet2012.study.launches import run_145
from alexnet2012.study.parts import read_parts
from cuda_convnet.engines.kernel_engine.sources import kernels_folder
from cuda_convnet.errors import DataError

MOST_BYTES = 500_000


@pytest.fixture
def folder(study):
    return study[0]


@pytest.fixture(scope="module")
def bare_pages(tmp_path_factory):
    """The pages of a site built without any release."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        out = tmp_path_factory.mktemp("study") / "site"
        build(out, monkeypatch)
        return read_pages(out)


def test_every_link_leads_somewhere(pages):
    assert lost_links(pages) == []


def test_a_lost_link_would_be_found():
    here = Page(
        '<a href="there.html#place"></a><a href="nowhere.html"></a><a href="#here"></a><p id="here"></p>'
    )
    assert lost_links({"a/here.html": here, "a/there.html": Page("")}) == [
        ("a/here.html", "there.html#place"),
        ("a/here.html", "nowhere.html"),
    ]


def test_every_page_is_light(folder):
    heavy = {
        p.name: p.stat().st_size for p in folder.rglob("*") if p.is_file() and p.stat().st_size >= MOST_BYTES
    }
    assert heavy == {}


def test_pages_load_nothing_but_the_sites_own_files(folder, pages):
    for address, page in pages.items():
        for source in page.loaded:
            assert source == "data:," or (folder / address).parent.joinpath(source).resolve().is_file(), (
                address
            )
    for name in ("room.css", "room.js"):
        assert not re.search(r"https?:|@import|url\(", (folder / "assets" / name).read_text()), name


def test_every_page_has_one_heading_its_language_and_a_title_of_its_own(pages):
    titles = [re.search("<title>(.*?)</title>", page.text)[1] for page in pages.values()]
    assert len(set(titles)) == len(titles)
    for address, page in pages.items():
        assert len(page.all("h1")) == 1, address
        assert page.all("html") == [{"lang": "en"}], address


def test_ids_are_unique_in_every_page(pages):
    for address, page in pages.items():
        assert len(set(page.ids)) == len(page.ids), address


def test_every_layer_of_run_145_has_its_place_and_the_picture_leads_to_it(pages):
    linked = {link.partition("/")[2] for link in pages["network.html"].links if link.startswith("stages/")}
    for layer in run_145():
        if layer.name != "labels":
            (address,) = [
                name for name, page in pages.items() if name.startswith("stages/") and layer.name in page.ids
            ]
            assert address.removeprefix("stages/") in linked


def test_every_kernel_file_has_a_page_with_a_picture_of_a_launch(pages):
    for path in kernels_folder().glob("*.cu"):
        page = pages[f"parts/{path.stem}.html"]
        assert any(attributes.get("class") == "grid" for attributes in page.all("svg")), path.name


def test_every_run_claim_and_part_is_there(pages):
    assert {f"run-{run.id}" for run in read_notebook()} <= set(pages["notebook.html"].ids)
    assert {claim.id for claim in read_claims()} <= set(pages["claims.html"].ids)
    assert {f"parts/{part.slug}.html" for part in read_parts()} <= set(pages)


def test_every_ported_symbol_of_the_release_stands_beside_the_port(study):
    _, room = study
    ported = [row for row in room.rows if (row.release, row.status) == ("alexnet", "ported")]
    assert len(ported) > 600
    assert [row.place for row in ported if not room.shown.original(row)] == []


def test_what_the_search_finds_of_the_port_stands_where_it_leads(study, pages):
    _, room = study
    looked = 0
    for symbol in {symbol for row in room.rows for symbol in row.symbols}:
        address, _, anchor = room.shown.ours(symbol).partition("#")
        if address:
            (pair,) = re.findall(f'id="{anchor}".*?</article>', pages[address].text, re.DOTALL)
            assert f'<i data-n="{find(symbol).first}">' in pair.partition('class="side port"')[2], symbol
            looked += 1
    assert looked > 500


def test_every_symbol_of_the_crosswalk_is_listed_and_can_be_searched(folder, pages):
    rows = read_crosswalk()
    text = (folder / "assets" / "symbols.js").read_text()
    entries = json.loads(text.removeprefix("window.symbols = ").rstrip().removesuffix(";"))
    searched = {(name, place.partition(" · ")[0]) for name, place, _ in entries}
    assert {(row.qualified, row.place) for row in rows} <= searched
    listed = sum(len(page.all("tr")) - 1 for name, page in pages.items() if re.match("crosswalk/.+/", name))
    assert listed == len(rows)
    places = {place for _, _, place in entries}
    assert (
        lost_links({"index.html": Page("".join(f'<a href="{place}"></a>' for place in places)), **pages})
        == []
    )


def test_both_sides_of_a_pair_bear_the_line_numbers_of_their_files(pages):
    page = pages["parts/filter_acts.html"].text
    row = next(r for r in read_crosswalk() if r.name == "filterActs_YxX_color")
    first = f'<i data-n="{row.line}">{row.path} line {row.line} of the stand-in;'
    last = f'<i data-n="{row.end}">{row.path} line {row.end} of the stand-in;'
    assert first in re.sub("</?b[^>]*>", "", page)
    assert last in re.sub("</?b[^>]*>", "", page)
    source = (kernels_folder() / "filter_acts.cu").read_text().splitlines()
    number = next(n for n, line in enumerate(source, 1) if "void filterActs(" in line)
    assert re.search(rf'<i data-n="{number}">.*filterActs', page)


def test_where_the_original_was_not_fetched_its_side_links_to_the_lines(bare_pages):
    page = bare_pages["parts/filter_acts.html"]
    row = next(r for r in read_crosswalk() if r.name == "filterActs_YxX_color")
    assert any(link.endswith(f"/{row.path}#L{row.line}-L{row.end}") for link in page.links)
    assert "stand-in" not in page.text
    assert "alexnet2012 original fetch" in page.text
    assert lost_links(bare_pages) == []


def test_a_site_is_built_anew_and_nothing_beside_it_is_touched(tmp_path, monkeypatch):
    (tmp_path / "site.new").mkdir()
    (tmp_path / "site.new" / "work").write_text("precious")
    build(tmp_path / "site", monkeypatch)
    before = contents(tmp_path / "site")
    (tmp_path / "site" / "index.html").write_text("")
    build(tmp_path / "site", monkeypatch)
    assert contents(tmp_path / "site") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site", "site.new"]
    assert (tmp_path / "site.new" / "work").read_text() == "precious"


def test_a_site_that_cannot_be_written_leaves_the_one_that_stands(tmp_path, monkeypatch):
    build(tmp_path, monkeypatch)
    before = contents(tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site.shutil, "copyfile", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left on device\); .* by --out"):
        build(tmp_path, monkeypatch)
    assert contents(tmp_path) == before


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(DataError, match="holds something else; name a new or empty folder by --out"):
        build(tmp_path, monkeypatch)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_nothing_is_built_inside_the_repository(monkeypatch):
    inside = kernels_folder().parent / "site"
    with pytest.raises(DataError, match=r"a copy of this project.*; choose a folder outside by --out"):
        build(inside, monkeypatch)
    assert not inside.exists()
