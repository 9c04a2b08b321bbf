"""The targets of an export: each writes one type of output."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from infogan import storage
from infogan.data import image_collection
from infogan.data.preprocessing import Form
from infogan.errors import UsageError, did_you_mean
from infogan.explorer.real_images import Images, RealImages, open_images
from infogan.export import hub_upload, onnx_check, onnx_files, web_page, web_runtime
from infogan.export.exported_run import Source
from infogan.export.onnx_check import Errors
from infogan.export.onnx_files import OnnxNetworks, Precision

Progress = Callable[[str], None]

TARGETS = ("onnx", "html", "safetensors", "hub:OWNER/NAME")
"""Names of the targets of an export."""


@dataclass(frozen=True)
class Options:
    """The options of `infogan.export_model`, which documents them. None: the default of the target."""

    out: Path | None = None
    precision: Precision | None = None
    images: Path | None = None
    limit: int = 1_000
    runtime: Path | None = None
    private: bool = False

    def check(self, target: str) -> None:
        """Raise UsageError if an option is given that the target does not use."""
        belongs = {
            "precision": (self.precision is not None, ("onnx", "html")),
            "images": (self.images is not None, ("html",)),
            "runtime": (self.runtime is not None, ("html",)),
            "private": (self.private, ("hub",)),
        }
        for name, (given, targets) in belongs.items():
            if given and target not in targets:
                raise UsageError(
                    f"{name} does not apply to the target {target}",
                    f"{name} with the target {' or '.join(targets)}",
                    f"export_model without {name}",
                    command=f"infogan export without --{name}",
                )


def check_target(to: str) -> str:
    """Return the name of a target, such as "hub".

    Raises:
        UsageError: there is no such target.
    """
    name, colon, rest = to.partition(":")
    known = [target.partition(":")[0] for target in TARGETS]
    if name not in known or bool(colon) != (name == "hub") or (colon and "/" not in rest):
        raise UsageError(
            f"a model cannot be exported to {to!r}{did_you_mean(name, known)}",
            f"one of {', '.join(TARGETS)}",
            "to='onnx'",
            command="--to onnx",
        )
    return name


def write(source: Source, to: str, options: Options, progress: Progress) -> Path | str:
    """Export a model; return the path of what was written, or the address of a repository."""
    if to == "onnx":
        out = options.out or source.default_out("onnx")
        return write_onnx(source, out, options.precision or "float32", progress)
    if to == "html":
        out = options.out or source.default_out(f"{source.title}.html")
        return write_page(source, out, options, progress)
    if to.startswith("hub:"):
        repository = to.removeprefix("hub:")
        folder = options.out or source.default_out("hub")
        return hub_upload.upload(source, repository, folder, private=options.private, progress=progress)
    return write_safetensors(source, options.out or source.default_out("safetensors"))


def write_onnx(source: Source, out: Path, precision: Precision, progress: Progress) -> Path:
    """Write generator.onnx, recognition.onnx and interface.json into a folder, and return it.

    Both networks are compared with the model before anything is written.

    Raises:
        UsageError: a package is missing, or `out` is a folder of other files.
        StorageError: a network differs from the model, or the folder cannot be written.
    """
    networks, errors = _converted(source, out, precision, progress)
    report = {
        **source.description,
        "precision": precision,
        "largest_error": dict(errors.of),
        "compared_latents": errors.latents,
    }
    files = {
        "generator.onnx": networks.generator,
        "recognition.onnx": networks.recognition,
        "interface.json": (json.dumps(report, indent=2, ensure_ascii=False) + "\n").encode(),
    }
    return _write(out, files)


def write_page(source: Source, out: Path, options: Options, progress: Progress) -> Path:
    """Write the page of `infogan explore` with both networks inside as one HTML file, and return its path.

    Raises:
        UsageError: a package or onnxruntime-web is missing.
        DataError: `options.images` cannot be read.
        StorageError: a network differs from the model, or the file cannot be written.
    """
    runtime = web_runtime.find(options.runtime, progress)
    real = None if options.images is None else _real_images(source, options.images, options.limit, progress)
    networks, _ = _converted(source, out, options.precision or "float16", progress)
    page = web_page.render(source, networks, runtime, real).encode()
    with storage.writing(out, len(page)):
        out.parent.mkdir(parents=True, exist_ok=True)
    storage.write_file(out, page)
    progress(f"export: {len(page) / 1e6:.1f} MB")
    return out


def _converted(
    source: Source, out: Path, precision: Precision, progress: Progress
) -> tuple[OnnxNetworks, Errors]:
    """Return both networks as ONNX, after a comparison with the model."""
    progress("export: converting both networks to ONNX")
    networks = onnx_files.convert(source.model, source.description, precision=precision)
    progress("export: comparing them with the model")
    errors = onnx_check.compare(source.model, networks)
    onnx_check.check(errors, precision, str(out))
    progress(f"export: largest error {errors.largest:.1g} over {errors.latents} latents")
    return networks, errors


def _real_images(source: Source, path: Path, limit: int, progress: Progress) -> RealImages:
    """Return real images with their codes, at most `limit`, sampled evenly over the order of their names."""
    model = source.model
    like = model.config.data
    found = image_collection.open_collection(path, Form.of(like, model.size, model.channels), like)
    chosen = np.linspace(0, len(found) - 1, min(limit, len(found))).round().astype(int)
    batches = list(found.batches(chosen))
    if not batches:
        raise found.nothing_readable()
    names = [found.name(index) for batch in batches for index in batch.indices]
    unreadable = f", {len(found.skipped):,} unreadable" if found.skipped else ""
    progress(f"export: encoding {len(names):,} of {len(found):,} real images{unreadable}")
    images = Images(np.concatenate([batch.images for batch in batches]), names, str(path))
    return open_images(model, images, None, lambda *_: None)


def write_safetensors(source: Source, out: Path) -> Path:
    """Write the model folder that `InfoGAN.from_pretrained` reads, with the names of codes; return it.

    Raises:
        UsageError: `out` is a folder of other files.
        StorageError: the model is damaged, or the folder cannot be written.
    """
    return _write(out, source.model_files)


def _write(out: Path, files: dict[str, bytes]) -> Path:
    with storage.writing(out, sum(map(len, files.values()))):
        out.parent.mkdir(parents=True, exist_ok=True)
    storage.write_folder(out, files)
    return out
