"""The crosswalk is true and complete: each symbol of the original has one fate, each of ours a place in it.

The checks are functions, and each is shown to find a mistake that was planted for it.
"""

import csv
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from alexnet2012.record import places
from alexnet2012.record.crosswalk import (
    COLUMNS,
    NEW_COLUMNS,
    STATUSES,
    Row,
    by_name,
    by_symbol,
    read_crosswalk,
    read_new,
)
from alexnet2012.record.symbols import find, kernels, public_symbols
from cuda_convnet.errors import DataError

GOOD = Row(
    release="cuda-convnet",
    path="src/cudaconv2/conv_util.cu",
    kind="function",
    scope="",
    name="kCrop",
    line=127,
    end=149,
    status="ported",
    where="kernels/crop.cu:crop cuda_convnet.engines.operations:Engine.crop",
    note="",
)


@pytest.fixture(scope="module")
def rows():
    return read_crosswalk()


@pytest.fixture(scope="module")
def new():
    return read_new()


# --- the checks: what is wrong, in words; empty where nothing is ---


def broken_places(rows):
    """Symbols of ours that rows name and that do not exist; words where there must be symbols."""
    problems = []
    for row in rows:
        if row.status == "ported" and len(row.symbols) != len(row.where.split()):
            problems.append(f"{row.place} {row.name}: '{row.where}' is not all symbols of ours")
        problems += [f"{row.place} {row.name}: {why}" for why in map(why_not, row.symbols) if why]
    return problems


def why_not(symbol):
    """Why there is no such symbol of ours; '' if there is."""
    try:
        find(symbol)
    except DataError as error:
        return str(error)
    return ""


def accounted(rows):
    """The symbols that rows name, and the classes of which they name a member."""
    found = set()
    for symbol in by_symbol(rows):
        module, _, name = symbol.partition(":")
        parts = name.split(".")
        found |= {f"{module}:{'.'.join(parts[:n])}" for n in range(1, len(parts) + 1)}
    return found


def unaccounted(rows, new, ours):
    """What of ours has neither a row nor a mark as new."""
    return sorted(set(ours) - accounted(rows) - set(new))


def marked_twice(rows, new):
    """What is marked as new and has a row all the same."""
    return sorted(accounted(rows) & set(new))


def marks_of_nothing(new, ours):
    """Marks as new of what is no public symbol, operation or kernel."""
    return sorted(set(new) - set(ours))


def repeated(rows):
    """Rows of one symbol of the original that stand there twice."""
    seen, found = set(), []
    for row in rows:
        key = (row.release, row.path, row.kind, row.scope, row.name, row.line)
        if key in seen:
            found.append(f"{row.place} {row.name}")
        seen.add(key)
    return found


def out_of_order(rows):
    return [f"{b.place} {b.name}" for a, b in pairwise(rows) if b.order < a.order]


# --- the record ---


def ours():
    return (*public_symbols(), *kernels())


def test_every_symbol_of_ours_that_a_row_names_exists(rows):
    assert broken_places(rows) == []


def test_every_public_symbol_operation_and_kernel_has_a_row_or_is_marked_as_new(rows, new):
    assert unaccounted(rows, new, ours()) == []


def test_nothing_is_both_new_and_in_a_row(rows, new):
    assert marked_twice(rows, new) == []


def test_only_what_exists_is_marked_as_new(new):
    assert marks_of_nothing(new, ours()) == []


def test_no_symbol_of_the_original_has_two_rows(rows):
    assert repeated(rows) == []


def test_rows_are_in_order(rows, new):
    assert out_of_order(rows) == []
    assert list(new) == sorted(new)


def test_every_status_is_there_and_every_release(rows):
    assert {row.status for row in rows} == set(STATUSES)
    assert {row.release for row in rows} == {"alexnet", "cuda-convnet", "cuda-convnet2"}


def test_notes_are_short_and_of_one_line(rows, new):
    for text in (*(row.note for row in rows), *new.values()):
        assert "\n" not in text
        assert len(text) <= 200, text
        assert text == " ".join(text.split())
        assert not text.endswith(".")


def test_departures_that_notes_name_are_in_the_index(rows, new):
    paper = (places.original_path() / "paper.md").read_text(encoding="utf-8")
    indexed = set(re.findall(r"^\| `([a-z0-9-]+)` \|", paper, re.MULTILINE))
    notes = "\n".join((*(row.note for row in rows), *new.values()))
    named = set(re.findall(r"DEVIATION ([a-z0-9-]+)", notes))
    assert named
    assert named <= indexed
    assert notes.count("DEVIATION") == len(re.findall(r"\(DEVIATION [a-z0-9-]+\)", notes))


def test_rows_are_found_by_their_name_and_by_our_symbol(rows):
    (row,) = by_name(rows)["cuda-convnet", "src/cudaconv2/conv_util.cu", "kCrop"]
    assert row in by_symbol(rows)["kernels/crop.cu:crop"]
    assert by_name(rows)["alexnet", "layer.py", "ConvLayerParser.parse"]
    assert by_name(rows)["alexnet", "src/layer.cu", "ConvLayer::fpropActs"]
    assert by_name(rows)["alexnet", "convnet.py", "convnet.py --crop-border"]


# --- planted mistakes ---


def test_a_good_row_passes_every_check():
    assert broken_places([GOOD]) == repeated([GOOD]) == out_of_order([GOOD]) == []
    assert unaccounted([GOOD], {}, GOOD.symbols) == []


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("kernels/crop.cu:crops", "kernels/crop.cu does not define crops"),
        ("kernels/cropped.cu:crop", "there is no file kernels/cropped.cu"),
        ("cuda_convnet.engines.operations:Engine.cropped", "does not define Engine.cropped"),
        ("cuda_convnet.cropping:crop", "there is no such module"),
        ("cli:data.crop", "there is no command"),
        ("NumPy", "is not all symbols of ours"),
    ],
)
def test_a_ported_row_that_names_what_does_not_exist_is_found(where, message):
    (problem,) = broken_places([replace(GOOD, where=where)])
    assert "conv_util.cu:127-149" in problem
    assert message in problem


def test_a_replaced_row_may_name_a_library_but_no_symbol_that_does_not_exist():
    replaced = replace(GOOD, status="replaced", where="NumPy", note="by slices")
    assert broken_places([replaced]) == []
    assert broken_places([replace(replaced, where="cuda_convnet.errors:NoError NumPy")]) != []


@pytest.mark.parametrize(
    "missing",
    ["kernels/crop.cu:crop", "cuda_convnet.engines.operations:Engine.crop", "cuda_convnet.network:ConvNet"],
)
def test_what_has_neither_row_nor_mark_is_found(rows, new, missing):
    without = [
        replace(row, where=" ".join(w for w in row.where.split() if not belongs(w, missing))) for row in rows
    ]
    assert missing not in unaccounted(rows, new, ours())
    assert missing in unaccounted(
        without, {name: why for name, why in new.items() if name != missing}, ours()
    )


def belongs(word, symbol):
    return word == symbol or word.startswith(f"{symbol}.")


def test_a_row_of_a_method_is_one_of_its_class():
    row = replace(GOOD, where="cuda_convnet.network:ConvNet.fprop")
    assert unaccounted([row], {}, ["cuda_convnet.network:ConvNet", "cuda_convnet.network:Cost"]) == [
        "cuda_convnet.network:Cost"
    ]


def test_what_is_new_and_has_a_row_is_found():
    assert marked_twice([GOOD], {"kernels/crop.cu:crop": "new"}) == ["kernels/crop.cu:crop"]


def test_a_mark_of_what_does_not_exist_is_found():
    assert marks_of_nothing({"kernels/crop.cu:crops": "new"}, ours()) == ["kernels/crop.cu:crops"]


def test_a_row_that_stands_there_twice_is_found():
    again = replace(GOOD, status="not yet", where="", note="later")
    assert repeated([GOOD, again]) == ["cuda-convnet:src/cudaconv2/conv_util.cu:127-149 kCrop"]
    assert repeated([GOOD, replace(GOOD, line=128), replace(GOOD, scope="A")]) == []


@pytest.mark.parametrize("change", [{"release": "alexnet"}, {"path": "a.py"}, {"line": 5}, {"name": "Crop"}])
def test_a_row_out_of_order_is_found(change):
    assert out_of_order([replace(GOOD, **change), GOOD]) == []
    assert len(out_of_order([GOOD, replace(GOOD, **change)])) == 1


def written(path, *lines, header=COLUMNS):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *lines])
    return path


def line_of(**change):
    values = {name: str(getattr(GOOD, name)) for name in COLUMNS} | change
    return [values[name] for name in COLUMNS]


def test_a_row_is_read_as_it_was_written(tmp_path):
    assert read_crosswalk(written(tmp_path / "c.csv", line_of())) == [GOOD]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"release": "alexnet2"}, "release 'alexnet2' must be one of"),
        ({"status": "done"}, "status 'done' must be one of ported, replaced, not needed, not yet"),
        ({"status": ""}, "status '' must be one of"),
        ({"where": ""}, "what is ported needs `where`"),
        ({"status": "replaced", "where": "", "note": "n"}, "what is replaced needs `where`"),
        ({"status": "replaced"}, "what is replaced needs a note"),
        ({"status": "not needed", "where": ""}, "what is not needed needs a note"),
        ({"status": "not yet", "where": ""}, "what is not yet needs a note"),
        ({"status": "not yet", "note": "later"}, "has nothing in `where`"),
        ({"status": "not needed", "note": "no"}, "has nothing in `where`"),
        ({"line": "x"}, "must be numbers"),
        ({"end": ""}, "must be numbers"),
        ({"line": "150"}, "lines 150 to 149 must be in order"),
        ({"line": "0"}, "lines 0 to 149 must be in order"),
        ({"name": ""}, "needs the path and the name"),
        ({"path": ""}, "needs the path and the name"),
    ],
)
def test_a_row_that_is_not_as_it_must_be_is_refused_with_its_line(tmp_path, change, message):
    path = written(tmp_path / "c.csv", line_of(), line_of(**change))
    with pytest.raises(DataError) as caught:
        read_crosswalk(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert message in str(caught.value)


def test_another_header_another_number_of_columns_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"c\.csv:1: the first line must be release,path,"):
        read_crosswalk(written(tmp_path / "c.csv", header=COLUMNS[1:]))
    with pytest.raises(DataError, match=r"d\.csv:2: 9 columns; there must be 10"):
        read_crosswalk(written(tmp_path / "d.csv", line_of()[1:]))
    with pytest.raises(DataError, match=r"e\.csv: cannot be read"):
        read_crosswalk(tmp_path / "e.csv")
    (tmp_path / "f.csv").touch()
    with pytest.raises(DataError, match=r"f\.csv:1: the first line"):
        read_crosswalk(tmp_path / "f.csv")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("a:b", "")], ":2: a row needs a symbol and why"),
        ([("", "why")], ":2: a row needs a symbol and why"),
        ([("a:b", "why"), ("a:b", "again")], ":3: a:b stands here for the second time"),
    ],
)
def test_a_mark_as_new_has_a_reason_and_stands_there_once(tmp_path, lines, message):
    with pytest.raises(DataError) as caught:
        read_new(written(tmp_path / "new.csv", *lines, header=NEW_COLUMNS))
    assert message in str(caught.value)


# --- beside the releases themselves ---

COVERED = {
    "alexnet": r".*\.(py|cu|cuh|cpp|h)",
    "cuda-convnet": r"(src|include)/((cudaconv2|nvmatrix)/.*|(layer_kernels|neuron)\.cuh?)"
    r"|(data|gpumodel|options|util)\.py",
}
"""The files of which each function, class and kernel has a row; of cuda-convnet those that 2012 lacks."""

OPTIONS = {"alexnet": r"(convnet|shownet)\.py", "cuda-convnet": r"gpumodel\.py"}
"""The files of which each option has a row: the release left out those that its programs share."""

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
PYTHON = re.compile(r"^[ \t]*(?:def|class)[ \t]+(\w+)", re.MULTILINE)
CLASS = re.compile(r"^[ \t]*(?:class|struct|enum)\s+(\w+)[^;{}()=]*\{", re.MULTILINE)
FUNCTION = re.compile(
    r"^(?!else\b|return\b|typedef\b|#)[A-Za-z_][\w:<>,*& \t]*?[\w>*&:][ \t*&]+"  # the type
    r"(?:\w+(?:<[\w, ]*>)?::)*(~?\w+)\s*\([^;{}]*\)\s*(?:const\s*)?(?::[^;{}]*(?:\{\}[^;{}]*)*)?\{",
    re.MULTILINE,
)
METHOD = re.compile(r"^(?:\w+(?:<\w+>)?::)+(~?\w+)\s*\([^;{}]*\)[^;{}]*\{", re.MULTILINE)  # also constructors
KERNEL = re.compile(r"__global__\s+void\s+(\w+)\s*\([^;{}]*\)\s*\{")
OPTION = re.compile(r'^[ \t]*op\.add_option\("([\w-]+)"', re.MULTILINE)


def blanked(match):
    return re.sub(r"[^\n]", " ", match[0])


def defined_in(path):
    """Name and line of the functions, classes and kernels that simple patterns find in a file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".py":
        text = re.sub(r'""".*?"""|\'\'\'.*?\'\'\'', blanked, text, flags=re.DOTALL)
        return matches(text, PYTHON)
    return matches(COMMENT.sub(blanked, text), CLASS, FUNCTION, METHOD, KERNEL)


def options_in(path):
    """Name and line of the command-line options that a file declares."""
    return matches(path.read_text(encoding="utf-8", errors="replace"), OPTION)


def matches(text, *patterns):
    return {
        (m[1], text.count("\n", 0, m.start(1)) + 1) for pattern in patterns for m in pattern.finditer(text)
    }


def without_row(folder, release, pattern, rows, found_in=defined_in):
    """What is found in the files of a release and has no row that covers its line."""
    spans = {}
    for row in rows:
        if row.release == release:
            spans.setdefault((row.path, row.name.lstrip("-")), []).append((row.line, row.end))
    problems = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and re.fullmatch(pattern, name):
            problems += [
                f"{name}:{line}: {symbol}"
                for symbol, line in sorted(found_in(path), key=lambda found: found[1])
                if not any(first <= line <= last for first, last in spans.get((name, symbol), ()))
            ]
    return problems


def misplaced(folder, rows):
    """Rows whose first lines in the original do not hold their name; a script is a whole file."""
    problems, texts = [], {}
    for row in rows:
        path = folder / row.release / row.path
        lines = texts.setdefault(path, path.read_text(encoding="utf-8", errors="replace").splitlines())
        head = "".join("".join(lines[row.line - 1 : min(row.end, row.line + 3)]).split())
        name = row.name.replace(" ", "").lstrip("-")
        is_there = (row.line, row.end) == (1, len(lines)) if row.kind == "script" else name in head
        if row.end > len(lines) or not is_there:
            problems.append(f"{row.place} {row.name}")
    return problems


@pytest.mark.release
@pytest.mark.parametrize("release", COVERED)
def test_every_function_class_and_kernel_of_the_releases_has_a_row(rows, releases, release):
    assert without_row(releases / release, release, COVERED[release], rows) == []


@pytest.mark.release
@pytest.mark.parametrize("release", OPTIONS)
def test_every_command_line_option_of_the_releases_has_a_row(rows, releases, release):
    assert without_row(releases / release, release, OPTIONS[release], rows, options_in) == []


@pytest.mark.release
def test_every_row_names_what_stands_on_its_lines(rows, releases):
    assert misplaced(releases, rows) == []


SOURCES = {
    "a.py": 'def one(a):\n    """\n    def no()\n    """\n\nclass Two:\n    def three(self):\n        pass\n',
    "b.cu": "/* void no() { */\ntemplate <int A>\n__global__ void kFour(float* a,\n    int b) {\n}\n"
    "float& Five::six(int a) const {\n    if (a) {\n    }\n    return 1;\n}\n"
    "Five::Five(int a) : _a(a) {\n}\nvoid declared(int a);\nclass Seven : public Five {\n};\n",
}
DEFINED = {
    "a.py": {("one", 1), ("Two", 6), ("three", 7)},
    "b.cu": {("kFour", 3), ("six", 6), ("Five", 11), ("Seven", 14)},
}


@pytest.mark.parametrize("name", SOURCES)
def test_simple_patterns_find_what_a_file_defines(tmp_path, name):
    path = tmp_path / name
    path.write_text(SOURCES[name])
    assert defined_in(path) == DEFINED[name]


def test_an_option_without_a_row_is_found(tmp_path):
    (tmp_path / "a.py").write_text('\n        op.add_option("data-path", "data_path")\n')
    row = replace(GOOD, path="a.py", kind="option", scope="a.py", name="--data-path", line=2, end=2)
    assert without_row(tmp_path, "cuda-convnet", r"a\.py", [row], options_in) == []
    assert without_row(tmp_path, "cuda-convnet", r"a\.py", [], options_in) == ["a.py:2: data-path"]


def test_a_symbol_of_a_release_without_a_row_is_found(tmp_path):
    (tmp_path / "a.py").write_text(SOURCES["a.py"])
    rows = [replace(GOOD, path="a.py", name=name, line=line, end=line) for name, line in DEFINED["a.py"]]
    assert without_row(tmp_path, "cuda-convnet", r".*\.py", rows) == []
    assert without_row(tmp_path, "cuda-convnet", r".*\.py", rows[1:]) == [
        f"a.py:{rows[0].line}: {rows[0].name}"
    ]
    assert without_row(tmp_path, "alexnet", r".*\.py", rows) != []


def test_a_row_on_other_lines_is_found(tmp_path):
    folder = tmp_path / "cuda-convnet"
    folder.mkdir()
    (folder / "a.py").write_text("\n\n\n\n\n" + SOURCES["a.py"])
    row = replace(GOOD, path="a.py", name="one", line=6, end=9)
    assert misplaced(tmp_path, [row]) == []
    assert misplaced(tmp_path, [replace(row, line=1, end=5)]) == ["cuda-convnet:a.py:1-5 one"]
    assert misplaced(tmp_path, [replace(row, end=99)]) == ["cuda-convnet:a.py:6-99 one"]


def test_the_record_has_none_of_the_original_code(rows):
    """Notes are sentences, not code."""
    for row in rows:
        assert not re.search(r"[;{}]\s*$|<<<|->", row.note), row.note
