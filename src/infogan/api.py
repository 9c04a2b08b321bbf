"""The Python API: one function per command, for example `infogan.train` for `infogan train`."""

from __future__ import annotations

import logging
import signal
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, overload

import numpy as np

from infogan import config as configuration
from infogan import console, data, signals
from infogan.config import Code, Config
from infogan.configuring import absolute, configure, load_plugins
from infogan.data import SOURCES, Dataset
from infogan.errors import DataError, DistributedError, Interrupted, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from torch import Tensor

    from infogan.data.image_collection import ImageCollection
    from infogan.diagnosis import Diagnosis
    from infogan.evaluation.subject import Progress
    from infogan.export.onnx_files import Precision
    from infogan.model import InfoGAN
    from infogan.networks import Build
    from infogan.reporting.report_file import ReportFile
    from infogan.runs import code_names
    from infogan.runs.directory import RunDirectory
    from infogan.sinks import NewSink
    from infogan.training.distributed import Ranks
    from infogan.training.progress import Output
    from infogan.training.runner import Trained
    from infogan.training.terms import Term

    class Items(Protocol):
        """A list, a column, a PyTorch data set or a Hugging Face data set."""

        def __len__(self) -> int: ...
        def __getitem__(self, index: Any, /) -> Any: ...

    Images: TypeAlias = np.ndarray | Tensor | Items
    Arrays: TypeAlias = np.ndarray | Tensor | Sequence[Any]
    Labels: TypeAlias = np.ndarray | Tensor | Sequence[int]

log = logging.getLogger(__name__)


@signals.handled_in_python()
def train(  # noqa: PLR0913 - everything that a training can be given, by name
    source: str | Path | Config | Images,
    *,
    dataset: Dataset | None = None,
    labels: Labels | None = None,
    data: str | Path | None = None,
    out: str | Path | None = None,
    recipe: str | None = None,
    codes: str | Mapping[str, Code] | None = None,
    steps: int | None = None,
    seed: int | None = None,
    seeds: int = 1,
    size: int | None = None,
    device: str | None = None,
    devices: int = 1,
    executor: Executor | None = None,
    threads: int | None = None,
    precision: Literal["auto", "float32", "tf32", "bfloat16"] | None = None,
    model: str | Build | None = None,
    terms: Sequence[str | Term] = (),
    plugins: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    progress: bool | Progress = True,
    log_to: Sequence[str | NewSink] = (),
) -> InfoGAN:
    """Train a model and return it. The run directory contains the model, checkpoints, metrics and images.

    Ctrl-C saves the run and returns the model of that step, with a warning that names the run; a training of
    several seeds is saved and raises KeyboardInterrupt. A second Ctrl-C raises KeyboardInterrupt at once.

    Args:
        source: as in `configure`; or the images themselves: an array, uint8 [N, H, W] or [N, H, W, C], or a
            list of these; a torch tensor, also [N, C, H, W]; a list or pandas column of paths; a list of PIL
            images; a PyTorch data set; or a Hugging Face data set. `infogan.data.python_images` documents
            each.
        dataset: a data set to use instead of the images of `source`.
        labels: class labels [N] of images that are passed themselves; used for evaluation only.
        data: as in `configure`.
        out: the run directory; by default the next free one of runs/PRESET-001, runs/PRESET-002 and so on.
        recipe: as in `configure`.
        codes: as in `configure`.
        steps: number of training steps, each with one update of D.
        seed: random seed.
        seeds: number of seeds to train, starting with `seed`. A label-free score prunes weak seeds early, and
            the model of the best seed is returned.
        size: height and width of the images in pixels, 8 to 256.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        devices: number of processes that divide each batch, each with its own GPU, or on the CPU.
        executor: trains several seeds at the same time, such as a `ProcessPoolExecutor` or the executor of a
            cluster. Its processes see the same files as this one.
        threads: number of CPU threads; None: torch's own. 1 is fastest if the cores are busy otherwise.
        precision: precision of the layers; "auto" uses bfloat16 if the hardware supports it natively.
        model: networks instead of the tables of appendix C: a registered name or a function as
            `infogan.network` takes it.
        terms: loss terms beyond those of the recipe, made by `infogan.term`, or their names.
        plugins: files or installed plug-ins to import first. The loss terms that they register are used.
        settings: as in `configure`; an argument such as `steps` has precedence.
        progress: show progress on stderr, or in a notebook with pictures; or a function that is called with
            each message and each line of progress.
        log_to: sinks that receive metrics and pictures, too: "tensorboard", "wandb", "trackio", another
            registered name, or a subclass of `infogan.Sink`.

    Raises:
        InfoGANError: one of its subclasses, with what to do next.
    """
    given = {
        "training.steps": steps,
        "training.seed": seed,
        "training.device": device,
        "training.precision": precision,
        "data.size": size,
    }
    settings = _with_arguments(settings, given)
    named = source if isinstance(source, str | Path | Config) else "folder"
    config = configure(
        named,
        data=data,
        recipe=recipe,
        codes=codes,
        model=model,
        terms=terms,
        plugins=plugins,
        settings=settings,
    )
    if not isinstance(source, str | Path | Config):
        dataset = memory_dataset(source, config, labels)
    elif labels is not None:
        raise UsageError(
            "labels are given without images", "labels of images in memory", "train(images, labels=labels)"
        )
    if devices > 1:
        return _train_by_processes(config, devices, out, dataset, seeds, plugins, not progress)
    try:
        return train_config(
            config,
            out=out,
            dataset=dataset,
            seeds=seeds,
            output=output(progress, log_to),
            executor=executor,
            plugins=plugins,
            threads=threads,
        ).model
    except Interrupted as request:
        return _stopped_model(request)


def _stopped_model(request: Interrupted) -> InfoGAN:
    """Return the model that was saved when Ctrl-C stopped a training; raise other requests again."""
    from infogan.runs.directory import RunDirectory, has_seeds

    run = request.run
    if run is None or request.signum != signal.SIGINT:
        raise request
    if has_seeds(run) or not RunDirectory(run).model.is_dir():
        raise request
    signals.acknowledge()
    model = load(run)
    log.warning(
        "stopped by Ctrl-C at step %s; the model of that step is returned. To resume: infogan.resume(%r)",
        f"{model.provenance['steps']:,}",
        str(run),
    )
    return model


def output(progress: bool | Progress = True, log_to: Sequence[str | NewSink] = ()) -> Output:
    """Return where training reports, by the arguments of `train`."""
    from infogan import sinks
    from infogan.training.notebook_view import NotebookView, in_notebook
    from infogan.training.progress import Output

    makers = sinks.find(log_to)
    if callable(progress):
        return Output(quiet=True, notify=progress, sinks=makers)
    if progress and in_notebook():
        view = NotebookView()
        return Output(quiet=True, notify=view.notify, sinks=(view.sink, *makers))
    return Output(quiet=not progress, sinks=makers)


def _train_by_processes(  # noqa: PLR0913, PLR0917 - the arguments of `train` that concern it
    config: Config,
    devices: int,
    out: str | Path | None,
    dataset: Dataset | None,
    seeds: int,
    plugins: Sequence[str | Path],
    quiet: bool,
) -> InfoGAN:
    """Train by processes of their own, and return the model that they have saved."""
    from infogan.runs.directory import next_free

    if dataset is not None or seeds > 1:
        given = "images in memory" if dataset is not None else f"seeds = {seeds}"
        raise UsageError(
            f"devices = {devices} with {given}: other processes train one run on files",
            "a path or a preset, and one seed",
            "numpy.save('images.npy', images), then train('images.npy', devices=2)",
        )
    path = next_free(Path("runs"), config.preset) if out is None else Path(out)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.toml"
        file.write_text(configuration.to_toml(config), encoding="utf-8")
        _launch(["train", str(file), "--out", str(path)], devices, plugins, path, quiet)
    return load(path)


def _launch(
    command: list[str], devices: int, plugins: Sequence[str | Path], run: str | Path, quiet: bool
) -> None:
    """Run a command of the command line by several processes.

    Raises:
        DistributedError: it has failed; what happened is on stderr.
    """
    from infogan.training import launcher

    named = [word for plugin in plugins for word in ("--plugin", str(plugin))]
    code = launcher.launch([*command, *named], devices, quiet=True)
    if code:
        log_path = "" if quiet else f", and {Path(run) / 'log.txt'}"
        raise DistributedError(
            f"the training of {run} by {devices} processes ended with exit code {code}",
            "exit code 0",
            f"the messages on stderr{log_path}; infogan.resume({str(run)!r}), if it has been stopped",
        )


def _with_arguments(settings: Mapping[str, Any] | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, then the arguments that are not None: the last setting of a key counts."""
    arguments = {key: value for key, value in given.items() if value is not None}
    return {key: value for key, value in (settings or {}).items() if key not in arguments} | arguments


def memory_dataset(images: Images, config: Config, labels: Labels | None = None) -> Dataset:
    """Return images that Python holds as a data set, preprocessed and split like those of a folder."""
    return data.from_found(data.as_found(images, config.data, labels), config.data)


def as_dataset(images: Dataset | Images, config: Config) -> Dataset:
    """Return a data set, or images as `train` takes them, as a data set."""
    return images if isinstance(images, Dataset) else memory_dataset(images, config)


def train_config(  # noqa: PLR0913 - as in `train`
    config: Config,
    *,
    out: str | Path | None = None,
    dataset: Dataset | None = None,
    seeds: int = 1,
    output: Output | None = None,
    executor: Executor | None = None,
    plugins: Sequence[str | Path] = (),
    threads: int | None = None,
) -> Trained:
    """Train as `train` does, by a whole configuration; return the model with its run and data.

    If a launcher such as torchrun has started this process and others, they train together.
    """
    from infogan.training import distributed, engine

    engine.use_threads(threads)
    with distributed.joined() as ranks:
        if ranks is None or ranks.rank == 0:
            return _train_config(config, out, dataset, seeds, output, executor, plugins, ranks)
        from infogan.training import runner

        return runner.follow(ranks, lambda config: data.load(config.data) if dataset is None else dataset)


def _check_processes(seeds: int, ranks: Ranks | None, executor: Executor | None, *, in_memory: bool) -> None:
    """Raise UsageError if several processes cannot train these seeds on these images."""
    if seeds > 1 and ranks is not None:
        raise UsageError(
            f"seeds = {seeds} by {ranks.size} processes, which train one run",
            "one seed",
            "an executor, which trains several seeds at the same time",
        )
    if executor is not None and (in_memory or seeds == 1):
        raise UsageError(
            "an executor " + ("with images in memory" if in_memory else "with one seed"),
            "several seeds, and images in files, which other processes can read",
            "train('images.npy', seeds=4, executor=executor)",
        )


def _train_config(  # noqa: PLR0913, PLR0917 - as in `train_config`
    config: Config,
    out: str | Path | None,
    dataset: Dataset | None,
    seeds: int,
    output: Output | None,
    executor: Executor | None,
    plugins: Sequence[str | Path],
    ranks: Ranks | None,
) -> Trained:
    from infogan import networks
    from infogan.runs.directory import RunDirectory, next_free
    from infogan.training import runner, seed_selection

    networks.check_architecture(config.network.architecture)
    seed_selection.check(config, seeds)
    _check_processes(seeds, ranks, executor, in_memory=dataset is not None)
    if ranks is not None:
        ranks.check(config)
    dataset = data.load(config.data) if dataset is None else dataset
    if dataset.problem is not None:
        raise dataset.problem
    config = runner.resolve(config, dataset)
    path = next_free(Path("runs"), config.preset) if out is None else Path(out)
    run = RunDirectory.create(path, seeds=seeds > 1)
    if data.kept.in_memory(dataset):
        data.kept.write(run.images, dataset)
    if seeds > 1:
        jobs = None if executor is None else seed_selection.Jobs(executor, tuple(map(str, plugins)))
        trained = seed_selection.train(config, dataset, run, seeds, output=output, jobs=jobs)
    else:
        trained = runner.train(config, dataset, run, output=output, ranks=ranks)
    trained.model.config = _with_kept_images(trained.model.config, run)
    return trained


@signals.handled_in_python()
def resume(  # noqa: PLR0913 - everything that may differ, by name
    run: str | Path,
    *,
    steps: int | None = None,
    dataset: Dataset | Images | None = None,
    plugins: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    override: bool = False,
    devices: int = 1,
    executor: Executor | None = None,
    progress: bool | Progress = True,
    log_to: Sequence[str | NewSink] = (),
) -> InfoGAN:
    """Resume a run from its newest intact checkpoint. The result is that of a run without interruption.

    Ctrl-C saves and returns as in `train`.

    Args:
        run: the run directory.
        steps: the step at which training ends, if it differs from the configuration's.
        dataset: the images, if they are to be those of a data set or in memory, as in `train`. A run that was
            trained on images in memory keeps them, and needs none.
        plugins: the plug-ins that the run uses, as in `train`.
        settings: values by key, such as `{"training.save_every": 100}`; `steps` has precedence.
        override: allow settings, images and plug-ins that change the result.
        devices: as in `train`; the number may differ from that of the training so far.
        executor: as in `train`.
        progress: as in `train`.
        log_to: as in `train`. A resumed run logs to the sinks that are named again.

    Raises:
        InfoGANError: one of its subclasses, with what to do next.
    """
    settings = _with_arguments(settings, {"training.steps": steps})
    if devices > 1:
        if dataset is not None:
            raise UsageError(
                f"devices = {devices} with images in memory, which other processes cannot read",
                "a run on files",
                "devices=1",
            )
        command = ["resume", str(run), *(["--override"] if override else [])]
        command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        _launch(command, devices, plugins, run, not progress)
        return load(run)
    try:
        return resume_run(
            run,
            dataset=dataset,
            plugins=plugins,
            settings=settings,
            override=override,
            output=output(progress, log_to),
            executor=executor,
        ).model
    except Interrupted as request:
        return _stopped_model(request)


def resume_run(  # noqa: PLR0913 - as in `resume`
    run: str | Path,
    *,
    dataset: Dataset | Images | None = None,
    plugins: Sequence[str | Path] = (),
    settings: Mapping[str, Any] | None = None,
    override: bool = False,
    output: Output | None = None,
    executor: Executor | None = None,
) -> Trained:
    """Resume a run as `resume` does; return the model with its run directory and data."""
    from infogan.runs.directory import RunDirectory, has_seeds
    from infogan.training import distributed, runner, seed_selection

    load_plugins(plugins)

    def load_data(config: Config) -> Dataset:
        if dataset is None:
            return data.load(_with_kept_images(config, RunDirectory(Path(run))).data)
        return as_dataset(dataset, config)

    with distributed.joined() as ranks:
        if ranks is not None and ranks.rank:
            return runner.follow(ranks, load_data)
        directory = RunDirectory.open(Path(run))
        options: dict[str, Any] = {
            "settings": settings or {},
            "allow_changes": override,
            "output": output,
        }
        if not has_seeds(directory.path):
            trained = runner.resume(directory, load_data, **options, ranks=ranks)
        elif ranks is not None:
            raise UsageError(
                f"{run} holds several seeds; {ranks.size} processes train one run",
                "a run of one seed",
                f"{Path(run) / 'seeds'}, or one device",
            )
        else:
            jobs = None if executor is None else seed_selection.Jobs(executor, tuple(map(str, plugins)))
            trained = seed_selection.resume(directory, load_data, **options, jobs=jobs)
        trained.model.config = _with_kept_images(trained.model.config, directory)
        return trained


def load(run: str | Path, *, plugins: Sequence[str | Path] = ()) -> InfoGAN:
    """Load the model of a run, or of a folder that `InfoGAN.save_pretrained` wrote.

    Args:
        run: the run directory or model folder.
        plugins: the plug-ins that its networks come from.

    Raises:
        InfoGANError: as in `InfoGAN.from_pretrained`.
    """
    from infogan.model import InfoGAN
    from infogan.runs.directory import RunDirectory

    load_plugins(plugins)
    model = InfoGAN.from_pretrained(run)
    model.config = _with_kept_images(model.config, RunDirectory(run))
    environment = RunDirectory(run).environment_path
    if "data" not in model.provenance and environment.is_file():  # a run of an earlier release
        model.provenance["data"] = RunDirectory(run).read_environment().get("data")
    return model


@dataclass(frozen=True)
class Encoded:
    """A table of codes that has been written.

    Attributes:
        path: the table.
        rows: number of images in it.
        skipped: files that could not be read, with reasons.
    """

    path: Path
    rows: int
    skipped: tuple[data.Skipped, ...]


def encode(  # noqa: PLR0913 - the columns of the table, by name
    run: str | Path | InfoGAN,
    images: str | Path | Arrays,
    *,
    out: str | Path = "codes.csv",
    features: bool = False,
    map: bool = False,
    seed: int = 0,
    plugins: Sequence[str | Path] = (),
    progress: bool = False,
) -> Encoded:
    """Predict the codes of images and write them to a table, with one row for each image.

    Images are read, encoded and written in batches, so that memory does not grow with their number. The
    columns are those of `infogan.encoding.code_table.write_codes`.

    Args:
        run: the run directory, a model folder, or a model.
        images: an image file; a folder, archive or array file of images; or an array, tensor or list of
            arrays.
        out: the table, a .csv or .parquet file; an older one is replaced.
        features: also write the features that the recognition network computes.
        map: also write the position of each image on a 2-D map of the features.
        seed: random seed of the map.
        plugins: the plug-ins that the networks come from.
        progress: show a progress bar on stderr.

    Raises:
        UsageError: `out` is not the name of a table, or a file of something else; or a package is missing.
        DataError: there are no images, or none can be read.
        StorageError: the table cannot be written.
    """
    from infogan.encoding import code_table, table_files

    table_files.check_replaceable(Path(out))
    model, names = _model_and_names(run, plugins)
    found = _collection(model, images)
    extra = code_table.Extra(features, map, seed)
    rows = code_table.write_codes(model, found, Path(out), names=names, extra=extra, progress=progress)
    return Encoded(Path(out), rows, tuple(found.skipped))


@dataclass(frozen=True)
class Sorted:
    """A folder of sorted images that has been written.

    Attributes:
        path: the folder.
        counts: number of images in each of its subfolders.
        skipped: files that could not be read, with reasons.
    """

    path: Path
    counts: Mapping[str, int]
    skipped: tuple[data.Skipped, ...]


def sort(  # noqa: PLR0913 - what, where to, and how, by name
    run: str | Path | InfoGAN,
    images: str | Path | Arrays,
    *,
    out: str | Path,
    by: str | Sequence[str] = (),
    copy: bool = False,
    plugins: Sequence[str | Path] = (),
    progress: bool = False,
) -> Sorted:
    """Sort images into a new folder, with a subfolder, a contact sheet and numbered links for each category.

    Args:
        run: the run directory, a model folder, or a model.
        images: as in `encode`.
        out: a folder that is missing or empty. Nothing is overwritten.
        by: names of codes. A continuous code gives the order in each subfolder, ascending; by default, the
            most certain images are first. A categorical code gives the subfolders; by default, this is the
            first one.
        copy: copy image files instead of linking to them. Images of an archive are always written as the
            files that they are there, and those of an array as PNG files.
        plugins: the plug-ins that the networks come from.
        progress: show a progress bar on stderr.

    Raises:
        UsageError: `out` is not empty or lies inside the folder of images, no code has that name, or `out`
            cannot contain links.
        DataError: there are no images, or none can be read.
        StorageError: `out` cannot be written; nothing is left behind.
    """
    from infogan.encoding import sort_keys, sorted_folders

    model, names = _model_and_names(run, plugins)
    keys = sort_keys.sort_keys(model.latents, names, [by] if isinstance(by, str) else by)
    found = _collection(model, images)
    counts = sorted_folders.sort_images(model, found, Path(out), keys, copy=copy, progress=progress)
    return Sorted(Path(out), counts, tuple(found.skipped))


def _model_and_names(
    run: str | Path | InfoGAN, plugins: Sequence[str | Path]
) -> tuple[InfoGAN, code_names.CodeNames]:
    """Return a model, and the names that the user gave to the codes of its run."""
    from infogan.runs import code_names

    if isinstance(run, str | Path):
        model = load(run, plugins=plugins)
        return model, code_names.read(run, model.config.latents.codes)
    load_plugins(plugins)
    return run, code_names.CodeNames(run.config.latents.codes)


def _collection(model: InfoGAN, images: str | Path | Arrays) -> ImageCollection:
    """Return images in the form that a model needs."""
    from infogan.data import image_collection
    from infogan.data.preprocessing import Form

    like = model.config.data
    form = Form.of(like, model.size, model.channels)
    if isinstance(images, str | Path):
        return image_collection.open_collection(Path(images), form, like)
    return image_collection.of_array(data.as_images(images), form)


def _with_kept_images(config: Config, run: RunDirectory) -> Config:
    """Return `config` with the path of the images that the run keeps, if it keeps them."""
    if config.data.path is not None or not data.kept.holds(run.images):
        return config
    return config.replace(data={"source": "folder", "path": absolute(run.images)})


def select(
    runs: Sequence[str | Path],
    *,
    data_path: str | Path | None = None,
    seed: int = 0,
    plugins: Sequence[str | Path] = (),
    progress: bool | Progress = False,
) -> dict[str, Any]:
    """Select one of several runs without labels, and match codes that represent the same factor.

    Args:
        runs: two or more run directories, or models that `InfoGAN.from_pretrained` reads.
        data_path: file or folder with the images of the first run, if they have moved. All runs encode these
            images.
        seed: random seed.
        plugins: the plug-ins that the runs use, as in `train`.
        progress: show progress on stderr; or a function that is called with each message.

    Returns:
        The result of `infogan.evaluation.model_selection.choose`.

    Raises:
        InfoGANError: as in `InfoGAN.from_pretrained` and `choose`.
    """
    from infogan.evaluation import model_selection

    load_plugins(plugins)
    models = {str(run): load(run) for run in runs}
    if len(models) < len(runs):
        raise UsageError("one run is named twice", "each run once", "infogan select RUN OTHER")
    show = _shown(progress)
    names = dict.fromkeys(model.config.data.path or model.config.data.source for model in models.values())
    if len(names) > 1:
        show(f"note: the runs were trained on {' and on '.join(names)}; all encode the images of the first")
    first = next(iter(models.values()))
    images = model_selection.images_to_read(training_images(first, data_path))
    return model_selection.choose(models, images, seed=seed, progress=show)


def report(
    run: str | Path,
    *,
    dataset: Dataset | Images | None = None,
    data_path: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    progress: bool | Progress = False,
) -> ReportFile:
    """Write RUN/report.html: traversals and verdicts of all codes, metrics, and the commands to repeat them.

    Args:
        run: a run directory, or RUN/seeds/seed-N.
        dataset: the images, for a run that was trained on images that were passed themselves.
        data_path: the current file or folder of the images.
        plugins: the plug-ins that the run uses, as in `train`.
        progress: show progress on stderr; or a function that is called with each message.

    Returns:
        The path of the report, one self-contained HTML file. A notebook displays the report itself.

    Raises:
        InfoGANError: as in `InfoGAN.from_pretrained` and `evaluate`; or the report cannot be written.
    """
    from infogan.reporting import page
    from infogan.reporting.report_file import ReportFile
    from infogan.runs.directory import RunDirectory

    load_plugins(plugins)
    directory = RunDirectory.open(Path(run))
    model = load(directory.path)
    given = None if dataset is None else as_dataset(dataset, model.config)
    images = training_images(model, data_path) if given is None else given
    return ReportFile(page.write(directory, model, images, _shown(progress), place=data_path))


def doctor(folder: str | Path = "runs") -> Diagnosis:
    """Return versions, processor, devices, extras and free space of this machine, and a test of writing.

    Args:
        folder: where runs are to be written; it is created if it is missing.

    Returns:
        the diagnosis. `problems` is empty if all is well; `lines()` is what `infogan doctor` prints.
    """
    from infogan import diagnosis
    from infogan.training import engine

    device = engine.choose_device("auto")
    return diagnosis.diagnose(Path(folder).expanduser(), device, engine.choose_precision("auto", device))


def explore(  # noqa: PLR0913 - everything that the page can be given, by name
    run: str | Path,
    *,
    data_path: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = True,
    plugins: Sequence[str | Path] = (),
    progress: bool | Progress = True,
) -> None:
    """Serve a page that controls the codes of a run and shows real images by code, until Ctrl-C.

    Args:
        run: the run directory or model folder.
        data_path: file or folder with the images, if they have moved.
        host: name or address to listen on. With any other than one of this computer alone, the printed
            address contains a token, without which the page answers nothing.
        port: by default the first free port from 8420.
        browser: open the page in a browser.
        plugins: the plug-ins that the run uses, as in `train`.
        progress: show progress and the address on stderr; or a function that is called with each message.

    Raises:
        UsageError: starlette and uvicorn are not installed; the port is in use; or there is no such run.
        StorageError: codes.json is damaged.
    """
    from infogan import explorer

    model = load(run, plugins=plugins)

    def named_images() -> explorer.Images:
        dataset = training_images(model, data_path)
        pixels, names = data.load_all(_moved(model.config, data_path).data)
        return explorer.Images(pixels, names, dataset.fingerprint)

    explorer.explore(
        model,
        Path(run),
        named_images,
        address=explorer.Address(host, port),
        browser=browser,
        announce=_shown(progress),
    )


@overload
def export_model(
    run: str | Path,
    to: Literal["onnx", "html", "safetensors"],
    *,
    out: str | Path | None = ...,
    precision: Precision | None = ...,
    images: str | Path | None = ...,
    limit: int = ...,
    runtime: str | Path | None = ...,
    plugins: Sequence[str | Path] = ...,
    progress: bool | Progress = ...,
) -> Path: ...


@overload
def export_model(
    run: str | Path,
    to: str,
    *,
    out: str | Path | None = ...,
    precision: Precision | None = ...,
    images: str | Path | None = ...,
    limit: int = ...,
    runtime: str | Path | None = ...,
    private: bool = ...,
    plugins: Sequence[str | Path] = ...,
    progress: bool | Progress = ...,
) -> Path | str: ...


def export_model(  # noqa: PLR0913 - everything that an export can be given, by name
    run: str | Path,
    to: str,
    *,
    out: str | Path | None = None,
    precision: Precision | None = None,
    images: str | Path | None = None,
    limit: int = 1_000,
    runtime: str | Path | None = None,
    private: bool = False,
    plugins: Sequence[str | Path] = (),
    progress: bool | Progress = False,
) -> Path | str:
    """Write a trained model for use elsewhere.

    Args:
        run: a run directory, a model folder, or a model of the Hugging Face Hub, "OWNER/NAME".
        to: "onnx": the generator and the recognition network as ONNX files; "html": a page with sliders that
            works without a server; "safetensors": the model folder that `InfoGAN.from_pretrained` reads; or
            "hub:OWNER/NAME": a model repository of the Hugging Face Hub, with a model card.
        out: the folder or, for "html", the file to write. By default RUN/export/onnx, RUN/export/NAME.html
            and RUN/export/safetensors. With "hub", the files of the repository are written there, too.
        precision: how ONNX weights are stored, "float32" or "float16", at half the size. By default float32,
            and float16 for "html".
        images: for "html": real images to show in the page, by code.
        limit: largest number of real images, evenly spaced in the order of their names.
        runtime: for "html": the folder or the .tgz file of the npm package onnxruntime-web. By default it is
            taken from the cache, or fetched by `npm pack`.
        private: for "hub": create a private repository.
        plugins: the plug-ins that the run uses, as in `train`.
        progress: show progress on stderr; or a function that is called with each message.

    Returns:
        The path of the file or folder; for "hub", the address of the repository.

    Raises:
        UsageError: there is no such target, an argument does not belong to it, or a package is missing.
        StorageError: an exported network differs from the model, or a file cannot be written.
        InfoGANError: as in `InfoGAN.from_pretrained`.
    """
    from infogan.export import destinations
    from infogan.export.exported_run import Source

    target = destinations.check_target(to)
    options = destinations.Options(
        out=None if out is None else Path(out),
        precision=precision,
        images=None if images is None else Path(images),
        limit=limit,
        runtime=None if runtime is None else Path(runtime),
        private=private,
    )
    options.check(target)
    source = Source.read(run, load(run, plugins=plugins))
    return destinations.write(source, to, options, _shown(progress))


def evaluate(  # noqa: PLR0913 - everything that an evaluation can be given, by name
    model: InfoGAN,
    dataset: str | Path | Config | Dataset | Images | None = None,
    *,
    labels: Labels | None = None,
    data_path: str | Path | None = None,
    weights: str | None = None,
    samples: int = 10_000,
    seed: int = 0,
    only: Collection[str] = (),
    full: bool = False,
    progress: bool | Progress = False,
) -> dict[str, Any]:
    """Compute the metrics of a model and return the content of evaluation.json.

    Args:
        model: a trained model.
        dataset: a preset's name, a path or a `Config` that names the images; a data set; or the images
            themselves, as in `train`. By default the data set that the model was trained on.
        labels: class labels [N] of images that are passed themselves. A tenth of these images is the test
            split.
        data_path: file or folder with the images, if they have moved.
        weights: "raw" or "ema"; by default the model's own choice.
        samples: number of generated images per metric, 2 or more.
        seed: random seed of the evaluation.
        only: names of the metrics to compute; all when left out.
        full: use the long variants of metrics that have one, as published: minutes instead of seconds.
        progress: show progress on stderr; or a function that is called with each message.

    Raises:
        InfoGANError: one of its subclasses, with what to do next.
    """
    from infogan import evaluation

    if dataset is None:
        measured = training_images(model, data_path)
    elif isinstance(dataset, str | Path | Config):
        measured = _images_now(configure(dataset), data_path)
    elif isinstance(dataset, data.Dataset):
        measured = dataset
    else:
        measured = _measured(model, dataset, labels)
    return evaluation.evaluate(
        model,
        measured,
        weights=weights,
        samples=samples,
        seed=seed,
        only=only,
        full=full,
        progress=_shown(progress),
    )


def _measured(model: InfoGAN, images: Images, labels: Labels | None) -> Dataset:
    """Return images to evaluate, in the form of the images that the model was trained on."""
    found = data.as_found(images, model.config.data, labels)
    form = [model.size, model.size, model.channels]
    if isinstance(found.train, data.Split) and list(found.train.images.shape[1:]) != form:
        log.warning(
            "the images of shape %s are converted to %s, the shape that the model was trained on",
            *(list(found.train.images.shape[1:]), form),
        )
    return data.from_found(found, model.config.data)


def _shown(progress: bool | Progress) -> Progress:
    """Return the function that is called with messages."""
    from infogan.evaluation.subject import silent

    if callable(progress):
        return progress
    return console.say if progress else silent


def training_images(model: InfoGAN, data_path: str | Path | None = None) -> Dataset:
    """Return the images that a model was trained on, split as they were in training.

    If they have changed since, a warning says so. Where the split is by content (`infogan.data.splits`),
    images that were added or removed leave the others on their side, so no training image becomes a test
    image.

    Args:
        model: from `load`, which knows what it was trained on.
        data_path: the current file or folder of the images.

    Raises:
        DataError: they have changed, and were split by their number: test images may then be training images;
            or they are not the images of the data set that the model was trained on.
        InfoGANError: as in `infogan.data.load`.
    """
    dataset = _images_now(model.config, data_path)
    trained = model.provenance.get("data")
    if trained is None or trained == dataset.fingerprint:
        return dataset
    path = data_path or model.config.data.path or dataset.name
    happened = f"{path}: the images are not exactly those of training"
    source = SOURCES.find(model.config.data.source)
    if source.split_version != data.splits.BY_CONTENT and dataset.split_at is None:
        raise DataError(
            f"{path}: these are not the images of {source.name} that the model was trained on "
            f"(sha256 {dataset.fingerprint[:12]}, before {trained[:12]})",
            "the same files, with the same settings data.*",
            "the path of the same files as data_path; or dataset=, to evaluate on other images",
            command="--data with the path of the same files; or infogan train, for a new run",
        )
    if dataset.split_version < source.split_version:
        raise DataError(
            f"{happened} (sha256 {dataset.fingerprint[:12]}, before {trained[:12]}), and they were split by "
            "their number: test images may be training images",
            "the same images",
            "the path of the same images as data_path; or infogan.train, for a new run",
            command="--data with the path of the same images; or infogan train, for a new run",
        )
    log.warning("note: %s%s", happened, _what_changed(model.provenance.get("data_sample"), dataset))
    return dataset


def _what_changed(sample: Sequence[float] | None, dataset: Dataset) -> str:
    """Return if test images may be training images, given the keys of some training images."""
    if not sample or dataset.split_at is None or dataset.split != "test":
        return f"; {dataset.split} images may be training images"
    present = int(np.isin(sample, data.splits.content_keys(dataset.train.images)).sum())
    if present == 0:
        return (
            f": none of {len(sample)} training images that were checked was found. If they were only saved "
            "in another form, test images may be training images"
        )
    return (
        f": {present} of {len(sample)} training images that were checked were found. The split is by "
        f"content: none of these is one of the {len(dataset.test.images):,} test images"
    )


def _images_now(config: Config, data_path: str | Path | None) -> data.Dataset:
    """Return the images of a configuration, from their current path."""
    return data.load(_moved(config, data_path).data)


def _moved(config: Config, data_path: str | Path | None) -> Config:
    """Return a configuration with the current path of its images."""
    return config if data_path is None else config.replace(data={"path": absolute(data_path)})
