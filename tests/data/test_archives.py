"""Pictures in zip and tar files: read in place, and nothing of a hostile one gets out (faults 28 and 29)."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import DataConfig
from infogan.data import Dataset, Split, archives, load
from infogan.data.image_collection import open_collection
from infogan.data.preprocessing import Form
from infogan.errors import DataError

KINDS = ("a.zip", "a.tar", "a.tar.gz", "A.ZIP")


def png(value: int, size: int = 8) -> bytes:
    content = io.BytesIO()
    Image.new("L", (size, size), value).save(content, "PNG")
    return content.getvalue()


def pack(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def open_archive(path: Path, **settings: int) -> Dataset:
    return load(DataConfig(source="folder", path=str(path), **settings))  # type: ignore[arg-type]


def numbers(*splits: Split) -> list[int]:
    return sorted(int(value) for split in splits for value in split.images[:, 0, 0, 0])


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_read_as_its_folder_would_be(tmp_path: Path, kind: str) -> None:
    members = {f"set/{'ab'[index % 2]}/{index:02d}.png": png(index) for index in range(20)}
    members["set/a/Screenshot 12:00.png"] = members.pop("set/a/00.png")
    others = {"set/readme.txt": b"text", "set/a/.hidden.png": b"none", "__MACOSX/set/a/._00.png": b"none"}
    dataset = open_archive(pack(tmp_path / kind, members | others))
    assert numbers(dataset.train, dataset.test) == list(range(20))
    assert not dataset.skipped
    assert dataset.train.truth.classes == ("a", "b")  # though all lie in one folder, set
    assert dataset.train.labels is not None
    assert (dataset.train.labels == dataset.train.images[:, 0, 0, 0] % 2).all()
    assert os.listdir(tmp_path) == [kind]
    folder = tmp_path / "unpacked"
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    if kind != "a.tar.gz":  # whose order is its own
        assert open_archive(folder).fingerprint == dataset.fingerprint
    collection = open_collection(tmp_path / kind, Form(8, 1))
    (batch,) = collection.batches()
    names = [collection.name(index) for index in batch.indices]
    assert (
        batch.images[:, 0, 0, 0]
        == np.array([int(Path(name).stem.replace("Screenshot 12:00", "0")) for name in names])
    ).all()


ESCAPES = [
    "../out.png",
    "a/../../out.png",
    "/out.png",
    "C:/out.png",
    "a\\..\\..\\out.png",
    "\\\\host\\out.png",
]


@pytest.mark.parametrize("kind", ["a.zip", "a.tar"])
@pytest.mark.parametrize("name", ESCAPES)
def test_names_that_lead_out_are_refused(tmp_path: Path, kind: str, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    members = {f"{index:03d}.png": png(index) for index in range(100)}
    dataset = open_archive(pack(inner / kind, members | {name: png(255)}))
    assert [skipped.reason for skipped in dataset.skipped] == ["its name leads out of the archive"]
    assert numbers(dataset.train, dataset.test) == list(range(100))
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = pack(tmp_path / "a.tar", {f"{index:03d}.png": png(index) for index in range(100)})
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(255))
    with tarfile.open(path, "a") as tar:
        info = tarfile.TarInfo("link.png")
        info.type, info.linkname = kind, str(secret)
        tar.addfile(info)
    dataset = open_archive(path)
    assert dataset.skipped == (("link.png", "a link or device"),)
    assert 255 not in numbers(dataset.train, dataset.test)


def test_a_link_in_a_zip_file_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {f"{index:03d}.png": png(index) for index in range(100)})
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("link.png")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, str(tmp_path / "secret.png"))
    assert open_archive(path).skipped == (("link.png", "a link or device"),)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(100):
            archive.writestr(f"{index:03d}.png", png(index))
        archive.writestr("bomb.png", bytes(50_000_000))
    (skipped,) = open_archive(path).skipped
    assert skipped.path == "bomb.png"
    assert "50,000,000 bytes packed into" in skipped.reason


def test_a_member_longer_than_it_says_is_no_picture(tmp_path: Path) -> None:
    """The size stands in the directory at the end of a zip file, and may lie."""
    path = pack(tmp_path / "a.zip", {f"{index:03d}.png": png(index) for index in range(100)})
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02") + 24
    content[at : at + 4] = (5).to_bytes(4, "little")
    path.write_bytes(content)
    assert [skipped.path for skipped in open_archive(path).skipped] == ["099.png"]


def test_an_archive_of_archives_has_no_pictures(tmp_path: Path) -> None:
    inner = pack(tmp_path / "inner.zip", {"0.png": png(0), "1.png": png(1)}).read_bytes()
    with pytest.raises(DataError, match="have 0 images"):
        open_archive(pack(tmp_path / "a.zip", {"inner.zip": inner}))


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 10)
    for kind in ("a.zip", "a.tar"):
        path = pack(tmp_path / kind, {f"{index:03d}.png": png(index) for index in range(11)})
        with pytest.raises(DataError, match="over 10 entries"):
            open_archive(path)


@pytest.mark.parametrize("kind", KINDS[:3])
def test_a_cut_or_foreign_file_is_told_with_its_path(tmp_path: Path, kind: str) -> None:
    path = pack(tmp_path / kind, {f"{index:03d}.png": png(index) for index in range(100)})
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"text", b""):
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            open_archive(path)
        assert str(path) in caught.value.happened
        assert "Traceback" not in str(caught.value)


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {f"{index:03d}.png": png(index) for index in range(10)})
    content = bytearray(path.read_bytes())
    at = 0
    while (at := content.find(b"PK\x01\x02", at)) >= 0:  # the flag of encryption in every entry
        content[at + 8] |= 1
        at += 4
    path.write_bytes(content)
    with pytest.raises(DataError, match="encrypted"):
        open_archive(path)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w:bz2"])
def test_a_compressed_tar_file_decompresses_to_no_more_than_its_size_allows(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bomb of some kB: its bytes are counted as they come out of the decompressor."""
    monkeypatch.setattr(archives, "MOST_BYTES", 1 << 20)
    path = tmp_path / f"bomb.tar.{mode[2:]}"
    with tarfile.open(path, mode) as archive:
        for name in ("zeros.bin", "image.png"):
            info = tarfile.TarInfo(name)
            info.size = 64 << 20
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    with pytest.raises(DataError, match=r"decompresses to more than [\d,]+ bytes, 200 times its size"):
        open_archive(path)
