"""The names that `import infogan` offers: typed, imported lazily, and clear about wrong input."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import infogan
from infogan import data
from infogan.errors import DataError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_type_checker_sees_precise_types_from_outside() -> None:
    command = [sys.executable, "-m", "mypy", "--warn-unused-ignores", "tests/contract/client.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout


def test_the_type_checked_client_uses_every_public_function() -> None:
    used = set(re.findall(r"infogan\.([a-z]\w*)", (ROOT / "tests/contract/client.py").read_text()))
    assert {name for name in infogan.__all__ if name[0].islower()} <= used


def test_every_public_name_can_be_imported() -> None:
    for name in infogan.__all__:
        assert getattr(infogan, name) is not None, name
    assert set(infogan.__all__) <= set(dir(infogan))


def test_importing_the_package_imports_neither_torch_nor_numpy() -> None:
    code = "import sys, infogan; print(sorted({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


IMAGES = np.arange(2 * 8 * 8, dtype=np.uint8).reshape(2, 8, 8, 1)


@pytest.mark.parametrize(
    "given",
    [
        IMAGES,
        IMAGES[..., 0],
        list(IMAGES),
        torch.from_numpy(IMAGES),
        torch.from_numpy(IMAGES).permute(0, 3, 1, 2),
    ],
    ids=["array", "gray array", "list", "tensor", "tensor, channels first"],
)
def test_images_in_memory_are_accepted_in_any_common_form(given: object) -> None:
    assert np.array_equal(data.as_images(given), IMAGES)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (IMAGES / 255, r"float64.*\n.*uint8.*\n.*\* 255"),
        (IMAGES[0, ..., 0], r"shape \[8, 8\]"),
        ([IMAGES[0], IMAGES[1, :4]], "different sizes"),
        (IMAGES > 3, "bool"),
    ],
    ids=["floats", "one image", "sizes differ", "bool"],
)
def test_other_images_are_refused_with_what_to_do(given: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        data.as_images(given)


def test_labels_are_one_whole_number_per_image() -> None:
    assert data.as_labels([0, 1, 2]).dtype == np.int64
    assert data.as_labels(None) is None
    with pytest.raises(DataError, match="one whole number per image"):
        data.as_labels(np.array(["cat", "dog"]))
