"""The precision of the layers, chosen by what the processor supports."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from infogan.config import parse_codes
from infogan.errors import ConfigError
from infogan.training import engine
from tests.training.step_builders import CPU


@pytest.mark.parametrize(
    ("text", "native", "matrix"),
    [
        ("processor : 0\nflags\t\t: fpu sse amx_bf16 amx_tile amx_int8\nflags : fpu\n", True, True),
        ("flags\t\t: fpu avx512f avx512_bf16\n", True, False),
        ("flags\t\t: fpu avx512f amx_tile\n", False, False),
        ("flags\t\t: fpu amx_bf16\n", False, False),
        ("flags\t\t: fpu\nflags\t\t: amx_bf16 amx_tile\n", False, False),  # the first speaks for all
        ("Features\t: fp asimd bf16\n", False, False),
        ("", False, False),
    ],
)
def test_bfloat16_is_native_with_matrix_or_vector_units(
    text: str, native: bool, matrix: bool, tmp_path: Path
) -> None:
    flags = tmp_path / "cpuinfo"
    flags.write_text(text)
    assert engine.multiplies_bfloat16(CPU, flags) is native
    assert engine.has_matrix_units(CPU, flags) is matrix


def test_a_system_that_names_no_flags_has_no_native_bfloat16(tmp_path: Path) -> None:
    assert engine.multiplies_bfloat16(CPU, tmp_path / "cpuinfo") is False


@pytest.mark.parametrize("native", [True, False])
def test_auto_follows_the_hardware_and_a_wish_overrules_it(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "multiplies_bfloat16", lambda device: native)
    assert engine.choose_precision("auto", CPU) == ("bfloat16" if native else "float32")
    assert engine.choose_precision("float32", CPU) == "float32"
    assert engine.choose_precision("bfloat16", CPU) == "bfloat16"


# --- Apple's GPUs, which this test need not have ---------------------------------------------------------


def test_mps_trains_in_float32_and_refuses_bfloat16() -> None:
    mps = torch.device("mps")
    assert engine.choose_precision("auto", mps) == "float32"
    with pytest.raises(ConfigError, match=r"float32 only(.|\n)*precision='float32'"):
        engine.choose_precision("bfloat16", mps)


def test_codes_that_need_float64_are_refused_on_mps() -> None:
    codes = parse_codes("digit:10 style:u angle:p")
    with pytest.raises(ConfigError, match=r"'angle' on mps(.|\n)*device='cpu'"):
        engine.check_codes(codes, torch.device("mps"))
    engine.check_codes(codes, torch.device("cpu"))
    engine.check_codes(parse_codes("digit:10 style:u"), torch.device("mps"))


def test_tf32_is_float32_without_tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = torch.device("cuda")
    assert engine.choose_precision("tf32", CPU) == "float32"
    for cores, precision in ((True, "tf32"), (False, "float32")):
        monkeypatch.setattr(engine, "has_matrix_units", lambda device, cores=cores: cores)
        assert engine.choose_precision("tf32", gpu) == precision


@pytest.mark.parametrize(("precision", "products"), [("float32", "highest"), ("tf32", "high")])
@pytest.mark.parametrize("deterministic", [False, True])
def test_switches_of_a_gpu_are_set_inside_the_block_alone(
    precision: engine.Precision, products: str, deterministic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)

    def switches() -> tuple[str, bool, bool]:
        return (
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.deterministic,
        )

    before = switches()
    with pytest.raises(KeyError), engine.numerics(torch.device("cuda"), precision, deterministic):
        assert switches() == (products, deterministic, deterministic)
        raise KeyError
    assert switches() == before
    with engine.numerics(CPU, "tf32", True):
        assert switches() == before
    assert ("CUBLAS_WORKSPACE_CONFIG" in os.environ) is deterministic
