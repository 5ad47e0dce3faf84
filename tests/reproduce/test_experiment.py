"""experiment.toml, and what is said of mistakes in it."""

import pytest

from alexnet2012.experiment import read_experiment
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
        ConfigError, match=r"^no experiment 'nonesuch' to reproduce; there is digits, or name a folder with"
    ):
        read_experiment("nonesuch")


def test_a_network_without_a_recipe_is_not_an_experiment():
    with pytest.raises(ConfigError, match="no experiment '145' to reproduce; there is digits"):
        read_experiment("145")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("title = ", "titel = "), r"experiment.toml: an experiment needs 'title'; add it"),
        (('"Small"', "3"), r"experiment.toml: title must be a text, not 3"),
        (("[data]", "[date]"), r"experiment.toml: an experiment needs 'data'; add it"),
        (("[data]", "more = 1\n[data]"), r"experiment.toml: an experiment has no 'more'; it has title, data"),
        (("size = 8", 'size = "8"'), r"experiment.toml: size in \[data\] must be a whole number, not '8'"),
        (("size = 8", "sizes = 8"), r"experiment.toml: \[data\] has no 'sizes'; it has source, size"),
        (('"digits"', '"letters"'), r"experiment.toml: source in \[data\] must be 'digits', not 'letters'"),
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
