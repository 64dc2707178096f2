"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence


def markdown_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Writes rows with the same keys as a table.

    Underscores in keys become spaces; floats get two decimals, and None a dash.
    Bars and line breaks inside a cell are escaped.

    Arguments
    ---------
    rows : sequence of mapping
        The rows; the keys of the first are the columns.

    Returns
    -------
    str
        The table, without a line break at its end.

    Raises
    ------
    ValueError
        If there is no row, or if rows have different keys.

    Example
    -------
    >>> print(markdown_table([{"label": "dog", "recall": 12.5}]))
    | label | recall |
    |---|---|
    | dog | 12.50 |
    """
    if not rows:
        raise ValueError("a table needs at least one row")
    columns = list(rows[0])
    for row in rows:
        if list(row) != columns:
            raise ValueError(f"rows differ in their columns: {columns}, {list(row)}")
    lines = [
        _line(column.replace("_", " ") for column in columns),
        "|" + "---|" * len(columns),
        *(_line(row.values()) for row in rows),
    ]
    return "\n".join(lines)


def _line(cells: Iterable[object]) -> str:
    """One line of a table."""
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: object) -> str:
    """Text of one cell."""
    if value is None:
        return "–"
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return "<br>".join(text.replace("|", r"\|").splitlines())
