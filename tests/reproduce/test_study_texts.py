"""What the pages of the reading room are made of: source lines, Markdown, mathematics, pictures, fidelity."""

import json
import re
from html import unescape

import pytest

from alexnet2012.record.crosswalk import Row
from alexnet2012.record.releases import read_releases
from alexnet2012.study.fidelity import read_fidelity
from alexnet2012.study.formulas import mathml
from alexnet2012.study.grid_picture import grid_svg
from alexnet2012.study.markdown import headings, markdown
from alexnet2012.study.pairs import Originals
from alexnet2012.study.parts import Axis, Grid, Pair
from alexnet2012.study.search_index import name_of
from alexnet2012.study.shown import Shown
from alexnet2012.study.source import highlighted, ours
from cuda_convnet.engines.kernel_engine.sources import kernels_folder
from cuda_convnet.errors import DataError


def plain(line):
    """A highlighted line without its tags."""
    text = re.sub("</?b[^>]*>", "", line)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@pytest.mark.parametrize("name", ["filter_acts.cu", "matrix_sums.cu", "cuda_on_host.h"])
def test_highlighting_loses_no_line_and_no_character(name):
    path = kernels_folder() / name
    assert [plain(line) for line in highlighted(path)] == path.read_text().splitlines()


def test_what_spans_lines_is_closed_in_each(tmp_path):
    path = tmp_path / "long.py"
    path.write_text('"""One\n\ntwo < three."""\nx = 1 & 2\n')
    lines = highlighted(path)
    assert lines[0] == '<b class="s">"""One</b>'
    assert lines[1] == ""
    assert lines[2] == '<b class="s">two &lt; three."""</b>'
    assert all(line.count("<b") == line.count("</b>") for line in lines)


def test_an_excerpt_of_ours_has_its_file_its_lines_and_their_numbers():
    excerpt = ours("cuda_convnet.network:ConvNet.train_minibatch")
    assert excerpt.shown == "port/cuda_convnet/network.py"
    assert plain(excerpt.lines[0]).strip() == "def train_minibatch("
    assert len(excerpt.lines) == excerpt.last - excerpt.first + 1
    assert excerpt.where == f"port/cuda_convnet/network.py:{excerpt.first}–{excerpt.last}"


def row(name, where="", status="ported", note="", line=10):
    return Row("alexnet", "src/layer.cu", "function", "Layer", name, line, line + 4, status, where, note)


def originals(*rows, folders=None):
    return Originals.of(read_releases(), folders or {}, rows)


def test_a_pair_has_what_the_crosswalk_says_of_its_originals():
    engine = "cuda_convnet.engines.operations:Engine"
    known = originals(
        row("fprop", f"{engine}.pool_max {engine}.pool_avg", note="two of one"),
        row("bprop", f"{engine}.pool_max", line=30),
    )
    pair = known.side_by_side(
        Pair(("alexnet:src/layer.cu:Layer::fprop", "alexnet:src/layer.cu:Layer::bprop"))
    )
    assert [(e.title, e.first, e.last) for e in pair.original] == [
        ("Layer::fprop", 10, 14),
        ("Layer::bprop", 30, 34),
    ]
    assert [e.title for e in pair.port] == ["Engine.pool_max", "Engine.pool_avg"]
    assert pair.notes == ("Layer::fprop: two of one",)
    assert pair.statuses == ("ported",)


def test_a_pair_may_name_other_symbols_of_the_port():
    known = originals(row("fprop", "cuda_convnet.network:ConvNet"))
    pair = known.side_by_side(
        Pair(("alexnet:src/layer.cu:Layer::fprop",), ("kernels/local_pool.cu:MaxPooler",))
    )
    assert [e.shown for e in pair.port] == ["kernels/local_pool.cu"]


def test_what_another_excerpt_shows_is_not_shown_twice():
    known = originals(row("fprop", "cuda_convnet.network:ConvNet.fprop cuda_convnet.network:ConvNet"))
    pair = known.side_by_side(Pair(("alexnet:src/layer.cu:Layer::fprop",)))
    assert [e.title for e in pair.port] == ["ConvNet"]


def test_of_a_release_that_is_not_here_there_is_the_link_to_the_lines():
    excerpt = originals(row("fprop")).excerpt("alexnet", "src/layer.cu", 10, 14)
    commit = read_releases()["alexnet"].commit
    assert excerpt.lines == ()
    assert excerpt.link.endswith(f"/AlexNet-Source-Code/blob/{commit}/src/layer.cu#L10-L14")


def test_of_a_release_that_is_here_there_are_the_lines(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "layer.cu").write_text("".join(f"line {n}\n" for n in range(1, 21)))
    excerpt = originals(folders={"alexnet": tmp_path}).excerpt("alexnet", "src/layer.cu", 10, 12)
    assert [plain(line) for line in excerpt.lines] == ["line 10", "line 11", "line 12"]


def test_a_symbol_that_the_crosswalk_lacks_is_named():
    with pytest.raises(
        DataError, match=r"alexnet:src/layer.cu:Layer::gone: the crosswalk has no such symbol"
    ):
        originals(row("fprop")).side_by_side(Pair(("alexnet:src/layer.cu:Layer::gone",)))


def test_a_symbol_is_read_in_the_smallest_excerpt_that_holds_it():
    known, shown = originals(), Shown()
    for first, last, address in ((1, 100, "a"), (5, 20, "b"), (10, 14, "c"), (10, 14, "d")):
        shown.add(known.excerpt("alexnet", "src/layer.cu", first, last), address)
    places = [shown.original(row("f", line=line)) for line in (10, 12, 50, 98)]
    assert places == ["c", "b", "a", ""]


@pytest.mark.parametrize(
    ("symbol", "typed"),
    [
        ("cuda_convnet.network:ConvNet.fprop", "ConvNet.fprop"),
        ("kernels/filter_acts.cu:filterActs", "filterActs"),
        ("cli:data.imagenet", "data imagenet"),
        ("cli:train--mini", "train --mini"),
    ],
)
def test_a_symbol_is_found_by_what_one_would_type(symbol, typed):
    assert name_of(symbol) == typed


def test_links_of_a_text_lead_to_pages_from_wherever_it_stands():
    text = "See [a](part:update), [b](stage:conv1a), [c](run:145), [d](claim:x), [e](answer:224-or-227)."
    found = re.findall('href="(.*?)"', markdown(text, "../"))
    assert found == [
        "../parts/update.html",
        "../stages/conv1a.html",
        "../notebook.html#run-145",
        "../claims.html#x",
        "../answers.html#224-or-227",
    ]


def test_a_link_of_no_kind_is_named():
    with pytest.raises(
        DataError, match=r"link to kernels/x.cu: must begin with https:// or one of part, stage"
    ):
        markdown("[x](kernels/x.cu)", "")


def test_html_in_a_text_is_text():
    assert "<script>" not in markdown("<script>alert(1)</script>", "")


def test_headings_have_the_anchors_that_the_record_knows():
    text = "# One\n\n## 253,440 neurons\n\n### Alpha: 1e-4?\n"
    html = markdown(text, "")
    assert '<h2 id="253440-neurons">' in html
    assert headings(text, level=3) == ["Alpha: 1e-4?"]


def test_formulas_are_mathml():
    drawn = mathml(r"v \leftarrow 0.9\,v")
    assert drawn.startswith("<math")
    assert 'display="block"' in drawn
    assert re.findall("<m[ino]>([^<]+)</m[ino]>", unescape(drawn)) == ["v", "←", "0.9", "v"]


GRID = Grid(
    kernel="filter_acts",
    layer="conv2a",
    axes=(Axis("places", 729, "27 × 27"), Axis("blocks of filters", 4)),
    block=(Axis("threads along y", 4, "8 filters < 9"), Axis("threads along x", 32)),
    thread=(Axis("filters", 8), Axis("images", 4)),
)


def test_the_picture_of_a_launch_tells_its_axes_to_those_who_do_not_see_it():
    svg = grid_svg(GRID)
    label = re.search('aria-label="(.*?)"', svg)[1]
    assert label == (
        "grid: 729 places, 27 × 27; grid: 4 blocks of filters; block: 4 threads along y, 8 filters &lt; 9; "
        "block: 32 threads along x; thread: 8 filters; thread: 4 images"
    )


def test_the_picture_of_a_launch_draws_every_thread_of_a_small_block_and_shortens_a_long_axis():
    svg = grid_svg(GRID)
    places, filters, threads, numbers = 15, 4, 4 * 32, 8 * 4  # of 729 places 15 are drawn, and dots
    assert svg.count("<rect") == places + filters + threads + numbers
    assert svg.count("…") == 1


def test_a_report_is_told_by_operation_and_engine(tmp_path):
    path = tmp_path / "report.json"
    case = {"archive": "ops.h5", "op": "pool_max", "case": "a", "output": "targets", "bound": "bitwise"}
    good = case | {"bitwise": True, "max_ulp": 0, "max_rel": 0.0, "ok": True, "used": 0.0}
    bad = case | {"bitwise": False, "max_ulp": 3, "max_rel": 0.5, "ok": False, "used": None}
    path.write_text(json.dumps({"engine": "numpy", "machine": "M", "cases": [good, bad]}))
    report = read_fidelity(path)
    (found,) = report.operations(["pool_max", "pool_avg"])
    (numpy,) = found.engines
    assert (found.what, report.engines, report.machine) == ("pool_max", ("numpy",), "M")
    assert (numpy.outputs, numpy.bitwise, numpy.held, numpy.max_rel) == (2, 1, 1, 0.5)
    assert (numpy.used, numpy.bound, numpy.explained) == (0.0, "bitwise", False)


def test_a_difference_that_a_decision_explains_is_marked_and_has_its_bound_alone(tmp_path):
    path = tmp_path / "report.json"
    case = {"archive": "alexnet145.h5", "op": "grads", "case": "n16", "output": "conv1a/weights0"}
    bound = "rel 3.0e-04 once an open decision is turned over: pool2b of image 13"
    found = {"bitwise": False, "max_ulp": 9, "max_rel": 1e-3, "bound": bound, "ok": True}
    path.write_text(json.dumps({"engine": "numpy", "machine": "M", "cases": [case | found]}))
    (row,) = read_fidelity(path).layers(["conv1a"])
    assert row.what == "conv1a weight gradients"
    assert (row.engines[0].bound, row.engines[0].explained, row.engines[0].used) == (
        "rel 3.0e-04",
        True,
        None,
    )


def test_the_report_of_the_record_is_whole_and_every_output_in_it_holds():
    report = read_fidelity()
    assert set(report.engines) >= {"numpy", "host"}
    assert all(case["ok"] for case in report.cases)
    assert len(report.layers(["conv2a"])) == 3  # activations, gradient, weight gradients
    for engine in ("numpy", "host"):
        archives = {case["archive"] for case in report.cases if case["engine"] == engine}
        assert archives == {"ops.h5", "cifar_nets.h5", "alexnet145.h5"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"engine": "numpy", "cases": []}',
        '{"cases": [1]}',
        '{"engine": "numpy", "machine": "M", "cases": [{"archive": "ops.h5", "ok": true}]}',
    ],
)
def test_a_file_that_is_no_report_is_named(tmp_path, text):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"report.json: not a report of `alexnet2012 fidelity --json`"):
        read_fidelity(path)


def test_a_report_that_is_not_there_is_named_with_the_way_to_make_it(tmp_path):
    with pytest.raises(
        DataError, match=r"gone.json: No such file.*make it with `alexnet2012 fidelity --json"
    ):
        read_fidelity(tmp_path / "gone.json")
