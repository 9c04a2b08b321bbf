"""Data sets laid out like those of the Hugging Face Hub; what needs the extra is skipped without it."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import infogan
from infogan.config import DataConfig
from infogan.data import Dataset, cache, load
from infogan.errors import ConfigError, DataError
from infogan.runs.directory import RunDirectory

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
LABELS = [0, 1, 2] * 4
SMILES = [number % 4 == 0 for number in range(12)]
ANGLES = [number / 8 for number in range(12)]


@pytest.fixture
def datasets() -> Any:
    return pytest.importorskip("datasets", reason="datasets is not installed: pip install 'infogan[hub]'")


def png(image: np.ndarray) -> dict[str, bytes | None]:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return {"bytes": file.getvalue(), "path": None}


def table(datasets: Any, rows: slice, **changes: tuple[Any, list[Any]] | None) -> Any:
    """Rows with an image, a label, a truth value, a float, and columns that mean nothing here."""
    columns: dict[str, tuple[Any, list[Any]] | None] = {
        "image": (datasets.Image(), [png(image) for image in IMAGES[rows]]),
        "label": (datasets.ClassLabel(names=["cat", "dog", "owl"]), LABELS[rows]),
        "smiles": (datasets.Value("bool"), SMILES[rows]),
        "angle": (datasets.Value("float32"), ANGLES[rows]),
        "celeb_id": (datasets.Value("int64"), list(range(len(LABELS[rows])))),
        "caption": (datasets.Value("string"), ["an image"] * len(LABELS[rows])),
    }
    columns |= changes
    kept = {name: column for name, column in columns.items() if column is not None}
    features = datasets.Features({name: feature for name, (feature, _) in kept.items()})
    return datasets.Dataset.from_dict({name: values for name, (_, values) in kept.items()}, features)


def lay(folder: Path, **splits: Any) -> Path:
    (folder / "data").mkdir(parents=True)
    for name, rows in splits.items():
        rows.to_parquet(str(folder / "data" / f"{name}-00000-of-00001.parquet"))
    lines = [f"  - split: {name}\n    path: data/{name}-*\n" for name in splits]
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n" + "".join(lines) + "---\n# A set\n"
    )
    return folder


def read(path: Path, **settings: int) -> Dataset:
    return load(DataConfig(source="hub", path=str(path), **settings))  # type: ignore[arg-type]


def test_images_and_columns_of_both_splits(tmp_path: Path, datasets: Any) -> None:
    path = lay(tmp_path / "set", train=table(datasets, slice(0, 8)), test=table(datasets, slice(8, 12)))
    dataset = read(path)
    for split, rows in ((dataset.train, slice(0, 8)), (dataset.test, slice(8, 12))):
        assert (split.images == IMAGES[rows]).all()
        assert split.labels is not None
        assert split.labels.dtype == np.int64
        assert split.labels.tolist() == LABELS[rows]
        assert split.truth.classes == ("cat", "dog", "owl")
        assert list(split.truth.attributes) == ["smiles"]
        assert split.truth.attributes["smiles"].tolist() == SMILES[rows]
        assert list(split.truth.factors) == ["angle"]
        assert split.truth.factors["angle"].values.tolist() == ANGLES[rows]


def test_without_a_test_split_some_are_held_out(tmp_path: Path, datasets: Any) -> None:
    path = lay(tmp_path / "set", train=table(datasets, slice(0, 12)), validation=table(datasets, slice(0, 3)))
    dataset = read(path, held_out=4)
    assert (len(dataset.train.images), len(dataset.test.images)) == (8, 4)
    rows = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    for split in (dataset.train, dataset.test):
        order = [rows[image.tobytes()] for image in split.images]
        assert split.truth.factors["angle"].values.tolist() == [ANGLES[row] for row in order]


def test_the_configuration_is_followed(tmp_path: Path, datasets: Any) -> None:
    path = lay(tmp_path / "set", train=table(datasets, slice(0, 12)))
    dataset = read(path, size=16, channels=1)
    assert dataset.train.images.shape == (11, 16, 16, 1)


def test_gray_images_under_another_name_stay_gray(tmp_path: Path, datasets: Any) -> None:
    gray = (datasets.Image(), [png(image) for image in IMAGES[..., 0]])
    path = lay(tmp_path / "set", train=table(datasets, slice(0, 12), image=None, picture=gray))
    images = np.concatenate([read(path).train.images, read(path).test.images])
    assert {image.tobytes() for image in images} == {image.tobytes() for image in IMAGES[..., :1]}


def test_hidden_labels_are_none(tmp_path: Path, datasets: Any) -> None:
    hidden = (datasets.ClassLabel(names=["cat", "dog", "owl"]), [-1] * 12)
    assert read(lay(tmp_path / "set", train=table(datasets, slice(0, 12), label=hidden))).train.labels is None


def test_a_set_with_test_images_takes_no_held_out(tmp_path: Path, datasets: Any) -> None:
    path = lay(tmp_path / "set", train=table(datasets, slice(0, 8)), test=table(datasets, slice(8, 12)))
    with pytest.raises(ConfigError, match="held_out = 3"):
        read(path, held_out=3)


def test_sets_that_do_not_fit_are_refused(tmp_path: Path, datasets: Any) -> None:
    images = (datasets.Image(), [png(image) for image in IMAGES])
    gaps = (datasets.Value("float64"), [None, 1.0, *ANGLES[2:]])
    endless = (datasets.Value("float64"), [*ANGLES[:11], float("inf")])
    unknown = (datasets.Value("bool"), [*SMILES[:11], None])
    broken = (datasets.Image(), [{"bytes": b"no picture", "path": None}] * 12)
    every = slice(0, 12)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"train": table(datasets, every, image=None)}, "0 of its columns hold images"),
        (
            {"train": table(datasets, every, image=None, left=images, right=images)},
            "2 of its columns hold images",
        ),
        ({"train": table(datasets, every, angle=gaps)}, "'angle' has no value in 1 of 12 rows, 0 the first"),
        ({"train": table(datasets, every, angle=endless)}, "'angle' has no value in 1 of 12 rows, 11"),
        ({"train": table(datasets, every, smiles=unknown)}, "'smiles' has no value in 1 of 12 rows, 11"),
        ({"train": table(datasets, every, image=broken)}, "no image can be read"),
        ({"left": table(datasets, every), "right": table(datasets, every)}, "has the splits left, right"),
    ]
    for number, (splits, part) in enumerate(cases):
        with pytest.raises(DataError) as caught:
            read(lay(tmp_path / f"set{number}", **splits))
        assert part in caught.value.happened


def test_an_image_that_is_missing_counts_as_unreadable(tmp_path: Path, datasets: Any) -> None:
    gap = (datasets.Image(), [None, *(png(image) for image in IMAGES[1:])])
    with pytest.raises(DataError) as caught:
        read(lay(tmp_path / "set", train=table(datasets, slice(0, 12), image=gap)))
    assert "1 of 12 files cannot be read" in caught.value.happened
    assert "'train/0': there is no image in this row" in caught.value.happened


def test_nothing_of_a_set_is_run(tmp_path: Path, datasets: Any) -> None:
    path = lay(tmp_path / "set", train=table(datasets, slice(0, 12)))
    (path / "set.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')")
    with pytest.raises(DataError, match=r"loaded by a script, set\.py, which is never run"):
        read(path)
    assert not (tmp_path / "sprung").exists()


def test_a_folder_that_is_no_data_set(tmp_path: Path, datasets: Any) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="datasets cannot load it"):
        read(tmp_path / "set")


def test_out_of_reach_the_hub_is_asked_once(monkeypatch: pytest.MonkeyPatch, datasets: Any) -> None:
    import huggingface_hub

    asked = []

    def unreachable(self: object, name: str, revision: None, timeout: float) -> None:
        asked.append((name, timeout))
        raise OSError("no route to host")

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", unreachable)
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="hub", path="ylecun/mnist"))
    assert asked == [("ylecun/mnist", 10)]
    assert "'ylecun/mnist': the hub cannot be reached: no route to host" in caught.value.happened
    assert "HF_HUB_OFFLINE=1" in caught.value.advice


FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture
def commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, datasets: Any) -> dict[str, str]:
    """A data set with two commits on a hub, and the commit of each of its branches."""
    import huggingface_hub

    branches = {"main": FIRST}
    folders = {
        FIRST: lay(tmp_path / "first", train=table(datasets, slice(0, 8))),
        SECOND: lay(tmp_path / "second", train=table(datasets, slice(4, 12))),
    }
    load_dataset = datasets.load_dataset

    def info(self: object, name: str, revision: str | None, timeout: float) -> Any:
        sha = revision if revision in folders else branches[revision or "main"]
        return huggingface_hub.DatasetInfo(id=name, sha=sha, siblings=[])

    def load_commit(path: str, name: str | None, revision: str) -> Any:
        return load_dataset(str(folders[revision]), cache_dir=str(tmp_path / "cache-of-datasets"))

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", info)
    monkeypatch.setattr(datasets, "load_dataset", load_commit)
    return branches


def test_a_run_records_the_commit_and_finds_its_images_after_a_new_one(
    commits: dict[str, str], tmp_path: Path
) -> None:
    settings = {"steps": 2, "batch_size": 4, "network.width": 0.05, "objective.neighbours": 0, "noise": 4}
    settings |= {"data.source": "hub", "data.path": "owner/shapes"}
    infogan.train("folder", settings=settings, out=tmp_path / "run", progress=False)
    recorded = RunDirectory(tmp_path / "run").read_config().data
    assert recorded.revision == FIRST
    commits["main"] = SECOND
    cache.clean()
    infogan.resume(tmp_path / "run", steps=3, progress=False)  # which refuses other images
    assert load(DataConfig(source="hub", path="owner/shapes")).revision == SECOND


def test_prepared_images_stay_those_of_their_commit(commits: dict[str, str]) -> None:
    config = DataConfig(source="hub", path="owner/shapes")
    before = load(config)
    commits["main"] = SECOND
    assert load(config).fingerprint == before.fingerprint
    newer = load(config.model_copy(update={"revision": SECOND}))
    assert (newer.revision, newer.fingerprint == before.fingerprint) == (SECOND, False)


def test_a_folder_has_no_commits(tmp_path: Path, datasets: Any) -> None:
    path = lay(tmp_path / "set", train=table(datasets, slice(0, 8)))
    with pytest.raises(ConfigError, match="is a folder, which has no commits"):
        load(DataConfig(source="hub", path=str(path), revision="main"))


def test_offline_another_commit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, datasets: Any
) -> None:
    cached = lay(tmp_path / "set", train=table(datasets, slice(0, 8)))
    splits = datasets.load_dataset(str(cached), cache_dir=str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets, "load_dataset", lambda **_: splits)
    with pytest.raises(DataError, match=f"holds the commit unknown, not {SECOND}"):
        load(DataConfig(source="hub", path="owner/shapes", revision=SECOND))


@pytest.mark.parametrize("path", ["/nowhere/ylecun/mnist", "mnist", "a/b/c"])
def test_what_is_neither_folder_nor_name_says_how_a_name_is_given(path: str, datasets: Any) -> None:
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="hub", path=path))
    assert f"{path!r} is neither a folder nor the name of a data set" in caught.value.happened
    assert "data.path=OWNER/NAME" in caught.value.advice


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="hub", path="ylecun/mnist"))
    assert "the package datasets is not installed" in caught.value.happened
    assert caught.value.advice == "pip install 'infogan[hub]'"


def test_without_a_path_there_is_nothing() -> None:
    with pytest.raises(ConfigError, match=r"data\.path is not set"):
        load(DataConfig(source="hub"))
