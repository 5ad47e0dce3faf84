"""The texts of the reading room: every file reads, and what it names exists."""

import re
from collections import Counter

import pytest

from alexnet2012.record.answers import FILE as ANSWERS
from alexnet2012.record.answers import anchor
from alexnet2012.record.claims import read_claims
from alexnet2012.record.crosswalk import read_crosswalk
from alexnet2012.record.notebook import read_notebook
from alexnet2012.record.places import original_path
from alexnet2012.record.releases import read_releases
from alexnet2012.record.symbols import find
from alexnet2012.study.fidelity import read_fidelity
from alexnet2012.study.formulas import mathml
from alexnet2012.study.launches import run_145
from alexnet2012.study.markdown import PAGES, markdown
from alexnet2012.study.pairs import Originals
from alexnet2012.study.parts import FOLDER, GROUPS, read_part, read_parts
from alexnet2012.study.stages import read_words
from cuda_convnet.engines.operations import NEURONS, OPERATIONS
from cuda_convnet.errors import ConvnetError, DataError

FILES = sorted(FOLDER.glob("*.toml"))
LINK = re.compile(r"\]\(\s*([^)\s]+)\s*\)")
WHOLE = """title = "A"
group = "layers"
order = 1
lead = "b"
text = "c"
changed = "d"
"""


def texts(part):
    """All that a part has in Markdown."""
    yield part.lead
    yield part.text
    yield part.changed
    for each in (*part.formulas, *part.grids):
        yield each.says
    for pair in part.pairs:
        yield pair.text


def pages():
    """The names that a link of each kind may have; answers are all headings of their page."""
    headings = re.findall(
        r"^##+ (.+)$", (original_path() / ANSWERS).read_text(encoding="utf-8"), re.MULTILINE
    )
    return {
        "part": {path.stem for path in FILES},
        "stage": set(read_words()),
        "run": {run.id for run in read_notebook()},
        "claim": {claim.id for claim in read_claims()},
        "answer": set(map(anchor, headings)),
    }


def lost(text, known):
    """The links of a text that lead nowhere."""
    found = LINK.findall(text)
    kinds = [link.partition(":") for link in found if not link.startswith("https://")]
    return [f"{kind}:{name}" for kind, _, name in kinds if name not in known.get(kind, ())]


def silent(part):
    """The originals of the pairs of which a part says nothing."""
    return [pair.original for pair in part.pairs if not pair.text.strip()]


@pytest.fixture(scope="module")
def originals():
    """The crosswalk, as pages look up symbols in it."""
    return Originals.of(read_releases(), {}, read_crosswalk())


@pytest.fixture(scope="module")
def known():
    return pages()


# --- every file ---------------------------------------------------------------------------------------------
def test_every_file_is_a_part_and_has_a_name_and_a_title_of_its_own():
    parts = read_parts()
    assert {part.slug for part in parts} == {path.stem for path in FILES}
    for names in (Counter(p.slug.lower() for p in parts), Counter(p.title.lower() for p in parts)):
        assert [name for name, count in names.items() if count > 1] == []


def test_parts_come_by_group_and_order():
    places = [(list(GROUPS).index(part.group), part.order, part.slug) for part in read_parts()]
    assert places == sorted(places)
    assert {part.group for part in read_parts()} == set(GROUPS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_part_says_something_and_draws_its_formulas(path):
    part = read_part(path)
    assert min(map(len, (part.title, part.lead, part.text, part.changed))) > 0
    for text in texts(part):
        assert "](" not in re.sub(r"<code>.*?</code>", "", markdown(text, "../")), text
    for formula in part.formulas:
        drawn = mathml(formula.tex)
        assert drawn.startswith("<math")
        assert "\\" not in drawn, formula.tex


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_types_and_operations_of_a_part_exist(path):
    part = read_part(path)
    archived = {case["op"] for case in read_fidelity().cases}
    assert set(part.operations) <= archived | set(OPERATIONS) | {f"neuron_{name}" for name in NEURONS}
    assert set(part.types) <= {layer.type for layer in run_145()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_links_of_a_part_lead_to_pages(path, known):
    for text in texts(read_part(path)):
        assert lost(text, known) == []


@pytest.mark.parametrize("name", read_words())
def test_the_links_of_a_stage_lead_to_pages(name, known):
    assert lost(read_words()[name].text, known) == []


def test_a_lost_link_would_be_found(known):
    text = "[a](part:conv_layer), [b](part:nothing), [c](run:145), [d](answer:226-or-225), [e](https://x.org)"
    assert lost(text, known) == ["part:nothing", "answer:226-or-225"]
    assert set(known) == set(PAGES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_both_sides_of_every_pair_exist(path, originals):
    for pair in read_part(path).pairs:
        rows = [row for reference in pair.original for row in originals.find(reference)]
        assert rows
        for symbol in pair.port or [symbol for row in rows for symbol in row.symbols]:
            assert find(symbol).path.is_file()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_pair_has_a_text(path):
    assert silent(read_part(path)) == []


def test_a_pair_without_a_text_would_be_found(tmp_path):
    path = tmp_path / "slug.toml"
    told, silent_one, blank = (f'[[pair]]\noriginal = ["a:b:{name}"]\n' for name in "cde")
    path.write_text(WHOLE + told + 'text = "Look here."\n' + silent_one + blank + 'text = " "\n')
    assert silent(read_part(path)) == [("a:b:d",), ("a:b:e",)]


def test_a_symbol_that_the_crosswalk_does_not_have_is_named(originals):
    with pytest.raises(DataError, match=r"alexnet:src/layer\.cu:ConvLayer::fly: the crosswalk has no such"):
        originals.find("alexnet:src/layer.cu:ConvLayer::fly")


# --- the parts together -------------------------------------------------------------------------------------
def test_every_layer_type_of_run_145_is_explained_by_a_part_on_layers():
    explained = {kind for part in read_parts() if part.group == "layers" for kind in part.types}
    assert explained == {layer.type for layer in run_145()}


def test_the_layers_that_the_names_of_run_145_mix_up_have_a_part_each():
    of = {kind: part.slug for part in read_parts() if part.group == "layers" for kind in part.types}
    spec = run_145()
    assert of[spec["rnorm1a"].type] == "cross_map_norm_layer"
    assert of[spec["cnorm2a"].type] == "response_norm_layer"


# --- mistakes in a file -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "says"),
    [
        (WHOLE + 'colour = "red"\n', "colour"),
        (WHOLE + '[[formula]]\nlatex = "x"\n', "latex"),
        (WHOLE + '[[pair]]\noriginal = ["a:b:c"]\nours = ["d"]\n', "ours"),
        (WHOLE + '[[grid]]\nkernel = "k"\naxes = [{ name = "n" }]\n', "count"),
        (WHOLE.replace('"layers"', '"lairs"'), "group 'lairs' is none of layers, kernels"),
        (WHOLE.replace('group = "layers"\n', ""), "group"),
        (WHOLE.replace('lead = "b"\n', ""), "lead"),
        (WHOLE + "text = twice\n", "not TOML"),
    ],
)
def test_a_mistake_is_told_in_one_line_that_names_the_file(tmp_path, text, says):
    path = tmp_path / "slug.toml"
    path.write_text(text)
    with pytest.raises(ConvnetError) as error:
        read_part(path)
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value).removeprefix(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_without_mistakes_reads(tmp_path):
    path = tmp_path / "slug.toml"
    path.write_text(WHOLE)
    part = read_part(path)
    assert (part.slug, part.title, part.types, part.pairs) == ("slug", "A", (), ())
