"""Every global name that code uses is defined: jaxtyping's axis names keep the linters from checking this."""

from __future__ import annotations

import builtins
import dis
import importlib
import pkgutil
from collections.abc import Iterator
from types import CodeType

import pytest

import infogan
import infogan_experiments

MODULES = sorted(
    module.name
    for package in (infogan, infogan_experiments)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith("__main__")
)


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and those of the functions and classes in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def undefined(code: CodeType, known: set[str]) -> set[str]:
    """Return the global names that functions load and that are not known."""
    return {
        str(instruction.argval)
        for part in codes(code)
        for instruction in dis.get_instructions(part)
        if instruction.opname == "LOAD_GLOBAL" and instruction.argval not in known
    }


@pytest.mark.parametrize("name", MODULES)
def test_a_module_uses_no_undefined_names(name: str) -> None:
    module = importlib.import_module(name)
    spec = module.__spec__
    assert spec is not None and spec.loader is not None
    code = spec.loader.get_code(name)  # type: ignore[attr-defined]  # of source files
    assert undefined(code, {*vars(module), *vars(builtins)}) == set()


def test_an_undefined_name_is_found() -> None:
    code = compile("def f():\n    return missing + len('')", "example", "exec")
    assert undefined(code, {"f", *vars(builtins)}) == {"missing"}
