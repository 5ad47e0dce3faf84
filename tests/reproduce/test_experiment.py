"""experiment.toml, and what is said of mistakes in it."""

import pytest

from alexnet2012 import experiments
from alexnet2012.experiment import RecordedExperiment, read_experiment
from cuda_convnet.config import read_network
from cuda_convnet.config.specs import WeightLayerSpec
from cuda_convnet.errors import ConfigError

GOOD = """
title = "Small"
[data]
source = "digits"
size = 8
border = 1
[wanted]
accuracy = 0.5
[training]
epochs = 2
seed = 7
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "experiment.toml").write_text(text)
        return str(tmp_path)

    return write


def test_a_folder_is_an_experiment(write, tmp_path):
    experiment = read_experiment(write(GOOD))
    assert experiment.name == tmp_path.name
    assert experiment.reference == str(tmp_path)
    assert experiment.data == {"size": 8, "border": 1}
    assert (experiment.wanted, experiment.recipe.epochs, experiment.recipe.seed) == (0.5, 2, 7)


def test_a_seed_that_is_given_takes_the_place_of_the_recipes(write):
    assert read_experiment(write(GOOD), seed=9).recipe.seed == 9


def test_an_unknown_experiment_is_told_what_there_is():
    with pytest.raises(
        ConfigError,
        match=r"^no experiment 'nonesuch' to reproduce; there are 145, digits, or name a folder with",
    ):
        read_experiment("nonesuch")


def test_a_network_without_a_recipe_is_not_an_experiment():
    with pytest.raises(
        ConfigError, match="no experiment 'cifar10-80sec' to reproduce; there are 145, digits"
    ):
        read_experiment("cifar10-80sec")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("title = ", "titel = "), r"experiment.toml: an experiment needs 'title'; add it"),
        (('"Small"', "3"), r"experiment.toml: title must be a text, not 3"),
        (("[data]", "[date]"), r"experiment.toml: an experiment needs 'data'; add it"),
        (("[data]", "more = 1\n[data]"), r"experiment.toml: an experiment has no 'more'; it has title, data"),
        (("size = 8", 'size = "8"'), r"experiment.toml: size in \[data\] must be a whole number, not '8'"),
        (("size = 8", "sizes = 8"), r"experiment.toml: \[data\] has no 'sizes'; it has source, size"),
        (('"digits"', '"letters"'), r"source in \[data\] must be 'digits' or 'folder', not 'letters'"),
        (("accuracy = 0.5", "accuracy = 50"), r"accuracy in \[wanted\] must be a number from 0 to 1, not 50"),
        (("accuracy = 0.5", ""), r"experiment.toml: \[wanted\] needs 'accuracy'; add it"),
        (("epochs = 2", "epoch = 2"), r"experiment.toml: \[training\]: the recipe has no 'epoch'"),
        (("epochs = 2", "epochs = "), r"experiment.toml: not TOML: .*line 10"),
        (('title = "Small"', 'title = "Small"\ndata = 1\n[more]'), r"experiment.toml: not TOML: "),
        (("[wanted]\naccuracy = 0.5", "wanted = 1"), r"experiment.toml: .* needs 'wanted'; add it"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_file_and_the_mend(write, change, message):
    folder = write(GOOD.replace(*change))
    with pytest.raises(ConfigError, match=message) as error:
        read_experiment(folder)
    assert "\n" not in str(error.value)


# --- an experiment whose outcome is recorded ----------------------------------------------------------------
def test_run_145_is_told_as_the_notes_of_2012_tell_it():
    what = read_experiment("145")
    assert isinstance(what, RecordedExperiment)
    assert (what.classes, what.train_images, what.image_size) == (1000, 1_281_167, 256)
    assert what.data_dims == {0: 3 * 224 * 224, 1: 1}
    recorded = what.recorded
    assert (recorded.logprob, recorded.top1_error, recorded.top5_error) == (1.741473, 0.406640, 0.182100)
    assert (recorded.test_images, recorded.views) == (50_000, 10)
    assert recorded.where == "alexnet:layers/layer-params-145.cfg"
    assert 0 < what.within <= 0.01
    recipe = what.recipe
    assert (recipe.epochs, recipe.minibatch, recipe.crop_border, recipe.color_noise) == (90, 128, 16, 0.1)
    assert not recipe.multiview_test


def test_the_schedule_of_run_145_begins_high_and_ends_with_its_parameter_file():
    what = read_experiment("145")
    end = read_network(*what.files)
    spec_at = {epoch: what.recipe.spec_at(end, epoch) for epoch in range(1, 91)}
    rates = {
        epoch: (spec["conv1a"].eps_w[0], spec["conv2b"].eps_w[0], spec["fc1000"].eps_w[1])
        for epoch, spec in spec_at.items()
    }
    changed = [epoch for epoch in range(2, 91) if rates[epoch] != rates[epoch - 1]]
    assert changed == [25, 51, 67, 72, 79]
    assert [rates[epoch] for epoch in (1, *changed)] == [
        (0.01, 0.01, 0.01),
        (0.001, 0.001, 0.001),
        (0.0001, 0.0001, 0.0001),
        (0.00001, 0.0001, 0.0001),
        (0.0, 0.0001, 0.0001),
        (0.0, 0.00001, 0.00001),
    ]
    noise = [what.recipe.color_noise_at(epoch) for epoch in range(1, 91)]
    assert noise == [0.1] * 66 + [0.0] * 24
    assert {s.eps_b for s in spec_at[1] if isinstance(s, WeightLayerSpec)} == {0.02}
    assert spec_at[90].layers == end.layers
    what.recipe.check(end)


RECORDED = (experiments.path("145") / "experiment.toml").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[recorded]", "[recorder]"), r"experiment.toml: an experiment needs 'recorded'; add it"),
        (("views = 10\n", ""), r"experiment.toml: \[recorded\] needs 'views'; add it"),
        (("views = 10", "views = 0"), r"views in \[recorded\] must be a whole number of at least 1, not 0"),
        (
            ("days = [5, 6]", "days = 6"),
            r"days in \[recorded\] must be a pair of numbers, from and to, not 6",
        ),
        (("days = [5, 6]", "days = [6, 5]"), r"days in \[recorded\] must be a pair of numbers, from and to"),
        (("0.406640", "40.6640"), r"top1_error in \[recorded\] must be a number from 0 to 1, not 40.664"),
        (("within = 0.01", "accuracy = 0.5"), r"experiment.toml: \[wanted\] needs 'within'; add it"),
        (("classes = 1000", "classes = true"), r"classes in \[data\] must be a whole number of at least 1"),
        (("classes = 1000", "size = 16"), r"experiment.toml: \[data\] needs 'classes'; add it"),
        (("classes = 1000", "classes = 1\nsize = 16"), r"\[data\] has no 'size'; it has source, made_by"),
    ],
)
def test_a_mistake_in_a_recorded_experiment_is_one_line(write, change, message):
    assert change[0] in RECORDED
    folder = write(RECORDED.replace(*change))
    with pytest.raises(ConfigError, match=message) as error:
        read_experiment(folder)
    assert "\n" not in str(error.value)
