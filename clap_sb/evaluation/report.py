"""Writes a result as JSON and, beside it, as Markdown."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from clap_sb.evaluation.card import ProtocolCard, markdown_table
from clap_sb.whole_file import write_whole

_RESERVED = ("title", "intervals", "card", "tables")
_EMPTY: Mapping[str, list[dict]] = MappingProxyType({})


def write_results(
    folder: str | Path,
    name: str,
    title: str,
    scores: Mapping[str, object],
    intervals: Mapping[str, tuple[float, float]],
    card: ProtocolCard,
    tables: Mapping[str, list[dict]] = _EMPTY,
) -> tuple[Path, Path]:
    """Writes ``<folder>/<name>.json`` and ``<folder>/<name>.md``.

    Each file appears whole or not at all, and neither if there is an error in what
    is to be written. The JSON has the scores at its top level,
    and ``title``, ``intervals``, ``card`` and ``tables`` beside them.

    Arguments
    ---------
    folder : str or pathlib.Path
        Where to write; made if it does not exist.
    name : str
        Name of the files, without folder or extension.
    title : str
        Heading: model and data set.
    scores : mapping
        Numbers or text by name, or one more such mapping (e.g. scores by fold).
    intervals : mapping
        ``(low, high)``, 95 %, for some of the scores, under their names.
    card : ProtocolCard
        What the scores mean.
    tables : mapping
        More tables by title, each a list of rows with the same keys.

    Returns
    -------
    tuple of pathlib.Path
        The JSON and the Markdown file.

    Raises
    ------
    ValueError
        If a number is NaN or infinite, or a name is not usable.
    TypeError
        If a value is no plain Python one, e.g. a tensor.

    Example
    -------
    >>> import tempfile
    >>> card = ProtocolCard("ESC-50", "fold 1", 400, "windows", "demo", "last", 0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written, _ = write_results(
    ...         folder,
    ...         "zero_shot",
    ...         "Demo",
    ...         {"accuracy": 81.5},
    ...         {"accuracy": (77.5, 85.0)},
    ...         card,
    ...     )
    ...     json.loads(written.read_text(encoding="utf-8"))["accuracy"]
    81.5
    """
    _check_names(name, scores, intervals)
    result = _plain(
        {
            **scores,
            "title": title,
            "intervals": intervals,
            "card": card.as_dict(),
            "tables": tables,
        },
        "results",
    )
    text = _markdown(title, scores, intervals, card, tables)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{name}.json", folder / f"{name}.md"
    write_whole(paths[0], json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    write_whole(paths[1], text)
    return paths


def _markdown(
    title: str,
    scores: Mapping[str, object],
    intervals: Mapping[str, tuple[float, float]],
    card: ProtocolCard,
    tables: Mapping[str, list[dict]],
) -> str:
    """The whole Markdown file."""
    sections = [
        f"# {' '.join(title.split())}",
        markdown_table(_score_rows(scores, intervals)),
        "Recall, precision, mAP and accuracy are in percent; intervals are bootstrap "
        "intervals over clips.",
    ]
    for heading, rows in tables.items():
        sections += [f"## {heading}", markdown_table(rows) if rows else "No rows."]
    sections += ["## Protocol card", card.as_markdown()]
    return "\n\n".join(sections) + "\n"


def _score_rows(
    scores: Mapping[str, object], intervals: Mapping[str, tuple[float, float]]
) -> list[dict[str, object]]:
    """Rows of the table of scores, a mapping's entries in rows of their own."""
    rows = []
    for name, value in scores.items():
        label = name.replace("_", " ")
        if isinstance(value, Mapping):
            entries = {f"{label}: {key}": entry for key, entry in value.items()}
        else:
            entries = {label: value}
        interval = intervals.get(name)
        ends = None if interval is None else "{:.2f} to {:.2f}".format(*interval)
        rows += [
            {"score": entry, "value": entries[entry], "95 % interval": ends}
            for entry in entries
        ]
    return rows


def _plain(value: object, where: str) -> object:
    """The value as JSON holds it; ``where`` is its place, for messages."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where} is {value}; a result must be a finite number")
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(
        f"{where} is a {type(value).__name__}; turn it into a plain number, text, list "
        "or mapping first (a tensor: .item() or .tolist())"
    )


def _check_names(
    name: str, scores: Mapping[str, object], intervals: Sequence[str]
) -> None:
    """Raises for names that cannot be written or would hide one another."""
    if not name or Path(name).name != name:
        raise ValueError(f"{name!r} is no file name; give one without a folder")
    hidden = [key for key in scores if key in _RESERVED]
    if hidden:
        raise ValueError(f"scores named {hidden} would hide parts of the file; rename")
    unknown = [key for key in intervals if key not in scores]
    if unknown:
        raise ValueError(f"there are intervals, but no scores, for {unknown}")
