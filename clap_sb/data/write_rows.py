"""The lists that go beside manifests and results: missing clips, remarks, overlaps."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from clap_sb.whole_file import write_whole


def write_rows(path: Path, rows: Sequence[Any]) -> None:
    """Writes a list as CSV, or removes one that no longer holds.

    Arguments
    ---------
    path : Path
        The CSV file; missing folders are created.
    rows : sequence
        Of one dataclass, whose fields are the columns; may be empty. What is no valid
        Unicode, as names of files may be, is written with escapes.

    Example
    -------
    >>> from clap_sb.data.missing import NOT_FOUND, MissingClip
    >>> path = getfixture("tmp_path") / "test_missing.csv"
    >>> write_rows(path, [MissingClip("a", "a", NOT_FOUND)])
    >>> path.read_text().splitlines()[1]
    'a,a,"no such file, under any of its names"'
    >>> write_rows(path, [])
    >>> path.exists()
    False
    """
    if not rows:
        path.unlink(missing_ok=True)
        return
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, [field.name for field in fields(rows[0])])
    writer.writeheader()
    writer.writerows(map(asdict, rows))
    write_whole(path, table.getvalue().encode(errors="backslashreplace"))
