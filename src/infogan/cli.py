"""The commands: each a few lines over the API. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import argparse
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

from infogan import __version__, signals
from infogan.errors import InfoGANError, Interrupted, StorageError, UsageError, did_you_mean

if TYPE_CHECKING:
    from infogan.config import Config

Command = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code (0 good, 2 usage, 3 diverged, 4 storage, 5 data, 130/143 stopped)."""
    with signals.handled():
        try:
            parsed = _parser().parse_args(arguments)
            _load_plugins(parsed)
            parsed.command(parsed)
            return 0
        except SystemExit:  # how argparse ends --help and --version
            return 0
        except InfoGANError as error:
            _say(f"infogan: {error.for_command_line}")
            return error.exit_code
        except Interrupted as request:
            signals.acknowledge()
            _say(_farewell(request))
            return request.exit_code
        except BrokenPipeError:  # the reader (head, less) has seen enough
            return 0
        finally:
            _flush()


def _load_plugins(arguments: argparse.Namespace) -> None:
    if arguments.plugin:
        from infogan import api

        api.load_plugins(arguments.plugin)


def _say(text: str) -> None:
    """A message on stderr, if there is one (2>&- closes it) and somebody reads it."""
    if sys.stderr is not None:
        with suppress(BrokenPipeError):
            print(text, file=sys.stderr)


def _flush() -> None:
    """Writes out what is buffered; Python would complain at its end about a reader that has gone."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None:
            continue
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _farewell(request: Interrupted) -> str:
    if request.run is None:
        return "infogan: stopped before anything was begun that could be lost"
    run = shlex.quote(str(request.run))
    return f"infogan: stopped; everything is saved\n  to go on: {_program()} resume {run}"


def _program() -> str:
    """The command as this shell finds it: a virtual environment may not be active."""
    return "infogan" if shutil.which("infogan") or not sys.argv[0].endswith("infogan") else sys.argv[0]


# --- the commands ----------------------------------------------------------------------------------------


def _train(arguments: argparse.Namespace) -> None:
    from infogan import api, config

    source = arguments.config or arguments.source
    if source is None or (arguments.config and arguments.source):
        raise UsageError(
            "train needs one source" + (", not two" if arguments.config else ""),
            "a preset, a folder or array of images, or a .toml file",
            "infogan train mnist-5k",
        )
    shorthands = {"steps": "training.steps", "seed": "training.seed", "device": "training.device",
                  "precision": "training.precision", "size": "data.size", "crop": "data.crop"}  # fmt: skip
    chosen = api.configure(
        source, data=arguments.data, recipe=arguments.recipe,
        plugins=arguments.plugin, codes=arguments.codes,
        settings=_settings(arguments, shorthands),
    )  # fmt: skip
    if arguments.dry_run:
        print(config.to_toml(chosen, explained=True), end="")
        return
    _warn_of_late_start(chosen)
    _print_result(api.train_config(chosen, out=arguments.out, seeds=arguments.seeds))


def _settings(arguments: argparse.Namespace, shorthands: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings of flags of their own, by flag and key, and of `--set`, which override them."""
    from infogan import config

    given = {key: getattr(arguments, flag, None) for flag, key in shorthands.items()}
    short = {key: value for key, value in given.items() if value is not None}
    return short | config.parse_assignments(arguments.set)


def _warn_of_late_start(chosen: Config) -> None:
    """Says where a training ends before its contrastive regulariser begins: it is the same run without."""
    from infogan.recipes import REGULARISED_FROM

    weight, steps = chosen.objective.contrastive_weight, chosen.training.steps
    start = next((step for step, value in weight.points if value), steps)
    if weight and not weight.at(steps - 1):
        late = round(REGULARISED_FROM * steps)
        _say(
            f"note: the contrastive regulariser begins at step {start:,}, this training ends at {steps:,}; "
            "to have it in the last tenth or so: "
            f'--set "contrastive_weight=[[{late}, 0], [{late}, {max(weight.values):g}]]"'
        )


def _resume(arguments: argparse.Namespace) -> None:
    from infogan import api

    settings = _settings(arguments, {"steps": "training.steps"})
    if arguments.data is not None:
        settings = {"data.path": os.path.abspath(arguments.data.expanduser()), **settings}
    _print_result(api.resume_run(arguments.run, settings=settings, override=arguments.override))


def _print_result(result: Any) -> None:
    from infogan import evaluation

    model, run, dataset = result.model, result.run, result.dataset
    step = f"step-{model.provenance['steps']:08d}"
    print(f"trained {model.provenance['steps']:,} steps in {run.path}")
    for folder in (run.samples, run.traversals):
        for picture in sorted(folder.glob(f"{step}*.png")):
            print(f"  picture: {picture}")
    try:
        if line := evaluation.sorting_line(model, dataset):
            print(line)
    except Interrupted as request:  # the training is over, and saved
        request.run = run.path
        raise
    print(f"next: {_program()} evaluate {run.path}")


def _sample(arguments: argparse.Namespace) -> None:
    from infogan import storage
    from infogan.model import InfoGAN
    from infogan.report import pictures

    model = InfoGAN.from_pretrained(arguments.run)
    images = model.sample(arguments.count, seed=arguments.seed, weights=arguments.weights)
    out = arguments.out or Path(arguments.run) / "samples" / f"sample-seed{arguments.seed}.png"
    with storage.writing(out, 0):
        pictures.save_png(pictures.sample_grid(images), out)
    print(out)


def _traverse(arguments: argparse.Namespace) -> None:
    from infogan import storage
    from infogan.model import InfoGAN
    from infogan.report import pictures
    from infogan.report.traversals import traversal_picture

    model = InfoGAN.from_pretrained(arguments.run)
    if arguments.out and not arguments.code and len(model.latents.priors) > 1:
        raise UsageError(
            f"--out {arguments.out} is one picture, and this model has {len(model.latents.priors)} codes",
            "one code with --out",
            f"--code {next(iter(model.latents.priors))} --out {arguments.out}",
        )
    for name in [arguments.code] if arguments.code else list(model.latents.priors):
        picture = traversal_picture(
            model, name, rows=arguments.rows, seed=arguments.seed, values=arguments.values,
            weights=arguments.weights,
        )  # fmt: skip
        default = Path(arguments.run) / "traversals" / f"{name}-seed{arguments.seed}.png"
        out = arguments.out or default
        with storage.writing(out, 0):
            pictures.save_png(picture, out)
        print(out)


def _encode(arguments: argparse.Namespace) -> None:
    from infogan import data
    from infogan.model import InfoGAN
    from infogan.report import tables

    model = InfoGAN.from_pretrained(arguments.run)
    images, names = data.read_images(arguments.images, model.size, model.channels, model.config.data.crop)
    priors = model.latents.priors.items()
    categorical = {name for name, prior in priors if prior.code.kind == "categorical" and prior.code.dim == 1}
    tables.write_codes(arguments.out, names, model.encode(images), categorical)
    print(f"{arguments.out}: the codes of {len(images):,} images")


def _tell(text: str) -> None:
    """What is going on, apart from what a command prints."""
    print(text, file=sys.stderr, flush=True)


def _evaluate(arguments: argparse.Namespace) -> None:
    from infogan import api, storage
    from infogan.model import InfoGAN
    from infogan.report import tables

    model = InfoGAN.from_pretrained(arguments.run)
    scores = api.evaluate(
        model, data_path=arguments.data, weights=arguments.weights, samples=arguments.samples,
        seed=arguments.seed, full=arguments.full,
        progress=_tell,
    )  # fmt: skip
    path = Path(arguments.run) / "evaluation.json"
    storage.write_text(path, json.dumps(scores, indent=2) + "\n")
    if arguments.json:
        print(json.dumps(scores, indent=2))
    else:
        print(f"{tables.evaluation_text(scores)}\nall figures: {path}")


def _select(arguments: argparse.Namespace) -> None:
    from infogan import api
    from infogan.report import tables

    found = api.select(
        arguments.runs,
        data_path=arguments.data,
        seed=arguments.seed,
        progress=_tell,
    )
    print(json.dumps(found, indent=2) if arguments.json else tables.selection_text(found))


def _report(arguments: argparse.Namespace) -> None:
    from infogan import api

    path = api.report(
        arguments.run,
        data_path=arguments.data,
        progress=_tell,
    )
    print(path)


def _discover(arguments: argparse.Namespace) -> None:
    from infogan import discovery

    result = discovery.discover(
        arguments.path,
        minutes=arguments.minutes,
        out=arguments.out,
        seed=arguments.seed,
        settings=_settings(arguments, {}),
        progress=_tell,
    )
    print(discovery.summary(result))
    for name in ("report.html", "codes.csv"):
        print(f"  {Path(result['run']).parent.parent / name}")


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
    from infogan import api, data

    config = api.data_config(
        arguments.source, data=arguments.data, settings=_settings(arguments, _DATA_FLAGS)
    )
    _print_prepared(data.prepare(config, arguments.out))


def _data_check(arguments: argparse.Namespace) -> None:
    from infogan.data import loading, prepared

    folders = arguments.folders or sorted(loading.prepared_folder().glob("[!.]*"))
    if not folders:
        print(f"nothing is prepared in {loading.prepared_folder()}")
    failed = []
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder", "a folder of prepared images", "infogan data check")
        try:
            found = prepared.read(folder)
        except StorageError as error:
            failed.append(folder)
            print(f"damaged, or not prepared: {error.happened}")
        else:
            print(f"good: {folder}: {_described(found)}")
    if failed:
        raise StorageError(
            f"{len(failed)} of {len(folders)} folders are damaged or not prepared, the first one {failed[0]}",
            "folders as infogan wrote them",
            "delete them: whatever needs them makes them anew",
        )


def _data_render(arguments: argparse.Namespace) -> None:
    from infogan import api, data, storage
    from infogan.data import prepared
    from infogan.report import pictures

    known = [name for name, source in data.SOURCES.items() if source.renders]
    if arguments.source not in known:
        raise UsageError(
            f"{arguments.source!r} renders no images{did_you_mean(arguments.source, known)}",
            f"one of {', '.join(known)}",
            f"infogan data render {known[0]}",
        )
    out = arguments.out or Path(arguments.source)
    config = api.data_config(
        arguments.source, data=arguments.data, settings=_settings(arguments, _DATA_FLAGS)
    )
    _print_prepared(data.prepare(config, out))
    sheet = out.with_name(f"{out.name}-sheet.png")
    with storage.writing(sheet, 0):
        pictures.save_png(pictures.sample_grid(prepared.read(out).images[:_SHEET]), sheet)
    print(f"  picture: {sheet}")


_DATA_FLAGS = {key: f"data.{key}" for key in ("size", "crop", "count")}
_SHEET = 100  # images on the contact sheet


def _print_prepared(folder: Path) -> None:
    from infogan.data import prepared

    found = prepared.read(folder)
    print(f"{folder}: {_described(found)}")
    if found.skipped:
        print(f"  {len(found.skipped):,} files could not be read: {folder / 'skipped.csv'} says why")


def _described(found: Any) -> str:
    """Prepared images in a line: how many, of what form, and what is known of each."""
    count, height, width, channels = found.images.shape
    truth = found.truth
    known = [] if truth.labels is None else ["labels"]
    known += [*truth.factors, *([f"{len(truth.attributes)} attributes"] if truth.attributes else [])]
    text = f"{count:,} images of {height}x{width}x{channels}"
    return f"{text}, with {', '.join(known)}" if known else text


# --- what may be typed -----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """argparse whose errors have our three parts."""

    def error(self, message: str) -> NoReturn:
        usage = " ".join(self.format_usage().split()).removeprefix("usage: ")
        raise UsageError(message, usage, f"{self.prog} --help")


class _OneOf:
    """A type for a word out of a few, with a suggestion for a misspelt one."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, text: str) -> str:
        if text not in self.words:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not one of {', '.join(self.words)}{did_you_mean(text, self.words)}"
            )
        return text


def _path(text: str) -> Path:
    if not text:  # an unset variable of the shell; Path("") would be the folder one happens to be in
        raise argparse.ArgumentTypeError("a path is empty")
    return Path(text)


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 0 or more")
    return value


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return value


def _positive(text: str) -> int:
    value = _whole(text)
    if not value:
        raise argparse.ArgumentTypeError("0 is too few: expected 1 or more")
    return value


def _up_to_100(text: str) -> int:
    value = _positive(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"{value} is too many: expected 1 to 100")
    return value


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers such as -2,-1,0,1,2") from None


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="infogan",
        description="Finds what varies in a set of images, without labels.",
        epilog="First steps: infogan train mnist-5k, then infogan traverse runs/mnist-5k-001",
    )
    parser.add_argument("--version", action="version", version=f"infogan {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)

    def command(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=run)
        added.add_argument(
            "--plugin", action="append", default=[], metavar="FILE.py", help="import a plug-in first"
        )
        return added

    _add_training(command)
    _add_experiments(command)
    _add_using(command)
    _add_listing(command)
    return parser


def _add_training(command: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    train = command("train", _train, "train a model on images")
    train.add_argument(
        "source", nargs="?", help="a preset, a folder, archive or array of images, or a .toml file"
    )
    train.add_argument("--data", type=_path, metavar="FILES", help="where the images lie")
    train.add_argument(
        "--out", type=_path, metavar="RUN", help="the run directory (default: runs/PRESET-NNN)"
    )
    train.add_argument("--recipe", help="how to train: robust, paper for appendix C, or cr for InfoGAN-CR")
    train.add_argument("--steps", type=_positive, metavar="N", help="one D and one G update each")
    train.add_argument("--seed", type=_whole, metavar="N", help="decides everything random")
    train.add_argument(
        "--seeds", type=_up_to_100, default=1, metavar="N",
        help="train N seeds, dropping the worst on the way, and keep the best (1 to 100)",
    )  # fmt: skip
    train.add_argument("--size", type=_whole, metavar="N", help="height and width of the images, 8 to 256")
    train.add_argument("--crop", type=_positive, metavar="N", help="central square of each picture to use")
    train.add_argument("--codes", metavar="CODES", help='for example "digit:10 rotation:u width:u"')
    train.add_argument("--config", type=_path, metavar="FILE", help="a TOML file, as --dry-run prints it")
    train.add_argument("--device", help="auto, cpu, cuda or cuda:N")
    train.add_argument(
        "--precision", type=_OneOf("auto", "float32", "bfloat16"), metavar="auto|float32|bfloat16"
    )
    _add_set(train)
    train.add_argument("--dry-run", action="store_true", help="print the whole configuration and stop")
    resume = command("resume", _resume, "go on with a run that was stopped")
    resume.add_argument("run", type=_path, metavar="RUN")
    resume.add_argument("--steps", type=_positive, metavar="N", help="the step to go on to")
    resume.add_argument("--data", type=_path, metavar="FILES", help="where the images lie now")
    _add_set(resume)
    resume.add_argument("--override", action="store_true", help="allow settings that change the result")
    discover = command("discover", _discover, "find what varies in a folder of images, in so many minutes")
    discover.add_argument("path", type=_path, metavar="PATH", help="a folder, archive or array of images")
    discover.add_argument("--minutes", type=_minutes, default=10.0, metavar="N", help="for all of it (10)")
    discover.add_argument("--out", type=_path, metavar="FOLDER", help="default: runs/discover-NNN")
    discover.add_argument("--seed", type=_whole, default=0, metavar="N", help="the first one")
    _add_set(discover)


def _add_experiments(command: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    reproduce = command("reproduce", _reproduce, "run an experiment of the paper and write its figure")
    reproduce.add_argument(
        "experiment",
        nargs="?",
        metavar="EXPERIMENT",
        help="such as mnist or figure1; left out: lists them all, and which take --recipe and --quick",
    )
    reproduce.add_argument("--data", type=_path, metavar="FILES", help="where the images lie")
    reproduce.add_argument("--out", type=_path, metavar="FOLDER", help="default: runs/EXPERIMENT-NNN")
    reproduce.add_argument("--steps", type=_positive, metavar="N", help="steps of each training")
    reproduce.add_argument(
        "--seed", type=_whole, metavar="N", help="the first one (default: the experiment's own)"
    )
    reproduce.add_argument(
        "--seeds", type=_positive, metavar="N", help="how many (default: the experiment's own number)"
    )
    reproduce.add_argument("--recipe", help="robust, paper or cr (default: the preset's own)")
    reproduce.add_argument(
        "--quick", action="store_true", help="one seed, few steps, small networks: to see that all of it runs"
    )
    _add_set(reproduce)


def _add_using(command: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    sample = command("sample", _sample, "draw generated images")
    sample.add_argument("run", type=_path, metavar="RUN")
    sample.add_argument("--count", type=_positive, default=64, metavar="N")
    traverse = command("traverse", _traverse, "draw what a code does, with all else fixed along a row")
    traverse.add_argument("run", type=_path, metavar="RUN")
    traverse.add_argument("--code", metavar="NAME", help="one code (default: a picture for each)")
    traverse.add_argument("--rows", type=_positive, default=8, metavar="N")
    traverse.add_argument("--values", type=_numbers, metavar="A,B,...", help="across, as --values=-2,0,2")
    encode = command("encode", _encode, "read the codes off images, into a CSV file")
    encode.add_argument("run", type=_path, metavar="RUN")
    encode.add_argument(
        "images", type=_path, metavar="IMAGES", help="an image, a folder, archive or array of images"
    )
    encode.add_argument("--out", type=_path, default=Path("codes.csv"), metavar="CSV")
    evaluate = command("evaluate", _evaluate, "measure what the codes carry")
    evaluate.add_argument("run", type=_path, metavar="RUN")
    evaluate.add_argument("--json", action="store_true", help="one JSON object on stdout, nothing else")
    evaluate.add_argument("--data", type=_path, metavar="FILES", help="where the images lie now")
    evaluate.add_argument(
        "--samples", type=_positive, default=10_000, metavar="N", help="fresh generated images"
    )
    evaluate.add_argument(
        "--full", action="store_true", help="long variants of what has one: minutes in place of seconds"
    )
    select = command("select", _select, "which of several runs to trust, without labels")
    select.add_argument("runs", type=_path, nargs="+", metavar="RUN")
    select.add_argument("--json", action="store_true", help="one JSON object on stdout, nothing else")
    select.add_argument("--data", type=_path, metavar="FILES", help="where the images lie now")
    select.add_argument("--seed", type=_whole, default=0, metavar="N")
    report = command("report", _report, "write the run's page: codes, verdicts, figures, how to repeat it")
    report.add_argument("run", type=_path, metavar="RUN")
    report.add_argument("--data", type=_path, metavar="FILES", help="where the images lie now")
    for drawing in (sample, traverse):
        drawing.add_argument("--out", type=_path, metavar="PNG")
    for using in (sample, traverse, evaluate):
        using.add_argument("--seed", type=_whole, default=0, metavar="N")
        using.add_argument("--weights", type=_OneOf("raw", "ema"), metavar="raw|ema")


def _add_listing(command: Callable[[str, Command, str], argparse.ArgumentParser]) -> None:
    presets = command("presets", _presets, "list the presets, or show one and how its recipes differ")
    presets.add_argument("name", nargs="?", metavar="NAME", help="the preset to show (default: list all)")
    data = command("data", _data_list, "list, prepare, check and draw images")
    actions = data.add_subparsers(title="actions", required=True, metavar="ACTION", parser_class=_Parser)

    def action(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=text, description=text)
        added.set_defaults(command=run)
        return added

    action("list", _data_list, "every source: its images, their origin and licence")
    prepare = action("prepare", _data_prepare, "bring images to one form, once; train does it by itself")
    prepare.add_argument("source", metavar="SOURCE", help="a source, a preset, or a folder, archive or array")
    check = action("check", _data_check, "read every byte of what was prepared")
    check.add_argument("folders", nargs="*", type=_path, metavar="FOLDER", help="default: all in the cache")
    render = action("render", _data_render, "draw images whose factors are known, and a picture of some")
    render.add_argument("source", metavar="SOURCE", help="a source that draws; any other word lists them")
    for making in (prepare, render):
        making.add_argument("--data", type=_path, metavar="FILES", help="where the images or models lie")
        making.add_argument("--out", type=_path, metavar="FOLDER", help="where to put them")
        making.add_argument("--size", type=_whole, metavar="N", help="height and width, 8 to 256")
        _add_set(making)
    prepare.add_argument("--crop", type=_positive, metavar="N", help="central square of each picture to use")
    render.add_argument("--count", type=_positive, metavar="N", help="how many images")


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="any key of the configuration"
    )


if __name__ == "__main__":
    sys.exit(main())
