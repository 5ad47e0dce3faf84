"""paper.md: answers are whole; tests, places and lines exist; the index of departures is complete."""

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from alexnet2012.record.answers import anchor, read_answers
from alexnet2012.record.releases import read_releases
from named_tests import found_test

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "original" / "paper.md").read_text(encoding="utf-8")
ANSWERS = read_answers()


def sources(root):
    """The text of each of our files, but what Python compiled."""
    for folder in ("port", "reproduce", "kernels"):
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path, path.read_text(encoding="utf-8", errors="replace")


def marks(root=ROOT):
    """The id of every DEVIATION(id) in our sources."""
    found = set()
    for path, text in sources(root):
        for mark in re.findall(r"DEVIATION\([^)\n]*\)?", text):
            named = re.fullmatch(r"DEVIATION\(([a-z0-9-]+)\)", mark)
            assert named, f"{path}: {mark}"
            found.add(named[1])
    return found


def indexed():
    """The ids in the first column of the index."""
    index = TEXT.split("## Where this program departs from the original")[1]
    return re.findall(r"^\| `([a-z0-9-]+)` \|", index, re.MULTILINE)


# --- the answers --------------------------------------------------------------------------------------------
def test_every_heading_below_the_parts_is_an_answer():
    parts = TEXT.split("## What the release lacks")[0]
    assert [each.title for each in ANSWERS] == re.findall(r"^### (.+)$", parts, re.MULTILINE)
    assert Counter(each.part for each in ANSWERS) == {
        "the network": 13,
        "the data": 10,
        "training": 8,
        "results": 9,
    }


def test_an_answer_has_what_paper_code_and_this_program_say():
    answer = next(each for each in ANSWERS if each.title == "224 or 227?")
    assert "227" in answer.paper
    assert "layer.py#L1004" in answer.code
    assert "operations.py" in answer.here
    for each in ANSWERS:
        assert min(map(len, (each.paper, each.code, each.here))) > 5, each.title


def test_anchors_are_those_of_github_and_each_is_given_once():
    assert anchor("224 or 227?") == "224-or-227"
    assert anchor("Alpha: 1e-4, or 1e-4 over n?") == "alpha-1e-4-or-1e-4-over-n"
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    for heading in headings:  # so that simpler rules make the same anchors
        assert anchor(heading) == re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
    assert max(Counter(map(anchor, headings)).values()) == 1


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.anchor)
def test_an_answer_names_tests_that_exist(answer):
    assert answer.tests
    for name in answer.tests:
        assert found_test(name) is not None, name


def test_three_answers_rest_on_the_lines_of_the_original_alone():
    lines = "tests/original/test_answers.py::test_the_lines_of_the_original_hold_the_fact"
    assert {answer.title for answer in ANSWERS if set(answer.tests) == {lines}} == {
        "How were networks averaged?",
        "Were there better networks than those of the paper?",
        "How were similar images found?",
    }


def test_every_link_goes_to_lines_of_a_file_at_the_pinned_commit():
    lengths = {}
    for name, release in read_releases().items():
        with (ROOT / "original" / "files" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                lengths[release.permalink(row["path"])] = int(row["lines"] or 0)
    links = re.findall(r"\[([^]]+)\]\((https://[^)]+)\)", TEXT)
    assert len(links) > 100
    for shown, link in links:
        file, first, last = re.fullmatch(r"(.+)#L(\d+)(?:-L(\d+))?", link).groups()
        assert 0 < int(first) <= int(last or first) <= lengths[file], link
        path, lines = re.fullmatch(r"[\w-]+:(\S+), lines? (.+)", shown).groups()
        assert file.endswith(f"/{path}")
        assert lines == (f"{first} to {last}" if last else first)


def test_the_places_that_are_named_exist():
    places = re.findall(r"`((?:port|reproduce|kernels|tests)/[^`: ]+)(?:::[^`]+)?`", TEXT)
    assert len(places) > 50
    for place in places:
        assert (ROOT / place).is_file(), place


# --- the departures -----------------------------------------------------------------------------------------
def test_each_departure_that_is_marked_in_the_source_is_in_the_index_and_the_other_way_round():
    assert set(indexed()) == marks()


@pytest.mark.parametrize(
    "name", ["port/a.py", "kernels/a.cu", "kernels/a.cuh", "kernels/a.h", "reproduce/x/a.cfg"]
)
def test_a_departure_is_found_in_files_of_every_kind(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("// one line\n// DEVIATION(planted-mark): so it is\n")
    assert marks(tmp_path) == {"planted-mark"}


@pytest.mark.parametrize("mark", ["(Planted_Mark)", "()", "( planted)", "(planted", "(planted mark)"])
def test_a_departure_that_is_not_marked_as_the_index_writes_it_is_found(tmp_path, mark):
    (tmp_path / "port").mkdir()
    (tmp_path / "port" / "a.py").write_text(f"# DEVIATION(good)\n# DEVIATION{mark}\n")
    with pytest.raises(AssertionError, match=r"a\.py: DEVIATION\("):
        marks(tmp_path)


def test_the_index_is_in_order_and_names_each_departure_once():
    assert indexed() == sorted(set(indexed()))


# --- what the release lacks ---------------------------------------------------------------------------------
@pytest.mark.release
def test_what_survives_of_the_missing_parts(releases):
    def held(release):
        return {path.name for path in (releases / release).rglob("*") if path.is_file()}

    python = {"data.py", "gpumodel.py", "options.py", "ordereddict.py", "util.py"}
    common = {"matrix.h", "matrix.cpp", "queue.h", "thread.h", "nvmatrix.cu", "nvmatrix.cuh"}
    kernels = {"filter_acts.cu", "img_acts.cu", "weight_acts.cu", "conv_util.cu"}
    missing = python | common | kernels | {"common-gcc-cuda-4.0.mk", "ABOUT"}
    assert not missing & held("alexnet")
    assert missing <= held("cuda-convnet")
    assert "sync.h" in held("cuda-convnet2") - held("cuda-convnet") - held("alexnet")
    nowhere = held("alexnet") | held("cuda-convnet") | held("cuda-convnet2")
    assert not {"gpu_locking.cpp", "gpu_locking.h", "Makefile-all"} & nowhere
    assert (releases / "alexnet" / "Makefile-distrib").read_bytes() == (
        releases / "cuda-convnet" / "Makefile"
    ).read_bytes()


@pytest.mark.release
def test_functions_that_the_release_calls_and_its_kernels_lack(releases):
    def defined(*folders):
        text = "".join(p.read_text(encoding="utf-8") for f in folders for p in (releases / f).rglob("*.cu*"))
        return set(re.findall(r"void (conv\w+|local\w+)\(", text))

    calls = (releases / "alexnet" / "src" / "layer.cu").read_text(encoding="utf-8")
    called = set(re.findall(r"\b(conv[A-Z]\w+|local[A-Z]\w+)\(", calls)) - {"convNet"}
    in_2012 = defined("cuda-convnet/src/cudaconv2", "cuda-convnet/include/cudaconv2")
    in_2014 = defined("cuda-convnet2/cudaconv3")
    assert called - in_2012 == {"convLocalRandomPool", "convReflectHorizontal"}
    assert called - in_2012 - in_2014 == {"convLocalRandomPool"}
