"""The lines of .cfg files, read as Python 2's ConfigParser reads them."""

from __future__ import annotations

import pytest

from cuda_convnet.config.lexer import lex
from cuda_convnet.errors import ConfigError


def values(text, section="a"):
    file = lex(text, "file.cfg")
    return {name: file.value(file.sections[section], name) for name in file.sections[section].options}


def test_options_are_separated_by_equals_sign_or_colon():
    assert values("[a]\nx=1\ny: 2\nz = a=b:c\n") == {"x": "1", "y": "2", "z": "a=b:c"}


def test_option_names_know_no_case_and_section_names_do():
    file = lex("[A]\nEpsW=1\n[a]\nEPSW=2\n", "file.cfg")
    assert list(file.sections) == ["A", "a"]
    assert file.value(file.sections["A"], "epsW") == "1"
    assert file.value(file.sections["a"], "epsw") == "2"


@pytest.mark.parametrize("line", ["# x=1", "; x=1", "rem x=1", "REM x=1", "", "   ", "\t", "\r"])
def test_a_line_is_a_comment_or_blank(line):
    assert values(f"[a]\n{line}\ny=2") == {"y": "2"}


def test_a_semicolon_after_a_space_starts_a_comment_behind_a_value():
    assert values("[a]\nx=1 ; one\ny=1;2\nz=1;2 ;3\n") == {"x": "1", "y": "1;2", "z": "1;2 ;3"}


def test_a_number_sign_behind_a_value_belongs_to_it():
    assert values("[a]\nx=1 # one\n") == {"x": "1 # one"}


def test_an_indented_line_goes_on_with_the_value_above_even_if_it_looks_like_an_option():
    assert values("[a]\nx=1,\n  2\n\n  y=3\n") == {"x": "1,\n2\ny=3"}


def test_two_quotation_marks_are_the_empty_value():
    assert values('[a]\nx=""\ny=\n') == {"x": "", "y": ""}


def test_text_after_a_section_header_is_ignored():
    assert values("[a] and more\nx=1\n") == {"x": "1"}


def test_windows_line_ends_do_no_harm():
    assert values("[a]\r\nx=1\r\n") == {"x": "1"}


def test_a_section_that_comes_again_goes_on_and_its_options_replace_earlier_ones():
    file = lex("[a]\nx=1\ny=2\n[b]\n[a]\nx=3\n", "file.cfg")
    assert list(file.sections) == ["a", "b"]
    assert file.value(file.sections["a"], "x") == "3"
    assert file.value(file.sections["a"], "y") == "2"
    assert file.remarks == ["file.cfg:5: section [a] again, after line 1; it goes on here"]


def test_an_option_that_comes_again_replaces_the_earlier_one_and_is_remarked():
    file = lex("[a]\nx=1\nX=3\n", "file.cfg")
    assert file.value(file.sections["a"], "x") == "3"
    assert file.remarks == ["file.cfg:3: [a]: option 'x' again, after line 2; this one counts"]


def test_options_of_the_default_section_hold_for_all():
    file = lex("[DEFAULT]\nx=1\n[a]\n[b]\nx=2\n", "file.cfg")
    assert [file.value(s, "x") for s in file.sections.values()] == ["1", "2"]


def test_references_are_put_in():
    text = "[DEFAULT]\nn=8\n[a]\nx=%(N)s%(n)s\ny=%(x)s,%(__name__)s\nz=100%%\n"
    assert values(text) == {"x": "88", "y": "88,a", "z": "100%"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x=1", "file.cfg:1: 'x=1' stands before the first section; start that with [name]"),
        ("\nano[a]\nx=1", "file.cfg:2: 'ano[a]' stands before the first section; start that with [name]"),
        ("[a]\nx\n", "file.cfg:2: [a]: 'x' is no option; write option=value, or # before a comment"),
        ("[a]\n=1\n", "file.cfg:2: [a]: '=1' is no option; write option=value, or # before a comment"),
        ("[a]\n [b]\n", "file.cfg:2: [a]: '[b]' is no option; write option=value, or # before a comment"),
        ("[a\nx=1", "file.cfg:1: '[a' stands before the first section; start that with [name]"),
    ],
)
def test_a_line_that_is_nothing_is_named(text, message):
    with pytest.raises(ConfigError) as caught:
        lex(text, "file.cfg")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("50%", "[a]: '%' must be followed by '%' or by '(option)s'; write '%%' for the sign"),
        ("%(x)d", "[a]: '%' must be followed by '%' or by '(option)s'; write '%%' for the sign"),
        ("%(y)s", "[a]: there is no option 'y' to refer to"),
        ("%(x)s", "[a]: references nest more than 10 deep; do they refer to themselves?"),
    ],
)
def test_a_reference_to_nothing_is_named(value, message):
    with pytest.raises(ConfigError) as caught:
        values(f"[a]\nx={value}\n")
    assert str(caught.value) == f"file.cfg:2: {message}"
