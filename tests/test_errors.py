"""Messages of the Python API name arguments and keys; flags are for the command line."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import infogan
from infogan.errors import UsageError

PACKAGE = Path(infogan.__file__).parent
FOR_THE_TERMINAL = {
    "cli.py",
    "diagnosis.py",
    "config/reference.py",
    "data/audit.py",
    "runs/health.py",
    "reporting/page.py",
    "reporting/html.py",
}


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and text of all strings but docstrings and the advice for the command line."""
    for node in ast.iter_child_nodes(tree):
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_docstring or (isinstance(node, ast.keyword) and node.arg == "command"):
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        yield from messages(node)


def test_no_message_of_the_python_api_has_a_flag() -> None:
    flags = [
        f"{module.relative_to(PACKAGE)}:{line}: {text}"
        for module in sorted(PACKAGE.rglob("*.py"))
        if module.relative_to(PACKAGE).as_posix() not in FOR_THE_TERMINAL
        for line, text in messages(ast.parse(module.read_text()))
        if re.search(r"(^|[^\w-])--[a-z]", text) and " " in text.strip()  # else a word of a command
    ]
    assert flags == []


def test_the_command_line_has_advice_of_its_own() -> None:
    error = UsageError("seeds = 0", "1 or more", "seeds=4", command="--seeds 4")
    assert str(error).endswith("try: seeds=4")
    assert error.for_command_line.endswith("try: --seeds 4")
