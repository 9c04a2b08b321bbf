"""The table of file types: what a file is depends on its first bytes."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.data.signatures import HEAD, TYPES, UNKNOWN, identify, of_extension

DECODED = ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "SGI", "PCX", "ICO", "BMP")


@pytest.mark.parametrize("decoder", DECODED)
def test_what_pillow_writes_is_recognised_whatever_its_name(decoder: str) -> None:
    file = io.BytesIO()
    Image.new("L" if decoder == "PPM" else "RGB", (16, 16), 7).save(file, decoder)
    found = identify(file.getvalue()[:HEAD], "notes.txt")
    assert (found.reading, found.decoder) == ("image", decoder)


def test_a_tga_image_has_no_signature_and_needs_its_extension() -> None:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), 7).save(file, "TGA")
    assert identify(file.getvalue(), "a.tga").decoder == "TGA"
    assert identify(file.getvalue(), "a").decoder == ""


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypheic", "a HEIF image"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (bytes(128) + b"DICM", "a DICOM image"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
        (b"  <!DOCTYPE html><html>", "a web page"),
        (b'<?xml version="1.0"?><svg>', "an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"\x80\x04\x95", "a pickle"),
        (b"", "an empty file"),
        (bytes(64), "a file of zeros"),
        ("\u00fcber".encode(), "a text file"),
        (b"\xfe\xdc\xba\x98\x01", UNKNOWN.name),
    ],
)
def test_what_is_not_decoded_is_named(head: bytes, name: str) -> None:
    assert identify(head, "a.jpg").name == name


def test_what_must_be_converted_says_how() -> None:
    for file_type in TYPES:
        if file_type.reading in ("unread", "unread image"):
            assert file_type.advice, file_type.name


def test_old_tar_files_are_recognised_by_their_checksum(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a", "w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("1.png"))
    head = bytearray((tmp_path / "a").read_bytes()[:512])
    assert identify(bytes(head)).name == "a tar archive"
    head[257:265] = bytes(8)
    digits = f"{sum(head[:148]) + 8 * 32 + sum(head[156:512]):06o}\0 ".encode()
    assert identify(bytes(head[:148]) + digits + bytes(head[156:])).name == "a tar archive"
    assert identify(bytes(head)).name != "a tar archive"


def test_an_extension_stands_for_a_decoder() -> None:
    jpeg = of_extension("a.JFIF")
    assert jpeg is not None and jpeg.decoder == "JPEG"
    assert of_extension("a.txt") is None


def test_numpy_files_are_arrays() -> None:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    assert identify(file.getvalue()).reading == "array"
