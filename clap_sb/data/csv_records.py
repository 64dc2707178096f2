"""The records of a CSV file, read strictly: what is broken is an error, with its line.

Quotes are where tables break without a word: one that is never closed makes a single
value of all that follows.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from clap_sb.data.text_file import decode_text

_SPACE_BEFORE_QUOTE = re.compile(r'(^|,)\s+"')
# what Excel is told, in quotes or not
_SEPARATOR = re.compile(r'"?sep=."?\s*', re.IGNORECASE)
_LINES = re.compile(r"\r\n|\r|\n")
_FILE_NAME = re.compile(r".*\.\w{1,5}\s*")


@dataclass(frozen=True)
class Record:
    """The values of one row.

    Arguments
    ---------
    line : int
        The line of the file that it begins in; the first is 1.
    values : tuple of str
        Its values, as they are.

    Example
    -------
    >>> Record(2, ("a.wav", "A dog barks")).values[0]
    'a.wav'
    """

    line: int
    values: tuple[str, ...]


def read_records(
    path: str | os.PathLike, has_header: bool = True, fallback: str | None = None
) -> list[Record]:
    """Reads a CSV file with commas between the columns.

    A value in double quotes may hold commas, doubled quotes and line breaks. A quote
    that is closed so much later that whole rows lie within is taken for one that was
    not closed: the line of the quote, and one after it, have a value for each column,
    of a kind (a file's name, a number, or other text; with a space before it, or
    without) that is in the column elsewhere. One of them, at least, is a file's name or
    a number: lines of prose look like rows of prose.

    A first line ``sep=,``, as it is written for Excel, is no record.

    Arguments
    ---------
    path : str or path-like
        The file, UTF-8 with or without a byte order mark; lines of any system.
    has_header : bool
        Whether the first record is the columns' names.
    fallback : str, optional
        The encoding of a file that is not in UTF-8.

    Returns
    -------
    list of Record
        Those with a value; empty lines, and rows of commas alone, are left out.

    Raises
    ------
    ValueError
        If a quote is not closed, or is followed by something else than a comma, or has
        a space before it, or the encoding is another; the line is named.

    Example
    -------
    >>> path = getfixture("tmp_path") / "list.csv"
    >>> _ = path.write_text('path,caption\\n\\na.wav,"A dog, far away"\\n')
    >>> read_records(path)[1]
    Record(line=3, values=('a.wav', 'A dog, far away'))
    """
    lines = list(StringIO(_decoded(path, fallback), newline=""))
    if lines and _SEPARATOR.fullmatch(lines[0]):
        lines[0] = "\n"  # left out, and counted
    reader = csv.reader(lines, strict=True)
    records, broken = [], []
    while True:
        start = reader.line_num
        try:
            values = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise ValueError(f"{path}, line {start + 1}: {_explained(error)}") from None
        if not any(value.strip() for value in values):
            continue
        record = Record(start + 1, tuple(values))
        records.append(record)
        if _SPACE_BEFORE_QUOTE.search(lines[start]) and any(
            value[:1].isspace() and value.lstrip().startswith('"') for value in values
        ):
            raise ValueError(
                f"{path}, line {record.line}: there is a space before a quote, which "
                "makes the quote a part of the value: take the space away"
            )
        if reader.line_num > record.line:
            broken.append((record, lines[start + 1 : reader.line_num]))
    if broken:
        _check_quotes(path, records[has_header:], broken, len(records[0].values))
    return records


def _decoded(path: str | os.PathLike, fallback: str | None) -> str:
    content = Path(path).read_bytes()
    try:
        return decode_text(content, path)
    except ValueError:
        if fallback is None or b"\0" in content:
            raise
        return content.decode(fallback)


def _explained(error: csv.Error) -> str:
    text = str(error)
    if "field larger" in text:
        return (
            f"a value is longer than {csv.field_size_limit()} characters: shorten it, "
            "or close the double quote before it, if one is opened and never closed"
        )
    if "unexpected end" in text:
        return (
            "a double quote is opened and never closed. Close it where the value ends, "
            "or double it if it belongs to the value"
        )
    if "expected after" in text:
        return (
            "in the row that begins here, no comma follows a closing double quote. "
            "Was one before it not closed? A quote that belongs to a value is doubled, "
            "and the value in quotes"
        )
    return f"it cannot be read as CSV ({text})"


def _check_quotes(
    path: str | os.PathLike,
    records: Sequence[Record],
    broken: Sequence[tuple[Record, Sequence[str]]],
    width: int,
) -> None:
    """Looks for rows in values over several lines; those after the first are given."""
    kinds = [
        {_kind(record.values[i]) for record in records if i < len(record.values)}
        for i in range(width)
    ]
    for record, following in broken:
        place = next(i for i, value in enumerate(record.values) if _LINES.search(value))
        begun = _LINES.split(record.values[place])[0]
        if not _is_row([*record.values[:place], *_split(begun)], place, kinds):
            continue
        for number, line in enumerate(following, start=record.line + 1):
            values = _split(line.rstrip("\r\n"))
            if _is_row(values, place, kinds) and _is_told(values, place, width):
                raise ValueError(
                    f"{path}, line {record.line}: a double quote is not closed before "
                    f"line {record.line + len(following)}, and line {number} looks "
                    "like a row of its own. Close the quote where the value ends; put "
                    "a value that has such line breaks into one line"
                )


def _split(line: str) -> list[str]:
    return next(csv.reader([line]), [])


def _is_told(values: list[str], place: int, width: int) -> bool:
    """Whether another value than the one at a place is none that prose would have."""
    others = values[:place] + values[place + 1 + len(values) - width :]
    return any(_kind(value)[1] in ("file", "number") for value in others)


def _is_row(
    values: list[str], place: int, kinds: Sequence[set[tuple[bool, str]]]
) -> bool:
    """Whether values are of the columns' kinds, commas in the one at a place apart."""
    end = place + 1 + len(values) - len(kinds)
    if not place < min(end, len(kinds)):
        return False
    joined = [*values[:place], ",".join(values[place:end]), *values[end:]]
    return all(
        _kind(value) in known for value, known in zip(joined, kinds, strict=True)
    )


def _kind(value: str) -> tuple[bool, str]:
    """What it is, and whether a space is before it, as after a comma of prose."""
    is_spaced = value[:1].isspace()
    if not value.strip():
        return False, "nothing"
    try:
        float(value)
    except ValueError:
        return is_spaced, "file" if _FILE_NAME.fullmatch(value) else "text"
    return is_spaced, "number"
