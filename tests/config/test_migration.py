"""Files of earlier versions: what they said is what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infogan.config import Schedule, parse
from infogan.errors import ConfigError

VERSION_1 = """
version = 1
preset = "svhn"

[data]
# path is not set
source = "svhn"
size = 32
channels = 3

[latents]
noise = 124
noise_prior = "uniform"

[latents.codes.kind1]
# info_weight is not set
size = 10
dim = 1
prior = "uniform"
entropy_floor = 0.7
learned_from = 200
kind = "categorical"

[latents.codes.style1]
low = -1.0
high = 1.0
dim = 1
info_weight = 0.2
kind = "uniform"

[latents.codes.style1.posterior]
family = "gaussian"
std = "learned"
std_min = 0.1
std_max = 2.0

[network]
architecture = "generic"
normalization = "spectral"
spectral_bound = 1.5
spectral_recognition = false
width = 0.5
recognition_std = 0.08

[objective]
info_weight = 0.1
generator_information = true
real_information_weight = 0.1
neighbours = 10
neighbour_share = 0.0
marginal_weight = 2.0
subcode_weight = 0.5
mode_seeking_weight = 0.005
mode_seeking_start = 100
mode_seeking_full = 600
contrastive_weight = 2.0
contrastive_start = 900

[augmentation]
rotation = 5.0
shift = 0.05
scale = 0.1
shear = 0.05
flip = false
brightness = 0.0
contrast = 0.0
pixel_noise = 0.0
everything = false
code_noise = 1.5
code_noise_last = 0.4
code_noise_start = 1500
code_noise_end = 2500

[training]
recipe = "robust"
steps = 6000
batch_size = 128
learning_rate_discriminator = 0.001
learning_rate_generator = 0.001
beta1 = 0.5
generator_updates = 1
decay_start = 3000
decay_end = 6000
decay_to = 0.02
remedy_start = 500
remedy_end = 2000
remedy_every = 50
remedy_components = 20
seed = 3
seeds_drop = [1250, 2250]
ema_decay = 0.0
ema_start = 0
save_every = 500
keep = 2
sample_every = 500
precision = "auto"
device = "auto"
"""


def test_a_whole_file_of_version_1_is_read() -> None:
    config = parse(VERSION_1, "config.toml")
    objective, policy, training = config.objective, config.augmentation, config.training
    assert config.version == 3
    assert config.network.recognition_init_std == 0.08
    assert objective.mode_seeking_weight == Schedule.of([[100, 0.0], [600, 0.005]])
    assert objective.contrastive_weight == Schedule.of([[900, 0.0], [900, 2.0]])
    assert (objective.real_information_weight, objective.subcode_weight) == (
        Schedule.of(0.1),
        Schedule.of(0.5),
    )
    assert policy.code_noise == Schedule.of([[1500, 1.5], [2500, 0.4]])
    assert policy.all_images is False
    assert training.learning_rate_schedule == Schedule.of([[3000, 1.0], [6000, 0.02]])
    repair = (training.repair_start, training.repair_end, training.repair_every, training.repair_components)
    assert repair == (500, 2000, 50, 20)
    assert training.prune_steps == (1250, 2250)


@pytest.mark.parametrize(
    ("changed", "section", "key", "schedule"),
    [
        ({"decay_end = 6000": "decay_end = 0"}, "training", "learning_rate_schedule", 1.0),
        ({"contrastive_start = 900": "contrastive_start = 0"}, "objective", "contrastive_weight", 2.0),
        ({"contrastive_weight = 2.0": ""}, "objective", "contrastive_weight", 0.0),
        (
            {"mode_seeking_start = 100": "", "mode_seeking_full = 600": ""},
            "objective",
            "mode_seeking_weight",
            0.005,
        ),
        ({"mode_seeking_start = 100": ""}, "objective", "mode_seeking_weight", [[0, 0.0], [600, 0.005]]),
        ({"code_noise_last = 0.4": ""}, "augmentation", "code_noise", 1.5),
    ],
)
def test_what_version_1_left_constant_stays_constant(
    changed: Mapping[str, str], section: str, key: str, schedule: Any
) -> None:
    text = VERSION_1
    for old, new in changed.items():
        text = text.replace(old, new)
    assert getattr(getattr(parse(text, "config.toml"), section), key) == Schedule.of(schedule)


def test_version_1_with_a_learned_prior_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="no longer supports"):
        parse(VERSION_1.replace('prior = "uniform"', 'prior = "learned"'), "config.toml")


def test_version_2_does_not_know_the_old_keys() -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        parse(VERSION_1.replace("version = 1", "version = 2"), "config.toml")


def test_version_2_had_one_split_only() -> None:
    """Runs of earlier releases recorded none: without it, their test images would become others."""
    text = '[data]\nsource = "folder"\n[latents.codes.digit]\nkind = "categorical"\nsize = 10\n'
    assert parse(f"version = 2\n{text}", "config.toml").data.split_version == 1
    assert parse(f"version = 3\n{text}", "config.toml").data.split_version is None


def test_a_file_without_version_is_read_as_the_version_whose_keys_it_has() -> None:
    old = 'data.source = "digits"\nlatents.codes.digit = { kind = "categorical", size = 4 }\n'
    assert parse(f"{old}network.recognition_std = 0.5\n", "old.toml").network.recognition_init_std == 0.5
    falling = parse(f"{old}training = {{ decay_start = 2, decay_end = 4, decay_to = 0.5 }}\n", "old.toml")
    assert falling.training.learning_rate_schedule.at(4) == 0.5
    new = parse(f"{old}network.recognition_init_std = 0.25\n", "new.toml")
    assert new.network.recognition_init_std == 0.25
