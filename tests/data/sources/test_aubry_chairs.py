"""Aubry's chairs straight from a tar file of the true form: what names say, which chairs are tested."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import DataConfig
from infogan.data import Dataset, Stream, load
from infogan.data.dataset import Found
from infogan.data.sources.aubry_chairs import aubry_chairs, read_names
from infogan.errors import DataError

IDS = sorted(f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}" for number in range(1, 13))
VIEWS = [(0, 20, 11), (5, 30, 348), (31, 30, 0)]
"""Running index, elevation, azimuth: the index of the true files skips 31 and says nothing of the angle."""


def name(chair: int, view: tuple[int, int, int]) -> str:
    index, elevation, azimuth = view
    return f"rendered_chairs/{IDS[chair]}/renders/image_{index:03}_p{elevation:03}_t{azimuth:03}_r096.png"


def picture(chair: int, view: int) -> Image.Image:
    """A coloured box on white, in a place of its own, and a black border that the crop takes away."""
    image = Image.new("RGB", (600, 600), "white")
    image.paste((0, 0, 0), (0, 0, 90, 600))
    image.paste((20 * chair, 90, 60 * view), (150 + 10 * chair, 200, 300 + 10 * chair, 350 + 20 * view))
    return image


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "png", compress_level=1)
    return file.getvalue()


PICTURES = {
    name(chair, view): png(picture(chair, number)) for chair in range(12) for number, view in enumerate(VIEWS)
}


def expected(chair: int, view: int) -> np.ndarray:
    """What Pillow alone makes of it."""
    box = picture(chair, view).crop((100, 100, 500, 500)).convert("L")
    return np.asarray(box.resize((64, 64), Image.Resampling.LANCZOS))[..., None]


def pack(path: Path, chairs: int = 12) -> Path:
    with tarfile.open(path, "w") as archive:

        def add(member: str, content: bytes) -> None:
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))

        add("rendered_chairs/all_chair_names.mat", b"MATLAB 5.0 MAT-file")
        for member, content in reversed(PICTURES.items()):
            if any(one in member for one in IDS[:chairs]):
                add(member, content)
        add(f"rendered_chairs/{IDS[0]}/thumbnail.png", b"no picture")
        add("rendered_chairs/short/renders/image_000_p020_t011_r096.png", b"no picture")
    return path


def unpack(folder: Path) -> Path:
    for member, content in PICTURES.items():
        path = folder / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def read(path: Path) -> Dataset:
    return load(DataConfig(source="aubry-chairs", path=str(path)))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("chairs") / "rendered_chairs.tar")


def check(dataset: Dataset) -> None:
    """A tenth of the twelve chairs, rounded, is one: the last. Images come in the order of their names."""
    assert dataset.skipped == ()
    rows = [(chair, view) for chair in range(12) for view in range(3)]
    assert (dataset.train.images == np.stack([expected(*row) for row in rows[:33]])).all()
    assert (dataset.test.images == np.stack([expected(*row) for row in rows[33:]])).all()


def test_pixels_are_those_of_the_central_square_in_gray(archive: Path) -> None:
    check(read(archive))


def test_names_tell_azimuth_elevation_and_chair(archive: Path) -> None:
    dataset = read(archive)
    for split, chairs in ((dataset.train, range(11)), (dataset.test, range(11, 12))):
        truth = split.truth
        assert truth.classes == tuple(IDS)
        assert truth.labels is not None
        assert truth.labels.tolist() == [chair for chair in chairs for _ in VIEWS]
        assert set(truth.factors) == {"azimuth", "elevation"}
        assert truth.factors["azimuth"].values.tolist() == [11, 348, 0] * len(chairs)
        assert truth.factors["azimuth"].period == 360
        assert truth.factors["elevation"].values.tolist() == [20, 30, 30] * len(chairs)
        assert truth.factors["elevation"].period is None


@pytest.mark.parametrize("count", [2, 10, 14, 26, 1393])
def test_the_last_tenth_of_the_ids_is_tested(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"{number:032x}" for number in range(count)]
    names = [f"rendered_chairs/{one}/renders/image_000_p020_t011_r096.png" for one in ids]
    items = [type("Named", (), {"name": one}) for one in names]
    monkeypatch.setattr("infogan.data.sources.aubry_chairs.list_pictures", lambda path: (items, []))
    found: Found = aubry_chairs(DataConfig(source="aubry-chairs", path=str(tmp_path)))
    assert isinstance(found.train, Stream)
    assert isinstance(found.test, Stream)
    tested = max(1, round(count / 10))
    assert found.test.names == tuple(names[count - tested :])
    assert found.train.names == tuple(names[: count - tested])


def in_folder_beside(folder: Path) -> Path:
    return pack(folder / "rendered_chairs.tar").parent


def unpacked(folder: Path) -> Path:
    return unpack(folder)


def unpacked_itself(folder: Path) -> Path:
    return unpack(folder) / "rendered_chairs"


@pytest.mark.parametrize("lay", [in_folder_beside, unpacked, unpacked_itself])
def test_wherever_they_lie_they_are_the_same(tmp_path: Path, lay: Callable[[Path], Path]) -> None:
    check(read(lay(tmp_path)))


def test_nothing_is_unpacked(archive: Path) -> None:
    read(archive)
    assert [path.name for path in archive.parent.iterdir()] == ["rendered_chairs.tar"]


def test_the_configuration_is_followed(archive: Path) -> None:
    config = DataConfig(source="aubry-chairs", path=str(archive), size=32, channels=3, crop=600)
    images = load(config).train.images
    assert images.shape == (33, 32, 32, 3)
    assert images[0, 0, 0].tolist() == [0, 0, 0]  # the border, which the usual crop takes away


def test_without_a_path_the_cache_is_looked_through(own_cache: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="aubry-chairs"))
    assert f"{own_cache / 'aubry-chairs'} is not there" in caught.value.happened
    assert "rendered_chairs.tar by hand" in caught.value.advice
    (own_cache / "aubry-chairs").mkdir()
    pack(own_cache / "aubry-chairs" / "rendered_chairs.tar")
    check(load(DataConfig(source="aubry-chairs")))


def packed_tightly(folder: Path) -> Path:
    path = pack(folder / "rendered_chairs.tar", 2)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))
    return path


def no_archive(folder: Path) -> Path:
    (folder / "a.txt").write_text("chairs")
    return folder / "a.txt"


def damaged(folder: Path) -> Path:
    (folder / "rendered_chairs.tar").write_bytes(b"no archive" * 100)
    return folder


def one_cut(folder: Path) -> Path:
    path = unpack(folder)
    (path / name(3, VIEWS[1])).write_bytes(PICTURES[name(3, VIEWS[1])][:-200])
    return path


@pytest.mark.parametrize(
    ("lay", "part"),
    [
        (lambda folder: folder, "has pictures of 0 chairs, in 0 files"),
        (lambda folder: pack(folder / "a.tar", 1), "a.tar has pictures of 1 chairs, in 3 files"),
        (lambda folder: folder / "nowhere", "nowhere is not there"),
        (no_archive, "a.txt is neither a folder nor a .tar file"),
        (packed_tightly, "rendered_chairs.tar is compressed by gzip"),
        (damaged, "cannot read the archive"),
        (one_cut, "1 of 36 files cannot be read"),
    ],
)
def test_what_holds_no_chairs_is_refused(tmp_path: Path, lay: Callable[[Path], Path], part: str) -> None:
    with pytest.raises(DataError) as caught:
        read(lay(tmp_path))
    assert part in caught.value.happened
    assert caught.value.advice


def test_all_31_azimuths_are_read_from_the_name() -> None:
    azimuths = "000 011 023 034 046 058 069 081 092 104 116 127 139 150 162 174 185 197 209 220 232 243 255 "
    azimuths += "267 278 290 301 313 325 336 348"
    names = [
        f"rendered_chairs/{IDS[0]}/renders/image_{index:03}_p020_t{azimuth}_r096.png"
        for index, azimuth in enumerate(azimuths.split())
    ]
    assert read_names(names).factors["azimuth"].values.tolist() == [int(one) for one in azimuths.split()]
