"""Labels and their descriptions from a file."""

from __future__ import annotations

import csv
from pathlib import Path

from clap_sb.evaluation.prompts import read_descriptions
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT
from clap_sb.inference.labels import Labels


def read_labels(path: str | Path, template: str = DEFAULT_PROMPT) -> Labels:
    """Reads labels, with or without sentences that describe them.

    ========= ==============================================================
    file      content
    ========= ==============================================================
    ``.txt``  a label a line
    ``.csv``  a label a row, then its description if there is a second
              column; a label in several rows has several descriptions
    ``.yaml`` a description, or a list of them, by label; ``.json`` likewise
    ========= ==============================================================

    Arguments
    ---------
    path : str or Path
        The file, in UTF-8.
    template : str
        Sentence for a label without description, with ``{label}`` where it goes.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If the file is of another kind, or makes no labels; it is named.

    Example
    -------
    >>> path = getfixture("tmp_path") / "labels.csv"
    >>> _ = path.write_text("dog,A dog barks.\\ndog,A dog growls.\\nrain,It rains.\\n")
    >>> read_labels(path).texts
    (('A dog barks.', 'A dog growls.'), ('It rains.',))
    """
    path = Path(path)
    readers = {
        ".txt": _read_lines,
        ".csv": _read_csv,
        ".yaml": read_descriptions,
        ".json": read_descriptions,
    }
    if path.suffix not in readers:
        raise ValueError(
            f"{path}: labels are read from {', '.join(readers)}, not "
            f"{path.suffix or 'a file without a suffix'}"
        )
    values = readers[path.suffix](path)
    try:
        return Labels.of(values, template)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_lines(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _read_csv(path: Path) -> list[str] | dict[str, list[str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if any(row)]
    widths = {len(row) for row in rows}
    if widths == {1}:
        return [row[0].strip() for row in rows]
    if widths != {2}:
        raise ValueError(
            f"{path}: a row is a label, or a label and a description (in double "
            "quotes if it holds a comma), in all rows alike"
        )
    labels: dict[str, list[str]] = {}
    for label, description in rows:
        labels.setdefault(label.strip(), []).append(description.strip())
    return labels
