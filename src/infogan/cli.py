"""The command line: each command is a few lines on top of `infogan.api`. Lazy imports keep --help fast."""

from __future__ import annotations

import argparse
import errno
import io
import json
import math
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from infogan import __version__, processes, signals
from infogan.console import say as _say
from infogan.errors import (
    DivergenceError,
    InfoGANError,
    Interrupted,
    StorageError,
    UsageError,
    did_you_mean,
)

if TYPE_CHECKING:
    from infogan.config import Config, DataConfig
    from infogan.file_listing import Skipped

Command = Callable[[argparse.Namespace], None]
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # of a stream that cannot be written


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: success, 2: usage or configuration, 3: diverged, 4: storage, 5: data, 130 or 143: stopped by a signal.
    """
    _show_any_name()
    with signals.handled():
        code = _run(arguments)
        return code if _flush() or code else StorageError.exit_code


def _run(arguments: Sequence[str] | None) -> int:
    parsed = argparse.Namespace(plugin=[])
    try:
        parsed = _parser().parse_args(arguments)
        _load_plugins(parsed)
        parsed.command(parsed)
        return 0
    except (SystemExit, BrokenPipeError):  # --help and --version of argparse; the reader of the result ended
        return 0
    except _EndedError as ended:
        return ended.exit_code
    except InfoGANError as error:
        # All processes of one training diverge at the same step: one message is enough.
        if processes.is_first() or not isinstance(error, DivergenceError):
            _say(f"infogan: {error.for_command_line}")
        return error.exit_code
    except Interrupted as request:
        signals.acknowledge()
        if processes.is_first():
            _say(_farewell(request, parsed.plugin))
        return request.exit_code
    except OSError as error:
        if error.errno not in _FULL:
            raise
        _say_full(error)
        return StorageError.exit_code


def _show_any_name() -> None:
    """Escape in results what their encoding does not have: names of files may be of any bytes."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def _say_full(error: OSError) -> None:
    _say(
        f"infogan: the result cannot be written to stdout: {error.strerror or error}\n"
        "  expected: a terminal, a pipe, or a file on a disk with free space\n"
        "  try: the same command with another destination of its output"
    )


def _load_plugins(arguments: argparse.Namespace) -> None:
    if arguments.plugin:
        from infogan import configuring

        configuring.load_plugins(arguments.plugin)


def _flush() -> bool:
    """Flush both streams, and return False if a result is lost.

    Without it, Python reports at exit that a reader has ended.
    """
    complete = True
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except OSError as error:
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                complete = False
                _say_full(error)
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return complete


def _farewell(request: Interrupted, plugins: Sequence[str]) -> str:
    if request.advice is not None:
        return f"infogan: stopped; {request.advice}"
    if request.run is None:
        return "infogan: stopped; nothing to resume"
    resume = _command("resume", request.run, plugins)
    return f"infogan: stopped; the run is saved\n  to resume: {resume}"


def _command(name: str, run: Path, plugins: Sequence[str]) -> str:
    """Return a command for a run, with the plug-ins that it needs."""
    named = [word for plugin in plugins for word in ("--plugin", plugin)]
    return f"{_program()} {shlex.join([name, str(run), *named])}"


def _program() -> str:
    """Return the command that starts infogan in the user's shell, also without an active environment."""
    return "infogan" if shutil.which("infogan") or not sys.argv[0].endswith("infogan") else sys.argv[0]


# --- the commands ----------------------------------------------------------------------------------------


def _train(arguments: argparse.Namespace) -> None:
    from infogan import api, config, configuring

    if arguments.devices > 1 and not arguments.dry_run:
        _launch_devices(arguments.devices)
    source = arguments.config or arguments.source
    if source is None or (arguments.config and arguments.source):
        raise UsageError(
            "train needs one source" + (", not two" if arguments.config else ""),
            "a preset, a folder or array of images, or a .toml file",
            "infogan train mnist-5k",
        )
    shorthands = {"steps": "training.steps", "seed": "training.seed", "device": "training.device",
                  "precision": "training.precision", **_OWN_FLAGS}  # fmt: skip
    chosen = configuring.configure(
        source, data=arguments.data, recipe=arguments.recipe,
        plugins=arguments.plugin, codes=arguments.codes,
        settings=_settings(arguments, shorthands),
    )  # fmt: skip
    if arguments.dry_run:
        print(config.to_toml(chosen, explained=True), end="")
        return
    if processes.is_first():
        _warn_of_late_start(chosen)
        if arguments.out is None or not arguments.out.exists():  # else training is refused
            _say_audit(chosen.data)
    trained = api.train_config(
        chosen,
        out=arguments.out,
        seeds=arguments.seeds,
        output=api.output(log_to=arguments.log_to),
        threads=arguments.threads,
    )
    _print_result(trained, arguments.plugin)


class _EndedError(Exception):
    """Processes that were started have ended with this exit code, after their own messages."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def _launch_devices(devices: int) -> None:
    """Run this command by one process per device, unless this is one of them.

    Raises:
        _EndedError: they have ended.
    """
    if not processes.started():
        from infogan.training import launcher

        raise _EndedError(launcher.launch(sys.argv[1:], devices))


def _settings(arguments: argparse.Namespace, shorthands: Mapping[str, str]) -> dict[str, Any]:
    """Return settings by key from `--set` and from the flags in `shorthands`; `--set` has precedence."""
    from infogan import config

    given = {key: getattr(arguments, flag, None) for flag, key in shorthands.items()}
    short = {key: value for key, value in given.items() if value is not None}
    return short | config.parse_assignments(arguments.set)


def _warn_of_late_start(chosen: Config) -> None:
    """Warn if training ends before the contrastive regularizer begins, which then has no effect."""
    from infogan.recipes import REGULARISED_FROM

    weight, steps = chosen.objective.contrastive_weight, chosen.training.steps
    start = next((step for step, value in weight.points if value), steps)
    if weight and not weight.at(steps - 1):
        late = round(REGULARISED_FROM * steps)
        _say(
            f"note: the contrastive regularizer begins at step {start:,}, but training ends at {steps:,}; "
            "to apply it in the last tenth: "
            f'--set "contrastive_weight=[[{late}, 0], [{late}, {max(weight.values):g}]]"'
        )


def _resume(arguments: argparse.Namespace) -> None:
    from infogan import api

    if arguments.devices > 1:
        _launch_devices(arguments.devices)
    settings = _settings(arguments, {"steps": "training.steps"})
    if arguments.data is not None:
        settings = {"data.path": os.path.abspath(arguments.data.expanduser()), **settings}
    output = api.output(log_to=arguments.log_to)
    result = api.resume_run(arguments.run, settings=settings, override=arguments.override, output=output)
    _print_result(result, arguments.plugin)


def _print_result(result: Any, plugins: Sequence[str]) -> None:
    from infogan import evaluation

    if not processes.is_first():
        return
    model, run, dataset = result.model, result.run, result.dataset
    step = f"step-{model.provenance['steps']:08d}"
    print(f"trained {model.provenance['steps']:,} steps in {run.path}")
    for folder in (run.samples, run.traversals):
        for picture in sorted(folder.glob(f"{step}*.png")):
            print(f"  picture: {picture}")
    try:
        if line := evaluation.sorting_line(model, dataset):
            print(line)
    except Interrupted as request:  # training has ended, and is saved
        request.run = run.path
        raise
    print(f"next: {_command('evaluate', run.path, plugins)}")


def _sample(arguments: argparse.Namespace) -> None:
    from infogan import storage
    from infogan.model import InfoGAN
    from infogan.reporting import pictures

    model = InfoGAN.from_pretrained(arguments.run)
    images = model.sample(arguments.count, seed=arguments.seed, weights=arguments.weights)
    out = arguments.out or Path(arguments.run) / "samples" / f"sample-seed{arguments.seed}.png"
    with storage.writing(out, 0):
        pictures.save_png(pictures.sample_grid(images), out)
    print(out)


def _traverse(arguments: argparse.Namespace) -> None:
    from infogan import storage
    from infogan.model import InfoGAN
    from infogan.reporting import pictures
    from infogan.reporting.traversals import traversal_picture
    from infogan.runs import code_names

    model = InfoGAN.from_pretrained(arguments.run)
    if arguments.out and not arguments.code and len(model.latents.priors) > 1:
        raise UsageError(
            f"--out {arguments.out} is one picture, and this model has {len(model.latents.priors)} codes",
            "one code with --out",
            f"--code {next(iter(model.latents.priors))} --out {arguments.out}",
        )
    names = code_names.read(arguments.run, model.config.latents.codes)
    for name in [names.find(arguments.code)] if arguments.code else list(model.latents.priors):
        picture = traversal_picture(
            model, name, rows=arguments.rows, seed=arguments.seed, values=arguments.values,
            weights=arguments.weights, names=names,
        )  # fmt: skip
        default = Path(arguments.run) / "traversals" / f"{name}-seed{arguments.seed}.png"
        out = arguments.out or default
        with storage.writing(out, 0):
            pictures.save_png(picture, out)
        print(out)


def _encode(arguments: argparse.Namespace) -> None:
    from infogan import api

    table = api.encode(
        arguments.run, arguments.images, out=arguments.out, features=arguments.features, map=arguments.map,
        seed=arguments.seed, progress=True,
    )  # fmt: skip
    _say_skipped(table.skipped)
    print(f"{table.path}: the codes of {_count(table.rows)}")


def _sort(arguments: argparse.Namespace) -> None:
    from infogan import api

    found = api.sort(
        arguments.run,
        arguments.images,
        out=arguments.out,
        by=arguments.by,
        copy=arguments.copy,
        progress=True,
    )
    _say_skipped(found.skipped)
    if found.skipped:
        _say(f"  all of them: {found.path / 'unreadable.csv'}")
    width = max(map(len, found.counts))
    for name, count in found.counts.items():
        print(f"{name:{width}}  {_count(count)}")
    print(f"{found.path}: {_count(sum(found.counts.values()))} in {len(found.counts)} folders")


def _say_skipped(skipped: Sequence[Skipped]) -> None:
    """Print how many files could not be read, and the first of them, on stderr."""
    if skipped:
        from infogan.data.decoding import first_of

        files = "1 file" if len(skipped) == 1 else f"{len(skipped):,} files"
        _say(f"note: {files} cannot be read{first_of(skipped)}")


def _count(images: int) -> str:
    return "1 image" if images == 1 else f"{images:,} images"


def _evaluate(arguments: argparse.Namespace) -> None:
    from infogan import api, storage
    from infogan.reporting import tables
    from infogan.runs import code_names

    model = api.load(arguments.run)
    names = code_names.read(arguments.run, model.config.latents.codes)
    scores = api.evaluate(
        model, data_path=arguments.data, weights=arguments.weights, samples=arguments.samples,
        seed=arguments.seed, full=arguments.full,
        progress=_say,
    )  # fmt: skip
    path = Path(arguments.run) / "evaluation.json"
    storage.write_text(path, json.dumps(scores, indent=2) + "\n")
    if arguments.json:
        print(json.dumps(scores, indent=2))
    else:
        print(f"{tables.evaluation_text(scores, names)}\nall metrics: {path}")


def _select(arguments: argparse.Namespace) -> None:
    from infogan import api
    from infogan.reporting import tables

    choice = api.select(arguments.runs, data_path=arguments.data, seed=arguments.seed, progress=_say)
    print(json.dumps(choice, indent=2) if arguments.json else tables.selection_text(choice))


def _report(arguments: argparse.Namespace) -> None:
    from infogan import api

    print(api.report(arguments.run, data_path=arguments.data, progress=_say))


def _explore(arguments: argparse.Namespace) -> None:
    from infogan import api

    api.explore(
        arguments.run, data_path=arguments.data, host=arguments.host, port=arguments.port,
        browser=not arguments.no_browser, progress=_say,
    )  # fmt: skip


def _export(arguments: argparse.Namespace) -> None:
    from infogan import api

    print(
        api.export_model(
            arguments.run, arguments.to, out=arguments.out, precision=arguments.precision,
            images=arguments.images, limit=arguments.limit, runtime=arguments.runtime,
            private=arguments.private, progress=_say,
        )
    )  # fmt: skip


def _discover(arguments: argparse.Namespace) -> None:
    from infogan import discovery

    result = discovery.discover(
        arguments.path,
        minutes=arguments.minutes,
        out=arguments.out,
        seed=arguments.seed,
        categories=arguments.categories,
        settings=_settings(arguments, _OWN_FLAGS),
        threads=arguments.threads,
        progress=_say,
    )
    print(discovery.summary(result))


def _doctor(arguments: argparse.Namespace) -> None:
    from infogan import api

    found = api.doctor(arguments.folder)
    print(json.dumps(found.as_json(), indent=2) if arguments.json else "\n".join(found.lines()))
    if found.problems:
        raise StorageError(
            f"infogan doctor found a problem: {found.problems[0]}",
            "a folder that can be written, with free space",
            "infogan doctor FOLDER, for another folder of runs",
        )


def _reproduce(arguments: argparse.Namespace) -> None:
    import infogan_experiments as experiments
    from infogan import config
    from infogan_experiments.experiment import EXPERIMENTS, Options

    options = Options(
        arguments.data, arguments.out, arguments.steps, arguments.seed, arguments.seeds,
        config.parse_assignments(arguments.set), arguments.recipe, arguments.quick,
    )  # fmt: skip
    if arguments.experiment is None:
        if options != Options():
            expected = f"one of {', '.join(experiments.names())}"
            raise UsageError("no experiment is named", expected, "infogan reproduce, which lists them")
        for name, text in experiments.names().items():
            takes = "".join(f" [--{option}]" for option in sorted(EXPERIMENTS[name].takes))
            print(f"{name:18} {text}{takes}")
        return
    experiments.run(arguments.experiment, options)


def _presets(arguments: argparse.Namespace) -> None:
    from infogan import config, presets, recipes

    if arguments.name is None:
        for name, entry in presets.PRESETS.items():
            print(f"{name:16} {entry.summary}")
        return
    preset = presets.PRESETS.find(arguments.name)
    print(f"# {preset.name}: {preset.summary}\n#")
    for name, recipe in recipes.RECIPES.items():
        print(f"# recipe {name}{' (default)' if name == preset.recipe else ''}: {recipe.summary}")
    print(f"\n{config.to_toml(preset.configuration())}\n# keys that differ between recipes:")
    for line in presets.recipe_table(preset):
        print(f"# {line}")


def _data_list(arguments: argparse.Namespace) -> None:
    from infogan import data

    for name, source in data.SOURCES.items():
        about = source.about
        print(f"{name}: {source.summary}")
        print(f"  images: {about.images}; {about.form}\n  from: {about.origin}\n  licence: {about.licence}")
        print(f"  sha256: {about.sha256}")


def _data_prepare(arguments: argparse.Namespace) -> None:
    from infogan import configuring, data

    settings = _settings(arguments, _OWN_FLAGS)
    config = configuring.data_config(arguments.source, data=arguments.data, settings=settings)
    if arguments.out is None:
        _say_audit(config)
    _print_prepared(data.prepare(config, arguments.out))


def _say_audit(config: DataConfig) -> None:
    """Prepare a user's own images, and print their audit on stderr."""
    from infogan.data import SOURCES, loading

    if SOURCES.find(config.source).settings and (lines := loading.audit_lines(config)):
        _say("\n".join(lines))


def _data_audit(arguments: argparse.Namespace) -> None:
    from infogan import configuring
    from infogan.data import loading

    settings = _settings(arguments, _OWN_FLAGS)
    config = configuring.data_config("folder", data=arguments.path, settings=settings)
    found = loading.audit(config)
    print("\n".join(found.lines()))


def _data_check(arguments: argparse.Namespace) -> None:
    from infogan.data import cache, prepared

    folders = arguments.folders or [entry.path for entry in cache.entries() if entry.origin]
    if not folders:
        print(f"there are no preprocessed images in {cache.prepared_folder()}")
    failed = []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"{folder} is not a folder", "a folder of preprocessed images", "infogan data check"
            )
        try:
            found = prepared.read(folder, thorough=True)
        except StorageError as error:
            failed.append(folder)
            print(f"damaged, or not prepared: {error.happened}")
        else:
            print(f"good: {folder}: {_described(found)}, {_megabytes(cache.size(folder))}")
    if not arguments.folders and folders:
        total = sum(entry.bytes for entry in cache.entries())
        print(f"together {_megabytes(total)}; infogan data clean deletes what is no longer used")
    if failed:
        raise StorageError(
            f"{len(failed)} of {len(folders)} folders are damaged or not prepared, the first one {failed[0]}",
            "folders as infogan wrote them",
            "delete these folders; infogan writes them again when they are needed",
        )


def _data_clean(arguments: argparse.Namespace) -> None:
    from infogan.data import cache

    gone = cache.clean(older_days=arguments.older, dry_run=arguments.dry_run)
    word = "would delete" if arguments.dry_run else "deleted"
    for entry in gone:
        what = entry.origin or "left by a stopped process"
        print(f"{word} {entry.path}: {what}, {_megabytes(entry.bytes)}, not used for {entry.days:.0f} days")
    kept = sum(1 for entry in cache.entries() if entry not in gone)
    total = _megabytes(sum(entry.bytes for entry in gone))
    print(f"{word} {len(gone)} of {len(gone) + kept} folders in {cache.prepared_folder()}, {total}")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _data_render(arguments: argparse.Namespace) -> None:
    from infogan import configuring, data, storage
    from infogan.data import prepared
    from infogan.reporting import pictures

    known = [name for name, source in data.SOURCES.items() if source.renders]
    if arguments.source not in known:
        raise UsageError(
            f"{arguments.source!r} renders no images{did_you_mean(arguments.source, known)}",
            f"one of {', '.join(known)}",
            f"infogan data render {known[0]}",
        )
    out = arguments.out or Path(arguments.source)
    config = configuring.data_config(
        arguments.source, data=arguments.data, settings=_settings(arguments, _DATA_FLAGS)
    )
    _print_prepared(data.prepare(config, out))
    sheet = out.with_name(f"{out.name}-sheet.png")
    with storage.writing(sheet, 0):
        pictures.save_png(pictures.sample_grid(prepared.read(out).images[:_SHEET]), sheet)
    print(f"  picture: {sheet}")


_DATA_FLAGS = {key: f"data.{key}" for key in ("size", "crop", "count")}
_OWN_FLAGS = {
    key: f"data.{key}"
    for key in (
        "size", "crop", "fit", "range", "background", "frames", "exclude", "allow_unreadable",
        "follow_links", "split_by",
    )
}  # fmt: skip
_SHEET = 100  # images on the contact sheet


def _print_prepared(folder: Path) -> None:
    from infogan.data import prepared

    found = prepared.read(folder)
    print(f"{folder}: {_described(found)}")
    if found.skipped:
        files = "1 file" if len(found.skipped) == 1 else f"{len(found.skipped):,} files"
        print(f"  {files} could not be read; see {folder / 'skipped.csv'}")


def _described(found: Any) -> str:
    """Return a line about preprocessed images: number, shape, and known labels, factors and attributes."""
    count, height, width, channels = found.images.shape
    truth = found.truth
    known = [] if truth.labels is None else ["labels"]
    known += [*truth.factors, *([f"{len(truth.attributes)} attributes"] if truth.attributes else [])]
    text = f"{count:,} images of {height}x{width}x{channels}"
    return f"{text}, with {', '.join(known)}" if known else text


# --- the parser ------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors have three parts."""

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split()).removeprefix("usage: ")
        raise UsageError(message, usage, f"{self.prog} --help")


def _one_of(*words: str) -> Callable[[str], str]:
    """Return an argument type for one of several words; its error suggests the nearest one."""

    def convert(text: str) -> str:
        if text in words:
            return text
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one of {', '.join(words)}{did_you_mean(text, words)}"
        )

    return convert


def _path(text: str) -> Path:
    if not text:  # an unset variable of the shell; Path("") would be the current folder
        raise argparse.ArgumentTypeError("a path is empty")
    return Path(text)


def _whole(least: int = 0, most: int | None = None) -> Callable[[str], int]:
    """Return an argument type for whole numbers in a range."""
    expected = "a whole number, 0 or more" if least == 0 else "a positive whole number"
    expected = expected if most is None else f"a whole number from {least} to {most}"

    def convert(text: str) -> int:
        with suppress(ValueError):
            value = int(text)
            if value >= least and (most is None or value <= most):
                return value
        raise argparse.ArgumentTypeError(f"{text!r} is not {expected}")

    return convert


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes above 0")
    return value


def _days(text: str) -> float:
    with suppress(ValueError):
        if 0 <= (value := float(text)) < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of days, 0 or more")


def _number_or_share(text: str) -> int | float:
    """Return a number of files, or a share of them: "5" or "5%"."""
    with suppress(ValueError):
        value = float(text.removesuffix("%"))
        if text.endswith("%") and 0 <= value < 100:
            return value / 100
        if value >= 1 and value.is_integer():
            return int(value)
    raise argparse.ArgumentTypeError(f"{text!r} is neither a number of files nor a percentage such as 5%")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as -2,-1,0,1,2") from None


Argument = tuple[str, dict[str, Any]]
"""A name or flag, and the keywords of `add_argument`."""


def _flag(name: str, kind: Any, metavar: str, text: str | None = None, **more: Any) -> Argument:
    return name, {"type": kind, "metavar": metavar, "help": text, **more}


def _switch(name: str, text: str) -> Argument:
    return name, {"action": "store_true", "help": text}


_RUN = _flag("run", _path, "RUN", "run directory")
_MODEL = _flag("run", _path, "RUN", "run directory or model folder")
_DATA = _flag("--data", _path, "FILES", "file or folder with the images (default: that of the configuration)")
_STEPS = _flag("--steps", _whole(1), "N", "number of training steps")
_SEED = _flag("--seed", _whole(), "N", "random seed (default: 0)", default=0)
_FIRST_SEED = _flag("--seed", _whole(), "N", "random seed (default: from the configuration)")
_SIZE = _flag("--size", _whole(), "N", "height and width of the images in pixels, 8 to 256")
_CROP = _flag(
    "--crop",
    _whole(1),
    "N",
    "crop images to the central N x N pixels (default: that of the source, or else the largest square)",
)
_OWN_IMAGES: tuple[Argument, ...] = (
    _flag("--range", str, "LOW:HIGH", "values that become black and white: 0:4095, or percentiles p0.1:p99"),
    _flag("--background", str, "COLOUR",
          "colour behind transparent pixels: white (default), black, grey or R,G,B"),
    _flag("--fit", _one_of("crop", "pad", "stretch"), "HOW",
          "how images become squares: crop (default), pad or stretch"),
    _flag("--exclude", str, "PATTERN", "leave out files, for example --exclude '*_mask.*' (repeatable)",
          action="append"),
    _flag("--split-by", _one_of("content", "folder", "prefix"), "WHAT",
          "images that stay on one side of the split: identical ones (content, default), folder or prefix"),
    _flag("--allow-unreadable", _number_or_share, "N|%", "leave out up to N or 5%% unreadable files"),
    ("--follow-links", {"action": "store_const", "const": True,
                        "help": "follow links that lead out of the folder (default: they are left out)"}),
    _flag("--frames", _one_of("first", "all"), "first|all", "frames and pages to use (default: first)"),
)  # fmt: skip
_JSON = _switch("--json", "print one JSON object on stdout")
_WEIGHTS = _flag(
    "--weights",
    _one_of("raw", "ema"),
    "raw|ema",
    "generator weights: as trained (raw), or their moving average (ema; the default if the model has one)",
)
_PNG = _flag("--out", _path, "PNG", "output file (default: in the folder of the run)")
_IMAGES = _flag("images", _path, "IMAGES", "an image; or a folder, archive or array of images")
_PLUGIN: Argument = (
    "--plugin",
    {
        "action": "append",
        "default": [],
        "metavar": "PLUGIN",
        "help": "import a plug-in first: a Python file, or the name of an installed plug-in (repeatable)",
    },
)
_SET: Argument = (
    "--set",
    {
        "action": "append",
        "default": [],
        "metavar": "KEY=VALUE",
        "help": "set a key of the configuration, for example --set batch_size=64 (repeatable)",
    },
)
_LOG_TO: Argument = (
    "--log-to",
    {
        "action": "append",
        "default": [],
        "metavar": "SINK",
        "help": "also log to tensorboard, wandb, trackio or the sink of a plug-in (repeatable)",
    },
)
_THREADS = _flag(
    "--threads", _whole(1), "N", "number of CPU threads; use 1 if other processes keep the cores busy"
)
_DEVICES = _flag(
    "--devices",
    _whole(1),
    "N",
    "number of processes that divide each batch, one per GPU, or on the CPU (default: 1)",
    default=1,
)


_COMMANDS: tuple[tuple[str, Command, str, tuple[Argument, ...]], ...] = (
    ("train", _train, "train a model on images", (
        ("source", {"nargs": "?", "metavar": "SOURCE",
                    "help": "a preset; a folder, archive or array of images; or a .toml configuration file"}),
        _DATA,
        _flag("--out", _path, "RUN", "run directory (default: runs/PRESET-NNN)"),
        _flag(
            "--recipe",
            str,
            "RECIPE",
            "robust, anchored, anchored-categories, paper or cr (default: that of the preset)",
        ),
        _STEPS,
        _FIRST_SEED,
        _flag("--seeds", _whole(1, 100), "N", "train N seeds, prune weak ones, keep the best (default: 1)",
              default=1),
        _SIZE,
        _CROP,
        *_OWN_IMAGES,
        _flag("--codes", str, "CODES", 'latent codes, for example "digit:10 rotation:u width:u"'),
        _flag("--config", _path, "FILE", "configuration file in the format that --dry-run prints"),
        _flag("--device", str, "DEVICE", "auto, cpu, cuda, cuda:N or mps (default: auto)"),
        _DEVICES,
        _THREADS,
        _flag("--precision", _one_of("auto", "float32", "tf32", "bfloat16"), "auto|float32|tf32|bfloat16",
        "precision of the layers (default: auto)"),
        _LOG_TO,
        _SET,
        _switch("--dry-run", "print the configuration, with a comment for each key, and do not train"),
    )),
    ("resume", _resume, "resume a stopped run, or train a finished run further", (
        _RUN,
        _flag("--steps", _whole(1), "N", "total number of training steps, including those already done"),
        _DATA,
        _LOG_TO,
        _DEVICES,
        _SET,
        _switch("--override", "allow changes of settings, images and plug-ins that change the result"),
    )),
    ("discover", _discover, "find the factors of variation in a folder of images, within a time budget", (
        _flag("path", _path, "PATH", "folder, archive or array of images"),
        _flag("--minutes", _minutes, "N", "time budget of the whole command, in minutes (default: 10)",
              default=10.0),
        _flag("--out", _path, "FOLDER", "output folder (default: runs/discover-NNN)"),
        _flag("--seed", _whole(), "N", "random seed (default: 0)", default=0),
        _flag("--categories", _whole(), "K", "number of categories; 0: none (default: chosen by stability)"),
        *_OWN_IMAGES,
        _THREADS,
        _SET,
    )),
    ("reproduce", _reproduce, "reproduce a published experiment: train, evaluate and write a page of results",
          (
        ("experiment", {"nargs": "?", "metavar": "EXPERIMENT",
              "help": "name of the experiment (default: list all)"}),
        _DATA,
        _flag("--out", _path, "FOLDER", "output folder (default: runs/EXPERIMENT-NNN)"),
        _STEPS,
        _flag("--seed", _whole(), "N", "first random seed (default: the experiment's)"),
        _flag("--seeds", _whole(1), "N", "number of seeds (default: the experiment's)"),
        _flag("--recipe", str, "RECIPE", "such as robust or paper (default: the experiment's recipe)"),
        _switch("--quick", "run a smoke test: one seed, few steps, small networks"),
        _SET,
    )),
    ("sample", _sample, "generate images", (
        _MODEL,
        _flag("--count", _whole(1), "N", "number of images (default: 64)", default=64),
        _PNG,
        _SEED,
        _WEIGHTS,
    )),
    ("traverse", _traverse,
          "plot latent traversals: along each row, one code varies and everything else is constant", (
        _MODEL,
        _flag("--code", str, "NAME", "name of the code (default: all codes, one picture for each)"),
        _flag("--rows", _whole(1), "N", "number of rows; each row has different noise (default: 8)",
              default=8),
        _flag("--values", _numbers, "A,B,...",
              "values of the code in the columns, for example --values=-2,0,2"),
        _PNG,
        _SEED,
        _WEIGHTS,
    )),
    ("encode", _encode, "predict the codes of images and write them to a CSV or Parquet file", (
        _MODEL,
        _IMAGES,
        _flag("--out", _path, "TABLE", "output file, .csv or .parquet (default: codes.csv)",
              default=Path("codes.csv")),
        _switch("--features", "also write the features of the recognition network"),
        _switch("--map", "also write each image's position on a 2-D map of the features"),
        _SEED,
    )),
    ("sort", _sort, "sort images into a folder per category, with contact sheets", (
        _MODEL,
        _IMAGES,
        ("--out", {"type": _path, "metavar": "FOLDER", "required": True, "help": "a new or empty folder"}),
        ("--by", {"action": "append", "default": [], "metavar": "CODE",
                  "help": "a continuous code that orders each folder (default: certainty), or the "
                          "categorical code of the folders (default: the first); repeatable"}),
        _switch("--copy", "copy image files instead of linking to them"),
    )),
    ("evaluate", _evaluate, "compute metrics of a run and write evaluation.json", (
        _RUN,
        _JSON,
        _DATA,
        _flag("--samples", _whole(1), "N",
              "number of generated images per metric, 2 or more (default: 10,000)", default=10_000),
        _switch("--full", "also compute the slow metrics and variants; takes minutes instead of seconds"),
        _SEED,
        _WEIGHTS,
    )),
    ("select", _select, "select the best of several runs without labels", (
        _flag("runs", _path, "RUN", "two or more run directories", nargs="+"),
        _JSON,
        _DATA,
        _SEED,
    )),
    ("report", _report, "write the HTML report of a run", (_RUN, _DATA)),
    ("explore", _explore, "control the codes of a run and see real images by code, in a browser", (
        _MODEL,
        _DATA,
        _flag("--host", str, "HOST", "address to listen on (default: 127.0.0.1, this computer only)",
              default="127.0.0.1"),
        _flag("--port", _whole(1, 65_535), "N", "port (default: the first free one from 8420)"),
        _switch("--no-browser", "print the address and do not open a browser"),
    )),
    ("export", _export, "write a model as ONNX, as a page without a server, as a folder, or to the Hub", (
        _flag("run", _path, "RUN", "run directory, model folder, or OWNER/NAME of the Hugging Face Hub"),
        _flag("--to", str, "TARGET", "onnx, html, safetensors or hub:OWNER/NAME", required=True),
        _flag("--out", _path, "PATH", "output folder or, for html, file (default: below RUN/export)"),
        _flag("--precision", _one_of("float32", "float16"), "float32|float16",
              "how ONNX weights are stored (default: float32, and float16 for html)"),
        _flag("--images", _path, "PATH", "html: file or folder with real images to show in the page"),
        _flag("--limit", _whole(1, 20_000), "N", "html: largest number of real images (default: 1,000)",
              default=1_000),
        _flag("--runtime", _path, "PATH",
              "html: folder or .tgz file of onnxruntime-web (default: the cache, or npm pack)"),
        _switch("--private", "hub: create a private repository"),
    )),
    ("presets", _presets, "list the presets, or show the configuration and recipes of one preset", (
        ("name", {"nargs": "?", "metavar": "NAME", "help": "name of the preset (default: list all)"}),
    )),
    ("doctor", _doctor, "print versions, devices, extras and disk space; test if files can be written", (
        _flag("folder", _path, "FOLDER", "folder of runs to test (default: runs)", nargs="?",
              default=Path("runs")),
        _JSON,
    )),
    ("data", _data_list, "list, audit, prepare, check, clean and render images", ()),
    ("data list", _data_list, "list all data sources with their images, origin and licence", ()),
    ("data audit", _data_audit, "describe a folder, archive or array of images before training", (
        _flag("path", _path, "PATH", "a folder, archive or array of images"),
        _SIZE,
        _CROP,
        *_OWN_IMAGES,
        _SET,
    )),
    ("data prepare", _data_prepare, "preprocess images before training", (
        ("source", {"metavar": "SOURCE",
              "help": "a data source; a preset; or a folder, archive or array of images"}),
        _DATA,
        _flag("--out", _path, "FOLDER", "output folder (default: one in the cache)"),
        _SIZE,
        _SET,
        _CROP,
        *_OWN_IMAGES,
    )),
    ("data check", _data_check, "verify the checksums of folders with preprocessed images", (
        _flag("folders", _path, "FOLDER", "folders to check (default: all folders in the cache)", nargs="*"),
    )),
    ("data clean", _data_clean, "delete preprocessed images from the cache; they can be prepared again", (
        _flag("--older", _days, "DAYS", "delete only what was not used for this number of days (default: 0)",
              default=0.0),
        _switch("--dry-run", "list what would be deleted, and delete nothing"),
    )),
    ("data render", _data_render, "render images with known factors into a folder, and a contact sheet", (
        ("source", {"metavar": "SOURCE", "help": "a data source that renders images, such as faces"}),
        _DATA,
        _flag("--out", _path, "FOLDER", "output folder (default: named after the source)"),
        _SIZE,
        _SET,
        _flag("--count", _whole(1), "N", "number of images (default: that of the source)"),
    )),
)  # fmt: skip
"""Name, function, help and arguments of each command; "data list" is an action of the command data."""


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="infogan",
        description="Find the factors of variation in a set of unlabelled images (InfoGAN).",
        epilog="First steps: infogan train mnist-5k, then infogan report runs/mnist-5k-001",
    )
    parser.add_argument("--version", action="version", version=f"infogan {__version__}")
    required: Any = {"required": True, "parser_class": _Parser}
    commands = {"": parser.add_subparsers(title="commands", metavar="COMMAND", **required)}
    for name, run, text, arguments in _COMMANDS:
        group, _, word = name.rpartition(" ")
        command = commands[group].add_parser(word, help=text, description=text)
        command.set_defaults(command=run)
        for argument, options in arguments if " " in name else (*arguments, _PLUGIN):
            command.add_argument(argument, **options)
        if name == "data":
            commands[name] = command.add_subparsers(title="actions", metavar="ACTION", **required)
    return parser


if __name__ == "__main__":
    sys.exit(main())
