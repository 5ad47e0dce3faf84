"""Training recipes: frequencies, schedules of changes, and what is said about mistakes."""

import pytest

from cuda_convnet.errors import ConfigError
from cuda_convnet.recipe import Change, Every, TrainingRecipe
from tiny_run import network


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("50", "50 batches"),
        (50, "50 batches"),
        ("1 batch", "1 batch"),
        ("2 epochs", "2 epochs"),
        ("1 epoch", "1 epoch"),
        ("never", "never"),
        ("0", "never"),
    ],
)
def test_a_frequency_is_written_in_words(written, told):
    assert str(Every.parse(written)) == told
    assert Every.parse(told) == Every.parse(written)


@pytest.mark.parametrize("text", ["", "often", "-1", "0 epochs", "1.5", "2 weeks", "2 epochs or so"])
def test_other_words_are_no_frequency(text):
    with pytest.raises(ValueError, match="is not a number of batches"):
        Every.parse(text)


def due(every, epochs=4, batches=3):
    moments = ((epoch, batch) for epoch in range(1, epochs + 1) for batch in range(1, batches + 1))
    return [moment for moment in moments if Every.parse(every).is_due(*moment, batches)]


def test_a_frequency_in_batches_counts_on_through_the_epochs():
    assert due("5") == [(2, 2), (4, 1)]


def test_a_frequency_in_epochs_means_their_last_batches():
    assert due("2 epochs") == [(2, 3), (4, 3)]


def test_never_is_never():
    assert due("never") == []


FULL = {
    "epochs": 90,
    "minibatch": 64,
    "test_every": "50 batches",
    "save_every": "1 epoch",
    "seed": 2**63 - 1,
    "wupdate_freq": 2,
    "crop_border": 16,
    "color_noise": 0.1,
    "scalar_mean": True,
    "multiview_test": True,
    "keep": 3,
    "keep_epochs": [25, 51],
    "schedule": [
        {"epoch": 25, "multiply": {"epsW": 0.1, "epsB": 0.1}},
        {"epoch": 67, "layers": ["conv1"], "set": {"epsW": 0}, "color_noise": 0},
    ],
    "conv_to_local": ["conv1"],
    "unshare_weights": ["fc4[0]"],
}


def test_a_recipe_is_made_of_plain_values_and_goes_back_to_them():
    recipe = TrainingRecipe.from_dict(FULL)
    assert recipe.test_every == Every(50)
    assert recipe.schedule[1] == Change(67, ("conv1",), {"epsW": 0.0}, {}, 0.0)
    assert TrainingRecipe.from_dict(recipe.to_dict()) == recipe
    assert TrainingRecipe.from_dict({}) == TrainingRecipe()


def test_the_defaults_are_those_of_2012_where_it_had_any():
    recipe = TrainingRecipe()
    assert (recipe.minibatch, recipe.wupdate_freq, recipe.color_noise) == (128, 1, 0)
    assert not recipe.multiview_test
    assert not recipe.scalar_mean


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "x.toml: the recipe has no 'epoch'; it has epochs, minibatch, "),
        ({"epochs": 0}, "x.toml: epochs must be a whole number of at least 1, not 0"),
        ({"epochs": True}, "x.toml: epochs must be a whole number of at least 1, not True"),
        ({"epochs": 1.5}, "x.toml: epochs must be a whole number of at least 1, not 1.5"),
        ({"color_noise": "much"}, "x.toml: color_noise must be a number of at least 0, not 'much'"),
        ({"color_noise": float("nan")}, "x.toml: color_noise must be a number of at least 0, not nan"),
        ({"scalar_mean": 1}, "x.toml: scalar_mean must be true or false, not 1"),
        ({"test_every": "often"}, "x.toml: test_every must be a number of batches, 'N epochs'"),
        ({"conv_to_local": "conv1"}, "x.toml: conv_to_local must be a list of names of layers"),
        ({"keep_epochs": [0]}, "x.toml: keep_epochs must be a list of epochs, counted from 1"),
        ({"seed": -1}, "x.toml: seed must be a whole number of at least 0"),
        ({"schedule": {"epoch": 3}}, "x.toml: schedule must be a list of changes"),
        ({"schedule": [{"set": {}}]}, "x.toml: change 1 of the schedule: epoch is missing"),
        ({"schedule": [{"epoch": 2, "eps": 1}]}, "x.toml: change 1 of the schedule: a change has no 'eps'"),
        (
            {"schedule": [{"epoch": 1}, {"epoch": 2, "set": {"eps": 1}}]},
            "x.toml: change 2 of the schedule: set must be a table of numbers of at least 0 under",
        ),
        (
            {"schedule": [{"epoch": 2, "multiply": {"epsW": -1}}]},
            "x.toml: change 1 of the schedule: multiply",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value),
)
def test_a_mistake_is_told_in_one_line_with_its_place_and_the_mend(values, message):
    with pytest.raises(ConfigError) as error:
        TrainingRecipe.from_dict(values, "x.toml")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_schedule_that_names_no_layer_of_the_network_is_refused():
    spec = network()
    for name, what in (("conv7", "there is no layer 'conv7'"), ("hs1", "no weights are in layer 'hs1'")):
        recipe = TrainingRecipe(schedule=(Change(4, (name,), {"epsW": 0.0}),))
        with pytest.raises(ConfigError, match=f"schedule, epoch 4: {what}; layers with weights: conv1, fc4"):
            recipe.check(spec)


def test_changes_apply_one_after_the_other_from_their_epochs_on():
    spec = network()
    recipe = TrainingRecipe(
        color_noise=0.1,
        schedule=(
            Change(5, ("fc4",), {"momB": 0.5}, {"epsW": 0.5}),
            Change(3, (), {"epsB": 0.25, "wc": 0.0}, {"epsW": 0.5}, color_noise=0.0),
        ),
    )
    assert recipe.spec_at(spec, 2) == spec
    third, fifth = recipe.spec_at(spec, 3), recipe.spec_at(spec, 6)
    assert [third[name].eps_w for name in ("conv1", "fc4")] == [(5e-6,), (5e-4,)]
    assert [third[name].eps_b for name in ("conv1", "fc4")] == [0.25, 0.25]
    assert third["conv1"].wc == (0.0,)
    assert [fifth[name].eps_w for name in ("conv1", "fc4")] == [(5e-6,), (2.5e-4,)]
    assert [fifth[name].mom_b for name in ("conv1", "fc4")] == [0.9, 0.5]
    assert [recipe.color_noise_at(epoch) for epoch in (1, 2, 3, 9)] == [0.1, 0.1, 0.0, 0.0]
