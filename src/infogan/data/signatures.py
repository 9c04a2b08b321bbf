"""The table of file types: how each is recognised by its first bytes, and how it is read or converted.

The extension of a name does not matter, because it is often wrong. Folders, archives, arrays and tables use
the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

HEAD = 1_024
"""Number of first bytes that `identify` needs."""

Reading = Literal["image", "array", "archive", "table", "unread image", "unread", "other"]
"""How a file is read: image: by one of Pillow's decoders; array: as .npy; archive and table: their members.
unread image: an image that must be converted first; unread: a container that may hold images and must be
converted first; other: no image."""


@dataclass(frozen=True)
class FileType:
    """A type of file.

    Attributes:
        name: what it is, with an article.
        reading: how it is read.
        marks: alternatives; of one of them, all (offset, bytes) are in the file.
        decoder: Pillow's name of the decoder.
        advice: how to convert it, if it is not read.
        extensions: that files of this type usually have; only files of a type without marks need one.
    """

    name: str
    reading: Reading
    marks: tuple[tuple[tuple[int, bytes], ...], ...] = ()
    decoder: str = ""
    advice: str = ""
    extensions: tuple[str, ...] = ()

    def matches(self, head: bytes) -> bool:
        """Return True if the first bytes of a file are those of this type."""
        return any(
            all(head[offset : offset + len(mark)] == mark for offset, mark in alternative)
            for alternative in self.marks
        )

    @property
    def reason(self) -> str:
        """The type and how to convert it, for messages."""
        return f"{self.name}: {self.advice}" if self.advice else self.name


def _starts(*marks: bytes, at: int = 0) -> tuple[tuple[tuple[int, bytes], ...], ...]:
    return tuple(((at, mark),) for mark in marks)


def _image(name: str, decoder: str, marks: tuple[tuple[tuple[int, bytes], ...], ...], *ext: str) -> FileType:
    return FileType(name, "image", marks, decoder, extensions=ext)


_RAW_MARKS = (
    ((0, b"II*\x00"), (8, b"CR\x02")),
    *_starts(b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"IIU\x00", b"\x00MRM"),
    *_starts(b"ftypcrx", at=4),
)
_DEVELOP = "develop it to TIFF or PNG, for example with: darktable-cli INPUT OUTPUT.png"
_SAVE = "save it as PNG, for example with ImageMagick: magick INPUT OUTPUT.png"
_HEIC = "convert it with heif-convert, or with pillow-heif: pillow_heif.open_heif(PATH).to_pillow().save(PNG)"
_FRAMES = "extract frames with: ffmpeg -i VIDEO -r 2 frame%05d.png"
_SLICES = "save slices as arrays: numpy.save('slice-001.npy', array)"
_NUMPY = "numpy.save('images.npy', images), with images [N, H, W] or [N, H, W, C]"
_H5 = "with h5py: numpy.save('images.npy', h5py.File(PATH)['NAME'][:])"
_AGAIN = "copy or download it again"

TYPES: tuple[FileType, ...] = (
    # Images that Pillow decodes.
    _image("a PNG image", "PNG", _starts(b"\x89PNG\r\n\x1a\n"), ".png", ".apng"),
    _image("a JPEG image", "JPEG", _starts(b"\xff\xd8\xff"), ".jpg", ".jpeg", ".jfif", ".jpe", ".mpo"),
    _image("a GIF image", "GIF", _starts(b"GIF87a", b"GIF89a"), ".gif"),
    FileType("a camera raw file", "unread image", _RAW_MARKS, advice=_DEVELOP),
    _image("a TIFF image", "TIFF", _starts(b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"), ".tif", ".tiff"),
    _image("a WebP image", "WEBP", (((0, b"RIFF"), (8, b"WEBP")),), ".webp"),
    _image("an AVIF image", "AVIF", _starts(b"ftypavif", b"ftypavis", at=4), ".avif", ".avifs"),
    _image(
        "a JPEG 2000 image",
        "JPEG2000",
        _starts(b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
        ".jp2",
        ".j2k",
        ".jpx",
        ".jpf",
        ".j2c",
        ".jpc",
    ),
    _image(
        "a Netpbm image",
        "PPM",
        _starts(*(bytes([80, digit, space]) for digit in b"123456Ff" for space in b" \t\n\r")),
        ".pbm",
        ".pgm",
        ".ppm",
        ".pnm",
        ".pfm",
    ),
    _image("a QOI image", "QOI", _starts(b"qoif"), ".qoi"),
    _image(
        "an SGI image",
        "SGI",
        _starts(b"\x01\xda\x00\x01", b"\x01\xda\x01\x01", b"\x01\xda\x00\x02", b"\x01\xda\x01\x02"),
        ".sgi",
        ".rgb",
        ".rgba",
        ".bw",
    ),
    _image("a PCX image", "PCX", _starts(*(bytes([10, version, 1]) for version in (0, 2, 3, 5))), ".pcx"),
    _image("an icon", "ICO", _starts(b"\x00\x00\x01\x00"), ".ico"),
    # Images that are not decoded.
    FileType(
        "a HEIF image",
        "unread image",
        _starts(
            *(
                b"ftyp" + brand
                for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
            ),
            at=4,
        ),
        advice=_HEIC,
    ),
    FileType(
        "a JPEG XL image",
        "unread image",
        _starts(b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"),
        advice="convert it with djxl INPUT OUTPUT.png",
    ),
    FileType("a JPEG XR image", "unread image", _starts(b"II\xbc\x01"), advice=_SAVE),
    FileType("a Photoshop file", "unread image", _starts(b"8BPS"), advice=_SAVE),
    FileType("a DDS texture", "unread image", _starts(b"DDS "), advice=_SAVE),
    FileType(
        "an OpenEXR image",
        "unread image",
        _starts(b"v/1\x01"),
        advice="save it as a float TIFF, and set the range",
    ),
    FileType(
        "a Radiance HDR image",
        "unread image",
        _starts(b"#?RADIANCE", b"#?RGBE"),
        advice="save it as a float TIFF, and set the range",
    ),
    FileType("a cursor", "unread image", _starts(b"\x00\x00\x02\x00"), advice=_SAVE),
    FileType("an Apple icon", "unread image", _starts(b"icns"), advice=_SAVE),
    FileType("a Sun raster image", "unread image", _starts(b"\x59\xa6\x6a\x95"), advice=_SAVE),
    FileType("an X pixmap", "unread image", _starts(b"/* XPM */"), advice=_SAVE),
    FileType("a Blizzard texture", "unread image", _starts(b"BLP1", b"BLP2"), advice=_SAVE),
    FileType("a FLI animation", "unread image", _starts(b"\x11\xaf", b"\x12\xaf", at=4), advice=_FRAMES),
    FileType(
        "a PostScript drawing",
        "unread image",
        _starts(b"%!PS", b"\xc5\xd0\xd3\xc6"),
        advice="render it: gs -sDEVICE=png16m -o OUTPUT.png INPUT",
    ),
    FileType(
        "a Windows metafile",
        "unread image",
        (*_starts(b"\xd7\xcd\xc6\x9a"), ((0, b"\x01\x00\x00\x00"), (40, b" EMF"))),
        advice=_SAVE,
    ),
    FileType(
        "a FITS image",
        "unread image",
        _starts(b"SIMPLE  ="),
        advice="with astropy: numpy.save('1.npy', astropy.io.fits.getdata(PATH)), and set the range",
    ),
    FileType(
        "a DICOM image",
        "unread image",
        _starts(b"DICM", at=128),
        advice="with pydicom: numpy.save('1.npy', pydicom.dcmread(PATH).pixel_array), and set the range",
    ),
    FileType(
        "a NIfTI volume",
        "unread image",
        _starts(b"n+1\x00", b"ni1\x00", at=344),
        advice=f"with nibabel: nibabel.load(PATH).get_fdata(); {_SLICES}",
    ),
    FileType(
        "a MetaImage volume",
        "unread image",
        _starts(b"ObjectType = Image", b"NDims ="),
        advice=f"with SimpleITK; {_SLICES}",
    ),
    FileType("an NRRD volume", "unread image", _starts(b"NRRD000"), advice=f"with pynrrd; {_SLICES}"),
    FileType("an MRC volume", "unread image", _starts(b"MAP ", at=208), advice=f"with mrcfile; {_SLICES}"),
    FileType(
        "a microscope file (CZI)",
        "unread image",
        _starts(b"ZISRAWFILE"),
        advice="export it as TIFF, for example with Fiji",
    ),
    FileType(
        "a microscope file (ND2)",
        "unread image",
        _starts(b"\xda\xce\xbe\x0a"),
        advice="export it as TIFF, for example with Fiji",
    ),
    FileType(
        "a microscope file (LIF)",
        "unread image",
        (((0, b"\x70\x00\x00\x00"), (8, b"\x2a")),),
        advice="export it as TIFF, for example with Fiji",
    ),
    # Arrays, archives and tables.
    FileType("a NumPy array", "array", _starts(b"\x93NUMPY"), extensions=(".npy",)),
    FileType(
        "a zip archive",
        "archive",
        _starts(b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"),
        extensions=(".zip", ".npz"),
    ),
    FileType("a tar archive", "archive", _starts(b"ustar", at=257), extensions=(".tar",)),
    FileType("a gzip file", "archive", _starts(b"\x1f\x8b"), extensions=(".gz", ".tgz")),
    FileType("a bzip2 file", "archive", _starts(b"BZh"), extensions=(".bz2",)),
    FileType("an xz file", "archive", _starts(b"\xfd7zXZ\x00"), extensions=(".xz",)),
    FileType("a Parquet table", "table", _starts(b"PAR1"), extensions=(".parquet",)),
    # Containers that are not read.
    FileType("an HDF5 file", "unread", _starts(b"\x89HDF\r\n\x1a\n"), advice=_H5),
    FileType("a MATLAB 7.3 file", "unread", _starts(b"MATLAB 7.3"), advice=_H5),
    FileType(
        "a MATLAB file",
        "unread",
        _starts(b"MATLAB 5.0"),
        advice="with scipy: numpy.save('images.npy', scipy.io.loadmat(PATH)['NAME'])",
    ),
    FileType(
        "an IDX array",
        "unread",
        _starts(
            *(b"\x00\x00" + bytes([kind, dims]) for kind in (8, 9, 11, 12, 13, 14) for dims in (1, 3, 4))
        ),
        advice=f"infogan.data.idx.read_idx(PATH, 3), then {_NUMPY}",
    ),
    FileType(
        "a video",
        "unread",
        (
            ((0, b"RIFF"), (8, b"AVI ")),
            *_starts(b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"FLV\x01"),
            *_starts(b"0&\xb2u", b"OggS"),
            *_starts(b"ftyp", b"moov", b"mdat", b"wide", b"free", at=4),
        ),
        advice=_FRAMES,
    ),
    FileType("an Arrow file", "unread", _starts(b"ARROW1"), advice="save it as Parquet"),
    FileType("a 7z archive", "unread", _starts(b"7z\xbc\xaf\x27\x1c"), advice="unpack it: 7z x FILE"),
    FileType("a RAR archive", "unread", _starts(b"Rar!\x1a\x07"), advice="unpack it: unrar x FILE"),
    FileType("a Zstandard file", "unread", _starts(b"\x28\xb5\x2f\xfd"), advice="unpack it: zstd -d FILE"),
    FileType(
        "a pickle",
        "unread",
        _starts(*(b"\x80" + bytes([protocol]) for protocol in range(2, 6))),
        advice=f"never read, since it can run code; {_NUMPY}",
    ),
    FileType("a database", "unread", _starts(b"SQLite format 3\x00"), advice="write its images to files"),
    FileType(
        "a PDF document", "unread", _starts(b"%PDF"), advice="extract its images: pdfimages -png FILE image"
    ),
    # Files that hold no image.
    FileType("metadata of macOS", "other", _starts(b"\x00\x05\x16\x07", b"\x00\x00\x00\x01Bud1")),
    FileType(
        "an Office file or thumbnails of Windows", "other", _starts(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    ),
    FileType(
        "a pointer of Git LFS",
        "unread image",
        _starts(b"version https://git-lfs"),
        advice="fetch the images: git lfs pull",
    ),
    FileType("a program", "other", _starts(b"\x7fELF", b"MZ\x90\x00", b"\xca\xfe\xba\xbe")),
)
"""All types, the more specific ones first."""

_BMP = _image("a BMP image", "BMP", (), ".bmp", ".dib")
_TGA = _image("a TGA image", "TGA", (), ".tga", ".icb", ".vda", ".vst")
EMPTY = FileType("an empty file", "other", advice=_AGAIN)
ZEROS = FileType("a file of zeros", "other", advice=_AGAIN)
WEB_PAGE = FileType("a web page", "other", advice="download the image itself")
DRAWING = FileType(
    "an SVG drawing", "unread image", advice="render it: rsvg-convert -w 256 INPUT > OUTPUT.png"
)
TEXT = FileType("a text file", "other")
UNKNOWN = FileType("an unknown type of file", "other")

EXTENSIONS = tuple(
    extension
    for file_type in (*TYPES, _BMP, _TGA)
    if file_type.reading == "image"
    for extension in file_type.extensions
)
"""Usual extensions of the images that are decoded."""


def identify(head: bytes, name: str = "") -> FileType:
    """Return the type of a file.

    Args:
        head: its first `HEAD` bytes, or all.
        name: its name. Only TGA images, which have no signature, are recognised by it.
    """
    if head[4:8] == b"ftyp" and b"avif" in head[8:64]:  # also as the second brand of several
        return _by_decoder("AVIF")
    if PurePosixPath(name).suffix.lower() in _TGA.extensions and _is_tga(head):
        return _TGA  # before the others: many begin as cursors do
    known = next((file_type for file_type in TYPES if file_type.matches(head)), None)
    if known is not None:
        return known
    if _is_old_tar(head):
        return next(one for one in TYPES if one.name == "a tar archive")
    return _without_signature(head)


def of_extension(name: str) -> FileType | None:
    """Return the type of image that a name's extension stands for, or None."""
    suffix = PurePosixPath(name).suffix.lower()
    return next((one for one in (*TYPES, _BMP, _TGA) if one.decoder and suffix in one.extensions), None)


def counted(names: Sequence[str], most: int = 4) -> str:
    """Return how often each occurs, the most frequent first: "3 x a video, 1 x a web page"."""
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    order = sorted(counts, key=lambda name: -counts[name])
    listed = [f"{counts[name]:,} x {name}" for name in order[:most]]
    return ", ".join(listed) + (f" and {len(order) - most} more types" if len(order) > most else "")


_BMP_HEADERS = tuple(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))
"""Sizes of the headers that follow the first 14 bytes of a BMP file."""


def _by_decoder(decoder: str) -> FileType:
    return next(one for one in TYPES if one.decoder == decoder)


def _is_tga(head: bytes) -> bool:
    """Return True if the fields of a TGA header have possible values."""
    return (
        len(head) >= 18
        and head[1] in (0, 1)
        and head[2] in (1, 2, 3, 9, 10, 11)
        and head[16] in (1, 8, 15, 16, 24, 32)
        and any(head[12:14])
        and any(head[14:16])
    )


def _is_old_tar(head: bytes) -> bool:
    """Return True if the checksum of a tar header without signature is right."""
    digits = head[148:156].strip(b" \0")
    if len(head) < 512 or not digits.isdigit() or not head[0]:
        return False
    return sum(head[:148]) + 8 * 32 + sum(head[156:512]) == int(digits, 8 if max(digits) < 56 else 10)


def _without_signature(head: bytes) -> FileType:
    if not any(head):
        return ZEROS if head else EMPTY
    if head[:2] == b"BM" and (len(head) < 18 or head[14:18] in _BMP_HEADERS):
        return _BMP
    small = head.lower()
    if b"<svg" in small:
        return DRAWING
    if b"<html" in small or small.lstrip().startswith(b"<!doctype"):
        return WEB_PAGE
    text = head.decode("utf-8", "ignore")  # the last character may be cut
    printable = all(sign.isprintable() or sign.isspace() for sign in text)
    return TEXT if printable and len(text.encode()) >= len(head) - 3 else UNKNOWN
