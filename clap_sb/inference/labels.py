"""Labels, the sentences that stand for each of them, and both from a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from clap_sb.data.csv_records import read_records
from clap_sb.data.csv_rows import Row, bare_name, read_rows
from clap_sb.data.text_file import read_lines
from clap_sb.encoders.readable import is_blank, why_unreadable
from clap_sb.evaluation.prompts import Prompts, read_descriptions
from clap_sb.evaluation.zero_shot import DEFAULT_PROMPT, prompt
from clap_sb.inference.encoder import Encoder

_COLUMNS = ("label", "description")


@dataclass(frozen=True)
class Labels:
    """Labels, each with one sentence or more that describes it.

    Arguments
    ---------
    names : tuple of str
        The labels, all different.
    texts : tuple of tuple of str
        Sentences of each.

    Raises
    ------
    ValueError
        If there is no label, one is there twice, or one has no sentence.

    Example
    -------
    >>> Labels.of(["dog", "sea_waves"]).texts
    (('This is a sound of dog.',), ('This is a sound of sea waves.',))
    >>> Labels.of({"dog": ["A dog barks.", "A dog howls."]}).names
    ('dog',)
    """

    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]

    def __post_init__(self):
        if not self.names:
            raise ValueError("there are no labels: give one or more")
        for name, texts in zip(self.names, self.texts, strict=True):
            for text in (name, *texts):
                if (reason := why_unreadable(text)) is not None:
                    raise ValueError(f"a label, or its description, {reason}")
            if is_blank(name):
                raise ValueError(f"a label is empty ({name!r}): leave it out")
            if self.names.count(name) > 1:
                raise ValueError(f"the label {name!r} is there twice")
            if not texts or any(map(is_blank, texts)):
                raise ValueError(f"the label {name!r} has an empty description")

    @classmethod
    def of(
        cls,
        labels: Labels | Sequence[str] | Mapping[str, str | Sequence[str]],
        template: str = DEFAULT_PROMPT,
    ) -> Labels:
        """Makes labels of what users give.

        Arguments
        ---------
        labels : Labels, sequence of str, or mapping
            Names, or names with one or several sentences each, which are taken as they
            are.
        template : str
            Sentence for a name alone, with ``{label}`` where it goes.

        Returns
        -------
        Labels

        Raises
        ------
        ValueError
            If it is a single string, or one is no string, or it makes no labels.
        """
        if isinstance(labels, Labels):
            return labels
        if isinstance(labels, str):
            raise ValueError(
                f"labels are a list of names, not one string: [{labels!r}]"
            )
        if isinstance(labels, Mapping):
            texts = [(t,) if isinstance(t, str) else tuple(t) for t in labels.values()]
        else:
            labels = list(labels)
            for place, name in enumerate(labels):
                if not isinstance(name, str):
                    raise ValueError(
                        f"labels [{place}] is {name!r}, of type "
                        f"{type(name).__name__}, and labels are texts"
                    )
            texts = [(prompt(name, template),) for name in labels]
        return cls(tuple(labels), tuple(texts))

    def embed(self, clap: Encoder) -> torch.Tensor:
        """Embeds each label: the mean over its sentences, normalised.

        Arguments
        ---------
        clap : Encoder
            The model.

        Returns
        -------
        torch.Tensor
            ``[labels, joint_dim]``, unit norm.
        """
        described = dict(zip(self.names, self.texts, strict=True))
        return Prompts(descriptions=described).embed(clap, self.names)


def read_labels(path: str | Path, template: str = DEFAULT_PROMPT) -> Labels:
    """Reads labels, with or without sentences that describe them.

    ========= ==============================================================
    file      content
    ========= ==============================================================
    ``.txt``  a label a line
    ``.csv``  a label a row, then its description if there is a second
              column; a label in several rows has several descriptions;
              a header with ``label``, or ``label`` and ``description`` in
              any order, may be there; a column without a name is left out
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
        If the file is of another kind, or makes no labels, or a row has none; it is
        named.

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
    if _is_header(records[0].values):
        rows = read_rows(path, _COLUMNS[:1], _COLUMNS[1:])
        if not rows:
            raise ValueError(f"{path} holds no label below its header")
        _check_columns(path, rows[0])
        has_descriptions = _COLUMNS[1] in rows[0]
    else:
        has_descriptions = any("".join(r.values[1:]).strip() for r in records)
        names = _COLUMNS if has_descriptions else _COLUMNS[:1]
        rows = read_rows(path, names, names=names)
    labels: dict[str, list[str]] = {}
    for row in rows:
        if not row.said("label"):
            raise ValueError(
                f"{row.where} has no label: give one, or leave the row out"
            )
        labels.setdefault(row.said("label"), []).append(row.said("description"))
    if has_descriptions and any(map(any, labels.values())):
        return labels
    return [row.said("label") for row in rows]


def _is_header(values: Sequence[str]) -> bool:
    """Whether a first row names columns; those of another separator too.

    A lone ``description`` may be a label.
    """
    names = [bare_name(name) for value in values for name in re.split(r"[;\t]", value)]
    return "label" in names or (len(names) > 1 and "description" in names)


def _check_columns(path: Path, row: Row) -> None:
    others = [name for name in row if name not in _COLUMNS]
    if others and _COLUMNS[1] not in row:
        raise ValueError(
            f"{path} has the columns {', '.join(row)}: that of the descriptions is to "
            f"be called description; leave {', '.join(others)} out if there is none"
        )
