"""Each parser of untrusted files with mutated inputs, in a process of its own with limits on time and memory.

    python -m tests.faults --fuzz 10000

A parser may refuse an input with an InfoGANError, or read it. Any other exception, the end of the process,
more than ten seconds or more than the memory allowed is a lost input.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import resource
import signal
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from infogan.errors import InfoGANError
from infogan.file_listing import Skipped

SECONDS = 10.0
MEMORY = 1 << 30  # bytes above those of the process before the first input
_BATCH = 500
_RNG = np.random.default_rng(0)
_PIXELS = _RNG.integers(0, 256, (24, 20, 3), dtype=np.uint8)
_GRAY = _RNG.integers(0, 256, (12, 8, 8), dtype=np.uint8)
_EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x80",
)


@dataclass(frozen=True)
class Parser:
    """A parser, and a good input of it.

    Attributes:
        name: in the table.
        content: a good input, of a few kB.
        parse: reads an input; `Path` is a folder of its own.
    """

    name: str
    content: bytes
    parse: Callable[[bytes, Path], object]


@dataclass
class Row:
    """The result of one parser: number of inputs, how they ended, and the worst of them."""

    parser: str
    inputs: int = 0
    read: int = 0
    refused: int = 0
    lost: int = 0
    longest_seconds: float = 0.0
    memory_mb: float = 0.0
    examples: list[str] = field(default_factory=list)


# --- parsers ---------------------------------------------------------------------------------------------


def _in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], object]:
    def parse(content: bytes, folder: Path) -> object:
        path = folder / name
        path.write_bytes(content)
        return read(path)

    return parse


def _picture(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(_PIXELS).save(buffer, form, **options)
    return buffer.getvalue()


def _decode(content: bytes, _folder: Path) -> object:
    from infogan.data.decoding import Item, decoded
    from infogan.data.preprocessing import Form

    for image in decoded([Item("picture", lambda: content)], Form(16, 3)):
        if isinstance(image, Skipped):
            raise InfoGANError(image.reason, "", "")
    return None


def _pictures() -> list[Parser]:
    forms = {"PNG": {}, "JPEG": {}, "WEBP": {}, "BMP": {}, "TIFF": {"compression": "tiff_lzw"}, "GIF": {}}
    forms |= {"PPM": {}, "PCX": {}, "SGI": {}, "ICO": {}}
    if features.check("jpg_2000"):
        forms["JPEG2000"] = {}
    if "avif" in features.get_supported_modules():
        forms["AVIF"] = {}
    return [Parser(form.lower(), _picture(form, **options), _decode) for form, options in forms.items()]


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/1.png", "a/2.png", "b/3.png"):
            archive.writestr(name, _picture("PNG"))
    return buffer.getvalue()


def _tar(packed: bool) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz" if packed else "w") as archive:
        for name in ("a/1.png", "b/2.png"):
            info, content = tarfile.TarInfo(name), _picture("PNG")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _tables() -> list[Parser]:
    import pyarrow
    from pyarrow import parquet

    buffer = io.BytesIO()
    images = [{"bytes": _picture("PNG"), "path": f"{number}.png"} for number in range(3)]
    parquet.write_table(pyarrow.table({"image": images, "label": [0, 1, 0]}), buffer)
    return [Parser("parquet", buffer.getvalue(), _in_file("a.parquet", _read_folder))]


def _read_folder(path: Path) -> object:
    from infogan.config import DataConfig
    from infogan.data.sources.folder import folder

    found = folder(DataConfig(source="folder", path=str(path), size=16, channels=3))
    for part in (found.train, found.test):
        for _ in () if part is None or not hasattr(part, "make") else part.make():
            pass
    return found


def _saved(save: Callable[..., None], **arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays) if len(arrays) > 1 else save(buffer, *arrays.values())
    return buffer.getvalue()


def _arrays() -> list[Parser]:
    from scipy.io import savemat

    from infogan.data.arrays import read_array
    from infogan.data.idx import read_idx
    from infogan.data.sources.svhn import read_mat
    from infogan.scenes.morphable import read_basel_2009

    images = _RNG.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    mats = {}
    for packed in (True, False):
        buffer = io.BytesIO()
        content = {"X": images.transpose(1, 2, 3, 0), "y": np.array([[1], [2], [3]], np.uint8)}
        savemat(buffer, content, do_compression=packed)
        mats[packed] = buffer.getvalue()
    buffer = io.BytesIO()
    points = _RNG.normal(size=(12, 1))
    face = {"shapeMU": points, "shapePC": _RNG.normal(size=(12, 2)), "shapeEV": np.ones((2, 1))}
    savemat(buffer, face | {"tl": np.array([[1, 2, 3], [1, 3, 4]])})
    idx = struct.pack(">4I", 0x803, *_GRAY.shape) + _GRAY.tobytes()
    npz = _saved(np.savez_compressed, images=_GRAY, labels=np.arange(12), width=_RNG.normal(size=12))
    return [
        Parser("npy", _saved(np.save, images=_GRAY), _in_file("images.npy", read_array)),
        Parser("npz", npz, _in_file("images.npz", read_array)),
        Parser("idx", idx, _in_file("train", lambda path: read_idx(path, 3))),
        Parser("idx, gzipped", gzip.compress(idx), _in_file("train", lambda path: read_idx(path, 3))),
        Parser("mat", mats[False], _in_file("train.mat", read_mat)),
        Parser("mat, compressed", mats[True], _in_file("train.mat", read_mat)),
        Parser("mat, face model", buffer.getvalue(), _in_file("face.mat", read_basel_2009)),
    ]


_OBJ = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 2 3\nf 1/1/1 3//2 4\nf -1 -2 -3\n"
_OFF = b"OFF\n4 2 0\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n3 0 1 2\n3 0 2 3\n"
_NAMES = tuple(f"{number:06d}.jpg" for number in range(1, 5))


def _attributes() -> bytes:
    titles = " ".join(f"Attribute_{index}" for index in range(40))
    rows = [f"{name} " + " ".join(str(_RNG.choice([1, -1])) for _ in range(40)) for name in _NAMES]
    return f"4\n{titles}\n".encode() + "\n".join(rows).encode() + b"\n"


def _texts() -> list[Parser]:
    from infogan import config
    from infogan.data.sources import celeba
    from infogan.presets import PRESETS
    from infogan.scenes.meshes import read_mesh

    partition = "".join(f"{name} {index % 3}\n" for index, name in enumerate(_NAMES)).encode()

    def text(read: Callable[[str], object]) -> Callable[[bytes, Path], object]:
        return lambda content, _: read(content.decode("utf-8", "surrogateescape"))

    toml = config.to_toml(PRESETS["mnist"].configuration()).encode()
    return [
        Parser("config.toml", toml, _in_file("config.toml", config.read)),
        Parser("--set", b"training.steps=100", text(lambda value: config.parse_assignments([value]))),
        Parser("--codes", b"digit:10 rotation:u width:u", text(config.parse_codes)),
        Parser("mesh, obj", _OBJ, _in_file("mesh.obj", read_mesh)),
        Parser("mesh, off", _OFF, _in_file("mesh.off", read_mesh)),
        Parser(
            "attributes", _attributes(), _in_file("a.txt", lambda path: celeba.read_attributes(path, _NAMES))
        ),
        Parser("partition", partition, _in_file("p.txt", lambda path: celeba.read_partition(path, _NAMES))),
    ]


# --- files that infogan writes itself ------------------------------------------------------------------


def _metrics() -> bytes:
    lines = [
        {
            "step": step, "images_seen": step * 8, "seconds": 1.5, "images_per_second": 90.0,
            "loss": {"generator": 0.7, "discriminator": 1.3},
            "mutual_information": {"digit": 1.0}, "ceiling": {"digit": 2.3},
            "accuracy": {"real": 0.5, "generated": 0.5}, "real": {"digit": {"information_nats": 0.3}},
        }
        for step in (20, 40, 60)
    ]  # fmt: skip
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def _read_metrics(path: Path) -> object:
    from infogan.runs import health, metrics_log

    lines = metrics_log.read(path)
    metrics_log.truncate(path, 40, 20)
    return health.replay(lines).messages()


def _read_selection(path: Path) -> object:
    from infogan.runs import selection
    from infogan.runs.directory import RunDirectory

    return selection.read(RunDirectory(path.parent))


_SELECTION = {
    "seeds": [0, 1, 2],
    "rounds": [{"step": 20, "scores": {"0": 0.1, "1": 0.2, "2": 0.0}, "dropped": {"2": "its information"}}],
    "best": 1,
    "seconds": 3.5,
}


def _resealed(
    write: Callable[[Path], None], name: str, read: Callable[[Path], object]
) -> Callable[[bytes, Path], object]:
    """A file in a folder with a manifest whose checksums are right: a crafted folder, not a damaged one."""
    from infogan import storage

    def parse(content: bytes, folder: Path) -> object:
        target = folder / "sealed"
        if not target.exists():
            write(target)
        if name == storage.MANIFEST:
            try:
                facts = json.loads(content)
                facts.pop("sha256", None)
                content = storage._seal(facts)
            except (ValueError, AttributeError, RecursionError):
                pass
            (target / name).write_bytes(content)
            return read(target)
        (target / name).write_bytes(content)
        facts = json.loads((target / storage.MANIFEST).read_bytes())
        facts.pop("sha256")
        facts["files"][name] = storage._entry(content)
        (target / storage.MANIFEST).write_bytes(storage._seal(facts))
        return read(target)

    return parse


def _own_files() -> list[Parser]:
    import tempfile

    import torch

    from infogan.config import Config, DataConfig, LatentsConfig, NetworkConfig, parse_codes
    from infogan.data import loading, prepared
    from infogan.data.dataset import Found, Split, Truth
    from infogan.discovery.state import STATE, _read
    from infogan.model import InfoGAN
    from infogan.runs import checkpoint, code_names, representation_files
    from infogan.runs.representation_files import Representation

    def prepare(folder: Path) -> None:
        images = Split(_GRAY[..., None], truth=Truth(np.arange(12), tuple("abcdefghijkl")))
        form: dict[str, Any] = {"size": 8, "channels": 1}
        config = DataConfig(source="folder", split_version=2, **form)
        prepared.write(
            folder, Found(images), config, {"source": "folder", "settings": {**form, "crop": None}}
        )

    config = Config(
        data=DataConfig(source="digits", size=8, channels=1),
        latents=LatentsConfig(noise=2, codes=parse_codes("digit:3 style:u")),
        network=NetworkConfig(width=0.0625),
    )
    model = InfoGAN(config)

    def save_model(folder: Path) -> None:
        model.provenance = {"steps": 1}
        model.save_pretrained(folder)

    def save_checkpoint(folder: Path) -> None:
        tensors = {"w": model.state_dict()[next(iter(model.state_dict()))]}
        folder.parent.mkdir(exist_ok=True)
        saved = checkpoint.save(folder.parent, 1, tensors, tensors, {"trainer": {}, "seconds": 1.0}, 1)
        saved.rename(folder)

    def prepare_files(folder: Path) -> None:
        pictures = folder.parent / "pictures"
        pictures.mkdir(exist_ok=True)
        for number in range(4):
            Image.fromarray(_GRAY[number]).save(pictures / f"{number}.png")
        loading.prepare(DataConfig(source="folder", path=str(pictures)), folder)

    def save_representation(folder: Path) -> None:
        anchors = {"digit": torch.zeros(4, 3)}
        representation_files.save(folder, Representation(anchors, candidates=[{"name": "digit"}]))

    arrays = ("images.npy", "labels.npy", "keys.npy", "skipped.csv")
    weights = ("config.toml", "model.safetensors", "provenance.json")
    targets = [
        ("prepared", prepare, prepared.read, ("MANIFEST.json", *arrays)),
        ("prepared", prepare_files, prepared.read, ("audit.json", "names.json")),
        (
            "representation",
            save_representation,
            representation_files.load,
            ("MANIFEST.json", representation_files.ANCHORS, representation_files.CANDIDATES),
        ),
        ("model", save_model, InfoGAN.from_pretrained, ("MANIFEST.json", *weights)),
        (
            "checkpoint",
            save_checkpoint,
            checkpoint.load,
            ("MANIFEST.json", "model.safetensors", "state.json"),
        ),
    ]
    found = [
        Parser(
            "codes.json",
            json.dumps(
                {"digit": {"name": "shape", "description": "", "categories": {"0": "round"}}}
            ).encode(),
            _in_file("codes.json", lambda path: code_names.read(path.parent, config.latents.codes)),
        ),
        Parser("metrics.jsonl", _metrics(), _in_file("metrics.jsonl", _read_metrics)),
        Parser(
            "selection.json", json.dumps(_SELECTION).encode(), _in_file("selection.json", _read_selection)
        ),
        Parser(
            STATE,
            json.dumps({"identity": {"images": "ab", "minutes": 1.0}, "facts": {"seconds": 3.0}}).encode(),
            _in_file(STATE, lambda path: _read(path.parent)),
        ),
    ]
    for kind, write, read, names in targets:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder) / "sealed")
            for name in names:
                content = (Path(folder) / "sealed" / name).read_bytes()
                found.append(Parser(f"{kind}: {name}", content, _resealed(write, name, read)))
    return found


def parsers() -> list[Parser]:
    """Return all parsers of files from outside, and of files of infogan that somebody may have changed."""
    folder = lambda name: _in_file(name, _read_folder)  # noqa: E731
    archives = [
        Parser("zip", _zip(), folder("a.zip")),
        Parser("tar", _tar(packed=False), folder("a.tar")),
        Parser("tar.gz", _tar(packed=True), folder("a.tar.gz")),
    ]
    return [*_pictures(), *archives, *_tables(), *_arrays(), *_texts(), *_own_files()]


# --- mutation ------------------------------------------------------------------------------------------


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a content with one to four changes: bits, bytes, numbers, cuts, doubled and swapped parts."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        at = int(rng.integers(len(data)))
        span = int(rng.integers(1, 1 + min(64, len(data) - at)))
        match int(rng.integers(8)):
            case 0:
                data[at] ^= 1 << int(rng.integers(8))
            case 1:
                data[at] = int(rng.integers(256))
            case 2:
                data[at : at + 4] = _EXTREMES[int(rng.integers(len(_EXTREMES)))]
            case 3:
                del data[at:]
            case 4:
                del data[at : at + span]
            case 5:
                data[at:at] = data[at : at + span]
            case 6:
                data[at : at + span] = rng.bytes(span)
            case _:
                other = int(rng.integers(len(data)))
                data[at : at + span] = data[other : other + span]
    return bytes(data)


# --- running -------------------------------------------------------------------------------------------


def run(count: int, folder: Path, only: str = "") -> list[Row]:
    """Try each parser with `count` mutated inputs, in processes of 500 inputs; print and return its row."""
    rows = []
    for number, parser in enumerate(parsers()):
        if only not in parser.name:
            continue
        row = Row(parser.name)
        own = folder / f"good-{number}"
        own.mkdir()
        parser.parse(parser.content, own)  # if this raises, all inputs would be refused, and test nothing
        for start in range(0, count, _BATCH):
            _batch(parser, (number, start), min(_BATCH, count - start), folder, row)
        rows.append(row)
        print(_line(row), flush=True)
    return rows


def _line(row: Row) -> str:
    return (
        f"{row.parser:28} {row.inputs:7,} inputs  {row.read:6,} read  {row.refused:6,} refused  "
        f"{row.lost:3} lost  {row.longest_seconds:7.3f} s  {row.memory_mb:6.0f} MB"
        + "".join(f"\n    {text}" for text in row.examples)
    )


def _batch(parser: Parser, seed: tuple[int, int], count: int, folder: Path, row: Row) -> None:
    """Try some inputs in a forked process, and add its results to the row."""
    report = folder / "report.jsonl"
    report.unlink(missing_ok=True)
    if (pid := os.fork()) == 0:
        _child(parser, seed, count, folder, report)
    _, status, usage = os.wait4(pid, 0)
    lines = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    base = next((line["base"] for line in lines if "base" in line), 0)
    ends = [line for line in lines if "end" in line]
    row.inputs += len(ends)
    row.read += sum(line["end"] == "read" for line in ends)
    row.refused += sum(line["end"] == "refused" for line in ends)
    lost = [line["end"] for line in ends if line["end"] not in ("read", "refused")]
    if status:
        lost.append(
            f"input {len(ends)} of batch {seed} ended the process: status {os.waitstatus_to_exitcode(status)}"
        )
        row.inputs += 1
    row.lost += len(lost)
    row.examples += lost[: max(0, 3 - len(row.examples))]
    row.longest_seconds = max([row.longest_seconds, *(line["seconds"] for line in ends)])
    row.memory_mb = max(row.memory_mb, (usage.ru_maxrss - base) / 1024)


def _child(parser: Parser, seed: tuple[int, int], count: int, folder: Path, report: Path) -> None:
    """Try the inputs; never returns."""
    code = 1
    try:
        own = folder / f"{os.getpid()}"
        own.mkdir()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries print
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        rng = np.random.default_rng([*seed, 1])
        with report.open("w", buffering=1) as out:
            out.write(json.dumps({"base": base}) + "\n")
            for _ in range(count):
                content = mutated(parser.content, rng)
                signal.setitimer(signal.ITIMER_REAL, SECONDS)  # SIGALRM ends the process: a lost input
                began = time.perf_counter()
                end = _try(parser, content, own)
                seconds = time.perf_counter() - began
                signal.setitimer(signal.ITIMER_REAL, 0)
                out.write(json.dumps({"end": end, "seconds": round(seconds, 4)}) + "\n")
        code = 0
    finally:
        os._exit(code)


def _try(parser: Parser, content: bytes, folder: Path) -> str:
    try:
        parser.parse(content, folder)
    except InfoGANError:
        return "refused"
    except BaseException as error:  # whatever it is, it is lost
        import traceback

        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"[:300]
    return "read"


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the rows for faults.json."""
    return [asdict(row) for row in rows]
