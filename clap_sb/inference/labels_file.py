"""Labels and their descriptions from a file."""

from __future__ import annotations

from pathlib import Path

from clap_sb.data.csv_records import read_records
from clap_sb.data.csv_rows import read_rows
from clap_sb.data.text_file import read_lines
from clap_sb.evaluation.prompts import read_descriptions
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT
from clap_sb.inference.labels import Labels

_COLUMNS = ("label", "description")


def read_labels(path: str | Path, template: str = DEFAULT_PROMPT) -> Labels:
    """Reads labels, with or without sentences that describe them.

    ========= ==============================================================
    file      content
    ========= ==============================================================
    ``.txt``  a label a line
    ``.csv``  a label a row, then its description if there is a second
              column; a label in several rows has several descriptions;
              the header ``label`` or ``label,description`` may be there
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
        ".txt": read_lines,
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


def _read_csv(path: Path) -> list[str] | dict[str, list[str]]:
    records = read_records(path, has_header=False)
    if not records:
        raise ValueError(f"{path} holds no label")
    has_descriptions = any("".join(record.values[1:]).strip() for record in records)
    columns = _COLUMNS if has_descriptions else _COLUMNS[:1]
    first = tuple(value.strip().lower() for value in records[0].values if value)
    rows = read_rows(path, columns, names=None if first == columns else columns)
    if not has_descriptions:
        return [row["label"].strip() for row in rows]
    labels: dict[str, list[str]] = {}
    for row in rows:
        labels.setdefault(row["label"].strip(), []).append(row["description"].strip())
    return labels
