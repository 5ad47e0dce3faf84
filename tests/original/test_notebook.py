"""The lab notebook: how it is read, what it holds, and how it is drawn."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import pytest

from alexnet2012.record.drawing import COLOURS as COLOURS_OF_A_FILE
from alexnet2012.record.drawing import PIXELS_PER_POINT, Dot, Drawing, Line, Words
from alexnet2012.record.family import KINDS, Edge, Family
from alexnet2012.record.notebook import (
    DATASETS,
    PAPER_RUNS,
    Error,
    Experiment,
    Place,
    anchor,
    number,
    read_notebook,
)
from alexnet2012.record.notebook_pictures import (
    LEFT,
    RIGHT,
    errors_drawing,
    errors_svg,
    tree_drawing,
    tree_svg,
)
from cuda_convnet.errors import ConfigError, ConvnetError, DataError

RUN = """
[[experiment]]
id = "200"
told_in = [{ file = "layers/layer-params-200.cfg", lines = [10, 12] }]
dataset = "Flickr"
dataset_from = "notes"
"""


@pytest.fixture(scope="module")
def notebook():
    return read_notebook()


@pytest.fixture
def written(tmp_path):
    """Reads a notebook of that text."""

    def read(text):
        path = tmp_path / "some.toml"
        path.write_text(text)
        return read_notebook(path)

    return read


def run(name, **fields):
    """A made-up run."""
    needed = {
        "told_in": (Place(file="x.cfg", first=1, last=1),),
        "dataset": "Flickr",
        "dataset_from": "notes",
    }
    return Experiment(**{"id": name, **needed, **fields})


def test_a_run_needs_four_keys_and_what_is_not_told_is_empty(written):
    (only,) = written(RUN)
    assert only.told_in == (Place(file="layers/layer-params-200.cfg", first=10, last=12),)
    assert (only.started, only.machines, only.schedule, only.errors) == (None, (), (), ())
    assert only.ended == "not told"


def test_schedules_and_errors_are_read_in_order(written):
    (only,) = written(
        RUN
        + """
        [[experiment.schedule]]
        start = true
        set = { epsW = 0.01 }
        [[experiment.schedule]]
        epoch = 8
        batch = 11295
        set = { epsW = 0.001, dropout = true, schedW = "dexp[500,4]" }
        was = { epsW = 0.01 }
        layers = ["conv1"]
        [[experiment.error]]
        views = "ten"
        set = "validation"
        top1 = 0.5
        [[experiment.error]]
        views = "centre"
        set = "test"
        logprob = 1.741473
        """
    )
    first, second = only.schedule
    assert first.start
    assert (second.epoch, second.batch, second.layers) == (8, 11295, ("conv1",))
    assert second.set == {"epsW": 0.001, "dropout": True, "schedW": "dexp[500,4]"}
    assert only.best("top1") == only.errors[0]
    assert only.best("top5") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RUN + 'colour = "red"', "experiment 200: unknown key 'colour'"),
        (RUN + 'machines = "gpu"', "experiment 200: machines = 'gpu' must be a list of texts"),
        (RUN + 'changes = ""', "experiment 200: changes = '' must be text that is not empty"),
        (RUN + "started = 2012-09-13", "experiment 200: started = .* must be a date and time"),
        (RUN + "ended_epoch = 8.5", "experiment 200: ended_epoch = 8.5 must be a whole number"),
        (RUN + 'continues = "199"', "experiment 200: continues = '199' is no experiment here"),
        (RUN + 'initialised_from = "199"', "experiment 200: initialised_from = '199' is no experiment here"),
        (RUN + 'based_on = "199"', "experiment 200: based_on = '199' is no experiment here"),
        (RUN + 'based_on = "200"', "experiment 200: it descends from itself"),
        (RUN + RUN, "200: there is another entry of this id"),
        (RUN.replace("Flickr", "MNIST"), "experiment 200: dataset = 'MNIST' must be one of ILSVRC-2010"),
        (
            RUN.replace('"notes"', '"hearsay"'),
            "experiment 200: dataset_from = 'hearsay' must be one of notes",
        ),
        (RUN.replace('dataset = "Flickr"', ""), "experiment 200: dataset is missing"),
        (RUN.replace('id = "200"', ""), "experiment 1: id is missing"),
        (RUN.replace("[10, 12]", "[12, 10]"), "experiment 200: told_in = .* must be a list of places"),
        (RUN + "[[experiment.error]]\nviews = 'ten'", "experiment 200, error 1: set is missing"),
        (
            RUN + "[[experiment.error]]\nviews = 'ten'\nset = 'test'\ntop1 = 40.7",
            "experiment 200, error 1: top1 = 40.7 must be a number from 0 to 1",
        ),
        (RUN + "[[experiment.schedule]]\nepok = 5", "experiment 200, schedule 1: unknown key 'epok'"),
        (
            RUN + "[[experiment.schedule]]\nset = { epsW = [1] }",
            "experiment 200, schedule 1: set = .* must be a table",
        ),
        ('only_named = ["97"]\n' + RUN, "only_named: '97' is named by none"),
        ('only_named = ["200"]\n' + RUN, "only_named: '200' has an entry"),
        ("only_named = 97\n" + RUN, "only_named must be a list of texts"),
        ("[[run]]", "unknown key 'run'"),
        ("experiment = 5", "experiment: no entries"),
        ("", "experiment: no entries"),
        (
            RUN + "[[ensemble]]\nid = 'mean'\ntold_in = [{ file = 'a.py', lines = [1, 1] }]\nmembers = ['7']",
            "ensemble mean: members: '7' is no experiment here",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line_that_names_file_entry_and_key(written, text, message):
    with pytest.raises(DataError, match=rf"^\S+some\.toml: {message}") as told:
        written(text)
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_toml_is_told_with_its_line(written):
    with pytest.raises(ConfigError, match=r"some\.toml: not TOML: .*line 1"):
        written("id = = 5")


def test_runs_that_come_from_each_other_are_refused(written):
    other = RUN.replace("200", "201")
    with pytest.raises(DataError, match="experiment 200: it descends from itself"):
        written(RUN + 'based_on = "201"' + other + 'continues = "200"')


def test_the_closest_kind_of_descent_makes_the_tree_and_all_kinds_make_descendants():
    family = Family(
        (
            run("145"),
            run("146", based_on="145"),
            run("147", based_on="145", initialised_from="146"),
            run("148", based_on="97"),
        )
    )
    assert family.ids == ("97", "145", "146", "147", "148")
    assert family.roots == ("97", "145")
    assert family.closest["147"] == Edge("146", "147", "initialised_from")
    assert Edge("145", "147", "based_on") in family.edges
    assert family.children("145") == ["146"]
    assert family.descendants("145") == {"145", "146", "147"}
    assert family.descendants("97") == {"97", "148"}
    assert family.heirs("145") == {"based_on": ["146", "147"]}
    assert family.heirs("146") == {"initialised_from": ["147"]}
    assert family.heirs("148") == {}


def test_two_runs_are_bound_once_by_the_closest_kind():
    family = Family((run("145"), run("145-continued", based_on="145", continues="145")))
    assert family.edges == (Edge("145", "145-continued", "continues"),)


def test_the_notebook_is_in_order_and_knows_the_runs_of_the_paper(notebook):
    order = [(number(each.id), each.id) for each in notebook]
    assert order == sorted(order)
    for name in PAPER_RUNS:
        assert notebook[name].errors, name


def test_run_145_is_recorded_as_the_notes_have_it(notebook):
    run_145 = notebook["145"]
    assert (run_145.based_on, run_145.started) == ("137", datetime(2012, 9, 13, 3, 43, 56))
    assert [(change.epoch, dict(change.set)) for change in run_145.schedule] == [
        (25, {"epsW": 0.001}),
        (51, {"epsW": 0.0001}),
        (67, {"epsW": 0.00001}),
        (67, {"color_noise": 0}),
        (72, {"epsW": 0}),
        (79, {"epsW": 0.00001}),
    ]
    (error,) = run_145.errors
    assert (error.logprob, error.top1, error.top5) == (1.741473, 0.40664, 0.1821)


def test_runs_start_when_the_names_of_their_folders_say(notebook):
    dated = [each for each in notebook if each.started]
    assert len(dated) > 90
    for each in dated:
        assert each.checkpoint.startswith(f"ConvNet__{each.started:%Y-%m-%d_%H.%M.%S}"), each.id


def test_every_result_has_a_number(notebook):
    for each in notebook:
        for error in each.errors:
            assert {error.logprob, error.top1, error.top5} != {None}, each.id


@pytest.mark.release
def test_the_notebook_has_the_numbers_of_the_lines_that_it_names(notebook, releases):
    for each in notebook:
        told = ""
        for place in each.told_in:
            lines = _lines(releases / "alexnet" / place.file)
            assert place.last <= len(lines), (each.id, place)
            told += "\n".join(lines[place.first - 1 : place.last]) + "\n"
        numbers = {float(text) for text in re.findall(r"\d*\.?\d+", told)}
        for error in each.errors:
            for value in (error.logprob, error.top1, error.top5):
                assert value is None or value in numbers or round(100 * value, 6) in numbers, (each.id, value)
        for text in (each.checkpoint, *each.logs, *each.machines):
            assert text in told, (each.id, text)
        places = {(int(a), int(b or 0)) for a, b in re.findall(r"(\d+)(?:\.(\d+))?", told)}
        for change in each.schedule:
            assert change.epoch is None or (change.epoch, change.batch or 0) in places, (each.id, change)
        assert not each.network or (releases / "alexnet" / each.network).is_file(), each.id


@pytest.mark.release
def test_every_note_of_a_parameter_file_belongs_to_a_run(notebook, releases):
    told = {
        (place.file, line)
        for each in notebook
        for place in each.told_in
        for line in range(place.first, place.last + 1)
    }
    files = sorted((releases / "alexnet").glob("*layers*/layer-params*"))
    assert len(files) > 90
    for path in files:
        name = path.relative_to(releases / "alexnet").as_posix()
        for i, line in enumerate(_lines(path), 1):
            if re.match(r"\s*#.*\w", line):
                assert (name, i) in told, (name, i)


def _lines(path):
    return path.read_text(encoding="utf-8", errors="replace").split("\n")


def _told(releases, run):
    """The lines that tell of a run, a list for each place."""
    places = ((_lines(releases / "alexnet" / place.file), place) for place in run.told_in)
    return [lines[place.first - 1 : place.last] for lines, place in places]


NAMES = {
    **dict.fromkeys(("epsw", "epstw", "epw"), "epsW"),
    **dict.fromkeys(("color noise", "color (brightness) noise", "brightness noise of"), "color_noise"),
    "fade prob": "fade_prob",
    "mini": "mini",
    "wc": "wc",
}
"""What the notes call a parameter, in lower case."""

_NUMBER = r"(\d[\d.]*)"
_LAYERS = r"((?:conv|fc)\d*(?:[,/] ?(?:conv|fc)?\d+(?![\d.]))*)"
_CHANGE = re.compile(
    rf"(?:{_LAYERS} )?({'|'.join(map(re.escape, NAMES))})(?: {_LAYERS})?(?: to| ot)? +{_NUMBER}"
    rf"(?: from {_NUMBER})?(?: on {_LAYERS})?(?:, {_NUMBER} elsewhere)?"
)


def _layers(text):
    """`conv1/2` is conv1 and conv2."""
    return (
        tuple(re.sub(r"[,/] ?(?=\d)", ",conv", text).replace("/", ",").replace(" ", "").split(","))
        if text
        else ()
    )


def noted(lines):
    """(epoch, batch, name, value, was, layers) of the changes that notes tell with the epoch."""
    when = None
    for line in lines:
        if found := re.search(r"epoch +(\d+)(?:\.(\d+))?:", line.lower()):
            when = int(found[1]), int(found[2] or 0)
        elif not re.match(r"#\s{3,}", line):  # what is set in goes on
            when = None
        if when:
            for before, name, behind, value, was, on, elsewhere in _CHANGE.findall(line.lower()):
                layers = _layers(before or behind or on)
                yield *when, NAMES[name], float(value), float(was) if was else None, layers
                if elsewhere:
                    yield *when, NAMES[name], float(elsewhere), None, ()


TOLD_OTHERWISE = {
    "120-4gpu": {(22, 0, "epsW", 0.001, 0.01, ()), (49, 0, "epsW", 0.0001, 0.001, ())},  # by run4.sh
    "170-contfade": {(107, 0, "color_noise", 0.1, None, ()), (137, 0, "fade_prob", 0, None, ())},
}
"""Changes that no line tells in the words that `noted` reads."""


@pytest.mark.release
def test_changes_are_those_of_the_notes_with_epoch_values_and_layers(notebook, releases):
    read = 0
    for each in notebook:
        here = {
            (change.epoch, change.batch or 0, name, value, change.was.get(name), change.layers)
            for change in each.schedule
            if change.epoch is not None and "from the sections" not in change.note
            for name, value in change.set.items()
            if name in NAMES.values()
        }
        told = {change for lines in _told(releases, each) for change in noted(lines)}
        assert here - TOLD_OTHERWISE.get(each.id, set()) == told, each.id
        read += len(told)
    assert read > 270


def _sections(path):
    """The sections of a parameter file: names in lower case, and their values as they are written."""
    found, section = {}, {}
    for line in _lines(path):
        if heading := re.match(r"\[(\w+)\]", line):
            section = found.setdefault(heading[1], {})
        elif pair := re.match(r"(\w+)\s*=\s*(\S+)", line):
            section[pair[1].lower()] = pair[2]
    return found


@pytest.mark.release
def test_values_from_the_sections_are_those_of_all_layers_that_still_learn(notebook, releases):
    changes = [
        (each, change) for each in notebook for change in each.schedule if "from the sections" in change.note
    ]
    assert len(changes) > 30
    for each, change in changes:
        sections = _sections(releases / "alexnet" / each.told_in[0].file)
        for name, value in change.set.items():
            written = [
                section[name.lower()]
                for layer, section in sections.items()
                if name.lower() in section and layer in (change.layers or sections)
            ]
            if not isinstance(value, str):
                written = [
                    float(one) for text in written for one in text.split(",") if float(one) or not value
                ]
            assert set(written) == {value}, (each.id, name)


@pytest.mark.release
def test_values_at_a_start_or_at_an_epoch_that_is_not_told_stand_in_the_notes(notebook, releases):
    changes = [
        (each, change)
        for each in notebook
        for change in each.schedule
        if change.epoch is None and "from the sections" not in change.note
    ]
    assert len(changes) > 20
    for each, change in changes:
        ids = (each.id, "170-fade-0.15") if each.id == "170-fade" else (each.id,)  # as its note says
        told = " ".join(line for run in ids for lines in _told(releases, notebook[run]) for line in lines)
        numbers = {
            float(number) / (100 if percent else 1)
            for number, percent in re.findall(r"(?<![\w.])(\d*\.?\d+)(%?)", told)
        }
        assert {*change.set.values(), *change.was.values()} <= numbers, each.id


def links(svg):
    return set(re.findall(r'<a href="#([^"]+)"', svg))


def test_the_tree_links_to_every_run_and_names_those_without_notes(notebook):
    svg = tree_svg(notebook)
    ET.fromstring(svg)
    assert len(svg.encode()) < 120_000
    assert links(svg) == {anchor(each.id) for each in notebook}
    for name in notebook.only_named:
        assert f">{name}</text>" in svg


def test_the_errors_link_to_every_run_with_one(notebook):
    svg = errors_svg(notebook)
    ET.fromstring(svg)
    assert len(svg.encode()) < 120_000
    with_error = {each.id for each in notebook if each.best("top1") or each.best("top5")}
    assert links(svg) == {anchor(name) for name in with_error}


def test_pictures_in_a_page_take_its_colours(notebook):
    for svg in (tree_svg(notebook), errors_svg(notebook)):
        assert set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) <= {
            "none",
            *(f"var(--{name})" for name in ("ink", "soft", "line", "a", "b", "cross", "paper")),
        }


def words(drawing):
    return [part for group in drawing.groups for part in group.parts if isinstance(part, Words)]


def dots(drawing):
    return [part for group in drawing.groups for part in group.parts if isinstance(part, Dot)]


def test_the_tree_has_a_row_for_each_run_below_what_it_comes_from(notebook):
    drawing = tree_drawing(notebook)
    places = {part.text: part for part in words(drawing)}
    family = Family(notebook.experiments)
    assert len({places[name].y for name in family.ids}) == len(family.ids)
    for edge in family.closest.values():
        assert places[edge.child].y > places[edge.parent].y
        assert places[edge.child].x > places[edge.parent].x


def dot_of(drawing, run):
    """The dot of a run in the tree."""
    (group,) = (each for each in drawing.groups if each.link == f"#{anchor(run)}")
    (dot,) = (part for part in group.parts if isinstance(part, Dot))
    return dot


def test_in_the_tree_runs_with_an_error_are_discs_others_rings_and_those_of_the_paper_diamonds(notebook):
    drawing = tree_drawing(notebook)
    shown = {each.id: dot_of(drawing, each.id) for each in notebook}
    assert {name for name, dot in shown.items() if dot.hollow} == {r.id for r in notebook if not r.errors}
    assert {name for name, dot in shown.items() if dot.square} == set(PAPER_RUNS)


def test_the_lines_of_the_tree_tell_how_a_run_comes_from_another():
    """The closest kind by its colour and its dash, around a corner; the others straight, in short dashes."""
    runs = [
        run("1"),
        run("2", continues="1"),
        run("3", initialised_from="1"),
        run("4", based_on="1", initialised_from="3"),
    ]
    drawing = tree_drawing(runs)
    names = {(dot.x, dot.y): name for name in "1234" for dot in [dot_of(drawing, name)]}
    lines = [part for group in drawing.groups for part in group.parts if isinstance(part, Line)]
    assert {
        (names[line.points[0]], names[line.points[-1]]): (line.colour, line.dash, len(line.points))
        for line in lines
        if line.points[0] in names
    } == {
        ("1", "2"): ("b", "", 3),
        ("1", "3"): ("cross", "5 2", 3),
        ("3", "4"): ("cross", "5 2", 3),
        ("1", "4"): ("soft", "2 3", 2),
    }
    closest = tree_drawing([run("1"), run("2", based_on="1")])
    (line,) = (p for g in closest.groups for p in g.parts if isinstance(p, Line) and len(p.points) == 3)
    assert (line.colour, line.dash) == ("soft", "")


def legend(drawing):
    """What the mark before each word says, of all that is no link: {word: mark}."""
    free = [part for group in drawing.groups if not group.link for part in group.parts]
    pairs = ((mark, part) for mark, part in pairwise(free) if isinstance(part, Words))
    return {part.text: mark for mark, part in pairs if not isinstance(mark, Words)}


def test_the_legend_of_the_tree_has_the_marks_of_its_runs_and_lines(notebook):
    found = legend(tree_drawing(notebook))
    lines = {text: (mark.colour, mark.dash) for text, mark in found.items() if isinstance(mark, Line)}
    assert {text: lines[text] for text in KINDS.values()} == {
        "went on from": ("b", ""),
        "took weights from": ("cross", "5 2"),
        "set against": ("soft", ""),
    }
    marks = ("an error is told", "none is", "a run of the paper")
    assert [(found[text].hollow, found[text].square) for text in marks] == [
        (False, False),
        (True, False),
        (False, True),
    ]


COLOURS = {
    "ILSVRC-2010": "a",
    "ILSVRC-2012": "b",
    "ILSVRC-2012-full": "ink",
    "ImageNet-2009-10k": "cross",
    "ImageNet-2011-20k": "cross",
    **dict.fromkeys(("ImageNet-16k", "Flickr", "CIFAR-10", "unknown"), "soft"),
}


@pytest.fixture(scope="module")
def one_of_each():
    """Errors of a run of each dataset, over ten views, over the centre and over views that are not told."""
    started = datetime(2012, 6, 2)
    errors = tuple(
        Error(views=views, set="test", top1=top1)
        for views, top1 in (("ten", 0.4), ("centre", 0.42), ("not told", 0.44))
    )
    names = [*map(str, range(301, 300 + len(DATASETS))), PAPER_RUNS[0]]
    runs = [
        run(name, dataset=dataset, started=started, errors=errors)
        for name, dataset in zip(names, DATASETS, strict=True)
    ]
    return runs, errors_drawing(runs)


def test_an_error_has_the_colour_of_its_dataset_and_the_mark_of_its_views(one_of_each):
    runs, drawing = one_of_each
    assert set(COLOURS) == set(DATASETS)
    for each in runs:
        (group,) = (group for group in drawing.groups if group.link == f"#{anchor(each.id)}")
        line, *marks = group.parts[:4]
        assert {part.colour for part in (line, *marks)} == {COLOURS[each.dataset]}
        assert [(mark.hollow, mark.radius > 3) for mark in marks] == [
            (False, True),  # ten views
            (True, True),  # the centre
            (False, False),  # not told
        ]
        assert {mark.square for mark in marks} == {each.id == PAPER_RUNS[0]}


def test_the_legend_of_the_errors_has_the_marks_of_datasets_and_views(one_of_each):
    found = legend(one_of_each[1])
    datasets = {name: mark.colour for text, mark in found.items() for name in text.split(", ")}
    assert {name: datasets[name] for name in DATASETS} == COLOURS
    marks = ("ten views", "centre view", "not told", "a run of the paper")
    assert [(found[text].hollow, found[text].radius > 3, found[text].square) for text in marks] == [
        (False, True, False),
        (True, True, False),
        (False, False, False),
        (False, True, True),
    ]


def test_later_runs_stand_to_the_right():
    drawing = tree_drawing([run("1", started=datetime(2012, 6, 2)), run("2", started=datetime(2012, 9, 2))])
    first, second = (part for part in words(drawing) if part.text in ("1", "2"))
    assert second.x - first.x > 300


def test_labels_of_errors_do_not_overlap(notebook):
    drawing = errors_drawing(notebook)
    names = {each.id for each in notebook}
    labels = [part for part in words(drawing) if part.text in names]
    boxes = [(p.x, p.y - 9, p.x + 0.55 * p.size * len(p.text), p.y + 1) for p in labels]
    for i, a in enumerate(boxes):
        assert a[0] >= LEFT
        assert a[2] <= RIGHT
        for b in boxes[:i]:
            assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), (a, b)
    assert set(PAPER_RUNS) <= {part.text for part in labels if part.bold}


def test_every_error_is_named_also_where_one_dataset_is_drawn(notebook):
    chosen = [[run for run in notebook if run.dataset == dataset and run.started] for dataset in DATASETS]
    for runs in [list(notebook), *(each for each in chosen if any(run.errors for run in each))]:
        for group in errors_drawing(runs).groups:
            kinds = {type(part) for part in group.parts}
            assert not group.link or Dot not in kinds or Words in kinds, group.title


def test_the_errors_say_whose_date_a_run_has(notebook):
    (said,) = (part.text for part in words(errors_drawing(notebook)) if "folder" in part.text)
    assert said == "By the day of the start; a run in another's folder has that folder's date."
    apart = notebook["145-continued"]
    assert apart.started == notebook["145"].started
    assert apart.checkpoint != notebook["145"].checkpoint


def test_a_run_that_is_told_and_not_drawn_has_a_dot_of_its_own(notebook):
    drawing = tree_drawing([notebook["145"], notebook["2009-101"]], {run.id for run in notebook})
    places = {part.text: part for part in words(drawing)}
    (told,) = (dot for dot in dots(drawing) if dot.y == places["137"].y - 4)
    (named,) = (dot for dot in dots(drawing) if dot.y == places["101"].y - 4)
    assert (told.hollow, named.hollow) == (True, False)
    assert {"not chosen", "only named by others"} <= set(places)
    assert "not chosen" not in {part.text for part in words(tree_drawing(notebook))}


def test_lower_errors_stand_lower_and_far_ones_in_a_part_of_their_own(notebook):
    near = notebook["145"]
    runs = [near] + [
        replace(near, id=name, errors=(replace(near.errors[0], top1=top1),))
        for name, top1 in (("145-x", 0.42), ("145-y", 0.7))
    ]
    drawing = errors_drawing(runs)
    dots = [[part for part in group.parts if isinstance(part, Dot)] for group in drawing.groups if group.link]
    y_145, y_x, y_y = (group[0].y for group in dots[:3])
    assert y_145 > y_x > y_y
    assert (
        60 < (y_145 - y_x) / 1.336 < 350
    )  # points a percentage point: the far one does not press the others


def test_an_error_without_a_date_is_named_below(notebook):
    undated = replace(notebook["145"], started=None)
    drawing = errors_drawing([undated, notebook["147"]])
    assert "No date is told of" in {part.text for part in words(drawing)}
    assert links(drawing.inline("x")) == {"run-145", "run-147"}


@pytest.fixture
def drawing():
    made = Drawing(100, 40, "A line & more")
    made.add(Line(((10, 10), (90, 10)), "soft", 1, "4 3"), Dot(20, 20, 4, "a", hollow=True))
    made.add(Dot(40, 20, 4, "b", square=True))
    with made.group("#run-1", "one < two") as parts:
        parts.append(Words(10, 35, "a & b", bold=True, after="more"))
    return made


def test_a_drawing_in_a_page_is_linked_and_titled(drawing):
    root = ET.fromstring(drawing.inline("some"))
    assert (root.get("class"), root.get("aria-label")) == ("some", "A line & more")
    link = root.find("a")
    assert link.get("href") == "#run-1"
    assert link.find("title").text == "one < two"
    assert "".join(link.find("text").itertext()) == "a & bmore"


def test_in_a_page_a_ring_is_filled_with_paper_a_diamond_is_a_path_and_a_line_has_its_dashes(drawing):
    root = ET.fromstring(drawing.inline("some"))
    line, diamond = root.findall("path")
    assert line.get("stroke-dasharray") == "4 3"
    assert (diamond.get("fill"), diamond.get("stroke-dasharray")) == ("var(--b)", None)
    (ring,) = root.findall("circle")
    assert (ring.get("fill"), ring.get("stroke")) == ("var(--paper)", "var(--a)")


def test_a_picture_has_dashes_rings_discs_and_diamonds(tmp_path):
    pytest.importorskip("matplotlib")
    from matplotlib.image import imread

    made = Drawing(120, 60, "Marks.")
    made.add(Line(((10, 10), (110, 10)), "a", 2), Line(((10, 20), (110, 20)), "a", 2, "4 3"))
    made.add(Dot(20, 45, 8, "a"), Dot(60, 45, 8, "a", hollow=True), Dot(100, 45, 8, "a", square=True))
    made.save(tmp_path / "marks.png")
    pixels = imread(tmp_path / "marks.png")[..., :3]

    def painted(x, y):
        """Whether the place in points has the colour, and not that of the paper."""
        colours = [bytes.fromhex(COLOURS_OF_A_FILE[name][1:]) for name in ("a", "paper")]
        at = 255 * pixels[int(PIXELS_PER_POINT * y), int(PIXELS_PER_POINT * x)]
        far = [abs(at - list(colour)).sum() for colour in colours]
        return far[0] < far[1]

    xs = [10.25 + 0.5 * i for i in range(200)]
    assert all(painted(x, 10) for x in xs)
    assert sum(painted(x, 20) for x in xs) == pytest.approx(200 * 4 / 7, abs=12)
    assert [painted(x, 45) for x in (20, 60, 100)] == [True, False, True]
    assert [painted(x, 45 - 8) for x in (20, 60, 100)] == [True, True, True]
    assert [painted(x, 45 - 9.2) for x in (20, 60, 100)] == [False, False, True]


@pytest.mark.parametrize(("ending", "start"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_drawing_is_written_as_its_name_says_with_the_same_bytes_each_time(
    drawing, tmp_path, ending, start
):
    if ending != "svg":
        pytest.importorskip("matplotlib")
    paths = [tmp_path / f"{i}.{ending}" for i in range(2)]
    for path in paths:
        drawing.save(path)
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(start)
    assert first == second
    assert b"var(--" not in first
    assert b"#run-1" not in first


def test_other_kinds_of_drawing_are_refused(drawing, tmp_path):
    with pytest.raises(ConvnetError, match=r"x\.gif: drawings are written as \.svg, \.png or \.pdf"):
        drawing.save(tmp_path / "x.gif")
    with pytest.raises(ConvnetError, match=r"x\.svg: cannot be written: No such file"):
        drawing.save(tmp_path / "nowhere" / "x.svg")
