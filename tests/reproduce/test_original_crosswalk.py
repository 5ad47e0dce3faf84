"""`alexnet2012 original crosswalk`: counts, rows by a part of a name, and the same for machines."""

import csv
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from alexnet2012.record import crosswalk, places

ROOT = Path(__file__).resolve().parents[2]

LINES = [
    "alexnet,convnet.py,member,ConvNet,train,90,99,not yet,,later",
    "alexnet,convnet.py,option,convnet.py,--mini,177,177,ported,cli:train--mini,",
    "alexnet,src/layer.cu,function,ConvLayer,fpropActs,700,720,ported,"
    "cuda_convnet.layers.conv:ConvLayer kernels/filter_acts.cu:filter_acts,by an engine",
    "cuda-convnet,src/nvmatrix/nvmatrix.cu,function,NVMatrix,slice,419,427,replaced,NumPy,a view",
    "cuda-convnet2,make-data/make-data.py,function,,makedir,70,72,not needed,,pathlib does it",
]
NEW = [
    "cuda_convnet.checkpoint:check_belongs,another network's are refused",
    "cuda_convnet.layers.fc:FCLayer,an example",
]


@pytest.fixture
def run(monkeypatch, typed, tmp_path):
    """Runs the command on a crosswalk of five rows and two new symbols: (status, stdout, stderr)."""
    record = tmp_path / "record"
    record.mkdir()
    (record / "crosswalk.csv").write_text("\n".join([",".join(crosswalk.COLUMNS), *LINES]) + "\n")
    (record / "new.csv").write_text("\n".join([",".join(crosswalk.NEW_COLUMNS), *NEW]) + "\n")
    monkeypatch.setattr(crosswalk, "original_path", lambda: record)
    monkeypatch.chdir(tmp_path)
    return partial(typed, "original", "crosswalk")


def test_without_arguments_it_counts(run):
    status, out, err = run()
    assert (status, err) == (0, "")
    table = [line.split() for line in out.splitlines()]
    assert table[0] == ["ported", "replaced", "not", "needed", "not", "yet", "together"]
    assert ["alexnet", "2", "0", "0", "1", "3"] in table
    assert ["cuda-convnet", "0", "1", "0", "0", "1"] in table
    assert ["cuda-convnet2", "0", "0", "1", "0", "1"] in table
    assert table[-2] == ["together", "2", "1", "1", "1", "5"]
    assert out.splitlines()[-1] == "2 symbols of this program are new: nothing in the original is like them"


def test_the_counts_of_one_release(run):
    _, out, _ = run("--release", "alexnet")
    assert "cuda-convnet" not in out
    assert out.splitlines()[-1].split() == ["together", "2", "0", "0", "1", "3"]


def test_a_row_tells_the_place_the_status_where_it_lives_and_the_note(run):
    status, out, err = run("fpropacts")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "ConvLayer::fpropActs  ported"
    assert lines[1] == "  original  alexnet:src/layer.cu:700-720"
    assert lines[2].startswith("  here      port/cuda_convnet/layers/conv.py:")
    assert lines[2].endswith("  ConvLayer")
    assert lines[3].startswith("            kernels/filter_acts.cu:")
    assert lines[3].endswith("  filter_acts")
    assert lines[4] == "  note      by an engine"
    assert lines[-1] == "1 row: 1 ported"


def test_a_row_that_a_library_replaces_and_one_of_one_line(run):
    _, out, _ = run("slice")
    assert "  here      NumPy\n  note      a view\n" in out
    _, out, _ = run("--", "--mini")
    assert "  original  alexnet:convnet.py:177\n" in out
    assert "convnet.py --mini  ported" in out


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["ConvNet.train"], {"ConvNet.train"}),
        (["convnet.py"], {"ConvNet.train", "convnet.py --mini"}),
        (["make-data/"], {"makedir"}),
        (["kernels/filter_acts.cu"], {"ConvLayer::fpropActs"}),
        (["CONV", "--status", "ported"], {"convnet.py --mini", "ConvLayer::fpropActs"}),
        (["--status", "not yet"], {"ConvNet.train"}),
        (["a", "--release", "cuda-convnet"], {"NVMatrix::slice"}),
        (["port/cuda_convnet/layers/conv.py"], {"ConvLayer::fpropActs"}),
        (["layers/conv.py"], {"ConvLayer::fpropActs"}),
        (["commands/train.py"], {"convnet.py --mini"}),
        (["alexnet:src/layer.cu"], {"ConvLayer::fpropActs"}),
        (["convnet.py:90"], {"ConvNet.train"}),
        (["train --mini"], {"convnet.py --mini"}),
    ],
)
def test_rows_are_found_by_part_of_a_name_or_path_of_theirs_or_ours(run, arguments, names):
    status, out, _ = run(*arguments)
    blocks = out.split("\n\n")
    assert status == 0
    assert {block.splitlines()[0].rpartition("  ")[0] for block in blocks[:-1]} == names


@pytest.mark.parametrize("name", ["BELONGS", "cuda_convnet.checkpoint:", "port/cuda_convnet/checkpoint.py"])
def test_what_is_new_is_found_with_its_place_and_why_there_is_such(run, name):
    status, out, err = run(name)
    assert (status, err) == (0, "")
    first, here, *rest = out.splitlines()
    assert first == "check_belongs  new"
    assert re.fullmatch(r"  here      port/cuda_convnet/checkpoint\.py:\d+-\d+  check_belongs", here)
    assert rest == ["  why       another network's are refused", "", "1 new"]


def test_what_is_new_stands_below_the_rows_and_is_counted_after_them(run):
    _, out, _ = run("cuda_convnet/layers/")
    assert [block.splitlines()[0] for block in out.split("\n\n")] == [
        "ConvLayer::fpropActs  ported",
        "FCLayer  new",
        "1 row: 1 ported; 1 new",
    ]


@pytest.mark.parametrize("option", [("--release", "alexnet"), ("--status", "ported")])
def test_what_is_new_is_of_no_release_and_no_status(run, option):
    _, out, _ = run("cuda_convnet/layers/", *option)
    assert out.splitlines()[-1] == "1 row: 1 ported"
    assert run("belongs", *option)[0] == 2


def test_the_last_line_counts_the_rows(run):
    _, out, _ = run("alexnet:")
    assert out.splitlines()[-1] == "3 rows: 2 ported, 1 not yet"


def test_nothing_of_that_name_is_told_in_one_line(run):
    status, out, err = run("warp", "--release", "alexnet")
    assert (status, out) == (2, "")
    assert err == (
        "alexnet2012: 'warp', alexnet: nothing like it in the crosswalk; give less of the name or path\n"
    )


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        (["convdata.py", "--release", "cuda-convnet"], "leaves out cuda-convnet:convdata.py; "),
        (
            ["CUDACONV2/", "--release", "cuda-convnet"],
            "leaves out cuda-convnet:include/cudaconv2/conv_util.cuh, ",
        ),
        (["src/common"], "leaves out cuda-convnet:src/common/matrix.cpp; "),
        (["cuda-convnet:src/nvmatrix/nvmatrix.cu", "--status", "not yet"], None),
        (["example-layers"], None),
    ],
)
def test_a_file_that_the_crosswalk_leaves_out_is_named(run, arguments, files):
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert ("the crosswalk leaves out" in err) == bool(files)
    assert (files or "nothing like it") in err


def test_of_many_files_that_are_left_out_some_are_named(run):
    _, _, err = run("cudaconv3")
    assert "conv_util.cuh, cuda-convnet2:cudaconv3/include/cudaconv2.cuh, " in err
    assert err.count("cuda-convnet2:") == 3
    assert ", 3 more; it has all of alexnet, of cuda-convnet the kernels" in err


def test_nothing_of_a_status_is_told_without_files(run):
    _, _, err = run("--release", "cuda-convnet", "--status", "ported")
    assert "nothing like it" in err


def test_an_unknown_status_is_refused(run):
    status, _, err = run("--status", "done")
    assert status == 2
    assert "not needed" in err


def test_json_on_stdout_has_rows_and_counts_and_nothing_else(run):
    status, out, err = run("fpropActs", "--json", "-")
    report = json.loads(out)
    assert (status, err) == (0, "")
    assert report["summary"]["together"] == {
        "ported": 1,
        "replaced": 0,
        "not needed": 0,
        "not yet": 0,
        "together": 1,
    }
    (row,) = report["rows"]
    assert row["lines"] == [700, 720]
    assert row["status"] == "ported"
    assert [place["path"] for place in row["here"]] == [
        "port/cuda_convnet/layers/conv.py",
        "kernels/filter_acts.cu",
    ]
    assert all(first <= last for first, last in (place["lines"] for place in row["here"]))
    assert report["new"] == []


def test_json_has_what_is_new_with_its_place_and_why(run):
    _, out, _ = run("belongs", "--json", "-")
    report = json.loads(out)
    (new,) = report["new"]
    assert report["rows"] == []
    assert (new["symbol"], new["path"]) == (NEW[0].partition(",")[0], "port/cuda_convnet/checkpoint.py")
    assert (new["why"], new["lines"][0] < new["lines"][1]) == ("another network's are refused", True)


def test_json_in_a_file_comes_beside_the_text(run, tmp_path):
    _, out, _ = run("--json", "rows.json")
    assert "together" in out
    report = json.loads((tmp_path / "rows.json").read_text())
    assert (len(report["rows"]), len(report["new"])) == (len(LINES), len(NEW))


def test_a_folder_for_the_json_that_is_not_there_is_told_before_anything(run):
    status, out, err = run("--json", "none/rows.json")
    assert (status, out) == (2, "")
    assert "there is no folder none" in err


def test_a_row_that_is_wrong_is_named_with_its_line(run, tmp_path):
    path = tmp_path / "record" / "crosswalk.csv"
    path.write_text(path.read_text() + "alexnet,a.py,function,,f,1,2,done,,x\n")
    status, _, err = run()
    assert status == 2
    assert err.startswith(f"alexnet2012: {path}:7: status 'done' must be one of")


def test_the_record_itself_is_counted(typed):
    status, out, _ = typed("original", "crosswalk")
    numbers = []
    for name in ("crosswalk.csv", "new.csv"):
        with (places.original_path() / name).open(newline="") as file:
            numbers.append(sum(1 for _ in csv.reader(file)) - 1)
    assert status == 0
    *_, together, new = out.splitlines()
    assert (together.split()[-1], new.split()[0]) == (f"{numbers[0]:,}", f"{numbers[1]:,}")


def test_a_terminal_that_closes_early_is_no_traceback():
    first = crosswalk.read_crosswalk()[0]
    command = [sys.executable, "-m", "alexnet2012", "original", "crosswalk", "--release", first.release]
    with subprocess.Popen(
        [*command, "--status", first.status],
        env={"PYTHONPATH": f"{ROOT / 'port'}:{ROOT / 'reproduce'}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == f"{first.qualified}  {first.status}\n"
        process.stdout.close()
        assert process.stderr.read() == ""
