"""The stages of run 145: every layer has its stage, every stage its text and its lines in the original."""

import re

import pytest

from alexnet2012.study import stages
from alexnet2012.study.launches import run_145
from alexnet2012.study.stages import ORIGINAL_LAYERS, ORIGINAL_PARAMS, read_words, stages_of_run_145
from cuda_convnet.config.specs import CostSpec, NormSpec, WeightLayerSpec
from cuda_convnet.errors import ConvnetError, DataError

SECTION = re.compile(r"\[(\S+)\]")
STAGES = 19


def section_of(lines, name):
    """First and last line of a section, without what is empty or a remark after it."""
    starts = [n for n, line in enumerate(lines, 1) if SECTION.match(line)]
    (first,) = [n for n in starts if lines[n - 1].strip() == f"[{name}]"]
    end = min((n for n in starts if n > first), default=len(lines) + 1) - 1
    while not lines[end - 1].strip() or lines[end - 1].startswith("#"):
        end -= 1
    return first, end


# --- what the stages are ------------------------------------------------------------------------------------
def test_nineteen_stages_hold_every_layer_but_the_labels_once():
    spec = run_145()
    found = stages_of_run_145()
    assert len(found) == STAGES
    names = [layer.name for stage in found for layer in stage.layers]
    assert len(names) == len(set(names)) == len(spec) - 1
    assert {layer.name for layer in spec} - set(names) == {"labels"}


def test_a_neuron_stands_in_the_stage_of_the_layer_it_was_detached_from():
    stage = next(stage for stage in stages_of_run_145() if stage.slug == "pool1a")
    assert [layer.name for layer in stage.layers] == ["pool1a", "pool1b", "pool1a_neuron", "pool1b_neuron"]
    assert stage.title == "pool1a and pool1b"


def test_stages_come_in_the_order_of_the_pass_forward():
    found = stages_of_run_145()
    place = {layer.name: i for i, stage in enumerate(found) for layer in stage.layers}
    for layer in run_145():
        for name in layer.inputs:
            if name != "labels":
                assert place[name] <= place[layer.name], layer.name


# --- what we say of them ------------------------------------------------------------------------------------
def test_every_text_is_that_of_a_stage():
    assert list(read_words()) == [stage.slug for stage in stages_of_run_145()]


@pytest.mark.parametrize("name", read_words())
def test_a_stage_has_a_text_to_read(name):
    assert 60 <= len(re.sub(r"\]\([^)]*\)", "", read_words()[name].text).split()) <= 140


def test_layers_with_parameters_have_lines_in_the_parameter_file_and_others_have_none():
    spec = run_145()
    for name, words in read_words().items():
        layer = spec[name]
        has_some = isinstance(layer, WeightLayerSpec | NormSpec | CostSpec) or layer.type == "hs"
        assert (words.params is not None) == has_some, name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[data]\ncfg = [1, 3]\ntext = """', "not TOML"),
        ("[pool9]\ncfg = [1, 3]\ntext = 'a'\n", "there is nothing of layer data"),
    ],
)
def test_a_mistake_in_the_texts_is_told_in_one_line_that_names_the_file(tmp_path, monkeypatch, text, says):
    path = tmp_path / "stages.toml"
    path.write_text(text)
    monkeypatch.setattr(stages, "TEXTS", path)
    with pytest.raises(ConvnetError) as error:
        stages_of_run_145.__wrapped__()
    assert str(error.value).startswith(f"{path}: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


# --- its lines in our files and in the original's -----------------------------------------------------------
def test_a_section_of_ours_ends_before_the_remark_that_follows_it():
    path = stages.our_cfg("layers.cfg")
    first, last = stages.section(path, "pool1b")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[first - 1] == "[pool1b]"
    assert lines[last - 1].split() == ["neuron", "=", "relu"]
    with pytest.raises(DataError, match="there is no section"):
        stages.section(path, "pool9")


@pytest.mark.release
@pytest.mark.parametrize(("file", "field"), [(ORIGINAL_LAYERS, "cfg"), (ORIGINAL_PARAMS, "params")])
def test_a_stages_lines_in_the_original_are_those_of_its_section(releases, file, field):
    lines = (releases / "alexnet" / file).read_text(encoding="utf-8").splitlines()
    sections = {match[1] for line in lines if (match := SECTION.match(line))}
    for name, words in read_words().items():
        told = getattr(words, field)
        assert (told is not None) == (name in sections), name
        if told is not None:
            assert told == section_of(lines, name), name


def test_lines_that_miss_their_section_would_be_found():
    lines = ["[a]", "x=1", "", "[b]", "y=2", "# of both", ""]
    assert section_of(lines, "a") == (1, 2)
    assert section_of(lines, "b") == (4, 5)
