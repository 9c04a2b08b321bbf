"""MATLAB 5 files: the same arrays as scipy reads, and errors for damaged ones instead of a crash."""

from __future__ import annotations

import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from infogan import matlab

RNG = np.random.default_rng(0)
ARRAYS = {
    "X": RNG.integers(0, 256, (3, 4, 3, 5), dtype=np.uint8),
    "y": RNG.integers(0, 256, (5, 1), dtype=np.uint8),
    "small": np.array([[1, 2, 3]], np.int8),  # its values lie in the tag
    "double": RNG.normal(size=(2, 3)),
    "single": RNG.normal(size=(2, 3)).astype(np.float32),
    "wide": RNG.integers(-(2**40), 2**40, (7, 1)),
    "a_very_long_name_of_an_array": np.ones((1, 1), np.uint16),
}


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_are_those_that_scipy_reads(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {**ARRAYS, "text": "abc", "cell": np.array([["a"]], object)}, do_compression=compressed)
    found = matlab.list_arrays(path)
    assert [*found] == [*ARRAYS, "text", "cell"]
    assert (found["text"].kind, found["cell"].kind) == ("char", "cell")
    theirs = loadmat(path)
    for name in ARRAYS:
        ours = matlab.read_array(path, found[name])
        assert ours.dtype == theirs[name].dtype and ours.flags.f_contiguous
        assert np.array_equal(ours, theirs[name]), name
    for name in ("text", "cell"):
        with pytest.raises(ValueError, match="not numbers"):
            matlab.read_array(path, found[name])


def test_a_big_endian_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    parts = [(6, b"\0\0\0\x0b\0\0\0\0"), (5, b"\0\0\0\x01\0\0\0\x02"), (1, b"y"), (4, b"\x01\x02\x03\x04")]
    body = b"".join(
        kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data + bytes(-len(data) % 8)
        for kind, data in parts
    )
    path.write_bytes(header + (14).to_bytes(4, "big") + len(body).to_bytes(4, "big") + body)
    (array,) = matlab.list_arrays(path).values()
    assert matlab.read_array(path, array).tolist() == [[0x102, 0x304]]


def read_all(path: Path) -> None:
    """Read everything; a damaged file raises ValueError, and nothing else."""
    try:
        for array in matlab.list_arrays(path).values():
            if array.kind == "uint8" and np.prod(array.shape, dtype=float) < 1e6:
                matlab.read_array(path, array)
    except ValueError:
        pass


@pytest.mark.parametrize("compressed", [True, False])
def test_no_changed_byte_is_more_than_an_error(tmp_path: Path, compressed: bool) -> None:
    """Each byte of the tags and headers in turn; type tags ended the interpreter of other readers."""
    path = tmp_path / "a.mat"
    savemat(path, {"X": ARRAYS["X"], "y": ARRAYS["y"]}, do_compression=compressed)
    whole = path.read_bytes()
    for place in range(124, min(len(whole), 330)):
        for value in (0, 15, 255, whole[place] ^ 1):
            path.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            read_all(path)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_file_cut_anywhere_is_an_error(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"X": ARRAYS["X"]}, do_compression=compressed)
    whole = path.read_bytes()
    for end in range(0, len(whole), 3 if compressed else 8):
        path.write_bytes(whole[:end])
        if end == 128:
            assert matlab.list_arrays(path) == {}
            continue
        with pytest.raises(ValueError):
            for array in matlab.list_arrays(path).values():
                matlab.read_array(path, array)


@pytest.mark.slow
def test_a_bomb_costs_the_memory_of_what_it_announces_only(tmp_path: Path) -> None:
    """A small array whose element decompresses to 200 MB; and a large one that never comes."""
    path = tmp_path / "a.mat"
    savemat(path, {"X": ARRAYS["X"]}, do_compression=True)
    whole = path.read_bytes()
    inner = zlib.decompress(whole[136:]) + bytes(200 << 20)
    packed = zlib.compress(inner)
    path.write_bytes(whole[:132] + len(packed).to_bytes(4, "little") + packed)
    tracemalloc.start()
    (array,) = matlab.list_arrays(path).values()
    with pytest.raises(ValueError, match="longer than it announces"):
        matlab.read_array(path, array)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
