"""CelebA as it is given out, in every place where it is kept, and with text files that do not fit."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import DataConfig
from infogan.data import Dataset, Stream, load
from infogan.data.sources.celeba import celeba
from infogan.errors import DataError

COUNT = 12
NAMES = ["5_o_Clock_Shadow", *(f"Attribute_{number}" for number in range(1, 39)), "Young"]
HAS = np.random.default_rng(1).random((COUNT, 40)) < 0.5
FILES = [f"{number:06}.jpg" for number in range(1, COUNT + 1)]
PARTITION = [0, 2, 1, 0, 0, 2, 1, 0, 0, 0, 2, 0]


def picture(number: int) -> bytes:
    """A JPEG of CelebA's size: a coarse pattern of its own, in colour."""
    coarse = np.random.default_rng(number).integers(0, 256, (11, 9, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(coarse).resize((178, 218), Image.Resampling.BICUBIC).save(file, "jpeg", quality=90)
    return file.getvalue()


PICTURES = dict(zip(FILES, map(picture, range(COUNT)), strict=True))


def expected(size: int = 32, crop: int = 148) -> np.ndarray:
    """What Pillow alone makes of the pictures."""
    left, top = (178 - crop) // 2, (218 - crop) // 2
    box = (left, top, left + crop, top + crop)
    return np.stack(
        [
            np.asarray(
                Image.open(io.BytesIO(content)).crop(box).resize((size, size), Image.Resampling.LANCZOS)
            )
            for content in PICTURES.values()
        ]
    )


EXPECTED = expected()


def pack(path: Path, prefix: str = "img_align_celeba/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in reversed(FILES):  # the order in the archive means nothing
            archive.writestr(f"{prefix}{name}", PICTURES[name])
        archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"no picture")
    return path


def unpack(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, content in PICTURES.items():
        (folder / name).write_bytes(content)
    return folder


def attribute_text() -> str:
    rows = [
        f"{name} " + " ".join(f"{1 if one else -1:2}" for one in row)
        for name, row in zip(FILES, HAS, strict=True)
    ]
    return "\n".join([str(COUNT), " ".join(NAMES) + " ", *rows]) + "\n"


def attribute_csv() -> str:
    rows = [
        ",".join([name, *(str(1 if one else -1) for one in row)])
        for name, row in zip(FILES, HAS, strict=True)
    ]
    return "\n".join([",".join(["image_id", *NAMES]), *rows]) + "\n"


def partition_text() -> str:
    return "".join(f"{name} {part}\n" for name, part in zip(FILES, PARTITION, strict=True))


def standard(folder: Path) -> Path:
    pack(folder / "img_align_celeba.zip")
    (folder / "list_attr_celeba.txt").write_text(attribute_text())
    return folder


def read(path: Path, **settings: int) -> Dataset:
    return load(DataConfig(source="celeba", path=str(path), **settings))  # type: ignore[arg-type]


def attributes(dataset: Dataset) -> np.ndarray:
    parts = [dataset.train.truth.attributes, dataset.test.truth.attributes]
    assert all(list(part) == NAMES for part in parts)
    assert all(values.dtype == np.bool_ for part in parts for values in part.values())
    return np.concatenate([np.stack(list(part.values()), 1) for part in parts])


def test_pixels_attributes_and_split_are_those_of_the_files(tmp_path: Path) -> None:
    dataset = read(standard(tmp_path))
    assert dataset.train.images.shape == (10, 32, 32, 3)
    assert (dataset.train.images == EXPECTED[:10]).all()
    assert (dataset.test.images == EXPECTED[10:]).all()  # the last sixth by number
    assert (attributes(dataset) == HAS).all()
    assert dataset.skipped == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "img_align_celeba.zip",
        "list_attr_celeba.txt",
    ]


def in_zip(folder: Path) -> Path:
    return standard(folder) / "img_align_celeba.zip"


def in_other_zip(folder: Path) -> Path:
    standard(folder)
    (folder / "img_align_celeba.zip").unlink()
    return pack(folder / "mine.ZIP", prefix="")


def in_folder(folder: Path) -> Path:
    standard(folder)
    (folder / "img_align_celeba.zip").unlink()
    unpack(folder / "img_align_celeba")
    return folder


def in_pictures_own_folder(folder: Path) -> Path:
    return in_folder(folder) / "img_align_celeba"


def all_in_one_folder(folder: Path) -> Path:
    path = unpack(folder / "pictures")
    (path / "list_attr_celeba.txt").write_text(attribute_text())
    return path


def as_on_kaggle(folder: Path) -> Path:
    unpack(folder / "img_align_celeba" / "img_align_celeba")
    (folder / "list_attr_celeba.csv").write_text(attribute_csv())
    return folder


def in_folders_of_six(folder: Path) -> Path:
    """The numbers order the images, and the folders' names don't."""
    path = in_folder(folder) / "img_align_celeba"
    for number, name in enumerate(FILES):
        part = path / ("b" if number < 6 else "a")
        part.mkdir(exist_ok=True)
        (path / name).rename(part / name)
    return folder


@pytest.mark.parametrize(
    "lay",
    [
        in_zip,
        in_other_zip,
        in_folder,
        in_pictures_own_folder,
        all_in_one_folder,
        as_on_kaggle,
        in_folders_of_six,
    ],
)
def test_wherever_they_lie_they_are_the_same(tmp_path: Path, lay: Callable[[Path], Path]) -> None:
    dataset = read(lay(tmp_path))
    assert (dataset.train.images == EXPECTED[:10]).all()
    assert (dataset.test.images == EXPECTED[10:]).all()
    assert (attributes(dataset) == HAS).all()


def test_without_a_path_the_cache_is_looked_through(own_cache: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="celeba"))
    assert f"{own_cache / 'celeba'} is not there" in caught.value.happened
    assert "img_align_celeba.zip" in caught.value.advice
    (own_cache / "celeba").mkdir()
    standard(own_cache / "celeba")
    assert (load(DataConfig(source="celeba")).train.images == EXPECTED[:10]).all()


@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_the_partition_is_followed(tmp_path: Path, ending: str) -> None:
    standard(tmp_path)
    text = partition_text()
    if ending == "csv":
        text = "image_id,partition\n" + text.replace(" ", ",")
    (tmp_path / f"list_eval_partition.{ending}").write_text(text)
    dataset = read(tmp_path)
    train, test = (np.flatnonzero(np.array(PARTITION) == part) for part in (0, 2))
    assert (dataset.train.images == EXPECTED[train]).all()
    assert (dataset.test.images == EXPECTED[test]).all()
    assert (attributes(dataset) == HAS[[*train, *test]]).all()


@pytest.mark.parametrize(("part", "train", "test"), [(0, 12, 0), (2, 0, 12)])
def test_a_partition_that_leaves_a_split_empty_is_refused(
    tmp_path: Path, part: int, train: int, test: int
) -> None:
    standard(tmp_path)
    (tmp_path / "list_eval_partition.txt").write_text("".join(f"{name} {part}\n" for name in FILES))
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert f"{train} are in partition 0 (to train on) and {test} in partition 2" in caught.value.happened


def test_size_channels_and_crop_of_the_configuration_are_followed(tmp_path: Path) -> None:
    standard(tmp_path)
    assert (read(tmp_path, size=64, crop=108).train.images == expected(64, 108)[:10]).all()
    assert read(tmp_path, channels=1).train.images.shape == (10, 32, 32, 1)


def test_images_alone_are_enough(tmp_path: Path) -> None:
    dataset = read(unpack(tmp_path / "pictures"))
    assert (dataset.train.images == EXPECTED[:10]).all()
    assert dataset.train.truth.attributes == {}


def test_the_list_may_have_more_rows_than_there_are_images(tmp_path: Path) -> None:
    path = in_folder(tmp_path)
    for name in FILES[6:]:
        (path / "img_align_celeba" / name).unlink()
    dataset = read(path)
    assert (dataset.test.images == EXPECTED[5:6]).all()
    assert (attributes(dataset) == HAS[:6]).all()


def line(number: int, change: Callable[[str], str]) -> Callable[[str], str]:
    """An edit of one line, counted from 1."""

    def edit(text: str) -> str:
        lines = text.split("\n")
        lines[number - 1] = change(lines[number - 1])
        return "\n".join(lines)

    return edit


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (line(1, lambda _: "13"), "list_attr_celeba.txt, line 1: '13' before 12 rows"),
        (line(1, lambda _: "many"), "line 1: 'many' before 12 rows"),
        (line(2, lambda text: text.replace("Young", "")), "line 2: 39 different names"),
        (line(2, lambda text: text.replace("Young", "Attribute_1")), "line 2: 39 different names"),
        (line(5, lambda text: text + " 1"), "line 5: 41 values behind '000003.jpg'"),
        (line(14, lambda text: text[:-3]), "line 14: 39 values behind '000012.jpg'"),
        (line(7, lambda text: text[:-2] + " 0"), "line 7: the value '0' behind '000005.jpg'"),
        (line(7, lambda text: text[:-2] + " x"), "line 7: the value 'x' behind '000005.jpg'"),
        (line(4, lambda text: text.replace("02.jpg", "01.jpg")), "line 4: '000001.jpg' a second time"),
        (line(4, lambda text: text.replace("02.jpg", "99.jpg")), "no row for 1 of 12 images, 000002.jpg"),
        (lambda _: "", "list_attr_celeba.txt, line 2: 0 different names"),
        (lambda _: "12", "line 2: 0 different names"),
        (lambda _: "\xff", "cannot read"),
    ],
)
def test_attributes_that_do_not_fit_are_refused(
    tmp_path: Path, edit: Callable[[str], str], part: str
) -> None:
    standard(tmp_path)
    (tmp_path / "list_attr_celeba.txt").write_text(edit(attribute_text()), encoding="latin-1")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert part in caught.value.happened


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (
            line(1, lambda text: text.removesuffix(",Young")),
            "list_attr_celeba.csv, line 1: 39 different names",
        ),
        (line(3, lambda text: text.replace("1", "2")), "line 3: the value '"),
        (line(13, lambda text: text + ",1"), "line 13: 41 values"),
    ],
)
def test_attributes_in_a_csv_that_do_not_fit_are_refused(
    tmp_path: Path, edit: Callable[[str], str], part: str
) -> None:
    path = as_on_kaggle(tmp_path)
    (path / "list_attr_celeba.csv").write_text(edit(attribute_csv()))
    with pytest.raises(DataError) as caught:
        read(path)
    assert part in caught.value.happened


@pytest.mark.parametrize(
    ("edit", "part"),
    [
        (line(3, lambda text: text.replace(" 1", " 3")), "list_eval_partition.txt, line 3: the value '3'"),
        (line(3, lambda text: text.replace(" 1", "")), "line 3: 0 values behind '000003.jpg'"),
        (line(12, lambda _: ""), "no row for 1 of 12 images, 000012.jpg"),
    ],
)
def test_partitions_that_do_not_fit_are_refused(
    tmp_path: Path, edit: Callable[[str], str], part: str
) -> None:
    standard(tmp_path)
    (tmp_path / "list_eval_partition.txt").write_text(edit(partition_text()))
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert part in caught.value.happened


def nothing(folder: Path) -> Path:
    return folder


def no_zip(folder: Path) -> Path:
    (folder / "a.tar").write_bytes(b"")
    return folder / "a.tar"


def cut_zip(folder: Path) -> Path:
    path = in_zip(folder)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def doubled(folder: Path) -> Path:
    unpack(folder / "img_align_celeba")
    unpack(folder / "img_align_celeba" / "again")
    return folder


def one_cut(folder: Path) -> Path:
    path = in_folder(folder)
    (path / "img_align_celeba" / "000004.jpg").write_bytes(PICTURES["000004.jpg"][:300])
    return path


@pytest.mark.parametrize(
    ("lay", "part"),
    [
        (nothing, "has 0 pictures named like 000001.jpg"),
        (no_zip, "a.tar is neither a folder nor a .zip file"),
        (lambda folder: folder / "nowhere", "nowhere is not there"),
        (cut_zip, "cannot read the archive"),
        (doubled, "has 24 pictures named like 000001.jpg, of only 12 different names"),
        (one_cut, "1 of 12 files cannot be read"),
    ],
)
def test_pictures_that_are_not_there_or_damaged(
    tmp_path: Path, lay: Callable[[Path], Path], part: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(lay(tmp_path))
    assert part in caught.value.happened


def test_real_faces(shared_data: Path) -> None:
    found = celeba(DataConfig(source="celeba", path=str(shared_data / "celeba")))
    assert isinstance(found.train, Stream)
    assert isinstance(found.test, Stream)
    assert (found.train.count, found.test.count) == (10_000, 2_000)
    assert found.train.names[0] == "img_align_celeba/000001.jpg"
    known = found.train.truth.attributes
    assert len(known) == 40
    assert np.flatnonzero(known["Male"][:16]).tolist() == [2, 6, 7, 11, 12, 14, 15]  # seen in the pictures
    images = [image for image in islice(found.train.make(), 16) if isinstance(image, np.ndarray)]
    assert np.stack(images).shape == (16, 32, 32, 3)
