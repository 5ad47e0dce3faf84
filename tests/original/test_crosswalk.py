"""The crosswalk is true and complete: each symbol of the original has one fate, each of ours a place in it.

The checks are functions, and each is shown to find a mistake that was planted for it.
"""

import ast
import csv
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from our_symbols import kernels, public_symbols
from release_symbols import CODE, options_of, symbols_of

from alexnet2012.record import places
from alexnet2012.record.crosswalk import (
    COLUMNS,
    KINDS,
    NEW_COLUMNS,
    RELEASES,
    STATUSES,
    Row,
    by_name,
    read_crosswalk,
    read_new,
)
from alexnet2012.record.symbols import find
from cuda_convnet.errors import DataError

ROOT = Path(__file__).resolve().parents[2]

COVERED = {
    "alexnet": r".*",
    "cuda-convnet": r"(src|include)/((cudaconv2|nvmatrix)/.*|(layer_kernels|neuron)\.cuh?)"
    r"|(data|gpumodel|options|util)\.py",
    "cuda-convnet2": r"make-data/.*|cudaconvnet/(src/jpeg\.cpp|include/jpeg\.h)",
}
"""The files of which each function, class and kernel has a row; of others what something came of."""

OPTIONS = {"alexnet": r".*", "cuda-convnet": r"gpumodel\.py", "cuda-convnet2": r"make-data/.*"}
"""The files of which each option has a row; those of options.py are a demonstration."""

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


def by_symbol(rows):
    """The rows by each symbol of ours that they name."""
    found = {}
    for row in rows:
        for symbol in dict.fromkeys(row.symbols):
            found.setdefault(symbol, []).append(row)
    return found


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


def empty_structs(rows):
    """Symbols of ours that are nothing but the name of an empty struct, which chooses among functions."""
    return sorted(
        symbol for symbol in by_symbol(rows) if re.fullmatch(r"struct \w+ \{\};", text_of(find(symbol)))
    )


def text_of(place):
    lines = place.path.read_text(encoding="utf-8").splitlines()
    return "\n".join(lines[place.first - 1 : place.last])


def unreached(rows, sources):
    """Functions and classes of ours that ported rows name and that nothing of ours uses."""
    uses = uses_in(sources)
    ported = by_symbol([row for row in rows if row.status == "ported"])
    return sorted(
        symbol for symbol in ported if not symbol.startswith("cli:") and not is_reached(symbol, uses)
    )


def is_reached(symbol, uses):
    """Whether a symbol is used outside its own lines.

    A member is, where its name is, of whatever object; Python calls those with two underscores itself.
    Commands are reached by what is typed.
    """
    module, _, name = symbol.partition(":")
    place = find(symbol)
    inside = range(place.first, place.last + 1)
    owner, _, member = name.rpartition(".")
    wanted = name.partition("(")[0]
    if member.startswith("__"):
        return True
    if owner:
        used = uses["attribute", member]
    elif module.startswith("kernels/"):
        used = uses["kernel", wanted]
    elif re.match(r"@.*\b(?:command|group)\(", text_of(place)):
        return True
    else:
        used = [*uses["name", module, name], *uses["import", module, name]]
    return any(path != place.shown or line not in inside for path, line in used)


def uses_in(sources):
    """Where names are used: of a module's own, of another module's, of attributes, of kernels."""
    found = Uses()
    for path, text in sources.items():
        if not path.endswith(".py"):
            for number, line in enumerate(COMMENT.sub(blanked, text).splitlines(), 1):
                for word in re.findall(r"\w+", line):
                    found["kernel", word].append((path, number))
            continue
        module = ".".join(Path(path).with_suffix("").parts[1:]).removesuffix(".__init__")
        aliases = {}
        tree = ast.parse(text)
        nodes, own = list(ast.walk(tree)), local_names(tree)
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                for each in node.names:
                    aliases[each.asname or each.name] = f"{node.module}.{each.name}"
                    found["import", node.module, each.name].append((path, node.lineno))
        for node in nodes:
            if isinstance(node, ast.Name) and node not in own:
                found["name", module, node.id].append((path, node.lineno))
            elif isinstance(node, ast.Attribute):
                found["attribute", node.attr].append((path, node.lineno))
                if isinstance(node.value, ast.Name) and node.value.id in aliases:
                    found["import", aliases[node.value.id], node.attr].append((path, node.lineno))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found["kernel", node.value].append((path, node.lineno))
                found["attribute", node.value].append((path, node.lineno))
    return found


def local_names(tree):
    """The names in functions that stand for their arguments and variables."""
    found = set()
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            nodes = list(ast.walk(function))
            bound = {node.arg for node in nodes if isinstance(node, ast.arg)} | {
                node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
            found |= {node for node in nodes if isinstance(node, ast.Name) and node.id in bound}
    return found


class Uses(dict):
    def __missing__(self, key):
        return self.setdefault(key, [])


COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def blanked(match):
    return re.sub(r"[^\n]", " ", match[0])


def of_two_statuses(rows):
    """Notes that stand beside different statuses."""
    statuses = {}
    for row in rows:
        if row.note:
            statuses.setdefault(row.note, set()).add(row.status)
    return sorted(note for note, found in statuses.items() if len(found) > 1)


def kept_constructors(rows):
    """Constructors of operators that are not said to be needless: a kernel takes numbers, not objects."""
    operators = {(row.release, row.path, row.scope) for row in rows if row.name == "operator ()"}
    return [
        f"{row.place} {row.qualified}"
        for row in rows
        if (row.release, row.path, row.scope) in operators
        and row.scope.split("::")[-1] == row.name
        and row.status != "not needed"
    ]


def half_ported(rows):
    """Rows that are ported and say that something is not there yet, but not what they lack."""
    return [
        f"{row.place} {row.qualified}: {row.note}"
        for row in rows
        if row.status == "ported" and re.search(r"\byet\b", row.note) and "lacks" not in row.note
    ]


def miscounted(rows, counts):
    """Files and kinds of which there are more or fewer rows than the original has."""
    told = Counter((row.release, row.path, row.kind) for row in rows if row.kind != "script")
    problems = []
    for key in sorted({*counts, *told}):
        release, path, kind = key
        number, there = told[key], counts.get(key, 0)
        whole = re.fullmatch((OPTIONS if kind == "option" else COVERED)[release], path)
        if number > there or (whole and number < there):
            problems.append(f"{release}:{path}: {number} of {there}, {kind}")
    return problems


@cache
def counts():
    """How many symbols of each kind each file of the releases has."""
    with open(Path(__file__).with_name("symbols.csv"), encoding="utf-8", newline="") as file:
        return {(row["release"], row["path"], row["kind"]): int(row["count"]) for row in csv.DictReader(file)}


def indexed():
    """The departures that paper.md lists."""
    paper = (places.original_path() / "paper.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| `([a-z0-9-]+)` \|", paper, re.MULTILINE))


def unnamed(rows, departures):
    """Departures that no row names, and those that a row names and that are none."""
    named = set(re.findall(r"\(DEVIATION ([a-z0-9-]+)\)", "\n".join(row.note for row in rows)))
    return sorted(named ^ departures)


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
    """Public symbols: functions and classes of modules; not methods, nor constants."""
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


def test_every_departure_is_named_by_a_row_and_every_one_that_is_named_is_in_the_index(rows, new):
    assert unnamed(rows, indexed()) == []
    assert not [why for why in new.values() if "DEVIATION" in why]
    notes = "\n".join(row.note for row in rows)
    assert notes.count("DEVIATION") == len(re.findall(r"\(DEVIATION [a-z0-9-]+\)", notes))


def test_no_row_names_an_empty_struct(rows):
    assert empty_structs(rows) == []


def test_what_is_ported_is_used_by_the_program(rows):
    assert unreached(rows, our_sources()) == []


def our_sources():
    """The text of every module and kernel file of ours, by path in the repository."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for room, pattern in (("port", "*.py"), ("reproduce", "*.py"), ("kernels", "*.cu*"))
        for path in (ROOT / room).rglob(pattern)
    }


def test_the_same_note_has_the_same_status(rows):
    assert of_two_statuses(rows) == []


def test_constructors_of_operators_are_not_needed(rows):
    assert kept_constructors(rows) == []


def test_what_a_ported_symbol_lacks_is_told_with_that_word(rows):
    assert half_ported(rows) == []


def test_there_are_as_many_rows_as_the_original_has_symbols(rows):
    assert miscounted(rows, counts()) == []
    assert all(row.kind in KINDS for row in rows)


def test_rows_are_found_by_their_name(rows):
    (row,) = by_name(rows)["cuda-convnet", "src/cudaconv2/conv_util.cu", "kCrop"]
    assert "kernels/crop.cu:crop" in row.symbols
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
        ("kernels/matrix_sums.cu:aggregate", "write aggregate(Sum) or aggregate(Max) or aggregate(Min)"),
        ("kernels/matrix_sums.cu:aggregate(Mean)", "does not define aggregate(Mean)"),
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


def test_a_row_that_names_an_empty_struct_alone_is_found():
    assert empty_structs([replace(GOOD, where="kernels/matrix_sums.cu:Max")]) == [
        "kernels/matrix_sums.cu:Max"
    ]
    whole = "kernels/matrix_sums.cu:aggregate(Max) kernels/neurons.cu:Relu kernels/windows.cuh:Sum"
    assert empty_structs([replace(GOOD, where=whole)]) == []


LOADER = "port/cuda_convnet/data/loader.py"
CENTRE = "cuda_convnet.data.augmentation:centre"
COVARIANCE = "cuda_convnet.data.statistics:PixelSums.of"


@pytest.mark.parametrize(
    ("where", "source", "reached"),
    [
        (CENTRE, "from cuda_convnet.data import augmentation\naugmentation.centre(1)\n", True),
        (CENTRE, "from cuda_convnet.data.augmentation import centre\n", True),
        (CENTRE, '"""centre"""\ndef centre():\n    pass\nother.centre(1)\n', False),
        (CENTRE, "from cuda_convnet.engines import centre\n", False),
        (COVARIANCE, "PixelSums.of(1)\n", True),
        (COVARIANCE, "sums.offer(1)\nof(1)\n", False),
        ("cuda_convnet.network:ConvNet.__init__", "", True),
        ("cli:train--mini", "", True),
        ("alexnet2012.commands.train:command", "", True),
        ("kernels/crop.cu:crop", 'Launch("crop", 1)\n', True),
        ("kernels/crop.cu:crop", "crop(1)\n", False),
    ],
)
def test_what_is_ported_and_never_used_is_found(where, source, reached):
    found = unreached([replace(GOOD, where=where)], {LOADER: source})
    assert found == ([] if reached else [where])


def test_a_function_that_only_it_itself_uses_is_found():
    place = find(CENTRE)
    lines = ["x = 1"] * (place.last + 1)
    lines[place.first - 1] = "centre(1)"
    row = replace(GOOD, where=CENTRE)
    assert unreached([row], {place.shown: "\n".join(lines)}) == [CENTRE]
    lines[place.last] = "lambda centre: centre(1)"
    assert unreached([row], {place.shown: "\n".join(lines)}) == [CENTRE]
    lines[place.last] = "centre(1)"
    assert unreached([row], {place.shown: "\n".join(lines)}) == []


def test_a_helper_of_kernels_that_no_kernel_calls_is_found():
    place = find("kernels/matrix_sums.cu:aggregate(Max)")
    row = replace(GOOD, where="kernels/matrix_sums.cu:aggregate(Max)")
    text = "\n" * (place.first - 1) + "float aggregate(Max) {}\n// aggregate\n"
    assert unreached([row], {place.shown: text}) == list(row.symbols)
    assert unreached([row], {place.shown: text + "aggregate(Agg(), a)\n"}) == []


def test_a_note_of_two_statuses_is_found():
    one = replace(GOOD, note="by hand")
    assert of_two_statuses([one, replace(one, status="replaced")]) == ["by hand"]
    assert of_two_statuses([one, one, GOOD, replace(GOOD, status="replaced")]) == []


def test_a_constructor_of_an_operator_that_is_ported_is_found():
    operator = replace(GOOD, scope="Ops::Scale", name="operator ()")
    constructor = replace(operator, name="Scale")
    assert len(kept_constructors([operator, constructor])) == 1
    assert kept_constructors([operator, replace(constructor, status="not needed")]) == []
    assert kept_constructors([constructor]) == []


def test_a_ported_row_that_is_not_whole_yet_is_found():
    row = replace(GOOD, note="nine views are not there yet")
    assert len(half_ported([row])) == 1
    assert half_ported([replace(row, note="lacks nine views"), replace(row, status="not yet")]) == []


def test_rows_that_are_missing_or_too_many_are_found():
    path = "src/nvmatrix/a.cu"
    some = replace(GOOD, path=path)
    assert miscounted([some], {("cuda-convnet", path, "function"): 1}) == []
    assert miscounted([some], {("cuda-convnet", path, "function"): 2}) == [
        f"cuda-convnet:{path}: 1 of 2, function"
    ]
    assert miscounted([some], {}) == [f"cuda-convnet:{path}: 1 of 0, function"]
    elsewhere = replace(GOOD, path="src/layer.cu")
    assert miscounted([elsewhere], {("cuda-convnet", "src/layer.cu", "function"): 2}) == []


@pytest.mark.parametrize("kind", ["option", "class", "enum", "function", "member", "struct"])
def test_every_row_that_falls_out_of_alexnet_is_missed(rows, kind):
    (first, *_) = (row for row in rows if row.release == "alexnet" and row.kind == kind)
    assert len(miscounted([row for row in rows if row is not first], counts())) == 1


def test_a_departure_that_no_row_names_is_found(rows):
    assert unnamed([GOOD], {"extremes"}) == ["extremes"]
    assert unnamed([replace(GOOD, note="infinite (DEVIATION extremes)")], set()) == ["extremes"]
    for departure in indexed():
        without = [replace(row, note=row.note.replace(f"DEVIATION {departure}", "")) for row in rows]
        assert unnamed(without, indexed()) == [departure]


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
        ({"kind": "banana"}, "kind 'banana' must be one of class, enum, function"),
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


def unlike(found, rows, path):
    """How the rows of a file differ from what it defines: what is missing, and what is not there so."""
    as_found = {(s.kind, s.scope, s.name, s.line, s.end) for s in found}
    as_told = {(row.kind, row.scope, row.name, row.line, row.end) for row in rows}
    return [
        *(f"{path}:{s[3]}-{s[4]}: no row of {s[1]} {s[2]}" for s in sorted(as_found - as_told, key=str)),
        *(f"{path}:{s[3]}-{s[4]}: no {s[0]} {s[1]} {s[2]}" for s in sorted(as_told - as_found, key=str)),
    ]


def unlike_release(folder, release, rows):
    """How the rows of a release differ from its files, in whole where they are covered."""
    of_file = {}
    for row in rows:
        if row.release == release:
            of_file.setdefault(row.path, []).append(row)
    problems = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        told = of_file.pop(name, [])
        scripts = [row for row in told if row.kind == "script"]
        problems += [f"{name}: a script is a whole file" for row in scripts if not is_whole(path, row)]
        options = [row for row in told if row.kind == "option"]
        symbols = [row for row in told if row.kind not in ("script", "option")]
        for kinds, found_in, pattern in (
            (symbols, symbols_of, COVERED[release]),
            ([replace(row, scope="") for row in options], options_of, OPTIONS[release]),
        ):
            covered = path.suffix in CODE and re.fullmatch(pattern, name)
            found = found_in(path) if kinds or covered else []
            if not covered:
                told_of = {(row.name, row.line) for row in kinds}
                found = [symbol for symbol in found if (symbol.name, symbol.line) in told_of]
            problems += unlike(found, kinds, name)
    return problems + [f"{name}: there is no such file" for name in of_file]


def is_whole(path, row):
    return (row.line, row.end) == (1, len(path.read_text(encoding="utf-8", errors="replace").splitlines()))


@pytest.mark.release
@pytest.mark.parametrize("release", RELEASES)
def test_each_row_has_the_kind_scope_and_lines_of_the_original_and_nothing_has_no_row(
    rows, releases, release
):
    assert unlike_release(releases / release, release, rows) == []


@pytest.mark.release
@pytest.mark.parametrize("release", RELEASES)
def test_the_list_of_counts_is_that_of_the_releases(releases, release):
    found = Counter()
    for path in (releases / release).rglob("*"):
        if path.is_file() and path.suffix in CODE:
            name = path.relative_to(releases / release).as_posix()
            found.update(
                (release, name, symbol.kind)
                for symbol in (*symbols_of(path), *options_of(path))
                if symbol.name
            )
    assert found == {key: number for key, number in counts().items() if key[0] == release}


SOURCES = {
    "a.py": """def one(a):
    '''
    def no()
    '''

class Two:
    def three(self):
        four = lambda x: x
        return four(1)

    # a comment
    def five(self): pass
""",
    "b.cu": """/* void no() { */
#define NO(x) { \\
    x }
template <class A>
__global__ void __launch_bounds__(128) kSix(float* a,
    int b) {
    const char* c = "}";
}
void declared(int a);
namespace All {
class Seven : public Six {
public:
    Seven(int a) : _a(a), Six(f(a)) {
    }
    __device__ inline float operator () (const float a) const {
        if (a) { return 1; }
        return a;
    }
    enum WHAT { A, B };
};
}
const float numbers[] = { 1, 2 };
float& Seven::eight(int a) const {
    return 1;
}
""",
}
DEFINED = {
    "a.py": [
        ("function", "", "one", 1, 1),
        ("class", "", "Two", 6, 12),
        ("member", "Two", "three", 7, 9),
        ("function", "Two.three", "four", 8, 8),
        ("member", "Two", "five", 12, 12),
    ],
    "b.cu": [
        ("function", "", "kSix", 5, 8),
        ("class", "", "Seven", 11, 20),
        ("function", "Seven", "Seven", 13, 14),
        ("function", "Seven", "operator ()", 15, 18),
        ("enum", "Seven", "WHAT", 19, 19),
        ("function", "Seven", "eight", 23, 25),
    ],
}


@pytest.fixture
def folder(tmp_path):
    """A release of two files."""
    for name, text in SOURCES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def rows_of_sources():
    return [
        replace(GOOD, release="alexnet", path=path, kind=kind, scope=scope, name=name, line=line, end=end)
        for path, symbols in DEFINED.items()
        for kind, scope, name, line, end in symbols
    ]


@pytest.mark.parametrize("name", SOURCES)
def test_what_a_file_defines_is_found_with_scope_and_lines(folder, name):
    assert list(map(tuple, symbols_of(folder / name))) == DEFINED[name]


def test_options_are_found_with_their_lines(tmp_path):
    (tmp_path / "a.py").write_text(
        "path = sys.argv[1]\n# sys.argv[2]\nname = sys.argv[0]\n"
        'op.add_option("data-path", "data_path",\n    F(1))\nop.add_option("f", "f")\n'
        "parser.add_argument('--out', help=')')\n"
    )
    found = [(s.name, s.line, s.end) for s in options_of(tmp_path / "a.py")]
    assert found == [("argv[1]", 1, 1), ("--data-path", 4, 5), ("-f", 6, 6), ("--out", 7, 7)]


def test_rows_that_are_as_the_files_are_pass(folder):
    assert unlike_release(folder, "alexnet", rows_of_sources()) == []


@pytest.mark.parametrize("n", range(sum(map(len, DEFINED.values()))))
def test_a_symbol_of_a_release_without_a_row_is_found(folder, n):
    """Among them an operator, a constructor and a method of one line."""
    rows = rows_of_sources()
    missing = rows.pop(n)
    (problem,) = unlike_release(folder, "alexnet", rows)
    assert problem.startswith(f"{missing.path}:{missing.line}-{missing.end}: no row of")
    assert missing.name in problem


@pytest.mark.parametrize(
    "change",
    [
        {"end": 13},
        {"end": 15},
        {"line": 12},
        {"scope": "Six"},
        {"scope": ""},
        {"kind": "member"},
        {"name": "Six"},
    ],
)
def test_a_row_of_other_lines_scope_or_kind_is_found(folder, change):
    rows = [replace(row, **change if row.scope == row.name else {}) for row in rows_of_sources()]
    assert [problem.split(":")[0] for problem in unlike_release(folder, "alexnet", rows)] == ["b.cu", "b.cu"]


def test_a_row_of_a_file_that_is_not_there_is_found(folder):
    rows = [*rows_of_sources(), replace(GOOD, release="alexnet", path="c.cu")]
    assert unlike_release(folder, "alexnet", rows) == ["c.cu: there is no such file"]


def test_a_script_is_a_whole_file(folder):
    (folder / "c.sh").write_text("make\nrun\n")
    script = replace(GOOD, release="alexnet", path="c.sh", kind="script", name="c.sh", line=1, end=2)
    assert unlike_release(folder, "alexnet", [*rows_of_sources(), script]) == []
    assert unlike_release(folder, "alexnet", [*rows_of_sources(), replace(script, end=1)]) != []


def test_the_record_has_none_of_the_original_code(rows):
    """Notes are sentences, not code."""
    for row in rows:
        assert not re.search(r"[;{}]\s*$|<<<|->", row.note), row.note
