"""The configuration: what it takes, what it refuses and with which words, and that it survives its file."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from infogan import api, cli, presets, recipes
from infogan.config import (
    CONTINUOUS_WEIGHT,
    Bernoulli,
    Categorical,
    Config,
    DataConfig,
    Gaussian,
    LatentsConfig,
    Normal,
    ObjectiveConfig,
    Periodic,
    TrainingConfig,
    TruncatedGaussian,
    Uniform,
    VonMises,
    changes,
    override,
    parse,
    parse_assignments,
    parse_codes,
    read,
    to_toml,
    validate,
)
from infogan.errors import ConfigError, InfoGANError

MNIST = presets.load("mnist")
TEXT = to_toml(MNIST)


def line_of(text: str, part: str) -> int:
    """The number of the first line that begins with `part`."""
    return next(i for i, line in enumerate(text.splitlines(), start=1) if line.startswith(part))


def refused(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, "config.toml")
    return caught.value


def with_codes(codes: Mapping[str, Any], **changed: Any) -> Config:
    return Config(data=DataConfig(source="digits"), latents=LatentsConfig(codes=dict(codes)), **changed)


# --- round trip ------------------------------------------------------------------------------------------

weights = st.none() | st.floats(0, 1_000)
dims = st.integers(1, 1_000)
stds = st.floats(1e-6, 100)
std_limits = st.tuples(stds, stds).map(lambda pair: {"std_min": min(pair), "std_max": max(pair)})
gaussians = st.builds(
    lambda std, limits: Gaussian(std=std, **limits), st.just("learned") | st.floats(1e-6, 100), std_limits
)
truncated = std_limits.map(lambda limits: TruncatedGaussian(**limits))
ranges = st.tuples(st.floats(-1e3, 1e3), st.floats(0.01, 1e3))
codes = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "noise"),
    st.builds(Categorical, st.integers(2, 10_000), dim=dims, info_weight=weights)
    | st.builds(
        lambda span, **rest: Uniform(span[0], span[0] + span[1], **rest),
        ranges,
        dim=dims,
        info_weight=weights,
        posterior=gaussians | truncated,
    )
    | st.builds(Normal, dim=dims, info_weight=weights, posterior=gaussians)
    | st.builds(
        Periodic,
        dim=dims,
        info_weight=weights,
        posterior=st.builds(VonMises, std_min=st.floats(1e-4, 1)),
    )
    | st.builds(Bernoulli, dim=dims, info_weight=weights, probability=st.floats(0.001, 0.999)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(codes=codes, weight=st.floats(0, 1_000), seed=st.integers(0, 2**63 - 1), path=st.none() | st.text())
def test_what_was_written_is_read_back_equal(
    codes: dict[str, Any], weight: float, seed: int, path: str | None
) -> None:
    config = Config(
        data=DataConfig(source="folder", path=path),
        latents=LatentsConfig(codes=codes),
        objective=ObjectiveConfig(info_weight=weight),
        training=TrainingConfig(seed=seed),
    )
    again = parse(to_toml(config), "config.toml")
    assert again == config
    # The order of the codes is the order of the generator's inputs.
    assert list(again.latents.codes) == list(codes)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_survives_its_file(name: str, tmp_path: Path) -> None:
    config = presets.load(name)
    (tmp_path / "config.toml").write_text(to_toml(config), encoding="utf-8")
    assert read(tmp_path / "config.toml") == config


def test_what_the_file_leaves_out_has_its_default() -> None:
    text = 'data.source = "digits"\n[latents.codes.digit]\nkind = "categorical"\nsize = 10\n'
    assert parse(text, "config.toml") == with_codes({"digit": Categorical(10)})


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MNIST.training.steps = 3  # type: ignore[misc]


def test_reading_a_configuration_loads_no_torch() -> None:
    code = (
        "import sys, infogan.config\n"
        "heavy = {'torch', 'numpy', 'scipy', 'sklearn', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "meant"),
    [
        ("batch_size", "batchsize", "training.batchsize", "batch_size"),
        ("noise = 62", "noises = 62", "latents.noises", "noise"),
        ("source", "sorce", "data.sorce", "source"),
        ("size = 10\n", "sise = 10\n", "latents.codes.digit.sise", "size"),
        ("std_min", "stdmin", "latents.codes.rotation.posterior.stdmin", "std_min"),
        ("[data]", "[dato]", "dato", "data"),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known(
    old: str, new: str, key: str, meant: str
) -> None:
    text = TEXT.replace(old, new, 1)
    error = refused(text)
    line = line_of(text, new.partition(" =")[0])
    assert error.happened.startswith(f"config.toml:{line}: unknown key '{key}' (did you mean '{meant}'?)")
    assert meant in error.expected
    assert error.exit_code == 2


def test_a_key_like_no_other_is_not_guessed() -> None:
    error = refused(TEXT + "\n[zzzz]\na = 1\n")
    assert "unknown key 'zzzz'" in error.happened
    assert "did you mean" not in error.happened


def test_a_dotted_key_has_its_line_too() -> None:
    error = refused('data.source = "digits"\nlatents.noise = 3\nlatents.nois_prior = "normal"\n')
    assert error.happened.startswith("config.toml:3: unknown key 'latents.nois_prior'")


HUGE = 10**40


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        # wrong types
        ("steps = 5000", 'steps = "5000"', "training.steps", "whole number"),
        ("steps = 5000", "steps = true", "training.steps", "whole number"),
        ("steps = 5000", "steps = 5000.0", "training.steps", "whole number"),
        ("size = 10", "size = 10.5", "latents.codes.digit.size", "whole number"),
        ("beta1 = 0.5", 'beta1 = "a"', "training.beta1", "number"),
        ("info_weight = 1.0", "info_weight = [1.0]", "objective.info_weight", "number"),
        ("generator_information = true", "generator_information = 1",
         "objective.generator_information", "true or false"),
        ('source = "mnist"', "source = 5", "data.source", "text"),
        # out of range, at the first value outside
        ("size = 28", "size = 7", "data.size", "8"),
        ("size = 28", "size = 257", "data.size", "256"),
        ("size = 10", "size = 1", "latents.codes.digit.size", "2"),
        ("noise = 62", "noise = -1", "latents.noise", "0"),
        ("steps = 5000", "steps = 0", "training.steps", "1"),
        ("batch_size = 128", "batch_size = 1", "training.batch_size", "2"),
        ("beta1 = 0.5", "beta1 = 1.0", "training.beta1", "1"),
        ("learning_rate_generator = 0.001", "learning_rate_generator = 0",
         "training.learning_rate_generator", "0"),
        ("width = 1.0", "width = 0.0", "network.width", "0"),
        ("seed = 0", "seed = -1", "training.seed", "0"),
        # huge and not finite
        ("steps = 5000", f"steps = {HUGE}", "training.steps", "1000000000"),
        ("seed = 0", f"seed = {2**63}", "training.seed", str(2**63)),
        ("noise = 62", f"noise = {HUGE}", "latents.noise", "100000"),
        ("size = 10", f"size = {HUGE}", "latents.codes.digit.size", "10000"),
        ("width = 1.0", "width = inf", "network.width", "finite"),
        ("beta1 = 0.5", "beta1 = nan", "training.beta1", "finite"),
        ("info_weight = 0.1", "info_weight = 1e999", "latents.codes.rotation.info_weight", "finite"),
        # one of a list
        ('precision = "auto"', 'precision = "float16"', "training.precision", "'bfloat16'"),
        ('device = "auto"', 'device = "gpu"', "training.device", "cuda"),
        ("version = 3", "version = 4", "version", "version 1"),
        ("version = 3", 'version = "1"', "version", "version 1"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named_with_its_line(
    old: str, new: str, key: str, expected: str
) -> None:
    text = TEXT.replace(old, new, 1)
    assert text != TEXT
    error = refused(text)
    assert error.happened.startswith(f"config.toml:{line_of(text, new)}: {key} = ")
    assert "does not fit" in error.happened
    assert expected in error.expected
    assert len(str(error)) < 700


def test_limits_themselves_are_taken() -> None:
    text = TEXT.replace("size = 28", "size = 8").replace("steps = 5000", f"steps = {10**9}")
    text = text.replace("seed = 0", f"seed = {2**63 - 1}").replace("noise = 62", "noise = 0")
    config = parse(text, "config.toml")
    assert (config.data.size, config.training.seed, config.latents.noise) == (8, 2**63 - 1, 0)


def test_an_integer_is_taken_for_a_real_number() -> None:
    assert parse(TEXT.replace("width = 1.0", "width = 1"), "config.toml") == MNIST


@pytest.mark.parametrize(
    "text",
    [
        "steps = [1",
        "version = 1\nversion = 1\n",
        "steps = 5000 5000",
        pytest.param(
            TEXT.replace("steps = 5000", "steps = " + "9" * 5_000),
            id="more digits than Python reads",
        ),
        pytest.param(
            "steps = " + "[" * 5_000,
            id="deeper than Python's stack",
        ),
    ],
)
def test_what_is_no_toml_is_an_error_that_names_the_file(text: str) -> None:
    error = refused(text)
    assert error.happened.startswith("config.toml is not TOML: ")
    assert "\n" not in error.happened


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "not text"])
def test_an_unreadable_file_is_an_error_that_names_it(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot read the configuration") as caught:
        read(path)
    assert str(path) in caught.value.happened


def test_a_missing_key_is_named() -> None:
    error = refused('[data]\nsource = "digits"\n')
    assert "'latents' is missing" in error.happened


def test_a_code_without_its_size_says_where() -> None:
    text = TEXT.replace("size = 10\n", "", 1)
    error = refused(text)
    line = line_of(text, "[latents.codes.digit]")
    assert error.happened == f"config.toml:{line}: the key 'latents.codes.digit.size' is missing"


@pytest.mark.parametrize("name", ["noise", "Digit", "two words", "1st", "ä"])
def test_names_of_codes_are_plain_words(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be named"):
        validate({"data": {"source": "x"}, "latents": {"codes": {name: {"kind": "categorical", "size": 3}}}})


def test_no_codes_are_no_infogan() -> None:
    with pytest.raises(ConfigError, match="codes"):
        validate({"data": {"source": "x"}, "latents": {"codes": {}}})


@pytest.mark.parametrize("high", [-1.0, -1.5])
def test_a_range_has_to_have_a_width(high: float) -> None:
    with pytest.raises(ValidationError, match="must lie below"):
        Uniform(-1.0, high)


@pytest.mark.parametrize(
    "values",
    [
        {"posterior": {"family": "gaussian", "std_min": 5.0, "std_max": 2.0}},
        {"posterior": {"family": "truncated_gaussian", "std_min": 5.0, "std_max": 2.0}},
        {"low": -1e308, "high": 1e308},  # the width is inf, and with it the entropy
        {"low": 1.0, "high": 1.0 + 1e-15},  # one number in float32
    ],
)
def test_a_code_that_cannot_be_drawn_or_read_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        validate({"data": {"source": "x"}, "latents": {"codes": {"a": {"kind": "uniform", **values}}}})


def test_an_average_that_never_starts_is_refused() -> None:
    with pytest.raises(ConfigError, match="ema_start has no effect"):
        override(MNIST, {"ema_start": 100})
    assert override(MNIST, {"ema_start": 100, "ema_decay": 0.99}).training.ema_start == 100


# --- override --------------------------------------------------------------------------------------------


def test_settings_reach_any_key_by_its_dotted_or_its_only_name() -> None:
    settings = {
        "steps": 10,
        "training.seed": 3,
        "latents.codes.digit.size": 12,
        "generator_information": False,
    }
    changed = override(MNIST, {**settings, "device": "cuda:1", "data.path": "a folder", "held_out": 7})
    assert (changed.training.steps, changed.training.seed) == (10, 3)
    assert changed.latents.codes["digit"] == Categorical(12)
    assert changed.objective.generator_information is False
    assert (changed.training.device, changed.data.path, changed.data.held_out) == ("cuda:1", "a folder", 7)
    assert MNIST.training.steps == 5_000  # the one before is left alone


def test_the_last_of_two_settings_counts() -> None:
    assert override(MNIST, {"steps": 10, "training.steps": 20}).training.steps == 20
    settings = parse_assignments(["steps=10", "training.steps=20", "steps=30"])
    assert override(MNIST, settings).training.steps == 30


def test_no_settings_change_nothing() -> None:
    assert override(MNIST, {}) == MNIST


def test_a_name_that_several_keys_have_lists_them() -> None:
    with pytest.raises(ConfigError, match="3 keys end with it") as caught:
        override(MNIST, {"dim": 2})
    assert "latents.codes.rotation.dim" in caught.value.happened
    assert "latents.codes.digit.dim" in caught.value.happened


def test_a_name_means_the_key_of_all_codes_before_that_of_one() -> None:
    changed = override(MNIST, {"info_weight": 0.5})
    assert changed.objective.info_weight == 0.5 and changed.latents == MNIST.latents


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("stepz=1", "no such key (did you mean 'steps'?)"),
        ("training.stepz=1", "no such key (did you mean 'training.steps'?)"),
        ("latents.codes.digit.colour=1", "no such key"),
        ("training=1", "no such key"),
        ("steps", "has no '='"),
        ("=3", "has no '='"),
        ("steps=many", "training.steps = 'many' does not fit"),
        ("steps=", "training.steps = '' does not fit"),
        ("steps=1.5", "training.steps = 1.5 does not fit"),
        (f"steps={HUGE}", "does not fit"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(MNIST, parse_assignments([assignment]))
    assert message in caught.value.happened


@pytest.mark.parametrize("value", ["9" * 5_000, "[" * 5_000], ids=["digits", "brackets"])
def test_a_setting_that_python_cannot_read_is_refused(value: str) -> None:
    with pytest.raises(ConfigError):
        override(MNIST, {"steps": value})


def test_the_posterior_of_a_code_can_be_chosen_by_a_setting() -> None:
    changed = override(MNIST, {"latents.codes.rotation.posterior.family": "truncated_gaussian"})
    assert isinstance(changed.latents.codes["rotation"], Uniform)
    assert isinstance(changed.latents.codes["rotation"].posterior, TruncatedGaussian)


def test_a_code_can_be_made_periodic_by_a_setting() -> None:
    changed = override(MNIST, {"latents.codes.rotation.kind": "periodic"})
    changed = override(changed, {"rotation.posterior.std_min": 0.2})
    assert changed.latents.codes["rotation"] == Periodic(posterior=VonMises(std_min=0.2))
    assert changed.continuous == ["rotation", "width"]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "posterior.std_mn = 0.2",
            "unknown key 'latents.codes.turn.posterior.std_mn' (did you mean 'std_min'?)",
        ),
        ("posterior.std_max = 0.2", "unknown key 'latents.codes.turn.posterior.std_max'"),
        ("low = -1.0", "unknown key 'latents.codes.turn.low'"),
        ("posterior.std_min = 0.0", "latents.codes.turn.posterior.std_min = 0.0 does not fit"),
        ("posterior.std_min = 1.5", "latents.codes.turn.posterior.std_min = 1.5 does not fit"),
        ('posterior.family = "gaussian"', "latents.codes.turn.posterior.family = 'gaussian' does not fit"),
    ],
)
def test_what_a_periodic_code_does_not_know_is_refused(setting: str, message: str) -> None:
    text = f'data.source = "digits"\n[latents.codes.turn]\nkind = "periodic"\n{setting}\n'
    assert message in refused(text).happened


def test_changes_are_listed_with_both_values() -> None:
    after = override(MNIST, {"steps": 10, "rotation.dim": 2, "data.path": "here"})
    assert changes(MNIST, after) == {
        "training.steps": (5_000, 10),
        "latents.codes.rotation.dim": (1, 2),
        "data.path": (None, "here"),
    }
    assert changes(MNIST, MNIST) == {}


def test_codes_that_come_or_go_are_changes() -> None:
    one, two = with_codes({"a": Categorical(3)}), with_codes({"a": Categorical(3), "b": Bernoulli()})
    assert changes(one, two)["latents.codes.b.kind"] == (None, "bernoulli")
    assert changes(two, one)["latents.codes.b.probability"] == (0.5, None)


# --- the short form of codes, and weights ----------------------------------------------------------------


def test_the_short_form_of_codes() -> None:
    assert parse_codes("digit:10 rotation:u  tilt:n3 flip:b2 big:10000 span:u12 turn:p axes:p2") == {
        "digit": Categorical(10),
        "rotation": Uniform(info_weight=CONTINUOUS_WEIGHT),
        "tilt": Normal(dim=3, info_weight=CONTINUOUS_WEIGHT),
        "flip": Bernoulli(dim=2),
        "big": Categorical(10_000),
        "span": Uniform(dim=12, info_weight=CONTINUOUS_WEIGHT),
        "turn": Periodic(info_weight=CONTINUOUS_WEIGHT),
        "axes": Periodic(dim=2, info_weight=CONTINUOUS_WEIGHT),
    }


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("digit", "digit"),
        ("digit:", "digit:"),
        (":10", ":10"),
        ("digit:x", "digit:x"),
        ("digit:10,tilt:u", "digit:10,tilt:u"),
        ("Digit:10", "Digit:10"),
        ("a:3 digit:1", "digit:1"),
        ("digit:10001", "digit:10001"),
        ("digit:-3", "digit:-3"),
        ("digit:99999999999999999999", "digit:99999999999999999999"),
        ("tilt:u0", "tilt:u0"),
        ("turn:p0", "turn:p0"),
        ("turn:10p", "turn:10p"),
        ("tilt:u99999", "tilt:u99999"),
        ("a:3 a:4", "a:4"),
        ("", "names no code"),
        ("  ", "names no code"),
    ],
)
def test_a_short_form_that_cannot_be_read_names_its_part(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_codes(text)
    assert part in caught.value.happened
    assert "--codes" in caught.value.for_command_line and "--codes" not in str(caught.value)


def test_every_code_has_its_own_weight_or_the_one_for_all() -> None:
    named = {"a": Categorical(3), "b": Uniform(info_weight=0.1), "c": Normal(info_weight=0.0)}
    config = with_codes(named, objective=ObjectiveConfig(info_weight=2.0))
    # A weight of 0 is a weight: it is not replaced by the one for all.
    assert config.info_weights() == {"a": 2.0, "b": 0.1, "c": 0.0}


def test_the_paper_s_recipe_is_not_made_from_another_one() -> None:
    """Its codes, weights and width would not be the paper's, and nothing would say so."""
    changed = recipes.find("robust").apply(presets.load("mnist"))
    with pytest.raises(ConfigError, match="of recipe robust") as caught:
        recipes.find("paper").apply(changed)
    assert "infogan train mnist --recipe paper" in caught.value.for_command_line
    assert "recipe='paper'" in str(caught.value)
    assert recipes.find("robust").apply(changed) == changed


def test_the_recipe_leaves_codes_that_somebody_chose() -> None:
    own = Uniform(info_weight=1.0, posterior=Gaussian(std_min=0.05, std_max=0.25))
    config = api.configure("digits", codes={"kind": Categorical(4), "tilt": own, "pose": Uniform()})
    assert config.training.recipe == "robust"
    assert config.latents.codes["tilt"] == own
    assert config.latents.codes["pose"].info_weight is None
    assert config.latents.codes["pose"].posterior.std_min == 0.3
    for letter in "unp":
        soft = api.configure("digits", codes=f"kind:4 tilt:{letter}").latents.codes["tilt"]
        assert (soft.info_weight, soft.posterior.std_min) == (0.2, 0.3)
    sharp = Periodic(info_weight=1.0, posterior=VonMises(std_min=0.02))
    assert api.configure("digits", codes={"turn": sharp}).latents.codes["turn"] == sharp


# --- what a file and a message explain --------------------------------------------------------------------


@pytest.mark.parametrize("name", presets.PRESETS)
def test_an_explained_file_says_the_same(name: str) -> None:
    config = api.configure(name)
    text = to_toml(config, explained=True)
    assert parse(text, "config.toml") == config
    assert "# random seed\nseed = 0\n" in text


def test_every_key_has_a_line_that_explains_it() -> None:
    lines = to_toml(MNIST, explained=True).splitlines()
    for before, line in pairwise(lines):
        if re.match(r"\w+ = |# \w+ is not set", line):
            assert before.startswith("# ") and "None" not in before, line


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("lr", {"learning_rate_discriminator", "learning_rate_generator", "learning_rate_schedule"}),
        ("batch", {"batch_size"}),
        ("stepz", {"steps"}),
        ("zzzz", set()),
    ],
)
def test_a_key_is_suggested_by_initials_parts_and_spelling(key: str, meant: set[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        override(MNIST, {key: 1})
    assert set(re.findall(r"'([^']+)'", caught.value.happened)) - {key} == meant


def test_errors_of_python_have_no_flags_and_those_of_the_command_line_have(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ConfigError) as caught:
        api.configure("mnist", settings={"stepz": 3})
    assert "--" not in str(caught.value)
    assert cli.main(["train", "mnist", "--set", "stepz=3"]) == 2
    assert "try: --set steps=..." in capsys.readouterr().err
    for arguments in ({"codes": "digit"}, {"recipe": "robst"}, {"settings": {"recipe": "paper"}}):
        with pytest.raises(InfoGANError) as error:
            api.configure("mnist", **arguments)
        assert "--" not in str(error.value) and "--" in error.value.for_command_line


def test_settings_may_be_nested() -> None:
    config = override(MNIST, {"training": {"steps": 7, "batch_size": 8}})
    assert (config.training.steps, config.training.batch_size) == (7, 8)


def test_a_table_may_be_replaced_as_a_whole() -> None:
    with_term = override(MNIST, {"objective.terms.brightness": 0.5})
    assert override(with_term, {"objective.terms": {}}).objective.terms == {}
    assert list(override(MNIST, {"latents.codes": {"kind": Categorical(3)}}).latents.codes) == ["kind"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("training.steps", 0, "1 or more"),
        ("training.steps", "ten", "a whole number"),
        ("network.width", 9.0, "8 or less"),
        ("network.spectral_recognition", 3, "true or false"),
        ("training.precision", "half", "'auto', 'float32', 'tf32' or 'bfloat16'"),
        ("latents.codes", 3, "a table"),
    ],
)
def test_messages_name_the_expected_value_in_plain_words(key: str, value: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(MNIST, {key: value})
    assert caught.value.expected == expected
