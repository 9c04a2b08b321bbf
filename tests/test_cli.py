from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import infogan_experiments as experiments
from infogan import InfoGAN, cli, presets
from infogan.recipes import RECIPES

OWN_IMAGES = [
    "--allow-unreadable", "--background", "--exclude", "--fit", "--follow-links", "--frames",
    "--range", "--split-by",
]  # fmt: skip
"""Flags of all commands that read a user's own images."""

COMMANDS = {
    "data": [],
    "data audit": sorted(["--crop", "--set", "--size", *OWN_IMAGES]),
    "data check": [],
    "data clean": ["--dry-run", "--older"],
    "data list": [],
    "data prepare": sorted(["--crop", "--data", "--out", "--set", "--size", *OWN_IMAGES]),
    "data render": ["--count", "--data", "--out", "--set", "--size"],
    "doctor": ["--json"],
    "encode": ["--features", "--map", "--out", "--seed"],
    "explore": ["--data", "--host", "--no-browser", "--port"],
    "export": ["--images", "--limit", "--out", "--precision", "--private", "--runtime", "--to"],
    "sort": ["--by", "--copy", "--out"],
    "evaluate": ["--data", "--full", "--json", "--samples", "--seed", "--weights"],
    "presets": [],
    "reproduce": [
        "--data", "--out", "--quick", "--recipe", "--seed", "--seeds", "--set", "--steps",
    ],
    "resume": ["--data", "--devices", "--log-to", "--override", "--set", "--steps"],
    "sample": ["--count", "--out", "--seed", "--weights"],
    "train": sorted([
        "--codes", "--config", "--crop", "--data", "--device", "--devices", "--dry-run", "--log-to", "--out",
        "--precision", "--recipe", "--seed", "--seeds", "--set", "--size", "--steps", "--threads",
        *OWN_IMAGES,
    ]),
    "traverse": ["--code", "--out", "--rows", "--seed", "--values", "--weights"],
    "discover": sorted(["--categories", "--minutes", "--out", "--seed", "--set", "--threads", *OWN_IMAGES]),
    "report": ["--data"],
    "select": ["--data", "--json", "--seed"],
}  # fmt: skip
"""What users have in their scripts: a name may come, but none may go or change."""

SMALL = ["--steps", "2", "--device", "cpu", "--set", "width=0.125", "--set", "batch_size=8"]
THREE_PARTS = re.compile(r"infogan: (.+)\n  expected: .+\n  try: .+\n", re.DOTALL)


def run(*arguments: object) -> int:
    try:
        return cli.main([str(argument) for argument in arguments])
    except SystemExit as finished:
        return int(finished.code or 0)


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained run, images, and files that are none of that; tests only read them."""
    place = tmp_path_factory.mktemp("cli")
    np.save(place / "images.npy", images(40))
    (place / "note.txt").write_text("no image, no model, no configuration\n")
    (place / "note.toml").write_text("no TOML\n")
    (place / "note.npy").write_text("no array\n")
    (place / "texts").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        (place / "texts" / name).write_text("no image\n")
    assert run("train", place / "images.npy", "--out", place / "run", *SMALL) == 0
    return place


# --- what may be typed -----------------------------------------------------------------------------------


def test_experiments_are_listed_with_what_they_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reproduce") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines.keys() == experiments.names().keys()
    assert lines["svhn"].endswith("[--quick] [--recipe]") and "Figure 5" in lines["svhn"]
    assert "[--" not in lines["worked-examples"]
    assert run("reproduce", "--steps", "5") == 2  # the name was forgotten
    assert "no experiment is named" in capsys.readouterr().err


def test_commands_and_flags_are_frozen() -> None:
    def flags(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, list[str]]]:
        for action in parser._actions:
            if isinstance(action.choices, dict):
                for word, below in action.choices.items():
                    known = {flag for one in below._actions for flag in one.option_strings}
                    yield (
                        f"{name}{word}",
                        sorted(known - {"-h", "--help", "--plugin"}),
                    )  # every command has these
                    yield from flags(below, f"{name}{word} ")

    assert dict(flags(cli._parser())) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_help_names_every_flag(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command.split(), "--help") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert all(flag in shown.out for flag in COMMANDS[command])


def test_the_help_of_train_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "--help") == 0
    shown = re.sub(r"-\s+", "-", capsys.readouterr().out)  # lines may end at a hyphen
    assert set(RECIPES) <= set(re.findall(r"[\w-]+", shown))


def test_the_first_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    names = {name.split()[0] for name in COMMANDS}
    assert all(re.search(rf"^ +{name}\s", shown, re.MULTILINE) for name in names)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from infogan import cli\n"
        "try:\n"
        "    cli.main(['train', '--help'])\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'torch', 'pydantic', 'numpy', 'scipy', 'PIL', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# --- what cannot be done ---------------------------------------------------------------------------------

BAD = {
    "missing path": (["train", "{}/nowhere"], 5, ["{}/nowhere does not exist"]),
    "missing array": (["train", "nowhere.npy"], 5, ["nowhere.npy"]),
    "text as data": (["train", "{}/note.txt"], 5, ["{}/note.txt"]),
    "text as array": (["train", "{}/note.npy"], 5, ["{}/note.npy"]),
    "texts as images": (["train", "{}/texts"], 5, ["{}/texts", "0 images", "a text file"]),
    "empty folder": (["train", "{}/run/checkpoints"], 5, ["{}/run/checkpoints", "0 images"]),
    "missing --data": (["train", "mnist", "--data", "{}/nowhere"], 5, ["{}/nowhere"]),
    "no TOML": (["train", "{}/note.toml"], 2, ["{}/note.toml", "TOML"]),
    "no TOML as --config": (["train", "--config", "{}/note.toml"], 2, ["{}/note.toml"]),
    "missing TOML": (["train", "{}/nowhere.toml"], 2, ["{}/nowhere.toml"]),
    "preset": (["train", "mnst"], 2, ["'mnst'", "did you mean 'mnist'?"]),
    "no source": (["train"], 2, ["one source"]),
    "empty source": (["train", ""], 2, ["empty"]),
    "empty --data": (["train", "digits", "--data", ""], 2, ["empty"]),
    "empty --out": (["data", "prepare", "digits", "--out", ""], 2, ["empty"]),
    "no folder to check": (["data", "check", "{}/nowhere"], 2, ["{}/nowhere"]),
    "not prepared": (["data", "prepare", "mnits"], 2, ["'mnits'", "did you mean 'mnist'?"]),
    "a source that does not render": (["data", "render", "digits"], 2, ["renders no images"]),
    "two sources": (["train", "mnist", "--config", "{}/note.toml"], 2, ["not two"]),
    "text as steps": (["train", "mnist", "--steps", "abc"], 2, ["--steps", "'abc'"]),
    "negative seed": (["train", "mnist", "--seed", "-1"], 2, ["--seed", "'-1'"]),
    "no steps": (["train", "mnist", "--steps", "0"], 2, ["--steps", "'0' is not a positive whole number"]),
    "negative steps": (["train", "mnist", "--steps", "-5"], 2, ["'-5' is not a positive whole number"]),
    "size": (["train", "mnist", "--size", "7"], 2, ["data.size = 7"]),
    "device": (["train", "mnist", "--device", "gpu"], 2, ["training.device = 'gpu'"]),
    "precision": (["train", "mnist", "--precision", "bfloat61"], 2, ["did you mean 'bfloat16'?"]),
    "recipe": (["train", "mnist", "--recipe", "robst"], 2, ["'robst'", "did you mean 'robust'?"]),
    "a recipe's name": (["train", "mnist", "--set", "recipe=paper"], 2, ["only the name of the recipe"]),
    "no change": (
        ["train", "digits", *(f"--set={key}=0.0" for key in ("rotation", "shift", "scale", "shear"))],
        2, ["do not fit together"],
    ),
    "codes": (["train", "mnist", "--codes", "digit"], 2, ["'digit'"]),
    "key": (["train", "mnist", "--set", "save_evry=3"], 2, ["save_evry", "did you mean 'save_every'?"]),
    "no value": (["train", "mnist", "--set", "steps"], 2, ["'steps' has no '='"]),
    "value": (["train", "mnist", "--set", "beta1=x"], 2, ["training.beta1 = 'x'"]),
    "existing run": (["train", "{}/images.npy", "--out", "{}/run"], 2, ["{}/run already holds a run"]),
    "resume no run": (["resume", "{}"], 2, ["{} is not a run"]),
    "resume nothing": (["resume", "{}/rn"], 2, ["{}/rn", "did you mean 'run'?"]),
    "sample no run": (["sample", "{}"], 2, ["{} holds no model"]),
    "traverse no run": (["traverse", "{}/note.txt"], 2, ["{}/note.txt holds no model"]),
    "encode no run": (["encode", "{}/nowhere", "{}/images.npy"], 2, ["{}/nowhere holds no model"]),
    "evaluate no run": (["evaluate", "{}"], 2, ["{} holds no model"]),
    "a checkpoint as model": (["sample", "{}/run/checkpoints/step-00000002"], 4, ["config.toml"]),
    "code": (["traverse", "{}/run", "--code", "typ"], 2, ["'typ'", "did you mean 'type'?"]),
    "category": (["traverse", "{}/run", "--code", "type", "--values", "10"], 2, ["type = 10"]),
    "values": (["traverse", "{}/run", "--values", "a,b"], 2, ["'a,b'"]),
    "no rows": (["traverse", "{}/run", "--rows", "0"], 2, ["--rows"]),
    "no images": (["sample", "{}/run", "--count", "0"], 2, ["--count"]),
    "weights": (["sample", "{}/run", "--weights", "emma"], 2, ["did you mean 'ema'?"]),
    "no average": (["sample", "{}/run", "--weights", "ema"], 2, ["'ema'"]),
    "encode nothing": (["encode", "{}/run", "{}/nowhere"], 5, ["{}/nowhere"]),
    "encode text": (["encode", "{}/run", "{}/note.txt"], 5, ["{}/note.txt"]),
    "picture in a file": (["sample", "{}/run", "--out", "{}/note.txt/a.png"], 4, ["{}/note.txt/a.png"]),
    "traversal in a file": (
        ["traverse", "{}/run", "--code", "type", "--out", "{}/note.txt/a.png"], 4, ["{}/note.txt/a.png"],
    ),
    "CSV in a file": (["encode", "{}/run", "{}/images.npy", "--out", "{}/note.txt/a.csv"], 4,
                      ["{}/note.txt/a.csv"]),
    "codes in a text file": (["encode", "{}/run", "{}/images.npy", "--out", "{}/codes.txt"], 2,
                             ["{}/codes.txt is not a table"]),
    "evaluate elsewhere": (["evaluate", "{}/run", "--data", "{}/nowhere"], 5, ["{}/nowhere"]),
    "experiment": (["reproduce", "figur1"], 2, ["'figur1'", "did you mean 'figure1'?"]),
    "command": (["trian", "mnist"], 2, ["'trian'"]),
    "no command": ([], 2, ["COMMAND"]),
    "unknown flag": (["presets", "--all"], 2, ["--all"]),
    "data action": (["data", "lst"], 2, ["'lst'"]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "advice"),
    [
        ("recipe", "--recipe robust"),  # and not another recipe than the one that was meant
        ("a recipe's name", "--recipe paper"),
        ("no change", "shift=0.05"),
        ("category", "0 for type"),
        ("codes in a text file", "codes.csv"),
    ],
)
def test_advice_is_about_what_was_typed(
    case: str, advice: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*(argument.format(place) for argument in BAD[case][0]))
    assert advice in capsys.readouterr().err


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gives_one_message(
    case: str,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # whatever is written by mistake lands here
    arguments, code, parts = BAD[case]
    assert run(*(argument.format(place) for argument in arguments)) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    message = THREE_PARTS.fullmatch(shown.err)
    assert message, shown.err
    assert shown.err.count("expected: ") == 1
    assert "Traceback" not in shown.err
    for part in parts:
        assert part.format(place) in message[1]
    assert not list(tmp_path.rglob("config.toml"))


# --- train: what it is told ------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_dry_run_reads_its_own_output(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--steps", "7", "--seed", "3", "--codes", "kind:4 tilt:u", "--set", "keep=5"]
    assert run("train", preset, "--dry-run", *options) == 0
    first = capsys.readouterr()
    path = tmp_path / "config.toml"
    path.write_text(first.out)
    assert run("train", path, "--dry-run") == 0
    assert run("train", "--config", path, "--dry-run") == 0
    assert capsys.readouterr().out == first.out * 2
    assert first.err == ""
    training = tomllib.loads(first.out)["training"]
    assert (training["steps"], training["seed"], training["keep"]) == (7, 3, 5)


def test_codes_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "folder", "--dry-run", "--codes", "kind:4 tilt:u2 glass:b pose:n") == 0
    codes = tomllib.loads(capsys.readouterr().out)["latents"]["codes"]
    assert list(codes) == ["kind", "tilt", "glass", "pose"]
    assert [code["kind"] for code in codes.values()] == ["categorical", "uniform", "bernoulli", "normal"]
    assert (codes["kind"]["size"], codes["tilt"]["dim"], codes["tilt"]["info_weight"]) == (4, 2, 0.2)


def test_a_training_that_ends_before_its_regulariser_begins_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images.npy"
    np.save(images, np.random.Generator(np.random.Philox(0)).integers(0, 255, (40, 16, 16), dtype=np.uint8))
    command = ["train", images, "--recipe", "cr", "--steps", "2", "--set", "batch_size=4"]
    assert run(*command, "--out", tmp_path / "late") == 0
    assert "begins at step 288,000, but training ends at 2" in capsys.readouterr().err
    assert run(*command, "--set", "contrastive_weight=[[1, 0], [1, 2]]", "--out", tmp_path / "run") == 0
    assert "note:" not in capsys.readouterr().err


def test_train_an_array_in_the_next_free_run(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        assert run("train", place / "images.npy", *SMALL) == 0
        shown = capsys.readouterr()
        assert f"trained 2 steps in runs/folder-00{number}\n" in shown.out
        assert shown.out.endswith(f"next: infogan evaluate runs/folder-00{number}\n")
        assert "step 2/2" in shown.err and "step 2/2" not in shown.out
        pictures = re.findall(r"picture: (.+)", shown.out)
        assert len(pictures) == 4 and all(Path(picture).is_file() for picture in pictures)


def test_the_next_command_names_the_plugin(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "my plugin.py"
    plugin.write_text("import infogan\n")
    assert run("train", place / "images.npy", "--out", tmp_path / "run", *SMALL, "--plugin", plugin) == 0
    expected = f"next: infogan evaluate {tmp_path}/run --plugin '{plugin}'\n"
    assert capsys.readouterr().out.endswith(expected)


def test_one_file_that_cannot_be_read_is_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, image in enumerate(images(120)):
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / "pictures" / f"{number}.png")
    (tmp_path / "pictures" / "broken.png").write_text("no image\n")
    assert run("data", "prepare", tmp_path / "pictures", "--out", tmp_path / "prepared") == 0
    assert "  1 file could not be read; see" in capsys.readouterr().out
    assert run("train", tmp_path / "pictures", "--out", tmp_path / "run", *SMALL) == 0
    assert "warning: 1 file could not be read; see" in capsys.readouterr().err


def test_train_a_folder_of_pngs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures" / "deeper").mkdir(parents=True)
    for number, image in enumerate(images(20)):
        folder = tmp_path / "pictures" / ("deeper" if number % 2 else "")
        Image.fromarray(image[..., 0]).save(folder / f"{number}.png")
    assert run("train", tmp_path / "pictures", "--out", tmp_path / "run", *SMALL) == 0
    assert "18 images of 8x8x1" in capsys.readouterr().err  # a tenth is held out
    config = InfoGAN.from_pretrained(tmp_path / "run").config
    assert (config.data.size, config.data.channels) == (8, 1)


# --- what a model is used for ----------------------------------------------------------------------------


def test_sample_writes_the_picture_that_it_names(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        assert run("sample", place / "run", "--count", 9, "--seed", seed, "--out", path) == 0
    assert capsys.readouterr().out.split() == [str(path) for path in paths]
    first, again, other = map(pixels, paths)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sample_goes_into_the_run_by_default(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sample", place / "run") == 0
    path = place / "run" / "samples" / "sample-seed0.png"
    assert capsys.readouterr().out == f"{path}\n"
    assert path.is_file()


def test_traverse_draws_every_code_or_the_one_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("traverse", place / "run", "--seed", 4, "--rows", 2) == 0
    expected = [place / "run" / "traversals" / f"{name}-seed4.png" for name in ("type", "style1", "style2")]
    assert capsys.readouterr().out.split() == [str(path) for path in expected]
    assert all(path.is_file() for path in expected)
    widths = []
    for values in ("-1,1", "-1,0,1"):
        out = tmp_path / f"{values}.png"
        assert run("traverse", place / "run", "--code", "style1", f"--values={values}", "--out", out) == 0
        widths.append(pixels(out).shape[1])
    assert widths[0] < widths[1]


def test_encode_writes_a_row_an_image(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "codes.csv"
    assert run("encode", place / "run", place / "images.npy", "--out", out) == 0
    assert str(out) in capsys.readouterr().out
    header, *rows = csv.reader(out.read_text().splitlines())
    assert header == [
        "image",
        "type",
        *(f"type_{index}" for index in range(10)),
        "style1",
        "style1_std",
        "style2",
        "style2_std",
    ]
    assert len(rows) == len({row[0] for row in rows}) == 40
    codes = InfoGAN.from_pretrained(place / "run").encode(images(40))
    found = np.array([row[1:] for row in rows], dtype=np.float64)
    assert np.array_equal(found[:, 0], codes["type"].argmax(1))
    assert np.allclose(found[:, 1:11], codes["type"], atol=1e-5)
    assert np.allclose(found[:, 11], codes["style1"], atol=1e-5)
    assert np.allclose(found[:, 13], codes["style2"], atol=1e-5)
    assert (found[:, [12, 14]] > 0).all()


def test_evaluate_json_is_all_there_is_on_stdout(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", place / "run", "--json", "--samples", 50) == 0
    shown = capsys.readouterr()
    scores = json.loads(shown.out)
    assert set(scores["codes"]) == {"type", "style1", "style2"}
    assert scores == json.loads((place / "run" / "evaluation.json").read_text())
    assert "evaluate" in shown.err  # progress
    assert run("evaluate", place / "run", "--samples", 50) == 0
    assert re.search(r"^ +type: .+ of 2.303 nats", capsys.readouterr().out, re.MULTILINE)


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("presets") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(presets.PRESETS)
    assert run("presets", "svhn") == 0
    shown = capsys.readouterr().out
    assert "# recipe robust (default): " in shown and "keys that differ between recipes" in shown
    assert tomllib.loads(shown)["training"]["steps"] == 6_000
    assert run("presets", "svhm") == 2
    assert "did you mean 'svhn'?" in capsys.readouterr().err
    assert run("data", "list") == 0
    shown = capsys.readouterr().out
    names = re.findall(r"^([a-z0-9-]+): ", shown, re.MULTILINE)
    assert {"digits", "folder", "mnist", "mnist-5k", "svhn", "celeba", "faces", "chairs"} <= set(names)
    assert shown.count("  licence: ") == shown.count("  sha256: ") == len(names)


# --- who reads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "closed", "unbuffered", "code"),
    [
        (["--help"], "stdout", "", 0),
        (["presets"], "stdout", "", 0),  # the pipe breaks at the command's end
        (["presets"], "stdout", "1", 0),  # and here within it
        (["nothing"], "stderr", "", 2),
    ],
)
def test_a_reader_that_has_gone_is_no_error(
    arguments: list[str], closed: str, unbuffered: str, code: int
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, closed: writer}
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "infogan", *arguments],
            **streams,
            env=environment,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.returncode == code
    assert not done.stdout and not done.stderr


@pytest.mark.parametrize(("arguments", "code"), [(["presets"], 0), (["nothing"], 2)])
def test_streams_that_the_shell_closed(
    arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert run(*arguments) == code


BROKEN = {
    "the reader of both has gone": "{command} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}",
    "stderr is closed": "{command} 2>&-",
    "stderr is full": "{command} 2>/dev/full",
}


@pytest.mark.slow
@pytest.mark.parametrize("shell", BROKEN.values(), ids=BROKEN)
def test_progress_that_nobody_reads_ends_no_training(shell: str, tmp_path: Path) -> None:
    images = tmp_path / "images.npy"
    np.save(images, np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8))
    small = "--device cpu --steps 4 --set width=0.125 --set batch_size=8"
    out = tmp_path / "run"
    command = f"{sys.executable} -m infogan train {images} --out {out} {small}"
    done = subprocess.run(["bash", "-c", shell.format(command=command)], check=False, capture_output=True)
    assert (out / "model" / "model.safetensors").is_file(), done
    assert done.returncode == 0
    command = f"{sys.executable} -m infogan evaluate {out} --json --samples 16"
    if "head" not in shell:
        done = subprocess.run(["bash", "-c", shell.format(command=command)], check=True, capture_output=True)
        assert json.loads(done.stdout)["codes"]  # and nothing else is on stdout


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_stdout_is_a_storage_error(unbuffered: str) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = f"{sys.executable} -m infogan presets > /dev/full"
    done = subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 4
    assert done.stderr.startswith("infogan: the result cannot be written to stdout: No space left")
    assert "\n  try: " in done.stderr and "Traceback" not in done.stderr


def test_a_path_that_no_configuration_can_hold_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    np.save(folder / "images.npy", images)
    assert run("train", folder / "images.npy", "--out", tmp_path / "run") == 2
    assert "is not valid UTF-8" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    (tmp_path / "cafe").symlink_to(folder)
    assert run("train", tmp_path / "cafe" / "images.npy", "--dry-run") == 0
