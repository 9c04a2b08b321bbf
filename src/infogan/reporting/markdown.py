"""Markdown tables for documentation and experiments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table, without a final newline.

    Args:
        head: the column titles.
        rows: one sequence of cells per row, converted with `str`; "|" is escaped, a line break becomes a
            space.

    Raises:
        ValueError: a row does not have one cell per column.

    >>> print(markdown_table(["seed", "accuracy"], [[0, "0.95"], [1, "0.97"]]))
    | seed | accuracy |
    |---|---|
    | 0 | 0.95 |
    | 1 | 0.97 |
    """
    lines = [_line(head), "|" + "---|" * len(head)]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"a row has {len(row)} cells, the table {len(head)} columns: {list(row)}")
        lines.append(_line(row))
    return "\n".join(lines)


def _line(cells: Iterable[object]) -> str:
    texts = (" ".join(str(cell).split("\n")).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(texts)} |"
