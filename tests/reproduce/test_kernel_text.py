"""What a kernel file defines, and on which lines."""

from pathlib import Path

import pytest

from alexnet2012.record.kernel_text import definitions, lines_of

KERNELS = Path(__file__).resolve().parents[2] / "kernels"


def found(text):
    return [(d.kind, d.name, d.first, d.last) for d in definitions(text)]


def test_a_function_goes_from_its_template_line_to_its_closing_brace():
    text = "// a comment\n\ntemplate <int A, class B>\nvoid f(const int a,\n   B b) {\n  if (a) {\n  }\n}\n"
    assert found(text) == [("function", "f", 3, 8)]


def test_a_template_argument_may_have_arguments_itself():
    assert found("template <class A = Row<Row<4>>>\nvoid f() {}\n") == [("function", "f", 1, 2)]


def test_structs_with_and_without_contents():
    text = "struct One {};\n\ntemplate <int N> struct alignas(16) Two {\n  float a[N];\n};\n"
    text += "struct Three {\n  int b;\n};\n"
    assert found(text) == [("struct", "One", 1, 1), ("struct", "Two", 3, 5), ("struct", "Three", 6, 8)]


def test_macros_with_continuation_lines():
    assert found("#define A 1\n#define B(x) \\\n  f(x) \\\n  { }\nvoid c() {}\n") == [
        ("macro", "A", 1, 1),
        ("macro", "B", 2, 4),
        ("function", "c", 5, 5),
    ]


@pytest.mark.parametrize(
    "body", ["// }", "/* } \n } */", 'const char* a = "}";', "char a = '}';", 'asm(R"(}\n})");', r'f("\"}");']
)
def test_braces_in_comments_and_strings_do_not_count(body):
    text = f"void f() {{\n{body}\n}}\nvoid g() {{}}\n"
    last = 3 + body.count("\n")
    assert found(text) == [("function", "f", 1, last), ("function", "g", last + 1, last + 1)]


def test_declarations_variables_and_calls_are_no_definitions():
    assert found(
        "void f(int a);\nstatic const int B = 3;\nstruct C;\nusing D = E<4>;\nvoid g() { f(1); }\n"
    ) == [("function", "g", 5, 5)]


def test_what_stands_in_a_namespace_counts():
    assert found('namespace a {\nvoid f() {\n}\n}\nextern "C" {\nvoid g() {\n}\n}\n') == [
        ("function", "f", 2, 3),
        ("function", "g", 6, 7),
    ]


def test_attributes_are_no_names():
    assert found("static __attribute__((noinline)) void f(int a) {\n}\n") == [("function", "f", 1, 2)]


def test_both_sides_of_a_condition_count_and_the_first_is_found():
    text = "#ifdef A\nvoid f() {\n}\n#else\nvoid f() {\n  g();\n}\n#endif\n"
    assert lines_of("f", definitions(text)) == (2, 3)


def test_an_empty_struct_has_the_functions_below_it_that_take_it():
    text = "struct A {};\nint f(A, int x) {\n}\nint g(A, int x) {\n}\n"
    text += "int h(B, int x) {\n}\nint k(A, int x) {\n}\n"
    assert lines_of("A", definitions(text)) == (1, 5)


OVERLOADS = "int f(A, int x) {\n}\nint f(const B& b) {\n}\nint f(C) {\n}\n"


@pytest.mark.parametrize(
    ("name", "lines"), [("f(A)", (1, 2)), ("f(C)", (5, 6)), ("f(D)", None), ("f(A", None)]
)
def test_of_functions_of_one_name_the_first_argument_tells_which(name, lines):
    assert lines_of(name, definitions(OVERLOADS)) == lines


def test_functions_of_one_name_need_to_be_told_apart():
    with pytest.raises(ValueError, match=r"^f\(A\) or f\(B\) or f\(C\)$"):
        lines_of("f", definitions(OVERLOADS))


def test_a_struct_that_is_defined_for_several_arguments_is_the_first():
    text = "template <int N> struct Row {\n  float a[N];\n};\ntemplate <> struct Row<4> {\n  float b;\n};\n"
    assert lines_of("Row", definitions(text)) == (1, 3)


@pytest.mark.parametrize("path", sorted(KERNELS.glob("*.cu*")), ids=lambda path: path.name)
def test_the_definitions_of_each_file_of_ours_are_whole(path):
    """Each has balanced braces, and its name on its first lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for definition in definitions(path.read_text(encoding="utf-8")):
        text = "\n".join(lines[definition.first - 1 : definition.last])
        assert definition.name in text
        if definition.kind != "macro":
            assert text.count("{") == text.count("}") > 0
