"""The command line as a whole: a user's mistake is one line, which names the option and where help is."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["no-such-command"], "alexnet2012: No such command 'no-such-command'; see `alexnet2012 --help`"),
        (["net"], "alexnet2012 net: Missing argument 'LAYERS.cfg'; see `alexnet2012 net --help`"),
        (
            ["original", "claims", "--status", "bad"],
            "alexnet2012 original claims: Invalid value for '--status': 'bad' is not one of 'reproduced', "
            "'checked', 'differs', 'open', 'no record'; see `alexnet2012 original claims --help`",
        ),
        (
            ["study", "--port", "many"],
            "alexnet2012 study: Invalid value for '--port': 'many' is not a valid integer range; "
            "see `alexnet2012 study --help`",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(typed, arguments, line):
    status, out, err = typed(*arguments)
    assert (status, out, err) == (2, "", f"{line}\n")


def test_an_unknown_option_is_named_in_one_line(typed):
    status, _, err = typed("original", "list", "--josn", "x")
    assert status == 2
    assert err.startswith("alexnet2012 original list: No such option")
    assert "--josn" in err
    assert len(err.splitlines()) == 1


def test_help_is_given_where_it_is_asked_for(typed):
    status, out, _ = typed("original", "--help")
    assert status == 0
    assert "crosswalk" in out


def test_the_status_of_a_command_is_that_of_the_program(typed, tmp_path):
    assert typed("original", "list", "--cache", tmp_path)[0] == 0
    assert typed("original", "verify", "--cache", tmp_path)[0] == 2


def test_output_that_cannot_be_written_is_one_line(tmp_path):
    command = [sys.executable, "-m", "alexnet2012", "original", "crosswalk"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "alexnet2012: the output cannot be written: no space is left where it goes\n"
