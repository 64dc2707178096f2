"""The one reader of tables: a CSV file's rows by the names of its columns."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from clap_sb.data.csv_records import Record, read_records

# What tables have where there is no value.
NONE = ("", "nan")
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs"}


class Row(dict[str, str]):
    """A row: from each column's name to the value, as it is.

    Arguments
    ---------
    values : mapping of str to str
        The values.
    where : str
        The file and the line, for an error.

    Example
    -------
    >>> row = Row({"start": "0.5", "fold": "2.0"}, "my.csv, line 7")
    >>> row.seconds("start"), row.whole_number("fold")
    (0.5, 2)
    """

    def __init__(self, values: Mapping[str, str], where: str):
        super().__init__(values)
        self.where = where

    def said(self, column: str) -> str:
        """A text, without space around it.

        Arguments
        ---------
        column : str
            A column, which may be missing.

        Returns
        -------
        str
            Empty where nothing is said: also for ``nan``, which tables with gaps have
            there when they are saved.

        Example
        -------
        >>> row = Row({"caption": " A dog ", "label": "NaN"}, "my.csv, line 7")
        >>> row.said("caption"), row.said("label"), row.said("keywords")
        ('A dog', '', '')
        """
        text = self.get(column, "").strip()
        return "" if text.lower() in NONE else text

    def seconds(self, column: str) -> float:
        """A time.

        Arguments
        ---------
        column : str
            A column.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If it is no number, negative, or not finite; the row is named.
        """
        value = _number(self[column])
        if value is None or value < 0:
            raise ValueError(
                f"{self.where}: {column} is {self[column]!r}; it has to be a number of "
                "seconds, from 0 on"
            )
        return value

    def whole_number(self, column: str) -> int:
        """A count, a fold or a class, also as tables with gaps are saved (``2.0``).

        Arguments
        ---------
        column : str
            A column.

        Returns
        -------
        int

        Raises
        ------
        ValueError
            If it is something else, or negative; the row is named.
        """
        value = _number(self[column])
        if value is None or value < 0 or value != int(value):
            raise ValueError(
                f"{self.where}: {column} is {self[column]!r}; it has to be a whole "
                "number, from 0 on"
            )
        return int(value)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_rows(
    path: str | os.PathLike,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    *,
    names: Sequence[str] | None = None,
    fallback: str | None = None,
    mend: Callable[[list[Record]], list[Record]] | None = None,
) -> list[Row]:
    """Reads a CSV file strictly, all values as text.

    Each row has one value for each column: an empty one counts, and so do commas at
    a row's end, if nothing is between them. Columns that are asked for are known in
    any case, and with or without spaces, hyphens and underscores.

    Arguments
    ---------
    path : str or path-like
        The file, UTF-8, with commas between the columns.
    columns : sequence of str
        Columns it must have.
    optional : sequence of str
        Others that are looked for; what else there is is kept under its own name.
    names : sequence of str, optional
        The columns of a file without a header.
    fallback : str, optional
        The encoding of a file that is not in UTF-8.
    mend : callable, optional
        Repairs the records of a list whose faults are known, the header first.

    Returns
    -------
    list of Row

    Raises
    ------
    ValueError
        If a column is missing or there twice, a row has more or fewer values than
        there are columns, or the file is no CSV in UTF-8; the line is named.

    Example
    -------
    >>> path = getfixture("tmp_path") / "list.csv"
    >>> _ = path.write_text("name,Caption\\nNA,A dog barks\\n")
    >>> [row] = read_rows(path, ["caption"])
    >>> row, row.where.endswith("list.csv, line 2")
    ({'name': 'NA', 'caption': 'A dog barks'}, True)
    """
    records = read_records(path, has_header=names is None, fallback=fallback)
    if names is not None:
        if all(len(record.values) == 1 for record in records):
            # a semicolon of prose has a space after it
            lines = [record.values[0].replace("; ", " ") for record in records]
            _check_separator(path, lines)
    else:
        header, records = records[:1], records[1:]
        names = _header(path, header[0].values if header else (), columns, optional)
    if mend is not None:
        records = mend(records)
    _check_widths(path, records, len(names))
    return [
        Row(
            # a column without a name is the numbers that some programs put first
            {name: record.values[i] for i, name in enumerate(names) if name},
            f"{path}, line {record.line}",
        )
        for record in records
    ]


def _header(
    path: str | os.PathLike,
    values: Sequence[str],
    columns: Sequence[str],
    optional: Sequence[str],
) -> list[str]:
    """The columns' names, those that are asked for as they are asked for."""
    asked = {bare_name(name): name for name in (*columns, *optional)}
    names = [asked.get(bare_name(value), value.strip()) for value in values]
    while names and not names[-1]:
        names.pop()
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        raise ValueError(
            f"{path} has {names.count(twice[0])} columns {twice[0]}: each needs a name "
            "of its own; several captions or labels of a clip are several rows"
        )
    if len(names) == 1 and names[0] not in asked.values():
        _check_separator(path, names)
    if not set(columns) <= set(names):
        raise ValueError(
            f"{path} must have the columns {', '.join(columns)}; "
            f"it has {', '.join(names) or 'none'}."
        )
    return names


def _check_separator(path: str | os.PathLike, lines: Sequence[str]) -> None:
    for separator, name in _OTHER_SEPARATORS.items():
        if lines and all(separator in line for line in lines):
            raise ValueError(
                f"{path} has {name} between its columns: save it as CSV with commas "
                "between them (a spreadsheet asks which, or has it among its exports)"
            )


def bare_name(name: str) -> str:
    """A column's name, however it is written.

    Arguments
    ---------
    name : str
        As a file has it.

    Returns
    -------
    str
        In lower case, without spaces, hyphens and underscores.

    Example
    -------
    >>> bare_name(" Freesound-ID") == bare_name("freesound_id")
    True
    """
    return re.sub(r"[\s_-]", "", name.lower())


def _check_widths(
    path: str | os.PathLike, records: Sequence[Record], width: int
) -> None:
    wrong = [
        record
        for record in records
        if len(record.values) < width or any(filter(str.strip, record.values[width:]))
    ]
    if not wrong:
        return
    count, few = len(wrong[0].values), len(wrong[0].values) < width
    others = f" (and {len(wrong) - 1} other rows have not {width})"
    hint = (
        "is a value broken over two lines? It needs double quotes around it, or to be "
        "written in one. Some spreadsheets leave empty values at a row's end out: each "
        "needs its comma"
        if few
        else "a value that holds a comma needs double quotes around it"
    )
    raise ValueError(
        f"{path}, line {wrong[0].line}: there are {count} values for {width} columns"
        f"{others if len(wrong) > 1 else ''}: {hint}"
    )
